// Package openapi is an OpenAPI 3.1 document as Go values: as much of it as this
// project's API needs, with everything in the order in which it was written, so that
// people can read the document and see what a change has changed.
//
// Schemas come from two places. A Schema is written by hand for what has no Go type:
// the parameters of a request and its body. Schemas makes them out of the Go types that
// answers are encoded from, so that the two cannot disagree.
//
// Nothing here is for the running node, which serves the finished document. It is
// made, compared and rendered (package page) by the tests of package api.
package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Version is the version of OpenAPI that a Document follows.
const Version = "3.1.0"

// Document is a whole description.
type Document struct {
	OpenAPI    string     `json:"openapi"`
	Info       Info       `json:"info"`
	Servers    []Server   `json:"servers"`
	Tags       []Tag      `json:"tags"`
	Paths      Paths      `json:"paths"`
	Components Components `json:"components"`
}

// Info is what the document says of the API as a whole.
type Info struct {
	Title       string `json:"title"`
	Summary     string `json:"summary,omitempty"`
	Description string `json:"description,omitempty"`
	Version     string `json:"version"`
}

// Server is where the API is; a relative URL is that of the document.
type Server struct {
	URL         string `json:"url"`
	Description string `json:"description,omitempty"`
}

// Tag is a group of operations.
type Tag struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

// Components are what operations refer to.
type Components struct {
	Schemas         Ordered[*Schema]   `json:"schemas,omitempty"`
	Responses       Ordered[*Response] `json:"responses,omitempty"`
	Headers         Ordered[*Header]   `json:"headers,omitempty"`
	SecuritySchemes Ordered[*Security] `json:"securitySchemes,omitempty"`
}

// Paths are the operations of each path by their method, in lower case.
type Paths = Ordered[Ordered[*Operation]]

// Operation is one method of one path.
type Operation struct {
	ID          string              `json:"operationId"`
	Tags        []string            `json:"tags"`
	Summary     string              `json:"summary"`
	Description string              `json:"description,omitempty"`
	Security    []Ordered[[]string] `json:"security"`
	Parameters  []Parameter         `json:"parameters,omitempty"`
	Body        *Body               `json:"requestBody,omitempty"`
	Responses   Ordered[*Response]  `json:"responses"`
	// Callers says who may call, and Curl is an example: extensions for people.
	Callers string `json:"x-callers,omitempty"`
	Curl    string `json:"x-curl,omitempty"`
}

// Parameter is a parameter in a path, a query or a header.
type Parameter struct {
	Name        string  `json:"name"`
	In          string  `json:"in"`
	Description string  `json:"description"`
	Required    bool    `json:"required,omitempty"`
	Style       string  `json:"style,omitempty"`
	Explode     *bool   `json:"explode,omitempty"`
	Schema      *Schema `json:"schema,omitempty"`
	// Content is in place of Schema where the text of the parameter is JSON.
	Content Ordered[Media] `json:"content,omitempty"`
}

// Body is the body of a request.
type Body struct {
	Description string         `json:"description,omitempty"`
	Required    bool           `json:"required,omitempty"`
	Content     Ordered[Media] `json:"content"`
}

// Media is a body of one media type.
type Media struct {
	Schema  *Schema         `json:"schema,omitempty"`
	Example json.RawMessage `json:"example,omitempty"`
}

// Response is an answer, or where one is described.
type Response struct {
	Ref         string           `json:"$ref,omitempty"`
	Description string           `json:"description,omitempty"`
	Headers     Ordered[*Header] `json:"headers,omitempty"`
	Content     Ordered[Media]   `json:"content,omitempty"`
	Links       Ordered[Link]    `json:"links,omitempty"`
}

// Link says which call goes on from an answer, and what of the answer it takes.
type Link struct {
	OperationID string          `json:"operationId"`
	Parameters  Ordered[string] `json:"parameters"`
}

// Header is a header of an answer.
type Header struct {
	Ref         string  `json:"$ref,omitempty"`
	Description string  `json:"description,omitempty"`
	Schema      *Schema `json:"schema,omitempty"`
}

// Security is a way to say who calls.
type Security struct {
	Type         string `json:"type"`
	Description  string `json:"description,omitempty"`
	Name         string `json:"name,omitempty"`
	In           string `json:"in,omitempty"`
	Scheme       string `json:"scheme,omitempty"`
	BearerFormat string `json:"bearerFormat,omitempty"`
}

// Ordered is a JSON object whose members keep their order.
type Ordered[T any] []Member[T]

// Member is a member of an object.
type Member[T any] struct {
	Name  string
	Value T
}

// Set adds a member; it panics for a name that is there already, which is a mistake of
// whoever writes a description.
func (o *Ordered[T]) Set(name string, value T) {
	if _, ok := o.Get(name); ok {
		panic(fmt.Sprintf("openapi: %q is described twice", name))
	}
	*o = append(*o, Member[T]{name, value})
}

// Get returns a member.
func (o Ordered[T]) Get(name string) (value T, ok bool) {
	for _, m := range o {
		if m.Name == name {
			return m.Value, true
		}
	}
	return value, false
}

// MarshalJSON writes the members in their order.
func (o Ordered[T]) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := encode(m.Name)
		if err != nil {
			return nil, err
		}
		value, err := encode(m.Value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// JSON is the document as it is published: indented, and with a line break at its end.
func (d *Document) JSON() ([]byte, error) {
	text, err := encode(d)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", " "); err != nil {
		return nil, fmt.Errorf("openapi: indent: %w", err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// encode is json.Marshal without the escaping of <, > and &.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("openapi: encode: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
