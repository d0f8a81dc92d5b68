package api

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"oipnode/shared/errs"
	"oipnode/shared/oip/canon"
)

// allocated is how many bytes f allocates in all, freed or not.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// named is a document with a name and this other data.
func named(did, name, more string) string {
	return fmt.Sprintf(`{"data":{"basic":{"name":%q}%s},"oip":{"did":%q}}`, name, more, did)
}

// times is a list of so many of these elements.
func times(n int, element func(i int) string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = element(i)
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// TestResolveHostile: records that are made to be expensive end soon, with an answer or
// without, in memory that the bound of an answer and what was read set.
func TestResolveHostile(t *testing.T) {
	const most = 5 << 20
	did := func(i int) string { return fmt.Sprintf("did:gun:aaaaaaaaaaaa:%d", i) }
	to := func(j int) func(int) string { return func(int) string { return `"` + did(j) + `"` } }
	long := strings.Repeat("x", 10_000)
	pair := map[string]string{
		did(0): named(did(0), "zero", `,"to":`+times(1000, to(1))),
		did(1): named(did(1), "one", `,"to":`+times(1000, to(0))),
	}
	self := map[string]string{did(0): named(did(0), "self", `,"to":`+times(1000, to(0)))}
	clique := make(map[string]string)
	for i := range 100 {
		clique[did(i)] = named(did(i), "all", `,"to":`+times(100, func(j int) string { return `"` + did(j) + `"` }))
	}
	many := map[string]string{did(0): named(did(0), "many", `,"to":`+times(100_000, func(i int) string { return `"` + did(i) + `"` }))}
	lost := map[string]string{did(0): named(did(0), "lost", `,"to":`+times(100_000, to(1)))}
	thousand := map[string]string{did(0): named(did(0), "root", `,"to":`+times(1000, to(1))), did(1): named(did(1), long, "")}
	heavy := make(map[string]string)
	for i := range 2000 {
		heavy[did(i)] = named(did(i), long, `,"to":["`+did(i+1)+`"]`)
	}
	heavy["did:gun:aaaaaaaaaaaa:root"] = named("did:gun:aaaaaaaaaaaa:root", "root", `,"to":`+times(2000, func(i int) string { return `"` + did(i) + `"` }))
	deep := map[string]string{did(1): named(did(1), "one", ""),
		did(0): named(did(0), "deep", `,"to":`+strings.Repeat("[", canon.MaxDepth-1)+`"`+did(1)+`"`+strings.Repeat("]", canon.MaxDepth-1))}
	names := map[string]string{did(1): named(did(1), strings.Repeat("n", 1<<20), ""), did(0): named(did(0), "root", `,"recipe":{"ingredient":`+times(1000, to(1))+
		`,"ingredient_comment":`+times(1000, func(int) string { return `"ground"` })+`}`)}
	// A recipe with a long comment on its one ingredient, which is named often. What the
	// name of the ingredient says already is not said again, so the answers are small.
	commented := func(n int, name, comment string) map[string]string {
		return map[string]string{
			did(0): named(did(0), "root", `,"to":`+times(n, to(1))),
			did(1): named(did(1), "recipe", `,"recipe":{"ingredient":["`+did(2)+`"],"ingredient_comment":["`+comment+`"]}`),
			did(2): named(did(2), name, ""),
		}
	}
	words := strings.Trim(strings.ReplaceAll(times(3000, func(i int) string { return string([]byte{'a' + byte(i/400), 'a' + byte(i/20%20), 'a' + byte(i%20)}) }), ",", " "), "[]")
	// A long name in front of many members, and more fields than a map compares one by one.
	paths := map[string]string{did(0): named(did(0), "paths", `,"`+strings.Repeat("n", 1<<20)+`":{"list":`+times(300_000, func(int) string { return `{"a":0}` })+`}`)}
	asked := make(fieldPaths)
	for i := range 20 {
		asked[fmt.Sprintf("basic.f%d", i)] = true
	}
	for name, c := range map[string]struct {
		documents map[string]string
		root      string
		resolving
		fits bool
	}{
		"two that name each other, once":    {pair, did(0), resolving{depth: 1}, false},
		"two that name each other, by name": {pair, did(0), resolving{depth: 1, namesOnly: true}, true},
		"two that name each other, deep":    {pair, did(0), resolving{depth: 5}, false},
		"itself":                            {self, did(0), resolving{depth: 5}, true},
		"everyone":                          {clique, did(0), resolving{depth: 1}, true},
		"everyone, deep":                    {clique, did(0), resolving{depth: 5}, false},
		"many":                              {many, did(0), resolving{depth: 1}, false},
		"many, not asked for":               {many, did(0), resolving{depth: 1, fields: fieldPaths{"basic": true}}, true},
		"one that is missing, often":        {lost, did(0), resolving{depth: 5}, true},
		"a large one, often":                {thousand, did(0), resolving{depth: 1}, false},
		"much to be read":                   {heavy, "did:gun:aaaaaaaaaaaa:root", resolving{depth: 1}, false},
		"nested":                            {deep, did(0), resolving{depth: 5}, true},
		"a long name, not asked for":        {paths, did(0), resolving{depth: 1, fields: asked}, true},
		"long comments":                     {commented(1, words+" ground zz", "ground"+strings.Repeat(" zz", 100_000)), did(0), resolving{depth: 2, namesOnly: true}, true},
		"long comments, often":              {commented(8, "ground zz", "ground"+strings.Repeat(" zz", 100_000)), did(0), resolving{depth: 2, namesOnly: true}, true},
		"a large name, often":               {names, did(0), resolving{depth: 1, namesOnly: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			read := 0
			for _, doc := range c.documents {
				read += len(doc)
			}
			var err error
			got := allocated(func() {
				_, err = expanded(c.resolving, shape{sigs: true, pubKeys: true, hideDateReadable: true}, most, c.documents, c.root)
			})
			if c.fits != (err == nil) || err != nil && !errors.Is(err, errs.TooLarge) {
				t.Errorf("%v", err)
			}
			t.Logf("%.1f MiB of documents, %.1f MiB allocated", float64(read)/(1<<20), float64(got)/(1<<20))
			if bound := 6*min(read, 3*most) + 3*most; got > bound {
				t.Errorf("%d bytes allocated, more than %d", got, bound)
			}
		})
	}
	// What is nested deeper is no document, and nothing recurs into it.
	tooDeep := map[string]string{did(0): named(did(0), "deep", `,"to":`+strings.Repeat("[", 500)+`"`+did(0)+`"`+strings.Repeat("]", 500))}
	if _, err := expanded(resolving{depth: 1}, shape{sigs: true, pubKeys: true, hideDateReadable: true}, most, tooDeep, did(0)); !errors.Is(err, canon.ErrTooDeep) {
		t.Errorf("nested 500 deep: %v", err)
	}
}

// TestResolveTooLarge: an answer over its bound is a 413 that says what to ask for less
// of, and each of these makes it fit.
func TestResolveTooLarge(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.MaxAnswer = 100_000 })
	w.put(gunRecord(t, "large", "post", fmt.Sprintf(`{"basic":{"name":"large","description":%q}}`, strings.Repeat("x", 20_000))))
	w.weave("one:large", "two:large one", "three:large one two", "four:three two one")
	refused := func(params ...string) {
		t.Helper()
		res := w.call("/api/records", params...)
		message, _ := res.json["error"].(string)
		for _, parameter := range []string{"resolveDepth", "limit", "resolveFieldName"} {
			if !strings.Contains(message, parameter) {
				t.Errorf("%v: %q does not name %s", params, message, parameter)
			}
		}
		if res.Code != http.StatusRequestEntityTooLarge || res.json["code"] != "too_large" || res.json["records"] != nil {
			t.Errorf("%v: %d %.300s", params, res.Code, res.Body)
		}
	}
	refused("resolveDepth", "3")
	for _, less := range [][]string{{"resolveDepth", "0"}, {"resolveDepth", "1"}, {"resolveDepth", "3", "limit", "1", "sortBy", "name:desc"}, {"resolveDepth", "3", "resolveFieldName", "basic"},
		{"resolveDepth", "1", "resolveNamesOnly", "true"}} {
		w.ok("", "/api/records", less...)
	}
}

// TestResolveTooMany: more different references than are read for one answer.
func TestResolveTooMany(t *testing.T) {
	w := newWorld(t)
	of := func(from, n int) string {
		return times(n, func(i int) string { return fmt.Sprintf(`"did:arweave:%043d"`, from+i) })
	}
	w.put(gunRecord(t, "most", "post", `{"basic":{"name":"most"},"links":{"to":`+of(0, maxReferences)+`}}`),
		gunRecord(t, "more", "post", `{"basic":{"name":"more"},"links":{"to":`+of(5, maxReferences)+`}}`))
	for _, id := range []string{"most", "more"} {
		w.expect(w.ok("", "/api/records", "did", gunDID(id), "resolveDepth", "1"), "searchResults", "1")
	}
	res := w.call("/api/records", "resolveDepth", "1")
	if message, _ := res.json["error"].(string); res.Code != http.StatusRequestEntityTooLarge || !strings.Contains(message, "resolveFieldName") {
		t.Errorf("%d %.300s", res.Code, res.Body)
	}
	w.expect(w.ok("", "/api/records", "resolveDepth", "1", "resolveFieldName", "basic"), "searchResults", "2")
}
