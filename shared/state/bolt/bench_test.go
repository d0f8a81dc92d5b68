package bolt_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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

// BenchmarkChurn is a store whose rows come and go while they are read: 200,000 are alive,
// and each Commit puts 50 and makes 50 others expire. MiB is the file behind the last
// Commit; it has to be the same for -benchtime 6000x and 24000x (minutes, since every
// Commit is synced).
func BenchmarkChurn(b *testing.B) {
	const alive, each = 200_000, 50
	now := time.Unix(1_700_000_000, 0)
	path := newPath(b)
	s := openStore(b, path, bolt.Options{Now: func() time.Time { return now }})
	done, readers := make(chan struct{}), sync.WaitGroup{}
	for range 4 { // each keeps pages in use that a Commit gives up
		readers.Go(func() {
			for from := ""; ; {
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond):
				}
				items, err := s.Range(b.Context(), "space", from, "", 1000)
				if err != nil {
					b.Error(err)
					return
				}
				if from = ""; len(items) == 1000 {
					from = items[999].Key.ID
				}
			}
		})
	}
	for i := 0; b.Loop(); i++ {
		ops := make([]state.Op, each)
		for n := range ops {
			k := sha256.Sum256(fmt.Append(nil, i, n)) // anywhere in the file
			ops[n] = state.Put(key(hex.EncodeToString(k[:])), value[:52])
			ops[n].Item.Expires = now.Add(alive / each * time.Second)
		}
		commit(b, s, ops...)
		now = now.Add(time.Second)
		for i%60 == 0 {
			gone, err := s.Sweep(b.Context(), bolt.MaxSweep)
			if err != nil {
				b.Fatal(err)
			}
			if len(gone) < bolt.MaxSweep {
				break
			}
		}
	}
	close(done)
	readers.Wait()
	file, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(file.Size())/(1<<20), "MiB")
}
