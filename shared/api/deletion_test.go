package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"oipnode/shared/access"
	"oipnode/shared/gateway"
	"oipnode/shared/gatewaysim"
	"oipnode/shared/gun/guntest"
	"oipnode/shared/indexer"
	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

const deletePath = "/api/records/deleteRecord"

// delete asks for a deletion.
func (w *world) delete(token, body string) response {
	w.Helper()
	r := posted(deletePath, body)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return w.do(r)
}

// naming is the body that names a DID.
func naming(did string) string { return fmt.Sprintf(`{"delete":{"did":%q}}`, did) }

// TestDeleteRecordForm: a token is asked for first, then a body of the right form.
func TestDeleteRecordForm(t *testing.T) {
	w := newWorld(t)
	did := w.publish(post("one", startHeight))[0]
	owner := token(t, published().signers[0].Modulus)
	for _, tok := range []string{"", "not.a.token", token(t, "x", jwt.MapClaims{"exp": noon.Add(-time.Hour).Unix()})} {
		for _, body := range []string{naming(did), "nonsense"} {
			if res := w.delete(tok, body); res.Code != http.StatusUnauthorized || res.json["code"] != "unauthorized" {
				t.Errorf("token %q, body %q: %d %s", tok, body, res.Code, res.Body)
			}
		}
	}
	for body, parameter := range map[string]string{
		"": "body", "nonsense": "body", `[]`: "body", `"` + did + `"`: "body", `{"delete":{"did":1}}`: "body", `{"delete":"` + did + `"}`: "body",
		naming(did) + "x": "body", "{\"delete\":{\"did\":\"\xff\"}}": "body",
		`{}`: "delete.did", `null`: "body", `{"delete":null}`: "delete.did", `{"did":"` + did + `"}`: "delete.did",
		naming(""): "delete.did", naming("did:arweave:"): "delete.did", naming(" " + did): "delete.did", naming("did:web:x"): "delete.did",
		naming("did:gun:" + strings.Repeat("a", oip.MaxDID)): "delete.did",
	} {
		res := w.delete(owner, body)
		if res.Code != http.StatusBadRequest || res.json["code"] != "invalid_parameter" || res.json["parameter"] != parameter {
			t.Errorf("body %q: %d %s, want a 400 about %s", body, res.Code, res.Body, parameter)
		}
	}
	if res := w.delete(owner, naming(did)+strings.Repeat(" ", 1<<20)); res.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a body that is too large: %d", res.Code)
	}
	if res := w.as(owner, deletePath); res.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", res.Code)
	}
	if names(t, w.ok("", "/api/records")) != "one" {
		t.Error("the record is gone")
	}
	// Members that nobody knows are ignored, as unknown parameters are.
	if res := w.delete(owner, `{"more":[1],"delete":{"why":"x","did":"`+did+`"}}`); res.Code != http.StatusOK {
		t.Errorf("%d %s", res.Code, res.Body)
	}
}

// counting counts the calls of a record store.
type counting struct {
	records.Store
	calls atomic.Int64
}

func (c *counting) Search(ctx context.Context, q records.Query) (records.Page, error) {
	c.calls.Add(1)
	return c.Store.Search(ctx, q)
}

func (c *counting) Get(ctx context.Context, dids []string, envelopeOnly bool) ([]records.Stored, error) {
	c.calls.Add(1)
	return c.Store.Get(ctx, dids, envelopeOnly)
}

// TestDeleteRecordWho: an owner, by every way of being one, may; a reader may not; and
// for everybody else the record does not exist, in words and in work.
func TestDeleteRecordWho(t *testing.T) {
	count := &counting{}
	wallet := published().signers[0]
	w := newWorld(t, func(o *Options) {
		count.Store, o.Records = o.Records, count
		auth, err := access.NewAuthenticator(access.Settings{Secret: secret, Now: clock, PublicBaseURL: "https://node.example", ServerAddress: wallet.Address})
		if err != nil {
			t.Fatal(err)
		}
		o.Auth = auth
	})
	open := guild(w, "Open Join")
	missing := "did:arweave:" + strings.Repeat("m", oip.IDLength)
	legacy := post("legacy", startHeight)
	legacy.parts[session] = fields{0: true, 1: "owner"}
	kinds := map[string]record{
		"public":  restricted("public", "post", startHeight, fields{0: "public", 1: "owner"}),
		"private": restricted("private", "post", startHeight, fields{0: "private", 1: "owner"}),
		"shared":  restricted("shared", "post", startHeight, fields{0: "shared", 1: "owner", 2: []string{"reader"}}),
		"members": restricted("members", "post", startHeight, fields{0: "organization", 1: "owner", 2: []string{open}}),
		"legacy":  legacy,
	}
	owner, reader, stranger := token(t, "owner"), token(t, "reader"), token(t, "stranger")
	admin, staff := token(t, "admin", jwt.MapClaims{"isAdmin": true}), token(t, "staff", jwt.MapClaims{"email": "boss@node.example"})
	const ok, no, absent = http.StatusOK, http.StatusForbidden, http.StatusNotFound
	for _, c := range []struct {
		caller, token string
		want          map[string]int
	}{
		{"a stranger", stranger, map[string]int{"public": no, "private": absent, "shared": absent, "members": no, "legacy": absent}},
		{"an administrator", admin, map[string]int{"public": no, "private": absent, "shared": absent, "members": no, "legacy": absent}},
		{"a reader", reader, map[string]int{"public": no, "private": absent, "shared": no, "members": no, "legacy": absent}},
		{"no key", token(t, ""), map[string]int{"public": no, "private": absent, "shared": absent, "members": no, "legacy": absent}},
		{"the owner", owner, map[string]int{"public": ok, "private": ok, "shared": ok, "members": ok, "legacy": ok}},
		{"the signer", token(t, wallet.Modulus), map[string]int{"public": ok, "private": ok, "shared": ok, "members": ok, "legacy": ok}},
		{"the server's staff", staff, map[string]int{"public": ok, "private": ok, "shared": ok, "members": ok, "legacy": ok}},
	} {
		t.Run(c.caller, func(t *testing.T) {
			for name, r := range kinds {
				// A record of its own for each, since a deletion is for ever.
				values := r.parts[basic]
				r.parts[basic] = fields{0: values[0], 3: []string{c.caller}}
				did := w.publish(r)[0]
				r.parts[basic] = values
				w.ok(c.token, "/api/records", "did", did) // the organizations are known now
				before := count.calls.Load()
				res := w.delete(c.token, naming(did))
				calls := count.calls.Load() - before
				if res.Code != c.want[name] {
					t.Errorf("%s: %d %s, want %d", name, res.Code, res.Body, c.want[name])
				}
				w.expect(w.ok(owner, "/api/records", "did", did), "searchResults", map[bool]string{true: "0", false: "1"}[res.Code == ok])
				if c.want[name] != absent {
					continue
				}
				before = count.calls.Load()
				gone := w.delete(c.token, naming(missing))
				if gone.Code != absent || gone.Body.String() != res.Body.String() || count.calls.Load()-before != calls || calls != 1 {
					t.Errorf("%s: %q after %d calls, an absent one %q after %d", name, res.Body, calls, gone.Body, count.calls.Load()-before)
				}
			}
		})
	}
}

// TestDeleteRecordAtOnce: what is deleted is in no answer any more: not by its DID, nor
// in totals, types, pages; a second deletion does not find it.
func TestDeleteRecordAtOnce(t *testing.T) {
	w := newWorld(t)
	only := restricted("only", "diary", startHeight+9, fields{1: "owner"})
	dids := w.publish(post("one", startHeight+1), only, post("two", startHeight+2))
	owner := token(t, "owner")
	w.expect(w.ok("", "/api/records"), "totalRecords", "3", "latestArweaveBlockInDB", "1009")
	res := w.delete(owner, naming(dids[1]))
	if res.Code != http.StatusOK {
		t.Fatalf("%d %s", res.Code, res.Body)
	}
	w.expect(res.json, "success", "true", "did", `"`+dids[1]+`"`, "deletedCount", "1", "recordStatus", `"original"`)
	for _, field := range []string{"message", "propagationNote"} {
		if text, _ := res.json[field].(string); text == "" {
			t.Errorf("%s is missing: %s", field, res.Body)
		}
	}
	for _, tok := range []string{"", owner} {
		a := w.ok(tok, "/api/records")
		w.expect(a, "totalRecords", "2", "searchResults", "2", "latestArweaveBlockInDB", "1002")
		if got := names(t, a); got != "two one" {
			t.Errorf("records %q", got)
		}
		w.expect(w.ok(tok, "/api/records", "did", dids[1]), "searchResults", "0")
		w.expect(w.ok(tok, "/api/records/recordTypes"), "recordTypes", `[{"count":2,"recordType":"post"}]`)
	}
	if res := w.delete(owner, naming(dids[1])); res.Code != http.StatusNotFound {
		t.Errorf("once more: %d", res.Code)
	}
	if res := w.delete(token(t, published().signers[0].Modulus), naming(dids[0])); res.Code != http.StatusOK {
		t.Errorf("another one: %d %s", res.Code, res.Body)
	}
}

// TestNotDeletable: templates, registrations and delete messages stay, and their own
// creator is told what to do instead; an organization is a record like others.
func TestNotDeletable(t *testing.T) {
	w := newWorld(t)
	p := published()
	s := p.signers[0]
	template := s.Template("unused", []byte(`{"name":"string","index_name":0}`))
	for word, doc := range map[string]*oip.Document{
		"template":       p.expand(0, template, startHeight, false),
		"registration":   p.expand(0, s.Registration("alice", ""), startHeight, false),
		"delete message": p.expand(0, s.Delete("did:arweave:"+strings.Repeat("x", oip.IDLength)), startHeight, false),
	} {
		did := w.put(doc)[0]
		res := w.delete(token(t, s.Modulus), naming(did))
		if message, _ := res.json["error"].(string); res.Code != http.StatusForbidden || !strings.Contains(message, word) {
			t.Errorf("%s: %d %s", word, res.Code, res.Body)
		}
		if res := w.delete(token(t, "stranger"), naming(did)); res.Code != http.StatusForbidden || !strings.Contains(res.Body.String(), "owner") {
			t.Errorf("%s, by a stranger: %d %s", word, res.Code, res.Body)
		}
		if left, err := w.opt.Records.Get(t.Context(), []string{did}, true); err != nil || len(left) != 1 {
			t.Errorf("%s: %d left, %v", word, len(left), err)
		}
	}
	hidden := w.put(p.expand(0, s.Template("hidden", []byte(`{"name":"string","index_name":0}`)), startHeight, true))[0]
	if res := w.delete(token(t, s.Modulus), naming(hidden)); res.Code != http.StatusNotFound {
		t.Errorf("a hidden template: %d %s", res.Code, res.Body)
	}
	if res := w.delete(token(t, p.signers[2].Modulus), naming(guild(w, "Invite Only"))); res.Code != http.StatusOK {
		t.Errorf("an organization: %d %s", res.Code, res.Body)
	}
}

// blade ends a process at its n-th write, before the write or after it: from then on
// every call fails.
type blade struct {
	at    int
	after bool
	dead  bool
}

var errKilled = errors.New("killed")

func (b *blade) write(do func() error) error {
	if b.dead {
		return errKilled
	}
	if b.at--; b.at != 0 {
		return do()
	}
	b.dead = true
	if b.after {
		_ = do() // took effect, but nobody hears of it
	}
	return errKilled
}

type bladedRecords struct {
	records.Store
	*blade
}

func (s bladedRecords) Write(ctx context.Context, ops []records.Op) (results []records.Result, err error) {
	err = s.write(func() (err error) { results, err = s.Store.Write(ctx, ops); return err })
	return results, err
}

type bladedState struct {
	state.Store
	*blade
}

func (s bladedState) Commit(ctx context.Context, ops ...state.Op) error {
	return s.write(func() error { return s.Store.Commit(ctx, ops...) })
}

// chained makes an index cycle over a chain that has these transactions.
func (w *world) chained(transactions ...oip.Transaction) *indexer.Indexer {
	w.Helper()
	chain := gatewaysim.NewChain(startHeight + 100)
	for i, tx := range transactions {
		if err := chain.Add(startHeight+int64(i), gatewaysim.Item{ID: tx.ID, Tags: tx.Tags, Data: tx.Data}); err != nil {
			w.Fatal(err)
		}
	}
	sim := gatewaysim.NewServer(chain, gatewaysim.Options{IndexesBundles: true})
	if err := sim.Start(); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = sim.Close() })
	gw, err := gateway.Dial(sim.URL(), gateway.Options{})
	if err != nil {
		w.Fatal(err)
	}
	pool := gateway.NewPool([]*gateway.Gateway{gw}, gateway.Options{})
	w.Cleanup(pool.Close)
	return indexer.New(indexer.Options{Records: w.opt.Records, State: w.opt.State, Pool: pool, StartHeight: startHeight, Holder: "api", Log: w.opt.Log})
}

// TestDeleteRecordStays: the deletion of a record of the chain, killed at each of its
// writes, is complete or did not happen once a cycle has run; and then no reading of the
// chain brings the record back.
func TestDeleteRecordStays(t *testing.T) {
	alice := published().signers[0]
	registration := alice.Registration("alice", "")
	template := alice.Template("basic", []byte(`{"name":"string","index_name":0}`))
	record := func(name string) oip.Transaction {
		return alice.Record("post", oiptest.Object{Template: template.ID, Values: fields{0: name}})
	}
	target := record("deleted")
	transactions := []oip.Transaction{registration, template, record("stays"), target}
	const writes = 3 // the tombstone, the document, the new epoch
	for n := 1; n <= writes+1; n++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d %v", n, after), func(t *testing.T) {
				w := newWorld(t)
				index := w.chained(transactions...)
				cycle := func() indexer.Counts {
					t.Helper()
					r, err := index.Run(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					return r.Counts
				}
				cycle()
				owner, whole := token(t, alice.Modulus), w.handler
				b := &blade{at: n, after: after}
				killed := w.opt
				killed.Records, killed.State = bladedRecords{w.opt.Records, b}, bladedState{w.opt.State, b}
				w.handler = New(killed)
				res := w.delete(owner, naming(oip.DID(target.ID)))
				w.handler = whole
				if b.dead != (n <= writes) || (res.Code == http.StatusOK) != (n > writes) || strings.Contains(res.Body.String(), errKilled.Error()) {
					t.Fatalf("killed %v: %d %s", b.dead, res.Code, res.Body)
				}
				// The tombstone is first: without it nothing has happened.
				happened := n > 1 || after
				cycle()
				want := map[bool]string{true: "stays", false: "deleted stays"}[happened]
				if got := names(t, w.ok("", "/api/records")); got != want {
					t.Fatalf("records %q, want %q", got, want)
				}
				if !happened {
					if res := w.delete(owner, naming(oip.DID(target.ID))); res.Code != http.StatusOK {
						t.Fatalf("once more: %d %s", res.Code, res.Body)
					}
				}
				for range 2 {
					if _, err := indexer.RequestRescan(t.Context(), w.opt.State, startHeight, startHeight+100, time.Now()); err != nil {
						t.Fatal(err)
					}
					if c := cycle(); c.Indexed != 0 {
						t.Errorf("a rescan indexed %d", c.Indexed)
					}
					if got := names(t, w.ok("", "/api/records")); got != "stays" {
						t.Errorf("records %q", got)
					}
				}
			})
		}
	}
}

// TestDeleteGunRecord: a GUN record is deleted by the owner of its soul, encrypted or
// not; no sync brings it back, and the node's own relay is told.
func TestDeleteGunRecord(t *testing.T) {
	relay, peer := startPeer(t), startPeer(t)
	souls := publishGun(peer, 2)
	alice := published().signers[0]
	souls = append(souls, peer.Publish(guntest.Record{Signer: alice, LocalID: "secret", Type: "post", Data: `{"basic":{"name":"secret"}}`,
		NodeID: "node-a", Encrypted: guntest.PerUser}))
	w := newWorld(t, func(o *Options) { o.Now = today }, syncing(relay.Socket(), peer.Socket()))
	w.cycle()
	exp := jwt.MapClaims{"exp": today().Add(time.Hour).Unix()}
	owner, stranger := token(t, alice.Modulus, exp), token(t, "stranger", exp)
	w.expect(w.ok(owner, "/api/records"), "totalRecords", "3")
	if res := w.delete(stranger, naming(guntest.DID(souls[0]))); res.Code != http.StatusForbidden {
		t.Errorf("a stranger: %d %s", res.Code, res.Body)
	}
	if res := w.delete(stranger, naming(guntest.DID(souls[2]))); res.Code != http.StatusNotFound {
		t.Errorf("a stranger, encrypted: %d %s", res.Code, res.Body)
	}
	for _, soul := range []string{souls[0], souls[2]} {
		res := w.delete(owner, naming(guntest.DID(soul)))
		if res.Code != http.StatusOK || res.json["propagationNote"] != noteRelay {
			t.Fatalf("%s: %d %s", soul, res.Code, res.Body)
		}
	}
	if got := names(t, w.ok(owner, "/api/records")); got != "gun 1" {
		t.Errorf("records %q", got)
	}
	w.expect(w.ok("", "/api/health/gun-sync")["registry"].(object), "deletionsWaiting", "true")
	if _, told := relay.Node(guntest.DeletedSoul(guntest.DID(souls[0]))); told {
		t.Error("the relay was told by the request itself")
	}
	w.cycle()
	w.expect(w.ok("", "/api/health/gun-sync")["registry"].(object), "deletionsWaiting", "false")
	for _, soul := range []string{souls[0], souls[2]} {
		if _, told := relay.Node(guntest.DeletedSoul(guntest.DID(soul))); !told {
			t.Errorf("the relay was not told of %s", soul)
		}
	}
	w.do(operation(clearPath, here))
	w.cycle()
	if got := names(t, w.ok(owner, "/api/records")); got != "gun 1" {
		t.Errorf("after another look at everything: %q", got)
	}
	w.opt.GunSync = nil
	w.handler = New(w.opt)
	if res := w.delete(owner, naming(guntest.DID(souls[1]))); res.Code != http.StatusOK || res.json["propagationNote"] != noteAlone {
		t.Errorf("without a sync: %d %s", res.Code, res.Body)
	}
}

// TestDeleteRecordFails: a store that is away is a 503 in our words, and the record
// stays or goes as a whole.
func TestDeleteRecordFails(t *testing.T) {
	broken := &failing{}
	w := newWorld(t, func(o *Options) { broken.Store, o.Records = o.Records, broken })
	did := w.publish(post("one", startHeight))[0]
	owner := token(t, published().signers[0].Modulus)
	for _, err := range []error{fmt.Errorf("%w: secret of the engine", records.ErrUnavailable), context.DeadlineExceeded} {
		broken.err = err
		want := map[bool]int{true: http.StatusServiceUnavailable, false: http.StatusGatewayTimeout}[errors.Is(err, records.ErrUnavailable)]
		if res := w.delete(owner, naming(did)); res.Code != want || strings.Contains(res.Body.String(), "secret") {
			t.Errorf("%v: %d %s", err, res.Code, res.Body)
		}
	}
	broken.err = nil
	full := w.opt
	full.State = bladedState{w.opt.State, &blade{at: 1}}
	w.handler = New(full)
	if res := w.delete(owner, naming(did)); res.Code != http.StatusServiceUnavailable || strings.Contains(res.Body.String(), "killed") {
		t.Errorf("a state store that fails: %d %s", res.Code, res.Body)
	}
	if got := names(t, w.ok("", "/api/records")); got != "one" {
		t.Errorf("records %q", got)
	}
}
