package access

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf is a Searcher over documents in memory. It evaluates conditions over
// records.Project, which is what every engine indexes.
type shelf struct {
	documents []shelved
	searches  int
	// fail is returned by Search when it is set; tooLarge refuses pages over one
	// document, as a store does whose bound on a page is reached.
	fail     error
	tooLarge bool
}

type shelved struct {
	stored     records.Stored
	projection records.Projection
}

// add puts a document, given as a value, on the shelf.
func (s *shelf) add(t testing.TB, kind oip.Kind, document any) {
	t.Helper()
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	p, err := records.Project(kind, text)
	if err != nil {
		t.Fatalf("project %s: %v", text, err)
	}
	s.documents = append(s.documents, shelved{records.Stored{DID: p.Text(records.FieldDID)[0], Kind: kind, JSON: text}, p})
}

func (s *shelf) Search(ctx context.Context, q records.Query) (records.Page, error) {
	s.searches++
	if err := cmp.Or(ctx.Err(), s.fail, q.Check()); err != nil {
		return records.Page{}, err
	}
	if s.tooLarge && q.Limit > 1 {
		return records.Page{}, records.ErrInvalid
	}
	var page records.Page
	for _, d := range s.documents {
		if holds(q.Where, d.projection) {
			page.Total++
			if d.stored.DID > string(q.After) {
				page.Hits = append(page.Hits, d.stored)
			}
		}
	}
	slices.SortFunc(page.Hits, func(a, b records.Stored) int { return cmp.Compare(a.DID, b.DID) })
	if len(page.Hits) > q.Limit {
		page.Hits = page.Hits[:q.Limit]
		page.Next = records.Cursor(page.Hits[q.Limit-1].DID)
	}
	return page, nil
}

// holds says what each condition means.
func holds(c records.Cond, p records.Projection) bool {
	switch c := c.(type) {
	case records.All:
		return !slices.ContainsFunc(c, func(part records.Cond) bool { return !holds(part, p) })
	case records.Any:
		return slices.ContainsFunc(c, func(part records.Cond) bool { return holds(part, p) })
	case records.Not:
		return !holds(c.Cond, p)
	case records.Term:
		return slices.ContainsFunc(c.Values, func(v string) bool { return slices.Contains(p.Text(c.Field), records.Key(v)) })
	case records.Between:
		n, ok := p.Number(c.Field)
		return ok && c.Min <= n && n <= c.Max
	case records.Exists:
		return p.Has(c.Field)
	}
	return c == nil
}

// object is a JSON object.
type object = map[string]any

// organizationDocument is an organization as the pipeline stores it.
func organizationDocument(did string, policy, admins any) object {
	return object{
		"data": object{"orgHandle": "guild", "membershipPolicy": policy, "adminPublicKeys": admins},
		"oip":  object{"did": did, "recordType": "organization"},
	}
}
