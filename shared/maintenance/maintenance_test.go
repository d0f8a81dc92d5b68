package maintenance

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"oipnode/shared/errs"
	"oipnode/shared/indexer"
	"oipnode/shared/library"
	"oipnode/shared/records"
	"oipnode/shared/records/embedded"
	"oipnode/shared/state/bolt"
)

func open(t *testing.T) Maintenance {
	t.Helper()
	dir := t.TempDir()
	rec, err := embedded.Open(t.Context(), filepath.Join(dir, "records"), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	st, err := bolt.Open(filepath.Join(dir, "state.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(rec.Close(), st.Close()); err != nil {
			t.Error(err)
		}
	})
	return Maintenance{Records: rec, State: st, RefreshCycles: 10, Now: time.Now}
}

func TestCheck(t *testing.T) {
	for request, bad := range map[string]string{
		`{"task":"stats"}`:                           "",
		`{"task":"rescan","from":0,"to":0}`:          "",
		`{"task":"rescan","from":5,"to":1000000000}`: "",
		`{}`:               `task is ""; allowed: cleanup, monitor, stats, diagnose, delete, rescan, remap, retry, rejected, verify, export, token, reindex, media-repair`,
		`{"task":"Stats"}`: "allowed: cleanup, monitor",
		`{"task":"` + strings.Repeat("é", 500) + `"}`:                        "é…",
		`{"task":"media-repair"}`:                                            "",
		`{"task":"media-repair","graceMinutes":0}`:                           "",
		`{"task":"media-repair","graceMinutes":-1}`:                          "0 to 43200",
		`{"task":"media-repair","graceMinutes":43201}`:                       "0 to 43200",
		`{"task":"stats","graceMinutes":5}`:                                  "graceMinutes belongs to the task media-repair",
		`{"task":"media-repair","to":1}`:                                     "to belongs to the task rescan",
		`{"task":"stats","from":1}`:                                          "from belongs to the task rescan",
		`{"task":"verify","type":"post"}`:                                    "type belongs to the task remap or export",
		`{"task":"rescan"}`:                                                  "needs from and to",
		`{"task":"rescan","from":1}`:                                         "needs from and to",
		`{"task":"rescan","from":2,"to":1}`:                                  "from <= to",
		`{"task":"rescan","from":-1,"to":1}`:                                 "0 <= from",
		`{"task":"rescan","from":1,"to":1000000000000}`:                      "to <= 1000000000",
		`{"task":"cleanup"}`:                                                 "",
		`{"task":"monitor","seconds":1}`:                                     "",
		`{"task":"monitor"}`:                                                 "needs seconds, 1 to 86400",
		`{"task":"monitor","seconds":86401}`:                                 "needs seconds",
		`{"task":"diagnose"}`:                                                "",
		`{"task":"diagnose","mode":"snapshot"}`:                              "",
		`{"task":"diagnose","mode":"deep"}`:                                  "quick, snapshot or monitor",
		`{"task":"diagnose","interval":5}`:                                   "belong to the mode monitor",
		`{"task":"diagnose","mode":"monitor"}`:                               "needs interval and duration",
		`{"task":"diagnose","mode":"monitor","interval":10,"duration":80}`:   "9 intervals at least",
		`{"task":"diagnose","mode":"monitor","interval":1,"duration":86400}`: "10000 intervals at most",
		`{"task":"diagnose","mode":"monitor","interval":10,"duration":120}`:  "",
		`{"task":"delete"}`:                                                  "needs the did",
		`{"task":"delete","did":"x"}`:                                        "needs the did",
		`{"task":"remap"}`:                                                   "needs the type",
		`{"task":"remap","type":"` + strings.Repeat("x", 5000) + `"}`:        "longer than 4096",
		`{"task":"retry"}`:                                                   "",
		`{"task":"retry","reason":"` + strings.Repeat("x", 101) + `"}`:       "at most 100 bytes",
		`{"task":"rejected"}`:                                                "",
		`{"task":"rejected","id":"short"}`:                                   "the id of a transaction",
		`{"task":"rejected","limit":1001}`:                                   "1 to 1000",
		`{"task":"verify","repair":true,"fresh":true}`:                       "",
		`{"task":"export","type":"post","limit":-1}`:                         "1 to 1000",
		`{"task":"token","admin":true,"minutes":5}`:                          "",
		`{"task":"token","minutes":43201}`:                                   "1 to 43200",
	} {
		q, err := Parse([]byte(request))
		switch {
		case bad == "" && err != nil:
			t.Errorf("%s: %v", request, err)
		case bad != "" && (err == nil || !errors.Is(err, errs.Invalid) || !strings.Contains(errs.Public(err), bad)):
			t.Errorf("%.60s: %v, want %q", request, err, bad)
		}
		if bad != "" {
			m := Maintenance{} // a bad request reaches no store
			if _, err := m.Run(t.Context(), q); !errors.Is(err, errs.Invalid) {
				t.Errorf("%.60s was run: %v", request, err)
			}
		}
	}
}

func TestRescanAndStats(t *testing.T) {
	m := open(t)
	from, to := int64(100), int64(200)
	got, err := m.Run(t.Context(), Request{Task: TaskRescan, From: &from, To: &to})
	if r, ok := got.(Rescanned); err != nil || !ok || r.Rescan.From != 100 || r.Rescan.To != 200 || r.Rescan.Next != 100 {
		t.Errorf("rescan: %+v, %v", got, err)
	}
	got, err = m.Run(t.Context(), Request{Task: TaskStats})
	s, ok := got.(Stats)
	if err != nil || !ok {
		t.Fatalf("stats: %+v, %v", got, err)
	}
	if s.Rescan == nil || s.Rescan.To != 200 || s.Summary != nil || s.Records.Engine == "" || s.Pipeline.Cycles != 0 {
		t.Errorf("stats %+v", s)
	}
	if s.Checkpoint != (indexer.Checkpoint{}) || s.LagBlocks != 0 {
		t.Errorf("an empty node is at %+v, %d behind", s.Checkpoint, s.LagBlocks)
	}
}

// away is a record store that cannot be reached.
type away struct{ records.Store }

func (away) Health(context.Context) (records.Health, error) {
	return records.Health{}, records.ErrUnavailable
}

// TestStatsWithoutEngine shows what there is: it is the page for bad days.
func TestStatsWithoutEngine(t *testing.T) {
	m := open(t)
	m.Records = away{m.Records}
	got, err := m.Run(t.Context(), Request{Task: TaskStats})
	if s, ok := got.(Stats); err != nil || !ok || s.Records.Detail != "cannot be reached" {
		t.Errorf("%+v, %v", got, err)
	}
}

// rebuilt is a record store that counts how it is built anew.
type rebuilt struct {
	records.Store
	busy func() error
}

func (r rebuilt) Reindex(ctx context.Context, between func(context.Context) error) (records.Reindexed, error) {
	if err := between(ctx); err != nil {
		return records.Reindexed{}, err
	}
	return records.Reindexed{Done: true, Documents: 7}, r.busy()
}

// slow is a record store that is built anew until its time is over.
type slow struct {
	records.Store
	caller context.Context
	t      *testing.T
}

func (s slow) Reindex(ctx context.Context, _ func(context.Context) error) (records.Reindexed, error) {
	<-ctx.Done()
	if s.caller.Err() != nil {
		s.t.Error("no time is left before the caller's deadline")
	}
	return records.Reindexed{Copied: 3, Again: true}, nil
}

// TestReindexStopsInTime: its time is over before the caller's, which under Lambda is the
// moment of a kill, and the lease is free behind it.
func TestReindexStopsInTime(t *testing.T) {
	m := open(t)
	m.Holder = "operator"
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	plain := m.Records
	m.Records = slow{plain, ctx, t}
	got, err := m.Run(ctx, Request{Task: TaskReindex})
	text, _ := json.Marshal(got)
	if err != nil || string(text) != `{"reindexed":false,"copied":3,"again":true}` {
		t.Errorf("%s, %v", text, err)
	}
	if err := indexer.Alone(ctx, m.State, "another", time.Now, func(context.Context, func(context.Context) error) error { return nil }); err != nil {
		t.Errorf("the lease is not free: %v", err)
	}
}

// TestReindex works alone: no cycle runs meanwhile, and none is disturbed.
func TestReindex(t *testing.T) {
	m := open(t)
	m.Holder = "operator"
	if _, err := m.Run(t.Context(), Request{Task: TaskReindex}); !errors.Is(err, errs.Invalid) {
		t.Errorf("a store that cannot: %v", err)
	}
	cycle := func() error {
		_, err := indexer.New(indexer.Options{Records: m.Records, State: m.State}).Run(t.Context())
		return err
	}
	m.Records = rebuilt{m.Records, func() error {
		if err := cycle(); !errors.Is(err, indexer.ErrBusy) {
			t.Errorf("a cycle meanwhile: %v", err)
		}
		return nil
	}}
	if got, err := m.Run(t.Context(), Request{Task: TaskReindex}); err != nil || got != (records.Reindexed{Done: true, Documents: 7}) {
		t.Errorf("%+v, %v", got, err)
	}
	err := indexer.Alone(t.Context(), m.State, "another", time.Now, func(ctx context.Context, _ func(context.Context) error) error {
		_, err := m.Run(ctx, Request{Task: TaskReindex})
		return err
	})
	if !errors.Is(err, errs.Conflict) {
		t.Errorf("beside a cycle: %v", err)
	}
}

// mender notes how a repair was asked for.
type mender struct{ grace time.Duration }

func (m *mender) Repair(_ context.Context, grace time.Duration) (library.Repaired, error) {
	m.grace = grace
	return library.Repaired{Complete: true, Removed: 2}, nil
}

func TestMediaRepair(t *testing.T) {
	media := &mender{}
	m := Maintenance{Media: media} // it needs no other store
	for minutes, want := range map[int64]time.Duration{-1: 24 * time.Hour, 0: 0, 90: 90 * time.Minute} {
		q := Request{Task: TaskMediaRepair}
		if minutes >= 0 {
			q.GraceMinutes = &minutes
		}
		got, err := m.Run(t.Context(), q)
		if r, ok := got.(library.Repaired); err != nil || !ok || !r.Complete || r.Removed != 2 || media.grace != want {
			t.Errorf("%d minutes: %+v, %v, grace %v", minutes, got, err, media.grace)
		}
	}
	if _, err := (Maintenance{}).Run(t.Context(), Request{Task: TaskMediaRepair}); !errors.Is(err, errs.Invalid) {
		t.Errorf("a node without media: %v", err)
	}
}
