package indexer

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"oipnode/shared/gatewaysim"
	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

var (
	seeds    = flag.Int("seeds", defaultSeeds, "how many random worlds the truth and kill tests try")
	fromSeed = flag.Int("from", 0, "the first of them")
	oneSeed  = flag.Int64("seed", -1, "try only this world")
)

// eachSeed runs a test over the worlds asked for.
func eachSeed(t *testing.T, share int, run func(t *testing.T, seed uint64)) {
	if *oneSeed >= 0 {
		run(t, uint64(*oneSeed))
		return
	}
	for i := range max(*seeds/share, 1) {
		seed := *fromSeed + i
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			run(t, uint64(seed))
		})
	}
}

// TestTruth indexes random chains through gateways that misbehave in every known
// way, while blocks are reorganised and late data appears. After the faults have
// ended and enough time has gone by, the index is what the model says.
func TestTruth(t *testing.T) {
	eachSeed(t, 1, func(t *testing.T, seed uint64) {
		w := newWorld(t, seed, 1+int(seed%2), true)
		const steps = 8
		w.populate(w.chain.Tip(), steps, 50)
		rec, st, _ := w.open()
		ix := New(w.options(rec, st, "truth"))
		for range steps {
			w.step()
			if _, err := ix.Run(context.Background()); err != nil {
				t.Logf("cycle: %v", err)
			}
			w.clock.Advance(time.Duration(5+w.rng.IntN(40)) * time.Minute)
		}
		w.settleDown(ix)
		w.compare(rec, st, "Truth")
	})
}

// step moves the chain on: the tip rises, late data appears, sometimes the
// newest blocks are replaced.
func (w *world) step() {
	w.chain.Step()
	tip := w.chain.Tip() + w.rng.Int64N(12)
	w.chain.SetTip(tip)
	if !w.chance(0.4) {
		return
	}
	depth := 1 + w.rng.Int64N(gatewaysim.MaxReorg)
	now := w.chain.Now()
	_, err := w.chain.Reorg(depth, func(item gatewaysim.Item) gatewaysim.Fate {
		// Decided by the item, since the chain may ask in any order.
		rng := rand.New(rand.NewChaCha8(sha256.Sum256(fmt.Append(nil, w.seed, item.ID, now))))
		needed := tagOf(item.Tags, "Type") == "Template" || tagOf(item.Tags, "RecordType") == oip.TypeRegistration
		if rng.IntN(20) == 0 && !needed {
			return gatewaysim.Fate{} // never mined again
		}
		return gatewaysim.Fate{Height: tip - rng.Int64N(depth), Step: now + rng.Int64N(3)}
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// settleDown ends the faults and lets enough cycles and time go by for every
// pause to end: the warm and cold passes, the day after which vanished
// transactions are removed, and the week of parked ones.
func (w *world) settleDown(ix *Indexer) {
	w.t.Helper()
	w.stopFaults()
	for range 3 {
		w.chain.Step()
	}
	pauses := []time.Duration{time.Hour, time.Hour, 3 * time.Hour, 7 * time.Hour, 7 * time.Hour, 8 * time.Hour, 25 * time.Hour,
		8 * 24 * time.Hour, 8 * 24 * time.Hour, time.Hour, 7 * time.Hour}
	for i, pause := range pauses {
		w.clock.Advance(pause)
		for again := range 50 {
			report, err := ix.Run(context.Background())
			if err == nil && report.Complete {
				break
			}
			if err != nil && (again == 49 || i > 2) {
				w.t.Fatalf("cycle after the faults: %v\n%s", err, w.replay("Truth"))
			}
			w.clock.Advance(20 * time.Minute)
		}
	}
}

// compare holds the index against the model: each id once, right content, right
// height, right reasons.
func (w *world) compare(rec records.Store, st state.Store, test string) {
	w.t.Helper()
	ctx := context.Background()
	m := w.expect()
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	for did, doc := range m.docs {
		got, err := rec.Get(ctx, []string{did}, false)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(got) == 0 {
			fault("%s (%s) is not indexed; its entry is %s", did, describe(m, did), entryText(st, did))
			continue
		}
		if want, have := plain(doc.JSON(), m.hidden[did]), plain(got[0].JSON, false); want != have || got[0].Kind != doc.Kind() {
			fault("%s (%s) differs:\n%s", did, describe(m, did), difference(want, have))
		}
		page, err := rec.Search(ctx, records.Query{Where: records.Is(records.FieldDID, did)})
		if err != nil || page.Total != 1 {
			fault("a search finds %s %d times: %v", did, page.Total, err)
		}
	}
	counts, err := rec.Count(ctx, nil, records.FieldKind)
	if err != nil {
		w.t.Fatal(err)
	}
	if counts.Total != int64(len(m.docs)) {
		fault("%d documents are indexed, want %d: %v", counts.Total, len(m.docs), counts.Buckets)
	}
	byCounter := make(map[string]int64)
	err = state.Each(ctx, st, spaceTx, "", "", state.MaxRange, func(item state.Item) error {
		e, err := parseEntry(item)
		if err != nil {
			return err
		}
		byCounter[e.counter()]++
		if _, known := m.states[item.ID]; !known && !slices.Contains(m.pending, item.ID) {
			fault("the ledger still holds %s: %s", item.ID, item.Value)
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for id, want := range m.states {
		if have := entryOf(w.t, st, id); have == nil || have.State != want || have.Reason != m.reasons[id] {
			fault("entry of %s is %s, want %s %s", id, entryText(st, oip.DID(id)), want, m.reasons[id])
		}
	}
	health, err := ReadHealth(ctx, st)
	if err != nil {
		w.t.Fatal(err)
	}
	if fmt.Sprint(health.Ledger) != fmt.Sprint(byCounter) {
		fault("counters say %v, the ledger holds %v", health.Ledger, byCounter)
	}
	if health.Checkpoint.Height != w.chain.Tip() {
		fault("checkpoint is %d, want %d", health.Checkpoint.Height, w.chain.Tip())
	}
	if len(faults) > 0 {
		w.t.Fatalf("%d differences:\n%s\n%s", len(faults), strings.Join(faults[:min(len(faults), 5)], "\n"), w.replay(test))
	}
}

// describe says what a transaction is.
func describe(m *model, did string) string {
	id, _ := oip.TxID(did)
	v := m.verified[id]
	return fmt.Sprintf("subject %d at %d", v.Subject(), v.Height())
}

// difference shows the lines in which two texts differ.
func difference(want, have string) string {
	a, b := strings.Split(want, "\n"), strings.Split(have, "\n")
	var out []string
	for i := range max(len(a), len(b)) {
		var x, y string
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			out = append(out, "  want "+x, "  have "+y)
		}
	}
	return strings.Join(out[:min(len(out), 12)], "\n") + "\n" + want + "\n" + have
}

func entryOf(t testing.TB, st state.Store, id string) *Entry {
	t.Helper()
	item, ok, err := state.GetOne(context.Background(), st, txKey(id))
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return nil
	}
	e, err := parseEntry(item)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func entryText(st state.Store, did string) string {
	id, ok := oip.TxID(did)
	if !ok {
		return "none"
	}
	item, ok, err := state.GetOne(context.Background(), st, txKey(id))
	if err != nil || !ok {
		return fmt.Sprint("none ", errors.Join(err))
	}
	return string(item.Value)
}
