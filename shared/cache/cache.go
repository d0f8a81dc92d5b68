// Package cache keeps values for a while in bounded memory: the least recently used goes
// first, and the bound is one of bytes. The order is that of hashicorp's LRU; sizes, ages
// and the sharing of what is being made are added here.
package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/sync/singleflight"
)

// overhead is about what an entry takes besides its key and value, in bytes: the list's
// element, the map's, and headers.
const overhead = 256

// Options are the settings of a Cache.
type Options struct {
	// Bytes bounds what is kept, keys and overhead included. A value of more than an
	// eighth of it is not kept.
	Bytes int64
	// Life is how long a value is kept.
	Life time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Cache keeps byte slices, which nobody may change. It is safe for concurrent use.
type Cache struct {
	opt    Options
	making singleflight.Group

	mu    sync.Mutex
	lru   *simplelru.LRU[string, entry]
	bytes int64
}

type entry struct {
	value []byte
	end   time.Time
}

// New makes a Cache; nil when Bytes or Life are not positive: it then keeps nothing.
func New(o Options) *Cache {
	if o.Bytes <= 0 || o.Life <= 0 {
		return nil
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Cache{opt: o}
	// Entries have at least the overhead, so this many never come together.
	most := int(min(o.Bytes/overhead+1, 1<<31))
	c.lru, _ = simplelru.NewLRU(most, func(key string, e entry) { c.bytes -= size(key, e) })
	return c
}

func size(key string, e entry) int64 { return overhead + int64(len(key)+cap(e.value)) }

// Get returns the value of a key, if it is kept and lives.
func (c *Cache) Get(key string) ([]byte, bool) {
	if c == nil {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.lru.Get(key)
	if !ok {
		return nil, false
	}
	if now := c.opt.Now(); !now.Before(e.end) || e.end.Sub(now) > c.opt.Life { // a clock that was put back
		c.lru.Remove(key)
		return nil, false
	}
	return e.value, true
}

// Put keeps a value.
func (c *Cache) Put(key string, value []byte) {
	if c == nil {
		return
	}
	e := entry{value, c.opt.Now().Add(c.opt.Life)}
	n := size(key, e)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lru.Remove(key)
	if n > c.opt.Bytes/8 {
		return
	}
	for c.bytes+n > c.opt.Bytes {
		c.lru.RemoveOldest()
	}
	c.lru.Add(key, e)
	c.bytes += n
}

// Make makes a value, once for all who ask for the same key meanwhile. Each waits as long
// as its own context allows; what is made goes on without them, within limit. make's
// context has no values of any caller's but the first's.
func (c *Cache) Make(ctx context.Context, key string, limit time.Duration, make func(context.Context) ([]byte, error)) ([]byte, error) {
	done := c.making.DoChan(key, func() (value any, err error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		defer cancel()
		// On a goroutine that is nobody's a panic would end the process.
		defer func() {
			if p := recover(); p != nil {
				err = &panicked{p, debug.Stack()}
			}
		}()
		return make(ctx)
	})
	select {
	case r := <-done:
		var p *panicked
		if errors.As(r.Err, &p) {
			panic(p)
		}
		value, _ := r.Val.([]byte)
		return value, r.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// panicked is a panic of make, with where it was. All who waited panic with it.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("%v\n%s", p.value, p.stack) }

// Drop removes everything and returns how many values there were.
func (c *Cache) Drop() int {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.lru.Len()
	c.lru.Purge()
	c.bytes = 0
	return n
}

// Size is how many values there are, and what they take in bytes.
func (c *Cache) Size() (values int, bytes int64) {
	if c == nil {
		return 0, 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lru.Len(), c.bytes
}
