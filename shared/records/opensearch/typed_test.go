package opensearch_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"oipnode/shared/oip/oiptest"
	"oipnode/shared/records"
	"oipnode/shared/records/opensearch"
)

// ask sends a request to the engine itself, and decodes the answer.
func ask(t *testing.T, method, url, body string, v any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		t.Fatalf("%s %s: %d %v %s", method, url, res.StatusCode, err, text)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

// found counts what a query of the engine finds in the fields of templates.
func found(t *testing.T, url, prefix, query string) int {
	t.Helper()
	var answer struct {
		Hits struct{ Total struct{ Value int } }
	}
	ask(t, http.MethodPost, url+"/"+prefix+"/_search", `{"query":`+query+`}`, &answer)
	return answer.Hits.Total.Value
}

// TestTypedMappings: a template that lands gets typed fields, and the records of it are
// found by them, whatever else strangers put there.
func TestTypedMappings(t *testing.T) {
	url, prefix := newPrefix(t)
	s := open(t, url, prefix)
	p := newPress()
	write(t, s, records.OK, puts(1, p.expand(p.signer.Template("basic", []byte(basicFields))))...)
	good := p.record(map[int]any{0: "The Bread", 2: 42, 3: []string{"sour dough", "rye"}, 4: 1.5, 5: true, 6: 1, 7: "did:arweave:x"})
	write(t, s, records.OK, puts(1, good)...)
	// Nothing that a publisher can put into a field may keep the record out.
	var odd []records.Op
	for i, v := range []any{"text", 1e300, -5, true, nil, []any{}, []any{1, "two", map[string]any{"three": 3}}, map[string]any{"a": map[string]any{"b": 1}},
		json.Number("123456789012345678901234567890"), strings.Repeat("long ", 20000), []any{[]any{[]any{1}}}, "\u0000", "9223372036854775808", ""} {
		for field := range 8 {
			odd = append(odd, records.Op{Put: p.record(map[int]any{0: fmt.Sprint("odd ", i, field), field: v}), Fence: 1})
		}
	}
	write(t, s, records.OK, odd...)
	if n := total(t, s, nil); n < int64(len(odd)) {
		t.Errorf("%d documents of %d", n, len(odd))
	}
	for query, want := range map[string]int{
		`{"match":{"t.basic.name":"bread"}}`:                 1,
		`{"term":{"t.basic.name.keyword":"The Bread"}}`:      1,
		`{"term":{"t.basic.name.keyword":"bread"}}`:          0,
		`{"range":{"t.basic.date":{"gte":42,"lte":42}}}`:     1,
		`{"range":{"t.basic.weight":{"gte":1.4,"lte":1.6}}}`: 1,
		`{"term":{"t.basic.kept":"true"}}`:                   1 + 1,
		`{"term":{"t.basic.source":"did:arweave:x"}}`:        1,
		`{"match":{"t.basic.tagItems":"dough"}}`:             1,
		`{"term":{"t.basic.tagItems.keyword":"sour dough"}}`: 1,
		`{"exists":{"field":"_ignored"}}`:                    -1,
		`{"term":{"t.nothing.name.keyword":"The Bread"}}`:    0,
	} {
		got := found(t, url, prefix, query)
		if want < 0 && got == 0 || want >= 0 && got != want {
			t.Errorf("%s finds %d, want %d", query, got, want)
		}
	}
	if got, err := s.Get(t.Context(), []string{good.DID()}, false); err != nil || len(got) != 1 || !bytes.Equal(got[0].JSON, good.JSON()) {
		t.Errorf("the document is not what it was: %s, %v", got, err)
	}
}

// TestFieldLimit: a template that does not fit is indexed by its envelope, and the node
// says so; its records are whole.
func TestFieldLimit(t *testing.T) {
	url, prefix := newPrefix(t)
	s := open(t, url, prefix, func(o *opensearch.Options) { o.MaxFields = 30 })
	p := newPress()
	write(t, s, records.OK, puts(1, p.expand(p.signer.Template("basic", []byte(basicFields))))...)
	var b strings.Builder
	for i := range 40 {
		fmt.Fprintf(&b, `,"field%d":"string","index_field%d":%d`, i, i, i)
	}
	large := p.signer.Verified(p.signer.Template("large", []byte("{"+b.String()[1:]+"}"))).Template()
	write(t, s, records.OK, puts(1, p.expand(p.signer.Template("large", []byte("{"+b.String()[1:]+"}"))))...)
	doc := p.expand(p.signer.Record("post", oiptest.Object{Template: large.ID, Values: map[int]any{0: "value"}}), large)
	write(t, s, records.OK, puts(1, doc)...)
	h, err := s.Health(t.Context())
	if err != nil || !strings.Contains(h.Detail, "large") || strings.Contains(h.Detail, "basic") || h.Documents != 3 {
		t.Errorf("%+v, %v", h, err)
	}
	if n := found(t, url, prefix, `{"term":{"t.large.field0.keyword":"value"}}`); n != 0 {
		t.Errorf("found by its field %d times", n)
	}
	// The process that wrote it is not the one that is asked, as a rule; a later one does
	// not write it again, and a new index shows what does not fit there.
	other := open(t, url, prefix, func(o *opensearch.Options) { o.MaxFields = 30 })
	if again, err := other.Health(t.Context()); err != nil || again.Detail != h.Detail {
		t.Errorf("another store says %+v, %v", again, err)
	}
	strange := p.expand(p.signer.Template("no.field", []byte(`{"a":"string","index_a":0}`)))
	write(t, other, records.OK, puts(1, strange)...)
	if h, err = s.Health(t.Context()); err != nil || !strings.Contains(h.Detail, "2 templates are indexed by their envelope only: large, no.field") {
		t.Errorf("what another store left: %+v, %v", h, err)
	}
	if r, err := other.Reindex(t.Context(), never); err != nil || !r.Done {
		t.Fatalf("%+v, %v", r, err)
	}
	if again, err := s.Health(t.Context()); err != nil || again.Detail != h.Detail {
		t.Errorf("behind a re-index: %+v, %v", again, err)
	}
	roomy := open(t, url, prefix)
	if r, err := open(t, url, prefix).Reindex(t.Context(), never); err != nil || !r.Done { // with room for more
		t.Fatalf("%+v, %v", r, err)
	}
	if again, err := s.Health(t.Context()); err != nil || strings.Contains(again.Detail, "large") || !strings.Contains(again.Detail, "1 templates") {
		t.Errorf("with room for it: %+v, %v", again, err)
	}
	// A Store that has not heard of the move maps a template in the new index all the same.
	write(t, roomy, records.OK, puts(1, p.expand(p.signer.Template("later", []byte(`{"a":"string","index_a":0}`))))...)
	later := p.signer.Verified(p.signer.Template("later", []byte(`{"a":"string","index_a":0}`))).Template()
	write(t, roomy, records.OK, puts(1, p.expand(p.signer.Record("post", oiptest.Object{Template: later.ID, Values: map[int]any{0: "x"}}), later))...)
	total(t, roomy, nil) // refreshes
	if n := found(t, url, prefix, `{"term":{"t.later.a.keyword":"x"}}`); n != 1 {
		t.Errorf("the later template's record is found by its field %d times", n)
	}
	if n := total(t, s, records.Is(records.FieldTemplateName, "large")); n != 1 {
		t.Errorf("found by its envelope %d times", n)
	}
	if n := found(t, url, prefix, `{"term":{"t.large.field0.keyword":"value"}}`); n != 1 {
		t.Errorf("found by its field %d times where it fits", n)
	}
}
