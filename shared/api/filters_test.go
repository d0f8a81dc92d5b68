package api

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"oipnode/shared/records"
)

// found asks for records and compares their names.
func (w *world) found(want string, params ...string) object {
	w.Helper()
	answer := w.ok("", "/api/records", params...)
	if got := names(w.T, answer); got != want {
		w.Errorf("%q: %q, want %q", params, got, want)
	}
	return answer
}

// column are the values of a member of the records, in order.
func column(t testing.TB, answer object, name string) string {
	t.Helper()
	var all []string
	for _, r := range list(t, answer, "records") {
		all = append(all, fmt.Sprint(r[name]))
	}
	return strings.Join(all, " ")
}

// TestSearch: words, with as many typing mistakes as clients know, in the three fields.
func TestSearch(t *testing.T) {
	w := newWorld(t)
	w.publish(
		post("Soup", startHeight+1, fields{1: "Made of Tomatoes, not of Fish", 3: []string{"warm"}}),
		post("Tomato", startHeight+2, fields{1: "a fruit", 3: []string{"red", "Cold-Soup"}}),
		post("Brot", startHeight+3, fields{1: "Käse und Brot"}),
		post("fish", startHeight+4),
	)
	for _, c := range []struct{ search, mode, want, counts string }{
		{"soup", "", "Tomato Soup", "1 1"},
		{"SUOP", "", "Tomato Soup", "1 1"},    // a transposition is one mistake
		{"soups", "", "Tomato Soup", "1 1"},   // five letters: one mistake
		{"sop fish", "", "Soup", "2"},         // every word
		{"tomatos", "", "Tomato Soup", "1 1"}, // seven letters: two mistakes
		{"sxxp", "", "", ""},                  // four letters: two are too many
		{"of", "", "Soup", "1"},               // two letters: exactly, and no stop words
		{"og", "", "", ""},                    //
		{"KÄSE", "", "Brot", "1"},             //
		{"soup fish", "OR", "fish Tomato Soup", "1 1 2"},
		{"soup fish", "AND", "Soup", "2"},
		{"soup soup soup", "", "Tomato Soup", "1 1"},
		{"!!!", "", "", ""},
		{"cold", "", "Tomato", "1"},
	} {
		answer := w.found(c.want, "search", c.search, "searchMatchMode", c.mode)
		if got := column(t, answer, "matchCount"); got != c.counts {
			t.Errorf("%s: counts %s, want %s", c.search, got, c.counts)
		}
	}
	w.found("Soup Tomato", "search", "soup fruit", "searchMatchMode", "OR", "sortBy", "inArweaveBlock:asc")
	w.found("Soup Tomato fish", "search", "soup fish tomatoes", "searchMatchMode", "OR", "sortBy", "matchCount:desc")
	w.found("Soup", "search", "soup fish tomatoes", "searchMatchMode", "OR", "tags", "warm,none")
	// By relevance: a name counts three times as much as a tag, a description twice.
	w.found("Brot Tomato Soup", "search", "tomato brot", "searchMatchMode", "OR", "sortBy", "score", "exactMatch", `{"oip.ver":"0.8.0"}`, "creatorHandle", "writer0")
	w.found("Soup Tomato", "search", "soup", "sortBy", "score")
}

// TestFieldFilters: values at a path, exactly, partly, by number and truth value.
func TestFieldFilters(t *testing.T) {
	w := newWorld(t)
	provider1 := post("local", startHeight+1)
	provider1.recordType = "modelProvider"
	provider1.parts[provider] = fields{0: []string{"llama-3.1, Mistral", "phi"}, 1: true}
	squat := post("squat", startHeight+2, fields{1: "Bend the knees. Straighten them."})
	squat.recordType = "exercise"
	squat.parts[exercise] = fields{0: []string{"Barbell", "rack"}, 1: "Main", 2: 12}
	link := post("link", startHeight+3)
	link.parts[posting] = fields{0: "https://example.com/a?b=c", 1: []string{"did:arweave:song"}}
	dids := w.publish(provider1, squat, link)
	reply := post("reply", startHeight+4)
	reply.parts[posting] = fields{2: dids[2]}
	w.publish(reply)
	for _, c := range []struct{ want, params string }{
		{"squat", `exactMatch={"exercise.reps":12}`},
		{"squat", `exactMatch={"data.exercise.reps":12.0}`},
		{"", `exactMatch={"data.exercise.reps":"12"}`},
		{"squat", `exactMatch={"data.exercise.equipmentRequired":"rack","data.exercise.exercise_type":"Main"}`},
		{"", `exactMatch={"data.exercise.equipmentRequired":"Rack"}`},
		{"local", `exactMatch={"modelProvider.free":true}`},
		{"", `exactMatch={"modelProvider.free":false}`},
		{"link", `exactMatch={"oip.inArweaveBlock":1003}`},
		{"squat", `exactMatch={"oip.recordType":"exercise"}`},
		{"squat", "fieldName=exercise.reps&fieldSearch=12"},
		{"", "fieldName=exercise.reps&fieldSearch=1"},
		{"local", "fieldName=data.modelProvider.free&fieldSearch=TRUE"},
		{"squat", "fieldName=exercise.equipmentRequired&fieldSearch=BELL"},
		{"", "fieldName=exercise.equipmentRequired&fieldSearch=BELL&fieldMatchMode=exact"},
		{"squat", "fieldName=exercise.equipmentRequired&fieldSearch=Barbell&fieldMatchMode=exact"},
		{"squat", "fieldName=exercise.equipmentRequired&fieldSearch=bell&fieldName=basic.name&fieldSearch=SQ"},
		{"", "fieldName=exercise.equipmentRequired&fieldSearch=bell&fieldName=basic.name&fieldSearch=x"},
		{"link", "url=https%3A%2F%2Fexample.com%2Fa%3Fb%3Dc"},
		{"", "url=https%3A%2F%2Fexample.com%2F"},
		{"link", "hasAudio=true"},
		{"reply squat local", "hasAudio=False"},
		{"link", "didTxRef=did:arweave:song"},
		{"link", "didTxRef=did:arweave:so"},
		{"reply", "didTxRef=" + dids[2]},
	} {
		values, err := url.ParseQuery(c.params)
		if err != nil {
			t.Fatal(err)
		}
		var params []string
		for name, list := range values {
			for _, v := range list {
				params = append(params, name, v)
			}
		}
		w.found(c.want, params...)
	}
	if answer := w.ok("", "/api/records", "fieldName", "basic.name"); len(answer["warnings"].([]any)) != 1 {
		t.Errorf("a name without a search: warnings %v", answer["warnings"])
	}
	w.refused("fieldSearch", "/api/records", "fieldName", "basic.name", "fieldSearch", strings.Repeat("ü", records.MaxLike/2+1))
	w.refused("fieldSearch", "/api/records", "fieldName", "a", "fieldName", "b", "fieldSearch", "x")
}

// TestFieldSearchScore: how close a value is, and the order by it.
func TestFieldSearchScore(t *testing.T) {
	w := newWorld(t)
	for i, name := range []string{"breadcrumbs", "white bread here", "white bread", "Bread is good", "BREAD", "sweetbreads"} {
		w.publish(post(name, startHeight+int64(i)))
	}
	answer := w.ok("", "/api/records", "fieldName", "basic.name", "fieldSearch", "bread", "sortBy", "fieldSearchScore:desc")
	if got, want := column(t, answer, "fieldSearchScore"), "1000 900 900 800 700 600"; got != want {
		t.Errorf("scores %s, want %s in %s", got, want, names(t, answer))
	}
	if got := column(t, answer, "fieldSearchMatchedCount"); got != "1 1 1 1 1 1" {
		t.Errorf("counts %s", got)
	}
	answer = w.ok("", "/api/records", "fieldName", "basic.name", "fieldSearch", "bread", "sortBy", "fieldSearchScore:asc", "limit", "1")
	if got := names(t, answer); got != "sweetbreads" {
		t.Errorf("the least close is %s", got)
	}
}

// TestSchedules: the days of workoutSchedules and mealPlans.
func TestSchedules(t *testing.T) {
	const noonOf19 = 1713528000 // 2024-04-19 12:00 UTC
	w := newWorld(t)
	plan := func(name, recordType string, template int, at int64) record {
		r := post(name, startHeight)
		r.recordType, r.parts[template] = recordType, fields{0: at}
		return r
	}
	w.publish(
		plan("first", "workoutSchedule", schedule, noonOf19-daySeconds/2),
		plan("last", "mealPlan", meal, noonOf19+daySeconds/2-1),
		plan("before", "workoutSchedule", schedule, noonOf19-daySeconds/2-1),
		plan("after", "mealPlan", meal, noonOf19+daySeconds/2),
		post("dated", startHeight, fields{2: noonOf19}),
	)
	w.found("first last", "scheduledOn", "2024-04-19", "sortBy", "scheduleDate:asc")
	w.found("last first", "scheduledOn", fmt.Sprint(noonOf19), "sortBy", "scheduleDate")
	w.found("after last first before", "sortBy", "scheduleDate:desc", "limit", "4")
	w.found("before first", "recordType", "workoutschedule", "dateStart", "2024-04-18", "sortBy", "scheduleDate:asc")
	w.found("last", "recordType", "mealPlan", "dateEnd", "2024-04-19")
	w.found("dated", "dateStart", "2024-04-19")
}

// TestSpecialFilters: the filters about one type, with their scores.
func TestSpecialFilters(t *testing.T) {
	w := newWorld(t)
	move := func(name string, values fields) record {
		r := post(name, startHeight)
		r.recordType, r.parts[exercise] = "exercise", values
		return r
	}
	kettle := post("Kettlebell", startHeight)
	kettle.recordType = "equipment"
	gear := w.publish(kettle)[0]
	moves := w.publish(
		move("Squat", fields{0: []string{"Barbell", "Squat rack"}, 1: "Main"}),
		move("Lunge", fields{0: []string{"bar"}, 1: "Warm-Up"}),
		move("Swing", fields{0: []string{gear}, 1: "Cool-Down"}),
	)
	train := func(name string, height int64, list ...string) record {
		r := post(name, height)
		r.recordType, r.parts[workout] = "workout", fields{0: list}
		return r
	}
	w.publish(
		train("straight", startHeight+1, moves[0], moves[1]),
		train("reverse", startHeight+2, moves[1], moves[0]),
		train("half", startHeight+3, moves[1]),
		train("other", startHeight+4, moves[2]),
	)
	answer := w.found("straight reverse half", "recordType", "workout", "exerciseNames", "squat,LUNGE")
	if got := column(t, answer, "exerciseScore") + "|" + column(t, answer, "exerciseMatchedCount"); got != "1.1 1.05 0.55|2 2 1" {
		t.Errorf("scores %s", got)
	}
	w.expect(answer, "searchResults", "3", "warnings", "[]")
	w.found("straight reverse half", "exerciseDIDs", moves[0]+","+moves[1])
	w.found("half reverse straight", "exerciseNames", "squat,lunge", "sortBy", "exerciseScore:asc")
	both := w.as("", "/api/records", "exerciseNames", "squat,lunge", "exerciseDIDs", moves[0])
	if got := strings.Count(both.Body.String(), `"exerciseScore"`); got != 2 || names(t, both.json) != "straight reverse" {
		t.Errorf("names and DIDs: %d scores in %s", got, both.Body)
	}
	w.found("half reverse straight", "exerciseNames", "squat,lunge", "sortBy", "inArweaveBlock")
	w.found("", "exerciseNames", "nothing")
	// Page by page, and by cursors.
	first := w.found("straight", "exerciseNames", "squat,lunge", "limit", "1")
	w.found("reverse", "exerciseNames", "squat,lunge", "limit", "1", "page", "2")
	second := w.found("reverse", "exerciseNames", "squat,lunge", "limit", "1", "cursor", first["nextCursor"].(string))
	third := w.found("half", "exerciseNames", "squat,lunge", "limit", "1", "cursor", second["nextCursor"].(string))
	w.expect(third, "nextCursor", "null", "currentPage", "3")
	w.refused("cursor", "/api/records", "exerciseNames", "squat,swing", "limit", "1", "cursor", first["nextCursor"].(string))
	if got := w.ok("", "/api/records", "recordType", "recipe", "exerciseNames", "squat")["warnings"].([]any); len(got) != 1 || !strings.Contains(got[0].(string), "exerciseNames") {
		t.Errorf("about another type: warnings %v", got)
	}

	for _, c := range []struct{ want, scores, params string }{
		{"Squat Lunge", "1.000 1.000", "barbell"}, // which contains bar
		{"Squat", "1.000", "rack"},
		{"Squat", "1.000", "Barbells,rack"},
		{"", "", "barbell,kettlebell"},
		{"Swing", "1.000", "KETTLE"},
		{"Swing", "1.000", "kettlebells"},
		{"Swing", "1.000", gear},
	} {
		answer := w.ok("", "/api/records", "recordType", "exercise", "equipmentRequired", c.params)
		if got := sorted(names(t, answer)); got != sorted(c.want) || column(t, answer, "equipmentScore") != c.scores {
			t.Errorf("equipment %s: %s with %s", c.params, got, column(t, answer, "equipmentScore"))
		}
	}
	answer = w.ok("", "/api/records", "recordType", "exercise", "equipmentRequired", "rack,bar", "equipmentMatchMode", "OR")
	if got := names(t, answer) + "|" + column(t, answer, "equipmentScore") + "|" + column(t, answer, "equipmentMatchedCount"); got != "Squat Lunge|1.000 0.500|2 1" {
		t.Errorf("equipment by OR: %s", got)
	}
	for types, want := range map[string]string{"main": "Squat", "Main": "Squat", "warm-up": "Lunge", "WARMUP,cooldown": "Lunge Swing", "stretch": ""} {
		answer := w.ok("", "/api/records", "exerciseType", types)
		if got := sorted(names(t, answer)); got != sorted(want) {
			t.Errorf("exerciseType %s: %s, want %s", types, got, want)
		}
	}
}

// sorted are words in the order of the alphabet.
func sorted(text string) string {
	list := strings.Fields(text)
	for i := range list {
		for j := i + 1; j < len(list); j++ {
			if list[j] < list[i] {
				list[i], list[j] = list[j], list[i]
			}
		}
	}
	return strings.Join(list, " ")
}

// TestIngredientNames: a private ingredient is found by nobody else's query.
func TestIngredientNames(t *testing.T) {
	w := newWorld(t)
	secret := post("Saffron", startHeight)
	secret.parts[accessControl] = fields{0: "private", 1: "owner"}
	ingredients := w.publish(post("Flour", startHeight), secret)
	dish := post("dish", startHeight)
	dish.recordType, dish.parts[cooking] = "recipe", fields{1: []string{ingredients[0], ingredients[1]}}
	w.publish(dish)
	w.found("dish", "ingredientNames", "flour")
	w.found("", "ingredientNames", "saffron")
	answer := w.ok(token(t, "owner"), "/api/records", "ingredientNames", "saffron,flour")
	if got := names(t, answer) + column(t, answer, "ingredientScore"); got != "dish1.05" {
		t.Errorf("the owner finds %s", got)
	}
	w.expect(w.ok("", "/api/records", "ingredientNames", "saffron,flour"), "searchResults", "1")
	if got := column(t, w.ok("", "/api/records", "ingredientNames", "saffron,flour"), "ingredientScore"); got != "0.55" {
		t.Errorf("a stranger's score is %s", got)
	}
}

// TestDuplicates: one record of each name, and what is counted is what is shown.
func TestDuplicates(t *testing.T) {
	w := newWorld(t)
	tag := func(list ...string) fields { return fields{3: list} }
	nameless := record{height: startHeight + 5, parts: map[int]fields{basic: {1: "no name", 3: []string{"none"}}}}
	nameless2 := record{height: startHeight + 6, parts: map[int]fields{basic: {1: "no name either", 3: []string{"none"}}}}
	w.publish(post("a", startHeight+1, tag("old")), post("a", startHeight+2, tag("new")), post("b", startHeight+3, tag("new")), post("A", startHeight+4), nameless, nameless2)
	answer := w.found("<nil> <nil> A b a", "noDuplicates", "true", "summarizeTags", "true")
	w.expect(answer, "searchResults", "5", "totalRecords", "6", "tagCount", "2", "tagSummary", `[{"count":2,"tag":"new"},{"count":2,"tag":"none"}]`)
	answer = w.found("a b A <nil> <nil>", "noDuplicates", "true", "sortBy", "inArweaveBlock:asc", "summarizeTags", "true")
	w.expect(answer, "tagSummary", `[{"count":2,"tag":"none"},{"count":1,"tag":"new"},{"count":1,"tag":"old"}]`)
	first := w.found("<nil> <nil> A", "noDuplicates", "true", "limit", "3")
	w.found("b a", "noDuplicates", "true", "limit", "3", "cursor", first["nextCursor"].(string))
	w.refused("cursor", "/api/records", "limit", "3", "cursor", first["nextCursor"].(string))
}

// TestNamesakes: what refers to records by their names is found by basic.name alone,
// whatever else a publisher has called nearly the same.
func TestNamesakes(t *testing.T) {
	w := newWorld(t)
	for _, odd := range []string{`{"basic":{"name":"Plank","Name":5}}`, `{"basic":{"NAME":"Squat","name":"Plank","Name":"Squat"}}`, `{"basic":{"name":"Plank"},"Basic":{"name":"Squat"}}`, `{"basic":{"name":"Plank"},"BASIC":"Squat"}`} {
		w.put(gunRecord(t, "move", "exercise", odd), gunRecord(t, "day", "workout", fmt.Sprintf(`{"basic":{"name":"Day"},"workout":{"exercise":[%q]}}`, gunDID("move"))))
		w.found("Day", "exerciseNames", "plank")
		w.found("", "exerciseNames", "squat")
	}
}

// TestTagSummary: the tags of all matches, page by page.
func TestTagSummary(t *testing.T) {
	w := newWorld(t)
	for i := range 30 {
		w.publish(post(fmt.Sprint("n", i), startHeight, fields{3: []string{"all", fmt.Sprint("t", i%3), fmt.Sprint("u", i)}}))
	}
	answer := w.ok("", "/api/records", "summarizeTags", "true", "limit", "1", "tagCount", "2")
	w.expect(answer, "tagCount", "34", "tagSummary", `[{"count":30,"tag":"all"},{"count":10,"tag":"t0"}]`)
	answer = w.ok("", "/api/records", "summarizeTags", "true", "limit", "1", "tagCount", "2", "tagPage", "2", "page", "2")
	w.expect(answer, "tagSummary", `[{"count":10,"tag":"t1"},{"count":10,"tag":"t2"}]`)
	answer = w.ok("", "/api/records", "summarizeTags", "true", "tags", "t1", "tagPage", "9")
	w.expect(answer, "tagCount", "12", "tagSummary", "[]")
	answer = w.ok("", "/api/records", "summarizeTags", "false", "tagCount", "5")
	if _, ok := answer["tagSummary"]; ok || answer["tagCount"] != nil {
		t.Errorf("tags that nobody asked for: %v", answer)
	}
	if res := w.call("/api/records", "summarizeTags", "true", "exerciseNames", "x,y"); res.Code != http.StatusOK || fmt.Sprint(res.json["tagCount"]) != "0" {
		t.Errorf("tags of nothing: %d %s", res.Code, res.Body)
	}
}
