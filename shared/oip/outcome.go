package oip

// Reason says why a transaction was rejected. The list is closed: operators see
// it on the health page, and the ledger is counted by it.
type Reason string

// The reasons for a rejection.
const (
	// ReasonID: the id is not 43 characters of base64url.
	ReasonID Reason = "bad_id"
	// ReasonTags: a needed tag is missing, doubled, too long or malformed, or a
	// tag follows CreatorSig (it would not be signed).
	ReasonTags Reason = "bad_tags"
	// ReasonVersion: Ver is not a semantic version of at least 0.8.0.
	ReasonVersion Reason = "bad_version"
	// ReasonTooLarge: the data, or the document it would become, is over its bound.
	ReasonTooLarge Reason = "too_large"
	// ReasonJSON: the data is not JSON, or nested too deeply.
	ReasonJSON Reason = "bad_json"
	// ReasonStructure: the data is JSON, but not of the shape of its type.
	ReasonStructure Reason = "bad_structure"
	// ReasonTemplate: a template's definition breaks the rules of section 4.
	ReasonTemplate Reason = "bad_template"
	// ReasonKey: a registration's key is not a usable RSA modulus, or does not
	// hash to the address that it registers.
	ReasonKey Reason = "bad_key"
	// ReasonSignature: the signature does not verify with the creator's key.
	ReasonSignature Reason = "bad_signature"
	// ReasonOwner: a GUN record stands under a soul of another key's owner.
	ReasonOwner Reason = "foreign_soul"
	// ReasonUnstorable: the record store can never hold the document.
	ReasonUnstorable Reason = "unstorable"
	// ReasonExcluded: the operator's configuration leaves this record type out.
	ReasonExcluded Reason = "type_excluded"
)

// Reasons lists all reasons, in the order in which pages show them.
func Reasons() []Reason {
	return []Reason{ReasonID, ReasonTags, ReasonVersion, ReasonTooLarge, ReasonJSON, ReasonStructure,
		ReasonTemplate, ReasonKey, ReasonSignature, ReasonOwner, ReasonUnstorable, ReasonExcluded}
}

// RulesVersion changes whenever a rule of this package changes so that a kept
// rejection could end differently; the pipeline then judges it again.
const RulesVersion = 1

// Need says what kind of thing a transaction waits for.
type Need string

// What can be waited for.
const (
	NeedTemplate Need = "template" // ID is a template's transaction id
	NeedCreator  Need = "creator"  // ID is a creator's address
	NeedData     Need = "data"     // ID is the transaction, or the soul, whose bytes are missing
)

// Dependency is a named thing that is not there yet.
type Dependency struct {
	Need Need
	ID   string
}

// Outcome is what became of a transaction: Accepted, Rejected or Waiting, and
// nothing else (the method is unexported).
type Outcome interface{ outcome() }

// Accepted holds the only value that can become a Document.
type Accepted struct{ Verified Verified }

// Rejected is final for these bytes and these rules.
type Rejected struct {
	Reason Reason
	// Detail is one line for the operator. It names fields and limits and quotes
	// at most a few characters of the input.
	Detail string
}

// Waiting can be tried again when the dependency is there.
type Waiting struct{ For Dependency }

func (Accepted) outcome() {}
func (Rejected) outcome() {}
func (Waiting) outcome()  {}
