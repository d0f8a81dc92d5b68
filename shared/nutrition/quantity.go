package nutrition

import (
	"strings"

	"oipnode/shared/oip/canon"
)

// quantity is an amount of something, of a recipe or of an ingredient's record.
type quantity struct {
	// amount is how many of unit; 0 for one that cannot be used.
	amount float64
	unit   unit
	// text is the unit's text in one form, for units that only both sides know.
	text string
	// also is what the unit's text says in parentheses.
	also []remark
}

// remark is another amount of the same thing: "(240 g)", "(400 g each)".
type remark struct {
	amount float64
	unit   unit
	each   bool // of one unit, and not of the whole amount
}

const (
	maxRemarks = 4
	// least and most bound what a standard amount measures, so that all quotients are
	// finite and none is nonsense.
	least = 1e-6
)

// readQuantity reads an amount and its unit. The unit may stand with the amount ("200
// g"), and an amount with the unit ("15 oz can"), which is then multiplied.
func readQuantity(amount, unitText canon.Value) quantity {
	text := unitText.Text()
	if k := unitText.Kind(); k != canon.String && k != canon.Null && k != canon.Invalid || len(text) > maxText {
		return quantity{}
	}
	if amount.Kind() != canon.String {
		n, ok := number(amount)
		if !ok {
			return quantity{}
		}
		return newQuantity(n, text)
	}
	n, rest, ok := readAmount(amount.Text())
	switch {
	case !ok, rest != "" && strings.TrimSpace(text) != "":
		return quantity{}
	case rest != "":
		text = rest
	}
	return newQuantity(n, text)
}

func newQuantity(amount float64, text string) quantity {
	text, remarks := cutRemarks(text)
	if n, rest, ok := readAmount(text); ok {
		amount, text = amount*n, rest
	}
	if amount < least || amount > most {
		return quantity{}
	}
	q := quantity{amount: amount, unit: findUnit(text), text: strings.ToLower(text)}
	for _, r := range remarks {
		if r, ok := readRemark(r); ok {
			q.also = append(q.also, r)
		}
	}
	return q
}

// cutRemarks takes what is in parentheses out of a unit's text, and what is behind a
// comma or a semicolon; of the rest, words are one space apart.
func cutRemarks(text string) (rest string, remarks []string) {
	var b strings.Builder
	for {
		before, behind, found := strings.Cut(text, "(")
		b.WriteString(before + " ")
		if !found {
			break
		}
		inside, after, closed := strings.Cut(behind, ")")
		if len(remarks) < maxRemarks {
			remarks = append(remarks, inside)
		}
		if text = after; !closed {
			break
		}
	}
	rest = b.String()
	if i := strings.IndexAny(rest, ",;"); i >= 0 && (i+1 == len(rest) || !isDigit(rest[i+1])) {
		rest = rest[:i]
	}
	return strings.Join(strings.Fields(rest), " "), remarks
}

// readRemark reads "240 g", "≈170 g", "about 1 medium potato", "400 g each".
func readRemark(text string) (remark, bool) {
	text = strings.ToLower(strings.TrimSpace(text))
	for cut := true; cut; {
		cut = false
		for _, sign := range []string{"≈", "~", "=", "about ", "approx. ", "approx ", "approximately ", "ca. ", "ca "} {
			if rest, ok := strings.CutPrefix(text, sign); ok {
				text, cut = strings.TrimSpace(rest), true
			}
		}
	}
	n, rest, ok := readAmount(text)
	if !ok || rest == "" || n < least {
		return remark{}, false
	}
	rest, each := strings.CutSuffix(rest, " each")
	u := findUnit(rest)
	if u.dimension == unknown {
		u = findNoun(rest)
	}
	return remark{n, u, each}, u.dimension != unknown
}

// Facts are what a record says of an ingredient. The zero Facts fit nothing.
type Facts struct {
	values Values
	// amount and text are the standard amount in its own unit, for one that only both
	// sides know.
	amount float64
	text   string
	// measures are what the standard amount is, in grams, millilitres and pieces.
	measures []measure
}

// measure is a size in one dimension, of what is counted by its noun.
type measure struct {
	dimension
	size float64
	noun string
}

// ReadFacts reads the nutritionalInfo in the data of a record. It reports false where
// there is none that could be used.
func ReadFacts(data canon.Value) (Facts, bool) {
	info, _ := data.Get("nutritionalInfo")
	var f Facts
	found := false
	for name, value := range f.values.fields() {
		v, there := info.Get(name)
		if !there || v.Kind() == canon.Null {
			continue
		}
		n, ok := number(v)
		if !ok {
			return Facts{}, false
		}
		*value, found = n, true
	}
	if !found {
		return Facts{}, false
	}
	amount, _ := info.Get("standardAmount")
	unitText, _ := info.Get("standardUnit")
	q := readQuantity(amount, unitText)
	if q.amount > 0 {
		f.amount, f.text = q.amount, q.text
		f.measure(q.amount, q.unit)
		for _, r := range q.also {
			if r.each {
				r.amount *= q.amount
			}
			f.measure(r.amount, r.unit)
		}
	}
	pieces, _ := info.Get("qtyInStandardAmount")
	if n, ok := number(pieces); ok {
		f.measure(n, unit{count, 1, ""})
	}
	return f, f.amount > 0 || len(f.measures) > 0
}

// measure adds what the standard amount is; the first of a dimension and a noun holds.
func (f *Facts) measure(amount float64, u unit) {
	size := amount * u.size
	if u.dimension == unknown || size < least || size > most {
		return
	}
	for _, m := range f.measures {
		if m.dimension == u.dimension && m.noun == u.noun {
			return
		}
	}
	f.measures = append(f.measures, measure{u.dimension, size, u.noun})
}

// times is how many standard amounts a quantity is.
func (f Facts) times(q quantity) (float64, bool) {
	if q.amount == 0 {
		return 0, false
	}
	if times, ok := f.fit(q.amount, q.unit); ok {
		return times, true
	}
	if q.unit.dimension == unknown && q.text == f.text && f.amount > 0 {
		return q.amount / f.amount, true
	}
	for _, r := range q.also {
		// "2 cans (400 g)" could mean each of them, or both.
		if r.each || q.amount == 1 {
			if times, ok := f.fit(r.amount*q.amount, r.unit); ok {
				return times, true
			}
		}
	}
	return 0, false
}

// fit divides an amount by the measure that fits it best: what has the same noun goes
// before what counts anything.
func (f Facts) fit(amount float64, u unit) (float64, bool) {
	best := -1
	for i, m := range f.measures {
		switch {
		case m.dimension != u.dimension:
		case m.noun == u.noun:
			return amount * u.size / m.size, true
		case best < 0 && (m.noun == "" || u.noun == ""):
			best = i
		}
	}
	if best < 0 {
		return 0, false
	}
	return amount * u.size / f.measures[best].size, true
}
