package main

import (
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"runtime"
	"runtime/metrics"
	"strings"
)

// The debug pages are for whoever looks into the running process on this machine:
//
//	/debug/runtime   a few numbers as JSON, cheap enough to be read every second; with
//	                 gc=1 they are read behind a collection
//	/debug/pprof/    Go's profiles: go tool pprof http://127.0.0.1:3005/debug/pprof/heap
//
// They show what the process has in memory, so they exist on loopback only: not at all
// when LISTEN is another address, and not for a request that came through a proxy or
// was sent by another site's page in a browser on this machine. For those, and for
// every path below /debug/ that is none of them, the API answers as for any unknown
// path.
func withDebug(l net.Listener, api http.Handler, log *slog.Logger) http.Handler {
	if !loopback(l.Addr().String()) {
		return api
	}
	pages := http.NewServeMux()
	pages.HandleFunc("GET /debug/runtime", serveRuntime)
	pages.HandleFunc("GET /debug/pprof/", pprof.Index)
	pages.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	pages.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	pages.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	pages.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/debug/") || !local(r) {
			api.ServeHTTP(w, r)
			return
		}
		h, pattern := pages.Handler(r)
		if pattern == "" {
			h = api
		} else {
			log.DebugContext(r.Context(), "debug page", "path", r.URL.Path)
			w.Header().Set("Cache-Control", "no-store")
		}
		h.ServeHTTP(w, r)
	})
}

// loopback reports whether host:port is an address that only this machine reaches.
// A name counts only when it is localhost, which needs no look-up.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// forwarding are the headers by which proxies say that they stand between.
var forwarding = []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"}

// local reports whether a request was made on this machine for this machine. A name
// of somebody else's that leads to 127.0.0.1 is seen by its Host, a page of another
// site by what the browser says of it.
func local(r *http.Request) bool {
	for _, name := range forwarding {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return loopback(r.RemoteAddr) && loopback(r.Host) && (site == "" || site == "none" || site == "same-origin")
}

// runtimeNumbers are the numbers of /debug/runtime, by the name that the runtime has
// for each. Reading them stops nothing.
var runtimeNumbers = map[string]string{
	// What the last collection left: the number that must not grow.
	"heapLiveBytes": "/gc/heap/live:bytes",
	// The same with what was allocated since.
	"heapObjectsBytes": "/memory/classes/heap/objects:bytes",
	"heapStacksBytes":  "/memory/classes/heap/stacks:bytes",
	// All that Go has mapped, and how much of it is given back to the system.
	"mappedBytes":   "/memory/classes/total:bytes",
	"releasedBytes": "/memory/classes/heap/released:bytes",
	"goroutines":    "/sched/goroutines:goroutines",
	"collections":   "/gc/cycles/total:gc-cycles",
}

// readRuntime reads the numbers. One that this version of Go does not have is left
// out.
func readRuntime() map[string]uint64 {
	samples := make([]metrics.Sample, 0, len(runtimeNumbers))
	names := make([]string, 0, len(runtimeNumbers))
	for name, metric := range runtimeNumbers {
		names, samples = append(names, name), append(samples, metrics.Sample{Name: metric})
	}
	metrics.Read(samples)
	numbers := make(map[string]uint64, len(samples))
	for i, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			numbers[names[i]] = s.Value.Uint64()
		}
	}
	return numbers
}

func serveRuntime(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("gc") == "1" {
		runtime.GC()
	}
	text, err := json.Marshal(readRuntime())
	if err != nil {
		http.Error(w, "the numbers cannot be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(text, '\n')) // who asked has gone
}
