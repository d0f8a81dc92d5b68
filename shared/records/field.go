package records

import (
	"crypto/sha256"
	"encoding/hex"
	"unicode/utf8"
)

// fields is every indexed field; the value says whether it can be listed, that
// is, sorted and counted by. Owners and readers are long keys that only ever
// serve as conditions, as do words and leaves, so no engine has to keep columns
// of them.
var fields = map[Field]bool{
	FieldDID: true, FieldKind: true, FieldRecordType: true, FieldRecordTypeExact: true,
	FieldCreatorHandle: true, FieldCreatorDID: true, FieldCreatorTx: true,
	FieldHeight: true, FieldIndexedAt: true, FieldDate: true,
	FieldName: true, FieldNameFolded: true, FieldVer: true, FieldStorage: true,
	FieldTemplateID: true, FieldTemplateName: true, FieldTag: true,
	FieldDeleteMessage: true, FieldHidden: true, FieldAccess: true,
	FieldOwner: false, FieldSharedWith: false,
	FieldSchedule: true, FieldDistinct: true,
	FieldNameWord: false, FieldDescriptionWord: false, FieldTagWord: false,
	FieldLeaf: false, FieldRef: false, FieldPath: false, FieldCut: true,
}

// Known reports whether the field is one of the constants of this package.
func (f Field) Known() bool { _, ok := fields[f]; return ok }

// Listable reports whether a Query may sort and a Count may group by the field.
// The others are for conditions only.
func (f Field) Listable() bool { return fields[f] }

// words reports whether a field holds words.
func (f Field) words() bool {
	return f == FieldNameWord || f == FieldDescriptionWord || f == FieldTagWord
}

// The values of FieldAccess, from spec records-api section 3.
const (
	AccessPublic       = "public"       // everyone
	AccessPrivate      = "private"      // the owner
	AccessShared       = "shared"       // the owner and those in FieldSharedWith
	AccessOrganization = "organization" // the owner and members of those in FieldSharedWith
	AccessEncrypted    = "encrypted"    // the owner, who alone can decrypt it
)

const (
	// MaxKeyBytes is the longest text, in bytes, that is indexed as it is.
	MaxKeyBytes = 1024
	// keptPrefix is how much of a longer text its key keeps for the order.
	keptPrefix = 960
)

// Key is the form in which a text value is indexed, compared, ordered and
// counted. Up to MaxKeyBytes it is the value itself. Of a longer one it is the
// beginning and the SHA-256 of the whole, which is longer than MaxKeyBytes: so
// two values have the same key only if they are equal, however long they are,
// and no engine's limit on the length of a term can merge, cut or drop one.
// Key of a key is not the same key; apply it once, to values.
func Key(value string) string {
	if len(value) <= MaxKeyBytes {
		return value
	}
	cut := keptPrefix
	for cut > keptPrefix-utf8.UTFMax && !utf8.RuneStart(value[cut]) {
		cut--
	}
	sum := sha256.Sum256([]byte(value))
	return value[:cut] + " \u2026sha256:" + hex.EncodeToString(sum[:])
}
