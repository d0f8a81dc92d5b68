package gateway

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestDecodeInfo(t *testing.T) {
	for _, tc := range []struct {
		body string
		want int64
		err  error
	}{
		{`{"network":"arweave.N.1","height":1579570,"blocks":1579571}`, 1579570, nil},
		{` {"height": 1 }`, 1, nil},
		{`{"height":999999999}`, 999999999, nil},
		{`{"height":1000000000}`, 0, ErrHeight},
		{`{"height":0}`, 0, ErrHeight},
		{`{"height":-5}`, 0, ErrHeight},
		{`{"height":1.5}`, 0, ErrHeight},
		{`{"height":1e6}`, 0, ErrHeight},
		{`{"height":"1579570"}`, 0, ErrHeight},
		{`{"height":null}`, 0, ErrHeight},
		{`{"height":[5]}`, 0, ErrHeight},
		{`{"height":99999999999999999999999}`, 0, ErrHeight},
		{`{}`, 0, ErrHeight},
		{`{"height":5`, 0, ErrProtocol},
		{``, 0, ErrUnhealthy},
		{`5`, 0, ErrUnhealthy},
		{`<html>`, 0, ErrUnhealthy},
	} {
		if h, err := decodeInfo([]byte(tc.body)); h != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("%s: %d, %v, want %d, %v", tc.body, h, err, tc.want, tc.err)
		}
	}
}

func FuzzDecodeInfo(f *testing.F) {
	for _, s := range []string{`{"height":1579570}`, `{"height":"x"}`, `{"height":-0}`, `{"Height":7}`, `<`, `{"height":1e3}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		h, err := decodeInfo(body)
		if (err == nil) != (h > 0) || h >= maxHeight {
			t.Errorf("%d, %v", h, err)
		}
	})
}

func TestHeight(t *testing.T) {
	s := script(t, ok(`{"height":100}`), ok(`{"height":82}`), ok(`{"height":81}`), status(200, "<html>", "Content-Type", "text/html"),
		status(404, "no"), ok(`{"height":1101}`), ok(`{"height":1100}`))
	g := dial(t, s, withClock(newClock()))
	for i, want := range []struct {
		height int64
		err    error
	}{{100, nil}, {82, nil}, {0, ErrHeight}, {0, ErrUnhealthy}, {0, ErrUnhealthy}, {0, ErrHeight}, {1100, nil}} {
		if h, err := g.Height(context.Background()); h != want.height || !errors.Is(err, want.err) {
			t.Errorf("request %d: %d, %v, want %d, %v", i, h, err, want.height, want.err)
		}
	}
	for _, r := range s.requests() {
		if r.method != "GET" || r.path != "/info" {
			t.Errorf("%s %s", r.method, r.path)
		}
	}
}

func TestHeightBoundsInfo(t *testing.T) {
	s := script(t, ok(fmt.Sprintf(`{"x":%q,"height":5}`, make([]byte, maxInfoBytes))))
	if _, err := dial(t, s).Height(context.Background()); !errors.Is(err, ErrProtocol) {
		t.Errorf("%v, want ErrProtocol", err)
	}
}

func TestTip(t *testing.T) {
	type step struct {
		after time.Duration
		h     int64
		ok    bool
	}
	for name, steps := range map[string][]step{
		"first as it is":         {{0, 999_999_999, true}},
		"fork depth":             {{0, 1000, true}, {0, 982, true}, {0, 981, false}, {0, 1000, true}},
		"no creeping back":       {{0, 1000, true}, {0, 982, true}, {0, 970, false}, {0, 964, false}},
		"head start":             {{0, 1000, true}, {0, 2001, false}, {0, 2000, true}},
		"growth with time":       {{0, 1000, true}, {100 * time.Second, 2011, false}, {0, 2010, true}},
		"clock backwards":        {{0, 1000, true}, {-time.Hour, 2000, true}, {0, 3001, false}},
		"garbage now and then":   {{0, 1000, true}, {time.Minute, 888_888, false}, {time.Minute, 1001, true}, {time.Hour, 888_889, false}},
		"garbage that stays":     {{0, 1000, true}, {time.Minute, 888_888, false}, {2 * time.Hour, 888_888, false}, {2 * time.Hour, 888_888, false}},
		"believed after an hour": {{0, 900_000, true}, {0, 5000, false}, {30 * time.Minute, 5015, false}, {31 * time.Minute, 5030, true}, {0, 900_000, false}, {0, 5029, true}},
		"doubt begins again":     {{0, 900_000, true}, {0, 5000, false}, {50 * time.Minute, 400_000, false}, {20 * time.Minute, 400_001, false}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			tip := tip{forkDepth: 18}
			for i, s := range steps {
				c.advance(s.after)
				if err := tip.accept(s.h, c.Now()); (err == nil) != s.ok || (err != nil && !errors.Is(err, ErrHeight)) {
					t.Errorf("step %d, height %d: %v, want accepted %t", i, s.h, err, s.ok)
				}
			}
		})
	}
}
