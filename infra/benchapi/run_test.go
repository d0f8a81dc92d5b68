package main

import (
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"oipnode/infra/engines"
	"oipnode/shared/trend"
)

func TestSettings(t *testing.T) {
	getenv := func(name string) string {
		if name == engines.OpenSearch.Variable {
			return "http://127.0.0.1:9/"
		}
		return ""
	}
	s, err := readSettings([]string{"-records", "500", "-only", "Plain,heap"}, getenv, io.Discard)
	if err != nil || s.records != 500 || s.openSearch != "http://127.0.0.1:9" || !s.wanted("embedded", "plain page") || s.wanted("embedded", "search") || !s.wanted("embedded", "heap") {
		t.Errorf("%+v, %v", s, err)
	}
	for _, args := range [][]string{{"x"}, {"-records", "1"}, {"-turn", "1ns"}, {"-connections", "0"}, {"-heap", "7"}, {"-nothing"}} {
		if _, err := readSettings(args, getenv, io.Discard); !errors.Is(err, errUsage) {
			t.Errorf("%v: %v", args, err)
		}
		if code := run(t.Context(), args, getenv, io.Discard); code != exitUsage {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
}

// TestMeasure measures a little, twice: the second time with the records of the first.
func TestMeasure(t *testing.T) {
	for _, withEngine := range []bool{false, true} {
		t.Run(map[bool]string{false: "embedded", true: "OpenSearch"}[withEngine], func(t *testing.T) {
			s := settings{records: 600, kept: t.TempDir(), only: []string{"plain"}, turn: 20 * time.Millisecond, connections: 2, prefix: "benchapi-" + strings.ToLower(rand.Text()[:12])}
			if withEngine {
				s.openSearch = engines.OpenSearch.URL(t)
				t.Cleanup(func() { remove(t, s.openSearch+"/"+s.prefix+"-v*") })
			} else {
				s.only, s.heapRequests = append(s.only, "heap"), leastHeapRequests
			}
			for range 2 {
				var said strings.Builder
				r, err := measure(t.Context(), s, &said)
				if err != nil {
					t.Fatalf("%v: %s", err, said.String())
				}
				rows := 1
				if withEngine {
					rows = 2
				}
				if len(r.Rows) != rows || len(r.disagreements()) > 0 || (r.Heap == nil) == !withEngine {
					t.Fatalf("%d rows, %v, heap %+v", len(r.Rows), r.disagreements(), r.Heap)
				}
				for _, row := range r.Rows {
					if row.Fault != "" || row.P50 <= 0 || row.RawP50 <= 0 || row.P99 < row.P50 || row.Rate <= 0 || row.RawRate <= 0 || row.CachedRate <= 0 ||
						row.Searches != 1 || row.Bytes == 0 || row.Matches < 500 || row.Matches > 600 {
						t.Errorf("%+v", row)
					}
				}
				if withEngine {
					break
				}
				if made := strings.Contains(said.String(), "they are made"); made != (s.prefix != "") {
					t.Errorf("made: %t: %s", made, said.String())
				}
				s.prefix = ""
			}
		})
	}
}

func remove(t *testing.T, url string) {
	r, err := http.NewRequest(http.MethodDelete, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		t.Errorf("remove the index: %s", res.Status)
	}
}

func TestReport(t *testing.T) {
	r := &result{Records: 1000, Connections: 8, Turn: time.Second, Heap: &heapResult{Requests: 1000, Line: trend.Line{Mean: 5 * mebibyte}}, Rows: []row{
		{Store: "embedded", Name: "plain page", P50: 1.4, RawP50: 1, Rate: 86, RawRate: 100, CachedRate: 6000, Matches: 5},
		{Store: "OpenSearch", Name: "plain page", P50: 1.5, RawP50: 1, Rate: 84, RawRate: 100, CachedRate: 4000, Matches: 5},
	}}
	if r.failed() {
		t.Error("it failed")
	}
	text := string(r.markdown())
	for _, want := range []string{
		"| embedded | plain page | 5 | 0 | 0 KB | 1.4 | 0 | 1 | 0 | yes | 86 | 100 | 0.86 | yes |",
		"| OpenSearch | plain page | 5 | 0 | 0 KB | 1.5 | 0 | 1 | 0 | **no** | 84 | 100 | 0.84 | **no** |",
		"| OpenSearch | plain page | 0 | 0 | 4000 | **no** |", "flat",
		"| plain page | 1.4 ms (1); 86 (100) | 1.5 ms (1); 84 (100) | 4000 |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	r.Rows[1].Matches = 4
	if text := string(r.markdown()); !r.failed() || !strings.Contains(text, "plain page: 5 matches in embedded, 4 in OpenSearch") {
		t.Errorf("different answers: %s", text)
	}
	r.Rows[1] = row{Store: "OpenSearch", Name: "plain page", Fault: "a | b\nc"}
	if text := string(r.markdown()); !r.failed() || !strings.Contains(text, `**a \| b c**`) {
		t.Errorf("a fault: %s", text)
	}
	r.Rows, r.Heap.Line = nil, trend.Line{Slope: 1, Span: 10 * mebibyte, Mean: mebibyte}
	if !r.failed() || !strings.Contains(string(r.markdown()), "**grows**") {
		t.Error("a heap that grows is no failure")
	}
	dir := t.TempDir()
	if err := r.write(filepath.Join(dir, "new")); err != nil {
		t.Error(err)
	}
}

// TestDifferent: no two queries of the heap's measurement are the same.
func TestDifferent(t *testing.T) {
	known := make(map[string]bool)
	for i := range 100_000 {
		known[different(i, manyDIDs)] = true
	}
	if len(known) != 100_000 {
		t.Errorf("%d different queries", len(known))
	}
}

var manyDIDs = func() (list []string) {
	for i := range 300 {
		list = append(list, "did:arweave:"+tag(uint64(i)))
	}
	return list
}()
