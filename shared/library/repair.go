package library

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"oipnode/shared/errs"
	"oipnode/shared/media"
	"oipnode/shared/state"
)

// Grace is the usual grace time of a repair: how old an object without a grant must be
// before it is removed.
const Grace = 24 * time.Hour

const (
	// repairPage is how many rows and objects are looked at between two notes of how
	// far it is.
	repairPage = 100
	// repairReserve is what is left of the context's time when a repair stops.
	repairReserve = 45 * time.Second
	// maxResent is how often a job is sent again that was begun and has come to no end,
	// and maxRefetch how often an object that is gone is asked for, before it is given up.
	maxResent, maxRefetch = 3, 3
	// maxDoubled is how often the time doubles after which a job is sent once more.
	maxDoubled = 4
	// maxPlaces is how many of the sources of an object that is gone are tried.
	maxPlaces = 8
)

// Repaired is what a repair found and did.
type Repaired struct {
	// Complete says that it came to the end. If not, the next one goes on from there.
	Complete bool `json:"complete"`
	// Jobs were under way; Resent of them had gone quiet and were sent again, Ended were
	// given up.
	Jobs   int `json:"jobs"`
	Resent int `json:"resent"`
	Ended  int `json:"ended"`
	// Objects were looked at; Removed of them had no manifest.
	Objects int `json:"objects"`
	Removed int `json:"removed"`
	// Media have a manifest; of those whose object is gone, Refetched are asked for
	// again, and Lost were asked for too often.
	Media     int `json:"media"`
	Refetched int `json:"refetched"`
	Lost      int `json:"lost"`
	// Swept counts what killed uploads left behind.
	Swept int `json:"swept"`
}

// position is how far a repair is, as it is kept between two.
type position struct {
	// Phase is the part that goes on, and After the name behind which it does.
	Phase string `json:"phase"`
	After string `json:"after"`
}

// The phases. Behind the last one comes the first again.
const (
	phaseJobs    = "jobs"
	phaseObjects = "objects"
	phaseSweep   = "sweep"
)

var phaseAfter = map[string]string{phaseJobs: phaseObjects, phaseObjects: phaseSweep, phaseSweep: phaseJobs}

var positionKey = state.Key{Space: "media-repair", ID: "position"}

// Repair finds what a kill, a lost message or a lost object has left, and mends it: jobs
// of which nothing is heard are sent again, objects without a grant that were not put for
// the grace time are removed, media whose objects are gone are fetched again or marked,
// and what unfinished uploads left is swept.
//
// It goes through everything a page at a time, keeps how far it is in the state store,
// and stops before the context's deadline. It may be killed at any moment; of two at once
// one ends early. A grace of 0 is allowed: it disturbs fetches that are under way, which are
// then tried again.
func (l *Library) Repair(ctx context.Context, grace time.Duration) (Repaired, error) {
	var done Repaired
	var at position
	version, err := l.read(ctx, positionKey, &at)
	if err != nil {
		return done, fmt.Errorf("repair media: %w", err)
	}
	at.Phase = cmp.Or(at.Phase, phaseJobs)
	for !done.Complete && timeLeft(ctx) {
		var after string
		switch at.Phase {
		case phaseJobs:
			after, err = l.repairJobs(ctx, at.After, &done)
		case phaseObjects:
			after, err = l.repairObjects(ctx, at.After, grace, &done)
		default:
			err = l.sweep(ctx, grace, &done)
		}
		if err != nil {
			return done, fmt.Errorf("repair media: %s: %w", at.Phase, err)
		}
		at.After = after
		end := after == "" && at.Phase == phaseSweep
		if after == "" {
			at.Phase = phaseAfter[at.Phase]
		}
		note, err := write(positionKey, at, version, time.Time{})
		if err == nil {
			err = l.opt.State.Commit(ctx, note)
		}
		if errors.Is(err, state.ErrConflict) {
			return done, nil // another repair is at it, and goes on
		}
		if err != nil {
			return done, fmt.Errorf("repair media: %w", err)
		}
		version++
		done.Complete = end
	}
	return done, nil
}

// timeLeft says whether there is time for another page.
func timeLeft(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(deadline) > repairReserve)
}

// repairJobs looks at a page of the jobs that are under way, and returns the id of the
// last one, "" at the end.
func (l *Library) repairJobs(ctx context.Context, after string, done *Repaired) (string, error) {
	rows, err := l.opt.State.Range(ctx, openSpace, after+"\x00", "", repairPage)
	if err != nil {
		return "", err
	}
	for _, open := range rows {
		done.Jobs++
		if err := l.repairJob(ctx, open, done); err != nil {
			return "", err
		}
	}
	return next(rows, repairPage), nil
}

// next is the id behind which the next page begins, "" when this one was the last.
func next(rows []state.Item, page int) string {
	if len(rows) < page {
		return ""
	}
	return rows[len(rows)-1].ID
}

// repairJob sends a job again of which nothing was heard for long, or gives it up. One
// that was never begun may be waiting behind others for its turn, so it is never given up,
// and sent again less and less often.
func (l *Library) repairJob(ctx context.Context, open state.Item, done *Repaired) error {
	r, err := l.job(ctx, open.ID)
	switch {
	case err != nil:
		return err
	case r.version == 0: // it expired in this very moment
		return nil
	case l.opt.Now().Sub(r.Updated) < l.opt.Quiet<<min(r.Resent, maxDoubled):
		return nil
	case r.Resent >= maxResent && r.begun():
		done.Ended++
		return l.end(ctx, r.ID, errs.E(errs.Unavailable, "it was tried again and again, and came to no end", nil))
	case l.opt.Queue == nil:
		return errors.New("library: there is no queue to send a job to")
	}
	r.Resent++
	ops, err := l.save(ctx, &r)
	if err != nil {
		return err
	}
	err = l.opt.State.Commit(ctx, ops...)
	if errors.Is(err, state.ErrConflict) {
		return nil // something was heard of it just now
	}
	if err != nil {
		return err
	}
	done.Resent++
	return l.send(ctx, &r)
}

// repairObjects compares a page of the objects with the media that have a grant: both
// are in the order of their ids. It returns the id up to which it is done, "" at the end.
func (l *Library) repairObjects(ctx context.Context, after string, grace time.Duration, done *Repaired) (string, error) {
	behind := ""
	if after != "" {
		behind = Kind + "/" + after
	}
	objects, err := l.opt.Media.List(ctx, Kind, behind, repairPage)
	if err != nil {
		return "", err
	}
	heads, err := l.opt.State.Range(ctx, headSpace, after+"\x00", "", repairPage)
	if err != nil {
		return "", err
	}
	// Behind the end of a full page there may be more of its kind, of which nothing is
	// known yet: this page ends where the shorter one of the two does.
	end := next(heads, repairPage)
	if len(objects) == repairPage {
		last := leaf(objects[len(objects)-1])
		if end == "" || last < end {
			end = last
		}
	}
	since := l.opt.Now().Add(-grace)
	known := make(map[string]bool, len(heads))
	for _, row := range heads {
		known[row.ID] = true
	}
	stored := make(map[string]bool, len(objects))
	for _, o := range objects {
		id := leaf(o)
		if stored[id] = true; end != "" && id > end {
			break
		}
		done.Objects++
		if known[id] || o.Modified.After(since) || !validMedia(id) {
			continue
		}
		removed, err := l.collect(ctx, id, since)
		if err != nil {
			return "", err
		}
		if removed {
			done.Removed++
		}
	}
	for _, row := range heads {
		if end != "" && row.ID > end {
			break
		}
		done.Media++
		if err := l.repairMedium(ctx, row, stored[row.ID], done); err != nil {
			return "", err
		}
	}
	return end, nil
}

func leaf(o media.Object) string { return strings.TrimPrefix(o.Name, Kind+"/") }

// repairMedium asks for an object again that is gone, or takes back that it was.
func (l *Library) repairMedium(ctx context.Context, stored state.Item, there bool, done *Repaired) error {
	var h head
	if err := decode(stored, &h); err != nil {
		return err
	}
	if there && h.Missing == nil {
		return nil
	}
	_, err := l.opt.Media.Stat(ctx, Kind+"/"+stored.ID) // the list may be older than the row
	if err != nil && !errors.Is(err, media.ErrNotFound) {
		return err
	}
	switch {
	case err == nil && h.Missing == nil:
		return nil
	case err == nil:
		h.Missing = nil
	case h.Missing != nil && h.Missing.Tries >= maxRefetch:
		done.Lost++
		return nil
	case h.Missing != nil && l.opt.Now().Sub(h.Missing.Asked) < l.opt.Quiet:
		return nil // it is being asked for
	default:
		return l.refetch(ctx, stored, h, done)
	}
	put, err := write(headKey(stored.ID), h, stored.Version, time.Time{})
	if err == nil {
		err = l.opt.State.Commit(ctx, put)
	}
	if errors.Is(err, state.ErrConflict) {
		return nil // somebody else has found it
	}
	return err
}

// refetch makes a job that fetches an object again, from any of the sources of its
// grants.
func (l *Library) refetch(ctx context.Context, stored state.Item, h head, done *Repaired) error {
	if h.Missing == nil {
		h.Missing = &missing{Since: l.opt.Now().UTC()}
		l.opt.Log.ErrorContext(ctx, "the object of a medium is gone", "media", stored.ID)
	}
	h.Missing.Tries++
	h.Missing.Asked = l.opt.Now().UTC()
	put, err := write(headKey(stored.ID), h, stored.Version, time.Time{})
	if err != nil {
		return err
	}
	grants, err := l.opt.State.Range(ctx, mediaPrefix+stored.ID, "grant/", state.PrefixEnd("grant/"), maxPlaces)
	if err != nil {
		return err
	}
	r := row{Owner: repairer, Level: Private}
	for _, text := range grants {
		var g grant
		if err := decode(text, &g); err != nil {
			return err
		}
		if !slices.ContainsFunc(r.Items, func(it item) bool { return it.Source == g.SourceURL }) {
			r.Items = append(r.Items, item{Item: Item{Source: g.SourceURL, Status: Queued}, Want: stored.ID})
		}
	}
	if l.opt.Queue == nil {
		return errors.New("library: there is no queue to send a job to")
	}
	switch err := l.begin(ctx, &r, put); {
	case errors.Is(err, ErrTooMany), errors.Is(err, ErrBusy): // the next repair goes on
		return nil
	case err != nil:
		return err
	}
	done.Refetched++
	return l.send(ctx, &r)
}

// sweeper is a media store that can remove what killed uploads left.
type sweeper interface {
	Sweep(ctx context.Context, age time.Duration) (removed int, err error)
}

// sweep removes what unfinished uploads left.
func (l *Library) sweep(ctx context.Context, grace time.Duration, done *Repaired) error {
	s, ok := l.opt.Media.(sweeper)
	if !ok {
		return nil
	}
	n, err := s.Sweep(ctx, grace)
	done.Swept += n
	return err
}
