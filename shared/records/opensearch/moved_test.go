package opensearch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"oipnode/infra/engines"
	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// TestWriteAcrossMove holds a bulk back until the index has moved. Its sequence number
// is one of the old index, and in the new one it may be that of a newer state of the
// document; so the bulk must not get there: the writer reads and decides again.
func TestWriteAcrossMove(t *testing.T) {
	r := newRig(t)
	doc := article("one")
	for range 3 { // its sequence number becomes 4
		r.put(doc)
		r.write(records.Op{Delete: doc.DID(), Fence: 1})
	}
	r.put(doc)
	slow, quick := r.another(), r.another()
	docs, err := quick.mget(context.Background(), []wanted{{doc.DID(), fenceParts}}, smallAnswer)
	if err != nil {
		t.Fatal(err)
	}
	held := docs[0].SeqNo
	arrived, release := make(chan struct{}), make(chan struct{})
	waiting := false
	r.misbehave(func(w http.ResponseWriter, q *http.Request, engine http.Handler) {
		r.mu.Lock()
		hold := isBulk(q) && !waiting
		waiting = waiting || hold
		r.mu.Unlock()
		if hold {
			close(arrived)
			<-release
		}
		engine.ServeHTTP(w, q)
	})
	height := int64(50)
	done := make(chan []records.Result)
	go func() {
		results, err := slow.Write(context.Background(), []records.Op{{Patch: &oip.Patch{DID: doc.DID(), Height: &height}, Fence: 2}})
		if err != nil {
			t.Error(err)
		}
		done <- results
	}()
	<-arrived
	if _, err := quick.Reindex(context.Background(), func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
	// A newer writer changes the document in the new index until its number there is the
	// one that the slow writer carries.
	for at := int64(-1); at != held; {
		h := 100 + at
		if results, err := quick.Write(context.Background(), []records.Op{{Patch: &oip.Patch{DID: doc.DID(), Height: &h}, Fence: 9}}); err != nil || results[0].Status != records.OK {
			t.Fatal(results, err)
		}
		docs, err := quick.mget(context.Background(), []wanted{{doc.DID(), fenceParts}}, smallAnswer)
		if err != nil || docs[0].SeqNo > held {
			t.Fatalf("the document is at %d, beyond %d; %v", docs[0].SeqNo, held, err)
		}
		at = docs[0].SeqNo
	}
	close(release)
	if results := <-done; len(results) != 1 || results[0].Status != records.Conflict {
		t.Errorf("the slow writer of fence 2 ended as %+v behind one of fence 9, want Conflict", results)
	}
	found, err := quick.Get(context.Background(), []string{doc.DID()}, false)
	if err != nil || len(found) != 1 || strings.Contains(string(found[0].JSON), `"inArweaveBlock":50`) {
		t.Errorf("the newer state was replaced: %s, %v", found, err)
	}
}

// TestEndpoints refuses what is no address before anything is sent, and never quotes it:
// it may hold a password. No variable of the environment stands in for it.
func TestEndpoints(t *testing.T) {
	t.Setenv("OPENSEARCH_URL", engines.OpenSearch.URL(t))
	for _, endpoints := range [][]string{nil, {}, {""}, {"localhost:9200"}, {"http://user:hunter2@exa mple"}, {"ftp://user:hunter2@example"}, {"https://"}} {
		_, err := Open(context.Background(), Options{Endpoints: endpoints})
		if !errors.Is(err, records.ErrInvalid) || strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("Open at %d endpoints = %v, want ErrInvalid", len(endpoints), err)
		}
	}
}

// TestManyConditions asks for more alternatives than the engine takes conditions.
func TestManyConditions(t *testing.T) {
	r := newRig(t)
	doc := article("one")
	r.put(doc)
	terms := make(records.Any, 0, 3001)
	mixed := make(records.Any, 0, 3001)
	for i := range 3000 {
		terms = append(terms, records.Is(records.FieldDID, fmt.Sprint("did:arweave:", i)))
		mixed = append(mixed, records.All{records.Is(records.FieldName, fmt.Sprint(i)), records.Exists{Field: records.FieldTag}})
	}
	p, err := r.Search(context.Background(), records.Query{Where: append(terms, records.Is(records.FieldDID, doc.DID())), Limit: 1})
	if err != nil || p.Total != 1 {
		t.Errorf("3,001 alternatives of one field: %d, %v", p.Total, err)
	}
	if _, err := r.Search(context.Background(), records.Query{Where: mixed, Limit: 1}); !errors.Is(err, records.ErrInvalid) {
		t.Errorf("9,000 conditions = %v, want ErrInvalid", err)
	}
}

// TestEngineTypes maps each type of the protocol (spec section 4).
func TestEngineTypes(t *testing.T) {
	for published, want := range map[string]string{"long": "long", "uint64": "long", "uint32": "long", "int32": "long",
		"float": "double", "double": "double", "bool": "keyword", "enum": "keyword", "dref": "keyword", "string": "text",
		"repeated int32": "long", "repeated dref": "keyword", "repeated string": "text", "unheard": "text"} {
		if _, kind, _ := engineType(published); kind != want {
			t.Errorf("%s is %s, want %s", published, kind, want)
		}
	}
}
