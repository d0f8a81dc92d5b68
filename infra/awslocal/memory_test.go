package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"oipnode/infra/lambdalocal/sandbox"
)

// full is an OpenSearch whose documents are large ones: it answers every search with as
// many as it is asked for, of 140 KB each.
func full(t *testing.T, prefix string) string {
	t.Helper()
	data := strings.Repeat("lorem ipsum ", 140_000/12)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case q.URL.Path == "/":
			_, _ = io.WriteString(w, `{"version":{"number":"2.19.6","distribution":"opensearch"}}`)
		case q.Method == http.MethodGet:
			fmt.Fprintf(w, `{"%s-v1-000001":{"aliases":{"%[1]s":{},"%[1]s-w":{}},"mappings":{"_meta":{"oipnode":1}}}}`, prefix)
		case strings.HasSuffix(q.URL.Path, "/_search"):
			var body struct{ Size int }
			if err := json.NewDecoder(q.Body).Decode(&body); err != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			fmt.Fprintf(w, `{"timed_out":false,"_shards":{"failed":0},"hits":{"total":{"value":100000},"hits":[`)
			for i := range body.Size {
				if i > 0 {
					_, _ = io.WriteString(w, ",")
				}
				_, err := fmt.Fprintf(w, `{"_id":"did:arweave:%d","_source":{"k":"record","w":1,"d":"{\"post\":{\"text\":\"%s\"}}","e":"{\"did\":\"did:arweave:%[1]d\",\"inArweaveBlock\":7}"},"sort":[7,"did:arweave:%[1]d"]}`, i, data)
				if err != nil {
					return // the reader has enough
				}
			}
			_, _ = io.WriteString(w, "]}}")
		default:
			_, _ = io.WriteString(w, `{"_shards":{"failed":0}}`)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestLargePages asks the api that ships for more than its memory holds, again and again:
// it says so, names the parameter, and lives.
func TestLargePages(t *testing.T) {
	d := deploy(t)
	for _, memory := range []int64{128, 256, 512} {
		t.Run(fmt.Sprint(memory), func(t *testing.T) {
			f := d.function("api")
			f.Memory, f.Env = memory, append(f.Env, "OPENSEARCH_ENDPOINT="+full(t, d.options.Name))
			s, err := sandbox.Start(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			peak := int64(0)
			for _, limit := range []int{1000, 1000, 120, 60, 40, 1000, 5} {
				e := strings.Replace(string(event(t, "api-get.json")), `"rawQueryString": ""`, fmt.Sprintf(`"rawQueryString": "limit=%d"`, limit), 1)
				e = strings.ReplaceAll(e, `"/api/health"`, `"/api/records"`)
				r, err := s.Invoke(t.Context(), []byte(e))
				if err != nil || r.Status != sandbox.StatusOK {
					t.Fatalf("limit %d: %v, %s %.200s\n%s", limit, err, r.Status, r.Payload, d.log)
				}
				var answer struct {
					StatusCode int
					Body       string
				}
				if err := json.Unmarshal(r.Payload, &answer); err != nil {
					t.Fatal(err)
				}
				want := http.StatusRequestEntityTooLarge
				if limit < 30 {
					want = http.StatusOK
				}
				if answer.StatusCode != want || want != http.StatusOK && !strings.Contains(answer.Body, "smaller limit") {
					t.Errorf("limit %d: %d %.200s", limit, answer.StatusCode, answer.Body)
				}
				peak = max(peak, r.PeakMemory)
			}
			t.Logf("%d MB: at most %d MB", memory, peak>>20)
		})
	}
}
