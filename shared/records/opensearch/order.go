package opensearch

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"oipnode/shared/records"
)

// order translates a sort. An index of an older version may lack a field; all documents
// are without a value then.
func order(levels []records.Sort) []any {
	list := make([]any, len(levels))
	for i, l := range levels {
		direction, mode := "asc", "min"
		if l.Desc {
			direction, mode = "desc", "max"
		}
		if l.Field == records.FieldScore {
			list[i] = object{"_score": object{"order": direction}}
			continue
		}
		list[i] = object{engineField(l.Field): object{"order": direction, "mode": mode, "missing": "_last", "unmapped_type": engineKind(l.Field)}}
	}
	return list
}

// noNumber is what the engine sorts a document by that lacks a number.
func noNumber(desc bool) int64 {
	if desc {
		return math.MinInt64
	}
	return math.MaxInt64
}

// searchAfter translates the position of a cursor.
func searchAfter(levels []records.Sort, keys []records.SortKey) []any {
	list := make([]any, len(levels))
	for i, l := range levels {
		switch k := keys[i]; {
		case !l.Field.Numeric() && k.Missing:
			list[i] = nil
		case !l.Field.Numeric():
			list[i] = k.Text
		case k.Missing:
			list[i] = noNumber(l.Desc)
		default:
			list[i] = k.Number
		}
	}
	return list
}

// sortKeys reads the position of a hit.
func sortKeys(levels []records.Sort, values []json.RawMessage) ([]records.SortKey, error) {
	if len(values) != len(levels) {
		return nil, fmt.Errorf("%w: a hit has %d sort values, want %d", ErrEngine, len(values), len(levels))
	}
	keys := make([]records.SortKey, len(levels))
	for i, l := range levels {
		var err error
		switch text := string(values[i]); {
		case text == "null":
			keys[i].Missing = true
		case !l.Field.Numeric():
			err = json.Unmarshal(values[i], &keys[i].Text)
		case l.Field == records.FieldScore: // a float that holds an integer
			var score float64
			score, err = strconv.ParseFloat(text, 64)
			keys[i].Number = int64(score)
		default:
			keys[i].Number, err = strconv.ParseInt(text, 10, 64)
			if keys[i].Number == noNumber(l.Desc) {
				keys[i] = records.SortKey{Missing: true}
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%w: sort value: %w", ErrEngine, err)
		}
	}
	return keys, nil
}

// compareKeys tells which of two positions comes first, as the engine orders them.
func compareKeys(levels []records.Sort, a, b []records.SortKey) int {
	for i, l := range levels {
		x, y := a[i], b[i]
		var c int
		switch {
		case x.Missing || y.Missing:
			if x.Missing != y.Missing {
				if x.Missing {
					return 1
				}
				return -1
			}
		case l.Field.Numeric():
			c = cmp.Compare(x.Number, y.Number)
		default:
			c = strings.Compare(x.Text, y.Text)
		}
		if c != 0 && l.Desc {
			return -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}
