package indexer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// An owner can have a record removed from this node alone, without a delete message on
// the chain. The removal is a tombstone in the name of the record's creator, which is
// where every path looks before and after it writes a document: windows, rescans, the
// warm and the cold pass, the ledger. So nothing brings the record back (invariant 6),
// and a delete message that comes or vanishes later changes nothing.
//
// Whoever serves the owner holds no lease. It writes only what is no condition of
// anything that a cycle writes: the tombstone, a mark that makes the next cycle settle
// the id, and the document's end. The tombstone comes first: after a kill in between,
// the next cycle removes the document.

// messageHere stands for the delete message under the tombstone of a removal. It is no
// id of a transaction, so no message that vanishes takes it away.
const messageHere = "here"

// ErrNotRemovable is returned by Remove for what others need: templates, registrations,
// delete messages; and for what is not from the chain.
var ErrNotRemovable = errors.New("indexer: only records and organizations of the chain can be removed")

// removal is the mark of a removal that no cycle has settled yet.
type removal struct {
	Height int64 `json:"height,omitempty"`
	// Templates are those that the document used. Of them, deleted ones may have to be
	// hidden now.
	Templates []string `json:"templates,omitempty"`
}

// anyFence is the fence of a removal: it is right whoever wrote the document, since the
// tombstone is durable, and a document that is gone keeps no fence.
const anyFence = math.MaxUint64

// Remove removes a document of the record store for good, because its owner by wants it.
// That by may do so is the caller's to know. When it returns nil, no method of the store
// shows the document, and no cycle will ever index it again. After an error it may be
// done or not; repeating it is harmless.
func Remove(ctx context.Context, r records.Store, s state.Store, doc records.Stored, by string, now time.Time) error {
	env, err := oip.ParseEnvelope(doc.JSON)
	if err != nil {
		return err
	}
	id, ok := oip.TxID(doc.DID)
	creator, known := oip.TxID(env.Creator.DIDAddress)
	if !ok || !known || env.DID != doc.DID || (oip.Deletion{Target: doc.DID}).EffectOn(creator, env, doc.Kind) != oip.EffectRemove {
		return fmt.Errorf("%w: %s is a %s", ErrNotRemovable, doc.DID, doc.Kind)
	}
	mark := removal{Height: height(env)}
	for _, t := range env.Templates {
		mark.Templates = append(mark.Templates, t)
	}
	stone, errStone := json.Marshal(tomb{Message: messageHere, By: by, At: now.UTC()})
	value, errMark := json.Marshal(mark)
	if err := errors.Join(errStone, errMark); err != nil {
		return err
	}
	key := tombKey(doc.DID, creator, false)
	err = s.Commit(ctx, state.Put(key, stone), state.Put(messageKey(key, messageHere), stone),
		state.Put(removalKey(id), value), state.Put(keyRemovals, nil))
	if err != nil {
		return fmt.Errorf("tombstone of %s: %w", doc.DID, err)
	}
	results, err := r.Write(ctx, []records.Op{{Delete: doc.DID, Fence: anyFence}})
	if err != nil {
		return fmt.Errorf("remove %s: %w", doc.DID, err)
	}
	if status := results[0].Status; status != records.OK && status != records.Missing {
		return fmt.Errorf("remove %s: %w: %s", doc.DID, records.ErrUnavailable, results[0].Detail)
	}
	return nil
}

// removals settles the removals since the last cycle: the ids get their entries, so that
// nothing is fetched again for them, and what a kill left of a document goes.
func (c *cycle) removals(ctx context.Context) error {
	flag, ok := c.begun[keyRemovals]
	if !ok {
		return nil
	}
	err := state.Each(ctx, c.opt.State, spaceRemoval, "", "", state.MaxGet, func(item state.Item) error {
		if err := c.enough(ctx); err != nil {
			return err
		}
		var r removal
		if err := json.Unmarshal(item.Value, &r); err != nil {
			return fmt.Errorf("removal of %s: %w", item.ID, err)
		}
		return c.settleRemoval(ctx, item.ID, r)
	})
	if err != nil {
		return err
	}
	err = c.commit(ctx, state.DeleteIf(keyRemovals, flag.Version))
	if errors.Is(err, state.ErrConflict) {
		return nil // another removal since the cycle began: the next one's work
	}
	return err
}

// settleRemoval does what effect does for a delete message, and takes the mark away last.
func (c *cycle) settleRemoval(ctx context.Context, id string, r removal) error {
	if err := c.settleDeleted(ctx, id, r.Height); err != nil {
		return err
	}
	did := oip.DID(id)
	for _, t := range r.Templates {
		if err := c.showTemplate(ctx, t, did); err != nil {
			return err
		}
	}
	if _, err := c.writeDocs(ctx, []records.Op{{Delete: did}}); err != nil {
		return err
	}
	c.count(func(n *Counts) { n.Deleted++ })
	return c.commit(ctx, state.Delete(removalKey(id)))
}
