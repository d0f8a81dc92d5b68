package gun

import (
	"context"
	"errors"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/oip/canon"
)

const (
	// maxAsks is how many gets one record may cost: itself, meta and data, each asked
	// again when the answer was partial.
	maxAsks = 7
	// pollPause is the pause before the same soul is asked for again.
	pollPause = 300 * time.Millisecond
)

// errPartial is a record of which something needed could not be read.
var errPartial = errors.New("gun: partial record")

// fetch reads a record and the nodes that it links to, and passes it through the door.
// An answer can be partial (spec gun section 1), so one that lacks something is asked
// for again, and what several answers hold is united: none of them takes anything
// away. An answer that is whole by itself is taken as it is.
func (p *peer) fetch(ctx context.Context, soul string) (oip.Outcome, error) {
	rec := oip.GunRecord{Soul: soul, Linked: make(map[string][]byte)}
	left := p.opt.MaxSoulBytes
	want := soul // the soul to ask for next
	for asks := range maxAsks {
		known := rec.Linked[want]
		if want == soul {
			known = rec.Node
		}
		if known != nil {
			if err := p.opt.Sleep(ctx, pollPause*time.Duration(asks)); err != nil {
				return nil, err
			}
		}
		node, err := p.get(ctx, want, left+int64(len(known)))
		switch {
		case errors.Is(err, ErrAbsent) && asks > 0:
			// The link or the rest of the record is not there, or slow.
			if known == nil {
				return nil, errPartial
			}
			continue
		case err != nil:
			return nil, err
		}
		out := attempt(rec, want, node)
		if w, ok := out.(oip.Waiting); ok && w.For.ID == want && known != nil {
			node = united(known, node)
			out = attempt(rec, want, node)
		}
		left -= int64(len(node) - len(known))
		if left < 0 {
			return nil, ErrTooLong
		}
		if want == soul {
			rec.Node = node
		} else {
			rec.Linked[want] = node
		}
		w, ok := out.(oip.Waiting)
		if !ok {
			return out, nil
		}
		if want = w.For.ID; len(want) > maxKey {
			return oip.Rejected{Reason: oip.ReasonStructure, Detail: "a link is too long"}, nil
		}
	}
	return nil, errPartial
}

// attempt judges a record with another answer for one of its nodes.
func attempt(rec oip.GunRecord, soul string, node []byte) oip.Outcome {
	if soul == rec.Soul {
		rec.Node = node
		return oip.VerifyGun(rec)
	}
	linked := map[string][]byte{soul: node}
	for s, n := range rec.Linked {
		if s != soul {
			linked[s] = n
		}
	}
	rec.Linked = linked
	return oip.VerifyGun(rec)
}

// united is an object of the members of both; those of the later one count where both
// have one.
func united(earlier, later []byte) []byte {
	a, err := canon.Parse(earlier)
	if err != nil {
		return later
	}
	b, err := canon.Parse(later)
	if err != nil || a.Kind() != canon.Object || b.Kind() != canon.Object {
		return later
	}
	out := append(make([]byte, 0, len(earlier)+len(later)), '{')
	have := make(map[string]bool)
	for _, v := range []canon.Value{b, a} {
		for key, m := range v.Members() {
			if have[key] {
				continue
			}
			have[key] = true
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(canon.AppendString(out, key), ':')
			out = append(out, m.Raw()...)
		}
	}
	return append(out, '}')
}
