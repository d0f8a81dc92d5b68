// Package library is what the node knows of media: which files it was asked to fetch,
// how far that is, and who may read what came of it. The bytes lie in a media.Store,
// the work waits in a jobs.Queue, and all that must agree lies in the state store.
//
// # A fetch
//
// Request writes a row for the job and sends a message for each of its items; Run does
// one message: it streams the source into the store and then makes, in a single Commit,
// the manifest, its place in the owner's list, and the item's end. So a process that is
// killed leaves an item that is done with everything or not at all, and running it again
// changes nothing: the same content is the same object, the same grant the same row. A
// row whose message was lost is found by Repair and sent again.
//
// # Grants
//
// The id of a medium is the SHA-256 of its content, so that what two users fetched is
// one object. Each of them has a grant of its own, and with it a manifest:
//
//	private      its owner reads it, and nobody else
//	public       everybody reads it
//	of a record  whoever may read the record now reads it, by the access rule itself
//
// A caller is shown a grant that admits them, and nothing tells whether there are
// others. Somebody whom no grant admits learns what the contract says, that there is
// such a medium (401 or 403 instead of 404), and not who has it.
//
// # Garbage
//
// An object without a grant is what an attempt left behind that did not come to its
// Commit; Repair removes it once it is old. A medium whose object is gone is fetched
// again from where it came, or marked. Removing an object and granting it at the same
// moment exclude each other by a mark in the state store (collect.go).
package library

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"oipnode/shared/access"
	"oipnode/shared/media"
	"oipnode/shared/state"
)

var (
	// ErrNotFound means that there is no such medium, or no such job of this caller.
	ErrNotFound = errors.New("library: not found")
	// ErrUnauthorized means that there is such a medium, and that an anonymous caller
	// may not read it.
	ErrUnauthorized = errors.New("library: a token is needed")
	// ErrForbidden means that there is such a medium, and that this caller may not
	// read it.
	ErrForbidden = errors.New("library: not for this caller")
	// ErrLost means that a medium's object is gone and was not fetched again yet.
	ErrLost = errors.New("library: the object is gone")
	// ErrTooMany is returned by Request to an owner with Options.MaxPerOwner jobs.
	ErrTooMany = errors.New("library: too many jobs of one owner")
	// ErrBusy is returned when other writers were faster again and again, and by Serve
	// when as many answers as are allowed are being sent. Nothing was done.
	ErrBusy = errors.New("library: busy")
	// ErrClosed is returned by Serve after Close.
	ErrClosed = errors.New("library: closed")
	// ErrCorrupt means that a row is not what this package wrote.
	ErrCorrupt = errors.New("library: a row is damaged")
)

// FieldError is returned for a part of a request that is not allowed. Its text is for
// the caller.
type FieldError struct {
	Field, Must string
	// Why is the sentence of who refused it, in place of Must; Cause is for the log.
	Why   string
	Cause error
}

func (e *FieldError) Error() string {
	if e.Why != "" {
		return e.Why
	}
	return e.Field + " must be " + e.Must
}

// Unwrap gives the cause, so that errors.Is finds it.
func (e *FieldError) Unwrap() error { return e.Cause }

// Sender is what Request and Repair need of a jobs.Queue.
type Sender interface {
	Send(ctx context.Context, body []byte, delay time.Duration) (id string, err error)
}

const (
	// MaxAttempts is how often a message is tried. Whoever runs the jobs must set it
	// as jobs.Options.MaxAttempts, so that both give up at the same attempt.
	MaxAttempts = 4
	// Kind is the kind of the objects in the media store.
	Kind = "content"
)

// Options are the settings. State and Media are needed, the others have defaults, or
// are only needed by what uses them.
type Options struct {
	State state.Store
	Media media.Store
	// Queue takes the messages; for Request and Repair.
	Queue Sender
	// Remote reads the sources; for Request, which only checks URLs, and for Run.
	Remote Remote
	// Gateways are base URLs for Arweave ids, in the order of preference, and
	// GatewayRemote reads from them; nil means Remote.
	Gateways      []string
	GatewayRemote Remote
	// Records finds the records that a viewer may read; nil means that there are none.
	Records access.Searcher
	// BaseURL is the API's public base URL without a slash at its end, for httpUrl;
	// empty makes httpUrl a path.
	BaseURL string
	// MaxBytes is the largest file, 5 GiB by default.
	MaxBytes int64
	// Timeout is the longest that the fetch of one source may take, 15 minutes by
	// default. When the context of Run has a deadline, it ends Reserve before that,
	// 30 seconds by default, so that the outcome can be written.
	Timeout, Reserve time.Duration
	// JobLife is for how long a job can be read, 7 days by default.
	JobLife time.Duration
	// MaxPerOwner is the most jobs under way of one owner, 20 by default.
	MaxPerOwner int
	// MaxItems is the most sources that are fetched of one record, 16 by default.
	MaxItems int
	// Progress is how often a running item writes how far it is, 5 s by default.
	Progress time.Duration
	// Quiet is for how long nothing must have been heard of a job before Repair sends
	// it again, 2 hours by default: longer than a message is hidden from others.
	Quiet time.Duration
	// MaxStreams is the most answers with bytes that are sent at a time, 64 by default.
	// Each holds 64 KiB.
	MaxStreams int
	// WriteTimeout is how long a reader may take for 64 KiB, 30 s by default.
	WriteTimeout time.Duration
	// LinkLife is how long a signed URL lives, 5 minutes by default.
	LinkLife time.Duration
	// Now is the clock, which must agree with the state store's; nil means time.Now.
	Now func() time.Time
	// Log gets what went wrong, with its cause; nil discards it.
	Log *slog.Logger
}

// Library is safe for concurrent use. Several processes may have one over the same
// stores. It starts no goroutine that outlives a call.
type Library struct {
	opt           Options
	organizations *access.Organizations
	streams       chan struct{}
	closed        chan struct{}
	close         sync.Once
}

// New checks the settings.
func New(o Options) (*Library, error) {
	preset(&o.MaxBytes, 5<<30)
	preset(&o.Timeout, 15*time.Minute)
	preset(&o.Reserve, 30*time.Second)
	preset(&o.JobLife, 7*24*time.Hour)
	preset(&o.MaxPerOwner, 20)
	preset(&o.MaxItems, 16)
	preset(&o.Progress, 5*time.Second)
	preset(&o.Quiet, 2*time.Hour)
	preset(&o.MaxStreams, 64)
	preset(&o.WriteTimeout, 30*time.Second)
	preset(&o.LinkLife, 5*time.Minute)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.GatewayRemote == nil {
		o.GatewayRemote = o.Remote
	}
	for _, c := range []struct {
		name      string
		n, lo, hi int64
	}{
		{"MaxBytes", o.MaxBytes, 1, media.MaxSize},
		{"Timeout", int64(o.Timeout), int64(time.Millisecond), int64(24 * time.Hour)},
		{"Reserve", int64(o.Reserve), int64(time.Millisecond), int64(time.Hour)},
		{"JobLife", int64(o.JobLife), int64(time.Second), int64(10 * 365 * 24 * time.Hour)},
		{"MaxPerOwner", int64(o.MaxPerOwner), 1, state.MaxGet - 10},
		{"MaxItems", int64(o.MaxItems), 1, 32},
		{"Progress", int64(o.Progress), int64(time.Millisecond), int64(time.Hour)},
		{"Quiet", int64(o.Quiet), int64(time.Millisecond), int64(24 * time.Hour)},
		{"MaxStreams", int64(o.MaxStreams), 1, 1e6},
		{"WriteTimeout", int64(o.WriteTimeout), int64(time.Millisecond), int64(time.Hour)},
		{"LinkLife", int64(o.LinkLife), int64(time.Second), int64(media.MaxLink)},
	} {
		if c.n < c.lo || c.n > c.hi {
			return nil, fmt.Errorf("library: %s is %d, allowed are %d to %d", c.name, c.n, c.lo, c.hi)
		}
	}
	if o.State == nil || o.Media == nil {
		return nil, errors.New("library: it needs a state store and a media store")
	}
	l := &Library{opt: o, streams: make(chan struct{}, o.MaxStreams), closed: make(chan struct{})}
	if o.Records != nil {
		l.organizations = access.NewOrganizations(o.Records, o.Now, o.Log)
	}
	return l, nil
}

func preset[T comparable](v *T, standard T) {
	var zero T
	if *v == zero {
		*v = standard
	}
}

// Close ends the answers that are being sent, and lets no new one begin. Everything
// else goes on.
func (l *Library) Close() { l.close.Do(func() { close(l.closed) }) }

const (
	// tries bounds how often one change is tried while others change the same rows.
	tries = 20
	// longestPause is the longest wait between two tries.
	longestPause = 200 * time.Millisecond
)

// change does a read and a Commit that depends on it until nobody came in between.
// Errors other than state.ErrConflict are returned as they are, without another try:
// such a Commit may have happened.
func (l *Library) change(ctx context.Context, try func() error) error {
	for n := range tries {
		err := try()
		if !errors.Is(err, state.ErrConflict) {
			return err
		}
		pause := time.NewTimer(rand.N(min(time.Millisecond<<n, longestPause)))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		}
	}
	return fmt.Errorf("%w: %d tries", ErrBusy, tries)
}
