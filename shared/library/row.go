package library

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"oipnode/shared/state"
)

// Status is how far a job or an item is.
type Status string

// The states. A job is running while one of its items is or was, and ends with the last
// of them: as done when at least one was fetched, else as failed.
const (
	Queued  Status = "queued"
	Running Status = "running"
	Done    Status = "done"
	Failed  Status = "failed"
)

// over says that nothing follows.
func (s Status) over() bool { return s == Done || s == Failed }

// Job is what a job's owner is told.
type Job struct {
	ID     string `json:"jobId"`
	Status Status `json:"status"`
	// Reason is why something was not fetched, or is tried again; empty without.
	Reason string `json:"reason"`
	// MediaID is that of the first item that is done; empty before.
	MediaID string `json:"mediaId"`
	// Bytes is how many bytes were read so far.
	Bytes int64 `json:"bytes"`
	// Items are the sources of a record's job; nil for a URL's.
	Items []Item `json:"items,omitempty"`
	// LeftOut is how many more sources the record has than are fetched at once.
	LeftOut int `json:"leftOut,omitempty"`
}

// Item is one source of a job.
type Item struct {
	// Source is a URL, or ar:// and a transaction's id.
	Source  string `json:"source"`
	Status  Status `json:"status"`
	Reason  string `json:"reason"`
	MediaID string `json:"mediaId"`
	Bytes   int64  `json:"bytes"`
}

// item is an item as it is stored.
type item struct {
	Item
	// Kind is that of the failure, by its code.
	Kind string `json:"kind,omitempty"`
	// Name and Type are what the record says of the file.
	Name string `json:"name,omitempty"`
	Type string `json:"type,omitempty"`
	// Record is the DID of the record that the grant follows, Level that record's
	// access level when it was asked.
	Record string `json:"record,omitempty"`
	Level  string `json:"level,omitempty"`
	// Want is the only medium that will do, for an object that is gone. Such an item
	// makes no grant.
	Want string `json:"want,omitempty"`
}

// row is the row of a job.
type row struct {
	ID    string `json:"jobId"`
	Owner Owner  `json:"owner"`
	// PublicKey is the owner's, for the manifests.
	PublicKey string    `json:"publicKey,omitempty"`
	Level     Level     `json:"level"`
	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires"`
	// Updated is when something was last heard of the job, Resent how often it had to
	// be sent again.
	Updated time.Time `json:"updated"`
	Resent  int       `json:"resent,omitempty"`
	// Single says that the job was made for a URL.
	Single  bool   `json:"single,omitempty"`
	LeftOut int    `json:"leftOut,omitempty"`
	Items   []item `json:"items"`

	version uint64
}

// job is what the owner is told of the row.
func (r *row) job() Job {
	j := Job{ID: r.ID, Status: Queued, LeftOut: r.LeftOut}
	failed, done := 0, 0
	for _, it := range r.Items {
		j.Bytes += it.Bytes
		switch it.Status {
		case Done:
			done++
			if j.MediaID == "" {
				j.MediaID = it.MediaID
			}
		case Failed:
			failed++
		case Running:
			j.Status = Running
		}
		if it.Reason != "" && j.Reason == "" {
			j.Reason = it.Reason
		}
		if !r.Single {
			j.Items = append(j.Items, it.Item)
		}
	}
	switch {
	case done+failed < len(r.Items):
		if done > 0 {
			j.Status = Running
		}
	case done > 0:
		j.Status = Done
	default:
		j.Status = Failed
	}
	return j
}

// over says that all items of the row have ended.
func (r *row) over() bool {
	return !slices.ContainsFunc(r.Items, func(it item) bool { return !it.Status.over() })
}

// begun says that somebody has tried one of the items that are left.
func (r *row) begun() bool {
	return slices.ContainsFunc(r.Items, func(it item) bool { return !it.Status.over() && (it.Status == Running || it.Kind != "") })
}

// The spaces of the state store. Each job, owner and medium has one of its own, which a
// DynamoDB table keeps as a partition of its own; two are walked through by Repair.
const (
	jobPrefix   = "media-job:"
	ownerPrefix = "media-owner:"
	mediaPrefix = "media:"
	// openSpace has a row for each job that is not over, by the job's id.
	openSpace = "media-open"
	// headSpace has a row for each medium that has a grant, by the medium's id.
	headSpace = "media-head"
)

func jobKey(id string) state.Key     { return state.Key{Space: jobPrefix + id, ID: "job"} }
func openKey(id string) state.Key    { return state.Key{Space: openSpace, ID: id} }
func listKey(o Owner) state.Key      { return state.Key{Space: ownerPrefix + string(o), ID: "jobs"} }
func headKey(media string) state.Key { return state.Key{Space: headSpace, ID: media} }

// IsJob reports whether a row of the state store is that of a job: for whoever counts
// what has expired.
func IsJob(k state.Key) bool { return strings.HasPrefix(k.Space, jobPrefix) && k.ID == "job" }

// list is the row of an owner: the jobs that are under way. Those that expired stay in
// it until the next Request.
type list struct {
	Jobs []string `json:"jobs"`

	version uint64
}

// read reads the value under a key into v and returns the row's version, 0 when there is
// none.
func (l *Library) read(ctx context.Context, k state.Key, v any) (version uint64, err error) {
	stored, exists, err := state.GetOne(ctx, l.opt.State, k)
	if err != nil || !exists {
		return 0, err
	}
	return stored.Version, decode(stored, v)
}

// job reads the row of a job; its version is 0 when there is none.
func (l *Library) job(ctx context.Context, id string) (r row, err error) {
	if !validJob(id) {
		return row{}, nil
	}
	r.version, err = l.read(ctx, jobKey(id), &r)
	return r, err
}

// write makes the operation that stores a value under a key, if it still has the version
// (0: is still absent). The zero time means that it never expires.
func write(k state.Key, v any, version uint64, until time.Time) (state.Op, error) {
	var value bytes.Buffer
	enc := json.NewEncoder(&value)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return state.Op{}, fmt.Errorf("library: encode %q: %w", k.ID, err)
	}
	op := state.Update(k, value.Bytes(), version)
	if version == 0 {
		op = state.Create(k, value.Bytes())
	}
	if !until.IsZero() {
		op = op.Until(until)
	}
	return op, nil
}

// save makes the operations that store the row, and with the end of its last item those
// that take the job from what is under way.
func (l *Library) save(ctx context.Context, r *row) ([]state.Op, error) {
	r.Updated = l.opt.Now().UTC()
	put, err := write(jobKey(r.ID), r, r.version, r.Expires)
	if err != nil || !r.over() {
		return []state.Op{put}, err
	}
	ops := []state.Op{put}
	// This row ends by an expiry that is past and not by a deletion: so the API, which
	// ends a job that it cannot queue, needs no right to delete anything.
	open, exists, err := state.GetOne(ctx, l.opt.State, openKey(r.ID))
	if err != nil {
		return nil, err
	}
	if exists {
		ops = append(ops, state.Update(open.Key, nil, open.Version).Until(l.opt.Now().Add(-time.Hour)))
	}
	var jobs list
	if jobs.version, err = l.read(ctx, listKey(r.Owner), &jobs); err != nil {
		return nil, err
	}
	i := slices.Index(jobs.Jobs, r.ID)
	if i < 0 {
		return ops, nil
	}
	jobs.Jobs = slices.Delete(jobs.Jobs, i, i+1)
	put, err = write(listKey(r.Owner), jobs, jobs.version, l.opt.Now().Add(l.opt.JobLife))
	return append(ops, put), err
}

// newID is 128 bits as 32 hexadecimal digits, which nobody guesses.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

const digits = "0123456789abcdef"

func validJob(id string) bool   { return len(id) == 32 && strings.Trim(id, digits) == "" }
func validMedia(id string) bool { return len(id) == 64 && strings.Trim(id, digits) == "" }

// decode reads the value of a row.
func decode(stored state.Item, v any) error {
	if err := json.Unmarshal(stored.Value, v); err != nil {
		return fmt.Errorf("%w: %q %q: %w", ErrCorrupt, stored.Space, stored.ID, err)
	}
	return nil
}
