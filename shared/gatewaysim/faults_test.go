package gatewaysim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"oipnode/shared/gatewaysim"
)

// faulty is a gateway over 3 blocks of 20 records whose one fault always strikes.
func faulty(t *testing.T, kind gatewaysim.Kind) (*gatewaysim.Server, *gatewaysim.Faults) {
	t.Helper()
	chain := gatewaysim.NewChain(103)
	fill(t, chain, 101, 103, 20)
	faults := gatewaysim.NewFaults(5, gatewaysim.Mix{kind: 1})
	return start(t, chain, gatewaysim.Options{Faults: faults}), faults
}

// someID is one of faulty's records, and its data.
func someID() (id, data string) { return record("102/3").ID, string(record("102/3").Data) }

// honest checks that no fault is left.
func honest(t *testing.T, s *gatewaysim.Server) {
	t.Helper()
	id, data := someID()
	if a := do(t, http.MethodGet, s.URL()+"/raw/"+id, ""); a.status != http.StatusOK || string(a.body) != data {
		t.Errorf("after the faults: data %d %q", a.status, a.body)
	}
	if g := transactions(t, s, `first:100`); len(g.ids()) != 60 || len(g.Errors) > 0 {
		t.Errorf("after the faults: %d rows, %v", len(g.ids()), g.Errors)
	}
	if a := do(t, http.MethodGet, s.URL()+"/info", ""); !strings.Contains(string(a.body), `"height":103,`) {
		t.Errorf("after the faults: %s", a.body)
	}
}

func TestFaultsOfEveryRoute(t *testing.T) {
	id, _ := someID()
	for kind, check := range map[gatewaysim.Kind]func(answer) bool{
		gatewaysim.RateLimitedSeconds: func(a answer) bool {
			return a.status == 429 && a.header.Get("Retry-After") == "1"
		},
		gatewaysim.RateLimitedDate: func(a answer) bool {
			_, err := http.ParseTime(a.header.Get("Retry-After"))
			return a.status == 429 && err == nil
		},
		gatewaysim.RateLimited: func(a answer) bool {
			return a.status == 429 && a.header.Get("Retry-After") == ""
		},
		gatewaysim.PaymentRequired: func(a answer) bool { return a.status == 402 },
		gatewaysim.ServerError: func(a answer) bool {
			return slices.Contains([]int{500, 502, 503, 504}, a.status)
		},
		gatewaysim.SlowBody: func(a answer) bool { return a.status == 200 && len(a.body) > 0 },
	} {
		t.Run(kind.String(), func(t *testing.T) {
			s, faults := faulty(t, kind)
			for _, a := range []answer{
				do(t, http.MethodGet, s.URL()+"/info", ""),
				do(t, http.MethodGet, s.URL()+"/raw/"+id, ""),
				post(t, s, `{__typename}`),
			} {
				if a.err != nil || !check(a) {
					t.Errorf("%d %v %s", a.status, a.header, a.body)
				}
			}
			if faults.Fired(kind) != 3 {
				t.Errorf("fired %d times", faults.Fired(kind))
			}
			faults.Stop()
			honest(t, s)
		})
	}
}

func TestCloseConnection(t *testing.T) {
	s, faults := faulty(t, gatewaysim.CloseConnection)
	for range 3 {
		if a, err := try(t, http.MethodGet, s.URL()+"/info", ""); err == nil {
			t.Errorf("answered %d", a.status)
		}
	}
	faults.Stop()
	honest(t, s)
}

func TestHTMLInsteadOfJSON(t *testing.T) {
	s, faults := faulty(t, gatewaysim.HTMLInsteadOfJSON)
	id, data := someID()
	for _, a := range []answer{do(t, http.MethodGet, s.URL()+"/info", ""), post(t, s, `{__typename}`)} {
		if a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || a.body[0] != '<' {
			t.Errorf("%d %v %s", a.status, a.header, a.body)
		}
	}
	if a := do(t, http.MethodGet, s.URL()+"/raw/"+id, ""); string(a.body) != data {
		t.Errorf("data %q", a.body)
	}
	faults.Stop()
	honest(t, s)
}

func TestHeightFaults(t *testing.T) {
	height := func(s *gatewaysim.Server) string {
		var got struct{ Height json.RawMessage }
		if err := json.Unmarshal(do(t, http.MethodGet, s.URL()+"/info", "").body, &got); err != nil {
			t.Fatal(err)
		}
		return string(got.Height)
	}
	s, faults := faulty(t, gatewaysim.HeightBackwards)
	for range 20 {
		if h, err := strconv.Atoi(height(s)); err != nil || h > 102 || h < 103-500 {
			t.Errorf("backwards to %d, %v", h, err)
		}
	}
	faults.Stop()
	honest(t, s)

	s, faults = faulty(t, gatewaysim.HeightGarbage)
	seen := map[string]bool{}
	for range 60 {
		h := height(s)
		seen[h] = true
		if n, err := strconv.Atoi(h); err == nil && n > 0 && n < 1_000_000_000 {
			t.Errorf("%d is a height", n)
		}
	}
	if len(seen) < 5 {
		t.Errorf("little variety: %v", seen)
	}
	faults.Stop()
	honest(t, s)
}

func TestDataFaults(t *testing.T) {
	id, data := someID()
	for kind, check := range map[gatewaysim.Kind]func(answer) bool{
		gatewaysim.Blocked:  func(a answer) bool { return a.status == 451 },
		gatewaysim.Accepted: func(a answer) bool { return a.status == 202 },
		gatewaysim.Truncated: func(a answer) bool {
			return a.status == 200 && a.err == nil && len(a.body) < len(data) && strings.HasPrefix(data, string(a.body)) &&
				a.header.Get("Content-Length") == strconv.Itoa(len(a.body))
		},
		gatewaysim.Cut: func(a answer) bool {
			return a.status == 200 && a.err != nil && len(a.body) < len(data) && a.header.Get("Content-Length") == strconv.Itoa(len(data))
		},
		gatewaysim.Altered: func(a answer) bool {
			different := 0
			for i := range a.body {
				if a.body[i] != data[i] {
					different++
				}
			}
			return a.status == 200 && a.err == nil && len(a.body) == len(data) && different == 1
		},
	} {
		t.Run(kind.String(), func(t *testing.T) {
			s, faults := faulty(t, kind)
			for range 10 {
				if a := do(t, http.MethodGet, s.URL()+"/raw/"+id, ""); !check(a) {
					t.Errorf("%d %v %q", a.status, a.err, a.body)
				}
			}
			faults.Stop()
			honest(t, s)
		})
	}
}

func TestEmptyDataCannotBeSpoilt(t *testing.T) {
	chain := gatewaysim.NewChain(100)
	empty := gatewaysim.Item{ID: gatewaysim.IDFor("empty")}
	add(t, chain, 50, empty)
	faults := gatewaysim.NewFaults(1, gatewaysim.Mix{gatewaysim.Cut: 1, gatewaysim.Truncated: 1, gatewaysim.Altered: 1})
	s := start(t, chain, gatewaysim.Options{Faults: faults})
	if a := do(t, http.MethodGet, s.URL()+"/raw/"+empty.ID, ""); a.status != 200 || len(a.body) != 0 || a.err != nil {
		t.Errorf("nothing to spoil: %d %q %v", a.status, a.body, a.err)
	}
}

func TestNotFoundThenOK(t *testing.T) {
	chain := gatewaysim.NewChain(200)
	fill(t, chain, 101, 102, 20)
	faults := gatewaysim.NewFaults(3, gatewaysim.Mix{gatewaysim.NotFoundThenOK: 1})
	s := start(t, chain, gatewaysim.Options{Faults: faults})
	lengths := map[int]bool{}
	for it := range chain.Visible() {
		spoiled := 0
		for do(t, http.MethodGet, s.URL()+"/raw/"+it.ID, "").status == http.StatusNotFound {
			if spoiled++; spoiled > 3 {
				t.Fatalf("%s is missing for ever", it.ID)
			}
		}
		lengths[spoiled] = true
	}
	if lengths[0] || len(lengths) != 3 {
		t.Errorf("reads spoiled: %v", lengths)
	}
}

func TestBlockedBelongsToTheID(t *testing.T) {
	chain := gatewaysim.NewChain(200)
	fill(t, chain, 101, 102, 20)
	s := start(t, chain, gatewaysim.Options{Faults: gatewaysim.NewFaults(3, gatewaysim.Mix{gatewaysim.Blocked: 0.5})})
	blocked := 0
	for it := range chain.Visible() {
		first := do(t, http.MethodGet, s.URL()+"/raw/"+it.ID, "").status
		if second := do(t, http.MethodGet, s.URL()+"/"+it.ID, "").status; first != second {
			t.Errorf("%s: %d, then %d", it.ID, first, second)
		}
		if first == http.StatusUnavailableForLegalReasons {
			blocked++
		}
	}
	if blocked < 8 || blocked > 32 {
		t.Errorf("%d of 40 blocked at one half", blocked)
	}
}

func TestUntilEndsFaults(t *testing.T) {
	chain := gatewaysim.NewChain(103)
	fill(t, chain, 101, 103, 20)
	faults := gatewaysim.NewFaults(1, gatewaysim.Mix{gatewaysim.ServerError: 1}).Until(2)
	s := start(t, chain, gatewaysim.Options{Faults: faults})
	for range 2 {
		if a := do(t, http.MethodGet, s.URL()+"/info", ""); a.status < 500 {
			t.Errorf("step %d: %d", chain.Now(), a.status)
		}
		chain.Step()
	}
	honest(t, s)
}

// The same requests must meet the same faults however they interleave.
func TestFaultsAreDeterministic(t *testing.T) {
	chain := gatewaysim.NewChain(103)
	fill(t, chain, 101, 103, 20)
	var all []string
	for it := range chain.Visible() {
		all = append(all, it.ID)
	}
	mix := gatewaysim.Mix{
		gatewaysim.ServerError: 0.2, gatewaysim.Accepted: 0.2, gatewaysim.Truncated: 0.3,
		gatewaysim.Altered: 0.3, gatewaysim.NotFoundThenOK: 0.2, gatewaysim.RateLimited: 0.1,
	}
	run := func(seed uint64, parallel int, order []string) map[string]string {
		s := start(t, chain, gatewaysim.Options{Faults: gatewaysim.NewFaults(seed, mix)})
		var mu sync.Mutex
		got := map[string]string{}
		var wg sync.WaitGroup
		for part := range slices.Chunk(order, (len(order)+parallel-1)/parallel) {
			wg.Go(func() {
				for _, id := range part {
					for range 3 {
						a, err := try(t, http.MethodGet, s.URL()+"/raw/"+id, "")
						mu.Lock()
						got[id] += fmt.Sprintf("%d %q %v;", a.status, a.body, err)
						mu.Unlock()
					}
				}
			})
		}
		wg.Wait()
		return got
	}
	one := run(9, 1, all)
	slices.Reverse(all)
	other, otherSeed := run(9, 4, all), run(10, 1, all)
	different := map[string]bool{}
	for id, answers := range one {
		if answers != other[id] {
			t.Errorf("%s: %s or %s", id, answers, other[id])
		}
		different[answers] = true
	}
	if len(different) < 20 {
		t.Errorf("only %d kinds of histories", len(different))
	}
	if maps.Equal(one, otherSeed) {
		t.Error("another seed brings the same faults")
	}
}

func TestEverything(t *testing.T) {
	total := gatewaysim.Mix{}
	for seed := range uint64(40) {
		m := gatewaysim.Everything(seed).Mix()
		if n := len(m); n < 5 || n > 25 {
			t.Errorf("seed %d: %d kinds", seed, n)
		}
		for k, p := range m {
			if p <= 0 || p > 0.2 {
				t.Errorf("seed %d: %v at %v", seed, k, p)
			}
			total[k] += p
		}
	}
	for _, k := range gatewaysim.Kinds() {
		if total[k] == 0 || strings.HasPrefix(k.String(), "Kind(") {
			t.Errorf("%v never comes", k)
		}
	}
	if a, b := gatewaysim.Everything(4).Mix(), gatewaysim.Everything(4).Mix(); fmt.Sprint(a) != fmt.Sprint(b) {
		t.Errorf("one seed, two mixtures: %v, %v", a, b)
	}
}

// Under any mixture every response stays within what the kinds promise, and the
// data come through in the end.
func TestEverythingLetsDataThrough(t *testing.T) {
	for seed := range uint64(4) {
		chain := gatewaysim.NewChain(103)
		fill(t, chain, 101, 103, 20)
		faults := gatewaysim.Everything(seed)
		faults.SlowDelay = time.Millisecond
		s := start(t, chain, gatewaysim.Options{Seed: seed, Faults: faults})
		for it := range chain.Visible() {
			ok := false
			for range 50 {
				a, err := try(t, http.MethodGet, s.URL()+"/raw/"+it.ID, "")
				if a.status == http.StatusUnavailableForLegalReasons ||
					err == nil && a.err == nil && a.status == http.StatusOK && bytes.Equal(a.body, it.Data) {
					ok = true
					break
				}
			}
			if !ok {
				t.Errorf("seed %d (%v): %s never comes", seed, faults.Mix(), it.ID)
			}
		}
		faults.Stop()
		honest(t, s)
	}
}
