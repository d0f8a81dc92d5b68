package opensearch_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"oipnode/infra/engines"
	"oipnode/shared/records"
	"oipnode/shared/records/opensearch"
	"oipnode/shared/records/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newPrefix is a prefix of a test's own; its indexes go with the test.
func newPrefix(t testing.TB) (url, prefix string) {
	t.Helper()
	url = engines.OpenSearch.URL(t)
	prefix = "storetest-" + strings.ToLower(rand.Text()[:12])
	t.Cleanup(func() {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodDelete, url+"/"+prefix+"-*", nil)
		if err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := client.Do(r)
		if err != nil {
			t.Error(err)
			return
		}
		_ = res.Body.Close()
	})
	return url, prefix
}

// open opens a store; change may replace any option.
func open(t testing.TB, url, prefix string, change ...func(*opensearch.Options)) *opensearch.Store {
	t.Helper()
	o := opensearch.Options{Endpoints: []string{url}, Prefix: prefix}
	for _, c := range change {
		c(&o)
	}
	s, err := opensearch.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// TestStore runs the suite of records.Store over one shard and over several.
func TestStore(t *testing.T) {
	for _, shards := range []int{1, 3} {
		t.Run(fmt.Sprint(shards), func(t *testing.T) {
			prefixes := make(map[records.Store]string)
			some := func(o *opensearch.Options) { o.Shards = shards }
			storetest.Run(t, storetest.Harness{
				Open: func(t *testing.T) records.Store {
					url, prefix := newPrefix(t)
					s := open(t, url, prefix, some)
					prefixes[s] = prefix
					return s
				},
				Reopen: func(t *testing.T, s records.Store) records.Store {
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
					again := open(t, engines.OpenSearch.URL(t), prefixes[s], some)
					prefixes[again] = prefixes[s]
					return again
				},
			})
		})
	}
}
