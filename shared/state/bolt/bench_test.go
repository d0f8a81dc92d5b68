package bolt_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
)

// value is the size of a typical ledger entry or outcome.
var value = make([]byte, 200)

func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{1, 10, 50} {
		b.Run(fmt.Sprintf("ops=%d", n), func(b *testing.B) {
			s := openStore(b, newPath(b), bolt.Options{})
			for i := 0; b.Loop(); i++ {
				commit(b, s, puts(i*n, n)...)
			}
		})
	}
}

// BenchmarkCommitParallel shows what sharing an fsync gives.
func BenchmarkCommitParallel(b *testing.B) {
	s := openStore(b, newPath(b), bolt.Options{})
	var n atomic.Int64
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := s.Commit(b.Context(), puts(int(n.Add(1)), 1)...); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkGet100(b *testing.B) {
	s := openStore(b, newPath(b), bolt.Options{})
	seed(b, s)
	keys := make([]state.Key, state.MaxGet)
	for i, op := range puts(0, len(keys)) {
		keys[i] = op.Item.Key
	}
	for b.Loop() {
		if items, err := s.Get(b.Context(), keys...); err != nil || len(items) != len(keys) {
			b.Fatal(len(items), err)
		}
	}
}

func BenchmarkRange1000(b *testing.B) {
	s := openStore(b, newPath(b), bolt.Options{})
	seed(b, s)
	for b.Loop() {
		if items, err := s.Range(b.Context(), "space", "", "", 1000); err != nil || len(items) != 1000 {
			b.Fatal(len(items), err)
		}
	}
}

// seed writes ten thousand items.
func seed(b *testing.B, s state.Store) {
	b.Helper()
	for i := 0; i < 10_000; i += state.MaxOps {
		commit(b, s, puts(i, state.MaxOps)...)
	}
}

// puts returns writes of n items, numbered from the given number on.
func puts(from, n int) []state.Op {
	ops := make([]state.Op, n)
	for i := range ops {
		ops[i] = state.Put(key(fmt.Sprintf("%08d", from+i)), value)
	}
	return ops
}
