package indexer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"oipnode/shared/gateway"
	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// anyVersion makes putJSON write whatever is stored.
const anyVersion = ^uint64(0)

// putJSON is the operation that stores a value as JSON: created for version 0,
// else only if the stored version is still this one.
func (c *cycle) putJSON(k state.Key, v any, version uint64) (state.Op, error) {
	text, err := encode(v)
	if err != nil {
		return state.Op{}, fmt.Errorf("encode %s/%s: %w", k.Space, k.ID, err)
	}
	switch version {
	case anyVersion:
		return state.Put(k, text), nil
	case 0:
		return state.Create(k, text), nil
	}
	return state.Update(k, text, version), nil
}

// encode is json.Marshal without the escapes for web pages, which would make six bytes of
// each & in the URLs of gateways.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

// opBatch collects operations into as few Commits as their limit allows.
// Operations that were added together are committed together.
type opBatch struct {
	c    *cycle
	ops  []state.Op
	size int // of ops, in bytes
	keys map[state.Key]bool
	adds map[string]int64
}

func (c *cycle) batch() *opBatch {
	return &opBatch{c: c, keys: make(map[state.Key]bool), adds: make(map[string]int64)}
}

// add takes up operations that belong together.
func (b *opBatch) add(ctx context.Context, ops ...state.Op) error {
	return b.addCounted(ctx, nil, ops...)
}

// addCounted takes up operations and the counters that move with them.
func (b *opBatch) addCounted(ctx context.Context, counts map[string]int64, ops ...state.Op) error {
	clash, size := false, 0
	for _, op := range ops {
		clash = clash || b.keys[op.Item.Key]
		size += op.Size()
	}
	// Room for the counters of both sides of every change, and for the guard.
	if clash || len(b.ops)+len(ops)+len(b.adds)+len(counts)+1 > state.MaxOps || b.size+size > state.MaxCommit-state.MaxOps*2*state.MaxKey {
		if err := b.commit(ctx); err != nil {
			return err
		}
	}
	for _, op := range ops {
		b.keys[op.Item.Key] = true
	}
	b.ops, b.size = append(b.ops, ops...), b.size+size
	for name, n := range counts {
		b.adds[name] += n
	}
	return nil
}

// commit makes everything taken up durable.
func (b *opBatch) commit(ctx context.Context) error {
	ops := b.ops
	for name, n := range b.adds {
		if n != 0 {
			ops = append(ops, state.Add(countKey(name), n))
		}
	}
	b.ops, b.size = nil, 0
	clear(b.keys)
	clear(b.adds)
	return b.c.commit(ctx, ops...)
}

// apply carries out changes of entries and brings the entries' versions up to date.
func (c *cycle) apply(ctx context.Context, changes []change) error {
	b := c.batch()
	for _, ch := range changes {
		ops, err := ch.ops()
		if err != nil {
			return err
		}
		counts := make(map[string]int64)
		ch.counts(counts)
		if err := b.addCounted(ctx, counts, ops...); err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
	}
	if err := b.commit(ctx); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	for _, ch := range changes {
		if ch.new != nil {
			ch.new.version = 1
			if ch.old != nil {
				ch.new.version = ch.old.version + 1
			}
		}
	}
	return nil
}

// wake makes everything that waits for a dependency due at once. The entries are
// worked in the ledger phase of the same cycle.
func (c *cycle) wake(ctx context.Context, d oip.Dependency) error {
	prefix := needKey(d, "").ID
	now := c.opt.Now()
	b := c.batch()
	err := state.Each(ctx, c.opt.State, spaceNeed, prefix, state.PrefixEnd(prefix), state.MaxGet, func(item state.Item) error {
		id := string(item.Value)
		got, ok, err := state.GetOne(ctx, c.opt.State, txKey(id))
		if err != nil || !ok {
			return err
		}
		old, err := parseEntry(got)
		if err != nil || !old.Due.After(now) {
			return err
		}
		woken := *old
		woken.Due, woken.Parked = wholeSecond(now), false
		ch := change{id, old, &woken}
		ops, err := ch.ops()
		if err != nil {
			return err
		}
		counts := make(map[string]int64)
		ch.counts(counts)
		return b.addCounted(ctx, counts, ops...)
	})
	if err != nil {
		return fmt.Errorf("wake %s %s: %w", d.Need, d.ID, err)
	}
	return b.commit(ctx)
}

// ledger works the entries that are due, oldest first. Each is worked once in a
// cycle: trying it again sets a later time.
func (c *cycle) ledger(ctx context.Context) error {
	var first state.Key
	for {
		if err := c.enough(ctx); err != nil {
			return err
		}
		until := dueKey(c.opt.Now().Add(time.Second), "").ID
		items, err := c.opt.State.Range(ctx, spaceDue, "", until, gateway.MaxLookup)
		if err != nil {
			return fmt.Errorf("read due entries: %w", err)
		}
		if len(items) == 0 {
			return nil
		}
		if items[0].Key == first {
			return fmt.Errorf("indexer: the ledger entry of %s stays due", items[0].Value)
		}
		first = items[0].Key
		ids := make([]string, 0, len(items))
		for _, item := range items {
			ids = append(ids, string(item.Value))
		}
		if err := c.workDue(ctx, items, ids); err != nil {
			return err
		}
		if err := c.pipe.flush(); err != nil {
			return err
		}
		c.progress()
	}
}

// workDue works one page of due entries: vanished ones are checked, the others
// go through the pipeline again.
func (c *cycle) workDue(ctx context.Context, items []state.Item, ids []string) error {
	entries, err := c.entriesOf(ctx, ids)
	if err != nil {
		return err
	}
	nodes, err := c.lookupAll(ctx, ids)
	if err != nil {
		return err
	}
	var missing []change
	b := c.batch()
	for i, id := range ids {
		e := entries[id]
		if e == nil || dueKey(e.Due, id) != items[i].Key {
			// Left by an entry that has changed since.
			if err := b.add(ctx, state.Delete(items[i].Key)); err != nil {
				return err
			}
			continue
		}
		n, found := nodes[id]
		switch {
		case e.State == EntryPending:
			if err := c.pipe.flush(); err != nil {
				return err
			}
			if err := c.checkPending(ctx, id, e, n, found); err != nil {
				return err
			}
		case !found || n.Height == 0 && !slices.Contains(c.opt.BootstrapCreators, id):
			again := waiting(e, c.opt.Now(), e.Height, e.State, "no gateway shows it in a block", e.Needs...)
			if again.Needs == nil {
				again.Needs = []oip.Dependency{{Need: oip.NeedData, ID: id}}
			}
			missing = append(missing, change{id, e, again})
		default:
			if err := c.pipe.submit(n); err != nil {
				return err
			}
		}
	}
	if err := b.commit(ctx); err != nil {
		return err
	}
	return c.apply(ctx, missing)
}

// lookupAll looks up transactions on the cycle's gateway, and those that it does
// not show on the others.
func (c *cycle) lookupAll(ctx context.Context, ids []string) (map[string]gateway.Node, error) {
	found := make(map[string]gateway.Node, len(ids))
	left := ids
	answered := false
	var lastErr error
	for _, gw := range c.gateways() {
		var nodes []gateway.Node
		err := c.askAround(ctx, gw, func(ctx context.Context) (err error) { nodes, err = gw.Lookup(ctx, left); return err })
		if err != nil {
			lastErr = err
			continue
		}
		answered = true
		for _, n := range nodes {
			if n.HasTags {
				found[n.ID] = n
			}
		}
		var rest []string
		for _, id := range left {
			if _, ok := found[id]; !ok {
				rest = append(rest, id)
			}
		}
		if left = rest; len(left) == 0 {
			break
		}
	}
	if !answered {
		return nil, fmt.Errorf("look up due entries: %w", lastErr)
	}
	return found, nil
}

// writeAttempts is how often documents that the store is too busy for are sent.
const writeAttempts = 5

// writeDocs writes documents and checks each one's own outcome. It repeats what
// the store was too busy for, and stops the cycle when that does not help, so
// that the checkpoint stays. A Conflict means that a newer runner is at work.
// In the results only OK, Missing and Poison are left.
func (c *cycle) writeDocs(ctx context.Context, ops []records.Op) ([]records.Result, error) {
	for i := range ops {
		ops[i].Fence = c.lease.Fence()
	}
	results := make([]records.Result, 0, len(ops))
	for len(ops) > 0 {
		if err := c.renew(ctx); err != nil {
			return nil, err
		}
		n := fitting(ops)
		part, err := c.writePart(ctx, ops[:n])
		if err != nil {
			return nil, fmt.Errorf("write documents: %w", err)
		}
		results = append(results, part...)
		ops = ops[n:]
	}
	return results, nil
}

// fitting is how many operations one Write takes.
func fitting(ops []records.Op) int {
	size := 0
	for i, op := range ops {
		if op.Put != nil {
			size += len(op.Put.JSON())
		}
		if i > 0 && (size > records.MaxWriteBytes || i == records.MaxOps) {
			return i
		}
	}
	return len(ops)
}

// errBusyStore is a store that stays too busy.
var errBusyStore = errors.New("the record store is overloaded")

func (c *cycle) writePart(ctx context.Context, ops []records.Op) ([]records.Result, error) {
	results := make([]records.Result, len(ops))
	at := make([]int, len(ops))
	for i := range at {
		at[i] = i
	}
	for try := range writeAttempts {
		got, err := c.opt.Records.Write(ctx, ops)
		if err != nil {
			if !errors.Is(err, records.ErrUnavailable) || try == writeAttempts-1 {
				return nil, err
			}
			got = make([]records.Result, len(ops))
			for i := range got {
				got[i].Status = records.Retry
			}
		}
		var again []records.Op
		var place []int
		for i, r := range got {
			switch r.Status {
			case records.Conflict:
				return nil, ErrLeaseLost
			case records.Retry:
				again, place = append(again, ops[i]), append(place, at[i])
			default:
				results[at[i]] = r
			}
		}
		if len(again) == 0 {
			return results, nil
		}
		ops, at = again, place
		if err := c.opt.Sleep(ctx, time.Second<<try); err != nil {
			return nil, err
		}
	}
	return nil, errBusyStore
}
