package openapi

// Schema is a schema of JSON Schema 2020-12, as much of it as is needed here. The zero
// Schema allows everything.
type Schema struct {
	Ref         string `json:"$ref,omitempty"`
	Description string `json:"description,omitempty"`
	// Type is one type; Null adds null to it.
	Type Type `json:"type,omitzero"`
	// Enum are all values there are, and Const is the only one.
	Enum    []any  `json:"enum,omitempty"`
	Const   any    `json:"const,omitempty"`
	Format  string `json:"format,omitempty"`
	Pattern string `json:"pattern,omitempty"`
	// MinLength and MaxLength count characters.
	MinLength int    `json:"minLength,omitempty"`
	MaxLength int    `json:"maxLength,omitempty"`
	Minimum   *int64 `json:"minimum,omitempty"`
	Maximum   *int64 `json:"maximum,omitempty"`

	Items    *Schema `json:"items,omitempty"`
	MinItems int     `json:"minItems,omitempty"`
	MaxItems int     `json:"maxItems,omitempty"`

	Properties Ordered[*Schema] `json:"properties,omitempty"`
	Required   []string         `json:"required,omitempty"`
	// MinProperties and MaxProperties bound how many members there are.
	MinProperties int `json:"minProperties,omitempty"`
	MaxProperties int `json:"maxProperties,omitempty"`
	// Names is what the names of members are.
	Names *Schema `json:"propertyNames,omitempty"`
	// Others is what the members besides Properties are. Closed says that there are none.
	Others *Schema `json:"-"`
	Closed bool    `json:"-"`

	AnyOf   []*Schema `json:"anyOf,omitempty"`
	Not     *Schema   `json:"not,omitempty"`
	Default any       `json:"default,omitempty"`
	// Examples are values that a reader can try.
	Examples []any `json:"examples,omitempty"`
}

// Type is the type of a schema.
type Type struct {
	Name string
	// Null says that null is allowed as well.
	Null bool
}

// The types of JSON.
var (
	String  = Type{Name: "string"}
	Integer = Type{Name: "integer"}
	Number  = Type{Name: "number"}
	Boolean = Type{Name: "boolean"}
	Array   = Type{Name: "array"}
	Object  = Type{Name: "object"}
	Null    = Type{Name: "null"}
)

// MarshalJSON writes a name, or two.
func (t Type) MarshalJSON() ([]byte, error) {
	if t.Null {
		return encode([]string{t.Name, "null"})
	}
	return encode(t.Name)
}

// MarshalJSON writes the schema with its additionalProperties.
func (s Schema) MarshalJSON() ([]byte, error) {
	type plain Schema
	var other any
	switch {
	case s.Closed:
		other = false
	case s.Others != nil:
		other = s.Others
	default:
		return encode(plain(s))
	}
	return encode(struct {
		plain
		AdditionalProperties any `json:"additionalProperties"`
	}{plain(s), other})
}

// Text is a text of at most so many characters; 0 is no bound.
func Text(most int) Schema { return Schema{Type: String, MaxLength: most} }

// Matching is a text that a regular expression matches.
func Matching(pattern string) Schema { return Schema{Type: String, Pattern: pattern} }

// Whole is a whole number of a range.
func Whole(least, most int64) Schema { return Schema{Type: Integer, Minimum: &least, Maximum: &most} }

// Truth is true or false.
func Truth() Schema { return Schema{Type: Boolean} }

// Words is one of a few texts.
func Words[T ~string](words ...T) Schema {
	s := Schema{Type: String}
	for _, w := range words {
		s.Enum = append(s.Enum, string(w))
	}
	return s
}

// Only is one certain text.
func Only(text string) Schema { return Schema{Type: String, Const: text} }

// ListOf is a list of so many elements at most; 0 is no bound.
func ListOf(element Schema, most int) Schema {
	return Schema{Type: Array, Items: &element, MaxItems: most}
}

// Either is what one of several schemas allows.
func Either(schemas ...Schema) Schema {
	var s Schema
	for i := range schemas {
		s.AnyOf = append(s.AnyOf, &schemas[i])
	}
	return s
}

// Closed is an object with these members and no others; required are those that are
// always there.
func Closed(required []string, members ...Member[*Schema]) Schema {
	return Schema{Type: Object, Properties: members, Required: required, Closed: true}
}

// Open is an object that may have other members besides these.
func Open(required []string, members ...Member[*Schema]) Schema {
	return Schema{Type: Object, Properties: members, Required: required}
}

// With is a member for Closed and Open.
func With(name string, s Schema) Member[*Schema] { return Member[*Schema]{name, &s} }

// About is the schema with a description.
func (s Schema) About(text string) Schema {
	s.Description = text
	return s
}

// Such is the schema with an example.
func (s Schema) Such(example any) Schema {
	s.Examples = append(s.Examples[:len(s.Examples):len(s.Examples)], example)
	return s
}
