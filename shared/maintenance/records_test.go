package maintenance

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"oipnode/infra/engines"
	"oipnode/shared/access"
	"oipnode/shared/errs"
	"oipnode/shared/gun/guntest"
	"oipnode/shared/indexer"
	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/records"
	"oipnode/shared/records/opensearch"
	"oipnode/shared/state"
)

// write writes n public posts, a template and a registration.
func write(t *testing.T, s records.Store, n int) (list []oip.Document) {
	t.Helper()
	signer := oiptest.NewSigner("maintenance", 2048)
	tx := signer.Template("basic", []byte(`{"name":"string","index_name":0}`))
	template := signer.Verified(tx).Template()
	list = append(list, signer.Document(tx, 1), signer.Document(signer.Registration("ann", "Lee"), 2))
	for i := range n {
		name := fmt.Sprintf("post %d <&>\u2028 %s", i, strings.Repeat("x", i))
		list = append(list, signer.Document(signer.Record("Post", oiptest.Object{Template: template.ID, Values: map[int]any{0: name}}), int64(10+i), template))
	}
	var ops []records.Op
	for i := range list {
		ops = append(ops, records.Op{Put: &list[i], Fence: 1})
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
	return list
}

// TestExport: told one by one, or page by page with a cursor, it is every document once,
// byte for byte, in the order of the DIDs.
func TestExport(t *testing.T) {
	engine := func(t *testing.T) records.Store {
		url, prefix := engines.OpenSearch.URL(t), "export-"+strings.ToLower(rand.Text()[:10])
		network := &http.Transport{}
		s, err := opensearch.Open(t.Context(), opensearch.Options{Endpoints: []string{url}, Prefix: prefix, Transport: network})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			q, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodDelete, url+"/"+prefix+"-v*", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := network.RoundTrip(q)
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("remove the index: %v, %v", resp, err)
			} else {
				_ = resp.Body.Close()
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			network.CloseIdleConnections()
		})
		return s
	}
	for name, store := range map[string]func(t *testing.T) records.Store{
		"embedded": func(t *testing.T) records.Store { return open(t).Records }, "opensearch": engine,
	} {
		t.Run(name, func(t *testing.T) {
			m := Maintenance{Records: store(t), Now: time.Now}
			docs := write(t, m.Records, 230)
			var all, posts []string
			for _, d := range docs {
				all = append(all, string(d.JSON()))
				if d.Kind() == oip.KindRecord {
					posts = append(posts, string(d.JSON()))
				}
			}
			var told []string
			m.Emit = func(v any) error { told = append(told, string(v.(json.RawMessage))); return nil }
			got, err := m.Run(t.Context(), Request{Task: TaskExport})
			if e, ok := got.(Exported); err != nil || !ok || e.Count != int64(len(all)) || e.Next != "" || len(e.Records) != 0 {
				t.Errorf("%+v, %v", got, err)
			}
			sameDocuments(t, told, all)
			told = nil
			got, err = m.Run(t.Context(), Request{Task: TaskExport, Type: "post", Limit: 150})
			if e, ok := got.(Exported); err != nil || !ok || e.Count != 150 || e.Next == "" {
				t.Fatalf("%+v, %v", got, err)
			}
			m.Emit = nil
			for cursor, pages := got.(Exported).Next, 0; cursor != ""; pages++ {
				got, err := m.Run(t.Context(), Request{Task: TaskExport, Type: "post", Limit: 30, Cursor: cursor})
				e, ok := got.(Exported)
				if err != nil || !ok || pages > 3 {
					t.Fatalf("%+v, %v", got, err)
				}
				for _, r := range e.Records {
					told = append(told, string(r))
				}
				cursor = e.Next
			}
			sameDocuments(t, told, posts)
			if _, err := m.Run(t.Context(), Request{Task: TaskExport, Cursor: "nonsense"}); !errors.Is(err, errs.Invalid) {
				t.Errorf("a cursor that is none: %v", err)
			}
		})
	}
}

// sameDocuments compares an export, which has an order, with what was written.
func sameDocuments(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d documents, want %d", len(got), len(want))
	}
	dids := make([]string, len(got))
	for i, text := range got {
		env, err := oip.ParseEnvelope([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		dids[i] = env.DID
	}
	if !slices.IsSorted(dids) {
		t.Error("not in the order of the DIDs")
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Error("the documents differ")
	}
}

// TestDelete: an operator's deletion is an owner's: it stays, for what comes from the
// chain and from GUN, and others' needs are kept.
func TestDelete(t *testing.T) {
	m := open(t)
	docs := write(t, m.Records, 1)
	post := docs[2].DID()
	got, err := m.Run(t.Context(), Request{Task: TaskDelete, DID: post})
	if r, ok := got.(Removed); err != nil || !ok || !r.Deleted || r.Storage != "arweave" {
		t.Errorf("%+v, %v", got, err)
	}
	if left, err := m.Records.Get(t.Context(), []string{post}, true); err != nil || len(left) != 0 {
		t.Errorf("it is still there: %v, %v", left, err)
	}
	if _, err := indexer.New(indexer.Options{Records: m.Records, State: m.State}).Retry(t.Context(), ""); err != nil {
		t.Error(err)
	}
	if tombs, err := m.State.Range(t.Context(), "tomb", "", "", 10); err != nil || len(tombs) != 1 || !strings.Contains(string(tombs[0].Value), `"by":"operator"`) {
		t.Errorf("the tombstone: %v, %v", tombs, err)
	}
	for did, want := range map[string]error{post: errs.NotFound, docs[0].DID(): errs.Forbidden, docs[1].DID(): errs.Forbidden,
		guntest.DID("abcdefabcdef:none"): errs.NotFound} {
		if _, err := m.Run(t.Context(), Request{Task: TaskDelete, DID: did}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", did, err, want)
		}
	}
}

// TestRejected lists page by page, and shows one.
func TestRejected(t *testing.T) {
	m := open(t)
	id := func(i int) string { return fmt.Sprintf("%s%02d", strings.Repeat("r", oip.IDLength-2), i) }
	for i := range 7 {
		value := fmt.Appendf(nil, `{"state":"rejected","reason":"bad_json","detail":"no %d","height":%d,"since":"2026-01-01T00:00:00Z"}`, i, 100+i)
		if err := m.State.Commit(t.Context(), state.Put(state.Key{Space: "tx", ID: id(i)}, value),
			state.Put(state.Key{Space: "rejected", ID: "bad_json/" + id(i)}, []byte(id(i)))); err != nil {
			t.Fatal(err)
		}
	}
	var seen []string
	for q := (Request{Task: TaskRejected, Limit: 3}); ; {
		got, err := m.Run(t.Context(), q)
		r, ok := got.(Rejected)
		if err != nil || !ok || len(seen) > 7 {
			t.Fatalf("%+v, %v", got, err)
		}
		for _, x := range r.Rejected {
			seen = append(seen, x.ID)
		}
		if q.After = r.Next; q.After == "" {
			break
		}
	}
	if len(seen) != 7 || seen[0] != id(0) || seen[6] != id(6) {
		t.Errorf("%v", seen)
	}
	got, err := m.Run(t.Context(), Request{Task: TaskRejected, ID: oip.DID(id(4))})
	if s, ok := got.(Shown); err != nil || !ok || s.Detail != "no 4" || s.Height != 104 || s.ID != id(4) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := m.Run(t.Context(), Request{Task: TaskRejected, ID: strings.Repeat("x", oip.IDLength)}); !errors.Is(err, errs.NotFound) {
		t.Errorf("an unknown one: %v", err)
	}
}

// TestToken: the API knows who the token says it is, for as long as it says.
func TestToken(t *testing.T) {
	key := []byte("a key of the tokens of this test")
	now := time.Now()
	m := Maintenance{Now: func() time.Time { return now }, Secret: secret(key)}
	got, err := m.Run(t.Context(), Request{Task: TaskToken, UserID: "u", Email: "e@x.example", PublicKey: "k", Admin: true, Minutes: 5})
	minted, ok := got.(Minted)
	if err != nil || !ok {
		t.Fatalf("%+v, %v", got, err)
	}
	for later, want := range map[time.Duration]bool{0: true, 4 * time.Minute: true, 6 * time.Minute: false} {
		a, err := access.NewAuthenticator(access.Settings{Secret: key, Now: func() time.Time { return now.Add(later) }})
		if err != nil {
			t.Fatal(err)
		}
		v := a.Viewer(&http.Request{Header: http.Header{"Authorization": {"Bearer " + minted.Token}}})
		if v.Authenticated != want || want && (v.UserID != "u" || v.Email != "e@x.example" || v.PublicKey != "k" || !v.Admin) {
			t.Errorf("after %v: %+v", later, v)
		}
	}
	m.Secret = secret(nil)
	if _, err := m.Run(t.Context(), Request{Task: TaskToken}); !errors.Is(err, errs.Invalid) {
		t.Errorf("without a key: %v", err)
	}
}

func secret(key []byte) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) { return key, nil }
}
