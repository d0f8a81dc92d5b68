package guntest

import (
	"slices"
	"strings"

	"oipnode/shared/oip/canon"
)

// Status is what a node must have made of a record.
type Status string

// The statuses.
const (
	// Verified is an indexed record whose signature verifies.
	Verified Status = "verified"
	// Unverified is an indexed record without a signature that does.
	Unverified Status = "unverified"
	// Encrypted is a record indexed as encrypted, whatever its signature.
	Encrypted Status = "encrypted"
	// Deleted is a record that the index must not hold, ever again.
	Deleted Status = "deleted"
	// Absent is a record that is not to be indexed; Expected.Why says why.
	Absent Status = "absent"
)

// Version is one content of a record that a right node may hold.
type Version struct {
	// Data are J(data) after all conversions; of an encrypted record, as published.
	Data string
	// At is when it was registered (unix ms).
	At int64
}

// Expected is what a right node holds of one DID.
type Expected struct {
	Status Status
	// Type and Owner are the record type and the creator's public key.
	Type, Owner string
	// Versions are the contents that it may have: more than one only if peers
	// differ about it, sorted by the time of their registration.
	Versions []Version
	// Why is the reason of an Absent one.
	Why string
}

// Policy is how the node whose index is expected is configured.
type Policy struct {
	// TrustedNodes are the node ids whose registrations count; none means all.
	TrustedNodes []string
	// Private says whether encrypted records are wanted.
	Private bool
	// Types says which record types are wanted; nil means all.
	Types func(recordType string) bool
	// Honours says whether a deletion counts; nil is HonoursOwner.
	Honours func(Deletion) bool
}

// HonoursOwner lets a deletion count if it is by the public key that the soul
// belongs to.
func HonoursOwner(d Deletion) bool {
	soul, ok := strings.CutPrefix(d.DID, "did:gun:")
	return ok && strings.HasPrefix(soul, Prefix(d.By)+":")
}

// rank orders what peers say about one record: the more credible is expected.
var rank = map[Status]int{Absent: 0, Unverified: 1, Verified: 2, Encrypted: 2, Deleted: 3}

// Expect is what the index of a node must hold, by DID, after it has read these
// peers, whose faults have ended. Records that no registry lists are not in it.
// If peers differ about a record, a verified version counts before an unverified
// one; among equals any may be held, for that is the node's own rule.
func Expect(policy Policy, peers ...*Peer) map[string]Expected {
	out := map[string]Expected{}
	for _, p := range peers {
		p.mu.RLock()
		for soul, f := range p.facts {
			if f.record.NodeID == "" {
				continue
			}
			did := DID(soul)
			found := policy.judge(soul, f)
			known, seen := out[did]
			switch {
			case !seen || rank[found.Status] > rank[known.Status]:
				out[did] = found
			case rank[found.Status] == rank[known.Status]:
				for _, v := range found.Versions {
					if !slices.ContainsFunc(known.Versions, func(o Version) bool { return o.Data == v.Data }) {
						known.Versions = append(known.Versions, v)
					}
				}
				slices.SortStableFunc(known.Versions, func(a, b Version) int { return int(a.At - b.At) })
				out[did] = known
			}
		}
		p.mu.RUnlock()
	}
	for _, p := range peers {
		p.mu.RLock()
		for did, d := range p.deletions {
			if e, ok := out[did]; ok && policy.honours(d) {
				e.Status, e.Versions = Deleted, nil
				out[did] = e
			}
		}
		p.mu.RUnlock()
	}
	return out
}

func (policy Policy) honours(d Deletion) bool {
	if policy.Honours == nil {
		return HonoursOwner(d)
	}
	return policy.Honours(d)
}

// judge is what a node makes of one record of one peer.
func (policy Policy) judge(soul string, f fact) Expected {
	r := f.record
	e := Expected{Status: Absent, Type: r.Type, Owner: r.publicKey()}
	data := parse(r.Data)
	switch {
	case len(policy.TrustedNodes) > 0 && !slices.Contains(policy.TrustedNodes, r.NodeID):
		e.Why = "registered by a node that is not trusted"
	case r.Type == "":
		e.Why = "no record type"
	case policy.Types != nil && !policy.Types(r.Type):
		e.Why = "record type not wanted"
	case r.Ver != "" && !strings.HasPrefix(r.Ver, "0.8"):
		e.Why = "version of the protocol"
	case !strings.HasPrefix(soul, Prefix(r.publicKey())+":"):
		e.Why = "soul of somebody else"
	case r.Encrypted == Plain && data.Kind() != canon.Object:
		e.Why = "data are no object"
	case r.Encrypted != Plain && !policy.Private:
		e.Why = "encrypted"
	case r.Encrypted != Plain:
		e.Status = Encrypted
		e.Versions = []Version{{Data: string(r.content()), At: f.at}}
	default:
		e.Status = Unverified
		if r.verifies() {
			e.Status = Verified
		}
		e.Versions = []Version{{Data: string(canon.Append(nil, data)), At: f.at}}
	}
	return e
}
