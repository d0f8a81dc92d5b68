package embedded

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	bolt "go.etcd.io/bbolt"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// small is a document of few fields; version distinguishes its states.
func small(n, version int) change {
	did := fmt.Sprintf("did:arweave:%043d", n)
	json := fmt.Sprintf(`{"data":{"basic":{"name":"name %d","date":%d,"tagItems":["all","v%d","m%d"]}},`+
		`"oip":{"did":%q,"recordType":"post","inArweaveBlock":%d,"indexedAt":"2026-01-01T00:00:00.000Z","creator":{"publicKey":"key%d"}}}`,
		n, n*10, version, n%7, did, version, n%3)
	return change{did: did, kind: oip.KindRecord, json: []byte(json), fence: 1}
}

// smalls are the documents from 0 to n-1.
func smalls(n, version int) []change {
	var out []change
	for i := range n {
		out = append(out, small(i, version))
	}
	return out
}

func openStore(t *testing.T, dir string, opts Options) *Store {
	t.Helper()
	s, err := Open(context.Background(), dir, opts)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// mustWrite writes changes, each of which must be OK.
func mustWrite(t *testing.T, s *Store, changes ...change) {
	t.Helper()
	results, err := s.write(context.Background(), changes)
	if err != nil {
		t.Fatalf("write: %v", err)
	}
	for i, r := range results {
		if r.Status != records.OK {
			t.Fatalf("write of %s: %+v", changes[i].did, r)
		}
	}
}

// total is the number of matches of a search that must succeed.
func total(t *testing.T, s *Store, where records.Cond) int64 {
	t.Helper()
	page, err := s.Search(context.Background(), records.Query{Where: where, Limit: records.MaxLimit})
	if err != nil {
		t.Fatalf("Search: %v", err)
	}
	if page.Total <= records.MaxLimit && int64(len(page.Hits)) != page.Total {
		t.Fatalf("%d hits of %d", len(page.Hits), page.Total)
	}
	return page.Total
}

// documents reads every document, JSON by DID.
func documents(t *testing.T, s *Store) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := s.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketDocuments).ForEach(func(_, value []byte) error {
			d, err := decodeStored(value)
			all[d.did] = string(d.json)
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// checkAgreement compares all of the index, field by field and term by term,
// with what Project says of all documents: nothing may be missing, and nothing
// may be left of what a document was.
func checkAgreement(t *testing.T, s *Store) {
	t.Helper()
	want := make(map[string]map[string]bool) // "field\x00term" -> DIDs
	projections := make(map[string]records.Projection)
	add := func(m map[string]map[string]bool, field, term, did string) {
		key := field + "\x00" + term
		if m[key] == nil {
			m[key] = make(map[string]bool)
		}
		m[key][did] = true
	}
	for did, json := range documents(t, s) {
		p, err := records.Project(oip.KindRecord, []byte(json))
		if err != nil {
			t.Fatal(err)
		}
		projections[did] = p
		e := newBuilder().entry(did, p)
		e.AddIDField()
		for _, f := range e.fields {
			for term := range f.freqs {
				add(want, f.name, term, did)
			}
		}
	}
	v, err := s.snapshot(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer v.close()
	got := make(map[string]map[string]bool)
	m := newMatcher(context.Background(), v)
	fields, err := v.reader.Fields()
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range fields {
		dict, err := v.reader.FieldDict(field)
		if err != nil {
			t.Fatal(err)
		}
		for {
			term, err := dict.Next()
			if err != nil {
				t.Fatal(err)
			}
			if term == nil {
				break
			}
			docs, err := m.term(field, term.Term, nil)
			if err != nil {
				t.Fatal(err)
			}
			ids := &column{reader: v.reader}
			for it := docs.Iterator(); it.HasNext(); {
				if err := ids.visit(it.Next(), func(did []byte) { add(got, field, term.Term, string(did)) }); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := dict.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for key := range want {
		if !maps.Equal(got[key], want[key]) {
			t.Fatalf("%q is in the index for %v, want %v", key, slices.Sorted(maps.Keys(got[key])), slices.Sorted(maps.Keys(want[key])))
		}
	}
	for key := range got {
		if want[key] == nil {
			t.Fatalf("%q is in the index for %v, and in no document", key, got[key])
		}
	}
	checkColumns(t, v, projections)
}

// checkColumns compares the columns that sorting and counting read with what
// Project says of each document.
func checkColumns(t *testing.T, v *view, projections map[string]records.Projection) {
	t.Helper()
	m := newMatcher(context.Background(), v)
	everything, err := m.orEverything(nil)
	if err != nil {
		t.Fatal(err)
	}
	if everything.GetCardinality() != uint64(len(projections)) {
		t.Fatalf("the index has %d documents, want %d", everything.GetCardinality(), len(projections))
	}
	for _, field := range []records.Field{records.FieldTag, records.FieldName, records.FieldDate, records.FieldHeight, records.FieldKind, records.FieldDistinct} {
		ids := &column{reader: v.reader}
		values, err := newColumn(v.reader, field)
		if err != nil {
			t.Fatal(err)
		}
		for docs := everything.Iterator(); docs.HasNext(); {
			doc := docs.Next()
			var did string
			var got []string
			if err := ids.visit(doc, func(id []byte) { did = string(id) }); err != nil {
				t.Fatal(err)
			}
			if err := values.visit(doc, func(term []byte) { got = append(got, string(term)) }); err != nil {
				t.Fatal(err)
			}
			want := slices.Clone(projections[did].Text(field))
			if n, ok := projections[did].Number(field); ok {
				want = []string{encodeNumber(n)}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Fatalf("%s: the column %s has %q, want %q", did, field, got, want)
			}
		}
	}
}

// copyFolder copies a folder of plain files and folders.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// segments lists the index's data files.
func segments(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, indexFolder, "*.zap"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no segments: %v", err)
	}
	return files
}
