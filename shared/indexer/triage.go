package indexer

import (
	"context"
	"fmt"
	"slices"

	"oipnode/shared/gateway"
	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// triage decides for a page of transactions which of them are settled, and
// submits the others. A settled one that is seen at another height than before
// (a fork) is moved in place.
func (c *cycle) triage(ctx context.Context, nodes []gateway.Node) error {
	heads, err := c.heads(ctx, nodes)
	if err != nil {
		return err
	}
	var open []gateway.Node
	for _, n := range nodes {
		env, indexed := heads[oip.DID(n.ID)]
		switch {
		case !indexed:
			open = append(open, n)
		case n.Height > 0 && (env.InArweaveBlock == nil || *env.InArweaveBlock != n.Height):
			if err := c.pipe.flush(); err != nil {
				return err
			}
			if err := c.moved(ctx, n, env); err != nil {
				return err
			}
			c.pipe.seen++
		default:
			c.pipe.seen++
		}
	}
	if err := c.heal(ctx, heads); err != nil {
		return err
	}
	if len(open) == 0 {
		return nil
	}
	ids := make([]string, 0, len(open))
	for _, n := range open {
		ids = append(ids, n.ID)
	}
	entries, err := c.entriesOf(ctx, ids)
	if err != nil {
		return err
	}
	open = slices.DeleteFunc(open, func(n gateway.Node) bool { return c.keeps(entries[n.ID]) })
	if open, err = c.withTags(ctx, open); err != nil {
		return err
	}
	for _, n := range open {
		if err := c.pipe.submit(n); err != nil {
			return err
		}
	}
	return nil
}

// heal finds what a runner may have left that lost its lease and died before it
// could look: a document whose creator had deleted it meanwhile, or that carries
// an older registration. Seeing it again puts it right.
func (c *cycle) heal(ctx context.Context, heads map[string]oip.Envelope) error {
	var tombs []state.Key
	var addresses []string
	byTomb := make(map[state.Key]oip.Envelope)
	for did, env := range heads {
		address, ok := oip.TxID(env.Creator.DIDAddress)
		if !ok {
			continue
		}
		addresses = append(addresses, address)
		// Templates have no record type; a used one is rightly shown.
		if env.RecordType != "" && !env.DeleteMessage && !env.Hidden {
			k := tombKey(did, address, false)
			tombs, byTomb[k] = append(tombs, k), env
		}
	}
	found, err := c.dir.prefetch(ctx, addresses, tombs)
	if err != nil {
		return fmt.Errorf("read creators and tombstones: %w", err)
	}
	for _, env := range heads {
		address, ok := oip.TxID(env.Creator.DIDAddress)
		if !ok {
			continue
		}
		ref, ok, err := c.ref(ctx, address)
		if err != nil {
			return err
		}
		if ok && (ref.DIDTx != env.Creator.DIDTx || ref.CreatorHandle != env.Creator.CreatorHandle) {
			if err := c.commit(ctx, state.Put(relabelKey(address), []byte(ref.DIDTx))); err != nil {
				return err
			}
		}
	}
	for _, item := range found {
		env := byTomb[item.Key]
		address, _ := oip.TxID(env.Creator.DIDAddress)
		if err := c.pipe.flush(); err != nil {
			return err
		}
		if err := c.effect(ctx, env.DID, address, false); err != nil {
			return err
		}
	}
	return nil
}

// heads reads the envelopes of those that are indexed.
func (c *cycle) heads(ctx context.Context, nodes []gateway.Node) (map[string]oip.Envelope, error) {
	dids := make([]string, 0, len(nodes))
	for _, n := range nodes {
		dids = append(dids, oip.DID(n.ID))
	}
	heads := make(map[string]oip.Envelope, len(nodes))
	for part := range chunks(dids, records.MaxGet) {
		stored, err := c.opt.Records.Get(ctx, part, true)
		if err != nil {
			return nil, fmt.Errorf("read envelopes: %w", err)
		}
		for _, s := range stored {
			env, err := oip.ParseEnvelope(s.JSON)
			if err != nil {
				return nil, err
			}
			heads[s.DID] = env
		}
	}
	return heads, nil
}

// entriesOf reads what the ledger knows of these transactions.
func (c *cycle) entriesOf(ctx context.Context, ids []string) (map[string]*Entry, error) {
	keys := make([]state.Key, 0, len(ids))
	for _, id := range ids {
		keys = append(keys, txKey(id))
	}
	entries := make(map[string]*Entry)
	for part := range chunks(keys, state.MaxGet) {
		items, err := c.opt.State.Get(ctx, part...)
		if err != nil {
			return nil, fmt.Errorf("read ledger: %w", err)
		}
		for _, item := range items {
			e, err := parseEntry(item)
			if err != nil {
				return nil, err
			}
			entries[item.ID] = e
		}
	}
	return entries, nil
}

// keeps reports whether an entry settles its transaction for now: it waits and
// is not due, is deleted, or was judged by the present rules on the bytes of
// every gateway that could be asked.
func (c *cycle) keeps(e *Entry) bool {
	if e == nil {
		return false
	}
	switch e.State {
	case EntryDeleted:
		return true
	case EntryRejected:
		return e.Rules == c.rules && c.allJudged(e)
	default:
		return e.Due.After(c.opt.Now())
	}
}

// allJudged reports whether no gateway could have other bytes than were judged. One
// that was asked in vain is asked again after a while, a new one at once.
func (c *cycle) allJudged(e *Entry) bool {
	resting := c.opt.Now().Before(e.Recheck)
	for _, g := range c.gateways() {
		if name := gatewayName(g); !slices.Contains(e.Gateways, name) && !(resting && slices.Contains(e.Asked, name)) {
			return false
		}
	}
	return true
}

// withTags reads the tags of those that came without them (id-only scans, rows
// that a gateway could not show). What cannot be read now goes on without; the
// judge makes it wait.
func (c *cycle) withTags(ctx context.Context, nodes []gateway.Node) ([]gateway.Node, error) {
	var bare []string
	for _, n := range nodes {
		if !n.HasTags {
			bare = append(bare, n.ID)
		}
	}
	if len(bare) == 0 {
		return nodes, nil
	}
	known := make(map[string]gateway.Node)
	for _, g := range c.gateways() {
		for ids := range chunks(bare, gateway.MaxLookup) {
			var found []gateway.Node
			err := c.askAround(ctx, g, func(ctx context.Context) (err error) { found, err = g.Lookup(ctx, ids); return err })
			if err != nil {
				c.log.Warn("look up tags", "gateway", g.URL(), "error", err)
				break
			}
			for _, n := range found {
				known[n.ID] = n
			}
		}
		bare = slices.DeleteFunc(bare, func(id string) bool { return known[id].HasTags })
		if len(bare) == 0 {
			break
		}
	}
	out := make([]gateway.Node, 0, len(nodes))
	for _, n := range nodes {
		if k, ok := known[n.ID]; ok && !n.HasTags {
			if k.Height == 0 {
				k.Height = n.Height
			}
			n = k
		}
		out = append(out, n)
	}
	return out, nil
}
