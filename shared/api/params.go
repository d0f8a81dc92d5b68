package api

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"oipnode/shared/errs"
	"oipnode/shared/openapi"
)

const (
	// maxQuery is the longest query string, in bytes, that is looked at.
	maxQuery = 128 << 10
	// maxValue is the longest value of a parameter in bytes, decoded.
	maxValue = 10 << 10
)

// param is one row of a route's table of parameters. The table reads the values,
// words the errors and describes the route, so the three cannot disagree. Making
// the table of a request sets the defaults in it.
type param struct {
	name string
	kind kind
	// doc is what the parameter does, for the description of the API.
	doc string
}

// kind is how the text of a parameter is read.
type kind struct {
	// allowed completes "<name> must be …".
	allowed string
	// standard is what holds without the parameter; empty when that is nothing.
	standard string
	// many is how often the parameter may be given, 0 for once. set is then called for
	// each, in their order.
	many int
	// needed says that the request makes no sense without the parameter.
	needed bool
	// schema is what the description of the API says of a value, as queryParams shows
	// it: what matches it is allowed. It is only called for the description.
	schema func() openapi.Schema
	// set stores a value, and returns it as it is shown again in queryParams. It
	// reports false for a text that is not allowed.
	set func(text string) (value any, ok bool)
}

// badParameter is the cause of an error about one parameter; its name is part of
// the answer.
type badParameter struct{ name string }

func (e *badParameter) Error() string { return "parameter " + e.name }

// invalid is the error for a value that is not allowed.
func invalid(name, format string, args ...any) error {
	return errs.E(errs.Invalid, fmt.Sprintf(format, args...), &badParameter{name})
}

// parse reads a query string by a table and returns the values that were given,
// as they were understood. An unknown parameter is ignored and an empty value is
// the same as none: clients send both. Everything else that is not understood is
// an error that names the parameter and what is allowed.
func parse(rawQuery string, table []param) (map[string]any, error) {
	texts, err := decode(rawQuery, table)
	if err != nil {
		return nil, err
	}
	given := make(map[string]any, len(texts))
	for _, p := range table {
		values := make([]any, 0, len(texts[p.name]))
		for _, text := range texts[p.name] {
			value, ok := p.kind.set(text)
			if !ok {
				return nil, invalid(p.name, "%s must be %s", p.name, p.kind.allowed)
			}
			values = append(values, value)
		}
		switch len(values) {
		case 0:
			if p.kind.needed {
				return nil, invalid(p.name, "%s must be %s", p.name, p.kind.allowed)
			}
		case 1:
			given[p.name] = values[0]
		default:
			given[p.name] = values
		}
	}
	return given, nil
}

// decode finds the known parameters of a query string. It does not use
// url.ParseQuery, which fails for the whole string when an unknown parameter is
// malformed or holds a semicolon.
func decode(rawQuery string, table []param) (map[string][]string, error) {
	if len(rawQuery) > maxQuery {
		return nil, errs.E(errs.TooLarge, fmt.Sprintf("the query string is longer than %d bytes", maxQuery), nil)
	}
	found := make(map[string][]string)
	for pair := range strings.SplitSeq(rawQuery, "&") {
		rawName, rawText, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil || rawText == "" {
			continue
		}
		i := slices.IndexFunc(table, func(p param) bool { return p.name == name })
		if i < 0 {
			continue
		}
		text, err := url.QueryUnescape(rawText)
		switch most := max(table[i].kind.many, 1); {
		case err != nil:
			return nil, invalid(name, "%s is not correctly percent-encoded", name)
		case len(found[name]) == most && most == 1:
			return nil, invalid(name, "%s may be given only once", name)
		case len(found[name]) == most:
			return nil, invalid(name, "%s may be given at most %d times", name, most)
		case len(text) > maxValue:
			return nil, invalid(name, "%s must be at most %d bytes long", name, maxValue)
		case !utf8.ValidString(text):
			return nil, invalid(name, "%s must be UTF-8", name)
		}
		found[name] = append(found[name], text)
	}
	return found, nil
}
