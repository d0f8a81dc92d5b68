package openapi

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Schemas makes schemas out of Go types as encoding/json writes their values. Structs
// become components of their name; what they have no member for is not allowed. A
// member is required unless its tag says omitempty or omitzero.
//
// The tag doc of a field is its description, the tag enum the texts that there are, with
// commas between them, and the tag ref the component that it has instead of its type's.
type Schemas struct {
	components Ordered[*Schema]
	types      map[string]reflect.Type
	special    map[reflect.Type]Schema
}

// NewSchemas makes an empty collection. special are types whose schema is not that of
// their Go type, such as texts of which there are only a few.
func NewSchemas(special map[reflect.Type]Schema) *Schemas {
	return &Schemas{types: make(map[string]reflect.Type), special: special}
}

// Components are the schemas that others refer to, in the order of their first use.
func (s *Schemas) Components() Ordered[*Schema] { return s.components }

// Ref is a reference to a component.
func Ref(name string) Schema { return Schema{Ref: "#/components/schemas/" + name} }

// Add adds a component that was written by hand, and returns a reference to it.
func (s *Schemas) Add(name string, schema Schema) Schema {
	s.components.Set(name, &schema)
	return Ref(name)
}

// Optional says of members of a component, which is there already, that they may be
// absent although their type always writes them: something takes them away later.
func (s *Schemas) Optional(component string, members ...string) {
	c := s.get(component)
	c.Required = slices.DeleteFunc(c.Required, func(name string) bool { return slices.Contains(members, name) })
}

// Of is the schema of the type of a value. It panics for a type that no answer may have,
// such as a func, and for two types of one name: both are mistakes of whoever wrote
// them, which the document's test shows.
func (s *Schemas) Of(value any) Schema { return s.of(reflect.TypeOf(value)) }

// OfWith is Of for a struct whose encoding gets more members at its end, under a name of
// its own.
func (s *Schemas) OfWith(value any, name string, more ...Member[*Schema]) Schema {
	object := s.object(reflect.TypeOf(value))
	for _, m := range more {
		object.Properties.Set(m.Name, m.Value)
		object.Required = append(object.Required, m.Name)
	}
	return s.Add(name, object)
}

var (
	timeType = reflect.TypeFor[time.Time]()
	rawType  = reflect.TypeFor[json.RawMessage]()
)

func (s *Schemas) of(t reflect.Type) Schema {
	if special, ok := s.special[t]; ok {
		return special
	}
	switch t {
	case timeType:
		return Schema{Type: String, Format: "date-time"}
	case rawType:
		return Schema{}
	}
	switch t.Kind() {
	case reflect.Bool:
		return Truth()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return Schema{Type: Integer}
	case reflect.Float32, reflect.Float64:
		return Schema{Type: Number}
	case reflect.String:
		return Text(0)
	case reflect.Interface:
		return Schema{}
	case reflect.Slice, reflect.Array:
		return ListOf(s.of(t.Elem()), 0)
	case reflect.Map:
		value := s.of(t.Elem())
		return Schema{Type: Object, Others: &value}
	case reflect.Pointer:
		return orNull(s.of(t.Elem()))
	case reflect.Struct:
		return s.component(t)
	}
	panic(fmt.Sprintf("openapi: %v cannot be part of an answer", t))
}

// orNull allows null as well.
func orNull(s Schema) Schema {
	if s.Type.Name != "" && s.Enum == nil && s.Const == nil {
		s.Type.Null = true
		return s
	}
	return Either(s, Schema{Type: Null})
}

// component is a reference to a struct's schema, which is made if it is not there yet.
func (s *Schemas) component(t reflect.Type) Schema {
	if t.Name() == "" {
		return s.object(t)
	}
	name := exported(t.Name())
	if other, ok := s.types[name]; ok && other != t {
		panic(fmt.Sprintf("openapi: %v and %v have one name", other, t))
	} else if ok {
		return Ref(name)
	}
	s.types[name] = t
	s.components.Set(name, &Schema{}) // before its members, which may refer to it
	*s.get(name) = s.object(t)
	return Ref(name)
}

func (s *Schemas) get(name string) *Schema {
	schema, _ := s.components.Get(name)
	return schema
}

// exported is a name of ours as components are called.
func exported(name string) string {
	runes := []rune(name)
	runes[0] = unicode.ToUpper(runes[0])
	return string(runes)
}

// object is the schema of a struct's members.
func (s *Schemas) object(t reflect.Type) Schema {
	o := Schema{Type: Object, Closed: true}
	s.members(t, &o)
	return o
}

// members adds the members that encoding/json would write, those of embedded structs
// among them.
func (s *Schemas) members(t reflect.Type, o *Schema) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" && options == "":
			continue
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct:
			s.members(f.Type, o)
			continue
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Pointer: // it may be nil, and its members absent
			required := len(o.Required)
			s.members(f.Type.Elem(), o)
			o.Required = o.Required[:required]
			continue
		case !f.IsExported():
			continue
		case name == "":
			name = f.Name
		}
		member := s.of(f.Type)
		if words := f.Tag.Get("enum"); words != "" {
			member = Words(strings.Split(words, ",")...)
		}
		if name := f.Tag.Get("ref"); name != "" {
			member = Ref(name)
		}
		if doc := f.Tag.Get("doc"); doc != "" {
			member.Description = doc
		}
		o.Properties.Set(name, &member)
		if !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero") {
			o.Required = append(o.Required, name)
		}
	}
}
