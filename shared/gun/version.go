package gun

import (
	"context"

	"oipnode/shared/oip"
	"oipnode/shared/state"
)

// verdict says what becomes of a version of a record that a peer served.
type verdict int

const (
	replace   verdict = iota // it goes into the index
	same                     // the index has it
	lesser                   // what the index has is better
	contested                // the peer that the indexed version came from has the say
	partial                  // it lacks what the index has; another answer may have it
)

// compare decides between the indexed version of a record and another one, so that the
// index ends the same whatever the order in which the peers are asked, and does not go
// to and fro while they disagree:
//
//   - the same content changes nothing, whoever serves it;
//   - a verified version wins over an unverified one, always;
//   - of two verified ones with different keys the first stays: their keys have the same
//     48 bits of hash, which somebody has searched for;
//   - the peer that the indexed version came from may change it: GUN has no versions, so
//     that its content is another one is all that an update shows;
//   - another peer's version wins if its registry says that it is newer;
//   - a peer that is no longer asked, or has lost the record for good, has no say;
//   - else the indexed version stays.
//
// What lost only because another peer has the say is contested: who calls finds out
// whether that peer still has the record.
func compare(old, now oip.Envelope, asked func(source string) bool) verdict {
	if old.Gun == nil || now.Gun == nil {
		return replace
	}
	trusted, better := old.SignatureStatus == oip.TrustVerified, now.SignatureStatus == oip.TrustVerified
	switch {
	case old.Gun.Hash == now.Gun.Hash:
		return same
	case trusted && !better:
		return lesser
	case better && !trusted:
		return replace
	case trusted && old.Creator.PublicKey != now.Creator.PublicKey:
		return lesser
	case now.Encrypted && now.Encryption == nil && old.Encryption != nil:
		return partial // meta was missing from the answer, which takes nothing away
	case old.Gun.Source == now.Gun.Source, now.Gun.Timestamp > old.Gun.Timestamp, !asked(old.Gun.Source):
		return replace
	}
	return contested
}

// lostAfter is how many times in a row a peer does not have a record until it has no say
// about it any more.
const lostAfter = 3

// lost reports whether the peer that an indexed version came from has lost the record.
func (c *cycle) lost(ctx context.Context, source, soul string) (bool, error) {
	item, ok, err := state.GetOne(ctx, c.opt.State, failKey(source, soul))
	if err != nil || !ok {
		return false, err
	}
	var f failure
	if err := decode(item, &f); err != nil {
		return false, err
	}
	return f.Reason == ReasonAbsent && f.Attempts >= lostAfter, nil
}
