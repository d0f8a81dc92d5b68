package opensearch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"oipnode/shared/oip"
	"oipnode/shared/oip/canon"
	"oipnode/shared/records"
)

// firstFields are the fields of the first version of the mapping, without and with a
// column; the others are numbers.
const (
	firstBare    = "owner sharedWith"
	firstTexts   = "did kind recordType recordTypeExact creatorHandle creatorDid creatorTx name nameFolded ver storage templateId templateName tag deleteMessage hidden access"
	firstNumbers = "height indexedAt date"
)

// firstVersion puts an index as the first version of this package made it in the place of
// the rig's, with these documents as it wrote them, and opens it.
func (r *rig) firstVersion(docs []*oip.Document) *Store {
	r.t.Helper()
	ctx := context.Background()
	send := func(method, path string, body []byte) {
		r.t.Helper()
		if err := r.json(ctx, request{method: method, path: path, body: body}, nil); err != nil {
			r.t.Fatal(err)
		}
	}
	fields := object{}
	for kind, names := range map[string]string{"bare": firstBare, "keyword": firstTexts, "long": firstNumbers} {
		for _, name := range strings.Fields(names) {
			fields[name] = object{"type": kind}
			if kind == "bare" {
				fields[name] = object{"type": "keyword", "doc_values": false}
			}
		}
	}
	index := r.indexName(1, 1)
	body, err := json.Marshal(object{
		"settings": object{"index.number_of_shards": r.opt.Shards, "index.number_of_replicas": 0, "index.max_result_window": records.MaxWindow,
			"index.mapping.total_fields.limit": 5040, "index.mapping.ignore_malformed": true, "index.mapping.coerce": false},
		"aliases": object{r.readAlias(): object{}, r.writeAlias(): object{}, door(index): object{}},
		"mappings": object{"dynamic": false, "_meta": object{"oipnode": 1}, "properties": object{
			"f": object{"dynamic": false, "properties": fields}, "t": object{"dynamic": false, "type": "object"}}},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	send(http.MethodDelete, "/"+r.indexName(mappingVersion, 1), nil)
	send(http.MethodPut, "/"+index, body)
	known := strings.Fields(firstBare + " " + firstTexts + " " + firstNumbers)
	for _, d := range docs {
		text, err := r.appendDocument(nil, d.Kind(), 1, d.JSON())
		if err != nil {
			r.t.Fatal(err)
		}
		var whole map[string]json.RawMessage
		var f map[string]json.RawMessage
		if err := json.Unmarshal(text, &whole); err != nil {
			r.t.Fatal(err)
		}
		if err := json.Unmarshal(whole["f"], &f); err != nil {
			r.t.Fatal(err)
		}
		for name := range f {
			if !slices.Contains(known, name) {
				delete(f, name)
			}
		}
		whole["f"], _ = json.Marshal(f)
		text, _ = json.Marshal(whole)
		line := append(canon.AppendString([]byte(`{"create":{"_id":`), d.DID()), "}}\n"...)
		send(http.MethodPost, "/"+door(index)+"/_bulk", append(append(line, text...), '\n'))
	}
	return r.another()
}

// TestFirstVersion uses an index of the first version: what was there is found, nothing
// is refused, conditions on newer fields find nothing, the operator is told; and a
// re-index brings everything.
func TestFirstVersion(t *testing.T) {
	for _, shards := range []int{1, 3} {
		t.Run(fmt.Sprint(shards), func(t *testing.T) { testFirstVersion(t, shards) })
	}
}

func testFirstVersion(t *testing.T, shards int) {
	var log bytes.Buffer
	docs := scattered(60)
	w := &world{rig: newRig(t, func(o *Options) { o.Shards, o.Log = shards, slog.New(slog.NewTextHandler(&log, nil)) })}
	w.of = make(map[string]records.Projection)
	w.know(docs)
	s := w.firstVersion(docs[:50])
	if !strings.Contains(log.String(), "version=1 want=2") {
		t.Errorf("the log says %q", log.String())
	}
	ctx := t.Context()
	// What this program writes into it later is no better.
	for _, d := range docs[50:] {
		if results, err := s.Write(ctx, []records.Op{{Put: d, Fence: 1}}); err != nil || results[0].Status != records.OK {
			t.Fatal(results, err)
		}
	}
	if h, err := s.Health(ctx); err != nil || !strings.Contains(h.Detail, "mapping version 1, this program writes 2: re-index it") || h.Documents != 60 {
		t.Errorf("Health = %+v, %v", h, err)
	}
	signs := strings.Repeat(`"[.`, 85)
	newer := map[string]records.Cond{
		"a word":        records.Near{Field: records.FieldDescriptionWord, Word: "bread"},
		"a short word":  records.Near{Field: records.FieldNameWord, Word: "a"},
		"a leaf":        records.Equal("basic.description", "bread"),
		"a prefix":      records.Prefix{Field: records.FieldRef, Text: "did"},
		"a reference":   records.Refers("basic.description", "did:arweave:x"),
		"a path":        records.Present("basic"),
		"a day":         records.Between{Field: records.FieldSchedule, Min: 0, Max: 1 << 40},
		"a name":        records.Exists{Field: records.FieldDistinct},
		"what is cut":   records.Exists{Field: records.FieldCut},
		"many signs":    records.Like{Path: signs, Text: signs, Least: records.WholeWord},
		"exactly":       records.Like{Path: "basic.name", Text: "bread", Least: records.Same},
		"the beginning": records.Like{Path: "basic.name", Text: "bread", Least: records.StartsWith},
		"the end":       records.Like{Path: "basic.name", Text: "bread", Least: records.EndsWith},
		"a part":        records.Like{Path: "basic.name", Text: "bread"},
	}
	for name, where := range newer {
		for want, where := range map[int64]records.Cond{0: where, 60: records.Not{Cond: where}} {
			if p, err := s.Search(ctx, records.Query{Where: where, Limit: 100}); err != nil || p.Total != want {
				t.Errorf("%s: %d documents, want %d; %v", name, p.Total, want, err)
			}
		}
	}
	everyLevel := []records.Sort{{Field: records.FieldScore, Desc: true}, {Field: records.FieldSchedule}, {Field: records.FieldDistinct, Desc: true}, {Field: records.FieldCut}, {Field: records.FieldDID}}
	score := []records.Scored{{Where: newer["a part"], Points: 4}, {Where: newer["a word"], Points: 2}}
	for _, by := range []records.Field{"", records.FieldTag, records.FieldDistinct, records.FieldCut} {
		for _, distinct := range []bool{false, true} {
			q := records.Query{Sort: everyLevel, Score: score, CountBy: by, Limit: 25, Distinct: distinct, RefsOnly: distinct}
			seen := make(map[string]bool)
			for {
				p, err := s.Search(ctx, q)
				if err != nil || p.Total != 60 {
					t.Fatalf("%+v: %d, %v", q, p.Total, err)
				}
				if tags := len(p.Counts.Buckets); (tags > 0) != (by == records.FieldTag) {
					t.Fatalf("by %q: %+v", by, p.Counts)
				}
				for _, h := range p.Hits {
					seen[h.DID] = true
				}
				if q.After = p.Next; q.After == "" {
					break
				}
			}
			if len(seen) != 60 {
				t.Errorf("%+v shows %d documents", q, len(seen))
			}
		}
	}
	if got, err := s.Get(ctx, []string{docs[0].DID(), docs[59].DID()}, false); err != nil || len(got) != 2 || string(got[0].JSON) != string(docs[0].JSON()) || string(got[1].JSON) != string(docs[59].JSON()) {
		t.Errorf("Get = %+v, %v", got, err)
	}

	reader := w.another() // it hears of the re-index by itself
	if r, err := s.Reindex(ctx, func(context.Context) error { return nil }); err != nil || !r.Done || r.Documents != 60 {
		t.Fatalf("%+v, %v", r, err)
	}
	if h, err := s.Health(ctx); err != nil || strings.Contains(h.Detail, "version") {
		t.Errorf("Health = %+v, %v", h, err)
	}
	for _, store := range []*Store{s, reader} {
		now := &world{&rig{Store: store, t: t}, w.of}
		for _, where := range newer {
			now.check(records.Query{Where: where, Limit: 100, Score: score, Sort: everyLevel[:4]})
		}
		now.check(records.Query{Distinct: true, Limit: 7, Sort: byDate, CountBy: records.FieldTag, RefsOnly: true})
	}
}

// TestKeptSource: the engine keeps the record and what it refers to, and nothing twice
// that only serves searches; what it keeps is read back in real time, too.
func TestKeptSource(t *testing.T) {
	r := newRig(t)
	doc := article("one", "bread did", 3, []string{"did:arweave:x", "did:arweave:a"})
	r.put(doc)
	for _, refreshed := range []bool{false, true} {
		if refreshed {
			if err := r.refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		var got struct {
			Source map[string]json.RawMessage `json:"_source"`
		}
		if err := r.json(t.Context(), request{method: http.MethodGet, path: "/" + r.readAlias() + "/_doc/" + doc.DID()}, &got); err != nil {
			t.Fatal(err)
		}
		names := make([]string, 0, len(got.Source))
		for name := range got.Source {
			names = append(names, name)
		}
		slices.Sort(names)
		if strings.Join(names, "") != "defkw" || string(got.Source["f"]) != `{"ref":["did:arweave:x\u0000basic.tagItems","did:arweave:a\u0000basic.tagItems"]}` {
			t.Errorf("refreshed %v: the engine keeps %s: %s", refreshed, names, got.Source["f"])
		}
	}
}

// TestManyClauses asks as many conditions of each kind at once as are allowed: the engine
// takes them, and one more is refused before it is asked.
func TestManyClauses(t *testing.T) {
	w := newWorld(t, []*oip.Document{article("one", "bread")})
	for name, c := range map[string]struct {
		clauses int
		cond    func(i int) records.Cond
	}{
		"terms": {1, func(i int) records.Cond { return records.Is(records.FieldTag, fmt.Sprint(i)) }},
		"lists": {1, func(i int) records.Cond { return records.Is(records.FieldTag, fmt.Sprint(i), "x") }},
		"bare":  {1, func(i int) records.Cond { return records.Is(records.FieldNameWord, fmt.Sprint(i)) }},
		"ranges": {2, func(i int) records.Cond {
			return records.Between{Field: records.FieldDate, Min: int64(i), Max: 1 << 30}
		}},
		"near": {1, func(i int) records.Cond {
			return records.Near{Field: records.FieldNameWord, Word: fmt.Sprint("bread", i)}
		}},
		"prefixes": {1, func(i int) records.Cond { return records.Prefix{Field: records.FieldRef, Text: fmt.Sprint("did:", i)} }},
		"words": {3, func(i int) records.Cond {
			return records.Like{Path: "a", Text: fmt.Sprint(i), Least: records.WholeWord}
		}},
		"ends":    {2, func(i int) records.Cond { return records.Like{Path: "a", Text: fmt.Sprint(i), Least: records.EndsWith} }},
		"nots":    {2, func(i int) records.Cond { return records.Not{Cond: records.Is(records.FieldNameWord, fmt.Sprint(i))} }},
		"exist":   {1, func(i int) records.Cond { return records.Exists{Field: allFields[i%len(allFields)]} }},
		"nothing": {1, func(int) records.Cond { return records.Any{} }},
		"all":     {1, func(int) records.Cond { return records.All{} }},
	} {
		most := maxClauses / c.clauses
		for _, join := range []func(list []records.Cond) records.Cond{
			func(list []records.Cond) records.Cond { return records.All(list) },
			func(list []records.Cond) records.Cond {
				either := make(records.Any, len(list)) // not folded
				for i, one := range list {
					either[i] = records.All{one}
				}
				return either
			},
		} {
			list := make([]records.Cond, most)
			for i := range list {
				list[i] = c.cond(i)
			}
			if _, err := w.Search(t.Context(), records.Query{Where: join(list), Limit: 1}); err != nil {
				t.Errorf("%d %s: %v", most, name, err)
			}
			list = append(list, c.cond(most))
			if _, err := w.Search(t.Context(), records.Query{Where: join(list), Limit: 1}); err == nil || !strings.Contains(err.Error(), "the engine takes 1024") {
				t.Errorf("%d %s: %v", most+1, name, err)
			}
		}
		var score []records.Scored
		for i := range min(most-2, records.MaxScored) {
			score = append(score, records.Scored{Where: c.cond(i), Points: 1})
		}
		w.check(records.Query{Where: records.Is(records.FieldName, "one"), Score: score, Sort: []records.Sort{{Field: records.FieldScore}}})
	}
}

// TestScoreIsExact adds up to the most points that a score can have.
func TestScoreIsExact(t *testing.T) {
	w := newWorld(t, scattered(40))
	for _, points := range [][]int64{{records.MaxPoints}, {records.MaxPoints - 1, 1}, {records.MaxPoints/2 + 1, records.MaxPoints/2 - 2, 1}} {
		var score []records.Scored
		for i, p := range points {
			where := records.Cond(records.Exists{Field: records.FieldDID})
			if i > 0 {
				where = records.Is(records.FieldTag, "t1", "t3")
			}
			score = append(score, records.Scored{Where: where, Points: p})
		}
		for _, desc := range []bool{false, true} {
			w.check(records.Query{Score: score, Sort: []records.Sort{{Field: records.FieldScore, Desc: desc}}, Limit: 7})
		}
	}
	var many []records.Scored
	for i := range records.MaxScored {
		many = append(many, records.Scored{Where: records.EqualNumber("basic.date", float64(i%20)), Points: records.MaxPoints / records.MaxScored})
	}
	w.check(records.Query{Score: many, Sort: []records.Sort{{Field: records.FieldScore, Desc: true}}, Limit: 9, Where: records.Present("basic.date")})
}
