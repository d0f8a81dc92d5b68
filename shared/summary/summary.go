// Package summary keeps the shared summary of the index: how many records of each
// type everybody may read, the latest block, and how far the index is. Counting all
// that anew takes the engine some time, and the answer is the same for every process,
// so it is made once every KEEP_DB_REFRESH index cycles, kept in the state store, and
// read by whoever shows it. Its time is over after as many cycles; where the function
// or loop that makes it anew has failed to, the first reader who finds it so does
// (Reader), and so does whoever asks for it.
//
// It counts public records only. What a caller with a token may see besides is counted
// for that caller, by the API.
package summary

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"oipnode/shared/access"
	"oipnode/shared/indexer"
	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// MaxTypes is the most record types that a summary names; the most frequent ones are
// kept, and the others counted.
const MaxTypes = 200

// Summary is what is kept. Heights are in blocks.
type Summary struct {
	At time.Time `json:"at"`
	// Cycle is the number of the index cycle after which it was made.
	Cycle int64 `json:"cycle"`
	// Records is the number of public records, delete messages not among them.
	Records int64 `json:"records"`
	// Types are the most frequent record types as they were published, at most
	// MaxTypes, and OtherTypes the number of types that are not named.
	Types      []Type `json:"types"`
	OtherTypes int64  `json:"otherTypes"`
	// LatestBlock is the block of the newest public record, 0 without any.
	LatestBlock   int64 `json:"latestBlock"`
	Checkpoint    int64 `json:"checkpoint"`
	GatewayHeight int64 `json:"gatewayHeight"`
}

// Type is a record type and the number of its public records.
type Type struct {
	Type  string `json:"type"`
	Count int64  `json:"count"`
}

// key is where the summary lies.
var key = state.Key{Space: "summary", ID: "public"}

// claimLife is how long nobody else makes a summary that somebody has begun to make.
// Whoever has not ended by then has died, or is slower than any of its readers waits.
const claimLife = 30 * time.Second

// row is what lies in the state store: the summary, zero before there is one, and when
// somebody began to make the next.
type row struct {
	Summary
	Claimed time.Time `json:"claimed,omitzero"`
}

func (r row) exists() bool { return !r.At.IsZero() }

// Read returns the summary, and whether there is one yet.
func Read(ctx context.Context, s state.Store) (Summary, bool, error) {
	kept, _, err := read(ctx, s)
	return kept.Summary, kept.exists(), err
}

func read(ctx context.Context, s state.Store) (kept row, version uint64, err error) {
	item, ok, err := state.GetOne(ctx, s, key)
	if err != nil || !ok {
		return row{}, 0, err
	}
	if err := json.Unmarshal(item.Value, &kept); err != nil {
		return row{}, 0, fmt.Errorf("state %s: %w", key.Space, err)
	}
	return kept, item.Version, nil
}

// write replaces the row of a version, 0 for none.
func write(ctx context.Context, s state.Store, r row, version uint64) error {
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if version == 0 {
		return s.Commit(ctx, state.Create(key, value))
	}
	return s.Commit(ctx, state.Update(key, value, version))
}

// Refresher makes the summary anew when it is due.
type Refresher struct {
	// Records gives the record store, which is asked for only when a summary is due.
	Records func(context.Context) (records.Store, error)
	State   state.Store
	// Every is the number of index cycles between two refreshes, at least 1.
	Every int
	Now   func() time.Time
}

// Opened is the Records of a Refresher whose store is open.
func Opened(s records.Store) func(context.Context) (records.Store, error) {
	return func(context.Context) (records.Store, error) { return s, nil }
}

// Left is how many index cycles remain until a summary is due, 0 when it is.
func Left(sum Summary, exists bool, cycles int64, every int) int64 {
	if !exists {
		return 0
	}
	return max(sum.Cycle+int64(every)-cycles, 0)
}

// Run refreshes the summary when it is due, or at once with force. It returns the
// summary that holds now, and whether it was made by this call. When it is not due, it
// costs two reads of single items. Of several runs at the same time, of any number of
// processes, one counts: it says so first, in the row itself. With force a run counts
// all the same, since what the other began to count may be too old for who asked.
func (r Refresher) Run(ctx context.Context, force bool) (Summary, bool, error) {
	kept, version, err := read(ctx, r.State)
	if err != nil {
		return Summary{}, false, err
	}
	checkpoint, status, err := indexer.ReadStatus(ctx, r.State)
	if err != nil {
		return Summary{}, false, err
	}
	now := r.Now().UTC()
	begun := now.Sub(kept.Claimed)
	if !force && (!due(kept, status.Cycles, r.Every) || begun >= 0 && begun < claimLife) {
		return kept.Summary, false, nil
	}
	store, err := r.Records(ctx)
	if err != nil {
		return kept.Summary, false, err
	}
	before := kept.Summary
	switch err := write(ctx, r.State, row{before, now}, version); {
	case errors.Is(err, state.ErrConflict) && !force: // somebody else was faster
		return before, false, nil
	case errors.Is(err, state.ErrConflict):
		// What the faster one counts may have been counted before this was asked for.
		if _, version, err = read(ctx, r.State); err != nil {
			return before, false, err
		}
	case err != nil:
		return before, false, fmt.Errorf("claim the summary: %w", err)
	default:
		version++
	}
	sum, err := count(ctx, store)
	if err != nil {
		return before, false, errors.Join(err, r.giveBack(ctx, before, version))
	}
	sum.At, sum.Cycle = now, status.Cycles
	sum.Checkpoint, sum.GatewayHeight = checkpoint.Height, status.GatewayHeight
	switch err := write(ctx, r.State, row{Summary: sum}, version); {
	case errors.Is(err, state.ErrConflict): // somebody else has just made one
		return sum, false, nil
	case err != nil:
		return before, false, fmt.Errorf("keep the summary: %w", err)
	}
	return sum, true, nil
}

// giveBack ends a claim of which nothing came, so that the next reader can try. That
// it fails is no fault of its own: then the claim ends by its age.
func (r Refresher) giveBack(ctx context.Context, before Summary, version uint64) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	err := write(ctx, r.State, row{Summary: before}, version)
	if errors.Is(err, state.ErrConflict) {
		return nil
	}
	return err
}

// due reports whether the time of a summary is over. Before the first cycle there is
// nothing to count.
func due(kept row, cycles int64, every int) bool {
	return cycles > 0 && Left(kept.Summary, kept.exists(), cycles, every) == 0
}

// count asks the record store.
func count(ctx context.Context, store records.Store) (Summary, error) {
	public := records.All{
		access.Rule(access.Viewer{}),
		records.Is(records.FieldKind, string(oip.KindRecord)),
		records.Not{Cond: records.Is(records.FieldDeleteMessage, "true")},
	}
	counts, err := store.Count(ctx, public, records.FieldRecordTypeExact)
	if err != nil {
		return Summary{}, fmt.Errorf("count by type: %w", err)
	}
	newest, err := store.Search(ctx, records.Query{
		Where: public, Sort: []records.Sort{{Field: records.FieldHeight, Desc: true}}, Limit: 1, EnvelopeOnly: true,
	})
	if err != nil {
		return Summary{}, fmt.Errorf("find the latest block: %w", err)
	}
	sum := Summary{Records: counts.Total, Types: make([]Type, 0, min(len(counts.Buckets), MaxTypes))}
	for _, b := range counts.Buckets[:min(len(counts.Buckets), MaxTypes)] {
		sum.Types = append(sum.Types, Type{b.Value, b.Count})
	}
	sum.OtherTypes = counts.Other + int64(len(counts.Buckets)-len(sum.Types))
	if len(newest.Hits) == 0 {
		return sum, nil
	}
	var document struct {
		OIP struct {
			InArweaveBlock int64 `json:"inArweaveBlock"`
		} `json:"oip"`
	}
	if err := json.Unmarshal(newest.Hits[0].JSON, &document); err != nil {
		return Summary{}, fmt.Errorf("read the latest block: %w", err)
	}
	sum.LatestBlock = document.OIP.InArweaveBlock
	return sum, nil
}
