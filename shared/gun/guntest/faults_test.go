package guntest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"oipnode/shared/gun/guntest"
	"oipnode/shared/oip/canon"
)

// records is how many a faulty peer has.
const records = 10

// faulty is a peer of some records whose one fault always strikes.
func faulty(t *testing.T, kind guntest.Kind) (p *guntest.Peer, faults *guntest.Faults, soul string) {
	t.Helper()
	faults = guntest.NewFaults(5, guntest.Mix{kind: 1})
	faults.HugeEntries = 3000
	p = start(t, guntest.Options{Faults: faults})
	for i := range records {
		soul = p.Publish(post(fmt.Sprint(i), fmt.Sprintf(`{"basic":{"name":"record %d"}}`, i)))
	}
	return p, faults, soul
}

// honest checks that no fault is left.
func honest(t *testing.T, p *guntest.Peer, soul string) {
	t.Helper()
	p.Calm()
	n := get(t, p, soul)
	if at(n, "data", "basic", "name").Text() != "record 9" || !verifies(t, n, at(n, "data").Text()) {
		t.Errorf("after the faults: %s", text(n))
	}
	if n := len(keys(get(t, p, guntest.IndexSoul(guntest.DefaultRoot, "post")))); n != records {
		t.Errorf("after the faults: %d entries", n)
	}
	if a := do(t, http.MethodGet, getURL(p, guntest.DeletedIndex), ""); a.status != http.StatusNotFound {
		t.Errorf("after the faults: deletions %d %s", a.status, a.body)
	}
	if a := do(t, http.MethodPost, p.URL()+"/put", `{"soul":"x","data":{}}`); a.status != http.StatusOK {
		t.Errorf("after the faults: put %d", a.status)
	}
}

// An answer that is spoilt as a whole, on every route that can have it.
func TestFaultsOfAnswers(t *testing.T) {
	isJSON := func(a answer) bool { return a.err == nil && json.Valid(a.body) }
	for kind, check := range map[guntest.Kind]func(answer) bool{
		guntest.RateLimited: func(a answer) bool { return a.status == 429 && isJSON(a) },
		guntest.ServerError: func(a answer) bool { return slices.Contains([]int{500, 502, 503, 504}, a.status) },
		guntest.Redirected: func(a answer) bool {
			return a.status == 302 && a.header.Get("Location") == "http://elsewhere.invalid/gun-relay/get"
		},
		guntest.HTMLPage: func(a answer) bool {
			return a.status == 200 && strings.HasPrefix(a.header.Get("Content-Type"), "text/html") && a.body[0] == '<'
		},
		guntest.Slow: func(a answer) bool { return a.status == 200 && isJSON(a) },
		guntest.WrongContentType: func(a answer) bool {
			return a.status == 200 && isJSON(a) && a.header.Get("Content-Type") != "application/json"
		},
		guntest.InvalidJSON: func(a answer) bool {
			return a.status == 200 && a.err == nil && !json.Valid(a.body) && a.body[len(a.body)-1] == '}'
		},
		guntest.Truncated: func(a answer) bool { return a.status == 200 && a.err == nil && !json.Valid(a.body) },
		guntest.Cut:       func(a answer) bool { return a.status == 200 && a.err != nil && len(a.body) > 0 },
	} {
		t.Run(kind.String(), func(t *testing.T) {
			p, faults, soul := faulty(t, kind)
			for i, a := range []answer{
				do(t, http.MethodGet, getURL(p, soul), ""),
				do(t, http.MethodGet, p.URL()+"/list", ""),
				do(t, http.MethodPost, p.URL()+"/put", `{"soul":"y","data":{"a":1}}`),
			} {
				if !check(a) {
					t.Errorf("route %d: %d %v %v %.300s", i, a.status, a.header, a.err, a.body)
				}
			}
			if faults.Fired(kind) != 3 {
				t.Errorf("fired %d times", faults.Fired(kind))
			}
			honest(t, p, soul)
		})
	}
}

// A peer that keeps its client waiting, or writing for ever: a client that goes
// frees the peer, or Close could not return.
func TestFaultsWithoutEnd(t *testing.T) {
	p, _, soul := faulty(t, guntest.CloseConnection)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if a, err := try(t, method, p.URL()+"/put", "{}", 1); err == nil && a.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: answered %d", method, a.status)
		}
	}
	honest(t, p, soul)

	p, faults, soul := faulty(t, guntest.Stalled)
	if a, err := try(t, http.MethodGet, getURL(p, soul), "", 24); err != nil || string(a.body) != `{"success":true,"data":{` {
		t.Errorf("%v %q", err, a.body)
	}
	if faults.Fired(guntest.Stalled) != 1 {
		t.Error("it did not stall")
	}
	honest(t, p, soul)

	p, faults, soul = faulty(t, guntest.Endless)
	seen := map[byte]bool{}
	for range 8 {
		for _, target := range []string{getURL(p, soul), getURL(p, guntest.IndexSoul(guntest.DefaultRoot, "post")), p.URL() + "/list"} {
			const limit = 200 << 10
			a, err := try(t, http.MethodGet, target, "", limit)
			if err != nil || a.err != nil || len(a.body) != limit {
				t.Fatalf("%v, %v, %d bytes", err, a.err, len(a.body))
			}
			seen[a.body[limit-1]/32] = true // letters, digits and signs, space
		}
	}
	if len(seen) < 2 || faults.Fired(guntest.Endless) != 24 {
		t.Errorf("little variety: %v", seen)
	}
	honest(t, p, soul)
}

func TestFaultsOfGets(t *testing.T) {
	for kind, check := range map[guntest.Kind]func(answer) bool{
		guntest.NotFound: func(a answer) bool { return a.status == 404 && string(a.body) == `{"error":"Not found"}` },
		guntest.Vanished: func(a answer) bool { return a.status == 404 && string(a.body) == `{"error":"Not found"}` },
		guntest.Unsuccessful: func(a answer) bool {
			var m struct {
				Success bool
				Data    any
			}
			return a.status == 200 && json.Unmarshal(a.body, &m) == nil && m.Data == nil
		},
		guntest.DuplicateKeys: func(a answer) bool {
			v, err := canon.Parse(a.body) // reads as JSON.parse does
			return err == nil && strings.Count(string(a.body), `"data":`) == 3 && at(v, "data", "data", "basic", "name").Text() == "record 9"
		},
		guntest.DeepNesting: func(a answer) bool {
			return a.status == 200 && strings.HasPrefix(string(a.body), `{"success":true,"data":{"deep":[[[[`) && canon.Valid(a.body) != nil
		},
		guntest.NodeAsText: func(a answer) bool {
			v, err := canon.Parse(a.body)
			node, _ := v.Get("data")
			return err == nil && node.Kind() == canon.String && at(node, "data", "basic", "name").Text() == "record 9"
		},
		guntest.NodeAsList: func(a answer) bool {
			v, err := canon.Parse(a.body)
			node, _ := v.Get("data")
			return err == nil && node.Kind() == canon.Array
		},
		guntest.PartialRecord: func(a answer) bool {
			v, err := canon.Parse(a.body)
			return err == nil && len(keys(at(v, "data"))) == 2
		},
		guntest.Forged: func(a answer) bool {
			v, err := canon.Parse(a.body)
			n, _ := v.Get("data")
			return err == nil && at(n, "data", "forged").Kind() == canon.Object && at(n, "data", "basic", "name").Text() == "record 9" &&
				!verifies(t, n, at(n, "data").Text())
		},
		guntest.WrongOwner: func(a answer) bool {
			v, err := canon.Parse(a.body)
			n, _ := v.Get("data")
			return err == nil && at(n, "oip", "creator", "publicKey").Text() == guntest.Thief().Modulus && verifies(t, n, at(n, "data").Text())
		},
	} {
		t.Run(kind.String(), func(t *testing.T) {
			p, faults, soul := faulty(t, kind)
			for range 5 {
				if a := do(t, http.MethodGet, getURL(p, soul), ""); !check(a) {
					t.Errorf("%d %v %.300s", a.status, a.err, a.body)
				}
			}
			if faults.Fired(kind) != 5 {
				t.Errorf("fired %d times", faults.Fired(kind))
			}
			honest(t, p, soul)
		})
	}
}

// A relay that answers objects is spoilt in that form.
func TestSpoiltObjects(t *testing.T) {
	for _, kind := range []guntest.Kind{guntest.Forged, guntest.WrongOwner} {
		p := start(t, guntest.Options{Parsed: true, Faults: guntest.NewFaults(1, guntest.Mix{kind: 1})})
		n := get(t, p, p.Publish(post("1", `{"basic":{"name":"x"}}`)))
		if d := at(n, "data"); d.Kind() != canon.Object || verifies(t, n, text(d)) == (kind == guntest.Forged) {
			t.Errorf("%v: %s", kind, n.Raw())
		}
	}
}

func TestFaultsOfIndexes(t *testing.T) {
	index := guntest.IndexSoul(guntest.DefaultRoot, "post")
	// own tells how many of the entries are records, and how many are not.
	own := func(p *guntest.Peer) (own, foreign int) {
		for _, key := range keys(get(t, p, index)) {
			if strings.HasPrefix(key, guntest.Prefix(alice.Modulus)+":") {
				own++
				continue
			}
			foreign++
			if a := do(t, http.MethodGet, getURL(p, key), ""); foreign < 5 && a.status != http.StatusNotFound {
				t.Errorf("phantom %s: %d", key, a.status)
			}
		}
		return own, foreign
	}
	p, _, soul := faulty(t, guntest.PartialIndex)
	missing, polls := 0, map[int]bool{}
	for range 30 {
		n, _ := own(p)
		missing += records - n
		polls[n] = true
	}
	if missing < 30 || missing > 120 || len(polls) < 3 {
		t.Errorf("%d of %d keys missing, %v", missing, 30*records, polls)
	}
	honest(t, p, soul)

	p, _, soul = faulty(t, guntest.Phantoms)
	if n, foreign := own(p); n != records || foreign < 1 || foreign > 20 {
		t.Errorf("%d records and %d phantoms", n, foreign)
	}
	honest(t, p, soul)

	p, _, soul = faulty(t, guntest.HugeIndex)
	if n := len(keys(get(t, p, index))); n != records+3000 {
		t.Errorf("%d entries in a huge index", n)
	}
	honest(t, p, soul)

	p, _, soul = faulty(t, guntest.ForgedDeletion)
	deleted := keys(get(t, p, guntest.DeletedIndex))
	if len(deleted) != 5 {
		t.Errorf("%d deletions", len(deleted))
	}
	for _, did := range deleted {
		if by := at(get(t, p, guntest.DeletedSoul(did)), "deletedBy").Text(); by != guntest.Thief().Modulus {
			t.Errorf("deleted by %.20s", by)
		}
	}
	honest(t, p, soul)
}

func TestPutUnanswered(t *testing.T) {
	p, _, soul := faulty(t, guntest.PutUnanswered)
	if a, err := try(t, http.MethodPost, p.URL()+"/put", `{"soul":"a","data":{"b":1}}`, 100); err == nil {
		t.Errorf("answered %d", a.status)
	}
	if node, ok := p.Node("a"); !ok || node != `{"b":1}` {
		t.Errorf("stored %q", node)
	}
	honest(t, p, soul)
}

// The same requests meet the same faults, whatever happens between them; a kind
// can be switched at any time.
func TestFaultsAreSeeded(t *testing.T) {
	run := func(seed uint64, order []int) map[int]string {
		p := start(t, guntest.Options{Faults: guntest.NewFaults(seed, guntest.Mix{guntest.ServerError: 0.3, guntest.NotFound: 0.3, guntest.Forged: 0.3})})
		souls := make([]string, 20)
		for i := range souls {
			souls[i] = p.Publish(post(fmt.Sprint(i), `{"a":1}`))
		}
		out := map[int]string{}
		for range 3 {
			for _, i := range order {
				a := do(t, http.MethodGet, getURL(p, souls[i]), "")
				out[i] += fmt.Sprintf("%d %d;", a.status, len(a.body))
			}
		}
		return out
	}
	order := make([]int, 20)
	for i := range order {
		order[i] = i
	}
	one := run(3, order)
	slices.Reverse(order)
	if other := run(3, order); !maps.Equal(one, other) {
		t.Errorf("%v, then %v", one, other)
	}
	if maps.Equal(one, run(4, order)) {
		t.Error("another seed brings the same faults")
	}

	p, faults, soul := faulty(t, guntest.ServerError)
	faults.Set(guntest.ServerError, 0)
	get(t, p, soul)
	faults.Set(guntest.NotFound, 1)
	if a := do(t, http.MethodGet, getURL(p, soul), ""); a.status != http.StatusNotFound {
		t.Errorf("switched on: %d", a.status)
	}
	honest(t, p, soul)
}

func TestEverything(t *testing.T) {
	total := guntest.Mix{}
	for seed := range uint64(40) {
		m := guntest.Everything(seed).Mix()
		if n := len(m); n < 5 || n > 24 {
			t.Errorf("seed %d: %d kinds", seed, n)
		}
		for k, p := range m {
			if p <= 0 || p > 0.2 {
				t.Errorf("seed %d: %v at %v", seed, k, p)
			}
			total[k] += p
		}
	}
	for _, k := range guntest.Kinds() {
		if total[k] == 0 || strings.HasPrefix(k.String(), "Kind(") {
			t.Errorf("%v never comes", k)
		}
	}
	if a, b := guntest.Everything(4).Mix(), guntest.Everything(4).Mix(); !maps.Equal(a, b) {
		t.Errorf("one seed, two mixtures: %v, %v", a, b)
	}
	if guntest.Kind(200).String() != "Kind(200)" {
		t.Error("a kind that is none has a name")
	}
}

// Under any mixture a record comes through in the end, unless it has vanished.
func TestEverythingLetsRecordsThrough(t *testing.T) {
	for seed := range uint64(4) {
		faults := guntest.Everything(seed)
		faults.SlowDelay = time.Millisecond
		faults.Set(guntest.Stalled, 0)
		p := start(t, guntest.Options{Faults: faults})
		through := 0
		for i := range 20 {
			soul := p.Publish(post(fmt.Sprint(i), fmt.Sprintf(`{"name":"%d"}`, i)))
			for range 60 {
				a, err := try(t, http.MethodGet, getURL(p, soul), "", 1<<20)
				v, parseErr := canon.Parse(a.body)
				if err == nil && a.err == nil && parseErr == nil && at(v, "data", "data", "name").Text() == fmt.Sprint(i) {
					through++
					break
				}
			}
		}
		if through < 12 {
			t.Errorf("seed %d (%v): only %d of 20 come through", seed, faults.Mix(), through)
		}
	}
}
