package gun

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/oip/canon"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// publisherLife is how long a publisher at the node's own relay is remembered without
// a record of it being processed.
const publisherLife = 30 * 24 * time.Hour

// begin reads what the cycle must know first: this node's id, which is the configured
// one, or the one that was made in the first cycle and is kept.
func (c *cycle) begin(ctx context.Context) error {
	items, err := c.opt.State.Get(ctx, keyNode, keyCleared)
	if err != nil {
		return err
	}
	kept := ""
	for _, item := range items {
		if item.Key == keyNode {
			kept = string(item.Value)
		} else {
			c.cleared = item.Version
		}
	}
	if c.node = c.opt.NodeID; kept != "" && (c.node == "" || c.node == kept) {
		c.node = kept
		return nil
	}
	if c.node == "" {
		var id [8]byte
		_, _ = rand.Read(id[:]) // never fails
		c.node = "oipnode-" + hex.EncodeToString(id[:])
	}
	return c.commit(ctx, state.Put(keyNode, []byte(c.node)))
}

// relay is the client of the node's own relay, nil when it has none.
func (c *cycle) relay() *peer {
	for _, p := range c.peers {
		if p.relay {
			return p
		}
	}
	return nil
}

// publish finishes what Delete has begun: documents that are still there are removed,
// and the relay's deletion registry is told. A deletion leaves the outbox only when the
// relay has taken it.
func (c *cycle) publish(ctx context.Context, end time.Time) error {
	err := state.Each(ctx, c.opt.State, spaceGone, "", "", state.MaxOps-1, func(item state.Item) error {
		if err := removeDocuments(ctx, c.opt.Records, anyFence, oip.GunDID(item.ID)); err != nil {
			return err
		}
		return c.commit(ctx, state.Delete(item.Key))
	})
	relay := c.relay()
	if err != nil || relay == nil {
		return err
	}
	until, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	var down error
	err = state.Each(ctx, c.opt.State, spaceOut, "", "", state.MaxGet, func(item state.Item) error {
		var o outgoing
		if err := decode(item, &o); err != nil {
			return err
		}
		if down = c.tell(until, relay, item.ID, o); down != nil {
			return errStop
		}
		c.common.Published++
		err := c.commit(ctx, state.DeleteIf(item.Key, item.Version))
		if errors.Is(err, state.ErrConflict) {
			return nil // deleted once more: it is told once more
		}
		return err
	})
	if errors.Is(err, errStop) {
		c.common.Errors++
		c.common.because(reasonOf(down), 1)
		c.log.Warn("the node's own relay does not take deletions; they are kept", "error", down)
		return nil
	}
	return err
}

// tell writes a deletion into the registry of a relay: what it is first, so that
// whoever finds it in the index can read it.
func (c *cycle) tell(ctx context.Context, relay *peer, soul string, o outgoing) error {
	did := oip.GunDID(soul)
	node, err := json.Marshal(map[string]any{
		"did": did, "deletedAt": oip.FormatTime(o.At), "deletedBy": o.By, "timestamp": o.At.UnixMilli(),
	})
	if err != nil {
		return err
	}
	if err := relay.put(ctx, DeletedSoul(did), node); err != nil {
		return err
	}
	return relay.put(ctx, DeletedIndexSoul(), append(append([]byte{'{'}, canon.AppendString(nil, did)...), ":true}"...))
}

// owners is where the search for the node's own records goes on.
type owners struct {
	Publisher string         `json:"publisher,omitempty"`
	Creators  records.Cursor `json:"creators,omitempty"`
}

// ownersPage is how many publishers of each kind are looked after in one cycle.
const ownersPage = 50

// registerOwn finds the records that this node must register, so that others find them:
// those that its own relay holds and that no registry index there names. A relay can be
// asked for the records of one publisher only, so the publishers that are known take
// turns: those who have registered on the chain, and those whose records came from this
// relay before. It is called behind a complete reading of the relay's registry, so that
// what is registered there has been seen.
func (r *run) registerOwn(ctx, until context.Context) error {
	var at owners
	item, ok, err := state.GetOne(ctx, r.opt.State, keyOwners)
	if err != nil {
		return err
	}
	if ok {
		if err := decode(item, &at); err != nil {
			return err
		}
	}
	prefixes, next, err := r.publishers(ctx, at)
	if err != nil {
		return err
	}
	for _, prefix := range prefixes {
		if done, err := r.registerOf(ctx, until, prefix); err != nil || !done {
			return err // the same ones are looked at again
		}
	}
	if next == at {
		return nil
	}
	op, err := putJSON(keyOwners, next)
	if err != nil {
		return err
	}
	return r.commit(ctx, op)
}

// publishers are the soul prefixes of the publishers whose turn it is, each once.
func (r *run) publishers(ctx context.Context, at owners) (prefixes []string, next owners, err error) {
	known := make(map[string]bool)
	add := func(prefix string) {
		if !known[prefix] {
			known[prefix] = true
			prefixes = append(prefixes, prefix)
		}
	}
	from := at.Publisher
	if from != "" {
		from += "\x00"
	}
	items, err := r.opt.State.Range(ctx, spacePublisher, from, "", ownersPage)
	if err != nil {
		return nil, at, err
	}
	for _, item := range items {
		add(item.ID)
	}
	if len(items) == ownersPage {
		next.Publisher = items[len(items)-1].ID
	}
	page, err := r.opt.Records.Search(ctx, records.Query{
		Where: records.Is(records.FieldKind, string(oip.KindCreator)), Limit: ownersPage, After: at.Creators, EnvelopeOnly: true,
	})
	if errors.Is(err, records.ErrCursor) {
		return prefixes, next, nil // of another engine: it begins again
	}
	if err != nil {
		return nil, at, fmt.Errorf("list the creators: %w", err)
	}
	for _, hit := range page.Hits {
		env, err := oip.ParseEnvelope(hit.JSON)
		if err != nil {
			return nil, at, err
		}
		if env.Creator.PublicKey != "" {
			add(oip.SoulPrefix(env.Creator.PublicKey))
		}
	}
	next.Creators = page.Next
	return prefixes, next, nil
}

// maxListed bounds how many records of one publisher are listed in one turn.
const maxListed = 100_000

// registerOf processes and registers the records of one publisher. It reports whether
// it came to the end.
func (r *run) registerOf(ctx, until context.Context, prefix string) (done bool, err error) {
	for offset := 0; offset < maxListed; offset += listPage {
		var page []entry
		n, err := r.peer.list(until, prefix, offset, func(soul string, storedAt int64) error {
			if oip.ValidSoul(soul) && soul[:oip.SoulPrefixLength] == prefix && len(page) < listPage {
				page = append(page, entry{soul: soul, own: true})
			}
			return nil
		})
		r.answered(until, err)
		if errors.Is(err, ErrAbsent) {
			return true, nil
		}
		if err != nil {
			r.failed(until, "list", err)
			return until.Err() == nil, nil
		}
		if done, err := r.registerPage(ctx, until, page); err != nil || !done {
			return false, err
		}
		if n < listPage {
			return true, nil
		}
	}
	return true, nil
}

// registerPage processes a page of a list, and registers what is new in it.
func (r *run) registerPage(ctx, until context.Context, page []entry) (done bool, err error) {
	for len(page) > 0 {
		n := min(len(page), lookups)
		x := &index{r: r, what: "own", open: make(map[int]time.Time)}
		more, err := r.take(ctx, until, x, page[:n])
		x.wait.Wait()
		if err != nil || !more {
			return false, err
		}
		if done, err := r.register(ctx, until, page[:n]); err != nil || !done {
			return false, err
		}
		page = page[n:]
	}
	return true, nil
}

// register registers those records that were found by the list alone, are in the index
// as this relay serves them, and are not registered yet.
func (r *run) register(ctx, until context.Context, page []entry) (done bool, err error) {
	keys := make([]state.Key, 0, 2*len(page))
	for _, e := range page {
		keys = append(keys, seenKey(r.peer.id, e.soul), ownKey(e.soul))
	}
	items, err := r.opt.State.Get(ctx, keys...)
	if err != nil {
		return false, err
	}
	own, registered := make(map[state.Key]bool), make(map[state.Key]bool)
	for _, item := range items {
		if item.Space == spaceOwn {
			registered[item.Key] = true
			continue
		}
		var s seen
		if err := decode(item, &s); err != nil {
			return false, err
		}
		own[item.Key] = s.Own && s.Hash != ""
	}
	var dids []string
	for _, e := range page {
		if own[seenKey(r.peer.id, e.soul)] && !registered[ownKey(e.soul)] {
			dids = append(dids, oip.GunDID(e.soul))
		}
	}
	if len(dids) == 0 {
		return true, nil
	}
	found, err := envelopes(ctx, r.opt.Records, dids)
	if err != nil {
		return false, err
	}
	for did, env := range found {
		if env.Gun == nil || env.Gun.Source != r.peer.id {
			continue
		}
		soul, _ := oip.Soul(did)
		if err := r.announceRecord(until, soul, env); err != nil {
			r.answered(until, err)
			r.failed(until, "registration", err)
			return false, nil
		}
		r.count(func(n *Counts) { n.Registered++ })
		if err := r.commit(ctx, state.Put(ownKey(soul), nil)); err != nil {
			return false, err
		}
	}
	return true, nil
}

// announceRecord writes a record into the registry of the node's own relay: what this
// node says of it first, then the entry of the index.
func (r *run) announceRecord(ctx context.Context, soul string, env oip.Envelope) error {
	now := r.opt.Now().UnixMilli()
	node, err := json.Marshal(map[string]any{
		"did": env.DID, "soul": soul, "recordType": env.RecordType, "creatorPubKey": env.Creator.PublicKey,
		"nodeId": r.node, "timestamp": now, "oipVersion": env.Ver,
	})
	if err != nil {
		return err
	}
	if err := r.peer.put(ctx, NodeSoul(r.opt.Root, r.node, soul), node); err != nil {
		return err
	}
	index, err := json.Marshal(map[string]any{soul: map[string]any{"soul": soul, "nodeId": r.node, "timestamp": now}})
	if err != nil {
		return err
	}
	return r.peer.put(ctx, IndexSoul(r.opt.Root, env.RecordType), index)
}
