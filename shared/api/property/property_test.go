package property

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"oipnode/shared/oip"
)

var (
	seeds   = flag.Int("property.seeds", 16, "how many worlds TestAccess makes")
	theSeed = flag.Uint64("property.seed", 0, "the seed of the only world that TestAccess makes; 0 makes property.seeds of them")
)

// steps is how much happens in one world.
const steps = 60

// TestAccess is the property test of issue 7: whatever callers ask, in whatever order, an
// answer is what the model says of what this caller may read. A failure names its seed.
func TestAccess(t *testing.T) {
	found := make(map[string]int)
	run := func(seed uint64) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("again: go test ./shared/api/property -run TestAccess -property.seed %d", seed)
				}
			}()
			w := newWorld(t, seed)
			for range steps {
				w.step()
			}
			for what, n := range w.found {
				found[what] += n
			}
		})
	}
	if *theSeed != 0 {
		run(*theSeed)
		return
	}
	for seed := range uint64(*seeds) {
		run(seed + 1)
	}
	if t.Failed() || *seeds < 10 {
		return
	}
	// A world in which nothing happens proves nothing.
	for what, least := range map[string]int{
		"answers": 1000, "records shown": 5000, "records hidden": 5000, "pages by cursor": 20, "foreign cursors": 20, "foreign cursors refused": 10,
		"answers that still hold": 20, "compressed answers": 100, "deleted": 5, "deletions: 401": 5, "deletions: 403": 5, "deletions: 404": 20,
		"unreadable and absent": 20, "other versions": 10, "lists": 50,
	} {
		if found[what] < least {
			t.Errorf("%s: %d, which proves too little", what, found[what])
		}
	}
	for _, what := range slices.Sorted(maps.Keys(found)) {
		t.Logf("%s: %d", what, found[what])
	}
}

// step is something that happens.
func (w *world) step() {
	w.handler = pick(w.rng, w.processes[:])
	switch w.rng.IntN(16) {
	case 0:
		w.found["other versions"]++
		w.rewrite()
		w.changed()
	case 1:
		w.found["other versions"]++
		if all := w.dids(anOrganization); len(all) > 0 {
			did := pick(w.rng, all)
			w.note("another version of %s", did)
			w.organization(strings.TrimPrefix(did, "did:arweave:"))
			w.changed()
			w.pass(10 * time.Second) // as long as a membership that ended may be honoured
		}
	case 2:
		w.note("a new record")
		w.record()
		w.changed()
	case 3, 4, 5:
		c := pick(w.rng, w.callers)
		w.delete(c, w.anyDID())
		if own := w.ownOf(c); len(own) > 0 && w.one(3) {
			w.delete(c, pick(w.rng, own))
		}
	case 6:
		w.absent(pick(w.rng, w.callers))
	case 7, 8:
		w.lists(pick(w.rng, w.callers))
	case 9:
		w.pass(time.Duration(w.rng.IntN(400)) * time.Second)
	default:
		w.asked()
	}
	w.pass(pick(w.rng, []time.Duration{0, 0, 300 * time.Millisecond, 3 * time.Second}))
}

// ownOf are the DIDs of a caller's own records.
func (w *world) ownOf(c *caller) (own []string) {
	for _, did := range w.dids(aRecord, anOrganization) {
		if w.model.owns(c, w.model.facts[did]) {
			own = append(own, did)
		}
	}
	return own
}

// asked asks one question as several callers in turn, so that an answer that was kept for
// one of them could reach another, and goes on by cursors, their own and foreign ones.
func (w *world) asked() {
	q := w.question()
	type position struct {
		c    *caller
		next string
		from int
	}
	var on []position
	for range 2 + w.rng.IntN(4) {
		c := pick(w.rng, w.callers)
		from := (q.page - 1) * q.limit
		if next := w.ask(c, q, from); next != "" {
			on = append(on, position{c, next, from + q.limit})
		}
	}
	if len(on) > 0 && w.one(4) { // a cursor is good in any process
		w.note("another process")
		w.restart(w.rng.IntN(2))
	}
	for _, p := range on {
		if w.one(2) {
			w.goOn(q, p.c, p.next, p.from)
		}
		if c := pick(w.rng, w.callers); w.one(2) {
			w.foreign(q, p.c, c, p.next, p.from)
		}
	}
}

// goOn follows a cursor for a page or two. A cursor goes without the page that it began at.
func (w *world) goOn(q *question, c *caller, next string, from int) {
	onward := *q
	onward.params = clonedValues(q.params)
	onward.params.Del("page")
	for range 2 {
		if next == "" {
			return
		}
		w.found["pages by cursor"]++
		next = w.ask(c, &onward, from, "cursor", next)
		from += q.limit
	}
}

// foreign uses somebody's cursor as somebody else: it is refused unless the two may read
// the same.
func (w *world) foreign(q *question, owner, c *caller, cursor string, from int) {
	w.Helper()
	onward := *q
	onward.params = clonedValues(q.params)
	onward.params.Del("page")
	w.found["foreign cursors"]++
	if w.model.view(owner) == w.model.view(c) {
		w.ask(c, &onward, from, "cursor", cursor)
		return
	}
	onward.params.Set("cursor", cursor)
	res := w.send(c, http.MethodGet, "/api/records?"+onward.params.Encode(), "")
	if res.status != http.StatusBadRequest || res.json["parameter"] != "cursor" {
		w.failf("the cursor of %s, by %s: %d %s", owner.name, c.name, res.status, res.body)
	}
	w.found["foreign cursors refused"]++
}

// calls is how many calls of the store a request makes.
func (w *world) calls(c *caller, method, target, body string) (response, int64) {
	w.Helper()
	before := w.store.calls.Load()
	res := w.send(c, method, target, body)
	return res, w.store.calls.Load() - before
}

const deletion = "/api/records/deleteRecord"

func naming(did string) string { return fmt.Sprintf(`{"delete":{"did":%q}}`, did) }

// missing is a DID of the same kind as another one, of which there is nothing.
func missing(did string) string {
	if soul, ok := strings.CutPrefix(did, "did:gun:"); ok {
		return "did:gun:" + soul + "-not"
	}
	return "did:arweave:" + strings.Repeat("m", oip.IDLength)
}

// delete asks for a deletion. To whom may not read the record it must look as if there
// were none: in words and in work.
func (w *world) delete(c *caller, did string) {
	w.Helper()
	q := w.question()
	w.ask(c, q, (q.page-1)*q.limit) // the caller's memberships are known now, to either request
	f := w.model.facts[did]
	res, calls := w.calls(c, http.MethodPost, deletion, naming(did))
	want := http.StatusOK
	switch {
	case !c.known:
		want = http.StatusUnauthorized
	case f == nil || !w.model.reads(c, f):
		want = http.StatusNotFound
	case !w.model.owns(c, f), f.kind == aTemplate, f.kind == aCreator, set(at(f.json, "oip", "deleteMessage")):
		want = http.StatusForbidden
	}
	if res.status != want {
		w.failf("%s deletes %s: %d %s, want %d", c.name, did, res.status, res.body, want)
	}
	switch want {
	case http.StatusOK:
		delete(w.model.facts, did)
		w.dead = append(w.dead, did)
		w.found["deleted"]++
		if f.kind == anOrganization {
			w.pass(10 * time.Second)
		}
		w.asked()           // it is effective at once
		w.pass(time.Second) // and then in the other processes
	case http.StatusNotFound:
		gone, did := w.calls(c, http.MethodPost, deletion, naming(missing(did)))
		if gone.status != want || gone.body != res.body || did != calls {
			w.failf("what %s may not read is answered with %q after %d calls, what is absent with %q after %d", c.name, res.body, calls, gone.body, did)
		}
	}
	w.found[fmt.Sprint("deletions: ", want)]++
}

// absent asks for a document that the caller may not read and for one that there is not:
// the answers differ in nothing but the DID that was asked for.
func (w *world) absent(c *caller) {
	w.Helper()
	did := pick(w.rng, w.dids(aRecord))
	if w.model.reads(c, w.model.facts[did]) {
		return
	}
	ask := func(did string) (string, int64) {
		res, calls := w.calls(c, http.MethodGet, "/api/records?"+url.Values{"did": {did}, "forceRefresh": {"true"}}.Encode(), "")
		return strings.ReplaceAll(res.body, did, "DID"), calls
	}
	none := missing(did)
	text, calls := ask(did)
	if other, n := ask(none); other != text || n != calls {
		w.failf("what %s may not read: %q after %d calls; what is absent: %q after %d", c.name, text, calls, other, n)
	}
	w.found["unreadable and absent"]++
}

// lists asks for the other lists: of types, templates, creators and organizations.
func (w *world) lists(c *caller) {
	w.Helper()
	w.found["lists"]++
	get := func(path string, params url.Values) object {
		res := w.send(c, http.MethodGet, path+"?"+params.Encode(), "")
		if res.status != http.StatusOK {
			w.failf("%s: %d %s", path, res.status, res.body)
		}
		return res.json
	}
	s := w.model.seen(c, aRecord)
	counts := make(map[string]int)
	total := 0
	for _, f := range s.facts {
		if !set(at(f.json, "oip", "deleteMessage")) {
			total++
			counts[text(f.json, "oip", "recordType")]++
		}
	}
	types := []any{}
	for _, name := range mostFirst(counts) {
		types = append(types, object{"recordType": name, "count": count(counts[name])})
	}
	answer := get("/api/records/recordTypes", nil)
	w.same("recordTypes", answer["recordTypes"], types)
	w.same("totalRecords", answer["totalRecords"], count(total))
	w.same("recordTypeCount", answer["recordTypeCount"], count(len(types)))

	for _, l := range []struct{ path, list, total, kind string }{
		{"/api/creators", "creators", "totalCreators", aCreator},
		{"/api/organizations", "organizations", "totalOrganizations", anOrganization},
		{"/api/templates", "templates", "totalTemplates", aTemplate},
	} {
		all := w.model.seen(c, l.kind).facts
		slices.SortFunc(all, newest)
		params, chosen := url.Values{}, all
		if l.kind == aTemplate {
			params, chosen = w.chosenTemplates(s, all)
		}
		limit := 100
		if l.kind == aTemplate {
			limit = 1000
		}
		want := []any{}
		for _, f := range chosen[:min(len(chosen), limit)] {
			want = append(want, f.json)
		}
		answer := get(l.path, params)
		w.same(l.list, answer[l.list], want)
		w.same(l.total, answer[l.total], count(len(all)))
		w.same("searchResults", answer["searchResults"], count(len(chosen)))
	}
}

// mostFirst are the names by their counts, the largest first.
func mostFirst(counts map[string]int) []string {
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(counts[b]-counts[a], cmp.Compare(a, b))
	})
}

// chosenTemplates makes a random question for templates and what it finds.
func (w *world) chosenTemplates(s *sight, all []*fact) (url.Values, []*fact) {
	params, chosen := url.Values{}, slices.Clone(all)
	if w.one(3) {
		part := pick(w.rng, []string{"post", "BASIC", "a", "none"})
		params.Set("templateName", part)
		chosen = slices.DeleteFunc(chosen, func(f *fact) bool {
			return !strings.Contains(strings.ToLower(text(f.json, "data", "template")), strings.ToLower(part))
		})
	}
	if !w.one(2) {
		return params, chosen
	}
	// Of each name the one that most records use, of those that this caller may read.
	params.Set("selectedOnly", "true")
	uses := make(map[string]int)
	for _, f := range s.facts {
		ids := texts(at(f.json, "oip", "missingTemplates"))
		used, _ := at(f.json, "oip", "templates").(object)
		for _, id := range used {
			ids = append(ids, id.(string))
		}
		slices.Sort(ids)
		for _, id := range slices.Compact(ids) {
			uses[id]++
		}
	}
	selected := make(map[string]string)
	for _, id := range mostFirst(uses) {
		if t := w.model.facts["did:arweave:"+id]; t != nil && t.kind == aTemplate {
			if name := text(t.json, "data", "template"); selected[name] == "" {
				selected[name] = t.did
			}
		}
	}
	return params, slices.DeleteFunc(chosen, func(f *fact) bool { return selected[text(f.json, "data", "template")] != f.did })
}
