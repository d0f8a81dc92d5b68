package gun

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

// ErrNotGun is returned by Delete for a DID that no GUN record can have.
var ErrNotGun = errors.New("gun: not the DID of a GUN record")

// tombstone is kept for a record that was deleted, without an end: whatever is seen of
// its soul later is not indexed.
type tombstone struct {
	// By is the public key or the node id that deleted it.
	By string    `json:"by,omitempty"`
	At time.Time `json:"at"`
	// From is the peer whose registry said so; empty when it was deleted here.
	From string `json:"from,omitempty"`
}

// outgoing is a deletion that the node's own relay must be told.
type outgoing struct {
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// Deletion is a wish of the owner of a record. That it is the owner is the caller's to
// have checked.
type Deletion struct {
	DID string
	// By is the owner's public key, which the deletion registry names.
	By string
}

// Delete deletes a GUN record at the request of its owner: the tombstone and the
// message for other nodes are written together, and then the document is removed. When
// it returned without an error, all of it is durable, and no sync brings the record
// back. After an error it may have happened in part: the tombstone comes first, and
// the next cycle or another call does the rest. Doing it again changes nothing.
//
// The next cycles write the deletion into the deletion registry of the node's own
// relay, until that has worked.
func Delete(ctx context.Context, s state.Store, r records.Store, d Deletion, now time.Time) error {
	soul, ok := oip.Soul(d.DID)
	if !ok {
		return fmt.Errorf("%w: %.80q", ErrNotGun, d.DID)
	}
	tomb, err := json.Marshal(tombstone{By: d.By, At: now.UTC()})
	if err != nil {
		return err
	}
	message, err := json.Marshal(outgoing{By: d.By, At: now.UTC()})
	if err != nil {
		return err
	}
	also := []state.Op{state.Put(outKey(soul), message), state.Put(goneKey(soul), nil)}
	err = s.Commit(ctx, append(also, state.Create(tombKey(soul), tomb))...)
	if errors.Is(err, state.ErrConflict) {
		// It is deleted already, here or by another node. That other nodes hear of it
		// once more does no harm.
		err = s.Commit(ctx, also...)
	}
	if err != nil {
		return fmt.Errorf("keep the deletion: %w", err)
	}
	if err := removeDocuments(ctx, r, anyFence, d.DID); err != nil {
		return err
	}
	return s.Commit(ctx, state.Delete(goneKey(soul)))
}

// anyFence is the fence of a removal that is right whoever wrote the document: its
// tombstone is durable, and a document that is gone keeps no fence.
const anyFence = math.MaxUint64

// removeDocuments removes documents whose tombstones are durable.
func removeDocuments(ctx context.Context, r records.Store, fence uint64, dids ...string) error {
	if len(dids) == 0 {
		return nil
	}
	ops := make([]records.Op, len(dids))
	for i, did := range dids {
		ops[i] = records.Op{Delete: did, Fence: fence}
	}
	results, err := r.Write(ctx, ops)
	if err != nil {
		return fmt.Errorf("remove deleted records: %w", err)
	}
	for _, result := range results {
		if result.Status != records.OK && result.Status != records.Missing {
			return fmt.Errorf("remove deleted records: %w: %s", errStore, result.Detail)
		}
	}
	return nil
}
