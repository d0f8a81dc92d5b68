package property

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// question is one that is asked of GET /api/records, with what the model needs to answer
// it. A feature of the API is a function that adds to both; all of them are in features.
type question struct {
	params url.Values
	// filters must all hold.
	filters []func(s *sight, f *fact) bool
	// order is the order of the matches; newest without one.
	order func(a, b *fact) int
	// scores are what sortBy can order by besides the fields; first is the one that orders
	// unless sortBy is given, and byScore the one that does.
	scores  map[string]func(s *sight, f *fact) float64
	first   string
	byScore string
	desc    bool
	// distinct leaves the first of each name.
	distinct bool
	// shown changes how a match is shown, in this order.
	shown []func(s *sight, f *fact, doc object)
	// resolve replaces the references of a match.
	resolve func(s *sight, f *fact, doc object)
	// whole are about what the answer says besides its page.
	whole []func(s *sight, matches []*fact, answer object) error
	// last change how a document is shown, behind everything else.
	last []func(doc object) object
	// deletions says that delete messages are among the records.
	deletions bool
	limit     int
	page      int
}

func (q *question) set(name string, value any) { q.params.Set(name, fmt.Sprint(value)) }

func (q *question) filter(holds func(s *sight, f *fact) bool) { q.filters = append(q.filters, holds) }

func (q *question) show(change func(s *sight, f *fact, doc object)) {
	q.shown = append(q.shown, change)
}

// score gives the matches a score of a name.
func (q *question) score(name string, of func(s *sight, f *fact) float64) { q.scores[name] = of }

// feature is one that a random question may have; often says in how many questions, one
// in so many.
type feature struct {
	often   int
	filters bool // it makes matches fewer
	add     func(w *world, q *question)
}

var features = []feature{
	{8, true, func(w *world, q *question) {
		t := w.change(pick(w.rng, append(someTypes, "recipe", "nothing", w.ofSome("oip", "recordType"))))
		q.set("recordType", t)
		q.filter(func(_ *sight, f *fact) bool { return strings.EqualFold(text(f.json, "oip", "recordType"), t) })
	}},
	{12, true, func(w *world, q *question) {
		part := w.change(pick(w.rng, []string{"basic", "acc", "control", "recipe", "tag", "e", "none"}))
		q.set("template", part)
		q.filter(func(_ *sight, f *fact) bool {
			data, _ := at(f.json, "data").(object)
			for name := range data {
				if strings.Contains(strings.ToLower(name), strings.ToLower(part)) && !set(at(f.json, "oip", "deleteMessage")) {
					return true
				}
			}
			return false
		})
	}},
	{5, true, func(w *world, q *question) {
		var tags []string
		for range 1 + w.rng.IntN(3) {
			if tag := pick(w.rng, append(someTags, "none", w.tag())); tag != "" && !slices.Contains(tags, tag) {
				tags = append(tags, tag)
			}
		}
		if len(tags) == 0 {
			return
		}
		q.set("tags", strings.Join(tags, ","))
		all := w.one(3)
		if all {
			q.set("tagsMatchMode", "and")
		}
		matched := func(f *fact) (n int) {
			for _, tag := range tags {
				if slices.Contains(texts(at(f.json, "data", "basic", "tagItems")), tag) {
					n++
				}
			}
			return n
		}
		q.filter(func(_ *sight, f *fact) bool { return matched(f) == len(tags) || !all && matched(f) > 0 })
		q.show(func(_ *sight, f *fact, doc object) {
			doc["score"] = fmt.Sprintf("%.3f", float64(matched(f))/float64(len(tags)))
		})
		q.score("score", func(_ *sight, f *fact) float64 { return float64(matched(f)) })
		q.score("tags", q.scores["score"])
	}},
	{10, true, func(w *world, q *question) {
		did := w.anyDID()
		q.set(pick(w.rng, []string{"did", "didTx"}), did)
		q.filter(func(_ *sight, f *fact) bool { return f.did == did })
	}},
	{10, true, func(w *world, q *question) {
		storage := pick(w.rng, []string{"all", "arweave", "gun", "irys", "GUN"})
		q.set(pick(w.rng, []string{"source", "storage"}), storage)
		q.filter(func(_ *sight, f *fact) bool {
			return storage == "all" || strings.HasPrefix(f.did, "did:"+strings.ToLower(storage)+":")
		})
	}},
	{12, true, func(w *world, q *question) {
		handle := pick(w.rng, []string{"writer0", "writer1", "writer2", "Writer1"})
		q.set("creatorHandle", handle)
		q.filter(func(_ *sight, f *fact) bool { return text(f.json, "oip", "creator", "creatorHandle") == handle })
	}},
	{12, true, func(w *world, q *question) {
		did := pick(w.rng, []string{w.ofSome("oip", "creator", "didAddress"), w.model.wallet})
		if did == "" {
			return
		}
		q.set("creator_did_address", pick(w.rng, []string{did, url.QueryEscape(did)}))
		q.filter(func(_ *sight, f *fact) bool { return text(f.json, "oip", "creator", "didAddress") == did })
	}},
	{12, true, func(w *world, q *question) {
		if w.one(3) {
			q.set("inArweaveBlock", "bad")
			q.filter(func(_ *sight, f *fact) bool { _, has := number(f.json, "oip", "inArweaveBlock"); return !has })
			return
		}
		block := firstBlock + int64(w.rng.IntN(40))
		q.set("inArweaveBlock", block)
		q.filter(func(_ *sight, f *fact) bool {
			n, has := number(f.json, "oip", "inArweaveBlock")
			return has && n == block
		})
	}},
	{10, true, func(w *world, q *question) {
		from, to := int64(math.MinInt64), int64(math.MaxInt64)
		if w.one(2) {
			from = 1713484800 + int64(w.rng.IntN(4))*86400
			q.set("dateStart", from)
		}
		if from == math.MinInt64 || w.one(2) {
			to = 1713484800 + int64(w.rng.IntN(4))*86400
			q.set("dateEnd", pick(w.rng, []any{to, time.Unix(to, 0).UTC().Format(time.RFC3339)}))
		}
		q.filter(func(_ *sight, f *fact) bool {
			n, has := number(f.json, "data", "basic", "date")
			if strings.EqualFold(q.params.Get("recordType"), "workoutSchedule") {
				n, has = number(f.json, "data", "workoutSchedule", "scheduled_date")
			}
			return has && from <= n && n <= to
		})
	}},
	{10, false, func(w *world, q *question) {
		q.deletions = true
		q.set("includeDeleteMessages", "true")
	}},
	{10, false, func(w *world, q *question) {
		q.set("hideNullValues", "true")
		q.last = append(q.last, func(doc object) object { return withoutNulls(doc).(object) })
	}},
	{10, false, func(w *world, q *question) {
		q.set("includeSigs", "false")
		q.last = append(q.last, func(doc object) object { delete(doc["oip"].(object), "signature"); return doc })
	}},
	{10, false, func(w *world, q *question) {
		q.set("includePubKeys", "false")
		q.last = append(q.last, func(doc object) object {
			creator, _ := at(doc, "oip", "creator").(object)
			delete(creator, "publicKey")
			return doc
		})
	}},
	{5, false, func(w *world, q *question) {
		q.set("summarizeRecipe", "true")
		q.show(summarized)
	}},
	{8, false, func(w *world, q *question) { q.set("forceRefresh", "true") }},
	{8, false, func(w *world, q *question) { q.set("unknown", w.rng.IntN(3)) }},
}

// sortFields are the fields that need no filter of their own.
var sortFields = map[string]field{
	"inArweaveBlock": numeric("oip", "inArweaveBlock"),
	"indexedAt":      textual("oip", "indexedAt"), // all of one form, so that the order of the texts is that of the times
	"date":           numeric("data", "basic", "date"),
	"name":           folded("data", "basic", "name"),
	"basic.name":     folded("data", "basic", "name"),
	"recordType":     folded("oip", "recordType"),
	"creatorHandle":  textual("oip", "creator", "creatorHandle"),
	"ver":            textual("oip", "ver"),
	"scheduleDate":   numeric("data", "workoutSchedule", "scheduled_date"),
}

// question makes a random one.
func (w *world) question() *question {
	q := &question{params: make(url.Values), limit: 20, page: 1, order: newest, scores: make(map[string]func(*sight, *fact) float64), desc: true}
	for _, f := range slices.Concat(features, scored, resolution) {
		often := f.often
		if f.filters { // so that something is left
			often *= 2
		}
		if w.one(often) {
			f.add(w, q)
		}
	}
	w.sorted(q)
	if w.one(2) {
		q.limit = pick(w.rng, []int{1, 2, 3, 5, 10, 1000})
		q.set("limit", q.limit)
	}
	if w.one(4) {
		q.page = 1 + w.rng.IntN(3)
		q.set("page", q.page)
	}
	if !w.one(4) {
		q.show(readableDate)
	} else {
		q.set("hideDateReadable", "true")
	}
	return q
}

// sorted asks for an order: by a field, by a score that the question has, or by none.
func (w *world) sorted(q *question) {
	q.byScore = q.first
	if w.one(2) {
		return
	}
	q.byScore = ""
	direction := pick(w.rng, []string{"", ":asc", ":desc", ":ASC"})
	q.desc = !strings.EqualFold(direction, ":asc")
	if names := slices.Sorted(maps.Keys(q.scores)); len(names) > 0 && w.one(2) {
		q.byScore = pick(w.rng, names)
		q.set("sortBy", q.byScore+direction)
		return
	}
	by := pick(w.rng, slices.Sorted(maps.Keys(sortFields)))
	q.set("sortBy", by+direction)
	q.order = order(sortFields[by], q.desc)
}

// change writes a text in another case.
func (w *world) change(s string) string {
	return pick(w.rng, []string{s, strings.ToUpper(s), strings.ToLower(s)})
}

// ofSome is the text that some document has at a path, whoever may read it: a question
// may ask for what its caller does not know.
func (w *world) ofSome(path ...string) string {
	return text(w.model.facts[pick(w.rng, w.dids(aRecord))].json, path...)
}

// tag is a tag of some document.
func (w *world) tag() string {
	if tags := texts(at(w.model.facts[pick(w.rng, w.dids(aRecord))].json, "data", "basic", "tagItems")); len(tags) > 0 {
		return pick(w.rng, tags)
	}
	return ""
}

// anyDID is the DID of some document, of a deleted one, or of none.
func (w *world) anyDID() string {
	switch {
	case len(w.dead) > 0 && w.one(5):
		return pick(w.rng, w.dead)
	case w.one(6):
		return w.target()
	}
	return pick(w.rng, w.dids(aRecord, anOrganization, aTemplate, aCreator))
}

// readableDate adds the date as a JavaScript program writes it.
func readableDate(_ *sight, f *fact, doc object) {
	if n, ok := number(f.json, "data", "basic", "date"); ok && n != 0 {
		doc["data"].(object)["basic"].(object)["dateReadable"] = time.Unix(n, 0).UTC().Format("Mon Jan 02 2006")
	}
}

// nutrients are the values that are summed, with the decimals that are shown.
var nutrients = map[string]float64{"calories": 1, "proteinG": 10, "fatG": 10, "cholesterolMg": 1, "sodiumMg": 1, "carbohydratesG": 10}

// summarized adds the nutrients of a recipe: of those ingredients that the caller may read.
// Everything is in grams here.
func summarized(s *sight, f *fact, doc object) {
	recipe := at(f.json, "data", "recipe")
	list, _ := at(recipe, "ingredient").([]any)
	sums, processed := make(map[string]float64), 0
	for i, did := range list {
		comment, _ := at(recipe, "ingredient_comment").([]any)[i].(string)
		amount, _ := at(recipe, "ingredient_amount").([]any)[i].(json.Number)
		target := s.byDID[did.(string)]
		if target == nil || strings.Contains(comment, "optional") || strings.Contains(comment, "to taste") {
			continue
		}
		info := at(target.json, "data", "nutritionalInfo")
		if info == nil {
			continue
		}
		grams, _ := amount.Float64()
		processed++
		for name := range nutrients {
			n, _ := number(info, name)
			sums[name] += float64(n) * grams / 100
		}
	}
	if processed == 0 || 4*processed < len(list) {
		return
	}
	servings, _ := number(recipe, "servings")
	for name, by := range map[string]float64{"calculatedSummaryNutritionalInfo": 1, "calculatedSummaryNutritionalInfoPerServing": float64(servings)} {
		sum := object{"ingredientsProcessed": json.Number(strconv.Itoa(processed)), "totalIngredients": json.Number(strconv.Itoa(len(list)))}
		for nutrient, decimals := range nutrients {
			sum[nutrient] = json.Number(strconv.FormatFloat(math.Round(sums[nutrient]/by*decimals)/decimals, 'f', -1, 64))
		}
		doc["data"].(object)[name] = sum
	}
}
