// Package page renders an OpenAPI document as one page for people: without scripts,
// without anything from elsewhere, readable on a phone, and with an anchor for each
// operation and each schema.
//
// It is for make generate and not for the running node: html/template calls methods by
// name, so that a program with it keeps every method of every type.
package page

import (
	"bytes"
	_ "embed" // for the template
	"fmt"
	"html/template"
	"strings"

	"oipnode/shared/openapi"
)

//go:embed page.html
var source string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"takes": takes, "is": is, "upper": strings.ToUpper, "paragraphs": paragraphs, "standard": standard, "members": members,
	"responses": responses, "group": group, "anchor": anchor, "status": statusClass,
}).Parse(source))

// Render is the page of a document.
func Render(d *openapi.Document) ([]byte, error) {
	var b bytes.Buffer
	if err := page.Execute(&b, d); err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	return b.Bytes(), nil
}

// paragraphs are the parts of a text between empty lines.
func paragraphs(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n\n")
}

// anchor is the id of a group's heading.
func anchor(tag string) string {
	return "group-" + strings.ToLower(strings.ReplaceAll(tag, " ", "-"))
}

// operation is an operation with its place.
type operation struct {
	Method, Path string
	*openapi.Operation
}

// group are the operations of a tag, in the order of the document.
func group(d *openapi.Document, tag string) []operation {
	var list []operation
	for _, p := range d.Paths {
		for _, m := range p.Value {
			if m.Value.Tags[0] == tag {
				list = append(list, operation{m.Name, p.Name, m.Value})
			}
		}
	}
	return list
}

// answer is a response with its status, or the name of one.
type answer struct {
	Status   string
	Response *openapi.Response
	Schema   *openapi.Schema
	Media    string
}

// responses are the answers of an operation, those that are referred to among them.
func responses(d *openapi.Document, o *openapi.Operation) []answer {
	var list []answer
	for _, m := range o.Responses {
		a := answer{Status: m.Name, Response: m.Value}
		if name, ok := strings.CutPrefix(m.Value.Ref, "#/components/responses/"); ok {
			a.Response, _ = d.Components.Responses.Get(name)
		}
		for _, c := range a.Response.Content {
			a.Media, a.Schema = c.Name, c.Value.Schema
		}
		list = append(list, a)
	}
	return list
}

// statusClass is the first digit of a status, for its colour.
func statusClass(status string) string { return "s" + status[:1] }

// standard is the default of a parameter; empty without one.
func standard(s *openapi.Schema) string {
	if s.Default == nil {
		return ""
	}
	return fmt.Sprint(s.Default)
}

// member is a member of an object.
type member struct {
	Name   string
	Schema *openapi.Schema
	Always bool
}

// members are the members of an object's schema.
func members(s *openapi.Schema) []member {
	var list []member
	for _, p := range s.Properties {
		m := member{Name: p.Name, Schema: p.Value}
		for _, name := range s.Required {
			m.Always = m.Always || name == p.Name
		}
		list = append(list, m)
	}
	return list
}

// takes says what a parameter takes: in its own words if it has any.
func takes(s *openapi.Schema) template.HTML {
	if s.Description != "" {
		return template.HTML(escape(s.Description)) // it went through escape
	}
	if s.Type == openapi.Array && s.Items.Description != "" {
		return template.HTML(escape(fmt.Sprintf("%s; at most %d times", s.Items.Description, s.MaxItems))) // it went through escape
	}
	return is(s)
}

// is says in a few words what a schema allows, with a link to a component.
func is(s *openapi.Schema) template.HTML {
	return template.HTML(words(s)) // every text in it went through escape
}

func escape(v any) string { return template.HTMLEscapeString(fmt.Sprint(v)) }

func code(v any) string { return "<code>" + escape(v) + "</code>" }

// words is HTML.
func words(s *openapi.Schema) string {
	text := base(s)
	if s.Type.Null {
		text += " or " + code("null")
	}
	return text
}

func base(s *openapi.Schema) string {
	switch {
	case s.Ref != "":
		name := s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
		return `<a href="#` + escape(name) + `">` + escape(name) + "</a>"
	case len(s.AnyOf) > 0:
		var parts []string
		for _, one := range s.AnyOf {
			parts = append(parts, words(one))
		}
		return strings.Join(parts, " or ")
	case s.Const != nil:
		return code(s.Const)
	case len(s.Enum) > 0:
		var parts []string
		for _, v := range s.Enum {
			if v != "" {
				parts = append(parts, code(v))
			}
		}
		return strings.Join(parts, ", ")
	}
	switch s.Type.Name {
	case "":
		return "any JSON"
	case "null":
		return code("null")
	case "boolean":
		return code("true") + " or " + code("false")
	case "integer":
		if s.Minimum != nil && s.Maximum != nil {
			return fmt.Sprintf("whole number, %d to %d", *s.Minimum, *s.Maximum)
		}
		return "whole number"
	case "string":
		switch {
		case s.Format == "date-time":
			return "time such as " + code("2024-04-19T10:30:00Z")
		case s.Format == "date":
			return "day such as " + code("2024-04-19")
		case s.Pattern != "":
			return "text like " + code(s.Pattern)
		}
		return "text"
	case "array":
		text := "list of " + words(s.Items)
		if s.MaxItems > 0 {
			text += fmt.Sprintf(", at most %d", s.MaxItems)
		}
		return text
	case "object":
		if s.Others != nil {
			return "object, each member: " + words(s.Others)
		}
		if len(s.Properties) > 0 {
			var parts []string
			for _, m := range members(s) {
				parts = append(parts, code(m.Name)+": "+words(m.Schema))
			}
			return "object with " + strings.Join(parts, ", ")
		}
	}
	return escape(s.Type.Name)
}
