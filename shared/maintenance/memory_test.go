package maintenance

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"oipnode/shared/errs"
	"oipnode/shared/media/files"
	"oipnode/shared/memory"
	"oipnode/shared/state"
)

// cache is one that an operator can have dropped.
type cache struct{ size int64 }

func (c *cache) Size() memory.CacheSize {
	return memory.CacheSize{Name: "answers", Bytes: c.size, Bound: 100}
}
func (c *cache) Drop() { c.size = 0 }

// grown is a process whose memory grows by 1 MiB with each sample, every ten seconds by
// its clock.
func grown() *memory.Monitor {
	at, used := time.Unix(1_700_000_000, 0), int64(50<<20)
	return memory.New(memory.Options{Free: func() {}, Read: func() memory.Sample {
		at, used = at.Add(10*time.Second), used+1<<20
		return memory.Sample{At: at, Used: used, Limit: 100 << 20, LimitBy: memory.SourceContainer}
	}})
}

func TestCleanup(t *testing.T) {
	m := open(t)
	m.Memory = grown()
	c := &cache{size: 70}
	m.Memory.Register(c)
	if err := m.State.Commit(t.Context(), state.Put(state.Key{Space: "gun-seen", ID: "a"}, nil), state.Put(state.Key{Space: "gun-seen", ID: "b"}, nil)); err != nil {
		t.Fatal(err)
	}
	got, err := m.Run(t.Context(), Request{Task: TaskCleanup})
	done, ok := got.(Cleaned)
	if err != nil || !ok || c.size != 0 || done.Caches["answers"] != 70 || done.Processed != 2 || done.Again || done.After.Used <= done.Before.Used {
		t.Errorf("%+v, %v; the cache has %d", got, err, c.size)
	}
	if done.Before.Utilization != "52.00%" || done.Before.LimitBy != "container" || done.Before.Status != "ok" {
		t.Errorf("before: %+v", done.Before)
	}
}

// TestWatch: what is told one by one is not told again, growth comes with enough samples,
// and a call whose time ends answers with what it has.
func TestWatch(t *testing.T) {
	m := open(t)
	m.Memory = grown()
	w, err := m.watch(t.Context(), time.Millisecond, 11*time.Millisecond)
	if err != nil || w.Count != 12 || len(w.Samples) != 12 || w.Growth == nil {
		t.Fatalf("%+v, %v", w, err)
	}
	mib := float64(1 << 20)
	g := w.Growth
	if g.PerSecond < mib/10*0.99 || g.PerSecond > mib/10*1.01 || !g.Growing || g.ToLimit == nil || *g.ToLimit < 350 || *g.ToLimit > 390 || g.InAnHour < 400<<20 {
		t.Errorf("%+v", g)
	}
	told := 0
	m.Emit = func(v any) error {
		if _, ok := v.(Reading); ok {
			told++
		}
		return nil
	}
	if w, err = m.watch(t.Context(), time.Millisecond, 3*time.Millisecond); err != nil || told != 4 || len(w.Samples) != 0 || w.Growth != nil {
		t.Errorf("%d told; %+v, %v", told, w, err)
	}
	gone := errors.New("nobody listens")
	m.Emit = func(any) error { return gone }
	if _, err := m.watch(t.Context(), time.Millisecond, time.Hour); !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
	m.Emit = nil
	synctest.Test(t, func(t *testing.T) { // so that a busy machine has the time for all samples
		brief, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if w, err := m.watch(brief, time.Millisecond, time.Hour); err != nil || w.Count < 150 || w.Count > 151 {
			t.Errorf("whose time is over: %d samples, %v", w.Count, err)
		}
	})
	// As a function it ends before an alarm takes it for one that does not.
	synctest.Test(t, func(t *testing.T) {
		const timeout = 15 * time.Minute
		invocation, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		begun := time.Now()
		w, err := m.watch(invocation, time.Second, 24*time.Hour)
		if took := time.Since(begun); err != nil || took > timeout*97/100 || took < timeout*9/10 {
			t.Errorf("%d samples in %v, %v", w.Count, took, err)
		}
	})
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.watch(cancelled, time.Millisecond, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestDiagnose(t *testing.T) {
	m := open(t)
	m.Memory = memory.New(memory.Options{})
	if err := memory.NewReporter("node", m.Memory).Report(t.Context(), m.State); err != nil {
		t.Fatal(err)
	}
	got, err := m.Run(t.Context(), Request{Task: TaskDiagnose})
	d, ok := got.(Diagnosis)
	if err != nil || !ok || d.Memory.Used < 1<<20 || len(d.Parts) == 0 || d.Goroutines.Waiting+d.Goroutines.Running == 0 ||
		len(d.Functions) != 1 || d.Functions[0].Name != "node" || d.Functions[0].Used < 1<<20 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestSnapshot: go tool pprof reads the profile and finds what this package allocates.
func TestSnapshot(t *testing.T) {
	m := Maintenance{Memory: memory.New(memory.Options{}), Now: time.Now}
	if _, err := m.Run(t.Context(), Request{Task: TaskDiagnose, Mode: ModeSnapshot}); !errors.Is(err, errs.Invalid) {
		t.Errorf("without a place: %v", err)
	}
	dir := t.TempDir()
	store, err := files.Open(filepath.Join(dir, "media"), files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m.Files, m.Where = store, func(name string) string { return "at " + name }
	got, err := m.Run(t.Context(), Request{Task: TaskDiagnose, Mode: ModeSnapshot})
	s, ok := got.(Snapshot)
	if err != nil || !ok || s.Bytes == 0 || !strings.HasPrefix(s.File, "at profile/heap-") {
		t.Fatalf("%+v, %v", got, err)
	}
	list, err := filepath.Glob(filepath.Join(dir, "media", "profile", "he", "heap-*.pprof"))
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "tool", "pprof", "-top", "-sample_index=alloc_space", list[0])
	cmd.Env = append(os.Environ(), "PPROF_TMPDIR="+dir)
	text, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(text), "Type: alloc_space") || !strings.Contains(string(text), "flat%") {
		t.Errorf("%v: %s", err, text)
	}
}
