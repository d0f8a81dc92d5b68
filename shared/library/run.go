package library

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/url"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"oipnode/shared/errs"
	"oipnode/shared/jobs"
	"oipnode/shared/media"
	"oipnode/shared/remote"
	"oipnode/shared/state"
)

// Bounds of what a source says of its file, in bytes.
const (
	maxName = 200
	maxType = 120
)

// commitTime bounds what is written once a file is stored. It is much shorter than a
// mark lives (collect.go), so that whoever grants a medium sees a mark that was made
// before its object was stored.
const commitTime = 20 * time.Second

// errOver is the cause of a fetch that has used all of its time.
var errOver = errors.New("library: the time of the fetch is over")

// Run does a message: it is a jobs.Handler, and bears being run any number of times, and
// twice at once. A permanent error means that the item has failed and its row says why.
// After any other error the item is queued, and is tried again until MaxAttempts.
func (l *Library) Run(ctx context.Context, j jobs.Job) error {
	m, err := parseMessage(j.Body)
	if err != nil {
		return err
	}
	r, err := l.start(ctx, m)
	if err != nil {
		return fmt.Errorf("begin a job: %w", classify(err))
	}
	it := r.Items[m.Item]
	switch it.Status {
	case Done:
		return nil
	case Failed: // it was told before, and the dead letter was not made
		return errs.E(kindOf(it.Kind), it.Reason, nil)
	}
	if err = l.fetch(ctx, m, r, it); err == nil {
		return nil
	}
	return l.failed(ctx, m, j, classify(err))
}

// parseMessage reads the body of a message.
func parseMessage(body []byte) (m message, err error) {
	if err := json.Unmarshal(body, &m); err != nil || !validJob(m.Job) || m.Item < 0 {
		return m, errs.E(errs.Invalid, "the message is none of a media job", err)
	}
	return m, nil
}

// start marks an item as running.
func (l *Library) start(ctx context.Context, m message) (row, error) {
	return l.edit(ctx, m, func(it *item) bool {
		if it.Status.over() {
			return false
		}
		it.Status, it.Bytes, it.Reason = Running, 0, ""
		return true
	})
}

// errGone is the error of a message whose job is not there any more.
func errGone() error {
	return errs.E(errs.NotFound, "there is no such job: it has expired", nil)
}

// edit changes an item of a job, unless change returns false, and returns the row.
func (l *Library) edit(ctx context.Context, m message, change func(it *item) bool) (r row, err error) {
	err = l.change(ctx, func() error {
		if r, err = l.job(ctx, m.Job); err != nil {
			return err
		}
		if r.version == 0 || m.Item >= len(r.Items) {
			return errGone()
		}
		if !change(&r.Items[m.Item]) {
			return nil
		}
		ops, err := l.save(ctx, &r)
		if err != nil {
			return err
		}
		return l.opt.State.Commit(ctx, ops...)
	})
	return r, err
}

// fetch streams the source of an item into the store, and grants it. Of several places
// the next is tried when one fails.
func (l *Library) fetch(ctx context.Context, m message, r row, it item) error {
	if l.opt.Remote == nil {
		return errors.New("library: it was not made for fetching")
	}
	fetching, cancel := context.WithDeadlineCause(ctx, l.limit(ctx), errOver)
	defer cancel()
	var failures []error
	for _, p := range l.places(it.Source) {
		stored, in, err := l.copy(fetching, m, p)
		switch {
		case err == nil:
			return l.finish(ctx, m, r, it, stored, in)
		case ctx.Err() == nil && fetching.Err() != nil:
			return errs.E(errs.Timeout, fmt.Sprintf("the source did not deliver the file within %v", l.opt.Timeout), errors.Join(errOver, err))
		case ctx.Err() != nil, errors.Is(err, media.ErrUnavailable), errors.Is(err, media.ErrTooLarge):
			return err // which another place would not mend
		}
		failures = append(failures, err)
	}
	return worst(failures)
}

// limit is when a fetch must end.
func (l *Library) limit(ctx context.Context) time.Time {
	end := time.Now().Add(l.opt.Timeout)
	if deadline, ok := ctx.Deadline(); ok && deadline.Add(-l.opt.Reserve).Before(end) {
		end = deadline.Add(-l.opt.Reserve)
	}
	return end
}

// worst is the error of a source that no place has delivered: one that lets it be tried
// again, if there is one.
func worst(failures []error) error {
	for _, err := range failures {
		if errs.IsTransient(err) {
			return err
		}
	}
	if len(failures) == 0 {
		return errs.E(errs.NotFound, "there is no gateway to fetch a transaction from", nil)
	}
	return failures[0]
}

// copy reads a place to its end and stores it.
func (l *Library) copy(ctx context.Context, m message, p place) (stored media.Stored, in remote.Info, err error) {
	stream, err := p.remote.Open(ctx, p.url)
	if err != nil {
		return stored, in, err
	}
	defer func() { _ = stream.Close() }() // what counts is what Read has said
	body := &counted{from: stream}
	var told sync.WaitGroup
	telling, stop := context.WithCancel(ctx)
	told.Go(func() { l.tell(telling, m, body) })
	stored, err = l.opt.Media.Put(ctx, media.Upload{Body: body, Name: Kind, ByContent: true, Limit: l.opt.MaxBytes})
	stop()
	told.Wait()
	if body.failed != nil {
		err = body.failed // the source's own error, and not what the store made of it
	}
	return stored, stream.Info, err
}

// counted counts what is read through it, and keeps the error that ended it.
type counted struct {
	from   io.Reader
	read   atomic.Int64
	failed error
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.read.Add(int64(n))
	if err != nil && !errors.Is(err, io.EOF) {
		c.failed = err
	}
	return n, err
}

// tell writes from time to time how much was read, until its context ends. A write that
// fails is of no importance.
func (l *Library) tell(ctx context.Context, m message, c *counted) {
	tick := time.NewTicker(l.opt.Progress)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		_, _ = l.edit(ctx, m, func(it *item) bool {
			if it.Status.over() {
				return false
			}
			it.Status, it.Bytes = Running, c.read.Load()
			return true
		})
	}
}

// finish makes a file that is stored a medium: its grant, its place in the owner's list
// and the end of the item are one Commit. It is done also when the context is over, since
// all the rest is.
func (l *Library) finish(ctx context.Context, m message, r row, it item, stored media.Stored, in remote.Info) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTime)
	defer cancel()
	id := hex.EncodeToString(stored.SHA256[:])
	if it.Want != "" && it.Want != id {
		return errs.E(errs.NotFound, "the source has other content now", nil)
	}
	g := grant{Owner: r.Owner, Manifest: Manifest{
		MediaID: id, FileSize: stored.Size, SourceURL: it.Source, CreatedAt: r.Created, UserPublicKey: r.PublicKey,
		OriginalName: cleanName(it.Name, in.Name, it.Source), MimeType: cleanType(typed(in), it.Type), AccessLevel: string(r.Level), Record: it.Record,
	}}
	if it.Record != "" {
		g.AccessLevel = it.Level
	}
	return l.change(ctx, func() error {
		r, err := l.job(ctx, m.Job)
		if err != nil {
			return err
		}
		if r.version == 0 || m.Item >= len(r.Items) {
			return errGone()
		}
		done := &r.Items[m.Item]
		if done.Status.over() {
			return nil
		}
		done.Status, done.MediaID, done.Bytes, done.Reason = Done, id, stored.Size, ""
		ops, err := l.save(ctx, &r)
		if err != nil {
			return err
		}
		if it.Want == "" {
			more, err := l.admit(ctx, g)
			if err != nil {
				return err
			}
			ops = append(ops, more...)
		}
		more, err := l.present(ctx, stored)
		if err != nil {
			return err
		}
		err = l.opt.State.Commit(ctx, append(ops, more...)...)
		if errors.Is(err, state.ErrConflict) && l.marked(ctx, id) {
			return errs.E(errs.Unavailable, "the file was being tidied up at this moment", nil)
		}
		return err
	})
}

// typed is the type that a source says, as a header would.
func typed(in remote.Info) string {
	if in.Charset == "" {
		return in.Type
	}
	return mime.FormatMediaType(in.Type, map[string]string{"charset": in.Charset})
}

// failed writes what became of an item, and returns the error that tells the queue the
// same.
func (l *Library) failed(ctx context.Context, m message, j jobs.Job, cause error) error {
	if errors.Is(context.Cause(ctx), jobs.ErrReceipt) {
		return cause // somebody else runs it
	}
	over := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	final := errs.ClassOf(cause) == errs.Permanent || j.Attempt >= MaxAttempts && !over
	_, err := l.edit(ctx, m, func(it *item) bool {
		switch {
		case it.Status.over():
			return false
		case final:
			it.fail(cause)
		default:
			it.Status, it.Reason, it.Kind = Queued, errs.Public(cause), errs.Code(cause)
		}
		return true
	})
	if err != nil {
		l.opt.Log.WarnContext(ctx, "the end of an item could not be written", "job", m.Job, "item", m.Item, "error", err)
		if final && !errors.Is(err, errs.NotFound) {
			// It would be buried, and its row would know nothing. It comes back instead,
			// or Repair ends it.
			return errs.E(errs.Unavailable, errs.Public(cause), errors.Join(cause, err))
		}
	}
	return cause
}

// classify gives the errors of the stores their kind and their words.
func classify(err error) error {
	var known *errs.Error
	switch {
	case err == nil, errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, media.ErrTooLarge):
		return errs.E(errs.TooLarge, "the file is larger than is fetched", err)
	case errors.Is(err, media.ErrUnavailable):
		return errs.E(errs.Unavailable, "the media store could not take the file", err)
	case errors.Is(err, ErrCorrupt):
		return errs.E(errs.Internal, "", err)
	}
	return errs.E(errs.Unavailable, "the job could not be done at the moment", err)
}

// kinds are those that a failure can have.
var kinds = []*errs.Kind{errs.Invalid, errs.Unauthorized, errs.Forbidden, errs.NotFound, errs.Conflict, errs.TooLarge,
	errs.TooMany, errs.Internal, errs.Timeout}

// kindOf is the kind of a failure that was kept by its code.
func kindOf(code string) *errs.Kind {
	for _, k := range kinds {
		if k.Error() == code {
			return k
		}
	}
	return errs.Unavailable
}

// cleanName is the first of the names that is one, else the last part of the source.
func cleanName(record, remote, source string) string {
	last, ok := transaction(source)
	if u, err := url.Parse(source); !ok && err == nil {
		last = u.Path
	}
	for _, name := range []string{record, remote, last} {
		name = strings.Map(func(c rune) rune {
			if unicode.IsControl(c) || unicode.Is(unicode.Cf, c) || c == unicode.ReplacementChar {
				return -1
			}
			return c
		}, strings.ToValidUTF8(name, ""))
		name = strings.TrimSpace(name[strings.LastIndexAny(name, `/\`)+1:])
		if name = shorten(name, maxName); name != "" && strings.Trim(name, ".") != "" {
			return name
		}
	}
	return "file"
}

// shorten keeps the end of a name, which tells what it is, when the name is too long.
func shorten(name string, most int) string {
	if len(name) <= most {
		return name
	}
	end := path.Ext(name)
	if len(end) > 10 {
		end = ""
	}
	return strings.ToValidUTF8(name[:most-len(end)], "") + end
}
