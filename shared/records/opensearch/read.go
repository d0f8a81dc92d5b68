package opensearch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"oipnode/shared/oip/canon"
	"oipnode/shared/records"
)

// got is a document as _mget answers it.
type got struct {
	Index       string  `json:"_index"`
	ID          string  `json:"_id"`
	Found       bool    `json:"found"`
	SeqNo       int64   `json:"_seq_no"`
	PrimaryTerm int64   `json:"_primary_term"`
	Source      *source `json:"_source"`
	Error       *struct {
		Type   string `json:"type"`
		Reason string `json:"reason"`
	} `json:"error"`
}

// wanted is a document to be read, and which parts of it.
type wanted struct {
	did   string
	parts string // a JSON list of the source's members
}

const (
	allParts      = `["k","w","d","e"]`
	envelopeParts = `["k","e"]`
	fenceParts    = `["w"]`
)

// mget reads documents in real time, through the alias that is written. An answer over
// the limit is errAnswerTooLarge.
func (s *Store) mget(ctx context.Context, list []wanted, limit int) ([]got, error) {
	return s.mgetFrom(ctx, s.writeAlias(), list, limit)
}

// mgetFrom is mget of one index.
func (s *Store) mgetFrom(ctx context.Context, index string, list []wanted, limit int) ([]got, error) {
	b := []byte(`{"docs":[`)
	for i, w := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(canon.AppendString(append(b, `{"_id":`...), w.did), `,"_source":`...)
		b = append(append(b, w.parts...), '}')
	}
	b = append(b, "]}"...)
	for n := 1; ; n++ {
		docs, err := s.mgetOnce(ctx, request{method: http.MethodPost, path: "/" + index + "/_mget", body: b, limit: limit}, list)
		if !errors.Is(err, errMoved) || n == maxAsks {
			return docs, err
		}
		if e := sleep(ctx, 50*time.Millisecond<<n); e != nil {
			return nil, s.ended(ctx)
		}
	}
}

// errMoved means that a shard could not be read, as when its index was just removed.
var errMoved = fmt.Errorf("%w: opensearch: a shard did not answer", records.ErrUnavailable)

func (s *Store) mgetOnce(ctx context.Context, r request, list []wanted) ([]got, error) {
	_, text, err := s.send(ctx, r)
	if err != nil {
		return nil, err
	}
	var answer struct{ Docs []got }
	if err := json.Unmarshal(text, &answer); err != nil || len(answer.Docs) != len(list) {
		return nil, fmt.Errorf("%w: _mget of %d documents answered %d (%v)", ErrEngine, len(list), len(answer.Docs), err)
	}
	for i, g := range answer.Docs {
		switch {
		case g.Error != nil:
			return nil, fmt.Errorf("%w: %s", errMoved, g.Error.Type)
		case g.ID != list[i].did:
			return nil, fmt.Errorf("%w: _mget answers another document", ErrEngine)
		case g.Found && g.Source == nil:
			return nil, fmt.Errorf("%w: %s has no source", ErrCorrupt, g.ID)
		}
	}
	return answer.Docs, nil
}

// wire is how large an answer may be that holds so many bytes of documents: as strings
// of JSON they are at worst six times as long, in practice a quarter more. An answer that
// is larger is given up while it arrives, so that this bounds the memory of reading.
func wire(documents int) int { return documents*2 + pageRoom }

// pageRoom is for what an answer has besides documents: ids, numbers, and the values by
// which a thousand hits are sorted.
const pageRoom = 4 << 20

// single is how large an answer with a single document may be.
func (s *Store) single() int { return wire(max(s.opt.MaxPage, s.opt.MaxDocument)) }

// read fills in what the first documents of a Write are now, and returns how many: as
// many as hold about MaxPage bytes, and at least one. Whole documents are read only for
// Patches, and where an earlier round's result has to be recognised.
func (s *Store) read(ctx context.Context, open []*subject, ops []records.Op) (n int, err error) {
	most, held := maxWhole, 0
	for n < len(open) && (n == 0 || held < s.opt.MaxPage) {
		list := s.readable(open[n:], ops, most)
		limit := wire(s.opt.MaxPage)
		if most == 1 {
			limit = s.single()
		}
		docs, err := s.mget(ctx, list, limit)
		if errors.Is(err, errAnswerTooLarge) && most > 1 {
			most /= 4 // they are large ones
			continue
		}
		if errors.Is(err, errAnswerTooLarge) && giveUp(open[n:], list) {
			continue
		}
		if err != nil {
			return 0, err
		}
		for i, g := range docs {
			held += open[n+i].take(g, list[i].parts, ops)
		}
		n += len(list)
	}
	return n, nil
}

// giveUp marks the one document of a request that is read whole as too large for that,
// and reports whether there is one.
func giveUp(open []*subject, list []wanted) bool {
	for i, w := range list {
		if w.parts == allParts {
			open[i].unreadable = true
			return true
		}
	}
	return false
}

// take fills in what was read, and returns how many bytes of it are kept.
func (d *subject) take(g got, parts string, ops []records.Op) int {
	d.index, d.exists, d.seq, d.term, d.fence, d.kind, d.json = g.Index, g.Found, g.SeqNo, g.PrimaryTerm, 0, "", nil
	if g.Found {
		d.fence = g.Source.Fence
		if parts == allParts {
			d.kind, d.json = g.Source.Kind, g.Source.document()
		}
	}
	if d.same = d.decided && !d.unreadable && d.as(d.after); !patches(d, ops) {
		d.json = nil // it was read to be compared only
	}
	return len(d.json)
}

// readable is how many of the documents one request reads, at most so many of them
// whole, and which parts of each.
func (s *Store) readable(open []*subject, ops []records.Op, most int) []wanted {
	list := make([]wanted, 0, min(len(open), records.MaxGet))
	whole := 0
	for _, d := range open[:min(len(open), records.MaxGet)] {
		parts := fenceParts
		if (d.decided || patches(d, ops)) && !d.unreadable {
			if whole++; whole > most {
				break
			}
			parts = allParts
		}
		list = append(list, wanted{d.did, parts})
	}
	return list
}

// maxWhole is how many documents a Write patches at a time, and reads whole in one
// request, which bounds its memory.
const maxWhole = 100

func patches(d *subject, ops []records.Op) bool {
	for _, at := range d.ops {
		if ops[at].Patch != nil {
			return true
		}
	}
	return false
}

// Get implements records.Store. It reads in real time, without a refresh.
func (s *Store) Get(ctx context.Context, dids []string, envelopeOnly bool) ([]records.Stored, error) {
	if len(dids) > records.MaxGet {
		return nil, fmt.Errorf("%w: %d DIDs, at most %d", records.ErrInvalid, len(dids), records.MaxGet)
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	parts := allParts
	if envelopeOnly {
		parts = envelopeParts
	}
	list := make([]wanted, 0, len(dids))
	for _, did := range dids {
		if did != "" && len(did) <= maxID { // no document has any other
			list = append(list, wanted{did, parts})
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	p := page{limit: s.opt.MaxPage}
	if len(list) == 1 { // whatever can be stored can be read
		p.limit = max(s.opt.MaxPage, s.opt.MaxDocument)
	}
	docs, err := s.mget(ctx, list, wire(p.limit))
	if errors.Is(err, errAnswerTooLarge) {
		return nil, tooLarge(p.limit)
	}
	if err != nil {
		return nil, err
	}
	for _, g := range docs {
		if !g.Found {
			continue
		}
		if err := p.add(g.ID, *g.Source); err != nil {
			return nil, err
		}
	}
	return p.hits, nil
}

// maxID is the longest id of a document in the engine, in bytes.
const maxID = 512

func tooLarge(limit int) error {
	return fmt.Errorf("%w: the page is over %d bytes; ask for fewer documents", records.ErrInvalid, limit)
}

// page collects documents up to a number of bytes.
type page struct {
	hits         []records.Stored
	bytes, limit int
}

func (p *page) add(did string, d source) error {
	text := d.document()
	if p.bytes += len(text); p.bytes > p.limit {
		return tooLarge(p.limit)
	}
	if !bytes.HasSuffix(text, []byte("}}")) {
		return fmt.Errorf("%w: %s", ErrCorrupt, did)
	}
	p.hits = append(p.hits, records.Stored{DID: did, Kind: d.Kind, JSON: text})
	return nil
}

// addRefs takes up what a document refers to, and no more of it.
func (p *page) addRefs(did string, d source) error {
	for _, ref := range d.Fields.Refs {
		p.bytes += len(ref)
	}
	if p.bytes > p.limit {
		return tooLarge(p.limit)
	}
	p.hits = append(p.hits, records.Stored{DID: did, Kind: d.Kind, Refs: d.Fields.Refs})
	return nil
}

// refresh makes what this Store has written visible to searches, once for any number of
// readers that wait for the same Writes.
func (s *Store) refresh(ctx context.Context) error {
	want := s.written.Load()
	if s.refreshed.Load() >= want {
		return nil
	}
	s.refreshMu.Lock()
	defer s.refreshMu.Unlock()
	if s.refreshed.Load() >= want {
		return nil
	}
	covers := s.written.Load()
	var answer struct {
		Shards struct{ Failed int } `json:"_shards"`
	}
	if err := s.json(ctx, request{method: http.MethodPost, path: "/" + s.readAlias() + "/_refresh"}, &answer); err != nil {
		return err
	}
	if answer.Shards.Failed > 0 {
		return fmt.Errorf("%w: %d shards were not refreshed", records.ErrUnavailable, answer.Shards.Failed)
	}
	s.refreshed.Store(covers)
	return nil
}
