package records_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"oipnode/shared/records"
)

func TestCursorKeys(t *testing.T) {
	q := records.Query{Sort: []records.Sort{{Field: records.FieldHeight, Desc: true}, {Field: records.FieldDate}, {Field: records.FieldName}}}
	for _, keys := range [][]records.SortKey{
		{{Number: 1}, {Number: -1 << 53}, {Text: "a"}, {Text: "did:arweave:x"}},
		{{Missing: true}, {Number: 1 << 53}, {Missing: true}, {Text: "did:arweave:x"}},
		{{Number: 0}, {Missing: true}, {Text: "null \"<&>\u2028\u0000\U0001f600"}, {Text: records.Key(strings.Repeat("é", 5000))}},
	} {
		q.After = records.EncodeCursor(q, keys)
		got, err := records.DecodeCursor(q)
		if err != nil || !reflect.DeepEqual(got, keys) {
			t.Errorf("%v became %v, %v", keys, got, err)
		}
		if strings.Trim(string(q.After), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			t.Errorf("%q cannot stand in a URL", q.After)
		}
	}
}

// TestCursorBelongsToItsQuery takes a cursor from each of many queries that are
// easily confused to every other one.
func TestCursorBelongsToItsQuery(t *testing.T) {
	tag := records.Is(records.FieldTag, "a")
	byName := []records.Sort{{Field: records.FieldName}}
	queries := []records.Query{
		{Sort: byName}, {Where: records.All{}, Sort: byName}, {Where: records.Any{}, Sort: byName},
		{Where: tag, Sort: byName}, {Where: records.All{tag}, Sort: byName}, {Where: records.Any{tag}, Sort: byName}, {Where: records.Not{Cond: tag}, Sort: byName},
		{Where: records.Is(records.FieldTag, "a", "b"), Sort: byName}, {Where: records.Is(records.FieldTag, "ab"), Sort: byName},
		{Where: records.Is(records.FieldTag, "b", "a"), Sort: byName}, {Where: records.Is(records.FieldTag), Sort: byName},
		{Where: records.Is(records.FieldName, "a"), Sort: byName}, {Where: records.Exists{Field: records.FieldTag}, Sort: byName},
		{Where: records.All{records.All{tag}, tag}, Sort: byName}, {Where: records.All{records.All{tag, tag}}, Sort: byName},
		{Where: records.Between{Field: records.FieldDate, Min: 1, Max: 2}, Sort: byName}, {Where: records.Between{Field: records.FieldDate, Min: 2, Max: 1}, Sort: byName},
		{Where: records.Between{Field: records.FieldHeight, Min: 1, Max: 2}, Sort: byName},
		{Sort: []records.Sort{{Field: records.FieldName, Desc: true}}}, {Sort: []records.Sort{{Field: records.FieldVer}}},
		{Sort: byName, Distinct: true}, {Where: tag, Sort: byName, Distinct: true},
		{Sort: byName, Score: []records.Scored{{Where: tag, Points: 1}}}, {Sort: byName, Score: []records.Scored{{Where: tag, Points: 2}}},
		{Sort: byName, Score: []records.Scored{{Where: tag, Points: 1}, {Where: tag, Points: 1}}}, {Where: tag, Sort: byName, Score: []records.Scored{{Where: tag, Points: 1}}},
		{Where: records.Prefix{Field: records.FieldRef, Text: "a"}, Sort: byName}, {Where: records.Prefix{Field: records.FieldRef, Text: "ab"}, Sort: byName},
		{Where: records.Near{Field: records.FieldNameWord, Word: "a"}, Sort: byName}, {Where: records.Near{Field: records.FieldTagWord, Word: "a"}, Sort: byName},
		{Where: records.Near{Field: records.FieldNameWord, Word: "b"}, Sort: byName},
		{Where: records.Like{Path: "a", Text: "b", Least: records.Contains}, Sort: byName}, {Where: records.Like{Path: "a", Text: "b", Least: records.Same}, Sort: byName},
		{Where: records.Like{Path: "ab", Text: "b", Least: records.Contains}, Sort: byName}, {Where: records.Like{Path: "a", Text: "c", Least: records.Contains}, Sort: byName},
	}
	for i, from := range queries {
		cursor := records.EncodeCursor(from, []records.SortKey{{Text: "n"}, {Text: "did:arweave:x"}})
		for j, to := range queries {
			to.After = cursor
			if _, err := records.DecodeCursor(to); (err == nil) != (i == j) || err != nil && !errors.Is(err, records.ErrCursor) {
				t.Errorf("the cursor of %+v for %+v: %v", from, to, err)
			}
		}
	}
}

// TestCursorSurvivesWishes uses a cursor with what does not change which documents follow.
func TestCursorSurvivesWishes(t *testing.T) {
	q := records.Query{Where: records.Like{Path: "a", Text: "B"}, Score: []records.Scored{{Where: records.All{}, Points: 1}},
		Sort: []records.Sort{{Field: records.FieldScore, Desc: true}}}
	keys := []records.SortKey{{Number: 1}, {Text: "did:arweave:x"}}
	q.After = records.EncodeCursor(q, keys)
	for name, change := range map[string]func(q *records.Query){
		"a limit":           func(q *records.Query) { q.Limit = 7 },
		"the envelope only": func(q *records.Query) { q.EnvelopeOnly = true },
		"references only":   func(q *records.Query) { q.RefsOnly = true },
		"counts":            func(q *records.Query) { q.CountBy = records.FieldTag },
		"another case":      func(q *records.Query) { q.Where = records.Like{Path: "a", Text: "b"} },
	} {
		other := q
		change(&other)
		if got, err := records.DecodeCursor(other); err != nil || !reflect.DeepEqual(got, keys) {
			t.Errorf("with %s: %v, %v", name, got, err)
		}
	}
}

func TestCursorRefuses(t *testing.T) {
	q := records.Query{Sort: []records.Sort{{Field: records.FieldHeight}}}
	good := string(records.EncodeCursor(q, []records.SortKey{{Number: 1}, {Text: "d"}}))
	text := records.EncodeCursor(records.Query{Sort: []records.Sort{{Field: records.FieldName}}}, []records.SortKey{{Text: "x"}, {Text: "d"}})
	for name, cursor := range map[string]string{
		"padding": good + "=", "too long": strings.Repeat("A", 1<<20), "text for a number": string(text), "half": good[:len(good)/2],
	} {
		q.After = records.Cursor(cursor)
		if _, err := records.DecodeCursor(q); !errors.Is(err, records.ErrCursor) {
			t.Errorf("%s: %v, want ErrCursor", name, err)
		}
	}
}
