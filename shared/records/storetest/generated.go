package storetest

import (
	"flag"
	"maps"
	"slices"
	"strings"
	"testing"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

var (
	worldSeed    = flag.Uint64("storetest.seed", 1, "seed of the records and queries of the case Generated")
	worldQueries = flag.Int("storetest.queries", 2000, "how many queries the case Generated asks")
)

// testGenerated compares store and model on random templates, records made with them,
// and random queries. The log of a failure names the seed and the query.
func testGenerated(t *testing.T, s *subject) {
	w := newWorld(*worldSeed)
	var docs []*oip.Document
	for range 320 {
		docs = append(docs, w.record())
	}
	s.put(docs...)
	asked := 0
	defer func() {
		if t.Failed() {
			t.Logf("that was query %d of -storetest.seed=%d", asked, *worldSeed)
		}
	}()
	g := &questions{world: w}
	some := 0 // queries that found some documents, but not all
	queries := *worldQueries
	if raced {
		queries /= 4 // the model takes most of the time then
	}
	for ; asked < queries; asked++ {
		if asked%500 == 0 {
			if asked > 0 {
				s.change(w.Rand, docs)
			}
			g.look(s.model)
		}
		q := g.query()
		if n := len(s.model.search(q)); n > 0 && n < len(s.model) {
			some++
		}
		s.compare(g, q)
	}
	if some < asked/2 {
		t.Errorf("only %d of %d queries found some of the documents", some, asked)
	}
}

// questions asks a world's records at random, mostly for what is there.
type questions struct {
	*world
	dids   []string
	model  model
	leaves []leaf
	texts  []text
}

// look takes in what the store holds.
func (g *questions) look(m model) {
	g.model, g.leaves, g.texts = m, nil, nil
	g.dids = slices.Sorted(maps.Keys(m))
	for _, did := range g.dids {
		g.leaves = append(g.leaves, m[did].plain.leaves...)
		g.texts = append(g.texts, m[did].plain.texts...)
	}
}

// field is a field that holds text and is there.
func (g *questions) field() records.Field {
	return one(g.world, records.FieldName, records.FieldNameFolded, records.FieldTag, records.FieldRecordType, records.FieldRecordTypeExact, records.FieldCreatorHandle,
		records.FieldTemplateName, records.FieldTemplateID, records.FieldAccess, records.FieldOwner, records.FieldSharedWith, records.FieldDistinct, records.FieldDID,
		records.FieldNameWord, records.FieldDescriptionWord, records.FieldTagWord, records.FieldPath, records.FieldRef)
}

// listable is a field to sort or count by.
func (g *questions) listable() records.Field {
	for {
		if f := one(g.world, everyField()...); f.Listable() {
			return f
		}
	}
}

// cond makes a condition of at most four levels.
func (g *questions) cond(depth int) records.Cond {
	parts := func() []records.Cond {
		out := make([]records.Cond, g.IntN(4))
		for i := range out {
			out[i] = g.cond(depth + 1)
		}
		return out
	}
	kind := g.IntN(16)
	if depth >= 3 {
		kind = 4 + g.IntN(12)
	}
	switch kind {
	case 0:
		return records.All(append(parts(), g.cond(depth+1)))
	case 1:
		return records.Any(append(parts(), g.cond(depth+1)))
	case 2, 3:
		return records.Not{Cond: g.cond(depth + 1)}
	case 4:
		low := int64(g.IntN(42) - 1)
		return records.Between{Field: one(g.world, records.FieldDate, records.FieldSchedule, records.FieldHeight), Min: low, Max: low + int64(g.IntN(90))}
	case 5:
		return records.Exists{Field: one(g.world, everyField()...)}
	case 6, 7:
		return g.near()
	case 8, 9, 10:
		return g.like()
	case 11:
		return g.ref()
	case 12, 13:
		return g.equal()
	}
	f := g.field()
	values := []string{"nothing"}
	for range 1 + g.IntN(3) {
		if held := g.model[one(g.world, g.dids...)].text(f); len(held) > 0 {
			values = append(values, one(g.world, held...))
		}
	}
	return records.Is(f, values...)
}

// near asks for a word, mostly one of the vocabulary, often with a mistake.
func (g *questions) near() records.Cond {
	f := one(g.world, records.FieldNameWord, records.FieldDescriptionWord, records.FieldTagWord)
	for {
		letters := []rune(strings.ToLower(one(g.world, vocabulary...)))
		for range g.IntN(3) {
			at := g.IntN(len(letters))
			switch g.IntN(4) {
			case 0:
				letters[at], letters[0] = letters[0], letters[at]
			case 1:
				letters[at] = one(g.world, 'a', 'e', 'ü', 'п')
			case 2:
				letters = slices.Insert(letters, at, 's')
			default:
				if len(letters) > 1 {
					letters = slices.Delete(letters, at, at+1)
				}
			}
		}
		if words := records.Words(string(letters)); len(words) > 0 {
			return records.Near{Field: f, Word: words[0]}
		}
	}
}

// like asks for a piece of a text, or for something else, at its path or at another.
func (g *questions) like() records.Cond {
	found := one(g.world, g.texts...)
	letters := []rune(found.folded)
	from := 0
	if !g.chance(3) {
		from = g.IntN(len(letters))
	}
	to := len(letters)
	if !g.chance(3) {
		to = from + 1 + g.IntN(min(40, len(letters)-from))
	}
	piece := string(letters[from:to])
	switch g.IntN(8) {
	case 0:
		piece = strings.ToUpper(piece)
	case 1:
		piece = one(g.world, vocabulary...)
	}
	for len(fold(piece)) > records.MaxLike {
		cut := []rune(piece)
		piece = string(cut[:len(cut)*3/4])
	}
	path := found.path
	if g.chance(6) {
		path = one(g.world, g.leaves...).path
	}
	return records.Like{Path: path, Text: piece, Least: records.Closeness(g.IntN(6))}
}

// ref asks for references, or for what is present.
func (g *questions) ref() records.Cond {
	path := one(g.world, g.leaves...).path
	switch g.IntN(4) {
	case 0:
		return records.Refers(path, g.did(), g.did())
	case 1:
		did := g.did()
		return records.Prefix{Field: records.FieldRef, Text: did[:1+g.IntN(len(did))]}
	case 2:
		if refs := g.model[one(g.world, g.dids...)].plain.refs; len(refs) > 0 {
			did, at, _ := strings.Cut(one(g.world, refs...), "\x00")
			return records.Refers(at, did)
		}
		return records.Exists{Field: records.FieldRef}
	}
	names := strings.SplitN(path, ".", 3)
	return records.Present(strings.Join(names[:1+g.IntN(len(names))], "."))
}

// equal asks for a leaf, mostly one that is there.
func (g *questions) equal() records.Cond {
	found := one(g.world, g.leaves...)
	if g.chance(6) {
		found.path = one(g.world, g.leaves...).path
	}
	switch v := found.value.(type) {
	case float64:
		return equalNumber(found.path, v)
	case bool:
		return equalBool(found.path, v)
	case string:
		if g.chance(2) {
			return equal(found.path, v)
		}
		return equalFold(found.path, strings.ToUpper(v), one(g.world, vocabulary...))
	}
	return equal(found.path, "nothing")
}

// query makes a query that Check accepts.
func (g *questions) query() records.Query {
	q := records.Query{Limit: 1 + g.IntN(60), Distinct: g.chance(3)}
	if !g.chance(12) {
		q.Where = g.cond(0)
	}
	if g.chance(2) {
		for range 1 + g.IntN(4) {
			q.Score = append(q.Score, records.Scored{Where: g.cond(2), Points: 1 + g.Int64N(4)})
		}
		q.Sort = append(q.Sort, records.Sort{Field: records.FieldScore, Desc: !g.chance(3)})
	}
	for range g.IntN(3) {
		q.Sort = append(q.Sort, records.Sort{Field: g.listable(), Desc: g.chance(2)})
	}
	g.Shuffle(len(q.Sort), func(i, j int) { q.Sort[i], q.Sort[j] = q.Sort[j], q.Sort[i] })
	if g.chance(3) {
		for q.CountBy == "" || q.CountBy.Numeric() {
			q.CountBy = g.listable()
		}
	}
	switch g.IntN(4) {
	case 0:
		q.EnvelopeOnly = true
	case 1:
		q.RefsOnly = true
	}
	return q
}

// compare asks store and model: all pages by their cursors, or one by its offset.
func (s *subject) compare(g *questions, q records.Query) {
	s.Helper()
	if g.chance(5) {
		q.Limit += 40
		s.check(q)
	} else {
		want := s.model.search(q)
		q.Offset = g.IntN(40)
		page := s.page(q)
		from, to := min(q.Offset, len(want)), min(q.Offset+q.Limit, len(want))
		if got := dids(page); page.Total != int64(len(want)) || !slices.Equal(got, want[from:to]) {
			s.Fatalf("%+v:\n got %v of %d\nwant %v of %d", q, got, page.Total, want[from:to], len(want))
		}
		if more := to < len(want) && to > from; (page.Next != "") != more {
			s.Fatalf("%+v: the next page is %q at %d of %d", q, page.Next, to, len(want))
		}
		s.checkCounts(q, page, want)
		for _, hit := range page.Hits {
			s.checkHit(q, hit)
		}
	}
	if g.chance(6) {
		for q.CountBy == "" || q.CountBy.Numeric() {
			q.CountBy = g.listable()
		}
		s.checkCount(q.Where, q.CountBy)
	}
	bare := bareQuery(q)
	for range 20 {
		d := s.model[one(g.world, g.dids...)]
		if got, want := records.Holds(bare.Where, d.projection), holds(q.Where, d); got != want {
			s.Fatalf("records.Holds(%+v) = %t for %s", q.Where, got, d.json)
		}
		if got, want := records.Score(bare.Score, d.projection), score(q.Score, d); got != want {
			s.Fatalf("records.Score(%+v) = %d, want %d for %s", q.Score, got, want, d.json)
		}
	}
}

// score adds up the parts that hold.
func score(parts []records.Scored, d modelDocument) (sum int64) {
	for _, part := range parts {
		if holds(part.Where, d) {
			sum += part.Points
		}
	}
	return sum
}
