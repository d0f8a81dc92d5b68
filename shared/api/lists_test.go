package api

import (
	"context"
	"fmt"
	"strings"
	"testing"

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
