package nutrition

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"oipnode/shared/oip/canon"
)

func TestReadAmount(t *testing.T) {
	for text, want := range map[string]struct {
		amount float64
		rest   string
	}{
		"2":             {2, ""},
		" 2.50 cups ":   {2.5, "cups"},
		"0,5":           {0.5, ""},
		".5 cup":        {0.5, "cup"},
		"0,125":         {0.125, ""},
		"1,25":          {1.25, ""},
		"200g":          {200, "g"},
		"1/2":           {0.5, ""},
		"3 / 4 tsp":     {0.75, "tsp"},
		"1⁄4":           {0.25, ""},
		"½":             {0.5, ""},
		"1 1/2 cups":    {1.5, "cups"},
		"1½":            {1.5, ""},
		"2 ¾ lb":        {2.75, "lb"},
		"1-1/2":         {1.5, ""},
		"2-3 cloves":    {2.5, "cloves"},
		"2 – 3":         {2.5, ""},
		"1 to 2 tbsp":   {1.5, "tbsp"},
		"1/2-3/4":       {0.625, ""},
		"2 tomatoes":    {2, "tomatoes"},
		"1.":            {1, "."},
		"1 15 oz can":   {1, "15 oz can"},
		"1 0.5":         {1, "0.5"},
		"1.2.3":         {1.2, ".3"},
		"1000000000":    {1e9, ""},
		"1 -":           {1, "-"},
		"5-4/5 potatos": {5.8, "potatos"},
	} {
		amount, rest, ok := readAmount(text)
		if !ok || math.Abs(amount-want.amount) > 1e-12 || rest != want.rest {
			t.Errorf("%q: %v, %q, %v; want %v, %q", text, amount, rest, ok, want.amount, want.rest)
		}
	}
	for _, text := range []string{"", " ", "a pinch", "-1", "+1", "1,000", "12,345", "1/0", "1/x", "1000000001", "1e9", "3-2", "NaN", "Inf", "0x10", "１",
		strings.Repeat("9", 400), strings.Repeat(" ", 300) + "1", "\xff"} {
		if amount, rest, ok := readAmount(text); ok && text != "1e9" && text != "0x10" {
			t.Errorf("%q: %v, %q", text, amount, rest)
		}
	}
	// What follows an amount makes it none where it has to stand alone.
	for _, text := range []string{"1e9", "0x10", "2 cups", "1."} {
		if n, ok := number(value(t, `"`+text+`"`)); ok {
			t.Errorf("%q is the number %v", text, n)
		}
	}
}

func value(t testing.TB, text string) canon.Value {
	t.Helper()
	v, err := canon.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func TestFindUnit(t *testing.T) {
	for text, want := range map[string]unit{
		"":                   {count, 1, ""},
		"g":                  {mass, 1, ""},
		"Grams":              {mass, 1, ""},
		"KG":                 {mass, 1000, ""},
		"mg":                 {mass, 0.001, ""},
		"oz.":                {mass, 28.349523125, ""},
		"lbs":                {mass, 453.59237, ""},
		"mL":                 {volume, 1, ""},
		"litre":              {volume, 1000, ""},
		"dl":                 {volume, 100, ""},
		"fl oz":              {volume, 29.5735295625, ""},
		"fl. oz.":            {volume, 29.5735295625, ""},
		"Fluid  Ounces":      {volume, 29.5735295625, ""},
		"T":                  {volume, 14.78676478125, ""},
		"t":                  {volume, 4.92892159375, ""},
		"t.":                 {volume, 4.92892159375, ""},
		"Tbsp.":              {volume, 14.78676478125, ""},
		"tsp":                {volume, 4.92892159375, ""},
		"cup":                {volume, 236.5882365, ""},
		"C":                  {volume, 236.5882365, ""},
		"cup diced":          {volume, 236.5882365, ""},
		"heaped tablespoons": {volume, 14.78676478125, ""},
		"pint":               {volume, 473.176473, ""},
		"quarts":             {volume, 946.352946, ""},
		"gal":                {volume, 3785.411784, ""},
		"dash":               {volume, 4.92892159375 / 8, ""},
		"pinch":              {volume, 4.92892159375 / 16, ""},
		"clove":              {count, 1, "clove"},
		"Cloves":             {count, 1, "clove"},
		"slices":             {count, 1, "slice"},
		"pieces":             {count, 1, ""},
		"large egg":          {count, 1, "whole"},
		"whole":              {count, 1, "whole"},
		"tins":               {count, 1, "can"},
		"handful":            {},
		"fluid":              {},
		"fl":                 {},
		"about":              {},
		"gg":                 {},
		"µg":                 {},
	} {
		got := findUnit(text)
		if got.dimension != want.dimension || got.noun != want.noun || math.Abs(got.size-want.size) > 1e-9 {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}

// A name may stand in the table only once: the later row would win unnoticed.
func TestTable(t *testing.T) {
	names := 0
	for _, n := range nouns {
		names += len(strings.Fields(n))
	}
	singles := table(nil, nouns)
	if len(singles) != names {
		t.Errorf("%d names of nouns are %d", names, len(singles))
	}
	for name := range units {
		if n := len(strings.Fields(name)); n > maxUnitWords || name != strings.ToLower(name) {
			t.Errorf("%q cannot be found", name)
		}
		if got := findUnit(name); got != units[name] && name != "t" {
			t.Errorf("%q is found as %+v", name, got)
		}
		if _, isNoun := singles[name]; isNoun && units[name].noun == "" {
			t.Errorf("%q is a unit and a noun", name)
		}
	}
}

// FuzzQuantity: whatever the texts, an amount that is used is within its bounds, what
// is left of a text is its end, and an ingredient is itself once.
func FuzzQuantity(f *testing.F) {
	for _, s := range [][2]string{{"2", "cups"}, {"1 1/2", "cup (240 g), diced"}, {"½", ""}, {"2-3", "15 oz can (400 g each)"}, {"200 g", ""}, {"1,000", "T"}, {"9e9", "((()"},
		{"1/0", "fl. oz"}, {"", "(1 medium potato"}, {"\xff", "\xff("}, {"1 ⅞", "level tsp"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, amount, unitText string) {
		n, rest, ok := readAmount(amount)
		if n < 0 || n > most || math.IsNaN(n) || ok && !strings.HasSuffix(strings.TrimSpace(amount), rest) {
			t.Fatalf("%q: %v, %q, %v", amount, n, rest, ok)
		}
		texts := append(canon.AppendString(append(canon.AppendString([]byte("["), amount), ','), unitText), ']')
		var pair []canon.Value
		for v := range value(t, string(texts)).Elements() {
			pair = append(pair, v)
		}
		q := readQuantity(pair[0], pair[1])
		if q.amount == 0 {
			return
		}
		if q.amount < least || q.amount > most || len(q.also) > maxRemarks {
			t.Fatalf("%q %q: %+v", amount, unitText, q)
		}
		info := fmt.Sprintf(`{"nutritionalInfo":{"calories":1,"standardAmount":%s,"standardUnit":%s}}`, pair[0].Raw(), pair[1].Raw())
		facts, ok := ReadFacts(value(t, info))
		if !ok {
			t.Fatalf("%s: no facts", info)
		}
		if times, ok := facts.times(q); ok && math.Abs(times-1) > 1e-9 {
			t.Fatalf("%s is %v times itself", info, times)
		}
	})
}
