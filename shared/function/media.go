package function

import (
	"errors"
	"fmt"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"oipnode/shared/access"
	"oipnode/shared/assembly"
	"oipnode/shared/jobs/sqs"
	"oipnode/shared/library"
	"oipnode/shared/media"
	"oipnode/shared/media/s3"
	"oipnode/shared/state"
)

// errNoMedia is the error of a function that needs media and was not told where they are.
var errNoMedia = errors.New("MEDIA_BUCKET and MEDIA_QUEUE_URL must be set")

// HasMedia says whether the deployment has media.
func (p *Parts) HasMedia() bool {
	return p.Config.AWS.MediaBucket != "" && p.Config.AWS.MediaQueueURL != ""
}

// Library makes the library of media over the bucket and the queue of the configuration.
// records may be nil for who asks for no rights. Like everything here it asks nothing of
// the network.
func (p *Parts) Library(s state.Store, records access.Searcher) (*library.Library, error) {
	queue, err := p.MediaQueue()
	if err != nil {
		return nil, err
	}
	store, err := p.Files()
	if err != nil {
		return nil, err
	}
	o := assembly.Library(p.Config, s, store, p.Log)
	o.Queue, o.Records = queue, records
	return library.New(o)
}

// Files is the bucket of the configuration.
func (p *Parts) Files() (media.Store, error) {
	store, err := s3.New(s3.Options{Client: p.s3(), Bucket: p.Config.AWS.MediaBucket, Log: p.Log})
	if err != nil {
		return nil, err // not store: an interface that holds a nil pointer is not nil
	}
	return store, nil
}

// MediaQueue is the queue of the media jobs.
func (p *Parts) MediaQueue() (*sqs.Queue, error) {
	if !p.HasMedia() {
		return nil, errNoMedia
	}
	c := p.Config.AWS
	queue, err := p.Queue(c.MediaQueueURL, c.MediaDeadLettersURL)
	if err != nil {
		return nil, fmt.Errorf("MEDIA_QUEUE_URL and MEDIA_DEAD_LETTERS_URL: %w", err)
	}
	return queue, nil
}

// s3 is a client of S3. An endpoint of one's own has no names for buckets.
func (p *Parts) s3() *awss3.Client {
	return awss3.NewFromConfig(p.aws, func(o *awss3.Options) { o.UsePathStyle = o.BaseEndpoint != nil })
}
