package records_test

import (
	"encoding/json"
	"testing"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// quoted is a text in JSON.
func quoted(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestHolds(t *testing.T) {
	data := `{"basic":{"name":"Chicken Soup","date":100,"tagItems":["hot","Main"]},"recipe":{"ingredient":["did:arweave:1"]}}`
	envelope := `{"did":"did:arweave:x","inArweaveBlock":7,"recordType":"Recipe","creator":{"publicKey":"k"}}`
	p := project(t, oip.KindRecord, data, envelope)
	yes, no := records.Is(records.FieldRecordType, "recipe"), records.Is(records.FieldRecordType, "Recipe")
	like := func(text string, least records.Closeness) records.Cond {
		return records.Like{Path: "basic.name", Text: text, Least: least}
	}
	near := func(word string) records.Cond { return records.Near{Field: records.FieldNameWord, Word: word} }
	for _, c := range []struct {
		cond records.Cond
		want bool
	}{
		{nil, true}, {yes, true}, {no, false},
		{records.All{}, true}, {records.All{yes}, true}, {records.All{yes, no}, false},
		{records.Any{}, false}, {records.Any{no}, false}, {records.Any{no, yes}, true},
		{records.Not{Cond: yes}, false}, {records.Not{Cond: no}, true}, {records.Not{Cond: records.All{yes, no}}, true},
		{records.Term{Field: records.FieldTag}, false}, {records.Is(records.FieldTag, "x", "hot"), true},
		{records.Between{Field: records.FieldDate, Min: 100, Max: 100}, true}, {records.Between{Field: records.FieldDate, Min: 101, Max: 200}, false},
		{records.Between{Field: records.FieldSchedule, Min: -1 << 53, Max: 1 << 53}, false}, {records.Between{Field: records.FieldHeight, Min: 0, Max: 6}, false},
		{records.Exists{Field: records.FieldHeight}, true}, {records.Exists{Field: records.FieldSchedule}, false}, {records.Exists{Field: records.FieldLeaf}, true},
		{near("chicken"), true}, {near("chikcen"), true}, {near("hcikcen"), true}, {near("hcikecn"), false}, {near("soup"), true}, {near("soap"), true}, {near("sop"), true}, {near("soaps"), false}, {near("so"), false},
		{records.Near{Field: records.FieldTagWord, Word: "mian"}, true}, {records.Near{Field: records.FieldDescriptionWord, Word: "soup"}, false},
		{like("chicken", records.StartsWith), true}, {like("CHICKEN", records.EndsWith), true}, {like("chicken", records.Same), false}, {like("hick", records.Contains), true},
		{like("hick", records.WholeWord), false}, {like("nothing", records.Unlike), false}, {like("soup", records.Unlike), true}, {like("chicken soup", records.Same), true},
		{records.Like{Path: "basic", Text: "soup", Least: records.Contains}, false},
		{records.Present("recipe.ingredient"), true}, {records.Present("recipe"), true}, {records.Present("recipe.x"), false},
		{records.Refers("recipe.ingredient", "did:arweave:1"), true}, {records.Prefix{Field: records.FieldRef, Text: "did:a"}, true}, {records.Prefix{Field: records.FieldRef, Text: "did:g"}, false},
	} {
		if got := records.Holds(c.cond, p); got != c.want {
			t.Errorf("Holds(%+v) = %t", c.cond, got)
		}
		// What the condition is not about need not be there, however deep it is.
		for _, cond := range []records.Cond{c.cond, records.All{records.Any{records.Not{Cond: c.cond}}}} {
			part, err := records.ProjectFor(oip.KindRecord, document(data, envelope), yes, cond)
			if err != nil || records.Holds(cond, part) != records.Holds(cond, p) {
				t.Errorf("ProjectFor(%+v): %v, Holds = %t", cond, err, records.Holds(cond, part))
			}
		}
	}
	if part, err := records.ProjectFor(oip.KindRecord, document(data, envelope), yes); err != nil || part.Has(records.FieldLeaf) || part.Has(records.FieldNameWord) || len(part.Lines) > 0 {
		t.Errorf("more than was asked for: %+v, %v", part, err)
	}
}

func TestScore(t *testing.T) {
	p := project(t, oip.KindRecord, `{"basic":{"name":"Soup"}}`, someEnvelope)
	yes, no := records.Equal("basic.name", "Soup"), records.Equal("basic.name", "Stew")
	for _, c := range []struct {
		parts []records.Scored
		want  int64
	}{
		{nil, 0},
		{[]records.Scored{{Where: yes, Points: 3}}, 3},
		{[]records.Scored{{Where: yes, Points: 3}, {Where: no, Points: 5}, {Where: yes, Points: 4}}, 7},
		{[]records.Scored{{Where: no, Points: 5}}, 0},
	} {
		if got := records.Score(c.parts, p); got != c.want {
			t.Errorf("Score(%+v) = %d, want %d", c.parts, got, c.want)
		}
	}
}
