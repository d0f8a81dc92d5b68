package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"oipnode/shared/gatewaysim"
	"oipnode/shared/oip"
)

// The tests in this file run against the simulated gateway, which has the habits
// and faults of real ones and validates every query against their schema.

const (
	simFirst, simTip = 1000, 1400
	simItems         = 340
)

var simTags = []Filter{{"Index-Method", []string{"OIP"}}, {"Ver", []string{"0.8.0"}}}

// simChain has simItems records, in blocks of one to a hundred and fifty, and
// some that do not match.
func simChain(t *testing.T) *gatewaysim.Chain {
	t.Helper()
	chain := gatewaysim.NewChain(simTip)
	for n := range simItems {
		height := int64(simFirst + n)
		if n >= 150 && n < 300 {
			height = simFirst + 150
		} else if n >= 300 {
			height = simFirst + int64(n) - 100
		}
		err := errors.Join(
			chain.Add(height, gatewaysim.Item{
				ID:   simID(n),
				Data: fmt.Appendf(nil, `{"record":%d}`, n),
				Tags: []oip.Tag{{Name: "Index-Method", Value: "OIP"}, {Name: "Ver", Value: "0.8.0"}, {Name: "N", Value: fmt.Sprintf("%d \"ü\" ", n)}},
			}),
			chain.Add(height, gatewaysim.Item{ID: gatewaysim.IDFor(fmt.Sprintf("other %d", n)), Tags: []oip.Tag{{Name: "Index-Method", Value: "oip"}}}))
		if err != nil {
			t.Fatal(err)
		}
	}
	for n := range 120 {
		if err := chain.Add(0, gatewaysim.Item{ID: gatewaysim.IDFor(fmt.Sprintf("pending %d", n)), Tags: []oip.Tag{{Name: "Index-Method", Value: "OIP"}, {Name: "Ver", Value: "0.8.0"}}}); err != nil {
			t.Fatal(err)
		}
	}
	return chain
}

func simID(n int) string { return gatewaysim.IDFor(fmt.Sprintf("record %d", n)) }

// simulate starts a gateway over the chain and connects to it.
func simulate(t *testing.T, chain *gatewaysim.Chain, opts gatewaysim.Options, c *clock) (*Gateway, *gatewaysim.Server) {
	t.Helper()
	s := gatewaysim.NewServer(chain, opts)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	_, port, _ := strings.Cut(strings.TrimPrefix(s.URL(), "http://"), ":")
	g, err := Dial("http://gateway.test:"+port, Options{
		RetryPause: time.Millisecond, Now: c.Now, DialContext: s.DialContext, RequestTimeout: 5 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g, s
}

// complete checks that a window that ended without error was the whole one.
func complete(t *testing.T, h heard, withTags bool) {
	t.Helper()
	if len(h.ids) != simItems {
		t.Errorf("%d of %d records in a window without error", len(h.ids), simItems)
	}
	number := make(map[string]int, simItems)
	for n := range simItems {
		number[simID(n)] = n
	}
	for _, node := range h.nodes {
		n, known := number[node.ID]
		if !known || node.HasTags != withTags {
			t.Fatalf("%+v", node)
		}
		if want := fmt.Sprintf("%d \"ü\" ", n); withTags && (len(node.Tags) != 3 || node.Tags[2].Value != want) {
			t.Fatalf("tags of %d: %+v", n, node.Tags)
		}
	}
}

func TestSimTraits(t *testing.T) {
	chain := simChain(t)
	for name, opts := range map[string]gatewaysim.Options{
		"keyset cursors":    {Seed: 2},
		"offset cursors":    {Seed: 3},
		"full page no next": {Seed: 2, FullPageNoNext: true},
		"row limit":         {Seed: 3, RowLimit: 160},
		"leaks pending":     {Seed: 2, LeakPending: true},
		"all, keyset":       {Seed: 4, FullPageNoNext: true, RowLimit: 300, LeakPending: true, NoRaw: true, RedirectSandbox: true, ClampLies: true},
		"all, offset":       {Seed: 5, FullPageNoNext: true, RowLimit: 300, LeakPending: true, NoRaw: true, RedirectSandbox: true, ClampLies: true},
		"no raw":            {Seed: 2, NoRaw: true},
		"sandbox":           {Seed: 2, NoRaw: true, RedirectSandbox: true},
	} {
		t.Run(name, func(t *testing.T) {
			g, _ := simulate(t, chain, opts, newClock())
			ctx := context.Background()
			if h, err := g.Height(ctx); h != simTip || err != nil {
				t.Errorf("height %d, %v", h, err)
			}
			for _, idsOnly := range []bool{false, true} {
				h, err := walk(t, g, Scan{Min: 0, Max: simTip, Tags: simTags, IDsOnly: idsOnly})
				if err != nil {
					t.Fatal(err)
				}
				complete(t, h, !idsOnly)
			}
			nodes, err := g.Lookup(ctx, []string{simID(3), simID(200), gatewaysim.IDFor("pending 1"), gatewaysim.IDFor("absent")})
			if err != nil || len(nodes) != 3 || nodes[0].Height != 0 || nodes[1].ID != simID(3) || nodes[1].Height != simFirst+3 {
				t.Errorf("lookup: %+v, %v", nodes, err)
			}
			found, err := g.Find(ctx, []Filter{{"N", []string{"7 \"ü\" "}}}, 10)
			if err != nil || len(found) != 1 || found[0].ID != simID(7) {
				t.Errorf("find: %+v, %v", found, err)
			}
			data, err := g.Data(ctx, simID(7), found[0].Size)
			if err != nil || string(data) != `{"record":7}` {
				t.Errorf("data: %q, %v", data, err)
			}
		})
	}
}

// Faults that a client can notice never make a window look complete that is not,
// and when they end, everything is there.
func TestSimQueryFaults(t *testing.T) {
	chain := simChain(t)
	silent := map[gatewaysim.Kind]bool{ // only comparing and re-scanning finds these
		gatewaysim.DropRow: true, gatewaysim.EmptyPage: true, gatewaysim.StaleIndex: true,
	}
	for _, kind := range gatewaysim.Kinds() {
		if silent[kind] || kind >= gatewaysim.HeightBackwards && kind < gatewaysim.DropRow {
			continue // the latter are faults of /info and of data
		}
		t.Run(kind.String(), func(t *testing.T) {
			c := newClock()
			faults := gatewaysim.NewFaults(uint64(kind)+1, gatewaysim.Mix{kind: 0.4})
			faults.SlowDelay = time.Millisecond
			g, _ := simulate(t, chain, gatewaysim.Options{Seed: 2, Faults: faults}, c)
			var h heard
			var err error
			for attempt := 0; attempt == 0 || err != nil; attempt++ {
				if attempt == 4 {
					faults.Stop()
				}
				c.advance(time.Hour)
				if h, err = walk(t, g, Scan{Min: 0, Max: simTip, Tags: simTags}); err != nil && attempt > 4 {
					t.Fatalf("after the faults: %v", err)
				}
			}
			if kind != gatewaysim.LostPlus {
				complete(t, h, true)
			}
		})
	}
}

// Data is right or an error of the closed set; only a changed byte, which the
// signature finds, comes through.
func TestSimDataFaults(t *testing.T) {
	chain := simChain(t)
	for _, kind := range gatewaysim.Kinds() {
		t.Run(kind.String(), func(t *testing.T) {
			c := newClock()
			faults := gatewaysim.NewFaults(uint64(kind)+1, gatewaysim.Mix{kind: 0.5})
			faults.SlowDelay = time.Millisecond
			g, _ := simulate(t, chain, gatewaysim.Options{Seed: 2, Faults: faults}, c)
			for n := range 30 {
				c.advance(time.Hour)
				want := fmt.Appendf(nil, `{"record":%d}`, n)
				data, err := g.Data(context.Background(), simID(n), int64(len(want)))
				switch {
				case err == nil && !bytes.Equal(data, want) && kind != gatewaysim.Altered:
					t.Errorf("%q instead of %q", data, want)
				case err != nil && (!Transient(err) || errors.Is(err, ErrProtocol)):
					t.Errorf("%v", err)
				}
			}
			faults.Stop()
			c.advance(time.Hour)
			if _, err := g.Data(context.Background(), simID(1), 12); err != nil {
				t.Errorf("after the faults: %v", err)
			}
		})
	}
}

// Heights of a gateway that tells wrong ones never lead beyond the tip.
func TestSimHeightFaults(t *testing.T) {
	chain := gatewaysim.NewChain(500_000)
	for seed := range uint64(5) {
		c := newClock()
		faults := gatewaysim.NewFaults(seed, gatewaysim.Mix{gatewaysim.HeightBackwards: 0.3, gatewaysim.HeightGarbage: 0.3})
		g, _ := simulate(t, chain, gatewaysim.Options{Faults: faults}, c)
		if err := g.tip.accept(chain.Tip(), c.Now()); err != nil {
			t.Fatal(err)
		}
		right := 0
		for range 60 {
			c.advance(2 * time.Minute)
			chain.SetTip(chain.Tip() + 1)
			h, err := g.Height(context.Background())
			switch {
			case err != nil && !errors.Is(err, ErrHeight):
				t.Fatal(err)
			case err == nil && (h > chain.Tip() || h < chain.Tip()-60):
				t.Errorf("height %d at tip %d", h, chain.Tip())
			case err == nil:
				right++
			}
		}
		if right < 15 || faults.Fired(gatewaysim.HeightGarbage) == 0 {
			t.Errorf("%d of 60 heights", right)
		}
	}
}

// A whole mixture of faults: the pool finds a way, and no complete window lacks
// anything while nothing silent is in the mixture.
func TestSimPoolWithMixtures(t *testing.T) {
	chain := simChain(t)
	c := newClock()
	var gateways []*Gateway
	for seed := range uint64(3) {
		mix := gatewaysim.Everything(seed + 1).Mix()
		for _, silent := range []gatewaysim.Kind{gatewaysim.DropRow, gatewaysim.EmptyPage, gatewaysim.StaleIndex, gatewaysim.LostPlus} {
			delete(mix, silent)
		}
		faults := gatewaysim.NewFaults(seed+1, mix)
		faults.SlowDelay = time.Millisecond
		g, _ := simulate(t, chain, gatewaysim.Options{Seed: seed, Faults: faults}, c)
		gateways = append(gateways, g)
	}
	p := NewPool(gateways, Options{Now: c.Now})
	completed := 0
	for range 16 {
		c.advance(30 * time.Second)
		g, height, err := p.Choose(context.Background(), simTip-10, false)
		if err != nil {
			if !errors.Is(err, ErrNoGateway) {
				t.Fatal(err)
			}
			continue
		}
		if h, err := walk(t, g, Scan{Min: 0, Max: height, Tags: simTags}); err == nil && height >= simTip {
			complete(t, h, true)
			completed++
		}
	}
	if completed < 2 {
		t.Errorf("%d complete windows of 16", completed)
	}
}
