package property

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"oipnode/shared/access"
	"oipnode/shared/api"
	"oipnode/shared/epoch"
	"oipnode/shared/memory"
	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/records"
	"oipnode/shared/records/embedded"
	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
)

// firstBlock is the first block of the worlds.
const firstBlock = 1000

var (
	secret = []byte("the secret of the property test")
	noon   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

// tally is a record store that counts its calls: what a caller could tell by the time
// that an answer takes.
type tally struct {
	records.Store
	calls atomic.Int64
}

func (s *tally) Get(ctx context.Context, dids []string, envelopeOnly bool) ([]records.Stored, error) {
	s.calls.Add(1)
	return s.Store.Get(ctx, dids, envelopeOnly)
}

func (s *tally) Search(ctx context.Context, q records.Query) (records.Page, error) {
	s.calls.Add(1)
	return s.Store.Search(ctx, q)
}

func (s *tally) Count(ctx context.Context, where records.Cond, by records.Field) (records.Counts, error) {
	s.calls.Add(1)
	return s.Store.Count(ctx, where, by)
}

// world is one seed's node beside its model.
type world struct {
	*testing.T
	rng     *rand.Rand
	store   *tally
	state   state.Store
	options api.Options
	// processes are those of the node, over the same stores and each with a cache of its
	// own; handler is the one that is asked.
	processes [2]http.Handler
	handler   http.Handler
	gone      atomic.Int64 // since noon
	model     *model
	callers   []*caller
	// made is how many documents were made, for names that come once only.
	made int
	// dead are the DIDs that were deleted: nothing brings them back.
	dead []string
	// steps are what was done, for who looks for the reason of a failure.
	steps []string
	// answers are those that callers have been given, by what was asked for.
	answers map[string][]held
	// found counts what the checks came upon, so that a test that proves nothing fails.
	found map[string]int
}

func (w *world) now() time.Time { return noon.Add(time.Duration(w.gone.Load())) }

// pass lets time go by.
func (w *world) pass(d time.Duration) { w.gone.Add(int64(d)) }

// note keeps what was done.
func (w *world) note(format string, args ...any) {
	w.steps = append(w.steps, fmt.Sprintf(format, args...))
}

// failf ends the test with what led to it.
func (w *world) failf(format string, args ...any) {
	w.Helper()
	last := w.steps[max(len(w.steps)-12, 0):]
	w.Fatalf("%s\nwhat was done before:\n  %s", fmt.Sprintf(format, args...), strings.Join(last, "\n  "))
}

func pick[T any](rng *rand.Rand, list []T) T { return list[rng.IntN(len(list))] }

// one reports true once in so many times.
func (w *world) one(in int) bool { return w.rng.IntN(in) == 0 }

// newWorld makes the node of a seed, with an index that has everything in it.
func newWorld(t *testing.T, seed uint64) *world {
	w := &world{T: t, rng: rand.New(rand.NewPCG(seed, 7)), found: make(map[string]int), answers: make(map[string][]held)}
	dir := t.TempDir()
	store, err := embedded.Open(t.Context(), filepath.Join(dir, "records"), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.store = &tally{Store: store}
	if w.state, err = bolt.Open(filepath.Join(dir, "state.db"), bolt.Options{Now: w.now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, closed := range []error{store.Close(), w.state.Close()} {
			if closed != nil {
				t.Errorf("close: %v", closed)
			}
		}
	})
	p := published()
	wallet := p.signers[0]
	auth, err := access.NewAuthenticator(access.Settings{Secret: secret, Now: w.now,
		PublicBaseURL: "https://node.example", ServerAddress: wallet.Address})
	if err != nil {
		t.Fatal(err)
	}
	w.model = &model{facts: make(map[string]*fact), domain: "node.example", wallet: oip.DID(wallet.Address)}
	w.options = api.Options{Records: w.store, State: w.state, Auth: auth, StartHeight: firstBlock, Now: w.now,
		CacheBytes: pick(w.rng, []int64{0, 200 << 10, 4 << 20}), CacheLife: 5 * time.Minute, Memory: memory.New(memory.Options{})}
	w.restart(0)
	w.restart(1)
	w.makeCallers()
	w.populate()
	w.changed()
	return w
}

// restart makes a process anew, which knows nothing but the stores, and asks it.
func (w *world) restart(i int) {
	w.processes[i] = api.New(w.options)
	w.handler = w.processes[i]
}

// put stores documents, and tells the model.
func (w *world) put(mark string, docs ...*oip.Document) {
	w.Helper()
	var ops []records.Op
	for _, d := range docs {
		ops = append(ops, records.Op{Put: d, Fence: 1})
	}
	w.write(ops...)
	for _, d := range docs {
		w.learn(d.DID(), string(d.Kind()), mark, d.JSON())
	}
}

func (w *world) write(ops ...records.Op) {
	w.Helper()
	results, err := w.store.Write(w.Context(), ops)
	if err != nil {
		w.Fatal(err)
	}
	for i, r := range results {
		if r.Status != records.OK {
			w.Fatalf("operation %d: %+v", i, r)
		}
	}
}

// learn tells the model of a document.
func (w *world) learn(did, kind, mark string, doc []byte) {
	w.Helper()
	f := &fact{did: did, kind: kind, mark: mark, json: decode(w.T, doc)}
	w.model.facts[did] = f
}

// changed says that answers have changed, as the end of a cycle does, and lets a moment
// pass in which other processes notice.
func (w *world) changed() {
	w.Helper()
	if err := w.state.Commit(w.Context(), epoch.Op()); err != nil {
		w.Fatal(err)
	}
	w.pass(time.Second)
}

func decode(t testing.TB, doc []byte) object {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	var o object
	if err := dec.Decode(&o); err != nil {
		t.Fatalf("%v in %.300s", err, doc)
	}
	return o
}

// The people of a world. Some have keys of the kind that signs records, some only such
// as a GUN record may name.
var plainKeys = []string{"anna", "ben", "cleo", "dora"}

// keys are all keys; the first is that of the server's wallet.
func keys() []string {
	var all []string
	for _, s := range published().signers {
		all = append(all, s.Modulus)
	}
	return append(all, plainKeys...)
}

// makeCallers makes everybody who asks: with good tokens, bad ones and none.
func (w *world) makeCallers() {
	w.callers = []*caller{{name: "nobody"}, {name: "nobody too", authorization: "Basic YTpi"}}
	good := func(c *caller, claims jwt.MapClaims) {
		c.known = true
		c.authorization = "Bearer " + w.token(jwt.SigningMethodHS256, secret, c, claims)
		w.callers = append(w.callers, c)
	}
	for i, key := range keys() {
		c := &caller{name: fmt.Sprintf("holder of key %d", i), userID: fmt.Sprint("u", i), email: fmt.Sprintf("u%d@%s", i,
			pick(w.rng, []string{"node.example", "other.example", "x.node.example", "node.example.org"})), key: key, admin: w.one(4)}
		good(c, jwt.MapClaims{})
	}
	good(&caller{name: "anna again", userID: "u99", email: "anna@other.example", key: "anna"}, jwt.MapClaims{})
	good(&caller{name: "staff", userID: "s", email: "boss@node.example", admin: true}, jwt.MapClaims{})
	good(&caller{name: "two domains", userID: "s", email: "boss@other.example@node.example"}, jwt.MapClaims{})
	good(&caller{name: "operator", userID: "a", admin: true}, jwt.MapClaims{})
	good(&caller{name: "stranger", userID: "x", key: "somebody else"}, jwt.MapClaims{})
	good(&caller{name: "soul", userID: "x", key: "soul:" + prefix("anna")}, jwt.MapClaims{})
	good(&caller{name: "prefix", userID: "x", key: prefix("ben")}, jwt.MapClaims{})
	// Tokens that say they are anna's and are worth nothing.
	for name, token := range map[string]func(c *caller) string{
		"expired": func(c *caller) string {
			return w.token(jwt.SigningMethodHS256, secret, c, jwt.MapClaims{"exp": noon.Add(-time.Minute).Unix()})
		},
		"foreign": func(c *caller) string {
			return w.token(jwt.SigningMethodHS256, []byte("another secret"), c, jwt.MapClaims{})
		},
		"alg none": func(c *caller) string {
			return w.token(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, c, jwt.MapClaims{})
		},
		"HS512":       func(c *caller) string { return w.token(jwt.SigningMethodHS512, secret, c, jwt.MapClaims{}) },
		"without end": func(c *caller) string { return w.token(jwt.SigningMethodHS256, secret, c, jwt.MapClaims{"exp": nil}) },
		"cut": func(c *caller) string {
			return strings.TrimRight(w.token(jwt.SigningMethodHS256, secret, c, jwt.MapClaims{}), "=")[:60]
		},
	} {
		c := &caller{name: "anna, " + name, userID: "u3", email: "boss@node.example", key: "anna", admin: true}
		c.authorization = "Bearer " + token(c)
		*c = caller{name: c.name, authorization: c.authorization}
		w.callers = append(w.callers, c)
	}
	slices.SortFunc(w.callers, func(a, b *caller) int { return strings.Compare(a.name, b.name) })
}

// token makes the token of a caller; a claim that is nil is left out.
func (w *world) token(method jwt.SigningMethod, key any, c *caller, claims jwt.MapClaims) string {
	w.Helper()
	all := jwt.MapClaims{"userId": c.userID, "email": c.email, "isAdmin": c.admin, "exp": noon.Add(24 * time.Hour).Unix()}
	all[pick(w.rng, []string{"publicKey", "publisherPubKey"})] = c.key
	for name, value := range claims {
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	text, err := jwt.NewWithClaims(method, all).SignedString(key)
	if err != nil {
		w.Fatal(err)
	}
	return text
}

// expand makes the document of a transaction, as the pipeline would.
func (w *world) expand(signer int, tx oip.Transaction, height int64, hidden bool) *oip.Document {
	w.Helper()
	p := published()
	s := p.signers[signer]
	tx.Height = height
	handle := fmt.Sprintf("writer%d", signer)
	doc, err := oip.Expand(s.Verified(tx), oip.Setting{
		Creator: s.Ref(handle, oip.Transaction{ID: tx.ID}), OwnHandle: handle, Hidden: hidden,
		IndexedAt: noon.Add(time.Duration(w.rng.IntN(5)) * time.Minute),
		Templates: oiptest.Templates(p.templates...),
	})
	if err != nil {
		w.Fatalf("expand: %v", err)
	}
	return &doc
}

// soul makes the document of a GUN record, as a sync would out of what a peer answers.
func (w *world) soul(key, local, recordType string, signer *oiptest.Signer, data object, meta string) *oip.Document {
	w.Helper()
	content := mustJSON(w.T, data)
	envelope := object{"ver": "0.8.0", "recordType": recordType, "creator": object{"publicKey": key, "didAddress": "did:arweave:" + prefix(key)}}
	if signer != nil {
		envelope["creator"].(object)["didAddress"] = oip.DID(signer.Address)
		envelope["signature"] = signature(w.T, signer, content)
	}
	var written any = string(content)
	if data["encrypted"] != nil && w.one(2) {
		written = data
	}
	node := object{"data": written, "oip": string(mustJSON(w.T, envelope))}
	if meta != "" {
		node["meta"] = json.RawMessage(meta)
	}
	out := oip.VerifyGun(oip.GunRecord{Soul: prefix(key) + ":" + local, Node: mustJSON(w.T, node)})
	accepted, ok := out.(oip.Accepted)
	if !ok {
		w.Fatalf("GUN record: %#v", out)
	}
	doc, err := oip.Expand(accepted.Verified, oip.Setting{IndexedAt: noon, Gun: oip.GunOrigin{Source: "peer"}})
	if err != nil {
		w.Fatal(err)
	}
	return &doc
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
