package api

import (
	"fmt"
	"strconv"

	"oipnode/shared/records"
)

// scoring is how well a record fits one of the filters: what it is shown with, and what
// sortBy can order the records by.
type scoring struct {
	// names are those by which sortBy asks for it.
	names []string
	// parts say how many points a record has. Without any, all that match have the same.
	parts []records.Scored
	// show is what a record of so many points gets; nil shows nothing.
	show func(points int64) []member
	// first orders the records unless sortBy asks for something else.
	first bool
	// places is set when the order of items inside of the records counts as well, which
	// no store can tell (ranked.go).
	places *places
}

// scores is what the filters of a request tell of the records that it finds.
type scores []scoring

// named finds the scoring that sortBy asks for; without a name it is the one that comes
// before the default order.
func (s scores) named(field string) (scoring, bool) {
	for _, one := range s {
		if field == "" && one.first {
			return one, true
		}
		for _, name := range one.names {
			if name == field {
				return one, true
			}
		}
	}
	return scoring{}, false
}

// added are the members that a record gets, in the order of the filters.
func (s scores) added(hit records.Stored) ([]member, error) {
	var list []member
	var document *records.Projection
	for _, one := range s {
		if one.show == nil && one.places == nil {
			continue
		}
		if document == nil {
			p, err := records.ProjectFor(hit.Kind, hit.JSON, s.conditions()...)
			if err != nil {
				return nil, fmt.Errorf("api: %s: %w", hit.DID, err)
			}
			document = &p
		}
		if one.places != nil {
			list = append(list, one.places.members(document.Text(records.FieldRef))...)
		} else {
			list = append(list, one.show(records.Score(one.parts, *document))...)
		}
	}
	return list, nil
}

// conditions are those whose points are shown, and what the places are looked for in.
func (s scores) conditions() (list []records.Cond) {
	for _, one := range s {
		switch {
		case one.places != nil:
			list = append(list, records.Exists{Field: records.FieldRef})
		case one.show != nil:
			for _, part := range one.parts {
				list = append(list, part.Where)
			}
		}
	}
	return list
}

// share is matched/asked, as clients know it: a text with three decimals.
func share(matched int64, asked int) []byte {
	return fmt.Appendf(nil, `"%.3f"`, float64(matched)/float64(asked))
}

// number is a whole number in JSON.
func number(n int64) []byte { return strconv.AppendInt(nil, n, 10) }

// one gives a point for each of the conditions.
func one(conds []records.Cond) []records.Scored {
	parts := make([]records.Scored, len(conds))
	for i, c := range conds {
		parts[i] = records.Scored{Where: c, Points: 1}
	}
	return parts
}

// combined is all of the conditions, or one of them.
func combined(mode string, conds []records.Cond) records.Cond {
	if mode == "AND" {
		return records.All(conds)
	}
	return records.Any(conds)
}
