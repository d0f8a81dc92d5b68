package library

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"oipnode/shared/access"
	"oipnode/shared/errs"
	"oipnode/shared/oip"
	"oipnode/shared/state"
)

// MaxSource is the longest source in bytes, as in a Request or in a record.
const MaxSource = 2048

// Wanted is what a Request asks for: a URL or a record.
type Wanted struct {
	URL string
	DID string
	// Level says who may read what comes of it. For a URL it is Private unless it is
	// Public. For a record it is the record's own rule, unless it is Private.
	Level Level
}

// check refuses what is wrong whatever the URL or the record is.
func (w Wanted) check() error {
	switch {
	case (w.URL == "") == (w.DID == ""):
		return &FieldError{Field: "url", Must: "given, or did: one of them"}
	case w.Level != "" && w.Level != Private && w.Level != Public:
		return &FieldError{Field: "accessLevel", Must: "private or public"}
	case len(w.URL) > MaxSource:
		return &FieldError{Field: "url", Must: fmt.Sprintf("at most %d bytes long", MaxSource)}
	case w.DID != "" && !oip.ValidDID(w.DID):
		return &FieldError{Field: "did", Must: "a DID such as did:arweave:<id>"}
	case w.DID != "" && w.Level == Public:
		return &FieldError{Field: "accessLevel", Must: "private or absent with did: else the record says who may read its media"}
	}
	return nil
}

// Request makes a job that fetches what is wanted, for the viewer, and returns it. It is
// durable when Request returns. ErrUnauthorized for whom the token does not name;
// ErrTooMany; ErrNotFound for a record that the viewer may not read; a *FieldError for
// what can be refused at once.
func (l *Library) Request(ctx context.Context, v access.Viewer, w Wanted) (Job, error) {
	j, err := l.request(ctx, v, w)
	if err != nil {
		return Job{}, fmt.Errorf("request a medium: %w", err)
	}
	return j, nil
}

func (l *Library) request(ctx context.Context, v access.Viewer, w Wanted) (Job, error) {
	r := row{Owner: OwnerOf(v), PublicKey: v.PublicKey, Level: w.Level, Single: w.URL != ""}
	if r.Owner == "" {
		return Job{}, ErrUnauthorized
	}
	if err := w.check(); err != nil {
		return Job{}, err
	}
	if l.opt.Remote == nil || l.opt.Queue == nil {
		return Job{}, errors.New("library: it was not made for requests")
	}
	if w.Level == "" {
		r.Level = Private
	}
	if r.Single {
		source, err := l.source(w.URL)
		if err != nil {
			return Job{}, err
		}
		r.Items = []item{{Item: Item{Source: source, Status: Queued}}}
	} else if err := l.fill(ctx, v, w, &r); err != nil {
		return Job{}, err
	}
	if err := l.begin(ctx, &r); err != nil {
		return Job{}, err
	}
	if err := l.send(ctx, &r); err != nil {
		return Job{}, l.giveUp(ctx, &r, err)
	}
	return r.job(), nil
}

// source is the form in which the source of a request is kept; an error for one that
// can be refused at once.
func (l *Library) source(text string) (string, error) {
	if id, ok := transaction(text); ok {
		return arweaveScheme + id, nil
	}
	if strings.HasPrefix(text, arweaveScheme) {
		return "", &FieldError{Field: "url", Must: "an http or https URL, or ar:// and the id of a transaction"}
	}
	u, err := l.opt.Remote.CheckURL(text)
	if err != nil {
		return "", &FieldError{Field: "url", Why: errs.Public(err), Cause: err}
	}
	u.Fragment, u.RawFragment = "", ""
	return u.String(), nil
}

// begin writes the row of a new job, with more operations in the same Commit.
func (l *Library) begin(ctx context.Context, r *row, more ...state.Op) error {
	now := l.opt.Now().UTC()
	r.ID, r.Created, r.Updated, r.Expires = newID(), now, now, now.Add(l.opt.JobLife)
	return l.change(ctx, func() error {
		var jobs list
		var err error
		if jobs.version, err = l.read(ctx, listKey(r.Owner), &jobs); err != nil {
			return err
		}
		if jobs.Jobs, err = l.underWay(ctx, jobs.Jobs); err != nil {
			return err
		}
		if len(jobs.Jobs) >= l.opt.MaxPerOwner {
			return fmt.Errorf("%w: %d", ErrTooMany, len(jobs.Jobs))
		}
		jobs.Jobs = append(jobs.Jobs, r.ID)
		job, err := write(jobKey(r.ID), r, 0, r.Expires)
		if err != nil {
			return err
		}
		jobsRow, err := write(listKey(r.Owner), jobs, jobs.version, r.Expires)
		if err != nil {
			return err
		}
		ops := append([]state.Op{job, jobsRow, state.Create(openKey(r.ID), nil).Until(r.Expires)}, more...)
		if err := l.opt.State.Commit(ctx, ops...); err != nil {
			return err
		}
		r.version = 1
		return nil
	})
}

// underWay are those of the jobs that are not over.
func (l *Library) underWay(ctx context.Context, ids []string) ([]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	keys := make([]state.Key, len(ids))
	for i, id := range ids {
		keys[i] = openKey(id)
	}
	rows, err := l.opt.State.Get(ctx, keys...)
	if err != nil {
		return nil, err
	}
	left := make([]string, len(rows))
	for i, row := range rows {
		left[i] = row.ID
	}
	return left, nil
}

// message is the body of a message: one item of a job.
type message struct {
	Job  string `json:"job"`
	Item int    `json:"item"`
}

// send sends a message for each item that is not over.
func (l *Library) send(ctx context.Context, r *row) error {
	for i, it := range r.Items {
		if it.Status.over() {
			continue
		}
		body, err := json.Marshal(message{r.ID, i})
		if err != nil {
			return fmt.Errorf("library: encode a message: %w", err)
		}
		if _, err := l.opt.Queue.Send(ctx, body, 0); err != nil {
			return err
		}
	}
	return nil
}

// lastWords is how long a row may still be written when the context is over.
const lastWords = 5 * time.Second

// giveUp ends a job whose messages could not be sent: its caller learns of the failure,
// and of no job. What was sent finds the items over.
func (l *Library) giveUp(ctx context.Context, r *row, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	reason := errs.E(errs.Unavailable, "the job could not be queued", cause)
	if err := l.end(ctx, r.ID, reason); err != nil {
		l.opt.Log.WarnContext(ctx, "a job that could not be queued is left to the repair", "job", r.ID, "error", err)
	}
	return cause
}

// end fails the items of a job that are not over.
func (l *Library) end(ctx context.Context, id string, reason error) error {
	return l.change(ctx, func() error {
		r, err := l.job(ctx, id)
		if err != nil || r.version == 0 || r.over() {
			return err
		}
		for i := range r.Items {
			if it := &r.Items[i]; !it.Status.over() {
				it.fail(reason)
			}
		}
		ops, err := l.save(ctx, &r)
		if err != nil {
			return err
		}
		return l.opt.State.Commit(ctx, ops...)
	})
}

// fail ends an item with what its owner may be told of an error.
func (it *item) fail(reason error) {
	it.Status, it.Reason, it.Kind = Failed, errs.Public(reason), errs.Code(reason)
}

// Job returns a job of the viewer, or ErrNotFound.
func (l *Library) Job(ctx context.Context, v access.Viewer, id string) (Job, error) {
	owner := OwnerOf(v)
	r, err := l.job(ctx, id)
	switch {
	case err != nil:
		return Job{}, fmt.Errorf("read a job: %w", err)
	case owner == "" || r.version == 0 || r.Owner != owner || !l.opt.Now().Before(r.Expires):
		return Job{}, fmt.Errorf("read a job: %w", ErrNotFound)
	}
	return r.job(), nil
}
