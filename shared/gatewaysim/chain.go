package gatewaysim

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"oipnode/shared/oip"
	"oipnode/shared/upstream"
)

var (
	// ErrItem is returned for an item that no chain could hold.
	ErrItem = errors.New("gatewaysim: impossible item")
	// ErrExists is returned by Add for an id that the chain already has.
	ErrExists = errors.New("gatewaysim: id exists")
	// ErrNoItem is returned for an id that the chain does not have.
	ErrNoItem = errors.New("gatewaysim: no such item")
	// ErrDepth is returned by Reorg for a depth outside 1 to MaxReorg.
	ErrDepth = errors.New("gatewaysim: depth out of range")
)

// Item is a transaction or a data item of a bundle. Its slices are shared, not
// copied: nobody may change them once the item is in a chain.
type Item struct {
	// ID is 43 characters of base64url.
	ID   string
	Tags []oip.Tag
	Data []byte
	// Owner is the address that paid, the one that GraphQL's owners filter
	// compares; nothing else depends on it.
	Owner string
	// Height is the block it is mined in. 0 is pending: listed without a block,
	// its data answered with 202. Above the chain's tip it lies in the future
	// and nobody sees it.
	Height int64
	// Bundled marks a data item: only gateways that unpack bundles have it.
	Bundled bool
	// VisibleAt is the step from which on gateways have it, whatever its height:
	// a bundle that was unpacked late. 0 is from the beginning.
	VisibleAt int64
}

// Chain is the one truth that any number of simulated gateways serve. All
// methods are safe for concurrent use.
//
// Two clocks move it: the tip (SetTip), below which blocks exist, and the step
// (Step), which reveals late items and settles reorganisations. Neither moves
// by itself.
type Chain struct {
	mu    sync.RWMutex
	tip   int64
	step  int64
	slots map[string]*slot
	byTag map[oip.Tag][]*slot
	forks map[int64]int // by height: how often a reorganisation replaced the block
	due   []*slot       // orphans that wait to be mined again
	// version changes with everything a gateway could see.
	version uint64
}

// slot is the place of one id. Its entry is replaced, never changed, so that
// readers may keep entries after they let go of the lock.
type slot struct {
	*entry
	fate Fate
}

// entry is one immutable state of an item.
type entry struct {
	Item
	hash uint64 // of the id; gateways derive their order inside a block from it
}

// NewChain returns an empty chain whose newest block is tip.
func NewChain(tip int64) *Chain {
	return &Chain{
		tip:   tip,
		slots: map[string]*slot{},
		byTag: map[oip.Tag][]*slot{},
		forks: map[int64]int{},
	}
}

// Add puts items into the block at this height, or leaves them pending when it
// is 0; it overrides their Height. It stops at the first item that fails, with
// ErrItem or ErrExists; the items before it are in.
func (c *Chain) Add(height int64, items ...Item) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, it := range items {
		if height < 0 || !validID(it.ID) {
			return fmt.Errorf("%w: id %q at height %d", ErrItem, it.ID, height)
		}
		if _, ok := c.slots[it.ID]; ok {
			return fmt.Errorf("%w: %s", ErrExists, it.ID)
		}
		it.Height = height
		s := &slot{entry: &entry{Item: it, hash: upstream.Hash(it.ID)}}
		c.slots[it.ID] = s
		for i, t := range it.Tags {
			if !slices.Contains(it.Tags[:i], t) {
				c.byTag[t] = append(c.byTag[t], s)
			}
		}
		c.version++
	}
	return nil
}

// Remove forgets an item, as if it had never been; an unknown id is fine.
func (c *Chain) Remove(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.slots[id]
	if !ok {
		return
	}
	delete(c.slots, id)
	for _, t := range s.Tags {
		c.byTag[t] = slices.DeleteFunc(c.byTag[t], func(o *slot) bool { return o == s })
		if len(c.byTag[t]) == 0 {
			delete(c.byTag, t)
		}
	}
	c.due = slices.DeleteFunc(c.due, func(o *slot) bool { return o == s })
	c.version++
}

// Mine moves an item to a block, wherever it was; height 0 makes it pending.
// It replaces what a Reorg had in store for it.
func (c *Chain) Mine(id string, height int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.slots[id]
	if !ok {
		return fmt.Errorf("%w: %s", ErrNoItem, id)
	}
	if height < 0 {
		return fmt.Errorf("%w: id %q at height %d", ErrItem, id, height)
	}
	c.due = slices.DeleteFunc(c.due, func(o *slot) bool { return o == s })
	c.move(s, height)
	return nil
}

// move gives the slot a new state at another height. c.mu is held.
func (c *Chain) move(s *slot, height int64) {
	next := *s.entry
	next.Height = height
	s.entry = &next
	c.version++
}

// SetTip makes h the newest block. Backwards is possible too: the items above
// are in the future again.
func (c *Chain) SetTip(h int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tip = h
	c.version++
	c.settle()
}

// Tip is the height of the newest block.
func (c *Chain) Tip() int64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.tip
}

// Step moves the step clock on by one and returns the new step. A chain begins
// at step 0.
func (c *Chain) Step() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step++
	c.version++
	c.settle()
	return c.step
}

// Now is the current step.
func (c *Chain) Now() int64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.step
}

// Get returns an item, even one that no gateway shows yet.
func (c *Chain) Get(id string) (Item, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	s, ok := c.slots[id]
	if !ok {
		return Item{}, false
	}
	return s.Item, true
}

// All yields every item as it is now, ascending by (height, id), pending ones
// first. It iterates over a snapshot: the loop may change the chain.
func (c *Chain) All() iter.Seq[Item] { return c.items(func(*entry) bool { return true }) }

// Visible yields, in the order of All, the items that an honest gateway which
// unpacks bundles shows now. It is what a model of the indexer starts from.
func (c *Chain) Visible() iter.Seq[Item] { return c.items(c.visible) }

func (c *Chain) items(keep func(*entry) bool) iter.Seq[Item] {
	c.mu.RLock()
	entries := make([]*entry, 0, len(c.slots))
	for _, s := range c.slots {
		if keep(s.entry) {
			entries = append(entries, s.entry)
		}
	}
	c.mu.RUnlock()
	slices.SortFunc(entries, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.Height, b.Height), cmp.Compare(a.ID, b.ID))
	})
	return func(yield func(Item) bool) {
		for _, e := range entries {
			if !yield(e.Item) {
				return
			}
		}
	}
}

// visible reports whether gateways can know the entry. c.mu is held.
func (c *Chain) visible(e *entry) bool { return e.VisibleAt <= c.step && e.Height <= c.tip }

// lookup returns the entry of an id that gateways can know, or nil.
func (c *Chain) lookup(id string) *entry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if s, ok := c.slots[id]; ok && c.visible(s.entry) {
		return s.entry
	}
	return nil
}

// clocks returns tip, step and version of one moment.
func (c *Chain) clocks() (tip, step int64, version uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.tip, c.step, c.version
}
