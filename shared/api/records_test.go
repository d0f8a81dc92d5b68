package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// TestAnswer: the shape of the answer of an empty node and of one with records.
func TestAnswer(t *testing.T) {
	w := newWorld(t)
	res := w.call("/api/records")
	const empty = `{"message":"Records retrieved successfully","latestArweaveBlockInDB":0,"indexingProgress":"0%","totalRecords":0,` +
		`"searchResults":0,"warnings":[],"pageSize":20,"currentPage":1,"totalPages":0,"nextCursor":null,"queryParams":{},` +
		`"auth":{"authenticated":false,"user":null},"records":[]}`
	if got := res.Body.String(); got != empty {
		t.Errorf("empty:\n got %s\nwant %s", got, empty)
	}
	if got := res.Header().Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("content type %q", got)
	}

	var all []record
	for i := range 45 {
		all = append(all, post(fmt.Sprint("n", i), startHeight+int64(i)))
	}
	w.publish(all...)
	answer := w.ok("", "/api/records", "page", "3", "limit", "10", "unknown", "x", "recordType", "")
	w.expect(answer, "latestArweaveBlockInDB", "1044", "totalRecords", "45", "searchResults", "45", "pageSize", "10", "currentPage", "3",
		"totalPages", "5", "queryParams", `{"limit":10,"page":3}`)
	if got := names(t, answer); got != "n24 n23 n22 n21 n20 n19 n18 n17 n16 n15" {
		t.Errorf("page 3: %s", got)
	}
	if got := w.ok("", "/api/records", "page", "6", "limit", "10"); len(list(t, got, "records")) != 0 || got["nextCursor"] != nil {
		t.Errorf("behind the last page: %v", got)
	}
	signedIn := w.ok(token(t, "key"), "/api/records", "limit", "1")
	w.expect(signedIn, "auth", `{"authenticated":true,"user":{"email":"u1@example.com","isAdmin":false,"publicKey":"key","userId":"u1"}}`,
		"queryParams", `{"limit":1}`)
}

// TestFilters asks every filter for what it finds and what it leaves out.
func TestFilters(t *testing.T) {
	w := newWorld(t)
	p := published()
	tags := func(list ...string) fields { return fields{3: list} }
	date := func(seconds any) fields { return fields{2: seconds} }
	recipeRecord := post("soup", startHeight+5, tags("food", "warm"), date(1713484800))
	recipeRecord.recordType, recipeRecord.signer = "Recipe", 1
	recipeRecord.parts[recipe] = fields{0: 4}
	dids := w.publish(
		post("alpha", startHeight+1, tags("food"), date(1713398400)),
		post("beta", startHeight+2, tags("news", "a,b"), date(1713571199)),
		post("gamma", startHeight+3, date("1713571200")),
		recipeRecord,
		post("pending", 0),
	)
	deletion := w.put(p.expand(0, p.signers[0].Delete(dids[1]), startHeight+6, false))[0]
	creator := oip.DID(p.signers[1].Address)
	all := "soup gamma beta alpha pending"
	for _, c := range []struct{ params, want string }{
		{"", all},
		{"did=" + dids[0], "alpha"},
		{"didTx=" + dids[1], "beta"},
		{"did=" + dids[0] + "&didTx=" + dids[1], ""},
		{"did=did%3Aarweave%3Anothing", ""},
		{"did=" + deletion, ""},
		{"recordType=post", "gamma beta alpha pending"},
		{"recordType=RECIPE", "soup"},
		{"recordType=po", ""},
		{"creatorHandle=writer1", "soup"},
		{"creatorHandle=Writer1", ""},
		{"creator_did_address=" + creator, "soup"},
		{"creator_did_address=" + url.QueryEscape(creator), "soup"},
		{"creator_did_address=" + url.QueryEscape(url.QueryEscape(creator)), "soup"},
		{"inArweaveBlock=1002", "beta"},
		{"inArweaveBlock=999999", ""},
		{"inArweaveBlock=bad", "pending"},
		{"source=arweave", all},
		{"source=all", all},
		{"source=GUN", ""},
		{"storage=irys", ""},
		{"storage=all&source=arweave", all},
		{"tags=food", "soup alpha"},
		{"tags=food,news", "soup beta alpha"},
		{"tags=food,warm&tagsMatchMode=AND", "soup"},
		{"tags=food,warm&tagsMatchMode=or", "soup alpha"},
		{"tags=Food", ""},
		{"tags=+food+,,news,food", "soup beta alpha"},
		{"tags=a,b", ""},
		{"template=recipe", "soup"},
		{"template=PE_V", "soup"},
		{"template=basi", all},
		{"template=nothing", ""},
		{"dateStart=1713398401", "soup gamma beta"},
		{"dateStart=2024-04-19", "soup gamma beta"},
		{"dateEnd=2024-04-19", "soup beta alpha"},
		{"dateEnd=1713484800", "soup alpha"},
		{"dateStart=2024-04-18&dateEnd=2024-04-18", "alpha"},
		{"dateStart=2024-04-19T00:00:00Z&dateEnd=2024-04-19T23:59", "soup"},
		{"dateStart=2024-04-19T02:00:00.500%2B02:00&dateEnd=2024-04-19T23:59:59", "soup beta"},
		{"dateStart=-5&dateEnd=0", ""},
		{"recordType=post&tags=food&dateEnd=2024-04-18&creatorHandle=writer0", "alpha"},
		{"sortBy=inArweaveBlock:asc", "alpha beta gamma soup pending"},
		{"sortBy=inArweaveBlock:ASC&tags=food,news&limit=2", "alpha beta"},
		{"sortBy=name:asc", "alpha beta gamma pending soup"},
		{"sortBy=basic.name", "soup pending gamma beta alpha"},
		{"sortBy=date:asc", "alpha soup beta gamma pending"},
		{"sortBy=date:", "gamma beta soup alpha pending"},
		{"sortBy=recordType:desc&limit=1", "soup"},
		{"sortBy=creatorHandle:desc&limit=1", "soup"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/api/records?"+c.params, nil)
		res := w.do(r)
		if res.Code != http.StatusOK {
			t.Errorf("%s: %d %s", c.params, res.Code, res.Body)
			continue
		}
		if got := names(t, res.json); got != c.want {
			t.Errorf("%s: %q, want %q", c.params, got, c.want)
		}
		w.expect(res.json, "totalRecords", "5", "warnings", "[]")
	}
	withDeletions := w.ok("", "/api/records", "includeDeleteMessages", "true")
	w.expect(withDeletions, "totalRecords", "6", "searchResults", "6", "latestArweaveBlockInDB", "1006")
	w.expect(w.ok("", "/api/records", "includeDeleteMessages", "FALSE"), "totalRecords", "5", "latestArweaveBlockInDB", "1005",
		"queryParams", `{"includeDeleteMessages":false}`)
}

// TestEcho: what is shown again is typed, and holds no header or token.
func TestEcho(t *testing.T) {
	w := newWorld(t)
	creator := oip.DID(published().signers[1].Address)
	answer := w.ok(token(t, "key"), "/api/records", "tags", "a, b", "inArweaveBlock", "bad", "creator_did_address", url.QueryEscape(creator),
		"sortBy", "date", "hideNullValues", "TRUE", "dateStart", "5", "source", "GUN", "token", "x", "Authorization", "y", "resolveDepth", "")
	w.expect(answer, "queryParams", `{"creator_did_address":"`+creator+`","dateStart":5,"hideNullValues":true,"inArweaveBlock":"bad",`+
		`"sortBy":"date","source":"gun","tags":["a","b"]}`)
}

// TestScores: tags add a score, as a text with three decimals.
func TestScores(t *testing.T) {
	w := newWorld(t)
	w.publish(post("one", startHeight+1, fields{3: []string{"a"}}), post("two", startHeight+2, fields{3: []string{"c", "a", "a"}}),
		post("all", startHeight+3, fields{3: []string{"c", "b", "a"}}))
	var got []string
	for _, r := range list(t, w.ok("", "/api/records", "tags", "a,b,c,a"), "records") {
		got = append(got, fmt.Sprint(r["score"]))
	}
	if want := "1.000 0.667 0.333"; strings.Join(got, " ") != want {
		t.Errorf("scores %v, want %s", got, want)
	}
	for _, r := range list(t, w.ok("", "/api/records"), "records") {
		if _, ok := r["score"]; ok {
			t.Errorf("a score without tags: %v", r)
		}
	}
}

// TestSortWarnings: fields that cannot be sorted by give the default order and a
// warning, as existing clients expect; all the same score is an order by DID.
func TestSortWarnings(t *testing.T) {
	w := newWorld(t)
	tag := fields{3: []string{"x"}}
	w.publish(post("old", startHeight+1, tag), post("new", startHeight+2, tag), post("newest", startHeight+3, tag))
	for _, field := range []string{"nonsense", "score", "score:asc", "matchCount:desc", "fieldSearchScore", "exerciseScore:asc", "", ":asc", "did", "owner",
		strings.Repeat("x", 500)} {
		answer := w.ok("", "/api/records", "sortBy", field)
		if got := names(t, answer); got != "newest new old" {
			t.Errorf("sortBy=%.20s: %s", field, got)
		}
		warnings, _ := answer["warnings"].([]any)
		if want := strings.TrimSuffix(field, ":asc") != ""; (len(warnings) == 1) != want {
			t.Errorf("sortBy=%.20s: warnings %v", field, warnings)
		}
		for _, warning := range warnings {
			if len(warning.(string)) > 300 || !strings.Contains(warning.(string), "sortBy") {
				t.Errorf("sortBy=%.20s: warning %v", field, warning)
			}
		}
	}
	answer := w.ok("", "/api/records", "sortBy", "score", "tags", "x")
	w.expect(answer, "warnings", "[]")
	last := ""
	for _, r := range list(t, answer, "records") {
		if did := at(r, "oip", "did").(string); did <= last {
			t.Errorf("%s comes after %s", did, last)
		} else {
			last = did
		}
	}
}

// TestLatestBlock: pending records have no block and must not hide the others'.
func TestLatestBlock(t *testing.T) {
	w := newWorld(t)
	w.publish(post("pending", 0))
	w.expect(w.ok("", "/api/records"), "latestArweaveBlockInDB", "0", "totalRecords", "1")
	w.publish(post("mined", startHeight+9))
	w.expect(w.ok("", "/api/records", "recordType", "none"), "latestArweaveBlockInDB", "1009", "totalRecords", "2", "searchResults", "0", "totalPages", "0")
}

// TestLargeAnswer: an answer over the bound is refused, whether the bound is this
// package's or the store's, and a smaller limit helps.
func TestLargeAnswer(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.MaxAnswer = 50_000 })
	for i := range 6 {
		w.publish(post(fmt.Sprint("large", i), startHeight, fields{1: strings.Repeat("x", 10_000)}))
	}
	check := func() {
		res := w.call("/api/records")
		if res.Code != http.StatusRequestEntityTooLarge || res.json["code"] != "too_large" || !strings.Contains(fmt.Sprint(res.json["error"]), "limit") {
			t.Errorf("%d %.300s", res.Code, res.Body)
		}
	}
	check()
	if res := w.call("/api/records", "limit", "3"); res.Code != http.StatusOK || !json.Valid(res.Body.Bytes()) || res.Body.Len() > w.opt.MaxAnswer {
		t.Errorf("limit 3: %d, %d bytes", res.Code, res.Body.Len())
	}
	w.opt.MaxAnswer = 0
	w.opt.Records = &failing{Store: w.opt.Records, err: fmt.Errorf("%w: the page is too large", records.ErrInvalid)}
	w.handler = New(w.opt)
	check()
}
