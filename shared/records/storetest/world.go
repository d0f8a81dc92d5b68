package storetest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
)

// world makes templates and records at random. The same seed makes the same ones.
type world struct {
	*rand.Rand
	press     *press
	templates []schema
	count     int
}

// schema is a random template and the types of its fields.
type schema struct {
	*oip.Template
	types []string
}

func newWorld(seed uint64) *world {
	w := &world{Rand: rand.New(rand.NewPCG(seed, 7)), press: newPress()}
	for i := range 6 {
		w.templates = append(w.templates, w.template(i))
	}
	return w
}

// one returns one of the values.
func one[T any](w *world, values ...T) T { return values[w.IntN(len(values))] }

// chance is true once in n times.
func (w *world) chance(n int) bool { return w.IntN(n) == 0 }

// template makes a template of one to eight fields. Their names come again in others,
// with other types.
func (w *world) template(n int) schema {
	names := []string{"note", "amount", "step", "a.b", "*", "ü", "label", "Label", "kind of", "x[0]", "parts", "link", "on"}
	w.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	definition := make([]string, 0, 16)
	s := schema{}
	for i, name := range names[:1+w.IntN(8)] {
		kind := one(w, "string", "string", "string", "long", "uint64", "double", "float", "bool", "enum", "dref", "anything", "anything")
		if kind != "enum" && w.chance(3) {
			kind = "repeated " + kind
		}
		quoted, index := mustJSON(name), mustJSON("index_"+name)
		definition = append(definition, fmt.Sprintf(`%s:%q,%s:%d`, quoted, kind, index, i))
		if kind == "enum" {
			definition = append(definition, fmt.Sprintf(`%s:[{"code":"hot","name":"Hot Dish"},{"code":"cold","name":"Cold Dish"},"plain"]`, mustJSON(name+"Values")))
		}
		s.types = append(s.types, kind)
	}
	s.Template = w.press.template(fmt.Sprint(one(w, "recipe", "workout", "Note", "my template", "t*"), n), "{"+strings.Join(definition, ",")+"}")
	return s
}

func mustJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("storetest: %v", err))
	}
	return string(text)
}

// vocabulary has words that are near one another, of all the lengths that count.
var vocabulary = []string{
	"a", "of", "to", "ot", "soup", "suop", "soap", "soups", "stew", "chicken", "chiken", "chikcen", "chickens", "kitchen", "Chicken", "pepper", "peppers", "paper",
	"crème", "creme", "brûlée", "Öl", "öl", "ÖL", "naïve", "日本", "суп", "супы", "12", "3.5", "don't", "e-mail", "foo_bar", "x*y", "(soup)", "\"stew\"", "\u0001", "\U0001f600", "İzmir",
}

// words is a text of some of them.
func (w *world) words(most int) string {
	var b strings.Builder
	for i := range 1 + w.IntN(most) {
		if i > 0 {
			b.WriteString(one(w, " ", " ", " ", "-", ", ", "", "_", "\n"))
		}
		b.WriteString(one(w, vocabulary...))
	}
	return b.String()
}

// did is a reference, mostly to one of a few.
func (w *world) did() string {
	return one(w, "did:arweave:", "did:arweave:", "did:gun:soul:", "did:") + one(w, "a", "ab", "b", "*", "ü", "") + one(w, "", "", "1", "2")
}

// value is what somebody published for a field of a type; mostly it fits.
func (w *world) value(kind string, depth int) any {
	if rest, ok := strings.CutPrefix(kind, "repeated "); ok && !w.chance(8) {
		list := make([]any, w.IntN(4))
		for i := range list {
			list[i] = w.value(rest, depth+1)
		}
		return list
	}
	if w.chance(5) {
		kind = "anything"
	}
	switch kind {
	case "string":
		if w.chance(25) {
			return w.words(700)
		}
		return w.words(5)
	case "long", "uint64":
		return one[any](w, w.IntN(6), w.IntN(6), -w.IntN(6), fmt.Sprint(w.IntN(6)), int64(1)<<53, json.RawMessage("9007199254740993"))
	case "double", "float":
		return one[any](w, float64(w.IntN(20))/4, json.RawMessage(fmt.Sprintf("%d.0", w.IntN(4))), "1.25", -0.5, 1e300, json.RawMessage("-0"))
	case "bool":
		return w.chance(2)
	case "enum":
		return w.IntN(5)
	case "dref":
		return w.did()
	}
	if depth > 3 {
		return w.words(2)
	}
	switch w.IntN(8) {
	case 0:
		return nil
	case 1:
		return w.chance(2)
	case 2:
		return w.IntN(5)
	case 3:
		return w.did()
	case 4:
		list := make([]any, w.IntN(4))
		for i := range list {
			list[i] = w.value("anything", depth+1)
		}
		return list
	case 5, 6:
		object := make(map[string]any)
		for range w.IntN(3) {
			object[one(w, "note", "inner", "a.b", "*", "x", "")] = w.value(one(w, "anything", "string", "dref", "double"), depth+1)
		}
		return object
	}
	return w.words(3)
}

// record publishes a record of some of the templates, beside basic.
func (w *world) record() *oip.Document {
	w.count++
	p := w.press
	a := article{signer: w.IntN(3), height: int64(w.IntN(9)), indexedAt: time.UnixMilli(1700000000000 + w.Int64N(50)), handle: one(w, "", "", "writer")}
	basic := map[int]any{4: w.count}
	if !w.chance(4) {
		basic[0] = w.words(2)
	}
	if !w.chance(3) {
		basic[1] = w.value("string", 0)
	}
	if !w.chance(3) {
		basic[2] = one[any](w, w.IntN(40), w.IntN(40), fmt.Sprint(w.IntN(40)), "soon")
	}
	if !w.chance(3) {
		basic[3] = w.value("repeated string", 0)
	}
	objects := []oiptest.Object{{Template: p.basic.ID, Values: basic}}
	for range w.IntN(3) {
		s := one(w, w.templates...)
		values := make(map[int]any)
		for i, kind := range s.types {
			if !w.chance(5) {
				values[i] = w.value(kind, 0)
			}
		}
		objects = append(objects, oiptest.Object{Template: s.ID, Values: values})
	}
	if w.chance(6) {
		objects = append(objects, oiptest.Object{Template: p.access.ID, Values: map[int]any{0: w.IntN(5), 1: one(w, "owner", "other"), 4: []string{one(w, "reader", "third")}}})
	}
	if w.chance(6) {
		objects = append(objects, oiptest.Object{Template: p.schedule.ID, Values: map[int]any{0: w.IntN(40)}})
	}
	return p.expand(a, p.signers[a.signer].Record(one(w, "post", "Post", "recipe", "image"), objects...))
}
