package nutrition

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"oipnode/shared/oip/canon"
)

// TestTimes: how many standard amounts an amount of a recipe is. 0 is an ingredient
// that cannot be used.
func TestTimes(t *testing.T) {
	for _, c := range []struct {
		standard, pieces string // standardAmount and standardUnit, qtyInStandardAmount
		amount, unit     string
		want             float64
	}{
		{`100,"g"`, "", "250", `"g"`, 2.5},
		{`100,"g"`, "", "1", `"kg"`, 10},
		{`100,"g"`, "", "500", `"mg"`, 0.005},
		{`4,"oz"`, "", "1", `"lb"`, 4},
		{`100,"g"`, "", "1", `"oz"`, 0.28349523125},
		{`1,"cup"`, "", "8", `"tbsp"`, 0.5},
		{`1,"tbsp"`, "", "3", `"tsp"`, 1},
		{`1,"cup"`, "", "250", `"ml"`, 250 / 236.5882365},
		{`1,"quart"`, "", "1", `"pint"`, 0.5},
		{`1,"cup"`, "", "8", `"fl oz"`, 1},
		{`1,"tsp"`, "", "4", `"pinch"`, 0.25},
		{`1,"l"`, "", "5", `"dl"`, 0.5},

		// Mass and volume meet only where the record says how.
		{`100,"g"`, "", "1", `"cup"`, 0},
		{`1,"cup"`, "", "100", `"g"`, 0},
		{`1,"cup"`, "", "8", `"oz"`, 0},
		{`1,"cup (240 g)"`, "", "120", `"g"`, 0.5},
		{`1,"cup (240 g)"`, "", "2", `"tbsp"`, 0.125},
		{`2,"tbsp (32 g)"`, "", "16", `"g"`, 0.5},
		{`2,"fillets (170 g each)"`, "", "170", `"g"`, 0.5},
		{`1,"fillet (≈170 g)"`, "", "340", `"g"`, 2},
		{`1,"fillet (≈170 g)"`, "", "2", `"fillets"`, 2},
		{`240,"ml (8 oz)"`, "", "1", `"lb"`, 2},

		// Pieces.
		{`50,"g"`, "1", "3", `"whole"`, 3},
		{`3,"g"`, "1", "2", `"cloves"`, 2},
		{`1,"cup diced"`, "2", "1", `""`, 0.5},
		{`1,"cup"`, "2", "1", `null`, 0.5},
		{`100,"g"`, "", "2", `"whole"`, 0},
		{`100,"g"`, "0", "2", `"whole"`, 0},
		{`100,"g"`, "null", "2", `"whole"`, 0},
		{`1,"slice"`, "", "2", `"slices"`, 2},
		{`1,"slice"`, "", "2", `"pieces"`, 2},
		{`1,"slice"`, "", "2", `"whole"`, 0},
		{`1,"slice"`, "0.1", "2", `"slice"`, 2},
		{`1,"slice"`, "0.1", "2", `"whole"`, 20},
		{`1,"head (10 cloves)"`, "", "5", `"cloves"`, 0.5},
		{`1,"bunch"`, "", "1", `"stalk"`, 0},
		{`173,"g (1 medium russet potato)"`, "", "2", `"whole"`, 2},
		{`173,"g (1 medium russet potato)"`, "", "2", `"large"`, 2},
		{`30,"g (2 slices)"`, "", "1", `"slice"`, 0.5},
		{`1,"egg"`, "1", "2", `"large"`, 2},
		{`100,"g"`, "1", "50", `"g"`, 0.5},

		// Units that only both sides know, and units that nobody knows.
		{`1,"scoopful"`, "", "3", `"Scoopful"`, 3},
		{`1,"scoopful"`, "", "3", `"g"`, 0},
		{`1,"scoopful"`, "", "3", `"handful"`, 0},
		{`100,"g"`, "", "1", `"handful"`, 0},
		{`100,"g"`, "1", "1", `"handful"`, 0},

		// Amounts as texts, and what stands with a unit.
		{`100,"g"`, "", `"1/2"`, `"kg"`, 5},
		{`"100","g"`, "", `"200 g"`, `""`, 2},
		{`"100","g"`, "", `"200 g"`, `"g"`, 0},
		{`100,"g"`, "", `"a lot"`, `"g"`, 0},
		{`1,"100g"`, "", `50`, `"g"`, 0.5},
		{`100,"g"`, "", `2`, `"14 oz can"`, 7.93786647500},
		{`100,"g"`, "", `1`, `"can (400 g)"`, 4},
		{`100,"g"`, "", `2`, `"can (400 g)"`, 0},
		{`100,"g"`, "", `2`, `"cans (400 g each)"`, 8},
		{`100,"g"`, "", `2`, `"g, packed"`, 0.02},

		// What cannot be an amount.
		{`100,"g"`, "", `0`, `"g"`, 0},
		{`100,"g"`, "", `-5`, `"g"`, 0},
		{`100,"g"`, "", `1e10`, `"g"`, 0},
		{`100,"g"`, "", `null`, `"g"`, 0},
		{`100,"g"`, "", `[1]`, `"g"`, 0},
		{`100,"g"`, "", `true`, `"g"`, 0},
		{`100,"g"`, "", `1`, `7`, 0},
		{`100,"g"`, "", `1`, `["g"]`, 0},
		{`0,"g"`, "1", `1`, `""`, 1},
		{`0,"g"`, "1", `1`, `"g"`, 0},
	} {
		info := `"standardAmount":` + strings.Replace(c.standard, ",", `,"standardUnit":`, 1)
		if c.pieces != "" {
			info += `,"qtyInStandardAmount":` + c.pieces
		}
		facts, _ := ReadFacts(value(t, `{"nutritionalInfo":{"calories":1,`+info+`}}`))
		got, ok := facts.times(readQuantity(value(t, c.amount), value(t, c.unit)))
		if ok != (c.want > 0) || math.Abs(got-c.want) > 1e-9*max(1, c.want) {
			t.Errorf("%s of {%s}: %v, %v, want %v", c.amount+" "+c.unit, info, got, ok, c.want)
		}
	}
}

func TestReadFacts(t *testing.T) {
	for info, want := range map[string]string{
		`{"nutritionalInfo":{"standardAmount":1,"standardUnit":"g","calories":5,"proteinG":"1.5","fatG":null,"other":"x"}}`: `{"calories":5,"proteinG":1.5,"fatG":0,"cholesterolMg":0,"sodiumMg":0,"carbohydratesG":0}`,
		`{"nutritionalInfo":{"qtyInStandardAmount":1,"calories":0}}`:                                                        `{"calories":0,"proteinG":0,"fatG":0,"cholesterolMg":0,"sodiumMg":0,"carbohydratesG":0}`,
		`{"nutritionalInfo":{"standardAmount":1,"standardUnit":"g"}}`:                                                       "",
		`{"nutritionalInfo":{"standardAmount":1,"standardUnit":"g","calories":-1}}`:                                         "",
		`{"nutritionalInfo":{"standardAmount":1,"standardUnit":"g","calories":1,"fatG":"much"}}`:                            "",
		`{"nutritionalInfo":{"standardAmount":1,"standardUnit":"g","calories":1e400}}`:                                      "",
		`{"nutritionalInfo":{"calories":1}}`:                                                                                "",
		`{"nutritionalInfo":[1]}`:                                                                                           "",
		`{}`:                                                                                                                "",
		`null`:                                                                                                              "",
	} {
		facts, ok := ReadFacts(value(t, info))
		text, err := json.Marshal(facts.values)
		if err != nil {
			t.Fatal(err)
		}
		if ok != (want != "") || ok && string(text) != want {
			t.Errorf("%s: %s, %v", info, text, ok)
		}
	}
}

// known are three ingredients, by their DIDs.
func known(t *testing.T) map[string]Facts {
	t.Helper()
	facts := make(map[string]Facts)
	for did, info := range map[string]string{
		"did:arweave:flour": `{"standardAmount":100,"standardUnit":"g","calories":364.4,"proteinG":10.33,"fatG":0.98,"cholesterolMg":0,"sodiumMg":2,"carbohydratesG":76.3}`,
		"did:arweave:egg":   `{"standardAmount":50,"standardUnit":"g","qtyInStandardAmount":1,"calories":72,"proteinG":6.3,"fatG":4.8,"cholesterolMg":186,"sodiumMg":71,"carbohydratesG":0.4}`,
		"did:arweave:milk":  `{"standardAmount":1,"standardUnit":"cup","calories":149,"proteinG":7.7,"fatG":7.9,"cholesterolMg":24,"sodiumMg":105,"carbohydratesG":11.7}`,
	} {
		f, ok := ReadFacts(value(t, `{"nutritionalInfo":`+info+`}`))
		if !ok {
			t.Fatal(info)
		}
		facts[did] = f
	}
	return facts
}

func TestSummarize(t *testing.T) {
	facts := known(t)
	for name, c := range map[string]struct {
		recipe            string
		total, perServing string // both empty for no summary
	}{
		"pancakes": {`{"servings":4,"ingredient":["did:arweave:flour","did:arweave:egg","did:arweave:milk","did:arweave:salt"],"ingredient_amount":[250,2,2,1],
			"ingredient_unit":["g","whole","cups","pinch"],"ingredient_comment":["","","","To  Taste"]}`,
			`{"calories":1353,"proteinG":53.8,"fatG":27.9,"cholesterolMg":420,"sodiumMg":357,"carbohydratesG":215,"ingredientsProcessed":3,"totalIngredients":4}`,
			`{"calories":338,"proteinG":13.5,"fatG":7,"cholesterolMg":105,"sodiumMg":89,"carbohydratesG":53.7,"ingredientsProcessed":3,"totalIngredients":4}`},
		"a quarter is enough": {`{"ingredient":["did:arweave:egg","salt",null,7],"ingredient_amount":[1,1,1,1],"ingredient_unit":[""]}`,
			`{"calories":72,"proteinG":6.3,"fatG":4.8,"cholesterolMg":186,"sodiumMg":71,"carbohydratesG":0.4,"ingredientsProcessed":1,"totalIngredients":4}`,
			`{"calories":72,"proteinG":6.3,"fatG":4.8,"cholesterolMg":186,"sodiumMg":71,"carbohydratesG":0.4,"ingredientsProcessed":1,"totalIngredients":4}`},
		"less is not": {`{"ingredient":["did:arweave:egg","salt","oil","tea","jam"],"ingredient_amount":[1]}`, "", ""},
		"unknown units are not zero": {`{"servings":0,"ingredient":["did:arweave:egg","did:arweave:flour"],"ingredient_amount":[1,3],"ingredient_unit":["","handfuls"]}`,
			`{"calories":72,"proteinG":6.3,"fatG":4.8,"cholesterolMg":186,"sodiumMg":71,"carbohydratesG":0.4,"ingredientsProcessed":1,"totalIngredients":2}`,
			`{"calories":72,"proteinG":6.3,"fatG":4.8,"cholesterolMg":186,"sodiumMg":71,"carbohydratesG":0.4,"ingredientsProcessed":1,"totalIngredients":2}`},
		"all optional": {`{"ingredient":["did:arweave:egg","did:arweave:egg","did:arweave:egg"],"ingredient_amount":[1,1,1],"ingredient_comment":["Optional","fried, as desired","salted to taste"]}`, "", ""},
		"one of a kind": {`{"servings":"2","ingredient":["did:arweave:egg","did:arweave:egg"],"ingredient_amount":["1","1 1/2"]}`,
			`{"calories":180,"proteinG":15.8,"fatG":12,"cholesterolMg":465,"sodiumMg":178,"carbohydratesG":1,"ingredientsProcessed":2,"totalIngredients":2}`,
			`{"calories":90,"proteinG":7.9,"fatG":6,"cholesterolMg":233,"sodiumMg":89,"carbohydratesG":0.5,"ingredientsProcessed":2,"totalIngredients":2}`},
		"nothing known": {`{"ingredient":["did:arweave:salt"],"ingredient_amount":[1]}`, "", ""},
		"huge":          {`{"servings":1e-300,"ingredient":["did:arweave:egg"],"ingredient_amount":[1e9]}`, `{"calories":72000000000,"proteinG":6300000000,"fatG":4800000000,"cholesterolMg":186000000000,"sodiumMg":71000000000,"carbohydratesG":400000000,"ingredientsProcessed":1,"totalIngredients":1}`, `{"calories":72000000000,"proteinG":6300000000,"fatG":4800000000,"cholesterolMg":186000000000,"sodiumMg":71000000000,"carbohydratesG":400000000,"ingredientsProcessed":1,"totalIngredients":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			recipe, ok := ReadRecipe(value(t, `{"recipe":`+c.recipe+`}`))
			if !ok {
				t.Fatal("no recipe")
			}
			total, perServing, ok := recipe.Summarize(facts)
			for _, pair := range []struct {
				got  Summary
				want string
			}{{total, c.total}, {perServing, c.perServing}} {
				text, err := json.Marshal(pair.got)
				if err != nil {
					t.Fatal(err)
				}
				if ok != (pair.want != "") || ok && string(text) != pair.want {
					t.Errorf("%v\n got %s\nwant %s", ok, text, pair.want)
				}
			}
		})
	}
}

func TestReadRecipe(t *testing.T) {
	recipe, ok := ReadRecipe(value(t, `{"recipe":{"ingredient":["did:gun:b:1","did:arweave:a","did:gun:b:1","salt","did:arweave:c"],"ingredient_comment":["","","","","optional"]}}`))
	if dids := recipe.DIDs(); !ok || !slices.Equal(dids, []string{"did:gun:b:1", "did:arweave:a"}) {
		t.Errorf("%v, %v", dids, ok)
	}
	long := func(n int) string {
		return `{"recipe":{"ingredient":[` + strings.TrimSuffix(strings.Repeat(`"did:arweave:a",`, n), ",") + `]}}`
	}
	for _, data := range []string{`{}`, `null`, `{"recipe":null}`, `{"recipe":{"ingredient":[]}}`, `{"recipe":{"ingredient":"did:arweave:a"}}`, `{"recipe":[]}`, long(MaxIngredients + 1)} {
		if _, ok := ReadRecipe(value(t, data)); ok {
			t.Errorf("%.60s is a recipe", data)
		}
	}
	if _, ok := ReadRecipe(value(t, long(MaxIngredients))); !ok {
		t.Error("the longest recipe is none")
	}
}

// TestSample: every recipe of the sample chain has a summary, and of what is listed
// there only the optional ingredients are not in it. The sums are compared with those
// that this test makes by its own, plainer way.
func TestSample(t *testing.T) {
	var ingredients []struct {
		Name, Per   string
		Count, Kcal float64
	}
	var recipes []struct {
		Name        string
		Servings    float64
		Ingredients []string
	}
	for name, v := range map[string]any{"ingredients": &ingredients, "recipes": &recipes} {
		text, err := os.ReadFile("../../infra/sample/gen/content/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, v); err != nil {
			t.Fatal(err)
		}
	}
	// The amounts of each unit that the sample uses, in grams or millilitres.
	sizes := map[string]float64{"g": 1, "kg": 1000, "oz": 28.349523125, "cup": 236.5882365, "cups": 236.5882365, "tbsp": 236.5882365 / 16, "tsp": 236.5882365 / 48, "pinch": 236.5882365 / 768}
	facts, kcal := make(map[string]Facts), make(map[string]func(amount float64, unit string) float64)
	did := func(name string) string { return "did:arweave:" + strings.ReplaceAll(name, " ", "-") }
	for _, in := range ingredients {
		amount, unit, _ := strings.Cut(in.Per, " ")
		info := fmt.Sprintf(`{"nutritionalInfo":{"standardAmount":%s,"standardUnit":%q,"qtyInStandardAmount":%v,"calories":%v}}`, amount, unit, in.Count, in.Kcal)
		var ok bool
		if facts[did(in.Name)], ok = ReadFacts(value(t, info)); !ok {
			t.Fatal(info)
		}
		standard, _ := number(value(t, amount))
		kcal[did(in.Name)] = func(amount float64, of string) float64 {
			if sizes[of] == 0 {
				return in.Kcal * amount / in.Count
			}
			return in.Kcal * amount * sizes[of] / (standard * sizes[unit])
		}
	}
	for _, r := range recipes {
		var dids, amounts, units, comments []string
		want, optional := 0.0, 0
		for _, text := range r.Ingredients {
			portion, rest, _ := strings.Cut(text, "; ")
			name, comment, _ := strings.Cut(rest, "; ")
			amount, unit, _ := strings.Cut(portion, " ")
			dids, amounts, units, comments = append(dids, did(name)), append(amounts, amount), append(units, unit), append(comments, comment)
			if strings.Contains(comment, "optional") || strings.Contains(comment, "to taste") || strings.Contains(comment, "as desired") {
				optional++
				continue
			}
			n, _ := number(value(t, amount))
			want += kcal[did(name)](n, unit)
		}
		data := fmt.Sprintf(`{"recipe":{"servings":%v,"ingredient":%s,"ingredient_amount":[%s],"ingredient_unit":%s,"ingredient_comment":%s}}`,
			r.Servings, texts(dids), strings.Join(amounts, ","), texts(units), texts(comments))
		recipe, ok := ReadRecipe(value(t, data))
		if !ok {
			t.Fatal(data)
		}
		total, perServing, ok := recipe.Summarize(facts)
		if !ok || total.Total != len(dids) || total.Processed != len(dids)-optional || math.Abs(total.Calories-want) > 0.51 ||
			math.Abs(perServing.Calories-want/r.Servings) > 0.51 {
			t.Errorf("%s: %+v, %+v, want %v of %d with %d optional", r.Name, total, perServing, want, len(dids), optional)
		}
	}
	if len(recipes) < 20 {
		t.Errorf("only %d recipes", len(recipes))
	}
}

// texts is a list of texts in JSON.
func texts(list []string) string {
	out := []byte("[")
	for i, s := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = canon.AppendString(out, s)
	}
	return string(append(out, ']'))
}

// FuzzSummarize: whatever records hold, sums are numbers that JSON has, none is below
// zero, and no more ingredients are used than there are, a quarter at least.
func FuzzSummarize(f *testing.F) {
	f.Add(`{"servings":4,"ingredient":["did:arweave:a","did:arweave:b"],"ingredient_amount":[250,"1/2"],"ingredient_unit":["g",null],"ingredient_comment":["","to taste"]}`,
		`{"standardAmount":100,"standardUnit":"g (1 medium)","qtyInStandardAmount":2,"calories":364.4,"proteinG":"10.33"}`)
	f.Add(`{"servings":1e-9,"ingredient":["did:arweave:a"],"ingredient_amount":[1e9],"ingredient_unit":["gallon"]}`, `{"standardAmount":1e-6,"standardUnit":"ml","calories":1e9}`)
	f.Add(`{"servings":{},"ingredient":[null,["did:arweave:a"],"did:arweave:a"],"ingredient_amount":{"0":1}}`, `{"qtyInStandardAmount":1,"fatG":-0}`)
	f.Fuzz(func(t *testing.T, recipeText, infoText string) {
		data, err := canon.Parse([]byte(`{"recipe":` + recipeText + `,"nutritionalInfo":` + infoText + `}`))
		if err != nil {
			return
		}
		recipe, ok := ReadRecipe(data)
		if !ok {
			return
		}
		known := make(map[string]Facts)
		if facts, ok := ReadFacts(data); ok {
			for _, did := range recipe.DIDs() {
				known[did] = facts
			}
		}
		total, perServing, ok := recipe.Summarize(known)
		if !ok {
			return
		}
		if total.Processed < 1 || total.Processed > total.Total || 4*total.Processed < total.Total || total.Total > MaxIngredients {
			t.Fatalf("%d of %d ingredients", total.Processed, total.Total)
		}
		for _, s := range []Summary{total, perServing} {
			if _, err := json.Marshal(s); err != nil {
				t.Fatalf("%+v: %v", s, err)
			}
			for name, n := range s.fields() {
				if *n < 0 {
					t.Fatalf("%s is %v", name, *n)
				}
			}
		}
	})
}
