package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"oipnode/shared/oip"
)

// walk follows a query to its end, by page number or by cursor, and returns the
// DIDs in the order in which they came.
func walk(w *world, token string, byCursor bool, params ...string) []string {
	w.Helper()
	var dids []string
	cursor := ""
	for n := 1; ; n++ {
		at := []string{"page", fmt.Sprint(n)}
		if byCursor {
			at = []string{"cursor", cursor}
		}
		answer := w.ok(token, "/api/records", append(at, params...)...)
		w.expect(answer, "currentPage", fmt.Sprint(n))
		for _, r := range list(w.T, answer, "records") {
			dids = append(dids, r["oip"].(object)["did"].(string))
		}
		next, more := answer["nextCursor"].(string)
		if total := answer["totalPages"]; more != (fmt.Sprint(total) != fmt.Sprint(n)) {
			w.Fatalf("page %d of %v: nextCursor %v", n, total, answer["nextCursor"])
		}
		if cursor = next; !more {
			return dids
		}
	}
}

// TestPages: pages by number and by cursor give the same records in the same
// order, each once, although many of them tie.
func TestPages(t *testing.T) {
	w := newWorld(t)
	var all []record
	for i := range 60 {
		r := post([]string{"Same", "same", "other"}[i%3], startHeight+int64(i/20), fields{1: i})
		if i%7 == 0 {
			r.height = 0
		}
		all = append(all, r)
	}
	want := w.publish(all...)
	slices.Sort(want)
	for _, order := range []string{"", "inArweaveBlock:asc", "name:asc", "name:desc", "recordType", "indexedAt:asc", "date"} {
		whole := walk(w, "", false, "sortBy", order, "limit", "1000")
		for _, limit := range []string{"7", "20", "60"} {
			for _, byCursor := range []bool{false, true} {
				got := walk(w, "", byCursor, "sortBy", order, "limit", limit)
				if !slices.Equal(got, whole) {
					t.Errorf("sortBy=%s limit=%s cursor=%v: other records or another order than all at once", order, limit, byCursor)
				}
				if slices.Sort(got); !slices.Equal(got, want) {
					t.Errorf("sortBy=%s limit=%s cursor=%v: not each record once", order, limit, byCursor)
				}
			}
		}
	}
}

// TestCursors: a cursor continues its own query for its own caller, and nothing else.
func TestCursors(t *testing.T) {
	w := newWorld(t)
	var all []record
	for i := range 30 {
		all = append(all, post(fmt.Sprint("n", i), startHeight+int64(i), fields{3: []string{"x"}}))
	}
	w.publish(all...)
	cursor := w.ok("", "/api/records", "tags", "x")["nextCursor"].(string)
	w.ok("", "/api/records", "tags", "x", "cursor", cursor)
	w.ok("", "/api/records", "tags", "x,x", "cursor", cursor, "limit", "3", "page", "1", "hideNullValues", "true", "sortBy", "inArweaveBlock:desc")
	inner := cursor[strings.Index(cursor, ".")+1:]
	for name, params := range map[string][]string{
		"no filter":      {"cursor", cursor},
		"other filter":   {"tags", "x", "recordType", "post", "cursor", cursor},
		"other order":    {"tags", "x", "sortBy", "inArweaveBlock:asc", "cursor", cursor},
		"deletions":      {"tags", "x", "includeDeleteMessages", "true", "cursor", cursor},
		"no page":        {"tags", "x", "cursor", inner},
		"page 0":         {"tags", "x", "cursor", "0." + inner},
		"page 1":         {"tags", "x", "cursor", "1." + inner},
		"page x":         {"tags", "x", "cursor", "x." + inner},
		"page too large": {"tags", "x", "cursor", "99999999999." + inner},
		"cut":            {"tags", "x", "cursor", cursor[:len(cursor)-3]},
		"longer":         {"tags", "x", "cursor", cursor + "AA"},
		"only a page":    {"tags", "x", "cursor", "2."},
		"not base64":     {"tags", "x", "cursor", "2.???"},
	} {
		if m := w.refused("cursor", "/api/records", params...); !strings.Contains(m, "nextCursor") {
			t.Errorf("%s: %q", name, m)
		}
	}
	w.refused("page", "/api/records", "tags", "x", "cursor", cursor, "page", "2")
	if res := w.as(token(t, "somebody"), "/api/records", "tags", "x", "cursor", cursor); res.Code != 400 || res.json["parameter"] != "cursor" {
		t.Errorf("the cursor of an anonymous caller, by a user: %d %s", res.Code, res.Body)
	}
}

// TestExactMatchCursors: a cursor continues an exactMatch of several fields every time,
// also when two of its names lead to the same values.
func TestExactMatchCursors(t *testing.T) {
	w := newWorld(t)
	var all []record
	for i := range 3 {
		all = append(all, post(fmt.Sprint("n", i), startHeight+int64(i), fields{3: []string{"x", "y"}}))
	}
	w.publish(all...)
	for _, exact := range []string{`{"basic.tagItems":"x","data.basic.tagItems":"y"}`, `{"data.basic.tagItems":"y","oip.ver":"0.8.0","basic.tagItems":"x"}`} {
		first := w.ok("", "/api/records", "exactMatch", exact, "limit", "1")
		w.expect(first, "searchResults", "3")
		for range 50 {
			next := w.ok("", "/api/records", "exactMatch", exact, "limit", "1", "cursor", first["nextCursor"].(string), "forceRefresh", "true")
			if got := names(t, next); got != "n1" {
				t.Fatalf("%s: behind n2 comes %s, want n1", exact, got)
			}
		}
	}
}

// TestListPages: the lists of registrations are paged in the same way.
func TestListPages(t *testing.T) {
	w := newWorld(t)
	p := published()
	var docs []*oip.Document
	for i, s := range p.signers {
		docs = append(docs, p.expand(i, s.Registration(fmt.Sprint("writer", i), "Surname"), startHeight+int64(i), false))
	}
	w.put(docs...)
	first := w.ok("", "/api/creators", "limit", "2")
	w.expect(first, "message", `"Creators retrieved successfully"`, "totalCreators", "3", "searchResults", "3", "pageSize", "2", "currentPage", "1", "totalPages", "2")
	second := w.ok("", "/api/creators", "limit", "2", "cursor", first["nextCursor"].(string))
	w.expect(second, "currentPage", "2", "nextCursor", "null")
	var handles []any
	for _, c := range append(list(t, first, "creators"), list(t, second, "creators")...) {
		handles = append(handles, at(c, "data", "creatorHandle"))
	}
	if got := fmt.Sprint(handles); got != "[writer2 writer1 writer0]" {
		t.Errorf("creators, the newest first: %s", got)
	}
	w.expect(w.ok("", "/api/creators"), "pageSize", "100", "totalPages", "1")
}
