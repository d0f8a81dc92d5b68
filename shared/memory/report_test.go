package memory

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"oipnode/infra/engines"
	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
	"oipnode/shared/state/dynamo"
)

// clock is one that only a test moves. It begins tomorrow, so that no row has expired to
// the table itself.
type clock struct{ now time.Time }

func newClock() *clock { return &clock{time.Now().Truncate(time.Second).Add(24 * time.Hour)} }

func (c *clock) Now() time.Time { return c.now }

// eachStore runs a test over both implementations of the state store.
func eachStore(t *testing.T, test func(t *testing.T, s state.Store, c *clock)) {
	closed := func(t *testing.T, s state.Store) {
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("bolt", func(t *testing.T) {
		c := newClock()
		s, err := bolt.Open(filepath.Join(t.TempDir(), "state.db"), bolt.Options{Now: c.Now})
		if err != nil {
			t.Fatal(err)
		}
		closed(t, s)
		test(t, s, c)
	})
	t.Run("dynamo", func(t *testing.T) {
		c := newClock()
		cfg := engines.DynamoDB.AWS(t)
		transport := &http.Transport{MaxIdleConnsPerHost: 16}
		t.Cleanup(transport.CloseIdleConnections)
		cfg.HTTPClient = &http.Client{Transport: transport}
		client := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) { o.DisableValidateResponseChecksum = true })
		name := "memory-" + rand.Text()
		if err := dynamo.CreateTable(t.Context(), client, name); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if _, err := client.DeleteTable(context.WithoutCancel(t.Context()), &dynamodb.DeleteTableInput{TableName: &name}); err != nil {
				t.Error(err)
			}
		})
		s, err := dynamo.Open(t.Context(), dynamo.Options{Client: client, Table: name, Now: c.Now})
		if err != nil {
			t.Fatal(err)
		}
		closed(t, s)
		test(t, s, c)
	})
}

// worker is a process of a function, with a utilization that a test sets.
type worker struct {
	*Monitor
	*Reporter
	percent float64
}

func newWorker(name string, c *clock, percent float64) *worker {
	w := &worker{percent: percent}
	w.Monitor = New(Options{Read: func() Sample {
		s := sample(w.percent)
		s.At = c.now
		return s
	}})
	w.Reporter = NewReporter(name, w.Monitor)
	return w
}

// report checks and reports.
func (w *worker) report(t *testing.T, s state.Store) {
	t.Helper()
	w.Check(t.Context())
	if err := w.Report(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, s state.Store, c *clock) []Function {
	t.Helper()
	list, truncated, err := ReadFunctions(t.Context(), s, c.now)
	if err != nil || truncated {
		t.Fatalf("truncated %v, %v", truncated, err)
	}
	return list
}

func TestReport(t *testing.T) {
	eachStore(t, func(t *testing.T, s state.Store, c *clock) {
		if list := read(t, s, c); len(list) != 0 {
			t.Fatalf("%+v", list)
		}
		begin := c.now
		api, other, keepdb := newWorker("api", c, 30), newWorker("api", c, 60), newWorker("keepdb", c, 10)
		for i := range 61 { // an hour, in which one process of the api leaks
			api.percent = 30 + float64(i)/2
			for _, w := range []*worker{api, other, keepdb} {
				w.report(t, s)
			}
			c.now = c.now.Add(time.Minute)
		}
		c.now = c.now.Add(-time.Minute)
		list := read(t, s, c)
		if len(list) != 2 || list[0].Name != "api" || list[1].Name != "keepdb" || len(list[0].Instances) != 2 || list[0].ColdStarts != 2 {
			t.Fatalf("%+v", list)
		}
		full := list[0].Fullest()
		if full.Utilization() != "60.00%" || full.Percent() != 60 || full.Used != 60_000 || full.Limit != 100_000 || full.LimitBy != SourceContainer || !full.Started.Equal(begin) {
			t.Errorf("%+v", full)
		}
		for _, i := range list[0].Instances {
			// KiB are what a row has of each point.
			if len(i.Points) != rowPoints || !i.Points[rowPoints-1].At.Equal(c.now) || i.Used-i.Points[rowPoints-1].Used >= 1<<10 {
				t.Errorf("%d points, the last %+v", len(i.Points), i.Points[len(i.Points)-1])
			}
			g, ok := Project(i.Points, i.Limit)
			if !ok || !i.At.Equal(c.now) {
				t.Errorf("%+v, %v", g, ok)
			}
		}
		// The full one ends; the other one goes on, and is how the function is.
		c.now = c.now.Add(fresh + time.Second)
		api.percent = 40
		api.report(t, s)
		if f := read(t, s, c)[0]; f.Fullest().Percent() != 40 || f.Peak() != 60_000 || len(f.Instances) != 2 {
			t.Errorf("%+v, peak %d", f.Fullest(), f.Peak())
		}
		// After three hours without a word nothing is left, also not for the writer.
		c.now = c.now.Add(rowLife)
		if list := read(t, s, c); len(list) != 0 {
			t.Errorf("%+v", list)
		}
		api.report(t, s)
		if list := read(t, s, c); len(list) != 1 || list[0].ColdStarts != 0 {
			t.Errorf("a process that was frozen: %+v", list)
		}
	})
}

// The row of the largest function after a long life is within the kilobyte that costs
// one write unit, with its keys.
func TestRowSize(t *testing.T) {
	at := noon
	m := New(Options{Read: func() Sample {
		return Sample{At: at, Used: 10_239 * mib, Limit: 10_240 * mib, LimitBy: SourceContainer}
	}})
	for range 8 * 60 {
		at = at.Add(15*time.Second + 1)
		m.Check(t.Context())
	}
	r := NewReporter("cacherefresh", m)
	value, err := json.Marshal(r.row(m.State()))
	if size := len(value) + len(r.id) + len(space); err != nil || size > 950 {
		t.Errorf("%d bytes, %v: %s", size, err, value)
	}
}

// counted counts writes, and fails them before or behind what they do.
type counted struct {
	state.Store
	writes         int
	before, behind error
}

func (s *counted) Commit(ctx context.Context, ops ...state.Op) error {
	s.writes++
	if s.before != nil {
		return s.before
	}
	return errors.Join(s.Store.Commit(ctx, ops...), s.behind)
}

// At most one row a minute, whatever fails, and never a second row of one process.
func TestReportPause(t *testing.T) {
	eachStore(t, func(t *testing.T, real state.Store, c *clock) {
		s := &counted{Store: real}
		w := newWorker("api", c, 20)
		for range 180 {
			w.report(t, s)
			c.now = c.now.Add(time.Second)
		}
		if s.writes != 3 {
			t.Errorf("%d writes in three minutes", s.writes)
		}
		lost := errors.New("the answer is lost")
		for i, fail := range []struct{ before, behind error }{{lost, nil}, {nil, lost}, {nil, lost}, {lost, nil}} {
			s.before, s.behind, s.writes = fail.before, fail.behind, 0
			w.Check(t.Context())
			if err := w.Report(t.Context(), s); !errors.Is(err, lost) || s.writes != 1 {
				t.Errorf("step %d: %d writes, %v", i, s.writes, err)
			}
			if err := w.Report(t.Context(), s); err != nil || s.writes != 1 {
				t.Errorf("step %d, again: %d writes, %v", i, s.writes, err)
			}
			s.before, s.behind = nil, nil
			c.now = c.now.Add(time.Minute)
			w.percent = float64(30 + i)
			w.report(t, s)
			list := read(t, real, c)
			if len(list) != 1 || len(list[0].Instances) != 1 || list[0].Instances[0].Percent() != w.percent {
				t.Errorf("step %d: %+v", i, list)
			}
			c.now = c.now.Add(time.Minute)
		}
	})
}

// TestBounds: a function with many processes hides no other, and what is read is bounded.
func TestBounds(t *testing.T) {
	eachStore(t, func(t *testing.T, s state.Store, c *clock) {
		write := func(name string, n int) {
			t.Helper()
			var ops []state.Op
			for i := range n {
				value := fmt.Appendf(nil, `{"started":%q,"at":%[1]q,"used":5,"limit":10}`, c.now.UTC().Format(time.RFC3339))
				ops = append(ops, state.Put(state.Key{Space: space, ID: fmt.Sprintf("%s/%04d", name, i)}, value).Until(c.now.Add(rowLife)))
				if len(ops) == state.MaxOps || i == n-1 {
					if err := s.Commit(t.Context(), ops...); err != nil {
						t.Fatal(err)
					}
					ops = nil
				}
			}
		}
		write("api", 250)
		write("api-2", 1)
		write("keepdb", MaxInstances)
		for id, text := range map[string]string{"bad/1": "no JSON", "bad/2": `{"used":-1}`, "bad": `{"at":"2026-03-01T12:00:00Z"}`, "bad/3": `{"at":"2026-03-01T12:00:00Z","points":[[-1,5]]}`} {
			if err := s.Commit(t.Context(), state.Put(state.Key{Space: space, ID: id}, []byte(text))); err != nil {
				t.Fatal(err)
			}
		}
		got, truncated, err := ReadFunctions(t.Context(), s, c.now)
		sizes := make(map[string]int)
		for _, f := range got {
			sizes[f.Name] = len(f.Instances)
		}
		if err != nil || !truncated || len(got) != 3 || sizes["api"] != MaxInstances || sizes["api-2"] != 1 || sizes["keepdb"] != MaxInstances {
			t.Errorf("%v, truncated %v, %v", sizes, truncated, err)
		}
		for i := range MaxRows / MaxInstances {
			write(fmt.Sprintf("many%02d", i), MaxInstances)
		}
		got, truncated, err = ReadFunctions(t.Context(), s, c.now)
		rows := 0
		for _, f := range got {
			rows += len(f.Instances)
		}
		if err != nil || !truncated || rows > MaxRows || rows < MaxRows-1 {
			t.Errorf("%d rows, truncated %v, %v", rows, truncated, err)
		}
	})
}

func TestReadFails(t *testing.T) {
	s, err := bolt.Open(filepath.Join(t.TempDir(), "state.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	w := newWorker("api", newClock(), 1)
	if err := w.Report(t.Context(), s); !errors.Is(err, state.ErrClosed) {
		t.Errorf("report: %v", err)
	}
	if _, _, err := ReadFunctions(t.Context(), s, noon); !errors.Is(err, state.ErrClosed) {
		t.Errorf("read: %v", err)
	}
}

// Whatever stands in a row, it is a row or none.
func FuzzRow(f *testing.F) {
	f.Add("id", []byte(`{"started":"2026-03-01T12:00:00Z","at":"2026-03-01T12:00:00Z","used":1,"peak":2,"limit":3,"limitBy":"machine","points":[[60,5],[0,6]]}`))
	f.Add("", []byte(`{}`))
	f.Add("x", []byte(`{"at":"2026-03-01T12:00:00Z","points":[[9223372036854775807,9223372036854775807]]}`))
	f.Fuzz(func(t *testing.T, id string, value []byte) {
		i, ok := parseRow(id, value)
		if ok && (i.ID == "" || i.At.IsZero() || i.Used < 0 || i.Percent() < 0) {
			t.Errorf("%+v", i)
		}
		for _, p := range i.Points {
			if p.Used < 0 || p.At.After(i.At) {
				t.Errorf("%+v", p)
			}
		}
	})
}
