package function

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"oipnode/shared/memory"
	"oipnode/shared/metrics"
	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
)

// handler is a function whose invocations do what a test says.
type handler func(ctx context.Context) ([]byte, error)

func (h handler) Invoke(ctx context.Context, _ []byte) ([]byte, error) { return h(ctx) }

// world is what an invocation needs, with memory and a clock that a test sets.
type world struct {
	*testing.T
	invocations
	used  int64
	at    time.Time
	store state.Store
	lines bytes.Buffer
}

func newWorld(t *testing.T, h handler) *world {
	t.Helper()
	w := &world{T: t, used: 100 << 20, at: time.Now().Add(time.Hour)}
	emf, err := metrics.NewEMF(&w.lines, "stack-test", nil)
	if err != nil {
		t.Fatal(err)
	}
	m := memory.New(memory.Options{
		Read: func() memory.Sample {
			return memory.Sample{At: w.at, Used: w.used, Limit: 256 << 20, LimitBy: memory.SourceFunction, Goroutines: 9}
		},
		Thresholds: memory.Thresholds{WarningPercent: 80, CriticalPercent: 90}, Free: func() {},
	})
	w.invocations = invocations{next: h, emf: emf, memory: m, report: memory.NewReporter("test", m),
		state: func() (state.Store, bool) { return w.store, w.store != nil }, log: slog.New(slog.DiscardHandler)}
	return w
}

// open opens the state store.
func (w *world) open() {
	w.Helper()
	s, err := bolt.Open(filepath.Join(w.TempDir(), "state.db"), bolt.Options{})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if err := s.Close(); err != nil {
			w.Error(err)
		}
	})
	w.store = s
}

// functions are what the state store has.
func (w *world) functions() []memory.Function {
	w.Helper()
	list, _, err := memory.ReadFunctions(w.Context(), w.store, w.at)
	if err != nil {
		w.Fatal(err)
	}
	return list
}

// TestInvocationTellsOfMemory: the line of metrics and the row of the health page have the
// number of the same sample, and there is at most one row a minute.
func TestInvocationTellsOfMemory(t *testing.T) {
	answer, failed := []byte("answer"), errors.New("it failed")
	var result error
	w := newWorld(t, func(context.Context) ([]byte, error) { return answer, result })
	invoke := func() (line struct{ MemoryPercent, MemoryUsed, MemoryPeak, Goroutines, ColdStarts float64 }) {
		t.Helper()
		w.lines.Reset()
		got, err := w.Invoke(t.Context(), nil)
		if !bytes.Equal(got, answer) || !errors.Is(err, result) {
			t.Errorf("%q, %v", got, err)
		}
		if err := json.Unmarshal(w.lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		return line
	}
	// Nothing is opened for the sample alone.
	if line := invoke(); line.MemoryPercent != 39.06 || line.MemoryPeak != 100<<20 || line.Goroutines != 9 || line.ColdStarts != 1 {
		t.Errorf("%+v", line)
	}
	w.open()
	w.used, w.at, result = 120<<20, w.at.Add(time.Second), failed // a failed invocation tells as well
	if line := invoke(); line.MemoryPercent != 46.88 || line.ColdStarts != 0 {
		t.Errorf("%+v", line)
	}
	if f := w.functions(); len(f) != 1 || f[0].Name != "test" || f[0].Fullest().Percent() != 46.88 {
		t.Errorf("%+v", f)
	}
	w.used, w.at, result = 50<<20, w.at.Add(59*time.Second), nil
	if line := invoke(); line.MemoryPercent != 19.53 || line.MemoryPeak != 120<<20 {
		t.Errorf("%+v", line)
	}
	if f := w.functions(); f[0].Fullest().Percent() != 46.88 {
		t.Errorf("a second row within the minute: %+v", f)
	}
	w.at = w.at.Add(time.Second)
	invoke()
	if f := w.functions(); len(f[0].Instances) != 1 || f[0].Fullest().Percent() != 19.53 || f[0].Peak() != 120<<20 {
		t.Errorf("%+v", f)
	}
}

// TestStoreAway: a store that has no answer holds no invocation up, and changes nothing.
func TestStoreAway(t *testing.T) {
	w := newWorld(t, func(context.Context) ([]byte, error) { return []byte("answer"), nil })
	w.open()
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := w.Invoke(t.Context(), nil); string(got) != "answer" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	w.store = hanging{}
	w.at = w.at.Add(time.Minute)
	if got, err := w.Invoke(t.Context(), nil); string(got) != "answer" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// hanging is a store whose answers never come.
type hanging struct{ state.Store }

func (hanging) Commit(ctx context.Context, _ ...state.Op) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestLongInvocation: a peak in the middle of an invocation is seen, and nothing is left
// running behind it.
func TestLongInvocation(t *testing.T) {
	var w *world
	w = newWorld(t, func(ctx context.Context) ([]byte, error) {
		for w.memory.State().Peak == 0 || w.memory.State().Sample.Used != 240<<20 { // until the watch has looked
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(10 * time.Millisecond):
			}
		}
		return []byte("answer"), nil
	})
	w.used = 240 << 20
	if got, err := w.Invoke(t.Context(), nil); string(got) != "answer" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	if s := w.memory.State(); s.Peak != 240<<20 || !s.Shedding {
		t.Errorf("%+v", s)
	}
}
