package pace

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"
)

// ErrMessage is returned for a body that is no message of this package.
var ErrMessage = errors.New("pace: not a message")

// maxMessage is more than any message has, in bytes.
const maxMessage = 1 << 10

// Message is what starts a pass by way of the queue: a link of the chain, or the wish
// of somebody who does not want to wait for it.
type Message struct {
	// Beat is for Claim.
	Beat string `json:"beat,omitempty"`
	// Force starts a pass whatever the time, and leaves the chain as it is.
	Force bool `json:"force,omitempty"`
	// Put is how often the wish was put off.
	Put int `json:"put,omitempty"`
}

const (
	// putOff is for how long a wish is put off, at most so many times. Together that is
	// longer than a pass takes.
	putOff    = 15 * time.Second
	maxPutOff = 6
)

func (m Message) body() []byte {
	text, err := json.Marshal(m)
	if err != nil {
		panic("pace: " + err.Error()) // a text and a boolean can always be encoded
	}
	return text
}

// Force asks for a pass at once.
func Force(ctx context.Context, q Sender) error {
	_, err := q.Send(ctx, Message{Force: true}.body(), 0)
	return err
}

// PutOff sends a wish again that came while a pass was running: that pass may be beyond
// what the wish is for. A wish that was put off too often is dropped, since passes follow
// each other anyway.
func PutOff(ctx context.Context, q Sender, wish Message) error {
	if wish.Put++; wish.Put > maxPutOff {
		return nil
	}
	_, err := q.Send(ctx, wish.body(), putOff)
	return err
}

// Parse reads the body of a message. It is a link or a wish, not both.
func Parse(body []byte) (Message, error) {
	var m Message
	if len(body) > maxMessage {
		return Message{}, ErrMessage
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return Message{}, ErrMessage
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) || m.Force == (m.Beat != "") || m.Put < 0 || m.Put > 0 && !m.Force {
		return Message{}, ErrMessage
	}
	return m, nil
}
