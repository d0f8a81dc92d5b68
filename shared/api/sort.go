package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"oipnode/shared/openapi"
	"oipnode/shared/records"
)

// sorting is what sortBy asks for.
type sorting struct {
	field string
	desc  bool
}

// sortKind takes field:asc or field:desc; without a direction it is desc. Which
// fields there are is not its matter: clients also send fields that nobody knows
// and expect an answer (spec records-api section 2).
func sortKind(dst *sorting) kind {
	return kind{allowed: "a field, or a field with a direction: field:asc or field:desc", schema: sortSchema, set: func(s string) (any, bool) {
		field, direction, _ := strings.Cut(s, ":")
		switch strings.ToLower(direction) {
		case "", "desc":
			*dst = sorting{field, true}
		case "asc":
			*dst = sorting{field, false}
		default:
			return nil, false
		}
		return s, true
	}}
}

func sortSchema() openapi.Schema {
	return openapi.Matching(`^[^:]*(:([aA][sS][cC]|[dD][eE][sS][cC])?)?$`)
}

// newest is the order that holds when none is asked for.
var newest = []records.Sort{{Field: records.FieldHeight, Desc: true}}

// recordOrders are the fields that records can be sorted by. Texts are in the
// order of their lower-case form.
var recordOrders = map[string]records.Field{
	"inArweaveBlock": records.FieldHeight,
	"indexedAt":      records.FieldIndexedAt,
	"date":           records.FieldDate,
	"name":           records.FieldNameFolded,
	"basic.name":     records.FieldNameFolded,
	"recordType":     records.FieldRecordType,
	"creatorHandle":  records.FieldCreatorHandle,
	"ver":            records.FieldVer,
	"scheduleDate":   records.FieldSchedule,
}

// orderNames are the fields of a table of orders, for a sentence.
func orderNames(known map[string]records.Field) string {
	return strings.Join(slices.Sorted(maps.Keys(known)), ", ")
}

// heightOrder is the order of lists of registrations and templates.
var heightOrder = map[string]records.Field{"inArweaveBlock": records.FieldHeight}

// order is the sort of a query. A field that is not among the known ones gives
// the default order and a warning.
func (s sorting) order(known map[string]records.Field) (order []records.Sort, warning string) {
	if s.field == "" {
		return newest, ""
	}
	field, ok := known[s.field]
	if !ok {
		return newest, fmt.Sprintf("sortBy: %q is no field that this answer can be sorted by; the default order, inArweaveBlock:desc, was used",
			clip(s.field, 60))
	}
	return []records.Sort{{Field: field, Desc: s.desc}}, ""
}

// clip shortens a text to so many characters.
func clip(s string, most int) string {
	n := 0
	for i := range s {
		if n++; n > most {
			return s[:i] + "…"
		}
	}
	return s
}
