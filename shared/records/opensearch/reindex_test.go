package opensearch_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/records/opensearch"
)

func never(context.Context) error { return nil }

// TestReindex builds the index anew while a reader reads and a writer writes: the
// reader sees every document at every moment, and no write is lost or undone.
func TestReindex(t *testing.T) {
	url, prefix := newPrefix(t)
	s := open(t, url, prefix, func(o *opensearch.Options) { o.Attempts = 3 })
	p := newPress()
	docs := p.posts(500, 600)
	template := p.expand(p.signer.Template("basic", []byte(basicFields)))
	write(t, s, records.OK, puts(5, append(docs, template)...)...)

	reader, writer := open(t, url, prefix), open(t, url, prefix)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Add(2)
	go func() {
		defer wg.Done()
		for ctx.Err() == nil {
			page, err := reader.Search(t.Context(), records.Query{Where: records.Is(records.FieldKind, string(oip.KindRecord))})
			if err != nil || page.Total < 500 {
				t.Errorf("a reader sees %d documents, %v", page.Total, err)
				return
			}
		}
	}()
	written := make(map[string]bool)
	go func() {
		defer wg.Done()
		for i := 0; ctx.Err() == nil; i++ {
			doc := p.record(map[int]any{0: fmt.Sprint("written meanwhile ", i)})
			results, err := writer.Write(t.Context(), []records.Op{{Put: doc, Fence: 6}, {Delete: docs[i%20].DID(), Fence: 6}, {Put: docs[i%20], Fence: 6}})
			switch {
			case errors.Is(err, records.ErrUnavailable) || err == nil && results[0].Status == records.Retry:
			case err != nil || results[0].Status != records.OK:
				t.Errorf("a writer got %+v, %v", results, err)
				return
			default:
				written[doc.DID()] = true
			}
		}
	}()
	for range 3 {
		r, err := s.Reindex(t.Context(), never)
		if err != nil || r.Documents < 501 || r.Copied != r.Documents || !r.Done || r.Again {
			t.Errorf("re-indexed %+v, %v", r, err)
		}
	}
	stop()
	wg.Wait()
	if got, want := total(t, s, nil), int64(501+len(written)); got != want {
		t.Errorf("%d documents, want %d", got, want)
	}
	for did := range written {
		if got, err := s.Get(t.Context(), []string{did}, false); err != nil || len(got) != 1 {
			t.Errorf("%s is lost: %v, %v", did, got, err)
		}
	}
	// The fence has moved along: an older writer stays refused.
	write(t, s, records.Conflict, records.Op{Put: docs[30], Fence: 4})
	if h, err := s.Health(t.Context()); err != nil || h.Documents != int64(501+len(written)) {
		t.Errorf("%+v, %v", h, err)
	}
}

// TestReindexFails: when it is ended half-way, the old index is as it was and takes
// writes again; what was left over goes with the next one.
func TestReindexFails(t *testing.T) {
	url, prefix := newPrefix(t)
	s := open(t, url, prefix)
	p := newPress()
	write(t, s, records.OK, puts(1, p.posts(300, 100)...)...)
	enough := errors.New("enough")
	calls := 0
	_, err := s.Reindex(t.Context(), func(context.Context) error {
		if calls++; calls == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
	write(t, s, records.OK, puts(1, p.record(map[int]any{0: "after"}))...)
	if n := total(t, s, nil); n != 301 {
		t.Errorf("%d documents", n)
	}
	if r, err := s.Reindex(t.Context(), never); err != nil || r.Documents != 301 || r.Copied != 301 {
		t.Errorf("re-indexed %+v, %v", r, err)
	}
	if n := total(t, open(t, url, prefix), nil); n != 301 {
		t.Errorf("another store sees %d documents", n)
	}
}
