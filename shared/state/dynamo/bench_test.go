package dynamo_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"oipnode/shared/state"
	"oipnode/shared/state/dynamo"
)

// value is the size of a typical ledger entry or outcome.
var value = make([]byte, 200)

// counted opens a store and returns the number of its requests so far.
func counted(b *testing.B) (state.Store, func() int64) {
	b.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	b.Cleanup(transport.CloseIdleConnections)
	var n atomic.Int64
	client := newClient(b, roundTripper(func(r *http.Request) (*http.Response, error) {
		n.Add(1)
		return transport.RoundTrip(r)
	}))
	return openStore(b, dynamo.Options{Client: client, Table: newTable(b, client)}), n.Load
}

// measure runs a call and reports its requests.
func measure(b *testing.B, requests func() int64, call func(i int) error) {
	before := requests()
	n := 0
	for ; b.Loop(); n++ {
		if err := call(n); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(requests()-before)/float64(n), "requests/op")
}

func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{1, 2, 10, 50} {
		b.Run(fmt.Sprintf("ops=%d", n), func(b *testing.B) {
			s, requests := counted(b)
			measure(b, requests, func(i int) error { return s.Commit(b.Context(), puts(i*n, n, value)...) })
		})
	}
}

func BenchmarkGet(b *testing.B) {
	for _, n := range []int{1, state.MaxGet} {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			s, requests := counted(b)
			seed(b, s)
			keys := make([]state.Key, n)
			for i, op := range puts(0, n, nil) {
				keys[i] = op.Item.Key
			}
			measure(b, requests, func(int) error { _, err := s.Get(b.Context(), keys...); return err })
		})
	}
}

func BenchmarkRange(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprintf("limit=%d", n), func(b *testing.B) {
			s, requests := counted(b)
			seed(b, s)
			measure(b, requests, func(int) error { _, err := s.Range(b.Context(), "space", "", "", n); return err })
		})
	}
}

// seed writes two thousand items.
func seed(b *testing.B, s state.Store) {
	b.Helper()
	for i := 0; i < 2000; i += state.MaxOps {
		commit(b, s, puts(i, state.MaxOps, value)...)
	}
}
