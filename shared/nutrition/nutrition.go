// Package nutrition adds up what the ingredients of a recipe hold: calories,
// protein, fat, cholesterol, sodium and carbohydrates, in all and per serving (spec
// records-api section 2, summarizeRecipe).
//
// A recipe lists its ingredients as DIDs, and beside them, position by position,
// amounts, units and comments. The record behind a DID says in its nutritionalInfo
// what a standard amount of the ingredient holds: "100 g", "1 cup", or "50 g, of
// which one piece makes one" (qtyInStandardAmount). The recipe's amount is converted
// into standard amounts by the units of units.go.
//
// What the contract leaves open is done here as a reader of the sum would expect it:
//
//   - An ingredient counts as used up to what is known of it, never by a guess.
//     Mass and volume are converted into each other, and both into pieces, only where
//     the ingredient's own record tells how: by qtyInStandardAmount, or in parentheses
//     behind its unit, as labels write it ("cup (240 g)", "g (1 medium potato)").
//     There are no densities here.
//   - An ingredient whose unit is unknown, whose amount or record is missing or
//     unreadable, or whose record the caller may not read is unusable: it adds
//     nothing and is not among ingredientsProcessed. A unit that this package does not
//     know is still right when both sides use the same word.
//   - A nutrient that the record does not have adds zero; one that is there and is no
//     number of zero or more makes the ingredient unusable, and so does a record with
//     none of the six.
//   - No unit means pieces. Pieces, items and units are whatever the ingredient
//     counts; a clove, a slice or a can is the same noun on both sides, or what
//     qtyInStandardAmount counts. A whole one is not a slice.
//   - Amounts may be texts: "1/2", "1 ½", "2-3" (the middle), "200 g" without a unit.
//   - Optional are ingredients whose comment has "optional", "as desired" or "to
//     taste", in any case. They add nothing and are not among ingredientsProcessed.
//     totalIngredients is the length of the recipe's list, optional ones included, as
//     clients know it; a quarter of that must have been used, else there is no summary.
//   - A recipe without a number of servings is one serving.
//   - Sums are rounded as labels are: calories and milligrams to whole numbers, grams
//     to one decimal, each once, at the end.
//
// Everything read is bounded: MaxIngredients, the length of a text, the size of a
// number. Values are JSON of strangers, so whatever has the wrong type is absent.
package nutrition

import (
	"math"
	"strings"

	"oipnode/shared/oip"
	"oipnode/shared/oip/canon"
)

// MaxIngredients is the longest list of a recipe that is added up; a longer one has
// no summary.
const MaxIngredients = 1000

// most is the largest number that counts: an amount, a nutrient, a number of
// servings. What is beyond it is an error of its publisher.
const most = 1e9

// Values are the nutrients of an amount.
type Values struct {
	Calories       float64 `json:"calories"`
	ProteinG       float64 `json:"proteinG"`
	FatG           float64 `json:"fatG"`
	CholesterolMg  float64 `json:"cholesterolMg"`
	SodiumMg       float64 `json:"sodiumMg"`
	CarbohydratesG float64 `json:"carbohydratesG"`
}

// Summary is what an answer carries.
type Summary struct {
	Values
	// Processed is how many ingredients are in the sum, Total how many there are.
	Processed int `json:"ingredientsProcessed"`
	Total     int `json:"totalIngredients"`
}

// fields are the values by the names that records have for them.
func (v *Values) fields() map[string]*float64 {
	return map[string]*float64{
		"calories": &v.Calories, "proteinG": &v.ProteinG, "fatG": &v.FatG,
		"cholesterolMg": &v.CholesterolMg, "sodiumMg": &v.SodiumMg, "carbohydratesG": &v.CarbohydratesG,
	}
}

// add adds so many times the other values.
func (v *Values) add(o Values, times float64) {
	v.Calories += o.Calories * times
	v.ProteinG += o.ProteinG * times
	v.FatG += o.FatG * times
	v.CholesterolMg += o.CholesterolMg * times
	v.SodiumMg += o.SodiumMg * times
	v.CarbohydratesG += o.CarbohydratesG * times
}

// rounded are the values divided by a number of servings, as they are shown.
func (v Values) rounded(servings float64) Values {
	round := func(n, decimals float64) float64 { return math.Round(n/servings*decimals) / decimals }
	return Values{
		round(v.Calories, 1), round(v.ProteinG, 10), round(v.FatG, 10),
		round(v.CholesterolMg, 1), round(v.SodiumMg, 1), round(v.CarbohydratesG, 10),
	}
}

// Recipe is what a record says of its ingredients.
type Recipe struct {
	servings    float64
	ingredients []ingredient
}

// ingredient is one position of a recipe's lists.
type ingredient struct {
	did string // empty for what is no DID
	quantity
	optional bool
}

// optionalWords make an ingredient optional when its comment has one of them.
var optionalWords = []string{"optional", "as desired", "to taste"}

// ReadRecipe reads the data of a record. It reports false for a record that is no
// recipe with ingredients, or has more than MaxIngredients.
func ReadRecipe(data canon.Value) (Recipe, bool) {
	recipe, _ := data.Get("recipe")
	list, _ := recipe.Get("ingredient")
	var dids []canon.Value
	for v := range list.Elements() {
		if dids = append(dids, v); len(dids) > MaxIngredients {
			return Recipe{}, false
		}
	}
	if len(dids) == 0 {
		return Recipe{}, false
	}
	amounts, units, comments := column(recipe, "ingredient_amount", len(dids)), column(recipe, "ingredient_unit", len(dids)), column(recipe, "ingredient_comment", len(dids))
	r := Recipe{servings: 1, ingredients: make([]ingredient, len(dids))}
	servings, _ := recipe.Get("servings")
	if n, ok := number(servings); ok && n >= least {
		r.servings = n
	}
	for i, v := range dids {
		in := ingredient{quantity: readQuantity(amounts[i], units[i]), optional: isOptional(comments[i])}
		if did := v.Text(); oip.ValidDID(did) {
			in.did = did
		}
		r.ingredients[i] = in
	}
	return r, true
}

// column is one of the lists beside the ingredients; where it ends, nothing follows.
func column(recipe canon.Value, name string, length int) []canon.Value {
	values := make([]canon.Value, length)
	list, _ := recipe.Get(name)
	i := 0
	for v := range list.Elements() {
		if i == length {
			break
		}
		values[i] = v
		i++
	}
	return values
}

func isOptional(comment canon.Value) bool {
	text := strings.Join(strings.Fields(strings.ToLower(comment.Text())), " ")
	for _, words := range optionalWords {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

// DIDs are the records that the sum needs, each once, in order: those of the
// ingredients that are not optional.
func (r Recipe) DIDs() []string {
	var dids []string
	seen := make(map[string]bool)
	for _, in := range r.ingredients {
		if in.did != "" && !in.optional && !seen[in.did] {
			seen[in.did] = true
			dids = append(dids, in.did)
		}
	}
	return dids
}

// Summarize adds the ingredients up, with what is known of them by their DIDs. It
// reports false when less than a quarter of them could be used.
func (r Recipe) Summarize(known map[string]Facts) (total, perServing Summary, ok bool) {
	var sum Values
	processed := 0
	for _, in := range r.ingredients {
		facts, found := known[in.did]
		if !found || in.optional {
			continue
		}
		if times, ok := facts.times(in.quantity); ok {
			sum.add(facts.values, times)
			processed++
		}
	}
	if processed == 0 || 4*processed < len(r.ingredients) {
		return Summary{}, Summary{}, false
	}
	return Summary{sum.rounded(1), processed, len(r.ingredients)}, Summary{sum.rounded(r.servings), processed, len(r.ingredients)}, true
}
