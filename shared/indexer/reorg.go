package indexer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"oipnode/shared/gateway"
	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// A fork moves a transaction: H -> no block -> H'. Its document stays and its
// height is changed in place. While it has no block it is pending, and is looked
// for until it is mined again or has been gone for GoneAfter.

// pendingPause is the pause between two looks at a pending transaction.
const pendingPause = 10 * time.Minute

// moved brings an indexed transaction to the height at which it is seen now. What
// follows from its place on the chain comes first: after a kill in between, the
// height still differs and all of it happens again.
func (c *cycle) moved(ctx context.Context, n gateway.Node, env oip.Envelope) error {
	handle, err := c.reposition(ctx, n, env)
	if err != nil {
		return err
	}
	patch := oip.Patch{DID: env.DID, Height: &n.Height, OwnHandle: handle}
	if _, err := c.writeDocs(ctx, []records.Op{{Patch: &patch}}); err != nil {
		return err
	}
	c.count(func(n *Counts) { n.Moved++ })
	entries, err := c.entriesOf(ctx, []string{n.ID})
	if err != nil {
		return err
	}
	e := entries[n.ID]
	if e == nil || e.State != EntryPending {
		return nil
	}
	var next *Entry // what it was before its block vanished
	if len(env.MissingTemplates) > 0 {
		next = waiting(nil, c.opt.Now(), n.Height, EntryPartial, missingTemplates, needs(env.MissingTemplates)...)
	}
	return c.apply(ctx, []change{{n.ID, e, next}})
}

// reposition moves the handle claim of a registration or an organization to its
// new order on the chain, and returns the handle that it has there; nil for other
// documents.
func (c *cycle) reposition(ctx context.Context, n gateway.Node, env oip.Envelope) (*string, error) {
	ns, ok := namespaceOf(env)
	if !ok {
		return nil, nil
	}
	cl, ok, err := c.claimOf(ctx, ns, n.ID)
	if err != nil || !ok {
		return nil, err
	}
	cl.order = orderOf(n.Height, n.ID)
	if _, err := c.place(ctx, ns, cl); err != nil {
		return nil, err
	}
	if err := c.finishHandles(ctx); err != nil {
		return nil, err
	}
	if ns == creators {
		if err := c.reelect(ctx, cl.Address); err != nil {
			return nil, err
		}
	}
	cl, _, err = c.claimOf(ctx, ns, n.ID)
	return &cl.Handle, err
}

// namespaceOf is the namespace in which a document holds a handle.
func namespaceOf(env oip.Envelope) (namespace, bool) {
	switch env.RecordType {
	case oip.TypeRegistration:
		return creators, true
	case oip.TypeOrganization:
		return organizations, true
	}
	return "", false
}

// reelect finds an address's current registration again, after one of its
// registrations has moved or gone: the last of its claims. An address without any
// keeps what it has, since its key stays its key.
func (c *cycle) reelect(ctx context.Context, address string) error {
	var last string
	prefix := claimByKey(creators, address, "")
	err := state.Each(ctx, c.opt.State, prefix.Space, prefix.ID, state.PrefixEnd(prefix.ID), state.MaxRange, func(item state.Item) error {
		last = string(item.Value)
		return nil
	})
	if err != nil || last == "" {
		return err
	}
	cl, ok, err := c.claimOf(ctx, creators, last)
	if err != nil || !ok {
		return err
	}
	now, ok, err := c.dir.creator(ctx, address)
	if err != nil || !ok {
		return err
	}
	if now.Tx != cl.Tx || now.Order != cl.order || now.Handle != cl.Handle {
		next := creatorState{Tx: cl.Tx, Order: cl.order, Handle: cl.Handle, Modulus: now.Modulus}
		op, err := c.putJSON(creatorKey(address), next, now.version)
		if err != nil {
			return err
		}
		err = c.dir.changeCreator(address, func() error {
			return c.commit(ctx, op, state.Put(relabelKey(address), []byte(cl.Tx)))
		})
		if err != nil {
			return err
		}
	}
	return c.showCurrent(ctx, address, cl.Tx)
}

// findVanished looks for indexed transactions of the hot window that the gateway
// did not show there. Counting is enough to know that there are none: memory
// does not grow with the window.
func (c *cycle) findVanished(ctx context.Context, from, to int64) error {
	where := records.Between{Field: records.FieldHeight, Min: from, Max: to}
	counts, err := c.opt.Records.Count(ctx, where, "")
	if err != nil {
		return fmt.Errorf("count the hot window: %w", err)
	}
	if counts.Total <= c.pipe.confirmed() {
		return nil
	}
	q := records.Query{Where: where, Sort: []records.Sort{{Field: records.FieldHeight}}, Limit: gateway.MaxLookup, EnvelopeOnly: true}
	for {
		if err := c.enough(ctx); err != nil {
			return err
		}
		page, err := c.opt.Records.Search(ctx, q)
		if err != nil {
			return fmt.Errorf("read the hot window: %w", err)
		}
		if err := c.checkShown(ctx, page.Hits); err != nil {
			return err
		}
		if q.After = page.Next; q.After == "" {
			return nil
		}
	}
}

// checkShown asks the gateway for indexed transactions by their ids, and marks
// those pending that it says have no block, or that it does not know although it
// knows others.
func (c *cycle) checkShown(ctx context.Context, hits []records.Stored) error {
	envs := make(map[string]oip.Envelope, len(hits))
	ids := make([]string, 0, len(hits))
	for _, hit := range hits {
		env, err := oip.ParseEnvelope(hit.JSON)
		if err != nil {
			return err
		}
		if id, ok := oip.TxID(hit.DID); ok {
			envs[id], ids = env, append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var shown map[string]gateway.Node
	err := c.patiently(ctx, func() (err error) { shown, err = c.gw.Knows(ctx, ids); return err })
	if err != nil {
		return err
	}
	var absent []string
	for _, id := range ids {
		n, known := shown[id]
		switch {
		case !known:
			absent = append(absent, id)
		case n.Height == 0:
			err = c.vanished(ctx, id, envs[id])
		case n.Height != height(envs[id]):
			err = c.moved(ctx, n, envs[id])
		}
		if err != nil {
			return err
		}
	}
	if len(absent) == len(ids) {
		if err := c.trust(ctx); err != nil {
			return err
		}
	}
	return c.checkAbsent(ctx, absent, envs)
}

// checkAbsent deals with transactions that the cycle's gateway does not know at
// all. That can be its own gap, since most gateways have no bundled data: the
// others must agree, and one that cannot be asked leaves the question open.
func (c *cycle) checkAbsent(ctx context.Context, ids []string, envs map[string]oip.Envelope) error {
	for _, gw := range c.opt.Pool.All() {
		if gw == c.gw || len(ids) == 0 {
			continue
		}
		shown, err := gw.Knows(ctx, ids)
		if err != nil {
			c.log.Debug("cannot ask about vanished transactions", "gateway", gw.URL(), "error", err)
			return ctx.Err()
		}
		ids = slices.DeleteFunc(ids, func(id string) bool { return shown[id].Height > 0 })
	}
	for _, id := range ids {
		if err := c.vanished(ctx, id, envs[id]); err != nil {
			return err
		}
	}
	return nil
}

// vanished marks an indexed transaction as pending. The entry comes first: it is
// what makes sure that somebody looks again.
func (c *cycle) vanished(ctx context.Context, id string, env oip.Envelope) error {
	now := c.opt.Now()
	entries, err := c.entriesOf(ctx, []string{id})
	if err != nil {
		return err
	}
	if e := entries[id]; e == nil || e.State != EntryPending {
		next := &Entry{State: EntryPending, Height: height(env), Since: now, Due: now.Add(pendingPause), Detail: "its block vanished"}
		if err := c.apply(ctx, []change{{id, e, next}}); err != nil {
			return err
		}
	}
	_, err = c.writeDocs(ctx, []records.Op{{Patch: &oip.Patch{DID: oip.DID(id), Pending: true}}})
	c.count(func(n *Counts) { n.Vanished++ })
	return err
}

// checkPending looks again at a transaction whose block had vanished.
func (c *cycle) checkPending(ctx context.Context, id string, e *Entry, n gateway.Node, found bool) error {
	stored, err := c.opt.Records.Get(ctx, []string{oip.DID(id)}, true)
	if err != nil {
		return err
	}
	if len(stored) == 0 {
		// Deleted meanwhile: look at it as at any other transaction.
		next := &Entry{State: EntryWaiting, Height: e.Height, Since: c.opt.Now(), Needs: []oip.Dependency{{Need: oip.NeedData, ID: id}}}
		next.retryAfter(c.opt.Now())
		return c.apply(ctx, []change{{id, e, next}})
	}
	env, err := oip.ParseEnvelope(stored[0].JSON)
	if err != nil {
		return err
	}
	if found && n.Height > 0 {
		return c.moved(ctx, n, env)
	}
	now := c.opt.Now()
	if now.Sub(e.Since) >= c.opt.GoneAfter {
		// A gateway that shows nothing proves nothing.
		if err := c.allMiss(ctx, id); err == nil {
			return c.gone(ctx, id, e, env, "in no block for "+c.opt.GoneAfter.String())
		}
	}
	next := *e
	next.Due = now.Add(pendingPause)
	return c.apply(ctx, []change{{id, e, &next}})
}

// errShown is a gateway that has a transaction in a block after all.
var errShown = errors.New("a gateway shows it")

// allMiss returns nil if every gateway answers, knows some known transaction, and
// has this one in no block.
func (c *cycle) allMiss(ctx context.Context, id string) error {
	ids, err := c.knownIDs(ctx)
	if err != nil {
		return err
	}
	for _, gw := range c.opt.Pool.All() {
		known, err := gw.Knows(ctx, append(ids, id))
		if err != nil {
			return err
		}
		if known[id].Height > 0 {
			return errShown
		}
		delete(known, id)
		if len(known) == 0 && len(ids) > 0 {
			return fmt.Errorf("%s: %w", gw.URL(), errUntrusted)
		}
	}
	return nil
}

// Audit is kept for everything that the node removed by itself.
type Audit struct {
	At     time.Time `json:"at"`
	DID    string    `json:"did"`
	Reason string    `json:"reason"`
	Height int64     `json:"height"`
	// Since is when the transaction was first missed.
	Since time.Time `json:"since"`
}

// auditLife is how long an audit entry is kept.
const auditLife = 365 * 24 * time.Hour

// gone removes a transaction that has no right to be in the index, with an audit entry
// that says why, and takes back what it did: one that no block has contained for
// GoneAfter, with its entry e, or one that a check has found. The document goes behind
// that and the ledger's entry last, so that a kill in between makes it all happen again.
func (c *cycle) gone(ctx context.Context, id string, e *Entry, env oip.Envelope, why string) error {
	now := c.opt.Now()
	audit := Audit{At: now, DID: env.DID, Reason: why, Height: height(env), Since: now}
	if e != nil {
		audit.Height, audit.Since = e.Height, e.Since
	}
	op, err := c.putJSON(state.Key{Space: spaceAudit, ID: fmt.Sprintf("%012d-%s", now.Unix(), id)}, audit, anyVersion)
	if err != nil {
		return err
	}
	if err := c.commit(ctx, op.Until(now.Add(auditLife))); err != nil {
		return err
	}
	c.log.Warn("removed a transaction", "did", env.DID, "height", audit.Height, "reason", why)
	if env.DeleteMessage {
		if err := c.takeBack(ctx, id, env); err != nil {
			return err
		}
	}
	if ns, ok := namespaceOf(env); ok {
		if err := c.unclaim(ctx, ns, id); err != nil {
			return err
		}
		if address, ok := oip.TxID(env.Creator.DIDAddress); ok && ns == creators {
			if err := c.reelect(ctx, address); err != nil {
				return err
			}
		}
		if err := c.finishHandles(ctx); err != nil {
			return err
		}
	}
	if err := c.remove(ctx, env); err != nil {
		return err
	}
	c.count(func(n *Counts) { n.Gone++ })
	if e == nil {
		return nil
	}
	return c.apply(ctx, []change{{id: id, old: e}})
}

// takeBack undoes a delete message that vanished: its tombstone goes, unless
// another message asked for the same, and its target is fetched again.
func (c *cycle) takeBack(ctx context.Context, id string, env oip.Envelope) error {
	stored, err := c.opt.Records.Get(ctx, []string{env.DID}, false)
	if err != nil || len(stored) == 0 {
		return err
	}
	signer, _ := oip.TxID(env.Creator.DIDAddress)
	target := oip.StoredTarget(stored[0].JSON)
	template := env.RecordType == oip.TypeDeleteTemplate
	key := tombKey(target, signer, template)
	if err := c.commit(ctx, state.Delete(messageKey(key, id))); err != nil {
		return err
	}
	prefix := messageKey(key, "")
	left, err := c.opt.State.Range(ctx, prefix.Space, prefix.ID, state.PrefixEnd(prefix.ID), 1)
	if err != nil || len(left) > 0 {
		return err
	}
	if err := c.commit(ctx, state.Delete(key)); err != nil {
		return err
	}
	targetID, ok := oip.TxID(target)
	if !ok {
		return nil
	}
	return c.restore(ctx, target, targetID, signer, template)
}

// restore brings back what a delete message that vanished had removed or hidden,
// if it had the authority to.
func (c *cycle) restore(ctx context.Context, target, id, signer string, template bool) error {
	stored, err := c.opt.Records.Get(ctx, []string{target}, true)
	if err != nil {
		return err
	}
	if len(stored) > 0 {
		env, err := oip.ParseEnvelope(stored[0].JSON)
		if err != nil {
			return err
		}
		if (oip.Deletion{Target: target, Template: template}).EffectOn(signer, env, stored[0].Kind) != oip.EffectHide {
			return nil
		}
		if stored[0].Kind == oip.KindCreator {
			return c.reelect(ctx, signer)
		}
		c.dir.setDeleted(id, false)
		return c.hide(ctx, target, false)
	}
	entries, err := c.entriesOf(ctx, []string{id})
	if err != nil {
		return err
	}
	if e := entries[id]; e == nil || e.State != EntryDeleted {
		return nil
	}
	now := c.opt.Now()
	again := &Entry{State: EntryWaiting, Height: entries[id].Height, Since: now, Due: now,
		Needs: []oip.Dependency{{Need: oip.NeedData, ID: id}}, Detail: "its delete message vanished"}
	return c.apply(ctx, []change{{id, entries[id], again}})
}
