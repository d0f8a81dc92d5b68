package api

import (
	"context"
	"encoding/binary"
	"strconv"
	"time"

	"oipnode/shared/oip/canon"
	"oipnode/shared/records"
)

const (
	// wholeLife is how long the whole is kept: as long as a change of another process
	// may stay unnoticed anyway (package epoch).
	wholeLife = time.Second
	// wholesBytes bounds the wholes that are kept. Each takes about 300 bytes, and every
	// caller who is signed in has one of their own.
	wholesBytes = 256 << 10
)

// whole is what an answer says of all documents of a base, with no filter: their number,
// and their greatest height, which is 0 if none has any.
type whole struct{ total, latest int64 }

// whole asks for the whole of a base. Most answers need it besides their page, and
// counting it takes the store as long as finding the page, so it is kept for a moment,
// for this very condition, which holds the caller's rule of access, and for this epoch:
// what was deleted here is gone from it at once.
func (s *server) whole(ctx context.Context, base records.All) (whole, error) {
	if ctx.Value(forcedKey{}) != nil { // it is for this answer, and is kept for nobody
		return s.countWhole(ctx, base)
	}
	epoch, settled, err := s.epoch.Now(ctx)
	if err != nil || !settled { // what is kept may be old, or become so unnoticed
		return s.countWhole(ctx, base)
	}
	fingerprint := records.Fingerprint(base)
	key := string(binary.BigEndian.AppendUint64(fingerprint[:], uint64(epoch)))
	if kept, ok := s.wholes.Get(key); ok {
		return whole{int64(binary.BigEndian.Uint64(kept)), int64(binary.BigEndian.Uint64(kept[8:]))}, nil
	}
	w, err := s.countWhole(ctx, base)
	if err != nil {
		return whole{}, err
	}
	s.wholes.Put(key, binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(w.total)), uint64(w.latest)))
	return w, nil
}

// countWhole asks the store.
func (s *server) countWhole(ctx context.Context, base records.All) (whole, error) {
	top, err := s.opt.Records.Search(ctx, records.Query{Where: base, Sort: newest, Limit: 1, EnvelopeOnly: true})
	if err != nil {
		return whole{}, err
	}
	return wholeOf(top)
}

// wholeOf is the whole of which a page is the beginning, the newest first.
func wholeOf(page records.Page) (whole, error) {
	w := whole{total: page.Total}
	if len(page.Hits) == 0 {
		return w, nil
	}
	// Of the whole envelope one number is wanted.
	_, text, err := records.Parts(page.Hits[0].JSON)
	if err != nil {
		return whole{}, err
	}
	envelope, err := canon.Parse(text)
	if err != nil {
		return whole{}, err
	}
	if height, ok := envelope.Get("inArweaveBlock"); ok && height.Kind() == canon.Number {
		if w.latest, err = strconv.ParseInt(string(height.Raw()), 10, 64); err != nil {
			return whole{}, err
		}
	}
	return w, nil
}
