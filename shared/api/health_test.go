package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"oipnode/shared/gateway"
	"oipnode/shared/gatewaysim"
	"oipnode/shared/indexer"
	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/state"
	"oipnode/shared/summary"
)

// tip is the height of the simulated gateway.
const tip = startHeight + 99

// indexed runs the real pipeline over a simulated gateway: a creator, a template,
// a record, and three forged records. The returned function runs another cycle;
// once the gateway is closed that one fails.
func indexed(w *world) (sim *gatewaysim.Server, cycle func()) {
	w.Helper()
	p := published()
	s := p.signers[0]
	chain := gatewaysim.NewChain(tip)
	definition := []byte(`{"name":"string","index_name":0}`)
	add := func(height int64, tx oip.Transaction) {
		if err := chain.Add(height, gatewaysim.Item{ID: tx.ID, Tags: tx.Tags, Data: tx.Data}); err != nil {
			w.Fatal(err)
		}
	}
	template := s.Template("basic", definition)
	add(startHeight+1, s.Registration("writer", "Surname"))
	add(startHeight+2, template)
	data := func(name string) []byte { return fmt.Appendf(nil, `[{"0":%q,"t":%q}]`, name, template.ID) }
	add(startHeight+3, s.RawRecord("post", data("real")))
	for i := range 3 {
		forged := s.RawRecord("post", data(fmt.Sprint("signed", i)))
		forged.Data = data(fmt.Sprint("forged", i))
		add(startHeight+4, forged)
	}
	sim = gatewaysim.NewServer(chain, gatewaysim.Options{})
	if err := sim.Start(); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = sim.Close() }) // a test may have closed it
	opts := gateway.Options{RetryPause: time.Microsecond, Now: clock}
	gw, err := gateway.Dial(sim.URL(), opts)
	if err != nil {
		w.Fatal(err)
	}
	pool := gateway.NewPool([]*gateway.Gateway{gw}, opts)
	w.Cleanup(pool.Close)
	ix := indexer.New(indexer.Options{Records: w.opt.Records, State: w.opt.State, Pool: pool, StartHeight: startHeight, Now: clock})
	cycle = func() {
		// What a cycle could not do is in its report, which is what is shown.
		_, _ = ix.Run(context.Background())
	}
	cycle()
	return sim, cycle
}

func TestHealth(t *testing.T) {
	w := newWorld(t)
	w.expect(w.ok("", "/api/health"), "status", `"OK"`, "version", `"1.2.3"`, "timestamp", `"2026-03-01T12:00:00Z"`,
		"store", `{"engine":"bleve+bbolt","status":"OK"}`, "state", `{"status":"OK"}`,
		"index", `{"checkpoint":0,"gatewayHeight":0,"indexingProgress":"0%","lagBlocks":0}`)
	indexed(w)
	w.expect(w.ok("", "/api/health"), "index", `{"checkpoint":1099,"gatewayHeight":1099,"indexingProgress":"100%","lagBlocks":0}`)
	w.handler = New(w.opt) // without the progress it remembers
	w.expect(w.ok("", "/api/records"), "indexingProgress", `"100%"`, "totalRecords", "1")
}

// TestHealthTellsNoNumbers: how many documents there are is not for everybody.
func TestHealthTellsNoNumbers(t *testing.T) {
	w := newWorld(t)
	before := w.call("/api/health").Body.String()
	w.publish(restricted("private", "secret", startHeight, fields{0: "private", 1: "owner"}))
	if after := w.call("/api/health").Body.String(); after != before {
		t.Errorf("the page changes with a private record:\n%s\n%s", before, after)
	}
}

func TestHealthOfFailingStores(t *testing.T) {
	secretText := errors.New("dial tcp 10.0.0.7: password=hunter2")
	store, kept := &failing{}, &failingState{}
	w := newWorld(t, func(o *Options) {
		store.Store, kept.Store = o.Records, o.State
		o.Records, o.State = store, kept
	})
	for _, c := range []struct {
		store, state             error
		status                   int
		storeStatus, stateStatus string
		names                    string
	}{
		{nil, nil, 200, "OK", "OK", ""},
		{fmt.Errorf("%w: %w", records.ErrUnavailable, secretText), nil, 503, "unavailable", "OK", "the record store cannot"},
		{secretText, nil, 503, "unavailable", "OK", "the record store cannot"},
		{nil, secretText, 503, "OK", "unavailable", "the state store cannot"},
		{secretText, secretText, 503, "unavailable", "unavailable", "the record store and the state store cannot"},
	} {
		store.err, kept.err = c.store, c.state
		res := w.call("/api/health")
		message, _ := res.json["error"].(string)
		if res.Code != c.status || at(res.json, "store", "status") != c.storeStatus || at(res.json, "state", "status") != c.stateStatus ||
			!strings.Contains(message, c.names) || strings.Contains(res.Body.String(), "hunter2") {
			t.Errorf("%v: %d %s", c, res.Code, res.Body)
		}
		if res.Code == 503 && (res.json["code"] != "unavailable" || res.json["status"] != "unavailable") {
			t.Errorf("%v: %s", c, res.Body)
		}
	}
	store.err = nil
	for _, path := range []string{"/api/records", "/api/health/keepdb"} {
		res := w.call(path)
		if res.Code != 503 || res.Header().Get("Retry-After") != "5" || strings.Contains(res.Body.String(), "hunter2") {
			t.Errorf("%s: %d %s", path, res.Code, res.Body)
		}
	}
}

func TestKeepdb(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.RefreshCycles = 10 })
	w.expect(w.ok("", "/api/health/keepdb"), "service", `"keepdb"`, "status", `"starting"`, "checkpoint", "0", "cycles", "0", "checkpointAt", "null",
		"lastCycle", "null", "lastGoodCycle", "null", "ledger", "{}", "rejected", "[]", "rejectedNext", "null", "backoffUntil", "null", "gateways", "[]",
		"cyclesUntilCacheRefresh", "0", "summary", "null", "rescan", "null")

	sim, cycle := indexed(w)
	refresh := summary.Refresher{Records: summary.Opened(w.opt.Records), State: w.opt.State, Every: 10, Now: clock}
	if _, made, err := refresh.Run(t.Context(), false); err != nil || !made {
		t.Fatalf("refresh: %v, %v", made, err)
	}
	if _, err := indexer.RequestRescan(t.Context(), w.opt.State, 5000, 6000, clock()); err != nil {
		t.Fatal(err)
	}
	page := w.ok("", "/api/health/keepdb")
	if at(page, "summary", "records") != json.Number("1") || at(page, "summary", "checkpoint") != json.Number("1099") || at(page, "rescan", "from") != json.Number("5000") {
		t.Errorf("summary %v, rescan %v", page["summary"], page["rescan"])
	}
	w.expect(page, "status", `"OK"`, "checkpoint", "1099", "gatewayHeight", "1099", "lagBlocks", "0", "indexingProgress", `"100%"`, "cycles", "1",
		"ledger", `{"rejected:bad_signature":3}`, "rejectedNext", "null", "backoffUntil", "null", "cyclesUntilCacheRefresh", "10",
		"checkpointAt", `"2026-03-01T12:00:00Z"`, "lastGoodCycle", `"2026-03-01T12:00:00Z"`)
	if at(page, "lastCycle", "counts", "rejected") != json.Number("3") || at(page, "lastCycle", "counts", "indexed") != json.Number("3") {
		t.Errorf("last cycle %v", page["lastCycle"])
	}
	whole := list(t, page, "rejected")
	if len(whole) != 3 || whole[0]["reason"] != "bad_signature" || whole[0]["height"] != json.Number("1004") {
		t.Errorf("rejected %v", whole)
	}
	// The list in parts is the same list.
	var parts []object
	after := ""
	for range 4 {
		part := w.ok("", "/api/health/keepdb", "rejectedLimit", "1", "rejectedAfter", after)
		parts = append(parts, list(t, part, "rejected")...)
		if after, _ = part["rejectedNext"].(string); after == "" {
			break
		}
	}
	if fmt.Sprint(parts) != fmt.Sprint(whole) {
		t.Errorf("in parts %v, whole %v", parts, whole)
	}

	if err := sim.Close(); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		cycle()
	}
	page = w.ok("", "/api/health/keepdb")
	w.expect(page, "status", `"failing"`, "cycles", "6", "checkpoint", "1099", "cyclesUntilCacheRefresh", "5", "lastGoodCycle", `"2026-03-01T12:00:00Z"`)
	if text, _ := at(page, "lastCycle", "error").(string); text == "" || utf8.RuneCountInString(text) > maxLine+1 || strings.Contains(text, "\n") {
		t.Errorf("error %q", text)
	}
	if page["backoffUntil"] == nil || list(t, page, "gateways")[0]["backoffUntil"] == nil {
		t.Errorf("no back-off: %v", page)
	}
}

// TestKeepdbOverdue: cycles that end without being able to say so, as on a full disk, or
// that nobody starts any more, are seen by the time of the last one.
func TestKeepdbOverdue(t *testing.T) {
	now := noon
	w := newWorld(t, func(o *Options) {
		o.CycleInterval, o.Now = 10*time.Minute, func() time.Time { return now }
	})
	now = noon.Add(time.Hour)
	w.expect(w.ok("", "/api/health/keepdb"), "status", `"starting"`)
	now = noon
	indexed(w)
	status := func(after time.Duration, want string) {
		t.Helper()
		now = noon.Add(after)
		page := w.ok("", "/api/health/keepdb")
		w.expect(page, "status", want)
		w.expect(page["lastCycle"].(object), "error", "null")
	}
	status(35*time.Minute, `"OK"`)
	status(35*time.Minute+time.Second, `"failing"`)
	lease, err := state.Acquire(t.Context(), w.opt.State, "keepdb", "one that takes long", time.Hour, clock)
	if err != nil {
		t.Fatal(err)
	}
	status(50*time.Minute, `"OK"`)
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	status(50*time.Minute, `"failing"`)
}

func TestPercent(t *testing.T) {
	for _, c := range []struct {
		start, checkpoint, tip int64
		want                   string
	}{
		{1000, 0, 0, "0%"}, {1000, 999, 1099, "0%"}, {1000, 1000, 1099, "1%"}, {1000, 1098, 1099, "99%"}, {1000, 1099, 1099, "100%"},
		{1000, 1099, 1050, "100%"}, {1000, 1099, 900, "100%"}, {1000, 0, 1099, "0%"}, {0, 0, 199, "0%"}, {0, 198, 199, "99%"},
		{1, 1 << 50, 1 << 51, "50%"}, {1000, 1099, 0, "0%"},
	} {
		if got := percentText(c.start, c.checkpoint, c.tip); got != c.want {
			t.Errorf("%d %d %d: %s, want %s", c.start, c.checkpoint, c.tip, got, c.want)
		}
	}
}

// TestProgressIsRead: what is remembered is used for a second and no longer, nor
// for ever when the clock is put back.
func TestProgressIsRead(t *testing.T) {
	at := noon
	kept := &failingState{}
	w := newWorld(t, func(o *Options) {
		kept.Store = o.State
		o.State, o.Now = kept, func() time.Time { return at }
	})
	w.expect(w.ok("", "/api/records"), "indexingProgress", `"0%"`)
	indexed(w)
	at = at.Add(progressTTL - 1)
	w.expect(w.ok("", "/api/records"), "indexingProgress", `"0%"`)
	at = at.Add(1)
	w.expect(w.ok("", "/api/records"), "indexingProgress", `"100%"`)
	kept.err = state.ErrClosed
	w.ok("", "/api/records")
	at = noon
	if res := w.call("/api/records"); res.Code != http.StatusServiceUnavailable {
		t.Errorf("with the clock put back: %d, so the state was not read", res.Code)
	}
}

func TestFirstLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		" plain \n":              "plain",
		"one\ntwo":               "one",
		"\n\nlater":              "later",
		"a\x00b\x1b[31mc\td":     "a b [31mc d",
		"a\r\nb":                 "a",
		"x\u202ey\u2028z":        "x y z",
		"bad\xffutf":             "bad\uFFFDutf",
		strings.Repeat("é", 200): strings.Repeat("é", 200),
		strings.Repeat("é", 201): strings.Repeat("é", 200) + "…",
	} {
		if got := firstLine(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
