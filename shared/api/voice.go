package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
	"unicode/utf8"

	"oipnode/shared/errs"
	"oipnode/shared/voice"
)

const (
	// secretHeader shows the secret that a dialogue was started with.
	secretHeader = "X-Dialogue-Secret"
	// maxEventsAnswer is about the most data in one answer, in bytes. Lambda takes 6 MB
	// as JSON, in which the quotes of the data are escaped.
	maxEventsAnswer = 3 << 20
)

// voiceRows are the routes of dialogues (spec records-api section 6).
func (s *server) voiceRows() []row {
	if s.opt.Voice == nil {
		return nil
	}
	return []row{
		{http.MethodPost, "/api/voice/dialogues", s.json(s.voiceStart), aboutVoiceStart},
		{http.MethodGet, "/api/voice/dialogues/{id}", s.json(s.voiceGet), aboutVoiceGet},
		{http.MethodDelete, "/api/voice/dialogues/{id}", s.json(s.voiceEnd), aboutVoiceEnd},
		{http.MethodGet, "/api/voice/dialogues/{id}/events", s.json(s.voiceEvents), aboutVoiceEvents},
		{http.MethodPost, "/api/voice/dialogues/{id}/events", s.json(s.voiceAppend), aboutVoiceAppend},
		{http.MethodGet, "/api/voice/active-dialogues", s.json(s.voiceList), aboutVoiceList},
		{http.MethodGet, "/api/voice/open-stream", http.HandlerFunc(s.voiceStream), aboutVoiceStream},
	}
}

// caller is who asks about dialogues: the token's user, and whoever knows the secret.
func (s *server) caller(r *http.Request) (c voice.Caller, err error) {
	if owner := voice.OwnerOf(s.opt.Auth.Viewer(r)); owner != "" {
		c.Owners = append(c.Owners, owner)
	}
	if secret := r.Header.Get(secretHeader); secret != "" {
		owner, err := voice.SecretOwner(secret)
		if err != nil {
			return voice.Caller{}, s.voiceError(err)
		}
		c.Owners = append(c.Owners, owner)
	}
	return c, nil
}

// voiceStart serves POST /api/voice/dialogues. A dialogue that is started with a secret,
// in the body or in the header, belongs to whoever knows it; another one to the user.
func (s *server) voiceStart(ctx context.Context, r *http.Request) (answer, error) {
	var body struct {
		Secret string `json:"secret"`
	}
	text, err := s.readBody(ctx, r)
	if err != nil {
		return answer{}, err
	}
	if text = bytes.TrimSpace(text); len(text) > 0 && (text[0] != '{' || !utf8.Valid(text) || json.Unmarshal(text, &body) != nil) {
		return answer{}, invalid("body", "body must be empty, or a JSON object such as {\"secret\":\"…\"}")
	}
	if secret := r.Header.Get(secretHeader); body.Secret == "" {
		body.Secret = secret
	} else if secret != "" && secret != body.Secret {
		return answer{}, invalid("secret", "secret must be the same in the body and in %s, or be only in one of them", secretHeader)
	}
	owner := voice.OwnerOf(s.opt.Auth.Viewer(r))
	switch {
	case body.Secret != "":
		if owner, err = voice.SecretOwner(body.Secret); err != nil {
			return answer{}, s.voiceError(err)
		}
	case owner == "":
		return answer{}, errs.E(errs.Unauthorized, fmt.Sprintf(
			"a dialogue needs an owner: send a valid token, or a secret of %d to %d characters in %s or as the body's secret", voice.MinSecret, voice.MaxSecret, secretHeader), nil)
	}
	started, err := s.opt.Voice.Start(ctx, owner)
	if err != nil {
		return answer{}, s.voiceError(err)
	}
	return reply(http.StatusCreated, started)
}

// voiceGet serves GET /api/voice/dialogues/{id}.
func (s *server) voiceGet(ctx context.Context, r *http.Request) (answer, error) {
	c, err := s.caller(r)
	if err != nil {
		return answer{}, err
	}
	d, err := s.opt.Voice.Get(ctx, c, r.PathValue("id"))
	if err != nil {
		return answer{}, s.voiceError(err)
	}
	return reply(http.StatusOK, d)
}

// voiceEnd serves DELETE /api/voice/dialogues/{id}.
func (s *server) voiceEnd(ctx context.Context, r *http.Request) (answer, error) {
	c, err := s.caller(r)
	if err != nil {
		return answer{}, err
	}
	d, err := s.opt.Voice.End(ctx, c, r.PathValue("id"))
	if err != nil {
		return answer{}, s.voiceError(err)
	}
	return reply(http.StatusOK, d)
}

// listAnswer is the answer of GET /api/voice/active-dialogues.
type listAnswer struct {
	Count     int              `json:"count"`
	Dialogues []voice.Dialogue `json:"dialogues"`
}

// voiceList serves GET /api/voice/active-dialogues. It needs to know who asks: to
// nobody it would be a list that is always empty.
func (s *server) voiceList(ctx context.Context, r *http.Request) (answer, error) {
	c, err := s.caller(r)
	if err != nil {
		return answer{}, err
	}
	if len(c.Owners) == 0 {
		return answer{}, errs.E(errs.Unauthorized, "send a valid token, or the secret of your dialogues in "+secretHeader, nil)
	}
	all, err := s.opt.Voice.List(ctx, c)
	if err != nil {
		return answer{}, s.voiceError(err)
	}
	return reply(http.StatusOK, listAnswer{len(all), all})
}

// appendAnswer is the answer to an append: the event's place, and the dialogue's new end.
type appendAnswer struct {
	DialogueID string    `json:"dialogueId"`
	Number     int       `json:"number"`
	Event      string    `json:"event"`
	At         time.Time `json:"at"`
	Events     int       `json:"events"`
	ExpiresAt  time.Time `json:"expiresAt"`
}

// voiceAppend serves POST /api/voice/dialogues/{id}/events.
func (s *server) voiceAppend(ctx context.Context, r *http.Request) (answer, error) {
	c, err := s.caller(r)
	if err != nil {
		return answer{}, err
	}
	text, err := s.readBody(ctx, r)
	if err != nil {
		return answer{}, err
	}
	event, err := voice.ParseEvent(text)
	if err != nil {
		return answer{}, s.voiceError(err)
	}
	e, d, err := s.opt.Voice.Append(ctx, c, r.PathValue("id"), event)
	if err != nil {
		return answer{}, s.voiceError(err)
	}
	return reply(http.StatusCreated, appendAnswer{d.ID, e.Number, e.Event, e.At, d.Events, d.ExpiresAt})
}

// readBody reads a whole body, which is bounded by Options.MaxBody. Until ctx ends it is
// counted among all that are here, with the size that was announced: anybody may begin
// thousands of them and not end.
func (s *server) readBody(ctx context.Context, r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	size := r.ContentLength
	if size < 0 || size > s.opt.MaxBody {
		size = s.opt.MaxBody
	}
	release, ok := s.bodies.hold(size)
	if !ok {
		return nil, errs.E(errs.Unavailable, "too many large bodies are being sent at the moment, try again later", nil).After(retryAfter)
	}
	context.AfterFunc(ctx, release)
	text, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, errs.E(errs.TooLarge, fmt.Sprintf("the body is longer than %d bytes", tooLarge.Limit), nil)
	case err != nil:
		return nil, errs.E(errs.Invalid, "the body could not be read", err)
	}
	return text, nil
}

// voiceError gives the errors of dialogues their kind and their words.
func (s *server) voiceError(err error) error {
	limits := s.opt.Voice.Limits()
	var field *voice.FieldError
	var number *voice.NumberError
	switch {
	case errors.As(err, &field):
		return invalid(field.Field, "%s must be %s", field.Field, field.Must)
	case errors.As(err, &number):
		return errs.E(errs.Conflict, number.Error(), err)
	case errors.Is(err, voice.ErrNotFound):
		return errs.E(errs.NotFound, "there is no such dialogue: it never was, it has expired, or it is not yours", err)
	case errors.Is(err, voice.ErrEnded):
		return errs.E(errs.Conflict, "the dialogue has ended", err)
	case errors.Is(err, voice.ErrFull):
		return errs.E(errs.Conflict, fmt.Sprintf("the dialogue is full: it takes %d events and %d bytes of data", limits.Events, limits.Bytes), err)
	case errors.Is(err, voice.ErrTooMany):
		return errs.E(errs.TooMany, fmt.Sprintf("you have %d dialogues already, the most at a time: end one first", limits.PerOwner), err)
	case errors.Is(err, voice.ErrStreams):
		return errs.E(errs.TooMany, "too many streams are open, try again later", err).After(retryAfter)
	case errors.Is(err, voice.ErrBusy):
		return errs.E(errs.Unavailable, "too many writers at once, try again later", err).After(time.Second)
	case errors.Is(err, voice.ErrClosed):
		return errs.E(errs.Unavailable, "the node is about to stop, try again later", err).After(retryAfter)
	case errors.Is(err, voice.ErrCorrupt):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return errs.E(errs.Unavailable, "dialogues cannot be reached at the moment, try again later", err).After(retryAfter)
}
