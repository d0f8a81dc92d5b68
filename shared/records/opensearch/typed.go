package opensearch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"oipnode/shared/oip"
	"oipnode/shared/oip/canon"
)

// Every template whose document is written gets a typed mapping under t.<template>:
// text with a keyword beside it for strings, keyword for enums, references and
// booleans, long and double for numbers. What a record holds under its templates is
// written there too, one value or a list of values for each field; a value that does
// not fit the type stays out of the index (the engine notes the field in _ignored) and
// is whole in the document.
//
// The fields of a mapping are limited. A template that would exceed Options.MaxFields,
// or whose name no field can have, is indexed by its envelope only; Health and one line
// of the log say so.

// Bounds of what is indexed of one document's templates, in bytes. What is beyond them
// is not found by its fields, and whole in the document.
const (
	maxTypedBytes = 64 << 10
	maxTypedText  = 8 << 10
	maxTypedName  = 64
	maxTypedList  = 256
)

// typed is what is known of the typed mappings of the index that is written.
type typed struct {
	mu     sync.Mutex
	index  string
	meta   meta
	fields map[string]map[string]string // template -> field -> engine's type
}

// typedTemplate is a template in the engine's description of a mapping.
type typedTemplate struct {
	Properties map[string]struct {
		Type string `json:"type"`
	} `json:"properties"`
}

// load takes over what the engine has.
func (t *typed) load(index string, has found) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.index, t.meta = index, has.Mappings.Meta
	t.fields = make(map[string]map[string]string)
	for name, template := range has.Mappings.Properties.T.Properties {
		t.fields[name] = make(map[string]string, len(template.Properties))
		for field, m := range template.Properties {
			t.fields[name][field] = m.Type
		}
	}
}

// take replaces what is known by what is known of another index, which nobody else has.
func (t *typed) take(of *typed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.index, t.meta, t.fields = of.index, of.meta, of.fields
}

// of reports whether this is what is known of an index.
func (t *typed) of(index string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.index == index
}

// current is the index that is known, "" when none is.
func (t *typed) current() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.index
}

// describe is the index that is known, and what it says of itself.
func (t *typed) describe() (index string, says meta) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.index, t.meta
}

// plainName reports whether a template or field can be a field of the index: the engine
// takes dots for levels, and other signs have a meaning in its paths.
func plainName(name string) bool {
	if name == "" || len(name) > maxTypedName {
		return false
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// engineType is the type of a template's field in the index, and how many fields it
// counts for.
func engineType(fieldType string) (mapping map[string]any, kind string, fields int) {
	switch strings.TrimPrefix(fieldType, "repeated ") {
	case "long", "uint64", "uint32", "int32":
		return map[string]any{"type": "long"}, "long", 1
	case "float", "double":
		return map[string]any{"type": "double"}, "double", 1
	case "enum", "dref", "bool":
		return map[string]any{"type": "keyword", "ignore_above": 1024}, "keyword", 1
	}
	return map[string]any{"type": "text", "fields": map[string]any{"keyword": map[string]any{"type": "keyword", "ignore_above": 1024}}}, "text", 2
}

// addTemplate gives a template its mapping in the index of which t is known. It fails
// only when the engine cannot be had; a template that cannot have a mapping is noted.
func (s *Store) addTemplate(ctx context.Context, t *typed, doc []byte) error {
	var d struct {
		Data struct {
			Template string `json:"template"`
			ByName   map[string]struct {
				Type string `json:"type"`
			} `json:"fieldsInTemplate"`
		} `json:"data"`
	}
	if err := json.Unmarshal(doc, &d); err != nil || d.Data.Template == "" {
		return nil //nolint:nilerror // not the shape of a template: it has no fields to map
	}
	name := d.Data.Template
	if !plainName(name) {
		return s.leave(ctx, t, name, "its name cannot be a field's")
	}
	properties, cost := make(map[string]any), 0
	t.mu.Lock()
	index, known, total := t.index, t.fields[name], t.count()
	types := make(map[string]string)
	for field, f := range d.Data.ByName {
		mapping, kind, n := engineType(f.Type)
		if have, ok := known[field]; !plainName(field) || ok {
			if ok && have != kind {
				s.opt.Log.Warn("a field has another type in another template of that name; it keeps the first", "template", name, "field", field, "type", have)
			}
			continue
		}
		properties[field], types[field] = mapping, kind
		cost += n
	}
	if known == nil {
		cost++ // the object itself
	}
	t.mu.Unlock()
	if len(properties) == 0 {
		return nil
	}
	if total+cost > s.opt.MaxFields {
		return s.leave(ctx, t, name, fmt.Sprintf("its %d fields would exceed the limit of %d", cost, s.opt.MaxFields))
	}
	body, err := json.Marshal(map[string]any{"properties": map[string]any{"t": map[string]any{"properties": map[string]any{
		name: map[string]any{"dynamic": false, "properties": properties}}}}})
	if err != nil {
		return err
	}
	err = s.json(ctx, request{method: http.MethodPut, path: "/" + door(index) + "/_mapping", body: body}, nil)
	var f *failure
	if errors.As(err, &f) && f.status == http.StatusBadRequest {
		return s.leave(ctx, t, name, f.Error()) // another process has mapped it otherwise, or has used the limit up
	}
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fields[name] == nil {
		t.fields[name] = make(map[string]string)
	}
	for field, kind := range types {
		t.fields[name][field] = kind
	}
	return nil
}

// count is how many fields the typed mappings have; mu is held.
func (t *typed) count() int {
	n := 0
	for _, fields := range t.fields {
		n++
		for _, kind := range fields {
			if n++; kind == "text" {
				n++
			}
		}
	}
	return n
}

// Bounds of what is kept of strangers' and of the engine's words: templates without a
// mapping, and the bytes of a reason.
const (
	maxLeft   = 1000
	maxReason = 300
)

// leave notes a template without a mapping in the index itself, so that every process
// shows it, and says so once.
func (s *Store) leave(ctx context.Context, t *typed, name, why string) error {
	name, why = clip(name, maxTypedName), clip(why, maxReason)
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.meta.Left[name]; ok || len(t.meta.Left) >= maxLeft {
		return nil
	}
	next := t.meta
	next.Left = map[string]string{name: why}
	maps.Copy(next.Left, t.meta.Left)
	body, err := json.Marshal(object{"_meta": next})
	if err != nil {
		return err
	}
	if err := s.json(ctx, request{method: http.MethodPut, path: "/" + door(t.index) + "/_mapping", body: body}, nil); err != nil {
		return err
	}
	t.meta = next
	s.opt.Log.Warn("a template is indexed by its envelope only", "template", name, "why", why)
	return nil
}

// clip shortens a text that others have chosen.
func clip(text string, most int) string {
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return strings.ToValidUTF8(text, "")
}

// appendTyped appends the object t of a record: what it holds under each template. It
// is a function of the document alone, so that a mapping that comes later, or a new
// index, finds the same.
func appendTyped(b []byte, kind oip.Kind, data json.RawMessage) []byte {
	b = append(b, '{')
	if kind != oip.KindRecord && kind != oip.KindOrganization {
		return append(b, '}')
	}
	templates, err := canon.Parse(data)
	if err != nil {
		return append(b, '}')
	}
	limit := len(b) + maxTypedBytes
	first := true
	for _, template := range members(templates) {
		if template.value.Kind() != canon.Object {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(canon.AppendString(b, template.name), ":{"...)
		b = appendValues(b, members(template.value), limit)
		b = append(b, '}')
	}
	return append(b, '}')
}

// member is a member of an object whose name can be a field's.
type member struct {
	name  string
	value canon.Value
}

// members are those of an object, by name. Of two with one name the later one counts.
func members(object canon.Value) []member {
	var list []member
	for name, value := range object.Members() {
		if plainName(name) {
			list = append(list, member{name, value})
		}
	}
	slices.SortStableFunc(list, func(a, b member) int { return strings.Compare(a.name, b.name) })
	last := list[:0]
	for i, m := range list {
		if i+1 == len(list) || list[i+1].name != m.name {
			last = append(last, m)
		}
	}
	return last
}

// appendValues appends the fields of one template, as far as they fit.
func appendValues(b []byte, fields []member, limit int) []byte {
	first := true
	for _, field := range fields {
		begin := len(b)
		if !first {
			b = append(b, ',')
		}
		b = append(canon.AppendString(b, field.name), ':')
		named := len(b)
		if b = appendIndexable(b, field.value); len(b) == named || begin+len(field.name)+len(b)-named > limit {
			b = b[:begin] // nothing to be indexed, or no room for it
			continue
		}
		first = false
	}
	return b
}

// appendIndexable appends a value in the form in which it is indexed: a text, number or
// boolean, or a list of them. It appends nothing for anything else.
func appendIndexable(b []byte, v canon.Value) []byte {
	if v.Kind() != canon.Array {
		return appendOne(b, v)
	}
	begin := len(b)
	b = append(b, '[')
	count := 0
	for element := range v.Elements() {
		if count++; count > maxTypedList {
			break
		}
		named := len(b)
		if named > begin+1 {
			b = append(b, ',')
		}
		before := len(b)
		if b = appendOne(b, element); len(b) == before { // lists of lists are not searched
			b = b[:named]
		}
	}
	if len(b) == begin+1 {
		return b[:begin]
	}
	return append(b, ']')
}

// appendOne appends one text, number or boolean, and nothing for anything else.
func appendOne(b []byte, v canon.Value) []byte {
	switch v.Kind() {
	case canon.String:
		text := strings.ToValidUTF8(v.Text(), "\uFFFD") // a lone surrogate is no text for the engine
		if len(text) > maxTypedText {
			text = strings.ToValidUTF8(text[:maxTypedText], "")
		}
		return canon.AppendString(b, text)
	case canon.Bool:
		return canon.AppendString(b, string(v.Raw())) // booleans are keywords
	case canon.Number:
		if len(v.Raw()) <= 40 { // a longer one no double or long could tell from others
			return append(b, v.Raw()...)
		}
	}
	return b
}
