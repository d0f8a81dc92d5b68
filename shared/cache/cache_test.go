package cache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"oipnode/shared/cache"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(c.at.Load(), 0) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d / time.Second)) }

func newCache(bytes int64) (*cache.Cache, *clock) {
	c := &clock{}
	c.advance(time.Hour)
	return cache.New(cache.Options{Bytes: bytes, Life: time.Minute, Now: c.now}), c
}

// TestLife: a value ends at its time, also when the clock is put back.
func TestLife(t *testing.T) {
	c, clock := newCache(1 << 20)
	c.Put("a", []byte("value"))
	clock.advance(59 * time.Second)
	if v, ok := c.Get("a"); !ok || string(v) != "value" {
		t.Errorf("%q, %v", v, ok)
	}
	clock.advance(time.Second)
	if v, ok := c.Get("a"); ok {
		t.Errorf("%q behind its end", v)
	}
	c.Put("b", nil)
	clock.advance(-10 * time.Minute)
	if _, ok := c.Get("b"); ok {
		t.Error("a value of the future lives on")
	}
	if n, size := c.Size(); n != 0 || size != 0 {
		t.Errorf("%d values of %d bytes are left", n, size)
	}
}

// TestBound: whatever is put, no more than the bound is kept, and what was used last stays.
func TestBound(t *testing.T) {
	const bound = 100_000
	c, _ := newCache(bound)
	c.Put("used", make([]byte, 1000))
	for i := range 10_000 {
		c.Put(fmt.Sprint(i%700), make([]byte, i%2000))
		if _, ok := c.Get("used"); !ok {
			t.Fatalf("what is used was removed at %d", i)
		}
		if n, size := c.Size(); size > bound || n == 0 || size < int64(n) {
			t.Fatalf("%d values of %d bytes", n, size)
		}
	}
	c.Put("used", make([]byte, bound/8))
	if _, ok := c.Get("used"); ok {
		t.Error("a value of an eighth of the bound and its overhead is kept")
	}
	for range 3 {
		c.Put("twice", []byte("v"))
	}
	before, _ := c.Size()
	if n := c.Drop(); n != before || n == 0 {
		t.Errorf("%d dropped of %d", n, before)
	}
	if n, size := c.Size(); n != 0 || size != 0 {
		t.Errorf("%d values of %d bytes behind Drop", n, size)
	}
}

// TestNothingIsKept: without a bound or a life there is no cache, which can be asked all
// the same.
func TestNothingIsKept(t *testing.T) {
	for _, o := range []cache.Options{{}, {Bytes: 1 << 20}, {Life: time.Minute}} {
		c := cache.New(o)
		c.Put("a", []byte("v"))
		if _, ok := c.Get("a"); ok || c.Drop() != 0 {
			t.Errorf("%+v keeps", o)
		}
	}
}

// TestMakeOnce: those who ask for the same at a time wait for one; one who goes away
// takes nobody along.
func TestMakeOnce(t *testing.T) { synctest.Test(t, testMakeOnce) }

func testMakeOnce(t *testing.T) {
	c, _ := newCache(1 << 20)
	var made atomic.Int64
	release := make(chan struct{})
	slow := func(ctx context.Context) ([]byte, error) {
		made.Add(1)
		<-release
		return []byte("v"), ctx.Err()
	}
	first, leave := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := c.Make(first, "k", time.Minute, slow); !errors.Is(err, context.Canceled) {
			t.Errorf("the one who left: %v", err)
		}
	})
	synctest.Wait() // it is being made
	for range 10 {
		all.Go(func() {
			if v, err := c.Make(t.Context(), "k", time.Minute, slow); err != nil || !bytes.Equal(v, []byte("v")) {
				t.Errorf("%q, %v", v, err)
			}
		})
	}
	synctest.Wait() // all have asked
	leave()
	synctest.Wait()
	close(release)
	all.Wait()
	if n := made.Load(); n != 1 {
		t.Errorf("made %d times", n)
	}
	if _, err := c.Make(t.Context(), "slow", time.Millisecond, func(ctx context.Context) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// TestPanic: a panic is that of those who asked, with where it was.
func TestPanic(t *testing.T) {
	c, _ := newCache(1 << 20)
	defer func() {
		if text := fmt.Sprint(recover()); !strings.Contains(text, "boom") || !strings.Contains(text, "cache_test.go") {
			t.Errorf("%.200s", text)
		}
	}()
	_, _ = c.Make(t.Context(), "k", time.Minute, func(context.Context) ([]byte, error) { panic("boom") })
}

func BenchmarkGet(b *testing.B) {
	c, _ := newCache(16 << 20)
	for i := range 1000 {
		c.Put(fmt.Sprint(i), make([]byte, 4000))
	}
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, ok := c.Get("500"); !ok {
				b.Fatal("gone")
			}
		}
	})
}
