package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"oipnode/shared/access"
	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/records"
	"oipnode/shared/records/embedded"
	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startHeight is the first block of the worlds, which count blocks from there.
const startHeight = 1000

var (
	secret = []byte("a secret of the tests")
	noon   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

// press publishes what the tests store: signed, verified and expanded as the
// pipeline would do it.
type press struct {
	signers   []*oiptest.Signer
	templates []*oip.Template
}

// Positions in press.templates.
const (
	basic = iota
	accessControl
	session
	recipe
	organization
	cooking
	nutritional
	posting
	exercise
	workout
	provider
	schedule
	meal
)

var published = sync.OnceValue(func() *press {
	p := &press{}
	for i := range 3 {
		p.signers = append(p.signers, oiptest.NewSigner(fmt.Sprintf("api %d", i), 2048))
	}
	for _, t := range []struct{ name, definition string }{
		{"basic", `{"name":"string","index_name":0,"description":"string","index_description":1,"date":"long","index_date":2,
			"tagItems":"repeated string","index_tagItems":3,"dateReadable":"string","index_dateReadable":4,"big":"long","index_big":5,"any":"other","index_any":6}`},
		{"accessControl", `{"access_level":"string","index_access_level":0,"owner_public_key":"string","index_owner_public_key":1,
			"shared_with":"repeated string","index_shared_with":2,"private":"bool","index_private":3}`},
		{"conversationSession", `{"is_private":"bool","index_is_private":0,"owner_pubkey":"string","index_owner_pubkey":1}`},
		{"Recipe_v2", `{"servings":"long","index_servings":0}`},
		{"organization", `{"org_handle":"string","index_org_handle":0,"org_public_key":"string","index_org_public_key":1,
			"admin_public_keys":"repeated string","index_admin_public_keys":2,"membership_policy":"string","index_membership_policy":3}`},
		{"recipe", `{"servings":"uint32","index_servings":0,"ingredient":"repeated dref","index_ingredient":1,"ingredient_amount":"repeated float","index_ingredient_amount":2,
			"ingredient_unit":"repeated string","index_ingredient_unit":3,"ingredient_comment":"repeated string","index_ingredient_comment":4}`},
		{"nutritionalInfo", `{"standardAmount":"float","index_standardAmount":0,"standardUnit":"string","index_standardUnit":1,"qtyInStandardAmount":"float","index_qtyInStandardAmount":2,
			"calories":"float","index_calories":3,"proteinG":"float","index_proteinG":4,"fatG":"float","index_fatG":5,"cholesterolMg":"float","index_cholesterolMg":6,
			"sodiumMg":"float","index_sodiumMg":7,"carbohydratesG":"float","index_carbohydratesG":8}`},
		{"post", `{"webUrl":"string","index_webUrl":0,"audioItems":"repeated dref","index_audioItems":1,"replyTo":"dref","index_replyTo":2}`},
		{"exercise", `{"equipmentRequired":"repeated string","index_equipmentRequired":0,"exercise_type":"string","index_exercise_type":1,"reps":"long","index_reps":2}`},
		{"workout", `{"exercise":"repeated dref","index_exercise":0}`},
		{"modelProvider", `{"supported_models":"repeated string","index_supported_models":0,"free":"bool","index_free":1}`},
		{"workoutSchedule", `{"scheduled_date":"long","index_scheduled_date":0}`},
		{"mealPlan", `{"meal_date":"long","index_meal_date":0}`},
	} {
		p.templates = append(p.templates, p.signers[0].Verified(p.signers[0].Template(t.name, []byte(t.definition))).Template())
	}
	return p
})

// fields are the values of one template, by index.
type fields = map[int]any

// expand makes the document of a transaction.
func (p *press) expand(signer int, tx oip.Transaction, height int64, hidden bool) *oip.Document {
	s := p.signers[signer]
	tx.Height = height
	handle := fmt.Sprintf("writer%d", signer)
	doc, err := oip.Expand(s.Verified(tx), oip.Setting{
		Creator: s.Ref(handle, oip.Transaction{ID: tx.ID}), OwnHandle: handle, IndexedAt: noon, Hidden: hidden,
		Templates: oiptest.Templates(p.templates...),
	})
	if err != nil {
		panic(fmt.Sprintf("expand: %v", err))
	}
	return &doc
}

// record is a record to be published; parts are by template.
type record struct {
	signer     int
	recordType string // post by default
	height     int64
	parts      map[int]fields
}

// document publishes a record.
func (r record) document() *oip.Document {
	p := published()
	var objects []oiptest.Object
	for t := range p.templates {
		if values, ok := r.parts[t]; ok {
			objects = append(objects, oiptest.Object{Template: p.templates[t].ID, Values: values})
		}
	}
	if r.recordType == "" {
		r.recordType = "post"
	}
	return p.expand(r.signer, p.signers[r.signer].Record(r.recordType, objects...), r.height, false)
}

// post is a record with a name and whatever else basic has.
func post(name string, height int64, more ...fields) record {
	values := fields{0: name}
	for _, m := range more {
		for i, v := range m {
			values[i] = v
		}
	}
	return record{height: height, parts: map[int]fields{basic: values}}
}

// world is a node's stores and the handler over them.
type world struct {
	*testing.T
	opt     Options
	handler http.Handler
	log     *journal
}

// newWorld opens empty stores; change may replace any option.
func newWorld(t *testing.T, change ...func(*Options)) *world {
	t.Helper()
	dir := t.TempDir()
	store, err := embedded.Open(context.Background(), filepath.Join(dir, "records"), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, store.Close()) })
	kept, err := bolt.Open(filepath.Join(dir, "state.db"), bolt.Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, kept.Close()) })
	auth, err := access.NewAuthenticator(access.Settings{Secret: secret, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	log := &journal{}
	w := &world{T: t, log: log, opt: Options{Records: store, State: kept, Auth: auth, Version: "1.2.3", StartHeight: startHeight,
		Now: clock, Log: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}}
	for _, c := range change {
		c(&w.opt)
	}
	w.handler = New(w.opt)
	return w
}

func clock() time.Time { return noon }

func closed(t *testing.T, err error) {
	if err != nil {
		t.Errorf("close: %v", err)
	}
}

// put stores documents and returns their DIDs.
func (w *world) put(docs ...*oip.Document) []string {
	w.Helper()
	var ops []records.Op
	var dids []string
	for _, d := range docs {
		ops = append(ops, records.Op{Put: d, Fence: 1})
		dids = append(dids, d.DID())
	}
	results, err := w.opt.Records.Write(context.Background(), ops)
	if err != nil {
		w.Fatal(err)
	}
	for i, r := range results {
		if r.Status != records.OK {
			w.Fatalf("document %d: %+v", i, r)
		}
	}
	return dids
}

// publish stores records and returns their DIDs.
func (w *world) publish(list ...record) []string {
	w.Helper()
	var docs []*oip.Document
	for _, r := range list {
		docs = append(docs, r.document())
	}
	return w.put(docs...)
}

// object is a JSON object as a client reads it, numbers by their digits.
type object = map[string]any

// response is a response as a test looks at it.
type response struct {
	*httptest.ResponseRecorder
	json object
}

// do sends a request; a body that is plain JSON is decoded. The answer must be one that the
// description of the API has.
func (w *world) do(r *http.Request) response {
	w.Helper()
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	res := response{ResponseRecorder: rec}
	if err := theContract().check(r, rec.Code, rec.Header(), rec.Body.Bytes()); err != nil {
		w.Errorf("%s %s: status %d: not by the description of the API: %v\n%.500s", r.Method, r.URL, rec.Code, err, rec.Body)
	}
	if h := rec.Header(); strings.HasPrefix(h.Get("Content-Type"), "application/json") && h.Get("Content-Encoding") == "" && rec.Body.Len() > 0 {
		dec := json.NewDecoder(bytes.NewReader(rec.Body.Bytes()))
		dec.UseNumber()
		if err := dec.Decode(&res.json); err != nil {
			w.Fatalf("%s %s: %v in %s", r.Method, r.URL, err, rec.Body)
		}
	}
	return res
}

// call sends a GET with parameters, name and value in turn.
func (w *world) call(path string, params ...string) response {
	w.Helper()
	return w.as("", path, params...)
}

// as is call with a token.
func (w *world) as(token, path string, params ...string) response {
	w.Helper()
	query := url.Values{}
	for i := 0; i < len(params); i += 2 {
		query.Add(params[i], params[i+1])
	}
	r := httptest.NewRequest(http.MethodGet, path+"?"+query.Encode(), nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return w.do(r)
}

// ok is as that must succeed.
func (w *world) ok(token, path string, params ...string) object {
	w.Helper()
	res := w.as(token, path, params...)
	if res.Code != http.StatusOK {
		w.Fatalf("%s %q: status %d: %s", path, params, res.Code, res.Body)
	}
	return res.json
}

// refused is call that must end in an error about a parameter.
func (w *world) refused(parameter, path string, params ...string) string {
	w.Helper()
	res := w.call(path, params...)
	message, _ := res.json["error"].(string)
	if res.Code != http.StatusBadRequest || res.json["code"] != "invalid_parameter" || res.json["parameter"] != parameter ||
		!strings.Contains(message, parameter) {
		w.Errorf("%s %q: %d %s, want a 400 about %s", path, params, res.Code, res.Body, parameter)
	}
	return message
}

// token signs in as the holder of a public key.
func token(t testing.TB, publicKey string, more ...jwt.MapClaims) string {
	t.Helper()
	claims := jwt.MapClaims{"userId": "u1", "email": "u1@example.com", "publicKey": publicKey, "exp": noon.Add(time.Hour).Unix()}
	for _, m := range more {
		for name, value := range m {
			claims[name] = value
		}
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// list is a list of an answer, as objects.
func list(t testing.TB, answer object, name string) []object {
	t.Helper()
	elements, ok := answer[name].([]any)
	if !ok {
		t.Fatalf("%s is no list: %v", name, answer[name])
	}
	var objects []object
	for _, e := range elements {
		objects = append(objects, e.(object))
	}
	return objects
}

// names are the basic names of the records of an answer, in order.
func names(t testing.TB, answer object) string {
	t.Helper()
	var all []string
	for _, r := range list(t, answer, "records") {
		all = append(all, fmt.Sprint(at(r, "data", "basic", "name")))
	}
	return strings.Join(all, " ")
}

// at follows a path of names into a document.
func at(v any, path ...string) any {
	for _, name := range path {
		o, _ := v.(object)
		v = o[name]
	}
	return v
}

// expect compares members of an answer, given as name and text in turn.
func (w *world) expect(answer object, want ...string) {
	w.Helper()
	for i := 0; i < len(want); i += 2 {
		text, err := json.Marshal(answer[want[i]])
		if err != nil {
			w.Fatal(err)
		}
		if string(text) != want[i+1] {
			w.Errorf("%s is %s, want %s", want[i], text, want[i+1])
		}
	}
}

// journal is a log that several goroutines write.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// lines are the lines with this message, decoded.
func (j *journal) lines(t testing.TB, msg string) []object {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []object
	for line := range strings.SplitSeq(strings.TrimSpace(j.text.String()), "\n") {
		var o object
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		if o["msg"] == msg {
			found = append(found, o)
		}
	}
	return found
}

// failing wraps a store so that calls fail as an engine would.
type failing struct {
	records.Store
	err error
}

func (f *failing) Search(ctx context.Context, q records.Query) (records.Page, error) {
	if f.err != nil {
		return records.Page{}, f.err
	}
	return f.Store.Search(ctx, q)
}

func (f *failing) Count(ctx context.Context, where records.Cond, by records.Field) (records.Counts, error) {
	if f.err != nil {
		return records.Counts{}, f.err
	}
	return f.Store.Count(ctx, where, by)
}

func (f *failing) Health(ctx context.Context) (records.Health, error) {
	if f.err != nil {
		return records.Health{}, f.err
	}
	return f.Store.Health(ctx)
}

// failingState is a state store whose reads fail while err is set.
type failingState struct {
	state.Store
	err error
}

func (f *failingState) Get(ctx context.Context, keys ...state.Key) ([]state.Item, error) {
	if f.err != nil {
		return nil, f.err
	}
	return f.Store.Get(ctx, keys...)
}

func (f *failingState) Range(ctx context.Context, space, from, to string, limit int) ([]state.Item, error) {
	if f.err != nil {
		return nil, f.err
	}
	return f.Store.Range(ctx, space, from, to, limit)
}
