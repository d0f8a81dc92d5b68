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
	FieldSchedule        Field = "schedule"        // number, the day of a workoutSchedule or mealPlan, unix seconds
	FieldDistinct        Field = "distinct"        // "n" + basic.name, or "d" + DID of a record without one
	FieldNameWord        Field = "nameWord"        // Words of FieldName
	FieldDescriptionWord Field = "descriptionWord" // Words of basic.description
	FieldTagWord         Field = "tagWord"         // Words of FieldTag
	FieldLeaf            Field = "leaf"            // every leaf with its path: Equal and its kin
	FieldRef             Field = "ref"             // every DID in the data with its path: Refers
	FieldPath            Field = "path"            // the paths, of one name and two, with a leaf at or below: Present
	FieldCut             Field = "cut"             // "leaves", "words": what was beyond a bound and is not indexed
)

// FieldScore is what a Query's Score gives a document: a number, for Sort only.
const FieldScore Field = "score"

// Numeric reports whether a field holds numbers (int64) and not text.
func (f Field) Numeric() bool {
	return f == FieldHeight || f == FieldIndexedAt || f == FieldDate || f == FieldSchedule || f == FieldScore
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
	// Prefix holds when a value of FieldRef begins with the text, of 1 to 512 bytes.
	Prefix struct {
		Field Field
		Text  string
	}
	// Near holds when a field of words has the word, or one that differs from it by no
	// more than Typos of it allows. The word is one as Words returns them.
	Near struct {
		Field Field
		Word  string
	}
	// Like holds when some text at the path is at least so close to the text, in any
	// case. The text has 1 to MaxLike bytes, folded.
	Like struct {
		Path  string
		Text  string
		Least Closeness
	}
)

func (All) cond()     {}
func (Any) cond()     {}
func (Not) cond()     {}
func (Term) cond()    {}
func (Between) cond() {}
func (Exists) cond()  {}
func (Prefix) cond()  {}
func (Near) cond()    {}
func (Like) cond()    {}

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

// Scored is a part of a score: what a document gets for which the condition holds.
type Scored struct {
	Where  Cond
	Points int64 // from 1 to MaxPoints
}

// Query asks for a page of documents.
type Query struct {
	Where Cond // nil matches everything
	// Score gives each match the sum of the points of those parts that hold for it;
	// Sort then may have a level of FieldScore. Parts that hold for no match are fine.
	Score []Scored
	// Distinct leaves, of all matches with the same FieldDistinct, only the first in the
	// order: as if the others did not match.
	Distinct bool
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
	// RefsOnly leaves everything out of the hits but their DIDs and the values of
	// FieldRef, in the order of the document.
	RefsOnly bool
	// CountBy asks for the number of matches per value of a field, as Count has it, in
	// the same state of the store as the page.
	CountBy Field
}

// ByScore reports whether the order has a level of FieldScore.
func (q Query) ByScore() bool {
	return slices.ContainsFunc(q.Sort, func(s Sort) bool { return s.Field == FieldScore })
}

// Order returns the complete sort: the query's levels and the DID tie-break.
func (q Query) Order() []Sort {
	order := slices.Clone(q.Sort)
	if !slices.ContainsFunc(order, func(s Sort) bool { return s.Field == FieldDID }) {
		order = append(order, Sort{Field: FieldDID})
	}
	return order
}
