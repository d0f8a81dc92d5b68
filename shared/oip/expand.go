package oip

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"oipnode/shared/oip/canon"
)

// checkObjects asks for the shape of a record: an array of one object per
// template, each with the template's id under t.
func checkObjects(data canon.Value, recordType string) error {
	if data.Kind() != canon.Array {
		return fault(ReasonStructure, "the data of a record is not an array of objects")
	}
	n := 0
	for object := range data.Elements() {
		if n++; n > MaxObjects {
			return fault(ReasonStructure, "more than %d objects", MaxObjects)
		}
		if object.Kind() != canon.Object {
			return fault(ReasonStructure, "element %d of a record is not an object", n-1)
		}
		t := templateOf(object)
		if !ValidID(t) && (t != TypeRegistration || recordType != TypeRegistration || n > 1) {
			return fault(ReasonStructure, "t of object %d is not a template's id", n-1)
		}
	}
	if n == 0 {
		return fault(ReasonStructure, "the record has no objects")
	}
	return nil
}

// templateOf is the template id that an object names.
func templateOf(object canon.Value) (id string) {
	for key, v := range object.Members() {
		if key == "t" && v.Kind() == canon.String {
			id = v.Text()
		}
	}
	return id
}

// TemplateIDs lists the templates that the transaction needs, each once, in order.
func (v Verified) TemplateIDs() []string {
	if v.template != nil || v.deletion != nil || v.value.Kind() != canon.Array {
		return nil
	}
	var ids []string
	seen := make(map[string]bool)
	for object := range v.value.Elements() {
		if id := templateOf(object); ValidID(id) && !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids
}

// Setting is what Expand must know besides the transaction.
type Setting struct {
	// Creator is the current registration of the signer.
	Creator CreatorRef
	// OwnHandle is the unique handle of a registration or an organization.
	OwnHandle string
	// Templates returns a template by its id, or nil if it is not known (yet).
	Templates func(id string) *Template
	// IndexedAt is the time of indexing.
	IndexedAt time.Time
	// Hidden marks a template or registration that a delete message hides.
	Hidden bool
	// Gun says where a GUN record came from; its Hash is not used.
	Gun GunOrigin
}

// ErrNothing is returned by Expand for a record of which no part could be
// expanded: it waits for its first template.
var ErrNothing = errors.New("oip: no template of the record is known")

// Expand makes the document of a verified transaction (spec sections 4 to 6), or of
// a GUN record, whose data is expanded already. It is deterministic. A record of which some templates are unknown becomes a
// partial document that names them; with none known it returns ErrNothing. A
// document that would be much larger than its transaction (enum names and field
// names are the template's) is refused with a Rejected, ReasonTooLarge.
func Expand(v Verified, s Setting) (Document, error) {
	if v.gun != nil {
		return v.expandGun(s)
	}
	if v.head.creator == "" {
		return Document{}, errors.New("oip: Expand of a zero Verified")
	}
	did := DID(v.tx.ID)
	env := Envelope{
		DID: did, DIDTx: did, RecordStatus: StatusOriginal, IndexedAt: FormatTime(s.IndexedAt),
		Ver: v.head.ver, Creator: s.Creator, Hidden: s.Hidden,
	}
	if v.tx.Height > 0 {
		h := v.tx.Height
		env.InArweaveBlock = &h
	} else {
		env.RecordStatus = StatusPending
	}
	var (
		kind Kind
		data json.RawMessage
		err  error
	)
	switch v.subject {
	case SubjectTemplate:
		kind, env.Warnings = KindTemplate, v.template.Warnings
		if data, err = v.template.data(); err == nil && len(data) > maxDocument(len(v.tx.Data)) {
			err = fault(ReasonTooLarge, "the document would be over %d bytes", maxDocument(len(v.tx.Data)))
		}
	case SubjectDeletion:
		kind = KindRecord
		env.RecordType, env.Storage, env.Signature, env.DeleteMessage = v.deletion.RecordType(), "arweave", v.head.sigText, true
		data, err = deletionData(v.deletion)
	default:
		env.RecordType, env.Signature = v.head.name, v.head.sigText
		e := expansion{limit: maxDocument(len(v.tx.Data)), templates: s.Templates}
		if err := e.record(v.value); err != nil {
			return Document{}, err
		}
		env.MissingTemplates, env.UnknownFields, env.Warnings = e.missing, e.unknown, e.warnings
		env.MayRestrict = e.restrict && v.subject == SubjectRecord // the other subjects are public by their nature
		switch v.subject {
		case SubjectRegistration:
			kind = KindCreator
			data, err = registrationData(v, s, &e)
		case SubjectOrganization:
			kind = KindOrganization
			data, err = organizationData(v, s, &e)
		default:
			if len(e.parts) == 0 && len(e.missing) > 0 {
				return Document{}, ErrNothing
			}
			kind, env.Storage = KindRecord, "arweave"
			env.Templates = e.ids()
			data = e.object()
		}
	}
	if err != nil {
		return Document{}, err
	}
	text, err := encodeDocument(data, env)
	if err != nil {
		return Document{}, err
	}
	return Document{kind: kind, did: did, json: text, missing: env.MissingTemplates, used: slices.Collect(maps.Values(env.Templates))}, nil
}

// maxDocument bounds the data of a document by that of its transaction: the names
// of fields and of enum values are the template's, and could make it any size.
func maxDocument(data int) int { return 4*data + 256<<10 }

// expansion collects the parts of one record.
type expansion struct {
	templates func(id string) *Template
	limit     int // bytes of output
	size      int
	parts     []part
	missing   []string
	restrict  bool // a part that is missing may restrict who may read the record
	unknown   int
	warnings  []string
}

// part is what a record holds under one template name. Two objects of one
// record may use templates of the same name; their fields are united, and the
// later one's values count.
type part struct {
	name   string
	id     string
	fields []fieldValue
	at     map[string]int // position in fields by name
}

type fieldValue struct {
	name string
	json []byte
}

// record expands every object of a record.
func (e *expansion) record(data canon.Value) error {
	for object := range data.Elements() {
		id := templateOf(object)
		var t *Template
		if e.templates != nil && ValidID(id) {
			t = e.templates(id)
		}
		if t == nil {
			e.miss(id)
			e.restrict = e.restrict || mayRestrict(id, object)
			continue
		}
		if err := e.expand(t, object); err != nil {
			return err
		}
	}
	return nil
}

// miss notes a template that is not known; a literal name cannot be looked up.
func (e *expansion) miss(id string) {
	if !ValidID(id) {
		return
	}
	for _, m := range e.missing {
		if m == id {
			return
		}
	}
	e.missing = append(e.missing, id)
}

// accessControlID is the published accessControl template (spec section 5).
const accessControlID = "aaZpleo8blkm72kL96UYjTyBPp4F4Wux-Yo3Lu6luvQ"

// mayRestrict reports whether an object whose template is not known could be one
// that makes the record private: the published accessControl, or anything of the
// shape of accessControl (an access level other than public, or a flag, at 0), of
// conversationSession (is_private at 19), or that holds what looks like a public
// key. Such a record must not be shown to everybody until the template is there; a
// wrong guess only delays it.
func mayRestrict(id string, object canon.Value) bool {
	if id == accessControlID {
		return true
	}
	if v, ok := object.Get("0"); ok && (truthy(v) || levelLike(v)) {
		return true
	}
	if v, ok := object.Get("19"); ok && truthy(v) {
		return true
	}
	for _, v := range object.Members() {
		if v.Kind() == canon.String && keyLike(v.Text()) {
			return true
		}
	}
	return false
}

// truthy reports whether a value can be a flag that is set.
func truthy(v canon.Value) bool {
	switch v.Kind() {
	case canon.Bool, canon.Number:
		return string(v.Raw()) == "true" || string(v.Raw()) == "1"
	case canon.String:
		text := strings.ToLower(v.Text())
		return text == "true" || text == "1"
	}
	return false
}

// levelLike reports whether a value can be an access level other than public: the
// number of an enum's value, or one of the codes or names.
func levelLike(v canon.Value) bool {
	const mostLevels = 100
	switch v.Kind() {
	case canon.Number:
		n, ok := v.Integer()
		return ok && n.Sign() > 0 && n.IsInt64() && n.Int64() < mostLevels
	case canon.String:
		text := strings.ToLower(v.Text())
		if n, err := strconv.Atoi(text); err == nil {
			return n > 0 && n < mostLevels
		}
		level, _, _ := strings.Cut(text, " ")
		return level == "private" || level == "shared" || level == "organization"
	}
	return false
}

// keyLike reports whether a text can be a public key of at least 2048 bits.
func keyLike(text string) bool {
	const shortest = 342 // 2048 bits in base64url
	if len(text) < shortest {
		return false
	}
	for i := range len(text) {
		if !base64url(text[i]) {
			return false
		}
	}
	return true
}

// expand expands one object with its template.
func (e *expansion) expand(t *Template, object canon.Value) error {
	p := e.part(t)
	for key, v := range object.Members() {
		if key == "t" {
			continue
		}
		f := t.field(key)
		if f == nil {
			e.unknown++
			continue
		}
		text, ok := appendField(nil, f, v, e.limit-e.size)
		if !ok {
			e.warn("%s.%s is not a list and was left out", t.Name, f.Name)
			continue
		}
		if e.size += len(text) + len(f.Name); e.size > e.limit {
			return fault(ReasonTooLarge, "the document would be over %d bytes", e.limit)
		}
		p.set(f.Name, text)
	}
	return nil
}

// part finds or begins the part of a template's name.
func (e *expansion) part(t *Template) *part {
	for i := range e.parts {
		if e.parts[i].name == t.Name {
			e.parts[i].id = t.ID
			return &e.parts[i]
		}
	}
	e.parts = append(e.parts, part{name: t.Name, id: t.ID, at: make(map[string]int)})
	return &e.parts[len(e.parts)-1]
}

// set stores a field's value, replacing an earlier one.
func (p *part) set(name string, text []byte) {
	if i, ok := p.at[name]; ok {
		p.fields[i].json = text
		return
	}
	p.at[name] = len(p.fields)
	p.fields = append(p.fields, fieldValue{name, text})
}

// get returns a field's JSON.
func (p *part) get(name string) []byte {
	if p == nil {
		return nil
	}
	if i, ok := p.at[name]; ok {
		return p.fields[i].json
	}
	return nil
}

// named returns the part of a template name, or nil.
func (e *expansion) named(name string) *part {
	for i := range e.parts {
		if e.parts[i].name == name {
			return &e.parts[i]
		}
	}
	return nil
}

func (e *expansion) warn(format string, args ...any) {
	const most = 16
	if len(e.warnings) < most {
		e.warnings = append(e.warnings, fmt.Sprintf(format, args...))
	}
}

// ids maps each template name to the id that was used.
func (e *expansion) ids() map[string]string {
	ids := make(map[string]string, len(e.parts))
	for _, p := range e.parts {
		ids[p.name] = p.id
	}
	return ids
}

// object writes {"<template>":{"<field>":…}}.
func (e *expansion) object() json.RawMessage {
	out := make([]byte, 0, e.size+64*len(e.parts)+2)
	out = append(out, '{')
	for i, p := range e.parts {
		if i > 0 {
			out = append(out, ',')
		}
		out = canon.AppendString(out, p.name)
		out = append(out, ':', '{')
		for j, f := range p.fields {
			if j > 0 {
				out = append(out, ',')
			}
			out = canon.AppendString(out, f.name)
			out = append(out, ':')
			out = append(out, f.json...)
		}
		out = append(out, '}')
	}
	return append(out, '}')
}

// appendField converts a value by its field's type. It reports false for a
// repeated field whose value is not a list. It stops early, with more than room
// bytes, when the result would be too large; the caller sees that by its length.
func appendField(dst []byte, f *Field, v canon.Value, room int) ([]byte, bool) {
	if !f.Repeated {
		return appendScalar(dst, f, v), true
	}
	if v.Kind() == canon.Null {
		return append(dst, "null"...), true
	}
	if v.Kind() != canon.Array {
		return dst, false
	}
	dst = append(dst, '[')
	first := true
	for el := range v.Elements() {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		if dst = appendScalar(dst, f, el); len(dst) > room {
			return dst, true
		}
	}
	return append(dst, ']'), true
}

// appendScalar converts one value. What does not fit its type passes unchanged,
// so that nothing of a record is lost.
func appendScalar(dst []byte, f *Field, v canon.Value) []byte {
	switch f.Type {
	case "long", "uint64", "uint32", "int32":
		if n, ok := wholeNumber(v); ok {
			return append(dst, n...)
		}
	case "float", "double":
		if n, ok := decimalNumber(v); ok {
			return append(dst, n...)
		}
	case "enum":
		if v.Kind() == canon.Number && f.Enum != nil {
			return appendEnum(dst, f.Enum, v)
		}
	}
	return appendExact(dst, v)
}

// wholeNumber returns the exact digits of an integer, given as a number or as
// the text of one. JavaScript's doubles would lose everything above 2^53.
func wholeNumber(v canon.Value) (string, bool) {
	switch v.Kind() {
	case canon.Number:
		n, ok := v.Integer()
		if !ok {
			return "", false
		}
		return n.String(), true
	case canon.String:
		text := strings.TrimSpace(v.Text())
		if text == "" || len(text) > maxLiteral {
			return "", false
		}
		n, ok := new(big.Int).SetString(text, 10)
		if !ok || strings.Contains(text, "_") {
			return "", false
		}
		return n.String(), true
	}
	return "", false
}

// decimalNumber returns the literal of a number, or of the text of one.
func decimalNumber(v canon.Value) (string, bool) {
	switch v.Kind() {
	case canon.Number:
		return string(appendNumber(nil, v)), true
	case canon.String:
		text := strings.TrimSpace(v.Text())
		n, err := canon.Parse([]byte(text))
		if err != nil || n.Kind() != canon.Number {
			return "", false
		}
		return string(appendNumber(nil, n)), true
	}
	return "", false
}

// appendEnum writes the name that a number stands for; out of range is null.
func appendEnum(dst []byte, values []EnumValue, v canon.Value) []byte {
	n, ok := v.Integer()
	if !ok || !n.IsInt64() || n.Sign() < 0 || n.Int64() >= int64(len(values)) {
		return append(dst, "null"...)
	}
	e := values[n.Int64()]
	switch {
	case e.Name != "" || e.Plain:
		return canon.AppendString(dst, e.Name)
	case e.Code != "":
		return canon.AppendString(dst, e.Code)
	}
	return append(dst, "null"...)
}

// appendExact writes a value compactly with its numbers as they were published.
func appendExact(dst []byte, v canon.Value) []byte {
	switch v.Kind() {
	case canon.String:
		return canon.AppendString(dst, v.Text())
	case canon.Array:
		dst = append(dst, '[')
		first := true
		for el := range v.Elements() {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = appendExact(dst, el)
		}
		return append(dst, ']')
	case canon.Object:
		dst = append(dst, '{')
		first := true
		for key, m := range v.Members() {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = canon.AppendString(dst, key)
			dst = append(dst, ':')
			dst = appendExact(dst, m)
		}
		return append(dst, '}')
	}
	if v.Kind() == canon.Number {
		return appendNumber(dst, v)
	}
	return append(dst, v.Raw()...)
}

// maxLiteral is the longest number that is kept digit by digit; JavaScript's
// largest number has 309 digits.
const maxLiteral = 400

// appendNumber writes a number as it was published. One that is over every
// double is null, as JSON.stringify(JSON.parse(…)) has it, and one with more
// digits than any reader can use is written in JavaScript's form: some JSON
// readers refuse or misread them.
func appendNumber(dst []byte, v canon.Value) []byte {
	f, _ := v.Float()
	if math.IsInf(f, 0) || len(v.Raw()) > maxLiteral {
		return canon.AppendNumber(dst, f)
	}
	return append(dst, v.Raw()...)
}

// deletionData is a delete message as it was signed, in one shape.
func deletionData(d *Deletion) (json.RawMessage, error) {
	return marshal(map[string]map[string]string{d.RecordType(): {"didTx": d.Target}})
}
