package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"oipnode/shared/config"
	"oipnode/shared/gun"
	"oipnode/shared/metrics/prom"
)

// syncScript is a sync whose cycles do what a test says, the last thing for ever.
type syncScript struct {
	cycles []func() (gun.Report, error)
	at     []time.Duration
	start  time.Time
}

func (s *syncScript) Run(context.Context) (gun.Report, error) {
	s.at = append(s.at, time.Since(s.start))
	return s.cycles[min(len(s.at), len(s.cycles))-1]()
}

// playSync runs a loop over the script; wishes are the times at which somebody forces a
// cycle.
func playSync(t *testing.T, s *syncScript, total time.Duration, wishes ...time.Duration) string {
	t.Helper()
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		s.start = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), total)
		defer cancel()
		l := &syncLoop{sync: s, interval: 30 * time.Second, log: slog.New(slog.NewTextHandler(&out, nil)), wish: make(chan struct{}, 1)}
		for _, at := range wishes {
			time.AfterFunc(at, l.force)
		}
		l.run(ctx)
	})
	return out.String()
}

func syncDone(c gun.Counts, complete bool, err error) func() (gun.Report, error) {
	return func() (gun.Report, error) { return gun.Report{Counts: c, Complete: complete}, err }
}

func TestSyncSchedule(t *testing.T) {
	s := &syncScript{cycles: []func() (gun.Report, error){syncDone(gun.Counts{}, true, nil)}}
	log := playSync(t, s, 95*time.Second, 40*time.Second)
	if want := []time.Duration{0, 30 * time.Second, 40 * time.Second, 70 * time.Second}; !slices.Equal(s.at, want) || log != "" {
		t.Errorf("cycles at %v, want %v; log %q", s.at, want, log)
	}
	// What a cycle left is done soon, unless it did nothing.
	s = &syncScript{cycles: []func() (gun.Report, error){syncDone(gun.Counts{Discovered: 1, Indexed: 1}, false, nil), syncDone(gun.Counts{}, false, nil)}}
	log = playSync(t, s, 40*time.Second)
	if want := []time.Duration{0, catchUpPause, catchUpPause + 30*time.Second}; !slices.Equal(s.at, want) || strings.Count(log, "gun cycle") != 1 {
		t.Errorf("cycles at %v, want %v; log %q", s.at, want, log)
	}
}

func TestSyncFailures(t *testing.T) {
	bad := errors.New("store gone")
	s := &syncScript{cycles: []func() (gun.Report, error){
		syncDone(gun.Counts{}, false, bad), syncDone(gun.Counts{}, false, bad), func() (gun.Report, error) { panic("oops") }, syncDone(gun.Counts{}, true, nil),
	}}
	log := playSync(t, s, 110*time.Second)
	if n := strings.Count(log, "level=ERROR"); n != 2 || !strings.Contains(log, "store gone") || !strings.Contains(log, "oops") || !strings.Contains(log, "works again") {
		t.Errorf("%d errors in the log: %s", n, log)
	}
}

func TestSyncIsOptional(t *testing.T) {
	n := &node{config: config.Config{Gun: config.Gun{Enabled: true}}}
	if l, err := n.newSyncLoop(); l != nil || err != nil {
		t.Errorf("without peers: %v, %v", l, err)
	}
	n.config.Gun.Peers = []string{"ws://127.0.0.1:1/gun"}
	if l, err := n.newSyncLoop(); l == nil || err != nil {
		t.Errorf("with a peer: %v, %v", l, err)
	}
	n.config.Gun.Enabled = false
	if l, err := n.newSyncLoop(); l != nil || err != nil {
		t.Errorf("switched off: %v, %v", l, err)
	}
	n.config.Gun = config.Gun{Enabled: true, RelayURL: "nonsense"}
	if _, err := n.newSyncLoop(); !errors.Is(err, gun.ErrURL) {
		t.Errorf("a wrong URL: %v", err)
	}
}

// TestSyncFailuresAreCounted: a cycle that could not even take its lease, or not keep its
// status, leaves no error in its report. It has failed all the same.
func TestSyncFailuresAreCounted(t *testing.T) {
	for _, c := range []struct {
		run    func() (gun.Report, error)
		errors string
		cycles string
	}{
		{syncDone(gun.Counts{}, true, nil), "0", "1"},
		{syncDone(gun.Counts{Errors: 2}, true, nil), "2", "1"},
		{syncDone(gun.Counts{}, false, errors.New("take the lease: no space left on device")), "1", "1"},
		{func() (gun.Report, error) {
			return gun.Report{Counts: gun.Counts{Errors: 2}, Error: "peers: the store failed"}, errors.New("the store failed")
		}, "3", "1"},
		{syncDone(gun.Counts{}, false, gun.ErrBusy), "0", "0"},
	} {
		recorder := prom.New()
		_, _ = countedSync{&syncScript{cycles: []func() (gun.Report, error){c.run}}, recorder}.Run(t.Context())
		page := httptest.NewRecorder()
		recorder.Page(func(*http.Request) {}).ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		for _, want := range []string{"\noipnode_gun_errors_total " + c.errors + "\n", "\noipnode_gun_cycle_duration_seconds_count " + c.cycles + "\n"} {
			if !strings.Contains(page.Body.String(), want) {
				t.Errorf("%+v: no line %q", c, want)
			}
		}
	}
}
