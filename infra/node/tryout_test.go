package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"oipnode/shared/access"
	"oipnode/shared/api"
	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/records"
	"oipnode/shared/records/embedded"
	"oipnode/shared/state/bolt"
)

func openStore(t *testing.T) *embedded.Store {
	t.Helper()
	s, err := embedded.Open(t.Context(), t.TempDir(), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// fill writes a template, a registration and three records, the newest private.
func fill(t *testing.T, s records.Store) {
	t.Helper()
	signer := oiptest.NewSigner("tryout", 2048)
	tx := signer.Template("basic", []byte(`{"name":"string","index_name":0,"tagItems":"repeated string","index_tagItems":1}`))
	template := signer.Verified(tx).Template()
	lock := signer.Template("accessControl", []byte(`{"access_level":"string","index_access_level":0}`))
	access := signer.Verified(lock).Template()
	record := func(recordType, name string, height int64, more ...oiptest.Object) oip.Document {
		basic := oiptest.Object{Template: template.ID, Values: map[int]any{0: name, 1: []string{"a b&c"}}}
		return signer.Document(signer.Record(recordType, append([]oiptest.Object{basic}, more...)...), height, template, access)
	}
	var ops []records.Op
	for _, d := range []oip.Document{
		signer.Document(tx, 1), signer.Document(signer.Registration("ann", "Lee"), 2),
		record("post", "first", 10), record("post", "second", 11),
		record("post", "secret", 12, oiptest.Object{Template: access.ID, Values: map[int]any{0: "private"}}),
	} {
		ops = append(ops, records.Op{Put: &d, Fence: 1})
	}
	results, err := s.Write(t.Context(), ops)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Status != records.OK {
			t.Fatalf("write %d: %+v", i, r)
		}
	}
}

// Every suggestion has an answer with something in it, for anybody.
func TestSuggestionsWork(t *testing.T) {
	store := openStore(t)
	fill(t, store)
	st, err := bolt.Open(t.TempDir()+"/state.db", bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	auth, err := access.NewAuthenticator(access.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	h := api.New(api.Options{Records: store, State: st, Auth: auth, Console: console()})
	list, err := suggest(t.Context(), store, "http://node.example")
	if err != nil || len(list) != 9 {
		t.Fatalf("%d suggestions, %v: %v", len(list), err, list)
	}
	for _, s := range list {
		path := strings.TrimPrefix(s.url, "http://node.example")
		if _, err := url.Parse(path); err != nil || strings.ContainsAny(path, " \"'") {
			t.Errorf("%s: %q is no URL to copy: %v", s.label, s.url, err)
		}
		w := get(t, h, path)
		if w.Code != http.StatusOK {
			t.Errorf("%s: status %d: %s", s.label, w.Code, w.Body)
		}
		if !strings.HasPrefix(path, "/api/") {
			continue
		}
		if strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s shows what is private", s.label)
		}
		var answer map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		for _, list := range []string{"records", "recordTypes", "creators", "templates"} {
			if l, ok := answer[list].([]any); ok && len(l) == 0 {
				t.Errorf("%s has no %s", s.label, list)
			}
		}
	}
}

func TestSuggestionsForAnEmptyIndex(t *testing.T) {
	list, err := suggest(t.Context(), openStore(t), "http://node.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if strings.Contains(s.url, "did=") || strings.Contains(s.url, "tags=") {
			t.Errorf("an empty index suggests %s", s.url)
		}
	}
}

func TestFavouriteType(t *testing.T) {
	if got := favouriteType([]records.Bucket{{Value: "post"}, {Value: "recipe"}}); got != "recipe" {
		t.Errorf("favouriteType = %s", got)
	}
	if got := favouriteType([]records.Bucket{{Value: "post"}, {Value: "image"}}); got != "post" {
		t.Errorf("favouriteType = %s", got)
	}
}
