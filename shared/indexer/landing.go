package indexer

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// Invariant 6: a delete wins over its target whatever arrives first. A delete
// message becomes a tombstone before anything else happens; a document is looked
// up among the tombstones before it is written and again after; the message is
// stored as a record only when all its effects are done, so that a kill in
// between makes it be processed again.

// tomb is what a tombstone holds.
type tomb struct {
	Message string `json:"message"` // a delete message's transaction id, or messageHere
	// By and At say which owner had it removed from this node, and when.
	By string    `json:"by,omitempty"`
	At time.Time `json:"at,omitzero"`
}

// tombOps writes the tombstone of a delete message, and one item per message, so
// that a tombstone goes only with the last message for it.
func tombOps(v oip.Verified) []state.Op {
	d := v.Deletion()
	key := tombKey(d.Target, v.Creator(), d.Template)
	value, _ := json.Marshal(tomb{Message: v.ID()}) // a struct of text cannot fail
	return []state.Op{state.Put(key, value), state.Put(messageKey(key, v.ID()), value)}
}

// messageKey names a message under its tombstone.
func messageKey(tombstone state.Key, id string) state.Key {
	return state.Key{Space: spaceTomb + "-by", ID: tombstone.ID + "/" + id}
}

// hasTomb reports whether a target's own creator has deleted it.
func (c *cycle) hasTomb(ctx context.Context, did, creator string, template bool) (bool, error) {
	_, ok, err := state.GetOne(ctx, c.opt.State, tombKey(did, creator, template))
	if err != nil {
		return false, fmt.Errorf("read tombstone: %w", err)
	}
	return ok, nil
}

// tombsOf reports which of the transactions their own creator has deleted.
func (c *cycle) tombsOf(ctx context.Context, items []*item) (map[string]bool, error) {
	var keys []state.Key
	ids := make(map[state.Key]string)
	for _, it := range items {
		if it.verified == nil || it.verified.Deletion() != nil {
			continue
		}
		k := tombKey(oip.DID(it.node.ID), it.verified.Creator(), it.verified.Template() != nil)
		keys, ids[k] = append(keys, k), it.node.ID
	}
	found := make(map[string]bool)
	for part := range chunks(keys, state.MaxGet) {
		got, err := c.opt.State.Get(ctx, part...)
		if err != nil {
			return nil, fmt.Errorf("read tombstones: %w", err)
		}
		for _, item := range got {
			found[ids[item.Key]] = true
		}
	}
	return found, nil
}

// deletedEntry settles the id of a deleted transaction.
func deletedEntry(now time.Time, height int64) *Entry {
	return &Entry{State: EntryDeleted, Height: height, Since: now}
}

// effect carries out what signer's delete message does to a target, if it is
// indexed and the rule of authority allows it.
func (c *cycle) effect(ctx context.Context, target, signer string, template bool) error {
	stored, err := c.opt.Records.Get(ctx, []string{target}, true)
	if err != nil {
		return fmt.Errorf("read target of a delete: %w", err)
	}
	if len(stored) == 0 {
		return nil
	}
	env, err := oip.ParseEnvelope(stored[0].JSON)
	if err != nil {
		return err
	}
	switch (oip.Deletion{Target: target, Template: template}).EffectOn(signer, env, stored[0].Kind) {
	case oip.EffectRemove:
		// The entry first: the id is settled at any moment.
		if id, ok := oip.TxID(target); ok {
			if err := c.settleDeleted(ctx, id, height(env)); err != nil {
				return err
			}
		}
		c.count(func(n *Counts) { n.Deleted++ })
		return c.remove(ctx, env)
	case oip.EffectHide:
		if stored[0].Kind == oip.KindTemplate {
			id, _ := oip.TxID(target)
			c.dir.setDeleted(id, true)
			return c.showTemplate(ctx, id, target)
		}
		return c.hide(ctx, target, true)
	}
	return nil
}

// settleDeleted makes an id's entry say that it is deleted, whatever it says now.
func (c *cycle) settleDeleted(ctx context.Context, id string, height int64) error {
	now, err := c.entriesOf(ctx, []string{id})
	if err != nil {
		return err
	}
	if e := now[id]; e != nil && e.State == EntryDeleted {
		return nil
	}
	return c.apply(ctx, []change{{id, now[id], deletedEntry(c.opt.Now(), height)}})
}

// remove deletes a document. Deleted templates that nothing else uses are hidden
// first: after a kill in between it is removed again.
func (c *cycle) remove(ctx context.Context, env oip.Envelope) error {
	for _, id := range env.Templates {
		if err := c.showTemplate(ctx, id, env.DID); err != nil {
			return err
		}
	}
	_, err := c.writeDocs(ctx, []records.Op{{Delete: env.DID}})
	return err
}

// hide sets or clears the hidden flag of a document; one that is not there is fine.
func (c *cycle) hide(ctx context.Context, did string, hidden bool) error {
	_, err := c.writeDocs(ctx, []records.Op{{Patch: &oip.Patch{DID: did, Hidden: &hidden}}})
	return err
}

// showTemplate brings a template's hidden flag in line: a deleted template is
// hidden exactly while no indexed record uses it (spec section 6). A record that
// is about to go does not count.
func (c *cycle) showTemplate(ctx context.Context, id string, without string) error {
	t, err := c.dir.template(ctx, id)
	if err != nil || t == nil || !t.deleted {
		return err
	}
	used, err := c.used(ctx, id, without)
	if err != nil {
		return err
	}
	return c.hide(ctx, oip.DID(id), !used)
}

// used reports whether an indexed record, other than one, uses a template.
func (c *cycle) used(ctx context.Context, id, without string) (bool, error) {
	page, err := c.opt.Records.Search(ctx, records.Query{Where: records.All{
		records.Is(records.FieldTemplateID, id),
		records.Not{Cond: records.Is(records.FieldDID, without)},
	}})
	if err != nil {
		return false, fmt.Errorf("count uses of a template: %w", err)
	}
	return page.Total > 0, nil
}

// landTemplate makes a template's document.
func (c *cycle) landTemplate(ctx context.Context, v oip.Verified, creator oip.CreatorRef) (oip.Document, error) {
	deleted, err := c.hasTomb(ctx, oip.DID(v.ID()), v.Creator(), true)
	if err != nil {
		return oip.Document{}, err
	}
	hidden := false
	if deleted {
		used, err := c.used(ctx, v.ID(), oip.DID(v.ID()))
		if err != nil {
			return oip.Document{}, err
		}
		hidden = !used
	}
	c.dir.replace(&knownTemplate{Template: v.Template(), deleted: deleted})
	return oip.Expand(v, oip.Setting{Creator: creator, IndexedAt: c.opt.Now(), Hidden: hidden})
}

// templates returns what Expand asks: the templates that are known.
func (c *cycle) templates(ctx context.Context, ids []string) (func(string) *oip.Template, error) {
	known := make(map[string]*oip.Template, len(ids))
	for _, id := range ids {
		t, err := c.dir.template(ctx, id)
		if err != nil {
			return nil, err
		}
		if t != nil {
			known[id] = t.Template
		}
	}
	return func(id string) *oip.Template { return known[id] }, nil
}

// ref is what a document says of its creator: the current registration.
func (c *cycle) ref(ctx context.Context, address string) (oip.CreatorRef, bool, error) {
	cr, ok, err := c.dir.creator(ctx, address)
	return cr.ref(address), ok, err
}

// landRegistration settles a registration: it claims the unique handle, becomes
// the creator's current registration if it is the latest, and hides the one it
// replaces.
func (c *cycle) landRegistration(ctx context.Context, v oip.Verified) (oip.Document, error) {
	handle, err := c.claim(ctx, creators, v, v.Registration().Handle)
	if err != nil {
		return oip.Document{}, err
	}
	next := creatorState{Tx: v.ID(), Order: orderOf(v.Height(), v.ID()), Handle: handle, Modulus: v.Registration().Modulus}
	current, err := c.promote(ctx, v.Creator(), next)
	if err != nil {
		return oip.Document{}, err
	}
	if err := c.showCurrent(ctx, v.Creator(), current.Tx); err != nil {
		return oip.Document{}, err
	}
	deleted, err := c.hasTomb(ctx, oip.DID(v.ID()), v.Creator(), false)
	if err != nil {
		return oip.Document{}, err
	}
	return c.expandRegistration(ctx, v, current.ref(v.Creator()), handle, deleted || current.Tx != v.ID())
}

// expandRegistration makes a registration's document.
func (c *cycle) expandRegistration(ctx context.Context, v oip.Verified, creator oip.CreatorRef, handle string, hidden bool) (oip.Document, error) {
	templates, err := c.templates(ctx, v.TemplateIDs())
	if err != nil {
		return oip.Document{}, err
	}
	return oip.Expand(v, oip.Setting{Creator: creator, OwnHandle: handle, Templates: templates, IndexedAt: c.opt.Now(), Hidden: hidden})
}

// promote makes a registration the current one of its address if it is later on
// the chain than the one that is, and returns the current one. Documents that
// carry the older one are marked for relabelling in the same Commit.
func (c *cycle) promote(ctx context.Context, address string, next creatorState) (creatorState, error) {
	now, ok, err := c.dir.creator(ctx, address)
	if err != nil {
		return creatorState{}, err
	}
	if ok && now.Tx != next.Tx && now.Order > next.Order {
		return now, nil
	}
	if ok && now.Tx == next.Tx && now.Order == next.Order && now.Handle == next.Handle {
		return now, nil
	}
	op, err := c.putJSON(creatorKey(address), next, now.version)
	if err != nil {
		return creatorState{}, err
	}
	ops := []state.Op{op}
	if ok {
		ops = append(ops, state.Put(relabelKey(address), []byte(next.Tx)))
	}
	if err := c.dir.changeCreator(address, func() error { return c.commit(ctx, ops...) }); err != nil {
		return creatorState{}, fmt.Errorf("creator %s: %w", address, err)
	}
	return next, nil
}

// showCurrent hides every registration of an address but the current one; that
// one is hidden only if its creator deleted it.
func (c *cycle) showCurrent(ctx context.Context, address, current string) error {
	others := records.Query{
		Where: records.All{
			records.Is(records.FieldKind, string(oip.KindCreator)),
			records.Is(records.FieldCreatorDID, oip.DID(address)),
			records.Not{Cond: records.Is(records.FieldHidden, "true")},
			records.Not{Cond: records.Is(records.FieldDID, oip.DID(current))},
		},
		Limit: relabelPage, EnvelopeOnly: true,
	}
	for {
		page, err := c.opt.Records.Search(ctx, others)
		if err != nil {
			return fmt.Errorf("find registrations: %w", err)
		}
		for _, hit := range page.Hits {
			if err := c.hide(ctx, hit.DID, true); err != nil {
				return err
			}
		}
		if others.After = page.Next; others.After == "" {
			break
		}
	}
	deleted, err := c.hasTomb(ctx, oip.DID(current), address, false)
	if err != nil {
		return err
	}
	return c.hide(ctx, oip.DID(current), deleted)
}

// height is an envelope's block, 0 while pending.
func height(env oip.Envelope) int64 {
	if env.InArweaveBlock == nil {
		return 0
	}
	return *env.InArweaveBlock
}
