package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// testRandom compares store and model on random documents and random queries.
// A failure names the query; the seed is fixed, so it comes again.
func testRandom(t *testing.T, s *subject) {
	rng := rand.New(rand.NewPCG(1, 2))
	p := newPress()
	pick := func(values ...string) string { return values[rng.IntN(len(values))] }
	var docs []*oip.Document
	for i := range 120 {
		a := article{signer: rng.IntN(3), recordType: pick("post", "image", "Recipe"), note: i, height: int64(rng.IntN(6)),
			indexedAt: time.UnixMilli(1700000000000 + rng.Int64N(20))}
		if rng.IntN(4) > 0 {
			a.name = pick("a", "b", "B", "c")
		}
		if rng.IntN(3) > 0 {
			a.date = rng.IntN(300)
		}
		if rng.IntN(3) > 0 {
			a.tags = []string{pick("x", "y"), pick("y", "z"), pick("z", "zz")}
		}
		docs = append(docs, p.document(a))
	}
	s.put(docs...)
	for i := range 200 {
		if i%40 == 39 {
			s.change(rng, docs)
		}
		q := records.Query{Where: randomCond(rng, 0), Limit: 1 + rng.IntN(60)}
		for range rng.IntN(3) {
			f := []records.Field{records.FieldHeight, records.FieldDate, records.FieldName, records.FieldTag,
				records.FieldIndexedAt, records.FieldRecordType}[rng.IntN(6)]
			q.Sort = append(q.Sort, records.Sort{Field: f, Desc: rng.IntN(2) == 0})
		}
		s.check(q)
		s.checkCount(q.Where, []records.Field{records.FieldTag, records.FieldName, records.FieldRecordTypeExact, ""}[rng.IntN(4)])
	}
}

// change deletes, patches and puts back some documents in one Write.
func (s *subject) change(rng *rand.Rand, docs []*oip.Document) {
	s.Helper()
	var ops []records.Op
	touched := map[string]bool{}
	for range 20 {
		d := docs[rng.IntN(len(docs))]
		if touched[d.DID()] {
			continue
		}
		touched[d.DID()] = true
		height := rng.Int64N(6)
		_, there := s.model[d.DID()]
		switch {
		case !there || rng.IntN(3) == 0:
			ops = append(ops, records.Op{Put: d, Fence: 1})
		case rng.IntN(2) == 0:
			ops = append(ops, records.Op{Delete: d.DID(), Fence: 1})
		default:
			ops = append(ops, records.Op{Patch: &oip.Patch{DID: d.DID(), Height: &height}, Fence: 1})
		}
	}
	s.write(ops...)
}

// randomCond makes a condition of at most five levels.
func randomCond(rng *rand.Rand, depth int) records.Cond {
	parts := func() []records.Cond {
		out := make([]records.Cond, rng.IntN(4))
		for i := range out {
			out[i] = randomCond(rng, depth+1)
		}
		return out
	}
	kind := rng.IntN(8)
	if depth >= 4 {
		kind = 3 + rng.IntN(5)
	}
	switch kind {
	case 0:
		return records.All(parts())
	case 1:
		return records.Any(parts())
	case 2:
		return records.Not{Cond: randomCond(rng, depth+1)}
	case 3:
		low := rng.Int64N(300)
		return records.Between{Field: records.FieldDate, Min: low, Max: low + rng.Int64N(150)}
	case 4:
		low := rng.Int64N(6)
		return records.Between{Field: records.FieldHeight, Min: low, Max: low + rng.Int64N(3) - 1}
	case 5:
		return records.Exists{Field: []records.Field{records.FieldName, records.FieldDate, records.FieldTag, records.FieldHeight}[rng.IntN(4)]}
	case 6:
		return records.Is(records.FieldName, []string{"a", "b", "B", "c"}[:1+rng.IntN(4)]...)
	}
	return records.Is(records.FieldTag, []string{"x", "y", "z", "zz"}[rng.IntN(4):]...)
}

func testCancelled(t *testing.T, s *subject) {
	doc := newPress().document(article{name: "one"})
	s.put(doc)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	calls := map[string]func() error{
		"Write":  func() error { _, err := s.Write(ctx, []records.Op{{Delete: doc.DID(), Fence: 1}}); return err },
		"Get":    func() error { _, err := s.Get(ctx, []string{doc.DID()}, false); return err },
		"Search": func() error { _, err := s.Search(ctx, records.Query{Limit: 1}); return err },
		"Count":  func() error { _, err := s.Count(ctx, nil, records.FieldTag); return err },
		"Health": func() error { _, err := s.Health(ctx); return err },
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s under a cancelled context = %v", name, err)
		}
	}
	s.check(records.Query{})
}

// testConcurrent reads while one writer moves and replaces documents. Every
// answer must be well formed and only hold what matches.
func testConcurrent(t *testing.T, s *subject) {
	tied(s, 60)
	var all []string
	for did := range s.model {
		all = append(all, did)
	}
	var done atomic.Bool
	var readers sync.WaitGroup
	for r := range 2 {
		readers.Go(func() {
			ctx := context.Background()
			for n := 0; !done.Load() || n == 0; n++ {
				low := int64(n % 5)
				page, err := s.Search(ctx, records.Query{Where: records.Between{Field: records.FieldHeight, Min: low, Max: 1 << 40},
					Sort: []records.Sort{{Field: records.FieldHeight, Desc: r == 0}}, Limit: 25})
				if err != nil {
					t.Errorf("Search: %v", err)
					return
				}
				seen := map[string]bool{}
				for _, hit := range page.Hits {
					env, err := oip.ParseEnvelope(hit.JSON)
					if err != nil || env.DID != hit.DID || seen[hit.DID] || env.InArweaveBlock == nil || *env.InArweaveBlock < low {
						t.Errorf("hit %s is %s (%v)", hit.DID, hit.JSON, err)
						return
					}
					seen[hit.DID] = true
				}
				found, err := s.Get(ctx, all, true)
				if err != nil || len(found) < len(all)-1 {
					t.Errorf("Get found %d of %d documents, %v", len(found), len(all), err)
					return
				}
				if _, err := s.Count(ctx, nil, records.FieldTag); err != nil {
					t.Errorf("Count: %v", err)
					return
				}
			}
		})
	}
	p := newPress()
	for round := range 8 {
		var ops []records.Op
		for i, did := range all[:len(all)-1] {
			height := int64(round + i%3)
			ops = append(ops, records.Op{Patch: &oip.Patch{DID: did, Height: &height}, Fence: 1})
		}
		extra := p.document(article{note: fmt.Sprint("extra", round%2), height: 5})
		if round%2 == 0 {
			ops = append(ops, records.Op{Put: extra, Fence: 1})
		} else {
			ops = append(ops, records.Op{Delete: extra.DID(), Fence: 1})
		}
		s.write(ops...)
	}
	done.Store(true)
	readers.Wait()
	s.check(records.Query{Sort: []records.Sort{{Field: records.FieldHeight}}})
}

// testReopen closes and opens the store between writes and in the middle of paging.
func testReopen(t *testing.T, s *subject) {
	if s.harness.Reopen == nil {
		return // there is nothing that this store promises
	}
	fill(s)
	q := records.Query{Sort: []records.Sort{{Field: records.FieldIndexedAt}}, Limit: 10}
	want := s.model.search(q)
	first := s.page(q)
	s.Store = s.harness.Reopen(t, s.Store)
	s.check(q)
	s.checkCount(nil, records.FieldTag)
	q.After = first.Next
	if got := dids(s.page(q)); fmt.Sprint(got) != fmt.Sprint(want[10:20]) {
		t.Errorf("the second page after reopening is %v, want %v", got, want[10:20])
	}
	fenced := newPress().document(article{note: "fenced"})
	s.write(records.Op{Put: fenced, Fence: 9}, records.Op{Delete: want[0], Fence: 9})
	s.Store = s.harness.Reopen(t, s.Store)
	s.Store = s.harness.Reopen(t, s.Store)
	s.check(records.Query{})
	if got := s.statuses(records.Op{Delete: fenced.DID(), Fence: 8})[0]; got != records.Conflict {
		t.Errorf("an old fence after reopening ended as %d, want Conflict", got)
	}
}
