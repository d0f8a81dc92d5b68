package gun

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/oip/canon"
	"oipnode/shared/state"
)

// Who may delete. The deletion registry has no signatures, and whoever can write to a
// peer can write there; that the name of a deleter is the owner's proves nothing to a
// stranger. What counts here is two things together: the registry is that of a peer
// whom the operator has named, and the deleter it names is either the owner of the
// record, by the whole public key where the record is indexed and by the soul's prefix
// where it is not, or a node that the operator trusts. So a deletion in any other name
// is ignored, one in the name of another key of the same prefix too, and an operator who
// does not want to believe a peer's deletions must not name that peer.

// readDeletions works through the peer's deletion registry.
func (r *run) readDeletions(ctx, until context.Context) error {
	x := &index{r: r, what: whatDeleted, soul: DeletedIndexSoul(), parse: deletedDID, take: r.takeDeletions}
	_, err := x.read(ctx, until)
	return err
}

// deletedDID reads an entry of the deletion registry: a DID that is set to true. Those
// of other storages are none of ours: the chain has its own deletions.
func deletedDID(key string, value canon.Value) (entry, bool) {
	soul, ok := oip.Soul(key)
	no := value.Kind() == canon.Null || string(value.Raw()) == "false"
	return entry{soul: soul}, ok && !no
}

// ofDeletion names the deletion of a soul among the souls, in keys of failures.
func ofDeletion(soul string) string { return "deletion of " + soul }

// takeDeletions looks deletions up and hands those to the workers that are new.
func (r *run) takeDeletions(ctx, until context.Context, x *index, entries []entry) (more bool, err error) {
	keys := make([]state.Key, 0, 2*len(entries))
	for _, e := range entries {
		keys = append(keys, tombKey(e.soul), failKey(r.peer.id, ofDeletion(e.soul)))
	}
	items, err := r.opt.State.Get(ctx, keys...)
	if err != nil {
		return false, err
	}
	there := make(map[state.Key]state.Item, len(items))
	for _, item := range items {
		there[item.Key] = item
	}
	var deleted []string
	for _, e := range entries {
		if _, ok := there[tombKey(e.soul)]; ok {
			deleted = append(deleted, e.soul)
		}
	}
	var counts Counts
	if err := r.heal(ctx, deleted, &counts); err != nil {
		return false, err
	}
	r.count(func(n *Counts) { n.add(counts) })
	for i, e := range entries {
		if _, ok := there[tombKey(e.soul)]; ok {
			x.settled(e.soul, forever)
			continue
		}
		var kept *failure
		if item, ok := there[failKey(r.peer.id, ofDeletion(e.soul))]; ok {
			kept = &failure{}
			if err := decode(item, kept); err != nil {
				return false, err
			}
			if r.opt.Now().Before(kept.Due) {
				x.settled(e.soul, kept.Due)
				continue
			}
		}
		if !x.push(until, e, kept, true) {
			for _, rest := range entries[i+1:] {
				x.settled(rest.soul, time.Time{})
			}
			return false, nil
		}
	}
	return true, nil
}

// maxDeletion bounds the node of a deletion, which holds a public key.
const maxDeletion = 16 << 10

// fetchDeletion reads who deleted a record.
func (r *run) fetchDeletion(ctx context.Context, soul string) (by string, err error) {
	did := oip.GunDID(soul)
	text, err := r.peer.get(ctx, DeletedSoul(did), maxDeletion)
	if err != nil {
		return "", err
	}
	v, err := canon.Parse(text)
	if err != nil {
		return "", errors.Join(ErrAnswer, err)
	}
	if of, ok := v.Get("did"); ok && of.Text() != did {
		return "", ErrAnswer
	}
	deletedBy, ok := v.Get("deletedBy")
	if !ok {
		return "", errPartial
	}
	return deletedBy.Text(), nil
}

// settleDeletions carries deletions out that count: the tombstone first.
func (c *cycle) settleDeletions(ctx context.Context, r *run, batch []*result) error {
	if len(batch) == 0 {
		return nil
	}
	if err := c.renew(ctx); err != nil {
		return err
	}
	dids := make([]string, len(batch))
	for i, res := range batch {
		dids[i] = oip.GunDID(res.soul)
	}
	c.settling.Lock()
	defer c.settling.Unlock()
	found, err := envelopes(ctx, c.opt.Records, dids)
	if err != nil {
		return err
	}
	now := c.opt.Now()
	for i, res := range batch {
		env, indexed := found[dids[i]]
		reason := Reason("")
		switch {
		case res.err != nil:
			reason = reasonOf(res.err)
		case !c.mayDelete(res.soul, res.by, env, indexed):
			reason = ReasonDeleter
		}
		until := forever
		if reason == "" {
			err = c.bury(ctx, r, res, indexed, now)
		} else {
			f := res.failure.next(&c.opt, now, res.soul, reason, reason == ReasonDeleter, "", 0)
			until = f.Due
			var op state.Op
			if op, err = putJSON(failKey(r.peer.id, ofDeletion(res.soul)), f); err == nil {
				err = c.commit(ctx, op.Until(f.Due.Add(failureLife)))
			}
			r.count(func(n *Counts) {
				n.because(reason, 1)
				if reason == ReasonDeleter {
					n.Rejected++
				} else {
					n.Errors++
				}
			})
		}
		if err != nil {
			return err
		}
		res.finish(until)
	}
	return nil
}

// mayDelete reports whether a deletion in this name counts.
func (c *cycle) mayDelete(soul, by string, env oip.Envelope, indexed bool) bool {
	if by == "" {
		return false
	}
	if c.trusted[by] {
		return true
	}
	if oip.SoulPrefix(by) != soul[:oip.SoulPrefixLength] {
		return false
	}
	return !indexed || env.Creator.PublicKey == by
}

// bury keeps a tombstone and removes the document.
func (c *cycle) bury(ctx context.Context, r *run, res *result, indexed bool, now time.Time) error {
	value, err := json.Marshal(tombstone{By: res.by, At: now.UTC(), From: r.peer.id})
	if err != nil {
		return err
	}
	err = c.commit(ctx, state.Create(tombKey(res.soul), value), state.Delete(failKey(r.peer.id, ofDeletion(res.soul))))
	if err != nil && !errors.Is(err, state.ErrConflict) { // somebody else was faster
		return err
	}
	if indexed {
		r.count(func(n *Counts) { n.Deleted++ })
	}
	r.count(func(n *Counts) { n.Synced++ })
	return removeDocuments(ctx, c.opt.Records, c.lease.Fence(), oip.GunDID(res.soul))
}
