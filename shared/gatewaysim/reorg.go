package gatewaysim

import (
	"fmt"
	"slices"
)

// MaxReorg is the deepest reorganisation, in blocks: Arweave's fork depth.
const MaxReorg = 18

// Fate is what becomes of an item after its block was orphaned. The zero Fate
// is to stay pending for ever.
type Fate struct {
	// Height is the block it is mined in again, 0 for none. It may lie above
	// the tip; the item then stays pending until the tip is there.
	Height int64
	// Step is the first step at which it is in that block; until then it is
	// pending. A step that has passed means that nobody sees it pending.
	Step int64
}

// Reorg replaces the newest depth blocks, 1 to MaxReorg of them. Every item
// mined there loses its block and meets the fate that the function returns for
// it; a nil function leaves all of them pending. The tip stays: the new branch
// is as long as the old one, with other block ids. It returns the ids of the
// orphaned items, sorted.
//
// The function must not call the chain.
func (c *Chain) Reorg(depth int64, fate func(Item) Fate) ([]string, error) {
	if depth < 1 || depth > MaxReorg {
		return nil, fmt.Errorf("%w: %d blocks", ErrDepth, depth)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	first := max(c.tip-depth+1, 1)
	var orphans []string
	for _, s := range c.slots {
		if s.Height < first || s.Height > c.tip {
			continue
		}
		s.fate = Fate{}
		if fate != nil {
			s.fate = fate(s.Item)
		}
		if s.fate.Height < 0 {
			return nil, fmt.Errorf("%w: id %q at height %d", ErrItem, s.ID, s.fate.Height)
		}
		orphans = append(orphans, s.ID)
	}
	for h := first; h <= c.tip; h++ {
		c.forks[h]++
	}
	for _, id := range orphans {
		s := c.slots[id]
		c.move(s, 0)
		if s.fate.Height > 0 {
			c.due = append(c.due, s)
		}
	}
	c.version++
	c.settle()
	slices.Sort(orphans)
	return orphans, nil
}

// settle mines the orphans again whose time has come. c.mu is held.
func (c *Chain) settle() {
	c.due = slices.DeleteFunc(c.due, func(s *slot) bool {
		if c.step < s.fate.Step || c.tip < s.fate.Height {
			return false
		}
		c.move(s, s.fate.Height)
		return true
	})
}
