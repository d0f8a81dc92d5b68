package api

import (
	"context"
	"errors"
	"net/http"

	"oipnode/shared/errs"
	"oipnode/shared/voice"
)

// positionKind takes the number of an event, or 0.
func positionKind(dst *int) kind { return count(dst, 0, 0, maxPosition, "") }

// maxPosition is the greatest number of an event that is read.
const maxPosition = 99_999_999

// eventsRequest is what GET /api/voice/dialogues/{id}/events asks for.
type eventsRequest struct {
	after int
	limit int
}

func (q *eventsRequest) params() []param {
	return []param{
		{"after", positionKind(&q.after), "only events behind the one of this number"},
		{"limit", count(&q.limit, 100, 1, 1000, ""), "how many events at most"},
	}
}

// eventsAnswer is a part of a dialogue's events.
type eventsAnswer struct {
	DialogueID string        `json:"dialogueId"`
	Status     voice.Status  `json:"status"`
	Events     []voice.Event `json:"events"`
	// Next is the after of the call that goes on, and More says that it will find
	// something now.
	Next int  `json:"next"`
	More bool `json:"more"`
}

// voiceEvents serves GET /api/voice/dialogues/{id}/events.
func (s *server) voiceEvents(ctx context.Context, r *http.Request) (answer, error) {
	var q eventsRequest
	if _, err := parse(r.URL.RawQuery, q.params()); err != nil {
		return answer{}, err
	}
	c, err := s.caller(r)
	if err != nil {
		return answer{}, err
	}
	p, err := s.opt.Voice.Events(ctx, c, r.PathValue("id"), q.after, q.limit, min(maxEventsAnswer, s.opt.MaxAnswer))
	if err != nil {
		return answer{}, s.voiceError(err)
	}
	a := eventsAnswer{p.Dialogue.ID, p.Dialogue.Status, p.Events, q.after, p.More}
	if n := len(p.Events); n > 0 {
		a.Next = p.Events[n-1].Number
	}
	return reply(http.StatusOK, a)
}

// streamRequest is what GET /api/voice/open-stream asks for.
type streamRequest struct {
	dialogue string
	key      string
	after    int
}

// dialogueKind takes any text: what is no id is no dialogue's.
func dialogueKind(dst *string) kind {
	k := text(dst)
	k.allowed, k.needed = "the id of a dialogue", true
	return k
}

func (q *streamRequest) params() []param {
	return []param{
		{"dialogueId", dialogueKind(&q.dialogue), "the dialogue"},
		{"streamKey", text(&q.key), "the key that its start was answered with, for readers that cannot send headers"},
		{"after", positionKind(&q.after), "only events behind the one of this number; Last-Event-ID goes before it"},
	}
}

// voiceStream serves GET /api/voice/open-stream. It is the one answer that is not whole
// before its first byte, and has no bound of time but the dialogue's own.
func (s *server) voiceStream(w http.ResponseWriter, r *http.Request) {
	stream, err := s.openStream(r)
	if err == nil {
		err = stream.Serve(w, r)
	}
	if err == nil {
		return
	}
	var known *errs.Error
	if !errors.As(err, &known) {
		err = s.voiceError(err)
	}
	s.fail(w, r, err)
}

func (s *server) openStream(r *http.Request) (*voice.Stream, error) {
	var q streamRequest
	if _, err := parse(r.URL.RawQuery, q.params()); err != nil {
		return nil, err
	}
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		var err error
		if q.after, err = voice.ParseLastEventID(last); err != nil {
			return nil, err
		}
	}
	c, err := s.caller(r)
	if err != nil {
		return nil, err
	}
	c.StreamKey = q.key
	ctx, cancel := context.WithTimeout(r.Context(), s.opt.Timeout)
	defer cancel()
	return s.opt.Voice.Open(ctx, c, q.dialogue, q.after)
}
