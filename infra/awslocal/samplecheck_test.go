package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"oipnode/infra/engines/tsc"
	"oipnode/shared/nutrition"
)

// checkSample asks for what the sample chain is known to hold: every recipe can be
// added up, with all ingredients but the optional ones, and the compiler accepts the
// types of all templates.
func checkSample(t *testing.T, base string) {
	t.Helper()
	var page struct {
		SearchResults int
		Records       []struct {
			Data struct {
				Basic  struct{ Name string }
				Recipe struct {
					Servings float64
					Comments []string `json:"ingredient_comment"`
				}
				Total      nutrition.Summary `json:"calculatedSummaryNutritionalInfo"`
				PerServing nutrition.Summary `json:"calculatedSummaryNutritionalInfoPerServing"`
			}
		}
	}
	get(t, base+"/api/records?recordType=recipe&limit=1000&summarizeRecipe=true", &page)
	if len(page.Records) < 20 || len(page.Records) != page.SearchResults {
		t.Errorf("%d recipes of %d", len(page.Records), page.SearchResults)
	}
	for _, r := range page.Records {
		needed := 0
		for _, c := range r.Data.Recipe.Comments {
			if !strings.Contains(c, "optional") && !strings.Contains(c, "to taste") && !strings.Contains(c, "as desired") {
				needed++
			}
		}
		total, per := r.Data.Total, r.Data.PerServing
		if total.Processed != needed || total.Total != len(r.Data.Recipe.Comments) || per.Total != total.Total || per.Processed != needed ||
			per.Calories < 50 || per.Calories > 1500 || total.Calories < per.Calories*(r.Data.Recipe.Servings-0.1) {
			t.Errorf("%s, %d ingredients needed: %+v, per serving %+v", r.Data.Basic.Name, needed, total, per)
		}
	}
	var types struct{ TypeScript string }
	get(t, base+"/api/templates?typeScriptTypes=true", &types)
	client := `import type { Recipe, NutritionalInfo } from './types';
export const r: Recipe = { servings: 2, ingredient: ['did:arweave:x'], ingredient_amount: [0.5], ingredient_unit: ['cup'] };
export const n: NutritionalInfo = { standardAmount: 100, standardUnit: 'g', calories: 1 };
`
	t.Run("compiler", func(t *testing.T) {
		if out := tsc.Strict(t, map[string]string{"types.ts": types.TypeScript, "client.ts": client}); out != "" {
			t.Errorf("refuses: %.2000s", out)
		}
	})
}

// get reads an answer of status 200.
func get(t *testing.T, url string, into any) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", url, res.StatusCode, err)
	}
}
