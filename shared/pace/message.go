package pace

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
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
}

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
	if _, err := d.Token(); !errors.Is(err, io.EOF) || m.Force == (m.Beat != "") {
		return Message{}, ErrMessage
	}
	return m, nil
}
