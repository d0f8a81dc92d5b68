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
	"oipnode/infra/template"
)

// full is an OpenSearch whose documents are large ones: it answers every search with as
// many as it is asked for, each with this text, which is JSON inside of JSON inside of
// JSON.
func full(t *testing.T, prefix, data string) string {
	t.Helper()
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
			f.Memory, f.Env = memory, append(f.Env, "OPENSEARCH_ENDPOINT="+full(t, d.options.Name, strings.Repeat("lorem ipsum ", 140_000/12)))
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

// gatewayEvent is an event of API Gateway, made of a sample; a POST has a token.
func gatewayEvent(t testing.TB, method, path, query, body string) []byte {
	t.Helper()
	var e map[string]any
	if err := json.Unmarshal(event(t, "api-json-body.json"), &e); err != nil {
		t.Fatal(err)
	}
	e["rawPath"], e["rawQueryString"], e["body"] = path, query, body
	headers := e["headers"].(map[string]any)
	headers["content-length"] = fmt.Sprint(len(body))
	if method == http.MethodPost {
		headers["authorization"] = "Bearer " + token(t, "limit")
	}
	for name, value := range map[string]string{"method": method, "path": path} {
		e["requestContext"].(map[string]any)["http"].(map[string]any)[name] = value
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestLimit: the api that ships, in a control group with the memory that the template
// gives it, gets the largest pages, documents and bodies that it can be asked for, one
// right behind the other in one process. The kernel has no reason to end it.
func TestLimit(t *testing.T) {
	d := deploy(t, "JWT_SECRET="+contractSecret)
	f := d.function("api")
	all, err := template.Load("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, deployed := range all.Functions() {
		if deployed.Name == f.Name {
			f.Memory, f.Timeout = int64(deployed.Memory), deployed.Timeout
		}
	}
	const document = 10 << 20 // the default of MAX_RECORD_BYTES
	for name, text := range map[string]string{
		"many large documents":     strings.Repeat("lorem ipsum ", 140_000/12),
		"pages as large as can be": strings.Repeat("lorem ipsum ", 5_000_000/20/12),
		"the largest document":     strings.Repeat("lorem ipsum ", document/12),
		"a document of escapes":    strings.Repeat(`\\\\\\\"`, document/16),
	} {
		t.Run(name, func(t *testing.T) {
			f := f
			f.Env = append(f.Env, "OPENSEARCH_ENDPOINT="+full(t, d.options.Name, text))
			group, ok := limited(t, f.Memory<<20)
			if ok {
				f.Binary = group.wrap(t, f.Binary)
			} else {
				t.Log("no control group can be made here: only the process's own account is watched")
			}
			s, err := sandbox.Start(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			peak, seen := int64(0), make(map[int]int)
			for range 3 {
				for _, e := range [][]byte{
					gatewayEvent(t, http.MethodGet, "/api/records", "limit=1000", ""),
					gatewayEvent(t, http.MethodGet, "/api/records", "limit=1000&resolveDepth=5&forceRefresh=true", ""),
					gatewayEvent(t, http.MethodGet, "/api/records", "limit=100&sortBy=date:desc", ""),
					gatewayEvent(t, http.MethodGet, "/api/records", "limit=20", ""),
					gatewayEvent(t, http.MethodGet, "/api/records", "limit=1", ""),
					gatewayEvent(t, http.MethodGet, "/api/records", "did=did:arweave:"+strings.Repeat("a", 43), ""),
					gatewayEvent(t, http.MethodGet, "/api/records", "search="+strings.Repeat("word ", 1000), ""),
					gatewayEvent(t, http.MethodPost, "/api/voice/dialogues", "", `{"a":"`+strings.Repeat("x", 1<<20-8)+`"}`),
					gatewayEvent(t, http.MethodPost, "/api/voice/dialogues", "", strings.Repeat("[", 1<<20)),
					gatewayEvent(t, http.MethodPost, "/api/media/fetch", "", strings.Repeat("x", sandbox.MaxEvent-4000)),
					gatewayEvent(t, http.MethodPost, "/api/records/deleteRecord", "", strings.Repeat(`{"a":`, 600_000)),
				} {
					r, err := s.Invoke(t.Context(), e)
					if err != nil || r.Status != sandbox.StatusOK {
						t.Fatalf("%.600s: %v, %s %.200s\n%s", e, err, r.Status, r.Payload, d.log)
					}
					var answer struct{ StatusCode int }
					if err := json.Unmarshal(r.Payload, &answer); err != nil {
						t.Fatal(err)
					}
					seen[answer.StatusCode]++
					peak = max(peak, r.PeakMemory)
				}
			}
			if seen[http.StatusRequestEntityTooLarge] == 0 || seen[http.StatusCreated] == 0 || seen[http.StatusInternalServerError] != 0 {
				t.Errorf("nothing was too large, nothing was taken, or something failed: %v", seen)
			}
			if peak >= f.Memory<<20 {
				t.Errorf("a peak of %d MB with a limit of %d", peak>>20, f.Memory)
			}
			if ok {
				if n := group.kills(t); n != 0 {
					t.Errorf("the kernel ended %d processes", n)
				}
			}
			t.Logf("%d MB: at most %d MB, answers %v, enforced by the kernel: %v", f.Memory, peak>>20, seen, ok)
		})
	}
}

// TestLimitIsReal: a process that needs more than its control group has is ended, or
// TestLimit would show nothing.
func TestLimitIsReal(t *testing.T) {
	const little = 40 << 20
	group, ok := limited(t, little)
	if !ok {
		t.Log("no control group can be made here, so there is nothing to show")
		return
	}
	d := deploy(t)
	f := d.function("api")
	f.Env = append(f.Env, "OPENSEARCH_ENDPOINT="+full(t, d.options.Name, strings.Repeat("lorem ipsum ", 140_000/12)))
	f.Binary = group.wrap(t, f.Binary)
	s, err := sandbox.Start(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 20 {
		r, err := s.Invoke(t.Context(), gatewayEvent(t, http.MethodGet, "/api/records", "limit=1000", ""))
		if err != nil || r.Status != sandbox.StatusOK {
			break
		}
	}
	if s.Alive() || group.kills(t) == 0 {
		t.Errorf("the process lives: %v; kills: %d", s.Alive(), group.kills(t))
	}
}
