package records

import "slices"

// Field is an indexed field. The set is closed: an engine maps each to whatever
// it calls it. What a document holds under each is defined once, by Project.
type Field string

// The indexed fields. Text fields match exactly, byte for byte; those marked
// "folded" are stored in lower case and are asked for in lower case.
const (
	FieldDID             Field = "did"             // the document's DID
	FieldKind            Field = "kind"            // oip.Kind
	FieldRecordType      Field = "recordType"      // folded
	FieldRecordTypeExact Field = "recordTypeExact" // as published, for counting by type
	FieldCreatorHandle   Field = "creatorHandle"   // unique handle
	FieldCreatorDID      Field = "creatorDid"      // did:arweave:<address>
	FieldCreatorTx       Field = "creatorTx"       // DID of the registration the envelope carries
	FieldHeight          Field = "height"          // number; absent while pending
	FieldIndexedAt       Field = "indexedAt"       // number, unix milliseconds
	FieldDate            Field = "date"            // number, basic.date, unix seconds
	FieldName            Field = "name"            // basic.name; template name; handle
	FieldNameFolded      Field = "nameFolded"      // the same, folded
	FieldVer             Field = "ver"             // protocol version
	FieldStorage         Field = "storage"         // arweave, gun, irys
	FieldTemplateID      Field = "templateId"      // ids of the templates a record uses
	FieldTemplateName    Field = "templateName"    // folded names of them
	FieldTag             Field = "tag"             // basic.tagItems
	FieldDeleteMessage   Field = "deleteMessage"   // "true" for delete messages
	FieldHidden          Field = "hidden"          // "true" for deleted templates and registrations
	FieldAccess          Field = "access"          // public, private, shared, organization, encrypted
	FieldOwner           Field = "owner"           // owners' public keys and "soul:" + soul prefixes
	FieldSharedWith      Field = "sharedWith"      // public keys and organization DIDs
)

// Numeric reports whether a field holds numbers (int64) and not text.
func (f Field) Numeric() bool {
	return f == FieldHeight || f == FieldIndexedAt || f == FieldDate
}

// Cond is a condition on a document; the types below are all there are.
type Cond interface{ cond() }

type (
	// All holds when every part holds; an empty All always holds.
	All []Cond
	// Any holds when some part holds; an empty Any never holds.
	Any []Cond
	// Not holds when the part does not.
	Not struct{ Cond Cond }
	// Term holds when a text field has one of the values, exactly. At most 1,000.
	Term struct {
		Field  Field
		Values []string
	}
	// Between holds when a numeric field has a value from Min to Max, both
	// included. Values up to 2^53 are exact.
	Between struct {
		Field    Field
		Min, Max int64
	}
	// Exists holds when the field has a value.
	Exists struct{ Field Field }
)

func (All) cond()     {}
func (Any) cond()     {}
func (Not) cond()     {}
func (Term) cond()    {}
func (Between) cond() {}
func (Exists) cond()  {}

// Is is the Term of one field with these values.
func Is(f Field, values ...string) Cond { return Term{Field: f, Values: values} }

// Sort is one level of an order. Documents without the field come last in both
// directions. Text is ordered by the bytes of its Key. Of several values of one
// document the smallest counts for an ascending level, the largest for a
// descending one. The field must be Listable.
type Sort struct {
	Field Field
	Desc  bool
}

// Query asks for a page of documents.
type Query struct {
	Where Cond // nil matches everything
	// Sort is completed by DID ascending, so that every order is total.
	Sort []Sort
	// Offset is how many matches to skip; Offset+Limit <= MaxWindow.
	Offset int
	// Limit is the size of the page, 0 to MaxLimit; 0 asks for the total only.
	Limit int
	// After continues behind an earlier page's Next; Offset must be 0 then.
	After Cursor
	// EnvelopeOnly leaves the data out of the hits.
	EnvelopeOnly bool
}

// Order returns the complete sort: the query's levels and the DID tie-break.
func (q Query) Order() []Sort {
	order := slices.Clone(q.Sort)
	if !slices.ContainsFunc(order, func(s Sort) bool { return s.Field == FieldDID }) {
		order = append(order, Sort{Field: FieldDID})
	}
	return order
}
