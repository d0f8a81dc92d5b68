package records

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"oipnode/shared/oip"
)

// MaxValues is the most values of one field that are indexed of one document.
// Further ones are left out, in the order of the document. No owner is ever
// among them; of more than MaxValues readers of a shared record the last cannot
// see it, which errs on the safe side.
const MaxValues = 256

// Projection is what a document holds under each field: everything an engine has
// to index of it. Values are already in the form of Key. The two lists name each
// field at most once, and only fields that have a value.
type Projection struct {
	Texts   []TextValues
	Numbers []NumberValue
	// Lines are the texts of the data, folded and with their paths, as Like.Compare
	// takes them. An engine may keep them, or read them out of the document (Lines).
	Lines []string
}

// TextValues are the values of a text field, each once, in document order.
type TextValues struct {
	Field  Field
	Values []string
}

// NumberValue is the value of a numeric field, from -2^53 to 2^53.
type NumberValue struct {
	Field Field
	Value int64
}

// Text returns the values of a text field.
func (p Projection) Text(f Field) []string {
	for _, t := range p.Texts {
		if t.Field == f {
			return t.Values
		}
	}
	return nil
}

// Number returns the value of a numeric field.
func (p Projection) Number(f Field) (int64, bool) {
	for _, n := range p.Numbers {
		if n.Field == f {
			return n.Value, true
		}
	}
	return 0, false
}

// Has reports whether the document has a value under the field.
func (p Projection) Has(f Field) bool {
	if f.Numeric() {
		_, ok := p.Number(f)
		return ok
	}
	return len(p.Text(f)) > 0
}

// add puts a value under a text field, unless it is empty, known or one too many.
// Values of one field come one after the other.
func (p *Projection) add(f Field, value string) {
	if value == "" {
		return
	}
	value = Key(value)
	if n := len(p.Texts); n > 0 && p.Texts[n-1].Field == f {
		last := &p.Texts[n-1]
		if len(last.Values) < MaxValues && !slices.Contains(last.Values, value) {
			last.Values = append(last.Values, value)
		}
		return
	}
	p.Texts = append(p.Texts, TextValues{f, []string{value}})
}

// take puts values under a text field that are distinct already and need no bound.
func (p *Projection) take(f Field, values []string) {
	if len(values) == 0 {
		return
	}
	for i, v := range values {
		values[i] = Key(v)
	}
	p.Texts = append(p.Texts, TextValues{f, values})
}

// addNumber puts a raw JSON value under a numeric field if it is a number.
func (p *Projection) addNumber(f Field, raw []byte) {
	if n, ok := number(raw); ok {
		p.Numbers = append(p.Numbers, NumberValue{f, n})
	}
}

// envelope is what Project reads of a document's oip object, as it stands.
type envelope struct {
	did, recordType, handle, creatorDID, creatorTx, publicKey []byte
	height, indexedAt, ver, templates, missing                []byte
	encrypted, deleteMessage, hidden, mayRestrict             []byte
}

// content is what Project reads of a document's data object, as it stands.
type content struct {
	raw                                     []byte
	basic, accessControl, session           []byte
	workoutSchedule, mealPlan               []byte
	template, creatorHandle, orgHandle      []byte
	handle, ciphertext, initVector, authTag []byte
}

// Project is the one place that says what a document holds under each Field. It
// is a pure function of its input, so an index can always be made again out of
// the documents.
//
// Documents carry what strangers published. A value of another shape than the
// field asks for (a number for a text, text for a number) counts as absent; so
// does an empty text. The exception is access, where whatever is not understood
// makes the record private: see access.go. The error is for a document that is
// no JSON object with an oip object; no store accepts one.
func Project(kind oip.Kind, doc []byte) (Projection, error) {
	return project(kind, doc, costly{leaves: true, words: true})
}

// ProjectFor is Project as far as Holds asks for it with these conditions: it leaves out
// the leaves and the words, which take most of the time, if none is about them.
func ProjectFor(kind oip.Kind, doc []byte, conds ...Cond) (Projection, error) {
	var wanted costly
	for _, c := range conds {
		wanted.of(c)
	}
	return project(kind, doc, wanted)
}

// costly says which of the costly parts of a projection are wanted.
type costly struct{ leaves, words bool }

// of adds what a condition is about.
func (w *costly) of(c Cond) {
	field := func(f Field) {
		switch f {
		case FieldLeaf, FieldRef, FieldPath:
			w.leaves = true
		case FieldNameWord, FieldDescriptionWord, FieldTagWord:
			w.words = true
		case FieldCut:
			w.leaves, w.words = true, true
		}
	}
	switch c := c.(type) {
	case All:
		for _, part := range c {
			w.of(part)
		}
	case Any:
		for _, part := range c {
			w.of(part)
		}
	case Not:
		w.of(c.Cond)
	case Term:
		field(c.Field)
	case Exists:
		field(c.Field)
	case Prefix:
		field(c.Field)
	case Near:
		field(c.Field)
	case Like:
		w.leaves = true
	}
}

func project(kind oip.Kind, doc []byte, wanted costly) (Projection, error) {
	var (
		rawOIP []byte
		env    envelope
		data   content
	)
	err := scan(doc, func(name string, value []byte) {
		switch name {
		case "oip":
			rawOIP = value
		case "data":
			data.raw = value
		}
	})
	if err == nil {
		err = env.read(rawOIP)
	}
	if err == nil && len(data.raw) > 0 && data.raw[0] == '{' {
		err = data.read()
	}
	if err != nil {
		return Projection{}, fmt.Errorf("records: project: %w", err)
	}
	p := Projection{Texts: make([]TextValues, 0, 28), Numbers: make([]NumberValue, 0, 4)}
	did := plain(env.did)
	p.add(FieldDID, did)
	p.add(FieldKind, string(kind))
	p.projectEnvelope(env, did)
	p.projectAccess(env, data, did)
	cutWords, err := p.projectData(kind, data, did, wanted.words)
	if err := errors.Join(err, p.projectTemplates(env, kind, data)); err != nil {
		return Projection{}, fmt.Errorf("records: project: %w", err)
	}
	if wanted.leaves && p.projectLeaves(data.raw) {
		p.add(FieldCut, "leaves")
	}
	if cutWords {
		p.add(FieldCut, "words")
	}
	return p, nil
}

// read finds the members of the oip object that matter.
func (e *envelope) read(raw []byte) error {
	var creator []byte
	err := scan(raw, func(name string, value []byte) {
		switch name {
		case "did":
			e.did = value
		case "recordType":
			e.recordType = value
		case "inArweaveBlock":
			e.height = value
		case "indexedAt":
			e.indexedAt = value
		case "ver":
			e.ver = value
		case "templates":
			e.templates = value
		case "missingTemplates":
			e.missing = value
		case "encrypted":
			e.encrypted = value
		case "mayRestrict":
			e.mayRestrict = value
		case "deleteMessage":
			e.deleteMessage = value
		case "hidden":
			e.hidden = value
		case "creator":
			creator = value
		}
	})
	if err != nil {
		return err
	}
	err = within(creator, func(name string, value []byte) {
		switch name {
		case "creatorHandle":
			e.handle = value
		case "didAddress":
			e.creatorDID = value
		case "didTx":
			e.creatorTx = value
		case "publicKey":
			e.publicKey = value
		}
	})
	return err
}

// read finds the members of the data object that matter.
func (c *content) read() error {
	return scan(c.raw, func(name string, value []byte) {
		switch name {
		case "basic":
			c.basic = value
		case "accessControl":
			c.accessControl = value
		case "conversationSession":
			c.session = value
		case "workoutSchedule":
			c.workoutSchedule = value
		case "mealPlan":
			c.mealPlan = value
		case "template":
			c.template = value
		case "creatorHandle":
			c.creatorHandle = value
		case "orgHandle":
			c.orgHandle = value
		case "handle":
			c.handle = value
		case "encrypted":
			c.ciphertext = value
		case "iv":
			c.initVector = value
		case "tag":
			c.authTag = value
		}
	})
}

// projectEnvelope fills the fields that the envelope alone decides.
func (p *Projection) projectEnvelope(e envelope, did string) {
	recordType := plain(e.recordType)
	p.add(FieldRecordType, strings.ToLower(recordType))
	p.add(FieldRecordTypeExact, recordType)
	p.add(FieldCreatorHandle, plain(e.handle))
	p.add(FieldCreatorDID, plain(e.creatorDID))
	p.add(FieldCreatorTx, plain(e.creatorTx))
	p.add(FieldVer, plain(e.ver))
	if method, ok := strings.CutPrefix(did, "did:"); ok {
		method, _, _ = strings.Cut(method, ":")
		p.add(FieldStorage, method) // "by DID prefix", records-api section 2
	}
	if string(e.deleteMessage) == "true" {
		p.add(FieldDeleteMessage, "true")
	}
	if string(e.hidden) == "true" {
		p.add(FieldHidden, "true")
	}
	p.addNumber(FieldHeight, e.height)
	if at, err := time.Parse(time.RFC3339, plain(e.indexedAt)); err == nil {
		p.Numbers = append(p.Numbers, NumberValue{FieldIndexedAt, at.UnixMilli()})
	}
}

// projectData fills name, dates, tags, and the words of what can be searched. What the
// name is depends on the kind.
func (p *Projection) projectData(kind oip.Kind, c content, did string, words bool) (cut bool, err error) {
	var name, description, date, tags, day []byte
	err = within(c.basic, func(member string, value []byte) {
		switch member {
		case "name":
			name = value
		case "description":
			description = value
		case "date":
			date = value
		case "tagItems":
			tags = value
		}
	})
	names := []string{plain(name)}
	switch kind {
	case oip.KindTemplate:
		names = []string{plain(c.template)}
	case oip.KindCreator:
		names = []string{plain(c.creatorHandle), plain(c.handle)}
	case oip.KindOrganization:
		names = []string{plain(c.orgHandle), plain(c.handle)}
	}
	for _, n := range names {
		p.add(FieldName, n)
	}
	for _, n := range names {
		p.add(FieldNameFolded, strings.ToLower(n))
	}
	p.addNumber(FieldDate, date)
	p.addList(FieldTag, tags)
	for _, scheduled := range []struct {
		object []byte
		member string
	}{{c.workoutSchedule, "scheduled_date"}, {c.mealPlan, "meal_date"}} {
		err = errors.Join(err, within(scheduled.object, func(member string, value []byte) {
			if member == scheduled.member && day == nil {
				day = value
			}
		}))
	}
	p.addNumber(FieldSchedule, day)
	if own := plain(name); own != "" {
		p.add(FieldDistinct, "n"+own)
	} else {
		p.add(FieldDistinct, "d"+did)
	}
	if words {
		cut = p.addWords(FieldNameWord, names)
		cut = p.addWords(FieldDescriptionWord, []string{plain(description)}) || cut
		cut = p.addWords(FieldTagWord, p.Text(FieldTag)) || cut
	}
	return cut, err
}

// projectTemplates fills the templates that a record uses: those it was expanded
// with, and those it still waits for. A record without the envelope's map (GUN
// publishes none) uses the templates that it has data under.
func (p *Projection) projectTemplates(e envelope, kind oip.Kind, c content) error {
	err := within(e.templates, func(_ string, id []byte) { p.add(FieldTemplateID, plain(id)) })
	p.addList(FieldTemplateID, e.missing)
	from := e.templates
	if from == nil && kind == oip.KindRecord && string(e.deleteMessage) != "true" {
		from = c.raw
	}
	return errors.Join(err, within(from, func(name string, _ []byte) {
		p.add(FieldTemplateName, strings.ToLower(name))
	}))
}

// addList adds the texts of a list, or the one text that stands in its place.
func (p *Projection) addList(f Field, raw []byte) {
	p.add(f, plain(raw))
	count := 0
	elements(raw, func(value []byte) bool {
		p.add(f, plain(value))
		count++
		return count < MaxValues
	})
}

// within is scan for an object that may as well be absent or something else.
func within(raw []byte, visit func(name string, value []byte)) error {
	if len(raw) == 0 || raw[0] != '{' {
		return nil
	}
	return scan(raw, visit)
}

// plain is the text of a raw value, empty for anything that is no string.
func plain(raw []byte) string {
	s, _ := text(raw)
	return s
}
