// Package awsclient is what all clients of AWS's SDK here have in common.
package awsclient

import (
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// HTTP returns the HTTP client for a configuration of the SDK, around the one that it
// has, or around the SDK's own where that is nil.
//
// The SDK closes a request's body as soon as it has the head of the answer, and its
// body's WriteTo then returns io.EOF, which is an error to net/http (smithy-go 1.28.9,
// safeWriteToReadCloser). A server that answers before the goroutine that writes the
// request has looked for bytes behind its end, as happens on a machine under load with
// requests of more than 4 KiB, therefore cost the connection: the answer could not be
// read, the request was sent again, and of a write nobody knew whether it was done. The
// body's Read has no such fault, so it is all that net/http gets to see.
func HTTP(inner aws.HTTPClient) aws.HTTPClient {
	if inner == nil {
		inner = awshttp.NewBuildableClient()
	}
	return client{inner}
}

type client struct{ inner aws.HTTPClient }

// Do implements aws.HTTPClient.
func (c client) Do(r *http.Request) (*http.Response, error) {
	if _, ok := r.Body.(io.WriterTo); ok {
		r = r.WithContext(r.Context()) // a copy: the request is the SDK's
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return c.inner.Do(r)
}
