package property

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// response is a response as the checks look at it: its body is what a client reads.
type response struct {
	status int
	header http.Header
	body   string
	json   object
}

// send sends a request as a caller, with more headers given as name and value in turn.
func (w *world) send(c *caller, method, target, body string, more ...string) response {
	w.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if c.authorization != "" {
		r.Header.Set("Authorization", c.authorization)
	}
	for i := 0; i < len(more); i += 2 {
		r.Header.Set(more[i], more[i+1])
	}
	if w.one(3) {
		r.Header.Set("Accept-Encoding", "gzip")
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	text := io.Reader(rec.Body)
	if rec.Header().Get("Content-Encoding") == "gzip" && method != http.MethodHead {
		w.found["compressed answers"]++
		z, err := gzip.NewReader(rec.Body)
		if err != nil {
			w.failf("%s %s: %v", method, target, err)
		}
		text = z
	}
	whole, err := io.ReadAll(text)
	if err != nil {
		w.failf("%s %s: %v", method, target, err)
	}
	res := response{status: rec.Code, header: rec.Header(), body: string(whole)}
	if len(whole) > 0 {
		res.json = decode(w.T, whole)
	}
	w.note("%s: %s %s %s: %d", c.name, method, target, body, rec.Code)
	w.quiet(c, target, res)
	return res
}

// quiet checks that an answer has nothing in it of any document that the caller may not
// read. What the caller has said comes back and tells nothing.
func (w *world) quiet(c *caller, target string, res response) {
	w.Helper()
	said, err := url.QueryUnescape(target)
	if err != nil {
		w.failf("%v", err)
	}
	for _, f := range w.model.facts {
		if f.mark == "" || !strings.Contains(res.body, f.mark) || w.model.reads(c, f) || strings.Contains(strings.ToLower(said), strings.ToLower(f.mark)) {
			continue
		}
		w.failf("LEAK to %s: the answer to %s has something of %s:\n%.2000s", c.name, target, show(f.json), res.body)
	}
}

func show(v any) string {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// sameJSON compares an answer with what it must be.
func (w *world) same(what string, got, want any) {
	w.Helper()
	if !reflect.DeepEqual(got, want) {
		w.failf("%s is\n%s\nwant\n%s", what, show(got), show(want))
	}
}

func count(n int) json.Number { return json.Number(fmt.Sprint(n)) }

// matches are the documents that a question finds, in order, and all those that it was
// asked of.
func (q *question) matches(s *sight) (found, base []*fact) {
	for _, f := range s.facts {
		if q.deletions || !set(at(f.json, "oip", "deleteMessage")) {
			base = append(base, f)
		}
	}
	for _, f := range base {
		if !slices.ContainsFunc(q.filters, func(holds func(*sight, *fact) bool) bool { return !holds(s, f) }) {
			found = append(found, f)
		}
	}
	by := q.order
	if score := q.scores[q.byScore]; score != nil {
		points := func(f *fact) (any, bool) { return int64(math.Round(1000 * score(s, f))), true }
		by = order(points, q.desc)
	}
	slices.SortFunc(found, by)
	if q.distinct {
		seen := make(map[string]bool)
		found = slices.DeleteFunc(found, func(f *fact) bool {
			name := text(f.json, "data", "basic", "name")
			again := name != "" && seen[name]
			seen[name] = true
			return again
		})
	}
	return found, base
}

// document is how a match is shown.
func (q *question) document(s *sight, f *fact) object {
	doc := clone(f.json).(object)
	for _, change := range q.shown {
		change(s, f, doc)
	}
	for _, change := range q.last {
		doc = change(doc)
	}
	if q.resolve != nil {
		q.resolve(s, f, doc)
	}
	return doc
}

// ask asks a question as a caller, compares the answer with the model's, and returns its
// cursor. params are added to those of the question: where to go on.
func (w *world) ask(c *caller, q *question, from int, params ...string) (next string) {
	w.Helper()
	asked := clonedValues(q.params)
	for i := 0; i < len(params); i += 2 {
		asked.Set(params[i], params[i+1])
	}
	target := "/api/records?" + asked.Encode()
	var more []string
	tag, kept := w.remembered(target)
	if tag != "" {
		more = []string{"If-None-Match", tag}
	}
	res := w.send(c, http.MethodGet, target, "", more...)
	if res.status == http.StatusNotModified {
		w.found["answers that still hold"]++
		if res.body != "" {
			w.failf("a 304 with a body")
		}
		res.body, res.json = kept, decode(w.T, []byte(kept))
		w.quiet(c, target, res)
	} else if res.status == http.StatusOK {
		w.remember(target, res)
	}
	if res.status != http.StatusOK && res.status != http.StatusNotModified {
		w.failf("status %d: %s", res.status, res.body)
	}
	s := w.model.seen(c, aRecord)
	found, base := q.matches(s)
	answer := res.json
	w.same("totalRecords", answer["totalRecords"], count(len(base)))
	w.same("searchResults", answer["searchResults"], count(len(found)))
	w.same("latestArweaveBlockInDB", answer["latestArweaveBlockInDB"], count(int(latest(base))))
	w.same("pageSize", answer["pageSize"], count(q.limit))
	w.same("totalPages", answer["totalPages"], count((len(found)+q.limit-1)/q.limit))
	w.same("auth", answer["auth"], authOf(c))
	echoed, _ := answer["queryParams"].(object)
	for name := range echoed {
		if !asked.Has(name) {
			w.failf("queryParams has %s, which nobody asked for: %v", name, echoed)
		}
	}
	from = min(from, len(found))
	to := min(from+q.limit, len(found))
	want := []any{}
	for _, f := range found[from:to] {
		want = append(want, q.document(s, f))
	}
	w.same("the DIDs of the page", idsOf(answer["records"]), idsOf(want))
	w.same("the page", answer["records"], want)
	for _, check := range q.whole {
		if err := check(s, found, answer); err != nil {
			w.failf("%v", err)
		}
	}
	w.found["answers"]++
	for name := range asked {
		if len(want) > 0 {
			w.found["records shown with "+name]++
		}
	}
	w.found["records shown"] += len(want)
	w.found["records hidden"] += len(w.dids(aRecord)) - len(s.facts)
	next, _ = answer["nextCursor"].(string)
	if (next != "") != (to < len(found)) {
		w.failf("nextCursor %q with %d of %d found shown", next, to, len(found))
	}
	return next
}

func clonedValues(v url.Values) url.Values {
	out := make(url.Values, len(v))
	for name, values := range v {
		out[name] = slices.Clone(values)
	}
	return out
}

// authOf is how an answer says who the caller was taken for.
func authOf(c *caller) object {
	if !c.known {
		return object{"authenticated": false, "user": nil}
	}
	return object{"authenticated": true, "user": object{"userId": c.userID, "email": c.email, "publicKey": c.key, "isAdmin": c.admin}}
}

func idsOf(list any) (ids []string) {
	elements, _ := list.([]any)
	for _, e := range elements {
		ids = append(ids, text(e, "oip", "did"))
	}
	return ids
}

// held is an answer that some caller has, by its tag.
type held struct{ tag, body string }

// remember keeps what clients keep: the answers that others were given, too, so that
// somebody may ask whether a foreign one still holds.
func (w *world) remember(target string, res response) {
	if tag := res.header.Get("ETag"); tag != "" {
		w.answers[target] = append(w.answers[target], held{tag, res.body})
	}
}

// remembered is now and then an answer to the same question, the caller's or not.
func (w *world) remembered(target string) (tag, body string) {
	if all := w.answers[target]; len(all) > 0 && w.one(2) {
		h := pick(w.rng, all)
		return h.tag, h.body
	}
	return "", ""
}
