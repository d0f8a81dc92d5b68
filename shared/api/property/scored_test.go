package property

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// scored are the features that tell how well a record fits, or that look into fields by
// their paths.
var scored = []feature{
	{6, true, func(w *world, q *question) {
		var asked []string
		for range 1 + w.rng.IntN(3) {
			word := strings.ToLower(pick(w.rng, append(words, "bread", "zürich", "tomatos", "hearyt", "quik", "markx", w.aMark())))
			if word != "" && !slices.Contains(asked, word) {
				asked = append(asked, word)
			}
		}
		if len(asked) == 0 {
			return
		}
		q.set("search", w.change(strings.Join(asked, " ")))
		all := !w.one(3)
		if !all {
			q.set("searchMatchMode", "or")
		}
		in := func(f *fact, word string) (name, description, tag bool) {
			return near(word, text(f.json, "data", "basic", "name")), near(word, text(f.json, "data", "basic", "description")),
				near(word, texts(at(f.json, "data", "basic", "tagItems"))...)
		}
		matched := func(f *fact) (n int) {
			for _, word := range asked {
				if name, description, tag := in(f, word); name || description || tag {
					n++
				}
			}
			return n
		}
		q.filter(func(_ *sight, f *fact) bool { return matched(f) == len(asked) || !all && matched(f) > 0 })
		q.show(func(_ *sight, f *fact, doc object) { doc["matchCount"] = count(matched(f)) })
		q.score("matchCount", func(_ *sight, f *fact) float64 { return float64(matched(f)) })
		if !q.params.Has("tags") {
			q.score("score", func(_ *sight, f *fact) (sum float64) {
				for _, word := range asked {
					for points, found := range counted(in(f, word)) {
						if found {
							sum += float64(points)
						}
					}
				}
				return sum
			})
		}
	}},
	{12, true, func(w *world, q *question) {
		did := w.anyDID()
		q.set("didTxRef", did)
		q.filter(func(_ *sight, f *fact) bool {
			return anyText(at(f.json, "data"), func(s string) bool { return strings.HasPrefix(s, did) })
		})
	}},
	{14, true, func(w *world, q *question) {
		url := pick(w.rng, []string{"https://example.com/a", "https://example.com/b", "https://example.com/", "HTTPS://example.com/a"})
		q.set("url", url)
		q.filter(func(_ *sight, f *fact) bool { return text(f.json, "data", "post", "webUrl") == url })
	}},
	{10, true, func(w *world, q *question) {
		path, value := w.leaf()
		q.set("exactMatch", string(mustJSON(w.T, object{pick(w.rng, []string{"", "data."}) + path: value})))
		q.filter(func(_ *sight, f *fact) bool {
			return slices.ContainsFunc(leaves(f, path), func(v any) bool { return sameLeaf(v, value) })
		})
	}},
	{10, true, func(w *world, q *question) {
		path, value := w.leaf()
		asked := fmt.Sprint(value)
		exact := w.one(3)
		if !exact && len(asked) > 3 && w.one(2) {
			asked = w.change(asked[:1+w.rng.IntN(len(asked)-1)])
		}
		if strings.TrimSpace(asked) != asked || !ascii(asked) || asked == "" {
			return
		}
		q.set("fieldName", pick(w.rng, []string{"", "data."})+path)
		q.set("fieldSearch", asked)
		if exact {
			q.set("fieldMatchMode", "exact")
		}
		best := func(f *fact) (points int) {
			for _, v := range leaves(f, path) {
				points = max(points, closeness(v, asked, exact))
			}
			return points
		}
		q.filter(func(_ *sight, f *fact) bool { return best(f) > 0 })
		q.show(func(_ *sight, f *fact, doc object) {
			doc["fieldSearchScore"], doc["fieldSearchMatchedCount"] = count(best(f)), count(1)
		})
		q.score("fieldSearchScore", func(_ *sight, f *fact) float64 { return float64(best(f)) })
	}},
	{14, true, func(w *world, q *question) {
		audio := w.one(2)
		q.set("hasAudio", audio)
		q.filter(func(_ *sight, f *fact) bool { return audio == (len(leaves(f, "post.audioItems")) > 0) })
	}},
	{14, true, func(w *world, q *question) {
		day := 1713484800 + int64(w.rng.IntN(3))*86400
		q.set("scheduledOn", pick(w.rng, []any{day, "2024-04-19", "2024-04-20"}))
		switch q.params.Get("scheduledOn") {
		case "2024-04-19":
			day = 1713484800
		case "2024-04-20":
			day = 1713571200
		}
		q.filter(func(_ *sight, f *fact) bool {
			n, ok := number(f.json, "data", "workoutSchedule", "scheduled_date")
			return ok && day <= n && n < day+86400
		})
	}},
	{10, false, func(w *world, q *question) {
		q.distinct = true
		q.set("noDuplicates", "true")
	}},
	{5, false, func(w *world, q *question) {
		most, page := pick(w.rng, []int{1, 3, 20}), 1+w.rng.IntN(2)
		q.set("summarizeTags", "true")
		if most != 20 || w.one(2) {
			q.set("tagCount", most)
		}
		if page != 1 {
			q.set("tagPage", page)
		}
		q.whole = append(q.whole, func(_ *sight, matches []*fact, answer object) error {
			counts := make(map[string]int)
			for _, f := range matches {
				tags := slices.Clone(texts(at(f.json, "data", "basic", "tagItems")))
				slices.Sort(tags)
				for _, tag := range slices.Compact(tags) {
					counts[tag]++
				}
			}
			want, all := []any{}, mostFirst(counts)
			for _, tag := range all[min(len(all), most*(page-1)):min(len(all), most*page)] {
				want = append(want, object{"tag": tag, "count": count(counts[tag])})
			}
			if !reflect.DeepEqual(answer["tagSummary"], any(want)) || answer["tagCount"] != count(len(all)) {
				return fmt.Errorf("tagSummary is %v of %v, want %v of %d", answer["tagSummary"], answer["tagCount"], want, len(all))
			}
			return nil
		})
	}},
	{3, true, special},
}

// counted gives the three places of a search what a word in them is worth.
func counted(name, description, tag bool) map[int]bool {
	return map[int]bool{3: name, 2: description, 1: tag}
}

// aMark is the mark of some document: a word that is in it alone.
func (w *world) aMark() string { return w.model.facts[pick(w.rng, w.dids(aRecord))].mark }

// near reports whether a word is in one of the texts, but for the typing mistakes that are
// allowed: none up to 2 letters, one to 5, two from 6.
func near(word string, in ...string) bool {
	most := 2
	switch n := len([]rune(word)); {
	case n <= 2:
		most = 0
	case n <= 5:
		most = 1
	}
	for _, s := range in {
		for _, other := range strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			if distance([]rune(word), []rune(other)) <= most {
				return true
			}
		}
	}
	return false
}

// distance is the number of letters put in, left out, replaced or exchanged with their
// neighbour.
func distance(a, b []rune) int {
	table := make([][]int, len(a)+1)
	for i := range table {
		table[i] = make([]int, len(b)+1)
		for j := range table[i] {
			switch {
			case i == 0 || j == 0:
				table[i][j] = i + j
				continue
			case a[i-1] == b[j-1]:
				table[i][j] = table[i-1][j-1]
			default:
				table[i][j] = 1 + table[i-1][j-1]
			}
			table[i][j] = min(table[i][j], 1+table[i-1][j], 1+table[i][j-1])
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				table[i][j] = min(table[i][j], 1+table[i-2][j-2])
			}
		}
	}
	return table[len(a)][len(b)]
}

// anyText reports whether some text in a value is one that is looked for.
func anyText(v any, holds func(string) bool) bool {
	switch v := v.(type) {
	case string:
		return holds(v)
	case object:
		for _, value := range v {
			if anyText(value, holds) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(element any) bool { return anyText(element, holds) })
	}
	return false
}

// leaves are the texts, numbers and truth values at a path below data; lists on the way
// are gone through.
func leaves(f *fact, path string) []any { return below(at(f.json, "data"), strings.Split(path, ".")) }

func below(v any, path []string) (found []any) {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			found = append(found, below(element, path)...)
		}
	case object:
		if len(path) > 0 {
			return below(v[path[0]], path[1:])
		}
		if len(v) > 0 {
			// An object is no leaf, and has some.
			for _, value := range v {
				found = append(found, below(value, nil)...)
			}
		}
	case nil:
	default:
		if len(path) == 0 && v != "" {
			return []any{v}
		}
	}
	return found
}

// leaf is a path and the value that some document has there, whoever may read it.
func (w *world) leaf() (path string, value any) {
	path = pick(w.rng, []string{"basic.name", "basic.description", "basic.tagItems", "basic.date", "basic.language", "accessControl.access_level",
		"accessControl.owner_public_key", "accessControl.private", "post.about", "nutritionalInfo.calories"})
	all := w.dids(aRecord)
	for range 20 {
		for _, v := range leaves(w.model.facts[pick(w.rng, all)], path) {
			if n, ok := v.(json.Number); ok {
				return path, json.Number(n.String())
			}
			if s, ok := v.(string); ok && len(s) > 200 {
				continue
			}
			return path, v
		}
	}
	return "basic.name", "Soup"
}

func sameLeaf(a, b any) bool {
	x, isX := a.(json.Number)
	y, isY := b.(json.Number)
	if isX && isY {
		m, _ := x.Float64()
		n, _ := y.Float64()
		return m == n
	}
	return !isX && !isY && a == b
}

func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) < 0
}

// closeness is how close a value is to what is looked for, 0 for not at all.
func closeness(v any, asked string, exact bool) int {
	switch v := v.(type) {
	case bool:
		if strings.EqualFold(asked, strconv.FormatBool(v)) {
			return 1000
		}
	case json.Number:
		m, _ := v.Float64()
		if n, err := strconv.ParseFloat(asked, 64); err == nil && m == n {
			return 1000
		}
	case string:
		return likeness(v, asked, exact)
	}
	return 0
}

func likeness(v, asked string, exact bool) int {
	if exact {
		if v == asked {
			return 1000
		}
		return 0
	}
	v, asked = strings.ToLower(v), strings.ToLower(asked)
	switch {
	case v == asked:
		return 1000
	case strings.HasPrefix(v, asked):
		return 900
	case strings.HasSuffix(v, asked):
		return 800
	}
	inWord := func(c byte) bool {
		return c >= 0x80 || c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z'
	}
	points := 0
	for i := 1; i+len(asked) < len(v); i++ {
		if v[i:i+len(asked)] != asked {
			continue
		}
		if points = max(points, 600); !inWord(v[i-1]) && !inWord(v[i+len(asked)]) {
			return 700
		}
	}
	return points
}

// special adds one of the filters that are about one type of record.
func special(w *world, q *question) {
	names := func(list ...string) []string {
		var asked []string
		for range 1 + w.rng.IntN(3) {
			if item := pick(w.rng, list); item != "" && !slices.Contains(asked, item) {
				asked = append(asked, item)
			}
		}
		return asked
	}
	contains := func(path string) func(*sight, *fact, string) bool {
		return func(_ *sight, f *fact, item string) bool {
			return slices.ContainsFunc(texts(at(f.json, append([]string{"data"}, strings.Split(path, ".")...)...)), func(s string) bool {
				return strings.Contains(strings.ToLower(s), strings.ToLower(item))
			})
		}
	}
	// place is where in a list the first of those is that an item means; 0 for nowhere.
	place := func(path []string, means func(s *sight, did, item string) bool) func(*sight, *fact, string) int {
		return func(s *sight, f *fact, item string) int {
			return 1 + slices.IndexFunc(texts(at(f.json, path...)), func(did string) bool { return means(s, did, item) })
		}
	}
	named := func(s *sight, did, item string) bool {
		target := s.byDID[did]
		return target != nil && !set(at(target.json, "oip", "deleteMessage")) && text(target.json, "data", "basic", "name") != "" &&
			strings.EqualFold(text(target.json, "data", "basic", "name"), item)
	}
	exercises, ingredients := []string{"data", "workout", "exercise"}, []string{"data", "recipe", "ingredient"}
	someName := append(someNames, "none", w.ofSome("data", "basic", "name"))
	switch w.rng.IntN(7) {
	case 0:
		q.ordered("exerciseNames", "workout", "exercise", names(someName...), place(exercises, named))
	case 1:
		q.ordered("exerciseDIDs", "workout", "exercise", names(w.target(), w.target(), w.target()), place(exercises, func(_ *sight, did, item string) bool { return did == item }))
	case 2:
		q.ordered("ingredientNames", "recipe", "ingredient", names(someName...), place(ingredients, named))
	case 3:
		q.shared(w, "equipmentRequired", "equipmentMatchMode", "exercise", "equipment", true, names("mat", "Yoga Mat", "bar", "soup", "Bread", w.target()), equipped)
	case 4:
		q.shared(w, "exerciseType", "exerciseTypeMatchMode", "exercise", "exerciseType", false, names("warmup", "Warm-Up", "MAIN", "cool-down", "other", "none"),
			func(_ *sight, f *fact, item string) bool {
				code := func(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "") }
				return code(text(f.json, "data", "exercise", "exercise_type")) == code(item)
			})
	case 5:
		q.shared(w, "cuisine", "cuisineMatchMode", "recipe", "cuisine", false, names("ital", "French", "thai"), contains("recipe.cuisine"))
	case 6:
		q.shared(w, "model", "modelMatchMode", "modelProvider", "model", false, names("gpt", "Llama", "grok"), contains("modelProvider.supported_models"))
	}
}

// equipped reports whether an exercise needs a piece of equipment: one name contains the
// other, or it is named by its DID.
func equipped(s *sight, f *fact, item string) bool {
	either := func(a, b string) bool {
		a, b = strings.ToLower(a), strings.ToLower(b)
		return a != "" && (strings.Contains(a, b) || strings.Contains(b, a))
	}
	for _, name := range []string{"equipmentRequired", "equipment"} {
		for _, v := range texts(at(f.json, "data", "exercise", name)) {
			target := s.byDID[v]
			if either(v, item) || target != nil && !strings.HasPrefix(item, "did:") && !set(at(target.json, "oip", "deleteMessage")) &&
				either(text(target.json, "data", "basic", "name"), item) {
				return true
			}
		}
	}
	return false
}

// shared adds a filter whose score is the share of its items that a record has.
func (q *question) shared(w *world, name, mode, recordType, score string, all bool, items []string, has func(*sight, *fact, string) bool) {
	if len(items) == 0 {
		return
	}
	q.set(name, strings.Join(items, ","))
	if w.one(2) {
		all = !all
		q.set(mode, map[bool]string{true: "AND", false: "OR"}[all])
	}
	if !q.of(recordType) {
		return
	}
	matched := func(s *sight, f *fact) (n int) {
		for _, item := range items {
			if has(s, f, item) {
				n++
			}
		}
		return n
	}
	q.filter(func(s *sight, f *fact) bool { n := matched(s, f); return n == len(items) || !all && n > 0 })
	q.show(func(s *sight, f *fact, doc object) {
		doc[score+"Score"] = fmt.Sprintf("%.3f", float64(matched(s, f))/float64(len(items)))
		doc[score+"MatchedCount"] = count(matched(s, f))
	})
	q.score(score+"Score", func(s *sight, f *fact) float64 { return float64(matched(s, f)) })
	q.first = score + "Score"
}

// ordered adds a filter whose score also counts which items come later in a record's list
// than the one that was asked for before.
func (q *question) ordered(name, recordType, score string, items []string, place func(*sight, *fact, string) int) {
	if len(items) == 0 {
		return
	}
	q.set(name, strings.Join(items, ","))
	if !q.of(recordType) {
		return
	}
	match := func(s *sight, f *fact) (matched, inOrder int) {
		last := 0
		for _, item := range items {
			if at := place(s, f, item); at > 0 {
				if matched++; at > last {
					inOrder++
				}
				last = at
			}
		}
		return matched, inOrder
	}
	points := func(s *sight, f *fact) float64 {
		matched, inOrder := match(s, f)
		return float64(10*matched+inOrder) / float64(10*len(items))
	}
	q.filter(func(s *sight, f *fact) bool { matched, _ := match(s, f); return matched > 0 })
	q.show(func(s *sight, f *fact, doc object) {
		matched, _ := match(s, f)
		doc[score+"Score"] = json.Number(strconv.FormatFloat(points(s, f), 'f', -1, 64))
		doc[score+"MatchedCount"] = count(matched)
	})
	q.score(score+"Score", points)
	q.first = score + "Score"
}

// of says that a question is about one type of record. It is false if the question names
// another type: then a filter about this one is not applied.
func (q *question) of(recordType string) bool {
	if named := q.params.Get("recordType"); named != "" && !strings.EqualFold(named, recordType) {
		return false
	}
	q.filter(func(_ *sight, f *fact) bool { return strings.EqualFold(text(f.json, "oip", "recordType"), recordType) })
	return true
}
