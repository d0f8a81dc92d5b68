package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// member is a gateway of a pool whose height, or status, the test decides.
type member struct {
	*Gateway
	height atomic.Int64 // negative: the status to answer
	asked  atomic.Int64
}

func newMember(t *testing.T, c *clock, height int64) *member {
	t.Helper()
	m := &member{}
	m.height.Store(height)
	s := serve(t, func(w http.ResponseWriter, r *http.Request, _ string, _ int) {
		m.asked.Add(1)
		if h := m.height.Load(); h < 0 {
			status(int(-h), "")(w, r)
		} else {
			_ = json.NewEncoder(w).Encode(map[string]int64{"height": h})
		}
	})
	m.Gateway = dial(t, s, withClock(c))
	return m
}

func TestChoose(t *testing.T) {
	const none = -1
	for _, tc := range []struct {
		name       string
		heights    []int64
		checkpoint int64
		initial    bool
		want       int // index of the chosen one
		causes     []error
	}{
		{"first", []int64{1000, 2000}, 990, false, 0, nil},
		{"first, however far", []int64{900_000, 900_000}, 10, false, 0, nil},
		{"second", []int64{-502, 1000}, 990, false, 1, nil},
		{"second at the gap", []int64{-502, 1990}, 990, false, 1, nil},
		{"second over the gap", []int64{-502, 1991}, 990, false, none, []error{ErrUnavailable, ErrGap}},
		{"second over the gap at first", []int64{-502, 900_000}, 10, true, 1, nil},
		{"third", []int64{-502, 1991, 1500}, 990, false, 2, nil},
		{"all fail", []int64{-502, -429, -404}, 990, false, none, []error{ErrUnavailable, ErrRateLimited, ErrUnhealthy}},
		{"first lags a little", []int64{972, 1000}, 990, false, 0, nil},
		{"first is stuck", []int64{971, 1000}, 990, false, 1, nil},
		{"first is stuck and alone", []int64{971, -500}, 990, false, 0, nil},
		{"second is stuck", []int64{-500, 5}, 990, false, 1, nil},
		{"nobody", nil, 990, false, none, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newClock()
			var gateways []*Gateway
			for _, h := range tc.heights {
				gateways = append(gateways, newMember(t, c, h).Gateway)
			}
			g, height, err := NewPool(gateways, Options{Now: c.Now}).Choose(context.Background(), tc.checkpoint, tc.initial)
			if tc.want != none {
				if err != nil || g != gateways[tc.want] || height != tc.heights[tc.want] {
					t.Errorf("%v, %d, %v", g, height, err)
				}
				return
			}
			if !errors.Is(err, ErrNoGateway) || g != nil {
				t.Fatalf("%v, %v, want ErrNoGateway", g, err)
			}
			for i, want := range tc.causes {
				if !errors.Is(err, want) || !strings.Contains(err.Error(), gateways[i].URL()) {
					t.Errorf("%v lacks %v or %s", err, want, gateways[i].URL())
				}
			}
		})
	}
}

func TestChooseLeavesBackoffAlone(t *testing.T) {
	c := newClock()
	first, second := newMember(t, c, -429), newMember(t, c, 1000)
	p := NewPool([]*Gateway{first.Gateway, second.Gateway}, Options{Now: c.Now})
	for range 3 {
		if g, _, err := p.Choose(context.Background(), 990, false); err != nil || g != second.Gateway {
			t.Fatalf("%v, %v", g, err)
		}
	}
	if first.asked.Load() != 1 {
		t.Errorf("%d requests to a gateway that limits the rate", first.asked.Load())
	}
	first.height.Store(1000)
	c.advance(time.Second)
	if g, _, err := p.Choose(context.Background(), 990, false); err != nil || g != first.Gateway {
		t.Errorf("after the back-off: %v, %v", g, err)
	}
}

// A gateway whose windows go wrong is passed over although it tells a height.
func TestChooseAfterAbortedWindow(t *testing.T) {
	c := newClock()
	first, second := newMember(t, c, 1000), newMember(t, c, 1000)
	p := NewPool([]*Gateway{first.Gateway, second.Gateway}, Options{Now: c.Now})
	if _, err := walkErr(first.Gateway, Scan{Min: 0, Max: 10}); !errors.Is(err, ErrProtocol) {
		t.Fatal(err)
	}
	if g, _, err := p.Choose(context.Background(), 990, false); err != nil || g != second.Gateway {
		t.Errorf("%v, %v", g, err)
	}
}

func TestChooseRetryAt(t *testing.T) {
	c := newClock()
	first, second := newMember(t, c, -429), newMember(t, c, -429)
	p := NewPool([]*Gateway{first.Gateway, second.Gateway}, Options{Now: c.Now})
	first.health.limited = Pause{Count: 3, Until: c.Now().Add(10 * time.Minute)}
	second.health.walks = Pause{Count: 3, Until: c.Now().Add(4 * time.Minute)}
	_, _, err := p.Choose(context.Background(), 990, false)
	var e *NoGatewayError
	if !errors.As(err, &e) || !e.RetryAt.Equal(c.Now().Add(4*time.Minute)) || len(e.Causes) != 2 || !errors.Is(err, ErrBackoff) {
		t.Errorf("%v", err)
	}
	if first.asked.Load()+second.asked.Load() != 0 {
		t.Error("a request in back-off")
	}
}

func TestChooseCancelled(t *testing.T) {
	c := newClock()
	m := newMember(t, c, 1000)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := NewPool([]*Gateway{m.Gateway}, Options{}).Choose(ctx, 0, true); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestChooseTellsTheOperator(t *testing.T) {
	c := newClock()
	var log bytes.Buffer
	first, second := newMember(t, c, -502), newMember(t, c, 1000)
	p := NewPool([]*Gateway{first.Gateway, second.Gateway}, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if _, _, err := p.Choose(context.Background(), 990, false); err != nil {
		t.Fatal(err)
	}
	if s := log.String(); !strings.Contains(s, "fall-back") || !strings.Contains(s, first.URL()) || !strings.Contains(s, second.URL()) {
		t.Errorf("logged %q", s)
	}
}

func TestOthers(t *testing.T) {
	c := newClock()
	var gs []*Gateway
	for range 6 {
		gs = append(gs, newMember(t, c, 1).Gateway)
	}
	p := NewPool(gs, Options{})
	gs[1].health.note(classData, &Error{Err: ErrUnavailable})                          // shaky
	gs[2].health.limited = Pause{Count: 1, Until: c.Now().Add(time.Minute)}            // out
	gs[3].health.failed[classData] = Pause{Count: 5, Until: c.Now().Add(time.Minute)}  // out
	gs[4].health.failed[classQuery] = Pause{Count: 5, Until: c.Now().Add(time.Minute)} // its data is fine
	if got, want := p.Others(gs[0]), []*Gateway{gs[4], gs[5], gs[1]}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := p.All(); !reflect.DeepEqual(got, gs) {
		t.Errorf("all: %v", got)
	}
	if got := p.Others(nil); len(got) != 4 || got[0] != gs[0] {
		t.Errorf("others than none: %v", got)
	}
}

// What a pool knows survives a process, as JSON.
func TestSnapshotRestore(t *testing.T) {
	c := newClock()
	a, b := newMember(t, c, 1000), newMember(t, c, -429)
	p := NewPool([]*Gateway{a.Gateway, b.Gateway}, Options{})
	if _, err := a.Height(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Height(context.Background()); err == nil {
		t.Fatal("no refusal")
	}
	a.height.Store(700)
	if _, err := a.Height(context.Background()); !errors.Is(err, ErrHeight) {
		t.Fatal(err)
	}
	a.health.noteWalk(false)
	a.health.note(classData, &Error{Err: ErrUnavailable})
	raw, err := json.Marshal(p.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	var stored []Backoff
	if err := json.Unmarshal(raw, &stored); err != nil {
		t.Fatal(err)
	}
	if !stored[1].Until().Equal(c.Now().Add(time.Second)) || !stored[0].Until().Equal(c.Now().Add(time.Second)) {
		t.Errorf("until %s and %s", stored[0].Until(), stored[1].Until())
	}

	var later []*Gateway
	for _, g := range []*Gateway{a.Gateway, b.Gateway} {
		again, err := Dial(g.URL(), Options{Now: c.Now})
		if err != nil {
			t.Fatal(err)
		}
		later = append(later, again)
	}
	restored := NewPool(later, Options{})
	defer restored.Close()
	restored.Restore(append(stored, Backoff{Gateway: "https://gone.test"}))
	if got, _ := json.Marshal(restored.Snapshot()); !bytes.Equal(got, raw) {
		t.Errorf("restored %s, want %s", got, raw)
	}
	if _, err := later[1].Height(context.Background()); !errors.Is(err, ErrBackoff) {
		t.Errorf("%v, want ErrBackoff", err)
	}
	if _, err := later[0].Height(context.Background()); !errors.Is(err, ErrHeight) {
		t.Errorf("%v, want ErrHeight: the highest height is remembered", err)
	}
}

func TestRestoreDamaged(t *testing.T) {
	c := newClock()
	m := newMember(t, c, 1000)
	p := NewPool([]*Gateway{m.Gateway}, Options{})
	p.Restore([]Backoff{{Gateway: m.URL(), Limited: Pause{Count: -1, Until: c.Now().AddDate(50, 0, 0)}, Tip: Sighting{Height: -7}}})
	if got := m.health.wait(classData); got != time.Hour {
		t.Errorf("wait %s, want the bound", got)
	}
	c.advance(time.Hour)
	if h, err := m.Height(context.Background()); h != 1000 || err != nil {
		t.Errorf("%d, %v", h, err)
	}
}
