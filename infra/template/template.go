// Package template reads the deployment, template.yaml. Functions and Actions tell what it
// deploys: the time, the memory and the variables of each function, and what its role
// allows its code to do, which package infra/iam compares with what the code really does.
//
// The package's own tests look for what no linter sees: schedules that overlap with their
// functions, time limits that contradict each other, variables that the program does not
// know, roles that allow too much, names that hold in one region only. They also break the
// template in a hundred places, each of which must be found.
package template

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxTemplate is what CloudFormation takes of a template, in bytes.
const maxTemplate = 1 << 20

// maxDepth bounds how deep values lie in each other.
const maxDepth = 100

// ErrTemplate is returned for a text that is no template.
var ErrTemplate = errors.New("template: not a template")

// Template is a SAM template. Its values are what encoding/json would make of them, with
// int for whole numbers, and intrinsic functions in their long form: !Ref X is
// map[string]any{"Ref": "X"}, and !GetAtt X.Arn is {"Fn::GetAtt": []any{"X", "Arn"}}.
type Template struct {
	text string
	root map[string]any
}

// Load reads a template file.
func Load(file string) (*Template, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	return Parse(text)
}

// Parse reads a template. It refuses keys that occur twice, which CloudFormation would
// silently take the last of, and aliases, which it does not know.
func Parse(text []byte) (*Template, error) {
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("%w: %d bytes, CloudFormation takes %d", ErrTemplate, len(text), maxTemplate)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTemplate, err)
	}
	if len(document.Content) != 1 {
		return nil, fmt.Errorf("%w: it is empty", ErrTemplate)
	}
	v, err := value(document.Content[0], 0)
	if err != nil {
		return nil, err
	}
	root, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%w: it is not a mapping", ErrTemplate)
	}
	return &Template{text: string(text), root: root}, nil
}

// value is a node with its short tag resolved.
func value(n *yaml.Node, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%w: line %d: deeper than %d levels", ErrTemplate, n.Line, maxDepth)
	}
	v, err := plain(n, depth)
	if err != nil || !strings.HasPrefix(n.Tag, "!") || strings.HasPrefix(n.Tag, "!!") {
		return v, err
	}
	switch name := n.Tag[1:]; name {
	case "Ref", "Condition":
		return map[string]any{name: v}, nil
	case "GetAtt":
		if text, ok := v.(string); ok {
			resource, attribute, _ := strings.Cut(text, ".")
			v = []any{resource, attribute}
		}
		return map[string]any{"Fn::GetAtt": v}, nil
	default:
		return map[string]any{"Fn::" + name: v}, nil
	}
}

// plain is a node without its tag.
func plain(n *yaml.Node, depth int) (any, error) {
	switch n.Kind {
	case yaml.ScalarNode:
		return scalar(n)
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			var err error
			if list[i], err = value(item, depth+1); err != nil {
				return nil, err
			}
		}
		return list, nil
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if _, twice := m[key]; twice {
				return nil, fmt.Errorf("%w: line %d: %q is there twice", ErrTemplate, n.Content[i].Line, key)
			}
			v, err := value(n.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			m[key] = v
		}
		return m, nil
	default:
		return nil, fmt.Errorf("%w: line %d: CloudFormation knows no aliases", ErrTemplate, n.Line)
	}
}

// scalar is a text, number, truth or nothing. What has a tag of CloudFormation is a text.
func scalar(n *yaml.Node) (any, error) {
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		return n.Value, nil
	}
	if n.Tag == "!!timestamp" { // AWSTemplateFormatVersion without quotes
		return n.Value, nil
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, fmt.Errorf("%w: line %d: %w", ErrTemplate, n.Line, err)
	}
	return v, nil
}

// at follows keys into mappings; nil when there is nothing.
func at(v any, path ...string) any {
	for _, key := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

// section is a top-level mapping such as Resources.
func (t *Template) section(name string) map[string]any {
	m, _ := t.root[name].(map[string]any)
	return m
}

// resource is a part of a resource, nil when there is none.
func (t *Template) resource(id string, path ...string) any {
	return at(t.section("Resources")[id], path...)
}

// kind is the type of a resource, "" when there is none of that name.
func (t *Template) kind(id string) string {
	kind, _ := t.resource(id, "Type").(string)
	return kind
}

// ofKind are the names of the resources of a type, in order.
func (t *Template) ofKind(kind string) []string {
	var ids []string
	for id := range t.section("Resources") {
		if t.kind(id) == kind {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// ref is the X of !Ref X, "" for anything else.
func ref(v any) string {
	name, _ := at(v, "Ref").(string)
	return name
}

// attribute is the X of !GetAtt X.name, "" for anything else.
func attribute(v any, name string) string {
	parts, _ := at(v, "Fn::GetAtt").([]any)
	if len(parts) != 2 || parts[1] != name {
		return ""
	}
	id, _ := parts[0].(string)
	return id
}

// list takes one value for a list of it, as IAM does.
func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}
