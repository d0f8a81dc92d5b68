package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestWithComment(t *testing.T) {
	for _, c := range []struct{ name, comment, want string }{
		{"garlic", "minced", "garlic, minced"},
		{"garlic", "  minced , ", "garlic, minced"},
		{"tomatoes", "halved and thinly sliced, seeds removed", "tomatoes, halved and thinly sliced, seeds removed"},
		{"carrots", "in pieces of 1,5 cm,peeled", "carrots, in pieces of 1,5 cm,peeled"},
		{"cumin", "ground", "ground cumin"},
		{"black pepper", "Freshly ground", "Freshly ground black pepper"},
		{"black pepper", "ground, to taste", "ground black pepper, to taste"},
		{"ground beef", "ground", "ground beef"},
		{"ground cumin", "freshly ground", "ground cumin, freshly ground"},
		{"groundnuts", "ground", "ground groundnuts"},
		{"beef", "on a background of rice", "beef, on a background of rice"},
		{"olive oil", "extra virgin", "extra virgin olive oil"},
		{"olive oil", "extra-virgin, divided", "extra-virgin olive oil, divided"},
		{"olive oil", "extra virgin divided", "extra virgin olive oil, divided"},
		{"olive oil", "Virgin", "Virgin olive oil"},
		{"extra virgin olive oil", "extra virgin", "extra virgin olive oil"},
		{"Extra Virgin Olive Oil", "extra-virgin, for frying", "Extra Virgin Olive Oil, for frying"},
		{"chicken breast", "boneless", "boneless chicken breast"},
		{"chicken breast", "boneless, skinless", "boneless, skinless chicken breast"},
		{"chicken breast", "boneless skinless", "boneless skinless chicken breast"},
		{"chicken breast", "boneless,skinless", "boneless,skinless chicken breast"},
		{"chicken breast", "boneless, skinless, cut into strips", "boneless, skinless chicken breast, cut into strips"},
		{"chicken thigh", "skinless and boneless", "skinless and boneless chicken thigh"},
		{"boneless chicken", "boneless, skinless", "skinless boneless chicken"},
		{"salt", "", "salt"},
		{"salt", " , ", "salt"},
		{"Öl", "KALT GEPRESST", "Öl, KALT GEPRESST"},
	} {
		if got := withComment(c.name, c.comment); got != c.want {
			t.Errorf("%q with %q: %q, want %q", c.name, c.comment, got, c.want)
		}
	}
}

// mealOf is a recipe of these ingredients and comments, lists in JSON.
func mealOf(ingredients, comments string) string {
	return fmt.Sprintf(`{"basic":{"name":"meal"},"recipe":{"ingredient":%s,"ingredient_amount":[1,2],"ingredient_comment":%s}}`, ingredients, comments)
}

// TestResolveRecipe: with names only an ingredient is one text with its comment, where
// the ingredients are names, and only there.
func TestResolveRecipe(t *testing.T) {
	w := newWorld(t)
	did := func(id string) string { return fmt.Sprintf("%q", gunDID(id)) }
	w.put(gunRecord(t, "pepper", "nutritionalInfo", `{"basic":{"name":"black \"pepper\" \ud83c\udf36"}}`), gunRecord(t, "oil", "nutritionalInfo", `{"basic":{"name":"olive oil"}}`),
		gunRecord(t, "nameless", "post", `{"links":{}}`), gunRecord(t, "secret", "post", `{"basic":{"name":"secret"},"accessControl":{"access_level":"private"}}`))
	for i, c := range []struct{ ingredients, comments, want, hidden string }{
		{`[` + did("pepper") + `,` + did("oil") + `]`, `["ground","extra virgin, divided"]`, `["ground black \"pepper\" 🌶","extra virgin olive oil, divided"]`, ""},
		{`[` + did("oil") + `,"water",` + did("oil") + `]`, `["","cold"," "]`, `["olive oil","water, cold","olive oil"]`, ""},
		{`[` + did("gone") + `,` + did("secret") + `,` + did("nameless") + `]`, `["minced","minced","minced"]`, `[` + did("gone") + `,` + did("secret") + `,` + did("nameless") + `]`, ""},
		{`[` + did("oil") + `,` + did("oil") + `]`, `["hot"]`, `["olive oil, hot","olive oil"]`, ""},
		{`[` + did("oil") + `]`, `["hot","cold"]`, `["olive oil, hot"]`, ""},
		{`[` + did("oil") + `]`, `"hot"`, `["olive oil"]`, ""},
		{did("oil"), `["hot"]`, `"olive oil"`, ""},
		{`[]`, `["hot"]`, `[]`, ""},
		{`[null,` + did("oil") + `,null,"",5,[` + did("oil") + `],` + did("oil") + `]`, `["a",null,"b","c","d","e","f"]`,
			`[null,"olive oil",null,"",5,["olive oil"],"olive oil, f"]`, `["olive oil","",5,["olive oil"],"olive oil, f"]`},
		{`[null,` + did("oil") + `]`, `["a","hot"]`, `[null,"olive oil, hot"]`, `["olive oil, hot"]`},
	} {
		id := fmt.Sprint("meal-", i)
		w.put(gunRecord(t, id, "recipe", mealOf(c.ingredients, c.comments)))
		w.weave("plan-" + id + ":" + id)
		for _, hide := range []string{"false", "true"} {
			want, comments := c.want, c.comments
			if hide == "true" {
				if c.hidden != "" {
					want = c.hidden
				}
				comments = strings.ReplaceAll(comments, "null,", "")
			}
			ask := func(params ...string) object {
				return list(t, w.ok("", "/api/records", append(params, "resolveNamesOnly", "true", "hideNullValues", hide)...), "records")[0]
			}
			same := func(what string, r any, ingredients string) {
				t.Helper()
				for name, want := range map[string]string{"ingredient": ingredients, "ingredient_comment": comments} {
					text, err := json.Marshal(at(r, "data", "recipe", name))
					if err != nil {
						t.Fatal(err)
					}
					var wanted any
					if err := json.Unmarshal([]byte(want), &wanted); err != nil {
						t.Fatal(err)
					}
					if again, _ := json.Marshal(wanted); string(text) != string(again) {
						t.Errorf("%s, %s, nulls hidden %s:\n got %s\nwant %s", id, what, hide, text, again)
					}
				}
			}
			same("alone", ask("did", gunDID(id), "resolveDepth", "1"), want)
			same("its field", ask("did", gunDID(id), "resolveDepth", "1", "resolveFieldName", "recipe.ingredient"), want)
			plan := ask("did", gunDID("plan-"+id), "resolveDepth", "2")
			same("in a plan", at(plan, "data", "links", "to").([]any)[0], want)
		}
	}
	text := rawRecords(t, w.call("/api/records", "did", gunDID("meal-1"), "resolveDepth", "1", "resolveNamesOnly", "true", "resolveFieldName", "basic"))
	if plain := rawRecords(t, w.call("/api/records", "did", gunDID("meal-1"))); text != plain {
		t.Errorf("a field that was not asked for: %s", text)
	}
	whole := list(t, w.ok("", "/api/records", "did", gunDID("meal-1"), "resolveDepth", "2", "resolveNamesOnly", "true"), "records")[0]
	if got := picture(at(whole, "data", "recipe", "ingredient")); got != "olive oil water olive oil" {
		t.Errorf("records, not names: %s", got)
	}
	whole = list(t, w.ok("", "/api/records", "did", gunDID("meal-1"), "resolveDepth", "1"), "records")[0]
	if got := picture(at(whole, "data", "recipe", "ingredient")); got != "olive oil water olive oil" {
		t.Errorf("without names only: %s", got)
	}
}

// TestResolveSummarized: a recipe's sum is of the records that its ingredients name, and
// a recipe that is referred to has none.
func TestResolveSummarized(t *testing.T) {
	w := newWorld(t)
	dids := w.publish(ingredient("flour", startHeight, nil, 364, 2), ingredient("egg", startHeight, 2, 144, 142))
	pasta := w.publish(dish("pasta", startHeight+1, 4, [4]any{dids[0], 500, "g", "sifted"}, [4]any{dids[1], 3, "whole", "beaten"}))[0]
	w.put(gunRecord(t, "plan", "mealPlan", fmt.Sprintf(`{"basic":{"name":"plan"},"links":{"to":%q}}`, pasta)))
	plain := list(t, w.ok("", "/api/records", "did", pasta, "summarizeRecipe", "true"), "records")[0]
	total, perServing := sums(t, plain)
	for _, params := range [][]string{{"resolveDepth", "1"}, {"resolveDepth", "1", "resolveNamesOnly", "true"}, {"resolveDepth", "5"}} {
		r := list(t, w.ok("", "/api/records", append(params, "did", pasta, "summarizeRecipe", "true")...), "records")[0]
		if a, b := sums(t, r); a == "" || a != total || b != perServing {
			t.Errorf("%v: %s, %s", params, a, b)
		}
		if got := picture(at(r, "data", "recipe", "ingredient")); !strings.HasPrefix(got, "flour") || strings.Contains(got, "sifted") != (len(params) == 4) {
			t.Errorf("%v: %s", params, got)
		}
	}
	r := list(t, w.ok("", "/api/records", "did", gunDID("plan"), "resolveDepth", "2", "summarizeRecipe", "true"), "records")[0]
	if a, b := sums(t, at(r, "data", "links", "to").(object)); a != "" || b != "" {
		t.Errorf("a reference is summed up: %s, %s", a, b)
	}
}
