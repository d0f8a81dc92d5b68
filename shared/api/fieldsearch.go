package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"oipnode/shared/openapi"
	"oipnode/shared/records"
)

const (
	// maxExactFields is how many fields exactMatch may name.
	maxExactFields = 20
	// maxPairs is how many pairs of fieldName and fieldSearch there may be.
	maxPairs = 10
)

// exactField is a field of exactMatch, by its name there, and the value that it must have.
type exactField struct {
	name string
	cond records.Cond
}

// envelopeFields are the members of the envelope that exactMatch knows.
var envelopeFields = map[string]records.Field{
	"oip.did":                   records.FieldDID,
	"oip.recordType":            records.FieldRecordTypeExact,
	"oip.ver":                   records.FieldVer,
	"oip.creator.creatorHandle": records.FieldCreatorHandle,
	"oip.creator.didAddress":    records.FieldCreatorDID,
}

// exactFields reads exactMatch. The names are paths of values: those of data with or
// without "data." in front, and those of the envelope that records can be found by.
func exactFields(text string) (fields []exactField, ok bool) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var values map[string]any
	if err := dec.Decode(&values); err != nil || len(values) == 0 || len(values) > maxExactFields {
		return nil, false
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, false
	}
	for name, value := range values {
		path, cond := strings.TrimPrefix(name, "data."), records.Cond(nil)
		known := envelopeFields[name]
		switch v := value.(type) {
		case string:
			cond = records.Equal(path, v)
			if known != "" {
				cond = records.Is(known, v)
			}
		case bool:
			cond = records.EqualBool(path, v)
		case json.Number:
			n, err := v.Float64()
			if err != nil {
				return nil, false
			}
			cond = records.EqualNumber(path, n)
			if name == "oip.inArweaveBlock" {
				known = records.FieldHeight
				if n != math.Trunc(n) || math.Abs(n) > maxExact {
					cond = records.Any{}
				} else {
					cond = records.Between{Field: known, Min: int64(n), Max: int64(n)}
				}
			}
		}
		if cond == nil || path == "" || len(path) > records.MaxPath || strings.HasPrefix(name, "oip.") && known == "" {
			return nil, false
		}
		fields = append(fields, exactField{name, cond})
	}
	// So that equal conditions are equal, as cursors need it. No two names are the same,
	// but two can lead to one path, with "data." in front and without.
	slices.SortFunc(fields, func(a, b exactField) int { return strings.Compare(a.name, b.name) })
	return fields, true
}

// exactKind takes the JSON object of exactMatch.
func exactKind(dst *[]exactField) kind {
	allowed := fmt.Sprintf(`a JSON object of 1 to %d field paths, each with a text, a number or true or false, such as {"data.basic.language":"en"}; of the envelope it knows oip.inArweaveBlock, oip.did, oip.recordType, oip.ver, oip.creator.creatorHandle and oip.creator.didAddress`, maxExactFields)
	return kind{allowed: allowed, schema: exactSchema, set: func(s string) (any, bool) {
		fields, ok := exactFields(s)
		if !ok {
			return nil, false
		}
		*dst = fields
		var b bytes.Buffer
		err := json.Compact(&b, []byte(s))
		return json.RawMessage(b.Bytes()), err == nil
	}}
}

// exactSchema is the object; a query holds it as JSON. Of the envelope there are certain
// names only.
func exactSchema() openapi.Schema {
	height := openapi.Schema{Type: openapi.Number}
	envelope := openapi.Words(append(slices.Sorted(maps.Keys(envelopeFields)), "oip.inArweaveBlock")...)
	unknown := openapi.Schema{Pattern: `^oip\.|^(data\.)?$`}
	names := openapi.Either(envelope, openapi.Schema{MaxLength: records.MaxPath, Not: &unknown})
	value := openapi.Either(openapi.Text(0), openapi.Schema{Type: openapi.Number}, openapi.Truth())
	return openapi.Schema{Type: openapi.Object, Names: &names, Others: &value, MinProperties: 1, MaxProperties: maxExactFields,
		Properties: openapi.Ordered[*openapi.Schema]{{Name: "oip.inArweaveBlock", Value: &height}}}
}

// fieldSearch is the search for values of fields, in pairs of a field and a value.
type fieldSearch struct {
	names, values []string
	mode          string
}

func (f *fieldSearch) params() []param {
	return []param{
		{"fieldName", repeated(&f.names, maxPairs, pathKind), "a field, by its path below data, that must have the value of the fieldSearch at the same position; may be repeated"},
		{"fieldSearch", repeated(&f.values, maxPairs, text), fmt.Sprintf("the value of the fieldName at the same position, at most %d bytes unless fieldMatchMode is exact; a number, true or false is compared as such, too; adds fieldSearchScore and fieldSearchMatchedCount", records.MaxLike)},
		{"fieldMatchMode", choice(&f.mode, "partial", "exact"), "whether the field contains the value of fieldSearch, in any case, or equals it"},
	}
}

// closeness are the points of fieldSearchScore, from the least close on; each is added
// to those before it.
var closeness = []struct {
	least  records.Closeness
	points int64
}{
	{records.Contains, 600}, {records.WholeWord, 100}, {records.EndsWith, 100}, {records.StartsWith, 100}, {records.Same, 100},
}

// filter is the condition, with what it tells of the records.
func (f *fieldSearch) filter() (conds []records.Cond, s scores, warning string, err error) {
	switch {
	case len(f.names) == 0 && len(f.values) == 0:
		return nil, nil, "", nil
	case len(f.values) == 0:
		return nil, nil, "fieldName was not applied: it needs a fieldSearch", nil
	case len(f.names) != len(f.values):
		return nil, nil, "", invalid("fieldSearch", "fieldSearch must be given as often as fieldName: each is the value of the one at the same position (%d and %d)", len(f.values), len(f.names))
	}
	found := make([]records.Cond, len(f.names))
	steps := make([]records.Any, len(closeness))
	for i, path := range f.names {
		value := f.values[i]
		equal := comparedAs(path, value)
		if f.mode == "exact" {
			found[i] = append(equal, records.Equal(path, value))
			for j := range steps {
				steps[j] = append(steps[j], found[i])
			}
			continue
		}
		if n := len(records.Fold(value)); n > records.MaxLike {
			return nil, nil, "", invalid("fieldSearch", "fieldSearch must be at most %d bytes long, unless fieldMatchMode is exact", records.MaxLike)
		}
		for j, step := range closeness {
			like := append(slices.Clone(equal), records.Like{Path: path, Text: value, Least: step.least})
			steps[j] = append(steps[j], like)
			if step.least == records.Contains {
				found[i] = like
			}
		}
	}
	parts := make([]records.Scored, len(steps))
	for i, step := range closeness {
		parts[i] = records.Scored{Where: steps[i], Points: step.points}
	}
	return found, scores{{names: []string{"fieldSearchScore"}, parts: parts, show: func(points int64) []member {
		return []member{{"fieldSearchScore", number(points)}, {"fieldSearchMatchedCount", number(int64(len(found)))}}
	}}}, "", nil
}

// comparedAs are the conditions on numbers and truth values that a text stands for.
func comparedAs(path, value string) records.Any {
	value = strings.TrimSpace(value)
	switch strings.ToLower(value) {
	case "true", "false":
		return records.Any{records.EqualBool(path, strings.EqualFold(value, "true"))}
	}
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsInf(n, 0) || math.IsNaN(n) || strings.ContainsAny(value, "xX_pP") {
		return nil
	}
	return records.Any{records.EqualNumber(path, n)}
}

// pathKind takes a path below data.
func pathKind(dst *string) kind {
	schema := func() openapi.Schema {
		s := openapi.Matching(`[^.]$`)
		s.MaxLength = records.MaxPath
		return s
	}
	return kind{allowed: fmt.Sprintf("a path below data of at most %d bytes, such as basic.name", records.MaxPath), schema: schema, set: func(s string) (any, bool) {
		path := strings.TrimPrefix(s, "data.")
		if path == "" || len(path) > records.MaxPath || strings.HasSuffix(path, ".") {
			return nil, false
		}
		*dst = path
		return s, true
	}}
}

// repeated takes a parameter that may be given several times, each as the kind says.
func repeated(dst *[]string, most int, of func(dst *string) kind) kind {
	var value string
	k := of(&value)
	set := k.set
	k.many = most
	k.set = func(s string) (any, bool) {
		shown, ok := set(s)
		if ok {
			*dst = append(*dst, value)
		}
		return shown, ok
	}
	return k
}

// searchKind takes the words of a search.
func searchKind(dst *search) kind {
	return kind{allowed: fmt.Sprintf("a text of at most %d different words", maxSearchWords), schema: textSchema, set: func(s string) (any, bool) {
		words, ok := searchWords(s)
		if !ok {
			return nil, false
		}
		dst.words, dst.given = words, true
		return s, true
	}}
}
