package access

import "oipnode/shared/records"

// Rule is the condition under which a viewer may read a document, of any kind
// (spec records-api section 3). Every query on behalf of a caller holds it.
//
// organizations are the DIDs of those that the viewer is a member of, at most
// records.MaxTerms (Organizations.Of). Hidden documents (deleted templates and
// registrations) are never readable. Administrators see no more than others:
// the claim is for operations.
//
// The same viewer and organizations give the same condition, so that a cursor
// of an earlier page, which is bound to it, remains valid.
func Rule(v Viewer, organizations ...string) records.Cond {
	levels := records.Any{records.Is(records.FieldAccess, records.AccessPublic)}
	if owners := v.owners(); owners != nil {
		levels = append(levels,
			records.Is(records.FieldOwner, owners...),
			records.All{records.Is(records.FieldAccess, records.AccessShared), records.Is(records.FieldSharedWith, v.key())})
	}
	if v.Authenticated && v.signerDID != "" {
		levels = append(levels, records.Is(records.FieldCreatorDID, v.signerDID))
	}
	if v.Authenticated && len(organizations) > 0 {
		levels = append(levels, records.All{
			records.Is(records.FieldAccess, records.AccessOrganization),
			records.Is(records.FieldSharedWith, organizations...)})
	}
	return records.All{levels, records.Not{Cond: records.Is(records.FieldHidden, "true")}}
}

// Owned is the condition under which a document is the viewer's own (spec records-api
// section 3): named so by the document, by its soul, or by the key that signed it. It
// holds for nothing when nobody is signed in. What is owned can be read, so Rule holds
// wherever Owned does.
func Owned(v Viewer) records.Cond {
	var own records.Any
	if owners := v.owners(); owners != nil {
		own = append(own, records.Is(records.FieldOwner, owners...))
	}
	if v.Authenticated && v.signerDID != "" {
		own = append(own, records.Is(records.FieldCreatorDID, v.signerDID))
	}
	return records.All{own, records.Not{Cond: records.Is(records.FieldHidden, "true")}}
}
