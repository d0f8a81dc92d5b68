package oip

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"oipnode/shared/oip/canon"
)

// Bounds of a template. The largest published one has 18 KB and 187 enum values.
const (
	// MaxTemplateBytes is the largest definition in bytes.
	MaxTemplateBytes = 1 << 20
	// MaxFields is the most fields of a template.
	MaxFields = 4096
	// MaxEnumValues is how many values of an enum are read; the largest published
	// one has 187.
	MaxEnumValues = 16384
	// MaxFieldName is the longest field name in bytes.
	MaxFieldName = 512
)

// fieldTypes are the types of section 4; each may be preceded by "repeated ".
var fieldTypes = map[string]bool{
	"string": true, "long": true, "uint64": true, "uint32": true, "int32": true,
	"float": true, "double": true, "bool": true, "enum": true, "dref": true,
}

// Template is a verified schema: which field each index of a record stands for.
type Template struct {
	// ID is the transaction id, by which records name the template.
	ID string
	// Name is the TemplateName tag; fields appear under it in documents.
	Name string
	// Fields are in the definition's key order.
	Fields []Field
	// Warnings are faults that do not make the template invalid.
	Warnings []string
	// definition is J(JSON.parse(data)), the text that was signed.
	definition []byte
	byIndex    map[int64]int
}

// Field is one field of a template.
type Field struct {
	Name     string
	Type     string // without "repeated"
	Repeated bool
	Index    int64
	// Enum holds what each number of an enum stands for; nil for an enum whose
	// values are not under exactly <name>Values, whose numbers stay numbers.
	Enum []EnumValue
}

// EnumValue is one value of an enum: an object of code and name, or plain text.
type EnumValue struct {
	Code string
	Name string
	// Plain marks a value that was published as text alone.
	Plain bool
}

// MarshalJSON writes the value as it was published.
func (e EnumValue) MarshalJSON() ([]byte, error) {
	if e.Plain {
		return marshal(e.Name)
	}
	return marshal(struct {
		Code string `json:"code"`
		Name string `json:"name"`
	}{e.Code, e.Name})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (e *EnumValue) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		*e = EnumValue{Plain: true}
		return json.Unmarshal(text, &e.Name)
	}
	var v struct{ Code, Name string }
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	*e = EnumValue{Code: v.Code, Name: v.Name}
	return nil
}

// Size is roughly how many bytes the template takes in a cache.
func (t *Template) Size() int {
	n := 256 + len(t.Name) + len(t.definition)
	for _, f := range t.Fields {
		n += 160 + len(f.Name) + len(f.Type)
		for _, e := range f.Enum {
			n += 40 + len(e.Code) + len(e.Name)
		}
	}
	return n
}

// field finds the field that a record's key stands for. Keys are the decimal
// text of an index, as JavaScript writes it.
func (t *Template) field(key string) *Field {
	if len(key) > 16 || len(key) > 1 && key[0] == '0' {
		return nil
	}
	n, err := strconv.ParseUint(key, 10, 53)
	if err != nil {
		return nil
	}
	i, ok := t.byIndex[int64(n)]
	if !ok {
		return nil
	}
	return &t.Fields[i]
}

// ParseStoredTemplate reads a template back out of its stored document, where
// its definition is kept as text. The document was verified when it was written.
func ParseStoredTemplate(doc []byte) (*Template, error) {
	var d struct {
		Data struct {
			TxID     string `json:"TxId"`
			Template string `json:"template"`
			Fields   string `json:"fields"`
		} `json:"data"`
	}
	if err := json.Unmarshal(doc, &d); err != nil {
		return nil, fmt.Errorf("oip: stored template: %w", err)
	}
	v, err := canon.Parse([]byte(d.Data.Fields))
	if err != nil {
		return nil, fmt.Errorf("oip: stored template: %w", err)
	}
	return parseTemplate(d.Data.TxID, d.Data.Template, v)
}

// parseTemplate applies the rules of section 4, which are those of the
// network's indexer: walk the keys in order; index_* keys are skipped; a key
// that ends in Values and follows an enum field belongs to that field; every
// other key is a field and needs an index.
func parseTemplate(id, name string, def canon.Value) (*Template, error) {
	if len(def.Raw()) > MaxTemplateBytes {
		return nil, fault(ReasonTooLarge, "a template of %d bytes, at most %d are allowed", len(def.Raw()), MaxTemplateBytes)
	}
	if def.Kind() != canon.Object {
		return nil, fault(ReasonTemplate, "the definition is not a JSON object")
	}
	keys := make(map[string]canon.Value)
	for k, v := range def.Members() {
		keys[k] = v
	}
	t := &Template{ID: id, Name: name, definition: canon.Append(nil, def), byIndex: make(map[int64]int)}
	afterEnum := ""
	for key, v := range def.Members() {
		if strings.HasPrefix(key, "index_") {
			continue
		}
		if afterEnum != "" && strings.HasSuffix(key, "Values") {
			if key != afterEnum+"Values" {
				t.warn("the values of enum %s are under %s: its numbers stay numbers", afterEnum, key)
			}
			afterEnum = ""
			continue
		}
		f, err := parseField(key, v, keys)
		if err != nil {
			return nil, err
		}
		afterEnum = ""
		if v.Kind() == canon.String && f.Type == "enum" && !f.Repeated {
			afterEnum = key
		}
		if err := t.add(f); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// parseField reads one field: its type, its index, and for an enum its values.
func parseField(name string, v canon.Value, keys map[string]canon.Value) (Field, error) {
	if len(name) > MaxFieldName {
		return Field{}, fault(ReasonTemplate, "a field name of %d bytes, at most %d are allowed", len(name), MaxFieldName)
	}
	iv, ok := keys["index_"+name]
	if !ok {
		return Field{}, fault(ReasonTemplate, "field %.40q has no index", name)
	}
	f := Field{Name: name}
	if f.Index, ok = fieldIndex(iv); !ok {
		return Field{}, fault(ReasonTemplate, "the index of field %.40q is not a whole number from 0 on", name)
	}
	if v.Kind() == canon.String {
		f.Type = v.Text()
	}
	f.Type, f.Repeated = strings.CutPrefix(f.Type, "repeated ")
	if f.Type == "enum" {
		if list, ok := keys[name+"Values"]; ok {
			f.Enum = parseEnum(list)
		}
	}
	return f, nil
}

// fieldIndex reads a non-negative integer or its decimal text.
func fieldIndex(v canon.Value) (int64, bool) {
	switch v.Kind() {
	case canon.Number:
		n, ok := v.Float()
		if !ok || n < 0 || n != math.Trunc(n) || n >= 1<<53 {
			return 0, false
		}
		return int64(n), true
	case canon.String:
		n, err := strconv.ParseUint(v.Text(), 10, 53)
		return int64(n), err == nil
	}
	return 0, false
}

// parseEnum reads a list of {code,name} objects or of plain strings. Anything
// else in the list keeps its place without a name, so that numbers still count right.
func parseEnum(list canon.Value) []EnumValue {
	if list.Kind() != canon.Array {
		return nil
	}
	values := []EnumValue{}
	for v := range list.Elements() {
		if len(values) == MaxEnumValues {
			break
		}
		var e EnumValue
		switch v.Kind() {
		case canon.String:
			e = EnumValue{Name: v.Text(), Plain: true}
		case canon.Object:
			for k, m := range v.Members() {
				if m.Kind() != canon.String {
					continue
				}
				switch k {
				case "code":
					e.Code = m.Text()
				case "name":
					e.Name = m.Text()
				}
			}
		}
		values = append(values, e)
	}
	return values
}

// add appends a field, and lets the later one of two with the same index win.
func (t *Template) add(f Field) error {
	if len(t.Fields) == MaxFields {
		return fault(ReasonTemplate, "more than %d fields", MaxFields)
	}
	if !fieldTypes[f.Type] {
		t.warn("field %s has the unknown type %.40q: its values pass unchanged", f.Name, f.Type)
	}
	if i, taken := t.byIndex[f.Index]; taken {
		t.warn("fields %s and %s have the same index %d: the later one counts", t.Fields[i].Name, f.Name, f.Index)
	}
	t.byIndex[f.Index] = len(t.Fields)
	t.Fields = append(t.Fields, f)
	return nil
}

// warn keeps a bounded number of warnings.
func (t *Template) warn(format string, args ...any) {
	const most = 32
	if len(t.Warnings) < most {
		t.Warnings = append(t.Warnings, fmt.Sprintf(format, args...))
	}
}

// typeText is the type as it was published.
func (f Field) typeText() string {
	if f.Repeated {
		return "repeated " + f.Type
	}
	return f.Type
}

// data is the template document's data (spec section 4).
func (t *Template) data() (json.RawMessage, error) {
	type fieldDoc struct {
		Type  string      `json:"type"`
		Index int64       `json:"index"`
		Enum  []EnumValue `json:"enumValues,omitempty"`
	}
	fields := make(map[string]fieldDoc, len(t.Fields))
	for _, f := range t.Fields {
		fields[f.Name] = fieldDoc{f.typeText(), f.Index, f.Enum}
	}
	return marshal(struct {
		TxID     string              `json:"TxId"`
		Template string              `json:"template"`
		Fields   string              `json:"fields"`
		ByName   map[string]fieldDoc `json:"fieldsInTemplate"`
		Count    int                 `json:"fieldsInTemplateCount"`
	}{t.ID, t.Name, string(t.definition), fields, len(fields)})
}
