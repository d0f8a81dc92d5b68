package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"oipnode/shared/config"
	"oipnode/shared/gun"
	"oipnode/shared/memory"
	"oipnode/shared/metrics"
	"oipnode/shared/metrics/prom"
	"oipnode/shared/state/bolt"
)

const mib = 1 << 20

// fixed is a monitor whose samples a test sets; the limit is 512 MiB.
type fixed struct {
	*memory.Monitor
	used       int64
	goroutines int64
	at         time.Time
}

func newFixed(log *slog.Logger) *fixed {
	f := &fixed{used: 64 * mib, goroutines: 12, at: noon}
	f.Monitor = memory.New(memory.Options{
		Read: func() memory.Sample {
			return memory.Sample{
				At: f.at, Used: f.used, Mapped: 300 * mib, Resident: f.used + 300*mib, Limit: 512 * mib, LimitBy: memory.SourceContainer,
				Heap:       memory.Heap{HeapLive: 30 * mib, HeapUsed: 40 * mib, HeapTotal: 50 * mib, Stacks: mib, External: f.used - 51*mib},
				Goroutines: f.goroutines,
			}
		},
		Thresholds: memory.Thresholds{WarningPercent: 80, CriticalPercent: 90, MaxGoroutines: 10000}, Free: func() {}, Log: log,
	})
	return f
}

// using makes the world's memory that of a fixed monitor.
func using(f *fixed) func(*Options) {
	return func(o *Options) { o.Memory = f.Monitor }
}

// report writes a process's sample into the world's state.
func (w *world) report(name string, f *fixed) {
	w.Helper()
	f.Check(w.Context())
	if err := memory.NewReporter(name, f.Monitor).Report(w.Context(), w.opt.State); err != nil {
		w.Fatal(err)
	}
}

// TestMemoryPage has every member that the contract names.
func TestMemoryPage(t *testing.T) {
	f := newFixed(nil)
	now := &hand{now: noon}
	w := newWorld(t, using(f), func(o *Options) {
		o.Now = now.Now
		o.GunSync = &GunSync{Settings: gun.Options{Peers: []string{"https://peer.example"}, Interval: 30 * time.Second, MaxAge: time.Hour}}
	})
	f.at = noon.Add(90 * time.Second)
	w.report("keepdb", newFixed(nil))
	page := w.ok("", "/api/health/memory")
	w.expect(page, "status", `"ok"`, "warnings", "[]", "timestamp", `"2026-03-01T12:00:00Z"`, "uptime", "90", "goroutines", "12",
		"heap", `{"limitBy":"container","peak":67108864,"sizeLimit":536870912,"softLimit":null,"totalAvailable":469762048,"usedHeapSize":67108864,"utilization":"12.50%"}`,
		"gunSync", `{"cacheMaxAgeMinutes":60,"cacheSize":0,"enabled":true,"nextClearInMinutes":null,"syncCycles":0}`,
		"functions", `[{"at":"2026-03-01T12:00:00Z","coldStarts":1,"growth":null,"instances":1,"limitMb":512,"name":"keepdb","peakMb":64,"status":"ok","usedMb":64,"utilization":"12.50%"}]`)
	for part, want := range map[string]string{"rss": "364", "heapUsed": "40", "heapTotal": "50", "external": "13", "stacks": "1", "mapped": "300"} {
		if got := at(page, "memory", part, "mb"); got != json.Number(want) || at(page, "memory", part, "bytes") == nil {
			t.Errorf("%s: %v, want %s", part, at(page, "memory", part), want)
		}
	}
	// What one function tells is not hidden by what is remembered for long.
	full := newFixed(nil)
	full.used = 480 * mib // 93.75 %
	w.report("api", full)
	now.move(functionsTTL)
	page = w.ok("", "/api/health/memory")
	w.expect(page, "status", `"critical"`, "warnings", `["the function api is at 93.75% of its memory"]`)
	if names := list(t, page, "functions"); len(names) != 2 || names[0]["name"] != "api" || names[0]["status"] != "critical" {
		t.Errorf("%v", names)
	}
	// A function that is idle for long warns of nothing.
	now.move(staleAfter)
	w.expect(w.ok("", "/api/health/memory"), "status", `"ok"`)
}

// TestMemoryLevels: the status of the page at each level, and the warnings by themselves.
func TestMemoryLevels(t *testing.T) {
	f := newFixed(nil)
	w := newWorld(t, using(f))
	for _, c := range []struct {
		used, goroutines int64
		status, warning  string
	}{
		{409 * mib, 12, "ok", ""},
		{410 * mib, 12, "warning", "80.08%"},
		{461 * mib, 12, "critical", "90.04%"},
		{440 * mib, 12, "warning", "85.94%"},
		{64 * mib, 10001, "warning", "MAX_GOROUTINES"},
		{500 * mib, 10001, "critical", "97.66%"},
	} {
		f.used, f.goroutines = c.used, c.goroutines
		for _, path := range []string{"/api/health/memory", "/api/health/memory/tracker", "/api/health/memory/analyze"} {
			page := w.ok("", path)
			if text := fmt.Sprint(page["warnings"]); page["status"] != c.status || !strings.Contains(text, c.warning) || (c.warning == "") != (text == "[]") {
				t.Errorf("%s at %d bytes: %v, %s", path, c.used, page["status"], text)
			}
		}
	}
}

// TestOneNumber: the same sample is the same number, whoever prints it: the three pages,
// the log of the monitor, the page of Prometheus, a line of EMF, and what another process
// reads of this one.
func TestOneNumber(t *testing.T) {
	for used, want := range map[int64]string{
		64 * mib: "12.50%", 471_859_201: "87.89%", 500_000_001: "93.13%", 1: "0.00%", 536_870_911: "100.00%", 600 * mib: "117.19%",
	} {
		t.Run(want, func(t *testing.T) {
			var log, line bytes.Buffer
			f := newFixed(slog.New(slog.NewTextHandler(&log, nil)))
			recorder := prom.New()
			emf, err := metrics.NewEMF(&line, "api", nil)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, using(f), func(o *Options) {
				o.Operations = config.OperationsOpen
				o.Prometheus = recorder.Page(func(*http.Request) {
					s := f.State()
					memory.Record(recorder, s.Sample, s.Peak)
				})
			})
			f.used = used
			w.report("api", f)
			state := f.State()
			memory.Record(emf, state.Sample, state.Peak)
			if err := emf.Flush(); err != nil {
				t.Fatal(err)
			}
			number := strings.TrimSuffix(want, "%")
			plain := strings.TrimSuffix(strings.TrimRight(number, "0"), ".") // as JSON and Prometheus write it
			if strings.Trim(number, "0.") == "" {
				plain = "0"
			}
			var written struct{ MemoryPercent json.Number }
			if err := json.Unmarshal(line.Bytes(), &written); err != nil || written.MemoryPercent.String() != plain {
				t.Errorf("EMF: %v, %v, want %s", written, err, plain)
			}
			if text := w.call("/metrics").Body.String(); !strings.Contains(text, "\noipnode_memory_used_percent "+plain+"\n") {
				t.Errorf("Prometheus, want %s: %s", plain, text)
			}
			page := w.ok("", "/api/health/memory")
			if at(page, "heap", "utilization") != want || list(t, page, "functions")[0]["utilization"] != want {
				t.Errorf("page %v, functions %v, want %s", page["heap"], page["functions"], want)
			}
			analysis := w.ok("", "/api/health/memory/analyze")
			if got := at(analysis, "heap", "utilization"); got != want {
				t.Errorf("analysis %v", got)
			}
			if tracked := list(t, w.ok("", "/api/health/memory/tracker"), "functions"); tracked[0]["utilization"] != want {
				t.Errorf("tracker %v", tracked)
			}
			if state.Level > memory.OK {
				for name, text := range map[string]string{"log": log.String(), "warnings": fmt.Sprint(page["warnings"])} {
					if !strings.Contains(text, want) {
						t.Errorf("%s: %s", name, text)
					}
				}
			}
		})
	}
}

// TestTracker shows an hour of a process that leaks, and when it will be over.
func TestTracker(t *testing.T) {
	f := newFixed(nil)
	w := newWorld(t, using(f), func(o *Options) { o.Now = func() time.Time { return f.at } })
	reporter := memory.NewReporter("api", f.Monitor)
	for i := range 61 {
		f.at, f.used = noon.Add(time.Duration(i)*time.Minute), int64(64+i)*mib
		f.Check(t.Context())
		if err := reporter.Report(t.Context(), w.opt.State); err != nil {
			t.Fatal(err)
		}
	}
	page := w.ok("", "/api/health/memory/tracker")
	if n := len(list(t, page, "samples")); n != 60 {
		t.Errorf("%d samples of the last hour", n)
	}
	function := list(t, page, "functions")[0]
	processes := list(t, function, "processes")
	if len(processes) != 1 || processes[0]["usedMb"] != json.Number("124") || len(processes[0]["id"].(string)) != 8 || len(list(t, function, "samples")) != 45 {
		t.Errorf("%v", processes)
	}
	for name, growth := range map[string]any{"own": page["growth"], "function": function["growth"], "process": processes[0]["growth"]} {
		perHour, _ := at(growth, "mbPerHour").(json.Number).Float64()
		hours, _ := at(growth, "hoursToLimit").(json.Number).Float64()
		if perHour < 59 || perHour > 61 || hours < 6.3 || hours > 6.7 || at(growth, "growing") != true {
			t.Errorf("%s: %v", name, growth)
		}
	}
	analysis := w.ok("", "/api/health/memory/analyze")
	if text := fmt.Sprint(analysis["advice"]); !strings.Contains(text, "grows by 60.0 MB an hour") || !strings.Contains(text, "in 6.5 hours") || !strings.Contains(text, "GOMEMLIMIT") {
		t.Errorf("%s", text)
	}
}

// TestAnalyze says what is large, and what the process does about it.
func TestAnalyze(t *testing.T) {
	f := newFixed(nil)
	w := newWorld(t, using(f))
	page := w.ok("", "/api/health/memory/analyze")
	large := list(t, page, "large")
	if large[0]["name"] != "mappedFiles" || large[0]["share"] != nil || large[1]["name"] != "heapLive" || large[1]["share"] != json.Number("46.9") {
		t.Errorf("%v", large)
	}
	w.expect(page, "shedding", `{"heavyQueriesRefused":false,"level":"ok","mediaJobsWait":false}`, "caches", "[]")
	if at(page, "goroutines", "count") != json.Number("12") || at(page, "goroutines", "bound") != json.Number("10000") || at(page, "goroutines", "waiting") == nil {
		t.Errorf("%v", page["goroutines"])
	}
	w.expect(w.ok("", "/api/health"), "memory", `{"status":"ok"}`)
	f.used = 500 * mib
	page = w.ok("", "/api/health/memory/analyze")
	w.expect(w.ok("", "/api/health"), "memory", `{"status":"critical"}`, "status", `"OK"`)
	w.expect(page, "shedding", `{"heavyQueriesRefused":true,"level":"critical","mediaJobsWait":true}`)
	if text := fmt.Sprint(page["advice"]); !strings.Contains(text, "raise the container's memory limit (512 MB)") {
		t.Errorf("%s", text)
	}
}

// TestHealthWithoutState: the pages of the memory answer also when the state store has no
// answer, say so, and quote nobody.
func TestHealthWithoutState(t *testing.T) {
	f, kept := newFixed(nil), &failingState{}
	w := newWorld(t, using(f), func(o *Options) {
		kept.Store = o.State
		o.State, o.GunSync = kept, &GunSync{Settings: gun.Options{Peers: []string{"https://peer.example"}}}
	})
	kept.err = errors.New("dial tcp 10.0.0.7: password=hunter2")
	for _, path := range []string{"/api/health/memory", "/api/health/memory/tracker", "/api/health/memory/analyze"} {
		res := w.call(path)
		if res.Code != http.StatusOK || res.json["status"] != "warning" || !strings.Contains(fmt.Sprint(res.json["warnings"]), "the state store cannot be reached") ||
			strings.Contains(res.Body.String(), "hunter2") || strings.Contains(res.Body.String(), "10.0.0.7") {
			t.Errorf("%s: %d %s", path, res.Code, res.Body)
		}
	}
	w.expect(w.ok("", "/api/health/memory"), "functions", "[]", "gunSync", "null")
}

// TestPagesTellNothing: what is in the memory, in the settings and in the index does not
// change what the pages say, but for numbers of bytes.
func TestPagesTellNothing(t *testing.T) {
	f := newFixed(nil)
	w := newWorld(t, using(f), func(o *Options) {
		o.GunSync = &GunSync{Settings: gun.Options{Peers: []string{"https://peer-of-ours.example"}, Relay: "https://relay-of-ours.example", TrustedNodes: []string{"trusted-node"}, MaxAge: time.Hour}}
	})
	w.publish(restricted("private", "the name of a secret", startHeight, fields{0: "private", 1: "owner"}))
	for _, path := range []string{"/api/health/memory", "/api/health/memory/tracker", "/api/health/memory/analyze"} {
		text := w.call(path).Body.String()
		for _, private := range []string{"of-ours", "trusted-node", "the name of a secret", "owner", string(secret), filepath.Dir(t.TempDir())} {
			if strings.Contains(text, private) {
				t.Errorf("%s shows %q: %s", path, private, text)
			}
		}
	}
}

// TestShedding: when giving caches up was not enough, the heaviest queries are refused
// with a time to come again; small ones and the health pages are answered.
func TestShedding(t *testing.T) {
	f := newFixed(nil)
	w := newWorld(t, using(f))
	heavy := []string{"/api/records?limit=101", "/api/records?resolveDepth=1", "/api/records?search=x", "/api/records?noDuplicates=true",
		"/api/records?summarizeTags=true", "/api/records?summarizeRecipe=true", "/api/templates?typeScriptTypes=true", "/api/templates?selectedOnly=true", "/api/records/recordTypes", "/api/creators?limit=500", "/api/organizations?limit=1000"}
	light := []string{"/api/records", "/api/records?limit=100&resolveDepth=0&search=&noDuplicates=false", "/api/templates", "/api/templates?selectedOnly=false", "/api/creators?limit=100",
		"/api/health", "/api/health/memory", "/api/health/memory/tracker", "/api/health/memory/analyze", "/api/health/keepdb"}
	for _, step := range []struct {
		used    int64
		refused bool
	}{{64 * mib, false}, {430 * mib, false}, {500 * mib, true}, {445 * mib, true}, {400 * mib, false}} {
		f.used = step.used
		f.Check(t.Context())
		for _, path := range light {
			if res := w.do(httptest.NewRequest(http.MethodGet, path, nil)); res.Code != http.StatusOK {
				t.Errorf("%s at %d MiB: %d %s", path, step.used/mib, res.Code, res.Body)
			}
		}
		for _, path := range heavy {
			res := w.do(httptest.NewRequest(http.MethodGet, path, nil))
			if refused := res.Code == http.StatusServiceUnavailable; refused != step.refused {
				t.Errorf("%s at %d MiB: %d %s", path, step.used/mib, res.Code, res.Body)
			} else if refused && (res.Header().Get("Retry-After") != "30" || res.json["code"] != "unavailable" || !strings.Contains(res.Body.String(), "memory")) {
				t.Errorf("%s: %v %s", path, res.Header(), res.Body)
			}
		}
	}
}

// TestMetricsAccess: the page of Prometheus tells how many records there are in all, so
// it is for those who may do operations; without one there is nothing at its path.
func TestMetricsAccess(t *testing.T) {
	recorder := prom.New()
	w := newWorld(t, func(o *Options) {
		o.Operations, o.Prometheus = config.OperationsLoopback, recorder.Page(nil)
	})
	get := func(from string, headers ...string) response {
		r := operation("/metrics", from, headers...)
		r.Method = http.MethodGet
		return w.do(r)
	}
	admin := "Bearer " + token(t, "key", jwt.MapClaims{"isAdmin": true})
	for _, c := range []struct {
		res  response
		want int
	}{
		{get(here), 200}, {get("192.0.2.1:1", "Authorization", admin), 200}, {get("192.0.2.1:1"), 401},
		{get("192.0.2.1:1", "Authorization", "Bearer "+token(t, "key")), 403}, {get(here, "X-Forwarded-For", "192.0.2.1"), 401},
		{get(here, "Origin", "https://evil.example"), 401},
	} {
		if c.res.Code != c.want || strings.Contains(c.res.Body.String(), "oipnode_") != (c.want == 200) {
			t.Errorf("%d, want %d: %.200s", c.res.Code, c.want, c.res.Body)
		}
	}
	if res := newWorld(t).do(httptest.NewRequest(http.MethodGet, "/metrics", nil)); res.Code != http.StatusNotFound {
		t.Errorf("without a page: %d", res.Code)
	}
}

// A new process on an old state file: what its predecessor told is there.
func TestPredecessor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.db")
	for i := range 2 {
		kept, err := bolt.Open(file, bolt.Options{Now: clock})
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, func(o *Options) { o.State = kept })
		w.report("node", newFixed(nil))
		if functions := list(t, w.ok("", "/api/health/memory"), "functions"); len(functions) != 1 || functions[0]["instances"] != json.Number(fmt.Sprint(i+1)) {
			t.Errorf("%v", functions)
		}
		closed(t, kept.Close())
	}
}
