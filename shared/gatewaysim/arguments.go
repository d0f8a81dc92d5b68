package gatewaysim

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// argument is the value of a field's argument: given, by variable, or default.
// nil stands for null and for nothing.
func argument(f *ast.Field, name string, vars map[string]any) (any, error) {
	if a := f.Arguments.ForName(name); a != nil {
		v, err := a.Value.Value(vars)
		if err != nil {
			return nil, fmt.Errorf("argument %q is out of range", name)
		}
		if _, given := vars[a.Value.Raw]; a.Value.Kind != ast.Variable || given {
			return v, nil
		}
	}
	def := f.Definition.Arguments.ForName(name)
	if def == nil || def.DefaultValue == nil {
		return nil, nil
	}
	return def.DefaultValue.Value(nil)
}

// integer reads a GraphQL Int; null gives the fallback.
func integer(v any, fallback int64) (int64, error) {
	var n int64
	var err error
	switch v := v.(type) {
	case nil:
		return fallback, nil
	case int64:
		n = v
	case json.Number:
		n, err = v.Int64()
	case string:
		n, err = strconv.ParseInt(v, 10, 64)
	default:
		err = strconv.ErrSyntax
	}
	if err != nil || n < math.MinInt32 || n > math.MaxInt32 {
		return 0, fmt.Errorf("int cannot represent %v", v)
	}
	return n, nil
}

// texts reads a list of strings or ids; a single value is a list of one. Null
// gives nil, an empty list one that is not nil.
func texts(v any) []string {
	if v == nil {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	out := make([]string, 0, len(list))
	for _, item := range list {
		out = append(out, fmt.Sprint(item))
	}
	return out
}

// tagFilters reads the tags argument.
func tagFilters(v any) []tagFilter {
	if v == nil {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var out []tagFilter
	for _, item := range list {
		m, _ := item.(map[string]any) // validated
		name, _ := m["name"].(string)
		op, _ := m["op"].(string)
		out = append(out, tagFilter{name: name, values: texts(m["values"]), not: strings.EqualFold(op, "NEQ")})
	}
	return out
}

// span is a range of heights, both included.
type span struct {
	min, max int64
	set      bool // some bound was given
}

// heights reads a BlockFilter.
func heights(v any) (span, error) {
	m, _ := v.(map[string]any) // validated; nil is no filter
	lo, err := integer(m["min"], 0)
	if err != nil {
		return span{}, err
	}
	hi, err := integer(m["max"], math.MaxInt64)
	if err != nil {
		return span{}, err
	}
	return span{min: lo, max: hi, set: m["min"] != nil || m["max"] != nil}, nil
}

// question is a transactions or blocks query with its arguments read.
type question struct {
	filter filter
	blocks span
	first  int64
	after  string
	desc   bool
}

// readQuestion reads the arguments that a field has; missing ones ask nothing.
// heightArg is the name of its BlockFilter.
func readQuestion(f *ast.Field, heightArg string, vars map[string]any) (question, error) {
	var q question
	args := map[string]any{}
	for _, def := range f.Definition.Arguments {
		v, err := argument(f, def.Name, vars)
		if err != nil {
			return q, err
		}
		args[def.Name] = v
	}
	q.filter = filter{
		ids:        texts(args["ids"]),
		owners:     texts(args["owners"]),
		recipients: texts(args["recipients"]),
		bundledIn:  texts(args["bundledIn"]),
		tags:       tagFilters(args["tags"]),
	}
	if q.filter.ids != nil {
		slices.Sort(q.filter.ids)
		q.filter.ids = slices.Compact(q.filter.ids)
	}
	q.after, _ = args["after"].(string)
	order, _ := args["sort"].(string)
	q.desc = !strings.EqualFold(order, "HEIGHT_ASC") // variables may be in lower case
	var err error
	if q.blocks, err = heights(args[heightArg]); err != nil {
		return q, err
	}
	q.first, err = integer(args["first"], defaultFirst)
	if err == nil && q.first < 0 {
		err = fmt.Errorf("first must not be negative")
	}
	return q, err
}
