package nutrition

import "strings"

// dimension is what a unit measures. Amounts of one dimension can be converted.
type dimension int

const (
	unknown dimension = iota
	mass
	volume
	count
)

// unit is a unit of the table.
type unit struct {
	dimension
	// size is how many grams or millilitres it has; 1 for what is counted.
	size float64
	// noun is what is counted. Empty is anything: pieces, items.
	noun string
}

// Sizes in grams and millilitres. The US customary units are exact, by definition of
// the pound and of the gallon (NIST Handbook 44, Appendix C); these, and not the
// round ones of nutrition labels (21 CFR 101.9 (b)(5)(viii): a cup of 240 ml, a
// tablespoon of 15), since food databases weigh cups of 236.6 ml. Within either
// system the ratios are the same. Pint, quart and gallon are those for liquids. An
// ounce is one of mass; of volume is only what is called a fluid ounce.
const (
	pound      = 453.59237
	ounce      = pound / 16
	gallon     = 3785.411784
	quart      = gallon / 4
	pint       = quart / 2
	cup        = pint / 2
	fluidOunce = cup / 8
	tablespoon = fluidOunce / 2
	teaspoon   = tablespoon / 3
	// The small measuring spoons, as they are sold and as cookbooks have them: a dash
	// is an eighth of a teaspoon, a pinch a sixteenth, a smidgen half of that.
	dash    = teaspoon / 8
	pinch   = teaspoon / 16
	smidgen = teaspoon / 32
)

// units has a row for each unit: how many of what, and all the names it goes by,
// singular and plural. Metric ones are those of the SI Brochure.
var units = table([]row{
	{mass, 1, "g gr gram grams gramme grammes"},
	{mass, 1000, "kg kgs kilo kilos kilogram kilograms kilogramme kilogrammes"},
	{mass, 0.001, "mg milligram milligrams"},
	{mass, ounce, "oz ozs ounce ounces oz_wt"},
	{mass, pound, "lb lbs pound pounds"},

	{volume, 1, "ml mls milliliter milliliters millilitre millilitres cc"},
	{volume, 10, "cl centiliter centiliters centilitre centilitres"},
	{volume, 100, "dl deciliter deciliters decilitre decilitres"},
	{volume, 1000, "l ltr liter liters litre litres"},
	{volume, teaspoon, "tsp tsps teaspoon teaspoons teaspoonful teaspoonfuls"},
	{volume, tablespoon, "tbsp tbsps tbs tbl tablespoon tablespoons tablespoonful tablespoonfuls"},
	{volume, fluidOunce, "fl_oz fl_ozs floz fluid_oz fluid_ounce fluid_ounces"},
	{volume, cup, "cup cups c cupful cupfuls"},
	{volume, pint, "pint pints pt pts"},
	{volume, quart, "quart quarts qt qts"},
	{volume, gallon, "gallon gallons gal gals"},
	{volume, dash, "dash dashes"},
	{volume, pinch, "pinch pinches"},
	{volume, smidgen, "smidgen smidgens smidge smidges"},

	{count, 1, "piece pieces pc pcs item items unit units each ea count ct"},
}, nouns)

// nouns are what else is counted: the first name of each row is the one that stands
// for the row. A large one is a whole one.
var nouns = []string{
	"whole wholes large medium small fruit fruits",
	"clove cloves", "slice slices", "stalk stalks rib ribs", "head heads", "leaf leaves", "sprig sprigs", "bunch bunches", "wedge wedges",
	"strip strips", "spear spears", "stem stems", "ear ears", "fillet fillets filet filets", "breast breasts", "thigh thighs", "leg legs",
	"can cans tin tins", "jar jars", "bottle bottles", "packet packets pkt package packages pkg pack packs", "bag bags", "box boxes",
	"bar bars", "square squares", "sheet sheets", "roll rolls", "bun buns", "loaf loaves", "ball balls", "cube cubes", "stick sticks",
	"scoop scoops", "serving servings portion portions",
}

// qualifiers stand before a unit and do not change which one it is.
var qualifiers = []string{"level", "heaped", "heaping", "rounded", "scant", "generous", "packed", "about", "approx", "approximately", "ca", "circa"}

type row struct {
	dimension
	size  float64
	names string // an underscore is a space
}

// table makes the rows findable by their names.
func table(rows []row, nouns []string) map[string]unit {
	found := make(map[string]unit)
	for _, r := range rows {
		for name := range strings.FieldsSeq(r.names) {
			found[strings.ReplaceAll(name, "_", " ")] = unit{r.dimension, r.size, ""}
		}
	}
	for _, names := range nouns {
		noun, _, _ := strings.Cut(names, " ")
		for name := range strings.FieldsSeq(names) {
			found[name] = unit{count, 1, noun}
		}
	}
	return found
}

// maxUnitWords is how many words the longest name of the table has.
const maxUnitWords = 2

// findUnit finds the unit that a text begins with: "cup", "Tbsp.", "fl oz", "cup
// diced". No text at all is a piece. The dimension of what is not found is unknown.
func findUnit(text string) unit {
	// The one pair in which only the size of the letter tells.
	switch strings.TrimSuffix(text, ".") {
	case "":
		return unit{count, 1, ""}
	case "T":
		return unit{volume, tablespoon, ""}
	case "t":
		return unit{volume, teaspoon, ""}
	}
	words := strings.Fields(strings.ReplaceAll(strings.ToLower(text), ".", " "))
	for len(words) > 1 && isQualifier(words[0]) {
		words = words[1:]
	}
	for n := min(maxUnitWords, len(words)); n > 0; n-- {
		if u, ok := units[strings.Join(words[:n], " ")]; ok {
			return u
		}
	}
	return unit{}
}

// findNoun finds what a text counts at any place: "medium russet potato".
func findNoun(text string) unit {
	for word := range strings.FieldsSeq(strings.ToLower(text)) {
		if u := units[word]; u.dimension == count {
			return u
		}
	}
	return unit{}
}

func isQualifier(word string) bool {
	for _, q := range qualifiers {
		if word == q {
			return true
		}
	}
	return false
}
