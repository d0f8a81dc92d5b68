package opensearch

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/records"
)

// world is a store with documents and what records.Project says of each.
type world struct {
	*rig
	of map[string]records.Projection
}

func newWorld(t testing.TB, docs []*oip.Document, change ...func(*Options)) *world {
	t.Helper()
	w := &world{newRig(t, change...), make(map[string]records.Projection)}
	for part := range slices.Chunk(docs, 500) {
		w.put(part...)
	}
	w.know(docs)
	return w
}

func (w *world) know(docs []*oip.Document) {
	w.t.Helper()
	for _, d := range docs {
		p, err := records.Project(d.Kind(), d.JSON())
		if err != nil {
			w.t.Fatal(err)
		}
		w.of[d.DID()] = p
	}
}

// standing is where a document stands in the order of a query.
func standing(q records.Query, p records.Projection) []records.SortKey {
	var list []records.SortKey
	for _, l := range q.Order() {
		var k records.SortKey
		switch texts := p.Text(l.Field); {
		case l.Field == records.FieldScore:
			k.Number = records.Score(q.Score, p)
		case l.Field.Numeric():
			n, ok := p.Number(l.Field)
			k = records.SortKey{Missing: !ok, Number: n}
		case len(texts) == 0:
			k.Missing = true
		case l.Desc:
			k.Text = slices.Max(texts)
		default:
			k.Text = slices.Min(texts)
		}
		list = append(list, k)
	}
	return list
}

// want is what a query finds, in order, by the plainest means.
func (w *world) want(q records.Query) []string {
	var list []string
	for did, p := range w.of {
		if q.Where == nil || records.Holds(q.Where, p) {
			list = append(list, did)
		}
	}
	slices.SortFunc(list, func(a, b string) int {
		return compareKeys(q.Order(), standing(q, w.of[a]), standing(q, w.of[b]))
	})
	if q.Distinct {
		seen := make(map[string]bool)
		list = slices.DeleteFunc(list, func(did string) bool {
			name := w.of[did].Text(records.FieldDistinct)[0]
			again := seen[name]
			seen[name] = true
			return again
		})
	}
	return list
}

// wantCounts counts documents by the values of a field.
func (w *world) wantCounts(dids []string, by records.Field) records.Counts {
	counts := make(map[string]int64)
	for _, did := range dids {
		for _, v := range w.of[did].Text(by) {
			counts[v]++
		}
	}
	c := records.Counts{Total: int64(len(dids))}
	for v, n := range counts {
		c.Buckets = append(c.Buckets, records.Bucket{Value: v, Count: n})
	}
	slices.SortFunc(c.Buckets, func(a, b records.Bucket) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	c.Other = int64(max(len(c.Buckets)-records.MaxBuckets, 0))
	c.Buckets = c.Buckets[:len(c.Buckets)-int(c.Other)]
	return c
}

// check reads a query to its end, by cursors, and compares all of it with the model.
func (w *world) check(q records.Query) {
	w.t.Helper()
	want, got := w.want(q), []string(nil)
	for q.Limit = max(q.Limit, 1); ; {
		p, err := w.Search(context.Background(), q)
		if err != nil {
			w.t.Fatalf("Search(%+v) = %v", q, err)
		}
		if p.Total != int64(len(want)) {
			w.t.Fatalf("Search(%+v) finds %d, want %d", q, p.Total, len(want))
		}
		if q.CountBy != "" {
			if counts := w.wantCounts(want, q.CountBy); !reflect.DeepEqual(p.Counts, counts) {
				w.t.Fatalf("Search(%+v) counts\n     %.600s\nwant %.600s", q, fmt.Sprint(p.Counts), fmt.Sprint(counts))
			}
		}
		for _, h := range p.Hits {
			got = append(got, h.DID)
			if refs := w.of[h.DID].Text(records.FieldRef); q.RefsOnly && (h.JSON != nil || !slices.Equal(h.Refs, refs)) {
				w.t.Fatalf("%s refers to %q, want %q", h.DID, h.Refs, refs)
			}
		}
		if q.After, q.Offset = p.Next, 0; q.After == "" {
			break
		}
		if len(p.Hits) != q.Limit {
			w.t.Fatalf("Search(%+v): a page of %d goes on", q, len(p.Hits))
		}
	}
	if !slices.Equal(got, want) {
		w.t.Fatalf("Search(%+v) finds\n     %q\nwant %q", q, got, want)
	}
}

// found are the DIDs that a condition finds, in order.
func (w *world) found(where records.Cond) []string {
	w.t.Helper()
	p, err := w.Search(context.Background(), records.Query{Where: where, Limit: records.MaxLimit})
	if err != nil {
		w.t.Fatalf("Search(%+v) = %v", where, err)
	}
	var list []string
	for _, h := range p.Hits {
		list = append(list, h.DID)
	}
	return list
}

// scattered are n articles: some names come often, some texts are alike, some have no
// date and no name.
func scattered(n int) []*oip.Document {
	rng := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields("bread breads bred rye rice sourdough flour flower water salt a_b Über 小麦 did:arweave:" + strings.Repeat("x", 43))
	docs := make([]*oip.Document, n)
	for i := range docs {
		text := make([]string, 1+rng.IntN(4))
		for j := range text {
			text[j] = words[rng.IntN(len(words))]
		}
		values := map[int]any{1: strings.Join(text, []string{" ", "-", ", "}[rng.IntN(3)]), 3: []string{words[rng.IntN(len(words))], "all", fmt.Sprint("t", i%7)}}
		if rng.IntN(10) > 0 {
			values[0] = fmt.Sprint(words[rng.IntN(len(words))], " ", rng.IntN(1+n/6))
		}
		if rng.IntN(5) > 0 {
			values[2] = rng.IntN(20)
		}
		docs[i] = record(values)
	}
	return docs
}

// record is one with these values of the basic template.
func record(values map[int]any) *oip.Document {
	d := signer0().Document(signer0().Record("post", oiptest.Object{Template: basicTemplate().ID, Values: values}), 7, basicTemplate())
	return &d
}

// TestRandomQueries compares everything that a query can have with the model.
func TestRandomQueries(t *testing.T) {
	for _, shards := range []int{1, 3} {
		t.Run(fmt.Sprint(shards), func(t *testing.T) {
			w := newWorld(t, scattered(150), func(o *Options) { o.Shards = shards })
			rng := rand.New(rand.NewPCG(3, uint64(shards)))
			for range 100 {
				w.check(randomQuery(rng))
			}
		})
	}
}

func randomQuery(rng *rand.Rand) records.Query {
	q := records.Query{Limit: []int{9, 40, 1000}[rng.IntN(3)], Distinct: rng.IntN(2) == 0, RefsOnly: rng.IntN(3) == 0}
	if rng.IntN(4) > 0 {
		q.Where = randomCond(rng, 2)
	}
	q.CountBy = []records.Field{"", "", records.FieldTag, records.FieldName, records.FieldDID, records.FieldDistinct}[rng.IntN(6)]
	for range rng.IntN(4) {
		q.Score = append(q.Score, records.Scored{Where: randomCond(rng, 1), Points: 1 + rng.Int64N(1<<20-1)})
	}
	fields := []records.Field{records.FieldDate, records.FieldName, records.FieldTag, records.FieldDistinct, records.FieldSchedule, records.FieldCut, records.FieldDID}
	if len(q.Score) > 0 {
		q.Sort = append(q.Sort, records.Sort{Field: records.FieldScore, Desc: rng.IntN(3) > 0})
	}
	for range rng.IntN(3) {
		q.Sort = append(q.Sort, records.Sort{Field: fields[rng.IntN(len(fields))], Desc: rng.IntN(2) == 0})
	}
	return q
}

func randomCond(rng *rand.Rand, depth int) records.Cond {
	words := []string{"bread", "rye", "ri", "flour", "floor", "breda", "water", "über", "小麦", "b", "a", "did", "x", "sour", "dough", "t1"}
	paths := []string{"basic.name", "basic.description", "basic.tagItems", "basic", "basic.date", "none", ""}
	word, path := words[rng.IntN(len(words))], paths[rng.IntN(len(paths))]
	did := "did:arweave:" + strings.Repeat("x", 43)
	switch n := rng.IntN(13); {
	case n == 0 && depth > 0:
		return records.All{randomCond(rng, depth-1), randomCond(rng, depth-1)}
	case n == 1 && depth > 0:
		return records.Any{randomCond(rng, depth-1), randomCond(rng, depth-1), randomCond(rng, depth-1)}
	case n == 2 && depth > 0:
		return records.Not{Cond: randomCond(rng, depth-1)}
	case n <= 4:
		fields := []records.Field{records.FieldNameWord, records.FieldDescriptionWord, records.FieldTagWord}
		return records.Near{Field: fields[rng.IntN(3)], Word: records.Words(word)[0]}
	case n <= 7:
		return records.Like{Path: path, Text: word, Least: records.Closeness(rng.IntN(6))}
	case n == 8:
		return records.Prefix{Field: records.FieldRef, Text: did[:1+rng.IntN(len(did))]}
	case n == 9:
		return records.EqualFold(path, strings.ToUpper(word), "RYE")
	case n == 10:
		return records.EqualNumber(path, float64(rng.IntN(20)))
	case n == 11:
		return records.Refers(path, did, "did:arweave:none")
	}
	return records.Present(path)
}
