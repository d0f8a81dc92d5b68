package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"oipnode/shared/errs"
	"oipnode/shared/jobs"
	"oipnode/shared/library"
)

// mediaRows are the routes of media (spec records-api section 4).
func (s *server) mediaRows() []row {
	if s.opt.Media == nil {
		return nil
	}
	return []row{
		{http.MethodGet, "/api/media", s.json(s.mediaList), aboutMediaList},
		{http.MethodPost, "/api/media/fetch", s.json(s.mediaFetch), aboutMediaFetch},
		{http.MethodGet, "/api/media/jobs/{id}", s.json(s.mediaJob), aboutMediaJob},
		{http.MethodGet, "/api/media/{id}", http.HandlerFunc(s.mediaBytes), aboutMediaBytes},
		// Not /info itself: it would meet /jobs/{id} at /jobs/info.
		{http.MethodGet, "/api/media/{id}/{part}", s.json(s.mediaInfo), aboutMediaInfo},
	}
}

// fetchBody is the body of a request for a fetch.
type fetchBody struct {
	URL         string `json:"url"`
	DID         string `json:"did"`
	AccessLevel string `json:"accessLevel"`
}

// fetchAnswer is the answer to a request for a fetch: where to ask what becomes of it.
type fetchAnswer struct {
	JobID  string         `json:"jobId"`
	Status library.Status `json:"status"`
}

// mediaFetch serves POST /api/media/fetch.
func (s *server) mediaFetch(ctx context.Context, r *http.Request) (answer, error) {
	v := s.opt.Auth.Viewer(r)
	if library.OwnerOf(v) == "" {
		return answer{}, errs.E(errs.Unauthorized, "send a valid token: what is fetched belongs to somebody", nil)
	}
	text, err := s.readBody(ctx, r)
	if err != nil {
		return answer{}, err
	}
	var body fetchBody
	if err := json.Unmarshal(text, &body); err != nil {
		return answer{}, invalid("body", `body must be a JSON object such as {"url":"https://…"} or {"did":"did:arweave:…"}`)
	}
	job, err := s.opt.Media.Request(ctx, v, library.Wanted{URL: body.URL, DID: body.DID, Level: library.Level(body.AccessLevel)})
	if err != nil {
		return answer{}, mediaError(err)
	}
	return reply(http.StatusAccepted, fetchAnswer{job.ID, job.Status})
}

// mediaJob serves GET /api/media/jobs/{id}.
func (s *server) mediaJob(ctx context.Context, r *http.Request) (answer, error) {
	v := s.opt.Auth.Viewer(r)
	if library.OwnerOf(v) == "" { // whatever the id: whose token has run out must not take the job for lost
		return answer{}, errs.E(errs.Unauthorized, "send a valid token: a job is told to its owner only", nil)
	}
	job, err := s.opt.Media.Job(ctx, v, r.PathValue("id"))
	if errors.Is(err, library.ErrNotFound) {
		return answer{}, errs.E(errs.NotFound, "there is no such job: it never was, it has expired, or it is not yours", err)
	}
	if err != nil {
		return answer{}, mediaError(err)
	}
	return reply(http.StatusOK, job)
}

// mediaInfo serves GET /api/media/{id}/info.
func (s *server) mediaInfo(ctx context.Context, r *http.Request) (answer, error) {
	if r.PathValue("part") != "info" {
		return answer{}, errs.E(errs.NotFound, "there is nothing at this path", nil)
	}
	m, err := s.opt.Media.Find(ctx, s.opt.Auth.Viewer(r), r.PathValue("id"))
	if err != nil {
		return answer{}, mediaError(err)
	}
	return reply(http.StatusOK, m)
}

// mediaBytes serves GET /api/media/{id}. Like a stream it is not whole before its first
// byte, and a long one takes longer than an answer may; each of its steps has its time.
func (s *server) mediaBytes(w http.ResponseWriter, r *http.Request) {
	m, err := s.findMedia(r)
	if err == nil {
		err = s.opt.Media.Serve(w, r, m)
	}
	if err != nil {
		w.Header().Del("ETag")
		s.fail(w, r, mediaError(err))
	}
}

func (s *server) findMedia(r *http.Request) (library.Manifest, error) {
	ctx, cancel := context.WithTimeout(r.Context(), s.opt.Timeout)
	defer cancel()
	return s.opt.Media.Find(ctx, s.opt.Auth.Viewer(r), r.PathValue("id"))
}

// mediaListRequest is what GET /api/media asks for.
type mediaListRequest struct {
	limit  int
	cursor string
}

func (q *mediaListRequest) params() []param {
	return []param{
		{"limit", count(&q.limit, 20, 1, library.MaxPage, ""), "how many to return at once"},
		{"cursor", text(&q.cursor), "the nextCursor of an earlier answer: continues where that page ended"},
	}
}

// mediaListAnswer is a part of the caller's media, the newest first.
type mediaListAnswer struct {
	Media      []library.Manifest `json:"media"`
	NextCursor *string            `json:"nextCursor"`
}

// mediaList serves GET /api/media.
func (s *server) mediaList(ctx context.Context, r *http.Request) (answer, error) {
	var q mediaListRequest
	if _, err := parse(r.URL.RawQuery, q.params()); err != nil {
		return answer{}, err
	}
	p, err := s.opt.Media.List(ctx, s.opt.Auth.Viewer(r), q.cursor, q.limit)
	if err != nil {
		return answer{}, mediaError(err)
	}
	a := mediaListAnswer{Media: p.Media}
	if p.Next != "" {
		a.NextCursor = &p.Next
	}
	return reply(http.StatusOK, a)
}

// mediaError gives the errors of the library their kind and their words.
func mediaError(err error) error {
	var known *errs.Error
	var field *library.FieldError
	switch {
	case errors.As(err, &field):
		return invalid(field.Field, "%s", field.Error())
	case errors.Is(err, library.ErrNotFound):
		return errs.E(errs.NotFound, "there is no such medium or record", err)
	case errors.Is(err, library.ErrUnauthorized):
		return errs.E(errs.Unauthorized, "a valid token is needed", err)
	case errors.Is(err, library.ErrForbidden):
		return errs.E(errs.Forbidden, "this medium is not for you", err)
	case errors.Is(err, library.ErrLost):
		return errs.E(errs.NotFound, "the file of this medium is gone; the node tries to fetch it again", err)
	case errors.Is(err, library.ErrTooMany):
		return errs.E(errs.TooMany, "you have as many fetches under way as are allowed: wait for one to end", err).After(retryAfter)
	case errors.Is(err, library.ErrBusy), errors.Is(err, jobs.ErrFull):
		return errs.E(errs.TooMany, "too much is under way, try again later", err).After(retryAfter)
	case errors.Is(err, library.ErrClosed):
		return errs.E(errs.Unavailable, "the node is about to stop, try again later", err).After(retryAfter)
	case errors.Is(err, library.ErrCorrupt):
		return err
	case errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return errs.E(errs.Unavailable, "media cannot be reached at the moment, try again later", fmt.Errorf("media: %w", err)).After(time.Second)
}
