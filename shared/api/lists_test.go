package api

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

func TestRecordTypes(t *testing.T) {
	w := newWorld(t)
	const empty = `{"message":"Record types retrieved successfully","totalRecords":0,"recordTypeCount":0,"recordTypes":[]}`
	if got := w.call("/api/records/recordTypes").Body.String(); got != empty {
		t.Errorf("empty: %s", got)
	}
	var all []record
	for i, recordType := range []string{"image", "post", "Post", "post", "image", "post"} {
		r := post(fmt.Sprint(i), startHeight)
		r.recordType = recordType
		all = append(all, r)
	}
	dids := w.publish(all...)
	p := published()
	w.put(p.expand(0, p.signers[0].Delete(dids[0]), startHeight, false))
	w.expect(w.ok("", "/api/records/recordTypes"), "totalRecords", "6", "recordTypeCount", "3",
		"recordTypes", `[{"count":3,"recordType":"post"},{"count":2,"recordType":"image"},{"count":1,"recordType":"Post"}]`)
}

func TestTemplates(t *testing.T) {
	w := newWorld(t)
	p := published()
	var docs []*oip.Document
	for i, name := range []string{"Recipe", "recipeStep", "workout", "Über"} {
		definition := fmt.Sprintf(`{"f%d":"string","index_f%d":0}`, i, i)
		docs = append(docs, p.expand(i%2, p.signers[i%2].Template(name, []byte(definition)), startHeight+int64(i), false))
	}
	dids := w.put(docs...)
	creator := oip.DID(p.signers[1].Address)
	for _, c := range []struct{ params, want string }{
		{"", "Über workout recipeStep Recipe"},
		{"sortBy=inArweaveBlock:asc", "Recipe recipeStep workout Über"},
		{"sortBy=inArweaveBlock:desc", "Über workout recipeStep Recipe"},
		{"templateName=RECIPE", "recipeStep Recipe"},
		{"templateName=ecipes", "recipeStep"},
		{"templateName=%C3%9CB", "Über"},
		{"templateName=none", ""},
		{"creatorDidAddress=" + creator, "Über recipeStep"},
		{"creatorDidAddress=" + url.QueryEscape(url.QueryEscape(creator)), "Über recipeStep"},
		{"didTx=" + dids[2], "workout"},
		{"didTx=" + dids[2] + "&templateName=recipe", ""},
		{"limit=2&page=2", "recipeStep Recipe"},
	} {
		answer := w.do(httptest.NewRequest(http.MethodGet, "/api/templates?"+c.params, nil)).json
		var got []string
		for _, d := range list(t, answer, "templates") {
			got = append(got, fmt.Sprint(at(d, "data", "template")))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %q", c.params, got, c.want)
		}
		w.expect(answer, "totalTemplates", "4", "latestArweaveBlockInDB", "1003", "message", `"Templates retrieved successfully"`)
	}
	if got := w.ok("", "/api/templates", "sortBy", "name:asc")["warnings"]; got == nil {
		t.Error("no warning about an order that there is not")
	}
	if got := w.ok("", "/api/templates"); got["warnings"] != nil || len(got) != 5 {
		t.Errorf("members of a plain answer: %v", got)
	}
	document := list(t, w.ok("", "/api/templates", "didTx", dids[0]), "templates")[0]
	if at(document, "data", "fieldsInTemplateCount") == nil || at(document, "oip", "creator", "publicKey") != p.signers[0].Modulus {
		t.Errorf("template document %v", document)
	}
}

func TestOrganizations(t *testing.T) {
	w := newWorld(t)
	guild(w, "Invite Only", "admin")
	answer := w.ok("", "/api/organizations")
	w.expect(answer, "message", `"Organizations retrieved successfully"`, "totalOrganizations", "1", "searchResults", "1", "pageSize", "100",
		"currentPage", "1", "totalPages", "1", "nextCursor", "null")
	if got := at(list(t, answer, "organizations")[0], "data", "membershipPolicy"); got != "Invite Only" {
		t.Errorf("organization %v", answer)
	}
	w.expect(w.ok("", "/api/creators"), "totalCreators", "0", "totalPages", "0")
}

// crowded is a store with more names than a Count can list.
type crowded struct{ records.Store }

func (c *crowded) Count(ctx context.Context, where records.Cond, by records.Field) (records.Counts, error) {
	counts, err := c.Store.Count(ctx, where, by)
	counts.Other++
	return counts, err
}

// TestTooManyNames: an answer that could not compare every name says so.
func TestTooManyNames(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Records = &crowded{o.Records} })
	for path, parameter := range map[string]string{"/api/templates": "templateName", "/api/records": "template"} {
		warnings, _ := w.ok("", path, parameter, "x")["warnings"].([]any)
		if len(warnings) != 1 || !strings.Contains(warnings[0].(string), "1000") {
			t.Errorf("%s: %v", path, warnings)
		}
	}
	w.expect(w.ok("", "/api/records/recordTypes"), "recordTypeCount", "1")
}
