package opensearch

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// answers are answers of every form that the Store asks for.
var answers = []string{
	`{"took":10,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},"hits":{"total":{"value":5017,"relation":"eq"},"max_score":null,"hits":[` +
		`{"_index":"i","_id":"did:arweave:a","_score":null,"_source":{"d":"{\"basic\":{\"name\":\"\\u0041\\\"\\n é 😀 \u001f\u2028\\ud800\"}}","e":"{\"did\":\"x\"}","k":"record"},"sort":[1600000,"did:arweave:a"]},` +
		`{"_id":"b\"\\","_seq_no":7,"_version":3,"_source":{"w":18,"f":{"ref":["did:x basic.a","did:\u00e9"]}},"sort":[9223372036854775807,null,-9223372036854775808,"\"\u0000é"],"fields":{"f.did":["b"],"f.na\u006de":[]}}]}}`,
	`{"timed_out":true,"_shards":{"failed":2},"hits":{"hits":[]}}`,
	`{"pit_id":"p+/=","hits":{"total":null,"hits":null},"aggregations":{"values":{"after_key":{"v":"\u0001é\"\\"},"buckets":[{"key":{"v":"\u0001\"é😀\/"},"doc_count":12},{"key":null,"doc_count":null}]},"n":{"value":1.5E3}}}`,
	`{"aggregations":{"values":{"buckets":[]},"names":{"doc_count_error_upper_bound":0,"sum_other_doc_count":7},"number":{"count":3,"min":1.0,"avg":null}}}`,
	`{"aggregations":null}`,
	`{}`,
	` { "hits" : { "hits" : [ { "_source" : null , "sort" : [ ] } ] } } `,
}

// TestReadSearched: the quick way reads what encoding/json reads.
func TestReadSearched(t *testing.T) {
	for _, text := range answers {
		var want searched
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		got, err := readSearched([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if sense(t, got) != sense(t, &want) {
			t.Errorf("%s\n got %+v\nwant %+v", text, got, want)
		}
		padded, err := readSearched([]byte(text + strings.Repeat(" ", maxQuick)))
		if err != nil || !reflect.DeepEqual(padded, &want) {
			t.Errorf("a long answer: %+v, %v", padded, err)
		}
	}
	for _, wrong := range []string{
		``, `[`, `{"hits":`, `[]`, `"text"`, `{"timed_out":1}`, `{"_shards":{"failed":"1"}}`, `{"_shards":{"failed":1.5}}`, `{"hits":{"total":{"value":"1"}}}`,
		`{"hits":{"hits":{}}}`, `{"hits":{"hits":[1]}}`, `{"hits":{"hits":[{"_id":1}]}}`, `{"hits":{"hits":[{"_source":{"d":{}}}]}}`, `{"hits":{"hits":[{"sort":1}]}}`,
		`{"hits":{"hits":[{"fields":[]}]}}`, `{"hits":{"hits":[{"fields":{"a":"b"}}]}}`, `{"hits":{"hits":[{"_source":{"f":{"ref":[1]}}}]}}`, `{"pit_id":{}}`,
		`{"aggregations":[]}`, `{"aggregations":{"values":{"buckets":{}}}}`, `{"aggregations":{"values":{"buckets":[{"key":{"v":1}}]}}}`,
		`{"aggregations":{"values":{"buckets":[{"doc_count":"1"}]}}}`, `{"aggregations":{"names":[]}}`, `{"aggregations":{"number":{"count":1.5}}}`,
	} {
		if a, err := readSearched([]byte(wrong)); err == nil {
			t.Errorf("%s: no error, but %+v", wrong, a)
		}
	}
}

// sense is what an answer says: nil and empty lists are the same.
func sense(t testing.TB, a *searched) string {
	t.Helper()
	text := fmt.Sprintf("%t %d %s %d %q %+v", a.TimedOut, a.Shards.Failed, a.PIT, a.Hits.Total.Value, a.Aggregations.Values.AfterKey, a.Aggregations.Values.Buckets)
	text += fmt.Sprintf(" %+v %+v", a.Aggregations.Names, a.Aggregations.Number)
	for _, h := range a.Hits.Hits {
		text += fmt.Sprintf("\n%q %d %d %+v %q %q", h.ID, h.SeqNo, h.Version, h.Source, h.Sort, h.Fields)
	}
	return text
}

// FuzzReadSearched: no answer makes the quick way panic, what it returns does not change
// with the next answer, and what it takes out as it stands is JSON.
func FuzzReadSearched(f *testing.F) {
	for _, text := range answers {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := readSearched(text)
		if err != nil {
			return
		}
		before := sense(t, a)
		for _, other := range answers {
			if _, err := readSearched([]byte(other)); err != nil {
				t.Fatal(err)
			}
		}
		if after := sense(t, a); after != before {
			t.Errorf("%q: the answer was %s and is %s", text, before, after)
		}
	})
}

// BenchmarkReadSearched reads a page of twenty documents of two kilobytes.
func BenchmarkReadSearched(b *testing.B) {
	document := `{"_id":"did:arweave:a","_source":{"k":"record","d":"` + strings.Repeat(`{\"name\":\"some words\"},`, 60) + `","e":"` + strings.Repeat("a", 1400) + `"},"sort":[1600000,"did:arweave:a"]}`
	text := []byte(`{"timed_out":false,"_shards":{"failed":0},"hits":{"total":{"value":100000},"hits":[` + strings.Repeat(document+",", 19) + document + `]}}`)
	b.SetBytes(int64(len(text)))
	b.Run("quick", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if a, err := readSearched(text); err != nil || len(a.Hits.Hits) != 20 {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var a searched
			if err := json.Unmarshal(text, &a); err != nil || len(a.Hits.Hits) != 20 {
				b.Fatal(err)
			}
		}
	})
}
