package opensearch_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/records"
)

// press publishes documents: signed, verified and expanded as the pipeline does it.
type press struct {
	signer *oiptest.Signer
	basic  *oip.Template
}

const basicFields = `{"name":"string","index_name":0,"description":"string","index_description":1,"date":"long","index_date":2,
	"tagItems":"repeated string","index_tagItems":3,"weight":"float","index_weight":4,"kept":"bool","index_kept":5,
	"kind":"enum","index_kind":6,"kindValues":[{"code":"a","name":"Kind A"},{"code":"b","name":"Kind B"}],"source":"dref","index_source":7}`

var newPress = sync.OnceValue(func() *press {
	s := oiptest.NewSigner("opensearch", 2048)
	return &press{s, s.Verified(s.Template("basic", []byte(basicFields))).Template()}
})

func (p *press) expand(tx oip.Transaction, templates ...*oip.Template) *oip.Document {
	tx.Height = 100
	doc, err := oip.Expand(p.signer.Verified(tx), oip.Setting{
		Creator: p.signer.Ref("writer", oip.Transaction{ID: tx.ID}), OwnHandle: "writer", IndexedAt: time.Unix(1700000000, 0),
		Templates: oiptest.Templates(append(templates, p.basic)...),
	})
	if err != nil {
		panic(err)
	}
	return &doc
}

// record is one with these values of the template basic.
func (p *press) record(values map[int]any) *oip.Document {
	return p.expand(p.signer.Record("post", oiptest.Object{Template: p.basic.ID, Values: values}))
}

// posts are n records with names of their own and texts of about size bytes.
func (p *press) posts(n, size int) []*oip.Document {
	docs := make([]*oip.Document, n)
	for i := range docs {
		docs[i] = p.record(map[int]any{0: fmt.Sprintf("post %d of %d", i, size), 1: strings.Repeat("words of some length ", size/21),
			2: 1700000000 + i, 3: []string{"a", fmt.Sprint("tag", i%50)}})
	}
	return docs
}

// puts are the operations that put these documents.
func puts(fence uint64, docs ...*oip.Document) []records.Op {
	ops := make([]records.Op, len(docs))
	for i, d := range docs {
		ops[i] = records.Op{Put: d, Fence: fence}
	}
	return ops
}

// write writes and demands a status of every operation.
func write(t testing.TB, s records.Store, want records.Status, ops ...records.Op) {
	t.Helper()
	results, err := s.Write(t.Context(), ops)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Status != want {
			t.Fatalf("operation %d of %d: %+v, want %v", i, len(ops), r, want)
		}
	}
}

// total counts what matches.
func total(t testing.TB, s records.Store, where records.Cond) int64 {
	t.Helper()
	page, err := s.Search(t.Context(), records.Query{Where: where})
	if err != nil {
		t.Fatal(err)
	}
	return page.Total
}
