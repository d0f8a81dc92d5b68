package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Filter is a pattern of an event source: which records Lambda hands over. Of the rules
// that Lambda knows it has the one that this template uses: a field must be one of the
// texts that the pattern lists for it.
type Filter struct {
	fields map[string]any // of Filter or []string
}

// maxFilter is the longest pattern that Lambda takes, in bytes.
const maxFilter = 4096

// ParseFilter reads a pattern.
func ParseFilter(pattern string) (Filter, error) {
	if len(pattern) > maxFilter {
		return Filter{}, fmt.Errorf("filter: %d bytes, Lambda takes %d", len(pattern), maxFilter)
	}
	return parseFilter([]byte(pattern))
}

func parseFilter(pattern []byte) (Filter, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(pattern, &fields); err != nil || len(fields) == 0 {
		return Filter{}, errors.New("filter: not a JSON object with fields")
	}
	f := Filter{make(map[string]any, len(fields))}
	for name, text := range fields {
		var texts []string
		if err := json.Unmarshal(text, &texts); err == nil {
			if len(texts) == 0 {
				return Filter{}, fmt.Errorf("filter: %s: an empty list lets nothing through", name)
			}
			f.fields[name] = texts
			continue
		}
		inner, err := parseFilter(text)
		if err != nil {
			return Filter{}, fmt.Errorf("filter: %s is neither a list of texts nor an object of such", name)
		}
		f.fields[name] = inner
	}
	return f, nil
}

// Matches reports whether a record, as encoding/json decodes it into any, is let through.
func (f Filter) Matches(record any) bool {
	object, _ := record.(map[string]any)
	for name, want := range f.fields {
		switch want := want.(type) {
		case Filter:
			if !want.Matches(object[name]) {
				return false
			}
		case []string:
			if text, ok := object[name].(string); !ok || !slices.Contains(want, text) {
				return false
			}
		}
	}
	return true
}

// streamEvent is the kind of trigger that a table's stream is.
const streamEvent = "DynamoDB"

// Stream is a trigger of a function by the stream of a table.
type Stream struct {
	// Filters are the patterns, one of which a record must match.
	Filters []Filter
	// BatchSize is the most records of one call.
	BatchSize int
}

// Matches reports whether Lambda hands a record over.
func (s Stream) Matches(record any) bool {
	return slices.ContainsFunc(s.Filters, func(f Filter) bool { return f.Matches(record) })
}

// Stream is the trigger of the function of that name by a table's stream.
func (t *Template) Stream(function string) (Stream, error) {
	for _, f := range t.Functions() {
		events, _ := f.properties["Events"].(map[string]any)
		for _, event := range events {
			if f.Name != function || at(event, "Type") != streamEvent {
				continue
			}
			var s Stream
			s.BatchSize, _ = at(event, "Properties", "BatchSize").(int)
			for _, v := range list(at(event, "Properties", "FilterCriteria", "Filters")) {
				pattern, _ := at(v, "Pattern").(string)
				filter, err := ParseFilter(pattern)
				if err != nil {
					return Stream{}, err
				}
				s.Filters = append(s.Filters, filter)
			}
			return s, nil
		}
	}
	return Stream{}, fmt.Errorf("%w: no stream starts the function %q", ErrTemplate, function)
}
