package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"oipnode/shared/oip/canon"
	"oipnode/shared/records"
)

// ingredient is a record with nutritionalInfo per 100 g, of which pieces make one, and
// nothing but calories and sodium in it.
func ingredient(name string, height int64, pieces any, kcal, sodium float64) record {
	r := post(name, height)
	r.recordType, r.parts[nutritional] = "nutritionalInfo", fields{0: 100, 1: "g", 2: pieces, 3: kcal, 7: sodium}
	return r
}

// dish is a recipe of ingredients, each with an amount, a unit and a comment.
func dish(name string, height int64, servings any, ingredients ...[4]any) record {
	lists := fields{0: servings}
	for column := range 4 {
		var list []any
		for _, in := range ingredients {
			list = append(list, in[column])
		}
		lists[column+1] = list
	}
	r := post(name, height)
	r.recordType, r.parts[cooking] = "recipe", lists
	return r
}

// sums are the two summaries of a record, as JSON.
func sums(t testing.TB, r object) (total, perServing string) {
	t.Helper()
	var texts [2]string
	for i, name := range []string{"calculatedSummaryNutritionalInfo", "calculatedSummaryNutritionalInfoPerServing"} {
		if v := at(r, "data", name); v != nil {
			text, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			texts[i] = string(text)
		}
	}
	return texts[0], texts[1]
}

func TestSummarizeRecipe(t *testing.T) {
	w := newWorld(t)
	secret := ingredient("secret sauce", startHeight, 1, 1000, 0)
	secret.parts[accessControl] = fields{0: "private", 1: "owner"}
	dids := w.publish(ingredient("flour", startHeight, nil, 364.4, 2), ingredient("egg", startHeight, 2, 144, 142), secret)
	flour, egg, sauce, salt := dids[0], dids[1], dids[2], "did:arweave:"+strings.Repeat("s", 43)
	w.publish(
		dish("pasta", startHeight+5, 4, [4]any{flour, 500, "g", ""}, [4]any{egg, 3, "whole", "beaten"}, [4]any{salt, 1, "pinch", "to taste"}),
		dish("special", startHeight+4, nil, [4]any{flour, 100, "g", ""}, [4]any{sauce, 1, "", ""}),
		dish("guess", startHeight+3, 2, [4]any{flour, 2, "cups", ""}, [4]any{flour, 2, "handfuls", ""}),
		dish("mostly", startHeight+2, 2, [4]any{"water", 1, "l", ""}, [4]any{egg, 50, "g", ""}, [4]any{flour, 1, "cup", ""}, [4]any{nil, nil, nil, nil}),
		post("plain", startHeight+1))
	const (
		pasta    = `{"calories":2038,"carbohydratesG":0,"cholesterolMg":0,"fatG":0,"ingredientsProcessed":2,"proteinG":0,"sodiumMg":223,"totalIngredients":3}`
		portion  = `{"calories":510,"carbohydratesG":0,"cholesterolMg":0,"fatG":0,"ingredientsProcessed":2,"proteinG":0,"sodiumMg":56,"totalIngredients":3}`
		public   = `{"calories":364,"carbohydratesG":0,"cholesterolMg":0,"fatG":0,"ingredientsProcessed":1,"proteinG":0,"sodiumMg":2,"totalIngredients":2}`
		complete = `{"calories":1364,"carbohydratesG":0,"cholesterolMg":0,"fatG":0,"ingredientsProcessed":2,"proteinG":0,"sodiumMg":2,"totalIngredients":2}`
		quarter  = `{"calories":72,"carbohydratesG":0,"cholesterolMg":0,"fatG":0,"ingredientsProcessed":1,"proteinG":0,"sodiumMg":71,"totalIngredients":4}`
		half     = `{"calories":36,"carbohydratesG":0,"cholesterolMg":0,"fatG":0,"ingredientsProcessed":1,"proteinG":0,"sodiumMg":36,"totalIngredients":4}`
	)
	for who, want := range map[string]map[string][2]string{
		"":                  {"pasta": {pasta, portion}, "special": {public, public}, "mostly": {quarter, half}},
		token(t, "owner"):   {"pasta": {pasta, portion}, "special": {complete, complete}, "mostly": {quarter, half}},
		token(t, "another"): {"pasta": {pasta, portion}, "special": {public, public}, "mostly": {quarter, half}},
	} {
		answer := w.ok(who, "/api/records", "summarizeRecipe", "true")
		w.expect(answer, "queryParams", `{"summarizeRecipe":true}`)
		for _, r := range list(t, answer, "records") {
			name := at(r, "data", "basic", "name").(string)
			total, perServing := sums(t, r)
			if got := [2]string{total, perServing}; got != want[name] {
				t.Errorf("%s: %v, want %v", name, got, want[name])
			}
		}
	}
	// Nothing else of a record changes, and without the parameter nothing at all.
	plain, summed := w.call("/api/records"), w.call("/api/records", "summarizeRecipe", "true")
	if strings.Contains(plain.Body.String(), "calculatedSummary") {
		t.Error("a summary that nobody asked for")
	}
	for i, r := range list(t, summed.json, "records") {
		data := at(r, "data").(object)
		delete(data, summaryName)
		delete(data, summaryPerServingName)
		if fmt.Sprint(r) != fmt.Sprint(list(t, plain.json, "records")[i]) {
			t.Errorf("%v changed", r)
		}
	}
	w.refused("summarizeRecipe", "/api/records", "summarizeRecipe", "yes")
}

// TestSummarizeKeepsText: what decoders of Go would change stays, and members of the
// publisher's with our names are replaced.
func TestSummarizeKeepsText(t *testing.T) {
	doc := `{"data":{"` + summaryName + `":"mine","recipe":{"big":9007199254740993,"s":"\ud800","f":1.0},"basic":{"name":"<&>"}},"oip":{"did":"did:arweave:x","n":1e400}}`
	parts, data, err := split(records.Stored{DID: "did:arweave:x", JSON: []byte(doc)})
	if err != nil {
		t.Fatal(err)
	}
	got := parts.with(data, member{summaryName, []byte("1")}, member{summaryPerServingName, []byte("2")})
	want := `{"data":{"recipe":{"big":9007199254740993,"s":"\ud800","f":1.0},"basic":{"name":"<&>"},"` + summaryName + `":1,"` + summaryPerServingName + `":2},"oip":{"did":"did:arweave:x","n":1e400}}`
	if string(got) != want || canon.Valid(got) != nil {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, broken := range []string{"", `{"data":{`, `{"oip":{}}`, `[]`} {
		if _, _, err := split(records.Stored{JSON: []byte(broken)}); err == nil {
			t.Errorf("%q: no error", broken)
		}
	}
}

// lookups counts the searches for DIDs, and refuses those whose answer has more than
// so many documents, as a store with little memory does.
type lookups struct {
	records.Store
	most     int
	searches [][]string
}

func (c *lookups) Search(ctx context.Context, q records.Query) (records.Page, error) {
	for _, part := range q.Where.(records.All) {
		if term, ok := part.(records.Term); ok && term.Field == records.FieldDID {
			c.searches = append(c.searches, term.Values)
		}
	}
	page, err := c.Store.Search(ctx, q)
	if err == nil && c.most > 0 && len(page.Hits) > c.most {
		return records.Page{}, fmt.Errorf("%w: over the bound", records.ErrInvalid)
	}
	return page, err
}

// TestReferencesInOneRead: a whole page of recipes costs one read of its ingredients,
// each asked for once; a store that cannot give them together is asked for fewer.
func TestReferencesInOneRead(t *testing.T) {
	store := &lookups{}
	w := newWorld(t, func(o *Options) { store.Store, o.Records = o.Records, store })
	var some []record
	for i := range 20 {
		some = append(some, ingredient(fmt.Sprintf("ingredient %d", i), startHeight, 1, 10, 1))
	}
	dids := w.publish(some...)
	var dishes []record
	for i := range 10 {
		var all [][4]any
		for j := range 5 {
			all = append(all, [4]any{dids[(i+j*3)%20], 1, "", ""}, [4]any{dids[i], 1, "", ""})
		}
		dishes = append(dishes, dish(fmt.Sprintf("dish %d", i), startHeight+1, 1, all...))
	}
	w.publish(dishes...)
	ask := func() {
		t.Helper()
		store.searches = nil
		for _, r := range list(t, w.ok("", "/api/records", "recordType", "recipe", "summarizeRecipe", "true"), "records") {
			if fmt.Sprintf("%v %v", at(r, "data", summaryName, "calories"), at(r, "data", summaryName, "ingredientsProcessed")) != "100 10" {
				t.Errorf("%v", at(r, "data", summaryName))
			}
		}
	}
	ask()
	if len(store.searches) != 1 || len(store.searches[0]) != 20 {
		t.Errorf("%d reads: %v", len(store.searches), store.searches)
	}
	store.most = 10
	ask()
	if len(store.searches) != 3 {
		t.Errorf("%d reads of 20 documents, 10 at most", len(store.searches))
	}
}

// TestReferencesTooLarge: a document that is too large by itself is as one that is not
// there; other errors are the answer's.
func TestReferencesTooLarge(t *testing.T) {
	for name, c := range map[string]struct {
		refuse error
		status int
		used   string
	}{
		"too large":   {fmt.Errorf("%w: over the bound", records.ErrInvalid), http.StatusOK, "1"},
		"unavailable": {records.ErrUnavailable, http.StatusServiceUnavailable, ""},
	} {
		t.Run(name, func(t *testing.T) {
			store := &refusing{err: c.refuse}
			w := newWorld(t, func(o *Options) { store.Store, o.Records = o.Records, store })
			dids := w.publish(ingredient("small", startHeight, 1, 10, 1), ingredient("large", startHeight, 1, 10, 1))
			store.did = dids[1]
			w.publish(dish("both", startHeight+1, 1, [4]any{dids[0], 1, "", ""}, [4]any{dids[1], 1, "", ""}))
			res := w.call("/api/records", "recordType", "recipe", "summarizeRecipe", "true")
			if res.Code != c.status {
				t.Fatalf("%d %s", res.Code, res.Body)
			}
			if c.status == http.StatusOK {
				if got := fmt.Sprint(at(list(t, res.json, "records")[0], "data", summaryName, "ingredientsProcessed")); got != c.used {
					t.Errorf("%s ingredients were used", got)
				}
			}
		})
	}
}

// refusing fails each search for a DID.
type refusing struct {
	records.Store
	did string
	err error
}

func (f *refusing) Search(ctx context.Context, q records.Query) (records.Page, error) {
	for _, part := range q.Where.(records.All) {
		if term, ok := part.(records.Term); ok && term.Field == records.FieldDID && slices.Contains(term.Values, f.did) {
			return records.Page{}, f.err
		}
	}
	return f.Store.Search(ctx, q)
}

// TestTooManyReferences: more ingredients than one answer may read are a 413 that says
// what to do; of a recipe with more than any has, there is no summary.
func TestTooManyReferences(t *testing.T) {
	w := newWorld(t)
	long := func(i, n int) record {
		var all [][4]any
		for j := range n {
			all = append(all, [4]any{fmt.Sprintf("did:arweave:%020d%023d", i, j), 1, "", ""})
		}
		return dish("long", startHeight, 1, all...)
	}
	for i := range maxReferences/1000 + 1 {
		w.publish(long(i, 1000))
	}
	res := w.call("/api/records", "summarizeRecipe", "true")
	if res.Code != http.StatusRequestEntityTooLarge || !bytes.Contains(res.Body.Bytes(), []byte("limit")) {
		t.Errorf("%d %.300s", res.Code, res.Body)
	}
	w.expect(w.ok("", "/api/records", "summarizeRecipe", "true", "limit", "10"), "pageSize", "10")
	w.publish(long(100, 1001))
	w.expect(w.ok("", "/api/records", "summarizeRecipe", "true", "limit", "1"), "pageSize", "1")
}
