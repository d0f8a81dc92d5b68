package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"oipnode/shared/records"
)

// tables are the tables of all routes, by path.
func tables() map[string][]param {
	return map[string][]param{
		"/api/records":       new(recordsRequest).params(),
		"/api/templates":     new(templatesRequest).params(),
		"/api/creators":      new(paging).params(100),
		"/api/organizations": new(paging).params(100),
		"/api/health/keepdb": new(keepdbRequest).params(),
	}
}

// TestTables: each row can be described, and no name is there twice.
func TestTables(t *testing.T) {
	for path, table := range tables() {
		var seen []string
		for _, p := range table {
			if p.name == "" || p.doc == "" || p.kind.allowed == "" || slices.Contains(seen, p.name) {
				t.Errorf("%s: row %q", path, p.name)
			}
			seen = append(seen, p.name)
		}
	}
}

// TestEveryParameter sends each parameter of each route empty, twice, too long,
// not in UTF-8, and not percent-encoded.
func TestEveryParameter(t *testing.T) {
	w := newWorld(t)
	for path, table := range tables() {
		for _, p := range table {
			if res := w.call(path, p.name, ""); res.Code != http.StatusOK {
				t.Errorf("%s %s empty: %d %s", path, p.name, res.Code, res.Body)
			}
			if res := w.call(path, p.name, "", p.name, "", strings.ToUpper(p.name), "\xff"); res.Code != http.StatusOK {
				t.Errorf("%s %s empty twice, and in capitals: %d %s", path, p.name, res.Code, res.Body)
			}
			often := slices.Repeat([]string{p.name, "1"}, max(p.kind.many, 1)+1)
			if m := w.refused(p.name, path, often...); !strings.Contains(m, "once") && !strings.Contains(m, "at most 10 times") {
				t.Errorf("%s %s %d times: %q", path, p.name, len(often)/2, m)
			}
			if m := w.refused(p.name, path, p.name, strings.Repeat("x", maxValue+1)); !strings.Contains(m, "10240 bytes") {
				t.Errorf("%s %s too long: %q", path, p.name, m)
			}
			w.refused(p.name, path, p.name, "a\xff")
			for _, raw := range []string{"%", "%zz", "%f", "a%2"} {
				res := w.do(httptest.NewRequest(http.MethodGet, path+"?x=1&"+p.name+"="+raw, nil))
				if res.Code != http.StatusBadRequest || res.json["parameter"] != p.name {
					t.Errorf("%s %s=%s: %d %s", path, p.name, raw, res.Code, res.Body)
				}
			}
		}
	}
}

// TestHugeValues: 100 KB in a parameter, and JSON that is nested as deep as that allows,
// are a 400 that names it; reading them takes little more memory than they have bytes.
func TestHugeValues(t *testing.T) {
	w := newWorld(t)
	const size = 100_000
	for path, table := range tables() {
		for _, p := range table {
			for _, value := range []string{strings.Repeat("x", size), strings.Repeat("%ff", size/3), strings.Repeat("[", size), `{"a":` + strings.Repeat(`{"a":`, size/6)} {
				raw := p.name + "=" + strings.ReplaceAll(value, `"`, "%22")
				r := httptest.NewRequest(http.MethodGet, path, nil)
				if r.URL.RawQuery = raw; len(raw) > maxQuery {
					continue
				}
				if res := w.do(r); res.Code != http.StatusBadRequest || res.json["parameter"] != p.name {
					t.Errorf("%s %s=%.20s: %d %s", path, p.name, value, res.Code, res.Body)
				}
				if got := allocated(func() { _, _ = parse(raw, table) }); got > 4*maxQuery {
					t.Errorf("%s %s=%.20s: reading it takes %d bytes", path, p.name, value, got)
				}
			}
		}
	}
}

// TestBadValues: a known parameter with a bad value is a 400 that says what is allowed.
func TestBadValues(t *testing.T) {
	w := newWorld(t)
	many := strings.Repeat("a,b,", 60)
	for i := range 110 {
		many += string(rune('A'+i%26)) + string(rune('a'+i/26)) + ","
	}
	for _, c := range []struct{ path, name, value, allowed string }{
		{"/api/records", "did", "not a did", "did:arweave:"},
		{"/api/records", "did", "did:arweave:", "did:arweave:"},
		{"/api/records", "didTx", "did:web:example.com", "did:arweave:"},
		{"/api/records", "creator_did_address", "did%zz", "did:arweave:"},
		{"/api/records", "creator_did_address", url.QueryEscape(url.QueryEscape("did:arweave:x")), "did:arweave:"},
		{"/api/records", "source", "ipfs", "all, arweave, gun, irys"},
		{"/api/records", "storage", "everything", "all, arweave, gun, irys"},
		{"/api/records", "tagsMatchMode", "XOR", "OR, AND"},
		{"/api/records", "tags", " , ,", "comma list"},
		{"/api/records", "tags", many, "at most 100"},
		{"/api/records", "inArweaveBlock", "-1", "bad"},
		{"/api/records", "inArweaveBlock", "BAD", "bad"},
		{"/api/records", "inArweaveBlock", "1.5", "block height"},
		{"/api/records", "inArweaveBlock", "9007199254740993", "block height"},
		{"/api/records", "inArweaveBlock", "99999999999999999999", "block height"},
		{"/api/records", "inArweaveBlock", "+5", "block height"},
		{"/api/records", "inArweaveBlock", "٣", "block height"},
		{"/api/records", "dateStart", "yesterday", "ISO date"},
		{"/api/records", "dateStart", "-", "ISO date"},
		{"/api/records", "dateStart", "--5", "ISO date"},
		{"/api/records", "dateEnd", "2024-02-30", "ISO date"},
		{"/api/records", "dateEnd", "1e9", "ISO date"},
		{"/api/records", "includeDeleteMessages", "yes", "true or false"},
		{"/api/records", "hideNullValues", "1", "true or false"},
		{"/api/records", "sortBy", "date:up", "asc"},
		{"/api/records", "sortBy", "nonsense:down", "asc"},
		{"/api/records", "sortBy", "date:asc:desc", "asc"},
		{"/api/records", "limit", "0", "from 1 to 1000"},
		{"/api/records", "limit", "1001", "cursor"},
		{"/api/records", "limit", "-1", "from 1 to 1000"},
		{"/api/records", "limit", "ten", "from 1 to 1000"},
		{"/api/records", "limit", "99999999999999999999", "from 1 to 1000"},
		{"/api/records", "page", "0", "from 1"},
		{"/api/records", "page", "1e3", "from 1"},
		{"/api/records", "page", "501", "cursor"},
		{"/api/records", "page", "1000000000", "cursor"},
		{"/api/records", "cursor", "garbage", "nextCursor"},
		{"/api/records", "search", manyWords(maxSearchWords + 1), "at most 32"},
		{"/api/records", "searchMatchMode", "NOT", "AND, OR"},
		{"/api/records", "didTxRef", "basic", "did:arweave:"},
		{"/api/records", "exactMatch", "{", "JSON object"},
		{"/api/records", "exactMatch", "[]", "JSON object"},
		{"/api/records", "exactMatch", "{}", "1 to 20"},
		{"/api/records", "exactMatch", `{"a":1} {}`, "JSON object"},
		{"/api/records", "exactMatch", `{"a":null}`, "a text, a number or true or false"},
		{"/api/records", "exactMatch", `{"a":["x"]}`, "a text, a number or true or false"},
		{"/api/records", "exactMatch", `{"a":{"b":1}}`, "a text, a number or true or false"},
		{"/api/records", "exactMatch", `{"a":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, "JSON object"},
		{"/api/records", "exactMatch", `{"a":1e999}`, "JSON object"},
		{"/api/records", "exactMatch", `{"":1}`, "field paths"},
		{"/api/records", "exactMatch", `{"data.":1}`, "field paths"},
		{"/api/records", "exactMatch", `{"oip.signature":"x"}`, "oip.creator.creatorHandle"},
		{"/api/records", "exactMatch", `{"` + strings.Repeat("a", records.MaxPath+1) + `":1}`, "field paths"},
		{"/api/records", "exactMatch", `{"a1":1,"a2":1,"a3":1,"a4":1,"a5":1,"a6":1,"a7":1,"a8":1,"a9":1,"a10":1,"a11":1,"a12":1,"a13":1,"a14":1,"a15":1,"a16":1,"a17":1,"a18":1,"a19":1,"a20":1,"a21":1}`, "1 to 20"},
		{"/api/records", "fieldName", "data.", "path below data"},
		{"/api/records", "fieldName", strings.Repeat("a", records.MaxPath+1), "256 bytes"},
		{"/api/records", "fieldSearch", "value", "as often as fieldName"},
		{"/api/records", "fieldMatchMode", "fuzzy", "partial, exact"},
		{"/api/records", "scheduledOn", "2024-02-30", "2024-04-19"},
		{"/api/records", "scheduledOn", "tomorrow", "unix seconds"},
		{"/api/records", "hasAudio", "1", "true or false"},
		{"/api/records", "hasAudio", "t", "true or false"},
		{"/api/records", "exerciseNames", strings.Repeat("x", 201), "200 bytes"},
		{"/api/records", "exerciseDIDs", "did:arweave:x,squat", "each a DID"},
		{"/api/records", "equipmentRequired", strings.Repeat("x", 65), "64 bytes"},
		{"/api/records", "equipmentRequired", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u", "at most 20"},
		{"/api/records", "equipmentMatchMode", "ANY", "AND, OR"},
		{"/api/records", "exerciseTypeMatchMode", "ANY", "OR, AND"},
		{"/api/records", "cuisine", ",", "comma list"},
		{"/api/records", "cuisineMatchMode", "ANY", "OR, AND"},
		{"/api/records", "model", strings.Repeat("x", 257), "256 bytes"},
		{"/api/records", "modelMatchMode", "ANY", "OR, AND"},
		{"/api/records", "noDuplicates", "yes", "true or false"},
		{"/api/records", "summarizeTags", "yes", "true or false"},
		{"/api/records", "tagCount", "0", "from 1 to 1000"},
		{"/api/records", "tagPage", "1001", "from 1 to 1000"},
		{"/api/templates", "sortBy", "inArweaveBlock:down", "asc"},
		{"/api/templates", "creatorDidAddress", "me", "did:arweave:"},
		{"/api/templates", "didTx", "me", "did:arweave:"},
		{"/api/creators", "limit", "1001", "from 1 to 1000"},
		{"/api/creators", "page", "101", "cursor"},
		{"/api/organizations", "limit", "0", "from 1 to 1000"},
		{"/api/organizations", "cursor", "2.x", "nextCursor"},
		{"/api/health/keepdb", "rejectedLimit", "101", "from 1 to 100"},
		{"/api/health/keepdb", "rejectedLimit", "0", "from 1 to 100"},
		{"/api/health/keepdb", "rejectedAfter", "nothing", "rejectedNext"},
		{"/api/health/keepdb", "rejectedAfter", "/", "rejectedNext"},
		{"/api/health/keepdb", "rejectedAfter", "a/" + strings.Repeat("x", 512), "rejectedNext"},
	} {
		if m := w.refused(c.name, c.path, c.name, c.value); !strings.Contains(m, c.allowed) {
			t.Errorf("%s %s=%.30s: %q does not say %q", c.path, c.name, c.value, m, c.allowed)
		}
	}
	w.refused("page", "/api/records", "page", "11", "limit", "1000")
	w.expect(w.ok("", "/api/records", "page", "10", "limit", "1000"), "currentPage", "10")
	w.expect(w.ok("", "/api/records", "page", "500"), "currentPage", "500")
}

// manyWords are so many different words.
func manyWords(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "word%d ", i)
	}
	return b.String()
}

// TestStrangeQueries: what is not a known parameter is ignored, however it looks.
func TestStrangeQueries(t *testing.T) {
	w := newWorld(t)
	for _, raw := range []string{"", "&", "&&==&=x&x", "%zz=1", "%=%", "x=%ff", "a;b=c;d", "limit", "limit=", "__proto__=1", "did[]=x", "LIMIT=x",
		strings.Repeat("x&", 20000), "%6Cimit=20"} {
		r := httptest.NewRequest(http.MethodGet, "/api/records", nil)
		r.URL.RawQuery = raw
		if res := w.do(r); res.Code != http.StatusOK {
			t.Errorf("%.40q: %d %s", raw, res.Code, res.Body)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/api/records", nil)
	r.URL.RawQuery = strings.Repeat("x", maxQuery+1)
	if res := w.do(r); res.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a query over the bound: %d", res.Code)
	}
}

// FuzzParse: whatever is asked, the parser answers with an error about a known
// parameter, or with a request that every store takes.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "limit=5&page=2", "tags=a,b&tagsMatchMode=AND&sortBy=score:asc", "inArweaveBlock=bad&source=gun",
		"dateStart=2024-04-19&dateEnd=1713484800", "did=did%3Aarweave%3Ax&cursor=2.abc", "creator_did_address=did%253Aarweave%253Ax", "sortBy=:",
		"limit=1&limit=2", "%zz=%zz&recordType=%ff", "hideNullValues=true&includeSigs=false", "resolveDepth=5&resolveNamesOnly=true&resolveFieldName=data.a.b,a"} {
		f.Add(seed)
	}
	for _, seed := range []string{"search=soup%20of%20fish&searchMatchMode=OR&sortBy=matchCount", `exactMatch={"data.basic.language":"en","oip.inArweaveBlock":5}`,
		"fieldName=a.b&fieldSearch=1&fieldName=c&fieldSearch=x&sortBy=fieldSearchScore", "didTxRef=did%3Aarweave%3Ax&hasAudio=false&scheduledOn=2024-04-19",
		"exerciseTypes=x&exerciseType=main,warmup&equipmentRequired=a,b", "summarizeTags=true&tagCount=5&tagPage=9&noDuplicates=true&cuisine=x&model=%00"} {
		f.Add(seed)
	}
	table := new(recordsRequest).params()
	f.Fuzz(func(t *testing.T, raw string) {
		var q recordsRequest
		given, err := parse(raw, q.params())
		if err != nil {
			a, encodeErr := errorAnswer(err)
			if encodeErr != nil || a.status < 400 || a.status > 499 {
				t.Fatalf("%q: %v answers %d, %v", raw, err, a.status, encodeErr)
			}
			return
		}
		for name := range given {
			if !slices.ContainsFunc(table, func(p param) bool { return p.name == name }) {
				t.Fatalf("%q: echoes %q", raw, name)
			}
		}
		if _, err := encode(given); err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		filters, told, _, err := q.filters()
		if err != nil {
			a, encodeErr := errorAnswer(err)
			if encodeErr != nil || a.status != http.StatusBadRequest {
				t.Fatalf("%q: %v answers %d, %v", raw, err, a.status, encodeErr)
			}
			return
		}
		query := records.Query{Where: records.All(filters), Distinct: q.distinct}
		q.order(&query, told)
		if err := q.paging.apply(&query); err != nil {
			return
		}
		if err := query.Check(); err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
	})
}
