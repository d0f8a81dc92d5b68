package maintenance

import (
	"context"

	"oipnode/shared/indexer"
)

// Verified is what the tasks verify and remap answer.
type Verified struct {
	indexer.Check
	// Again says that there is more to do than one call's time.
	Again bool `json:"again,omitempty"`
}

// Progress is what is told while a check goes on.
type Progress struct {
	Pass     string `json:"pass"`
	Next     int64  `json:"next"`
	To       int64  `json:"to"`
	Compared int64  `json:"compared"`
	Found    int64  `json:"found"`
	Repaired int64  `json:"repaired"`
}

// verify compares the index with the chain, or remaps a type: one slice, or slice by
// slice to the end, with cycles having their turn in between.
func (m Maintenance) verify(ctx context.Context, q Request) (Verified, error) {
	ix, err := m.Indexer()
	if err != nil {
		return Verified{}, err
	}
	request := indexer.CheckRequest{Repair: q.Repair, Type: q.Type, Fresh: q.Fresh}
	for {
		k, err := m.slice(ctx, ix, request)
		if err != nil || k.Done || m.Slice == 0 {
			return Verified{Check: k, Again: err == nil && !k.Done}, err
		}
		if err := ctx.Err(); err != nil { // what is done is kept; the next call goes on
			return Verified{Check: k, Again: true}, nil //nolint:nilerr // see above
		}
		request.Fresh = false
		if err := m.emit(Progress{k.Pass, k.Next, k.To, k.Compared, k.Found(), k.Repaired}); err != nil {
			return Verified{Check: k, Again: true}, err
		}
	}
}

// slice does one slice.
func (m Maintenance) slice(ctx context.Context, ix *indexer.Indexer, q indexer.CheckRequest) (k indexer.Check, err error) {
	err = m.turn(ctx, func() (err error) {
		brief, cancel := ctx, context.CancelFunc(func() {})
		if m.Slice > 0 {
			brief, cancel = context.WithTimeout(ctx, m.Slice)
		}
		defer cancel()
		k, err = ix.Check(brief, q)
		return err
	})
	return k, err
}
