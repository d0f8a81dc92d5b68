package records

import "strings"

// Who may read a record is decided here, once, when it is written (spec
// records-api section 3). The rule of a query only compares FieldAccess,
// FieldOwner and FieldSharedWith with the caller. So this must fail closed:
// whatever is there and not understood makes a record private, and only the
// absence of every restriction, or the word "public" without any, makes it public.

// restriction is what accessControl and conversationSession say.
type restriction struct {
	level      []byte // access_level as it stands, nil when absent
	unreadable bool   // one of the two is not an object, or not a whole one
	flagged    bool   // a legacy flag makes the record private
	owners     [4][]byte
	sharedWith [2][]byte
}

// projectAccess fills FieldAccess, FieldOwner and FieldSharedWith.
func (p *Projection) projectAccess(e envelope, c content, did string) {
	r := readRestriction(c)
	p.add(FieldAccess, level(r, e, c))
	for _, owner := range r.owners {
		p.add(FieldOwner, plain(owner))
	}
	p.add(FieldOwner, plain(e.publicKey))
	if prefix, ok := soulPrefix(did); ok {
		p.add(FieldOwner, "soul:"+prefix)
	}
	for _, readers := range r.sharedWith {
		p.addList(FieldSharedWith, readers)
	}
}

// readRestriction reads both objects that can restrict a record.
func readRestriction(c content) restriction {
	var r restriction
	r.unreadable = !objectOrAbsent(c.accessControl) || !objectOrAbsent(c.session)
	errControl := within(c.accessControl, func(name string, value []byte) {
		switch name {
		case "access_level":
			r.level = value
		case "private":
			r.flagged = r.flagged || truthy(value)
		case "owner_public_key":
			r.owners[0] = value
		case "created_by":
			r.owners[1] = value
		case "shared_with":
			r.sharedWith[0] = value
		}
	})
	errSession := within(c.session, func(name string, value []byte) {
		switch name {
		case "is_private":
			r.flagged = r.flagged || truthy(value)
		case "owner_public_key":
			r.owners[2] = value
		case "owner_pubkey":
			r.owners[3] = value
		case "shared_with":
			r.sharedWith[1] = value
		}
	})
	r.unreadable = r.unreadable || errControl != nil || errSession != nil
	return r
}

// level is the value of FieldAccess.
func level(r restriction, e envelope, c content) string {
	encrypted := c.ciphertext != nil && c.initVector != nil && c.authTag != nil
	if encrypted || truthy(e.encrypted) {
		return AccessEncrypted
	}
	if r.unreadable || !objectOrAbsent(c.raw) || truthy(e.mayRestrict) {
		return AccessPrivate
	}
	named := AccessPublic
	if r.level != nil {
		named = levelNamed(plain(r.level))
	}
	if named == AccessPublic && r.flagged {
		return AccessPrivate
	}
	return named
}

// levelNamed reads a level by its code or its display name, in any case.
func levelNamed(name string) string {
	switch strings.ToLower(name) {
	case "public", "public access":
		return AccessPublic
	case "shared", "shared access":
		return AccessShared
	case "organization", "organization access":
		return AccessOrganization
	}
	return AccessPrivate
}

// objectOrAbsent reports whether a restriction can be read: it is an object, or
// nothing (which null says as well).
func objectOrAbsent(raw []byte) bool {
	return len(raw) == 0 || raw[0] == '{' || string(raw) == "null"
}

// truthy reports whether a flag is set. Only the ways of saying no are a no.
func truthy(raw []byte) bool {
	switch string(raw) {
	case "", "false", "null", "0", `""`, `"false"`, `"0"`:
		return false
	}
	return true
}

// soulPrefix returns the first part of a GUN soul if it is the hash of an
// owner's key: exactly 12 hex digits before a colon (spec gun section 2).
func soulPrefix(did string) (string, bool) {
	soul, ok := strings.CutPrefix(did, "did:gun:")
	if !ok {
		return "", false
	}
	prefix, _, ok := strings.Cut(soul, ":")
	if !ok || len(prefix) != 12 || strings.Trim(prefix, "0123456789abcdef") != "" {
		return "", false
	}
	return prefix, true
}
