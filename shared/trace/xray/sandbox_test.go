package xray

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"oipnode/infra/lambdalocal/sandbox"
)

// output is a log that tests read.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// own is what the function has said itself.
func (o *output) own() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return regexp.MustCompile(`(?m)^(START|END|REPORT) .*\n`).ReplaceAllString(o.text.String(), "")
}

// start starts the test function with variables of its own.
func start(t *testing.T, env ...string) (*sandbox.Sandbox, *output) {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	var log output
	s, err := sandbox.Start(t.Context(), sandbox.Function{
		Binary: file, Name: "tested", Timeout: 20 * time.Second, Memory: 512, Logs: &log, Env: env,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, &log
}

// traced starts the test function with the daemon's address.
func traced(t *testing.T) (*sandbox.Sandbox, *output) {
	t.Helper()
	return start(t, "AWS_XRAY_DAEMON_ADDRESS="+daemon.address(), "AWS_XRAY_CONTEXT_MISSING=LOG_ERROR")
}

type fields map[string]any

func invoke(t *testing.T, s *sandbox.Sandbox, event fields) sandbox.Result {
	t.Helper()
	text, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Invoke(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// headerOf is the header that Lambda gave, which the function answers with.
func headerOf(t *testing.T, r sandbox.Result) string {
	t.Helper()
	var header string
	if err := json.Unmarshal(r.Payload, &header); err != nil || r.Status != sandbox.StatusOK {
		t.Fatalf("%s %s: %v", r.Status, r.Payload, err)
	}
	return header
}

func TestNested(t *testing.T) {
	s, log := traced(t)
	for range 3 { // each invocation has a trace of its own
		header := headerOf(t, invoke(t, s, fields{"do": "nested"}))
		all := daemon.whole(t, header, "tested")
		if len(all) != 3 {
			t.Errorf("%d documents, want 3: %+v", len(all), all)
		}
		root, cycle, bulk := one(t, all, "tested"), one(t, all, "cycle"), one(t, all, "bulk")
		if _, parent := ids(t, header); root.ParentID != parent || cycle.ParentID != root.ID || bulk.ParentID != cycle.ID {
			t.Errorf("parents of %+v", all)
		}
		if cycle.Annotations["phase"] != "forward" || bulk.Annotations["records"] != 5000.0 || len(root.Annotations) != 0 {
			t.Errorf("annotations of %+v", all)
		}
		if root.Fault || root.Error || cycle.Start < root.Start || bulk.End > cycle.End {
			t.Errorf("%+v", all)
		}
	}
	if log.own() != "" {
		t.Errorf("the SDK writes into the function's output: %q", log.own())
	}
}

// Nothing is sent for an invocation that is not sampled, or whose header is none.
func TestNotSampled(t *testing.T) {
	s, log := traced(t)
	before := daemon.count()
	sampled := newHeader()
	for _, header := range []string{
		"", "nonsense", ";;;===", "Root=;Parent=;Sampled=1",
		strings.Replace(sampled, "Sampled=1", "Sampled=0", 1),
		strings.Replace(sampled, "Sampled=1", "Sampled=?", 1),
		strings.Replace(sampled, ";Sampled=1", "", 1),
		strings.Replace(sampled, "Parent=", "Parent=zz", 1),
		strings.Replace(sampled, "Root=1-", "Root=1-zz", 1),
		sampled[:strings.Index(sampled, ";")] + ";Sampled=1",
		sampled + strings.Repeat("x", 2000),
	} {
		for _, do := range []string{"nested", "many", "goroutines"} {
			if r := invoke(t, s, fields{"do": do, "n": 5, "header": header}); r.Status != sandbox.StatusOK {
				t.Errorf("%q: %s %s", header, r.Status, r.Payload)
			}
		}
	}
	// What is sent later arrives later.
	invoke(t, s, fields{"do": "nested", "header": sampled})
	if all := daemon.whole(t, sampled, "tested"); len(all) != 3 || daemon.count() != before+3 {
		t.Errorf("%d documents have arrived, want 3", daemon.count()-before)
	}
	if log.own() != "" {
		t.Errorf("output %q", log.own())
	}
}

// A function that is not traced is told so by Lambda, and has no daemon.
func TestNotTraced(t *testing.T) {
	s, log := start(t, "AWS_XRAY_CONTEXT_MISSING=RUNTIME_ERROR")
	header := headerOf(t, invoke(t, s, fields{"do": "nested"}))
	if !strings.Contains(header, "Sampled=0") || log.own() != "" {
		t.Errorf("header %q, output %q", header, log.own())
	}
}

// The SDK can be switched off by its own variable.
func TestDisabled(t *testing.T) {
	s, _ := start(t, "AWS_XRAY_DAEMON_ADDRESS="+daemon.address(), "AWS_XRAY_SDK_DISABLED=true")
	before := daemon.count()
	headerOf(t, invoke(t, s, fields{"do": "nested"}))
	if daemon.count() != before {
		t.Error("documents have arrived")
	}
}

// Of an error there is the kind, and no text anywhere.
func TestErrors(t *testing.T) {
	s, _ := traced(t)
	header := newHeader()
	if r := invoke(t, s, fields{"do": "fail", "header": header}); r.Status != sandbox.StatusError {
		t.Errorf("%s %s", r.Status, r.Payload)
	}
	all := daemon.whole(t, header, "tested")
	root, query := one(t, all, "tested"), one(t, all, "query")
	if !root.Fault || root.Annotations["outcome"] != "internal" || !query.Fault || query.Annotations["outcome"] != "unavailable" {
		t.Errorf("%+v", all)
	}
	if daemon.has("hunter2") || daemon.has("working_directory") {
		t.Error("the text of an error was sent")
	}
}

// A panic reaches Lambda as it would without this package, and what was open is sent.
func TestPanics(t *testing.T) {
	s, _ := traced(t)
	header := newHeader()
	r := invoke(t, s, fields{"do": "panic", "header": header})
	var said struct{ ErrorType, ErrorMessage string }
	if err := json.Unmarshal(r.Payload, &said); err != nil || said.ErrorMessage != "password=hunter2" {
		t.Errorf("%s, %v", r.Payload, err)
	}
	all := daemon.whole(t, header, "tested")
	root, open := one(t, all, "tested"), one(t, all, "open for ever")
	if !root.Fault || root.Annotations["outcome"] != "panic" {
		t.Errorf("%+v", root)
	}
	if open.Fault || open.Annotations["outcome"] != "unfinished" || open.Annotations["kept"] != "yes" {
		t.Errorf("%+v", open)
	}
	if daemon.has("hunter2") {
		t.Error("the text of a panic was sent")
	}
}

// However many spans are started, few are sent, and the rest is counted.
func TestMany(t *testing.T) {
	s, _ := traced(t)
	const n = 500
	header := headerOf(t, invoke(t, s, fields{"do": "many", "n": n}))
	all := daemon.whole(t, header, "tested")
	if len(all) != maxSpans+1 || len(named(all, "record")) != maxSpansOfName {
		t.Errorf("%d documents, %d of them records", len(all), len(named(all, "record")))
	}
	root := one(t, all, "tested")
	if root.Annotations["dropped"] != 2.0*n-maxSpans {
		t.Errorf("dropped: %v", root.Annotations)
	}
	dropped, _ := root.Metadata["default"]["dropped"].(map[string]any)
	sum := 0.0
	for _, count := range dropped {
		sum += count.(float64)
	}
	if sum != 2*n-maxSpans || dropped["record"] != float64(n-maxSpansOfName) || len(dropped) > maxNames+1 {
		t.Errorf("dropped: %v", dropped)
	}
	indexed := 0
	for _, d := range all {
		indexed += len(d.Annotations)
	}
	if indexed > 50 {
		t.Errorf("%d annotations, X-Ray indexes 50", indexed)
	}
}

func TestGet(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amzn-Trace-Id") != "" {
			t.Error("the trace's id is sent along")
		}
		http.Error(w, "no", http.StatusTooManyRequests)
	}))
	defer server.Close()
	s, _ := traced(t)
	header := headerOf(t, invoke(t, s, fields{"do": "get", "url": server.URL + "/raw/secret-id?key=secret-key"}))
	call := one(t, daemon.whole(t, header, "tested"), "gateway")
	if call.Namespace != "remote" || call.HTTP.Request.Method != "GET" || call.HTTP.Request.URL != server.Listener.Addr().String() ||
		call.HTTP.Response.Status != 429 || !call.Throttle || !call.Error || call.Fault {
		t.Errorf("%+v", call)
	}
	if daemon.has("secret-id") || daemon.has("secret-key") {
		t.Error("a path or a query was sent")
	}
}

// Goroutines of an invocation may start spans; the detector of races watches this in
// TestConcurrently.
func TestGoroutines(t *testing.T) {
	s, _ := traced(t)
	header := newHeader()
	invoke(t, s, fields{"do": "goroutines", "n": 15, "header": header})
	if all := daemon.whole(t, header, "tested"); len(named(all, "parallel")) != 15 {
		t.Errorf("%+v", all)
	}
}

// A daemon that is not there is no fault of an invocation, and is told of once.
func TestNoDaemon(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	address := conn.LocalAddr().String()
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	s, log := start(t, "AWS_XRAY_DAEMON_ADDRESS="+address)
	for range 5 {
		headerOf(t, invoke(t, s, fields{"do": "nested"}))
	}
	if n := strings.Count(log.own(), "\n"); n != 1 || !strings.Contains(log.own(), "spans are lost") {
		t.Errorf("output %q", log.own())
	}
}
