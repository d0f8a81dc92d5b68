package bolt

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"go.etcd.io/bbolt"

	"oipnode/shared/state"
)

// Commit implements state.Store. Once it is being written it cannot be stopped,
// so a cancelled Commit returns its context's error only if nothing was done.
func (s *Store) Commit(ctx context.Context, ops ...state.Op) error {
	if err := state.CheckCommit(ops); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(ops) == 0 {
		return nil
	}
	if err := s.queue.do(ctx, ops, s.write); err != nil {
		return fmt.Errorf("state commit: %w", err)
	}
	return nil
}

// write does Commits one after another in one transaction, and tells each its
// own result. A condition that fails in one leaves the others alone; an error of
// the file is everybody's.
func (s *Store) write(batch []*request) {
	err := s.update(func(tx *bbolt.Tx) error {
		w := writer{tx.Bucket(bucketItems), tx.Bucket(bucketExpiry), s.now().Unix()}
		wrote := false
		for _, r := range batch {
			changes, err := w.plan(r.ops)
			if errors.Is(err, ErrCorrupt) {
				return err
			}
			r.err = err
			if err != nil || len(changes) == 0 {
				continue
			}
			wrote = true
			for _, c := range changes {
				if err := w.apply(c); err != nil {
					return err
				}
			}
		}
		if !wrote {
			return errNothing
		}
		return nil
	})
	if err != nil && !errors.Is(err, errNothing) {
		for _, r := range batch {
			r.err = err
		}
	}
}

// writer is the state of one write transaction.
type writer struct {
	items, expiry *bbolt.Bucket
	second        int64
}

// change is a write that has been decided on.
type change struct {
	key []byte
	// before is the expiry of what the file has for the key now, 0 for none.
	before int64
	// after is what is to be stored; its zero value removes the key.
	after stored
}

// plan checks the conditions of a Commit and returns its changes. It changes
// nothing, so that a Commit whose last condition fails has left no trace; and as
// each key appears once, no operation depends on another.
func (w writer) plan(ops []state.Op) ([]change, error) {
	changes := make([]change, 0, len(ops))
	for _, op := range ops {
		c := change{key: itemKey(op.Item.Key)}
		var now stored // of version 0 when absent
		if raw := w.items.Get(c.key); raw != nil {
			v, err := parseStored(raw)
			if err != nil {
				return nil, err
			}
			c.before = v.expires
			if !v.expired(w.second) {
				now = v
			}
		}
		if err := check(op, now.version); err != nil {
			return nil, err
		}
		switch op.Kind {
		case state.OpCheck:
			continue
		case state.OpDelete, state.OpDeleteIf:
		default:
			c.after = stored{kindPlain, now.version + 1, state.Seconds(op.Item.Expires), op.Item.Value}
			if op.Kind == state.OpAdd {
				sum, err := add(op, now)
				if err != nil {
					return nil, err
				}
				c.after.kind, c.after.value = kindCounter, strconv.AppendInt(nil, sum, 10)
			}
		}
		changes = append(changes, c)
	}
	return changes, nil
}

// check tests the condition of an operation against the version that is stored,
// 0 for none.
func check(op state.Op, version uint64) error {
	want := op.Item.Version
	switch op.Kind {
	case state.OpCreate:
		want = 0
	case state.OpUpdate, state.OpDeleteIf, state.OpCheck:
	default:
		return nil
	}
	if version != want {
		return fmt.Errorf("%w: %q %q has version %d, not %d",
			state.ErrConflict, op.Item.Space, op.Item.ID, version, want)
	}
	return nil
}

// add returns the value of a counter after an OpAdd; now has version 0 when the
// counter is absent.
func add(op state.Op, now stored) (int64, error) {
	if now.version == 0 {
		return op.Delta, nil
	}
	if now.kind != kindCounter {
		return 0, fmt.Errorf("%w: %q %q is not a counter", state.ErrInvalid, op.Item.Space, op.Item.ID)
	}
	n, err := now.number()
	if err != nil {
		return 0, err
	}
	sum := n + op.Delta
	if (sum > n) != (op.Delta > 0) && op.Delta != 0 {
		return 0, fmt.Errorf("%w: %d and %d overflow counter %q %q",
			state.ErrInvalid, n, op.Delta, op.Item.Space, op.Item.ID)
	}
	return sum, nil
}

// apply makes a change, keeping the expiry bucket in step.
func (w writer) apply(c change) error {
	if c.before != 0 && c.before != c.after.expires {
		if err := w.expiry.Delete(expiryKey(c.before, c.key)); err != nil {
			return err
		}
	}
	if c.after.version == 0 {
		return w.items.Delete(c.key)
	}
	if c.after.expires != 0 && c.before != c.after.expires {
		if err := w.expiry.Put(expiryKey(c.after.expires, c.key), []byte{}); err != nil {
			return err
		}
	}
	return w.items.Put(c.key, c.after.encode())
}
