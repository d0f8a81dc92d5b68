// Package summary keeps the shared summary of the index: how many records of each
// type everybody may read, the latest block, and how far the index is. Counting all
// that anew takes the engine some time, and the answer is the same for every process,
// so it is made once every KEEP_DB_REFRESH index cycles, kept in the state store, and
// read by whoever shows it.
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

// Read returns the summary, and whether there is one yet.
func Read(ctx context.Context, s state.Store) (Summary, bool, error) {
	sum, version, err := read(ctx, s)
	return sum, version > 0, err
}

func read(ctx context.Context, s state.Store) (sum Summary, version uint64, err error) {
	item, ok, err := state.GetOne(ctx, s, key)
	if err != nil || !ok {
		return Summary{}, 0, err
	}
	if err := json.Unmarshal(item.Value, &sum); err != nil {
		return Summary{}, 0, fmt.Errorf("state %s: %w", key.Space, err)
	}
	return sum, item.Version, nil
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
// costs two reads of single items. Of two runs at the same time one does nothing.
func (r Refresher) Run(ctx context.Context, force bool) (Summary, bool, error) {
	before, version, err := read(ctx, r.State)
	if err != nil {
		return Summary{}, false, err
	}
	checkpoint, status, err := indexer.ReadStatus(ctx, r.State)
	if err != nil {
		return Summary{}, false, err
	}
	if !force && (status.Cycles == 0 || Left(before, version > 0, status.Cycles, r.Every) > 0) {
		return before, false, nil
	}
	store, err := r.Records(ctx)
	if err != nil {
		return before, false, err
	}
	sum, err := count(ctx, store)
	if err != nil {
		return before, false, err
	}
	sum.At, sum.Cycle = r.Now().UTC(), status.Cycles
	sum.Checkpoint, sum.GatewayHeight = checkpoint.Height, status.GatewayHeight
	value, err := json.Marshal(sum)
	if err != nil {
		return before, false, err
	}
	op := state.Create(key, value)
	if version > 0 {
		op = state.Update(key, value, version)
	}
	switch err := r.State.Commit(ctx, op); {
	case errors.Is(err, state.ErrConflict): // somebody else has just made one
		return sum, false, nil
	case err != nil:
		return before, false, fmt.Errorf("keep the summary: %w", err)
	}
	return sum, true, nil
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
