package gatewaysim

import (
	"github.com/vektah/gqlparser/v2/ast"
)

// selection is a field to answer: fragments are resolved, fields of the same
// response name are merged, skipped ones are gone. All types of the schema are
// object types, so fragments apply wherever validation allows them.
type selection struct {
	key    string // name in the response
	field  *ast.Field
	fields []selection
}

// maxFields bounds the fields of a query, fragments resolved: with the page size
// it bounds the size of an answer. Everything there is to ask of a transaction
// takes about 40.
const maxFields = 200

// plan is compile for a whole operation; false means that it asks too much.
func plan(op *ast.OperationDefinition, vars map[string]any) ([]selection, bool) {
	left := maxFields
	fields := compile(vars, &left, op.SelectionSet)
	return fields, left >= 0
}

// compile turns selection sets into what has to be answered for one object. It
// gives up when nothing is left of the bound on fields.
func compile(vars map[string]any, left *int, sets ...ast.SelectionSet) []selection {
	c := collector{vars: vars, left: left, index: map[string]int{}, seen: map[string]bool{}}
	for _, set := range sets {
		c.collect(set)
	}
	for i := range c.out {
		if len(c.sets[i]) > 0 {
			c.out[i].fields = compile(vars, left, c.sets[i]...)
		}
	}
	return c.out
}

// collector gathers the fields of one object in the order of their first use.
type collector struct {
	vars  map[string]any
	left  *int // fields that may still be collected
	out   []selection
	sets  [][]ast.SelectionSet
	index map[string]int
	seen  map[string]bool // fragments; each counts once
}

func (c *collector) collect(set ast.SelectionSet) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			if !included(s.Directives, c.vars) {
				continue
			}
			if *c.left--; *c.left < 0 {
				return
			}
			i, ok := c.index[s.Alias]
			if !ok {
				i = len(c.out)
				c.index[s.Alias] = i
				c.out = append(c.out, selection{key: s.Alias, field: s})
				c.sets = append(c.sets, nil)
			}
			if len(s.SelectionSet) > 0 {
				c.sets[i] = append(c.sets[i], s.SelectionSet)
			}
		case *ast.InlineFragment:
			if included(s.Directives, c.vars) {
				c.collect(s.SelectionSet)
			}
		case *ast.FragmentSpread:
			if !c.seen[s.Name] && included(s.Directives, c.vars) {
				c.seen[s.Name] = true
				c.collect(s.Definition.SelectionSet)
			}
		}
	}
}

// included evaluates @skip and @include.
func included(directives ast.DirectiveList, vars map[string]any) bool {
	for _, d := range directives {
		arg := d.Arguments.ForName("if")
		if arg == nil {
			continue
		}
		// Validation made it a boolean or a variable of that type.
		v, _ := arg.Value.Value(vars)
		if on, _ := v.(bool); on == (d.Name == "skip") {
			return false
		}
	}
	return true
}

// find returns the selection of the named field, nil without one.
func find(fields []selection, name string) *selection {
	for i := range fields {
		if fields[i].field.Name == name {
			return &fields[i]
		}
	}
	return nil
}

// fragile returns the first selected field of a row that is neither id nor
// block{height}, "" without one. Those are what one bad row breaks a page by.
func fragile(connection []selection) string {
	edges := find(connection, "edges")
	if edges == nil {
		return ""
	}
	node := find(edges.fields, "node")
	if node == nil {
		return ""
	}
	for _, f := range node.fields {
		switch f.field.Name {
		case "id", "__typename":
		case "block":
			for _, b := range f.fields {
				if b.field.Name != "height" {
					return "block." + b.field.Name
				}
			}
		default:
			return f.field.Name
		}
	}
	return ""
}
