package gateway

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"oipnode/shared/oip"
)

// node wraps the JSON of one node into a page.
func node(json string) string { return pageJSON(false, line{"c", json}) }

func TestDecodeNode(t *testing.T) {
	a := id(1)
	for _, tc := range []struct {
		name, json string
		want       Node
	}{
		{"everything", `{"id":"` + a + `","owner":{"address":"` + id(2) + `"},"tags":[{"name":"N","value":"V"},{"name":"","value":""}],"block":{"height":5,"id":"x"},"data":{"size":"12","type":"t"}}`,
			Node{ID: a, Tags: []oip.Tag{{Name: "N", Value: "V"}, {}}, HasTags: true, Height: 5, Size: 12, Owner: id(2)}},
		{"size as number", `{"id":"` + a + `","data":{"size":12}}`, Node{ID: a, Size: 12}},
		{"size zero", `{"id":"` + a + `","data":{"size":"0"}}`, Node{ID: a}},
		{"size negative", `{"id":"` + a + `","data":{"size":"-3"}}`, Node{ID: a, Size: -1}},
		{"size fraction", `{"id":"` + a + `","data":{"size":1.5}}`, Node{ID: a, Size: -1}},
		{"size absurd", `{"id":"` + a + `","data":{"size":"9223372036854775807"}}`, Node{ID: a, Size: -1}},
		{"size object", `{"id":"` + a + `","data":{"size":{}}}`, Node{ID: a, Size: -1}},
		{"size null", `{"id":"` + a + `","data":{"size":null}}`, Node{ID: a, Size: -1}},
		{"no data", `{"id":"` + a + `","data":null}`, Node{ID: a, Size: -1}},
		{"no tags", `{"id":"` + a + `","tags":null}`, Node{ID: a, Size: -1}},
		{"empty tags", `{"id":"` + a + `","tags":[]}`, Node{ID: a, Size: -1, HasTags: true, Tags: []oip.Tag{}}},
		{"tag null", `{"id":"` + a + `","tags":[null]}`, Node{ID: a, Size: -1}},
		{"tag without value", `{"id":"` + a + `","tags":[{"name":"A","value":"b"},{"name":"C"}]}`, Node{ID: a, Size: -1}},
		{"tag value null", `{"id":"` + a + `","tags":[{"name":"A","value":null}]}`, Node{ID: a, Size: -1}},
		{"most tags", `{"id":"` + a + `","tags":[` + strings.TrimSuffix(strings.Repeat(`{"name":"","value":""},`, maxTags), ",") + `]}`,
			Node{ID: a, Size: -1, HasTags: true, Tags: make([]oip.Tag, maxTags)}},
		{"too many tags", `{"id":"` + a + `","tags":[` + strings.TrimSuffix(strings.Repeat(`{"name":"","value":""},`, maxTags+1), ",") + `]}`,
			Node{ID: a, Size: -1}},
		{"too long tags", `{"id":"` + a + `","tags":[{"name":"","value":"` + strings.Repeat("x", maxTagBytes+1) + `"}]}`, Node{ID: a, Size: -1}},
		{"owner without form", `{"id":"` + a + `","owner":{"address":"me"}}`, Node{ID: a, Size: -1}},
		{"owner null", `{"id":"` + a + `","owner":null}`, Node{ID: a, Size: -1}},
		{"lone surrogates", `{"id":"` + a + `","tags":[{"name":"\udc00","value":"a\ud800\"b"},{"name":"\ud83d\ude00","value":"\n"}]}`,
			Node{ID: a, Size: -1, HasTags: true, Tags: []oip.Tag{{Name: "\xed\xb0\x80", Value: "a\xed\xa0\x80\"b"}, {Name: "😀", Value: "\n"}}}},
	} {
		p, err := decodePage([]byte(node(tc.json)))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if got := p.nodes()[0]; !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
}

func TestDecodePageRows(t *testing.T) {
	p, err := decodePage([]byte(pageJSON(true, mined(1, 5), pending(2), line{"c3", `{"id":"short","block":{"height":0}}`})))
	if err != nil || !p.more || len(p.edges) != 3 {
		t.Fatalf("%+v, %v", p, err)
	}
	for i, want := range []edge{{cursor: "c1", valid: true}, {cursor: "c2", valid: true, pending: true}, {cursor: "c3", pending: true}} {
		e := p.edges[i]
		if e.cursor != want.cursor || e.valid != want.valid || e.pending != want.pending {
			t.Errorf("row %d: %+v, want %+v", i, e, want)
		}
	}
	if n := p.nodes(); len(n) != 2 || n[0].Height != 5 || n[1].Height != 0 {
		t.Errorf("nodes: %+v", n)
	}
}

func TestDecodePageFaults(t *testing.T) {
	good := pageJSON(false, mined(1, 5))
	beside := func(key, value string) string { return strings.TrimSuffix(good, "}") + `,"` + key + `":` + value + `}` }
	for _, tc := range []struct {
		name, body string
		want       error
	}{
		{"good", good, nil},
		{"empty errors", beside("errors", "[]"), nil},
		{"null warnings", beside("warnings", "null"), nil},
		{"empty extensions", beside("extensions", " { } "), nil},
		{"no page info", `{"data":{"transactions":{"edges":[]}}}`, nil},
		{"nothing", "", ErrUnhealthy},
		{"space", " \n", ErrUnhealthy},
		{"html", "<html>", ErrUnhealthy},
		{"text", "Bad Gateway", ErrUnhealthy},
		{"list", "[]", ErrUnhealthy},
		{"cut", good[:len(good)-5], ErrProtocol},
		{"more behind", good + "{}", ErrProtocol},
		{"no data", `{}`, ErrProtocol},
		{"data null", `{"data":null}`, ErrProtocol},
		{"transactions null", `{"data":{"transactions":null}}`, ErrProtocol},
		{"edges null", `{"data":{"transactions":{"edges":null}}}`, ErrProtocol},
		{"edges object", `{"data":{"transactions":{"edges":{}}}}`, ErrProtocol},
		{"edge null", `{"data":{"transactions":{"edges":[null]}}}`, ErrProtocol},
		{"node null", `{"data":{"transactions":{"edges":[{"cursor":"c","node":null}]}}}`, ErrProtocol},
		{"id number", node(`{"id":7}`), ErrProtocol},
		{"cursor number", `{"data":{"transactions":{"edges":[{"cursor":7,"node":{"id":"x"}}]}}}`, ErrProtocol},
		{"cursor long", pageJSON(false, line{strings.Repeat("c", maxCursor+1), `{"id":"x"}`}), ErrProtocol},
		{"height text", node(`{"id":"x","block":{"height":"5"}}`), ErrProtocol},
		{"height fraction", node(`{"id":"x","block":{"height":5.5}}`), ErrProtocol},
		{"height negative", node(`{"id":"x","block":{"height":-5}}`), ErrProtocol},
		{"height huge", node(`{"id":"x","block":{"height":1000000000}}`), ErrProtocol},
		{"tags object", node(`{"id":"x","tags":{}}`), ErrProtocol},
		{"tag number", node(`{"id":"x","tags":[{"name":1,"value":"v"}]}`), ErrProtocol},
		{"next text", `{"data":{"transactions":{"pageInfo":{"hasNextPage":"no"},"edges":[]}}}`, ErrProtocol},
		{"errors only", `{"errors":[{"message":"boom"}]}`, ErrGraphQL},
		{"errors and null", `{"data":null,"errors":[{"message":"boom"}]}`, ErrGraphQL},
		{"errors beside data", beside("errors", `[{"message":"boom"}]`), ErrGraphQL},
		{"warnings beside data", beside("warnings", `["partial"]`), ErrGraphQL},
		{"extensions beside data", beside("extensions", `{"warnings":["partial"]}`), ErrGraphQL},
		{"errors text", beside("errors", `"boom"`), ErrGraphQL},
		{"row limit name", `{"errors":[{"message":"DB::Exception: (TOO_MANY_ROWS)"}]}`, ErrRowLimit},
		{"row limit text", `{"errors":[{"message":"Limit for rows (controlled by x) exceeded"}]}`, ErrRowLimit},
		{"row limit code", `{"errors":[{"message":"Code: 158. oops"}]}`, ErrRowLimit},
		{"row limit number", `{"errors":[{"message":"x","extensions":{"code":158}}]}`, ErrRowLimit},
		{"row limit string", `{"errors":[{"message":"x","extensions":{"code":"158"}}]}`, ErrRowLimit},
		{"row limit bare code", `{"errors":[{"message":"x"},{"code":158}]}`, ErrRowLimit},
		{"row limit warning", beside("extensions", `{"warnings":["TOO_MANY_ROWS"]}`), ErrRowLimit},
		{"other code", `{"errors":[{"message":"x","extensions":{"code":159}}]}`, ErrGraphQL},
		{"158 elsewhere", `{"errors":[{"message":"line 158"}]}`, ErrGraphQL},
	} {
		if _, err := decodePage([]byte(tc.body)); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
}

// What a gateway sends never makes an error long, nor memory many times as much.
func TestDecodePageBoundsFaults(t *testing.T) {
	const n = 1 << 15
	for name, body := range map[string]string{
		"number":   node(`{"id":"x","block":{"height":` + strings.Repeat("9", n) + `}}`),
		"name":     `{"data":"` + strings.Repeat("x", n) + `"}`,
		"errors":   `{"errors":[{}` + strings.Repeat(",{}", n) + `]}`,
		"numbers":  `{"warnings":[1` + strings.Repeat(", 1", n) + `]}`,
		"code 158": `{"errors":[{"code":158}` + strings.Repeat(",{}", n) + `]}`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := decodePage([]byte(body))
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; err == nil || len(err.Error()) > 300 || used > 16*uint64(len(body)) {
			t.Errorf("%s: %d bytes for %d: %.400v", name, used, len(body), err)
		}
	}
}

func TestDecodePageBoundsEdges(t *testing.T) {
	list := func(n int) []byte {
		return fmt.Appendf(nil, `{"data":{"transactions":{"edges":[%s]}}}`, strings.TrimSuffix(strings.Repeat(`{"node":{}},`, n), ","))
	}
	if p, err := decodePage(list(maxEdges)); err != nil || len(p.edges) != maxEdges {
		t.Errorf("%d edges: %v", maxEdges, err)
	}
	if _, err := decodePage(list(maxEdges + 1)); !errors.Is(err, ErrProtocol) {
		t.Errorf("one edge more: %v", err)
	}
	// A page full of tiny edges must not cost a multiple of its length.
	body := list(1 << 15)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := decodePage(body)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, ErrProtocol) || used > 4*uint64(len(body)) {
		t.Errorf("%d bytes allocated for a page of %d: %v", used, len(body), err)
	}
}

func FuzzDecodePage(f *testing.F) {
	f.Add([]byte(pageJSON(true, mined(1, 5), pending(2))))
	f.Add([]byte(node(`{"id":"x","tags":[{"name":"\ud800","value":"\u0000"}],"data":{"size":7}}`)))
	f.Add([]byte(`{"errors":[{"message":"TOO_MANY_ROWS","extensions":{"code":158}}]}`))
	f.Add([]byte(`{"data":{"transactions":{"edges":[{"node":{"block":{"height":1e3}}}]}}}`))
	f.Add([]byte(`<html>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := decodePage(body)
		if err != nil {
			if !errors.Is(err, ErrProtocol) && !errors.Is(err, ErrGraphQL) && !errors.Is(err, ErrRowLimit) && !errors.Is(err, ErrUnhealthy) {
				t.Errorf("an error outside of the closed set: %v", err)
			}
			return
		}
		if len(p.edges) > maxEdges {
			t.Errorf("%d edges", len(p.edges))
		}
		for _, e := range p.edges {
			n := e.node
			if e.pending != (n.Height == 0) || n.Height < 0 || n.Height >= maxHeight || n.Size < -1 || n.Size > maxSize ||
				len(n.Tags) > maxTags || (!n.HasTags && n.Tags != nil) || (e.valid && !oip.ValidID(n.ID)) || len(e.cursor) > maxCursor {
				t.Errorf("out of bounds: %+v", e)
			}
		}
	})
}

// BenchmarkDecodePage decodes a full page of OIP records with the tags they have.
func BenchmarkDecodePage(b *testing.B) {
	tags := `[{"name":"Content-Type","value":"application/json"},{"name":"Index-Method","value":"OIP"},{"name":"Ver","value":"0.8.0"},{"name":"Type","value":"Record"},{"name":"RecordType","value":"post"},{"name":"Creator","value":"` +
		id(1) + `"},{"name":"CreatorSig","value":"` + strings.Repeat("a", 684) + `"}]`
	lines := make([]line, PageSize)
	for i := range lines {
		lines[i] = line{fmt.Sprint(i), fmt.Sprintf(`{"id":%q,"owner":{"address":%q},"tags":%s,"block":{"height":1600000},"data":{"size":"2048"}}`, id(i), id(1), tags)}
	}
	body := []byte(pageJSON(true, lines...))
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if p, err := decodePage(body); err != nil || len(p.edges) != PageSize {
			b.Fatal(err)
		}
	}
}
