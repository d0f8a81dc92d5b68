package indexer

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// TestRescan brings back what an index has lost, over several cycles of a few
// transactions each, while the wish is widened in the middle.
func TestRescan(t *testing.T) {
	w, alice, basic := plainWorld(t, 1)
	var lost []string
	for i := range int64(40) {
		lost = append(lost, w.add(worldStart+10+100*i, alice.Record("post", named(basic.ID, fmt.Sprint("record ", i))), 0).ID)
	}
	w.chain.SetTip(worldStart + 5000)
	rec, st, _ := w.open()
	opt := w.options(rec, st, "x")
	opt.WarmInterval, opt.ColdRescan = 1000*time.Hour, 0
	ix := New(opt)
	run(t, ix)
	for _, id := range lost {
		if indexed(t, rec, id) == nil {
			t.Fatalf("%s is not indexed", id)
		}
		if _, err := rec.Write(t.Context(), []records.Op{{Delete: oip.DID(id), Fence: 1 << 40}}); err != nil {
			t.Fatal(err)
		}
	}
	run(t, ix)
	if indexed(t, rec, lost[0]) != nil {
		t.Fatal("an ordinary cycle reads everything: the test shows nothing")
	}
	if _, err := RequestRescan(t.Context(), st, worldStart+800, worldStart+900, w.clock.Now()); err != nil {
		t.Fatal(err)
	}
	r, err := RequestRescan(t.Context(), st, worldStart+500, worldStart+10_000, w.clock.Now())
	if err != nil || r.From != worldStart+500 || r.Next != worldStart+500 || r.To != worldStart+10_000 {
		t.Fatalf("united: %+v, %v", r, err)
	}
	opt.MaxTransactions = 10
	small := New(opt)
	cycles := 0
	for ; cycles < 20; cycles++ {
		h, err := ReadHealth(t.Context(), st)
		if err != nil {
			t.Fatal(err)
		}
		if h.Rescan == nil {
			break
		}
		run(t, small)
	}
	if cycles < 2 {
		t.Errorf("done after %d cycles of %d transactions", cycles, opt.MaxTransactions)
	}
	for i, id := range lost {
		if got, want := indexed(t, rec, id) != nil, i >= 5; got != want {
			t.Errorf("record %d of block %d: indexed %v, want %v", i, worldStart+10+100*int64(i), got, want)
		}
	}
}

func TestRequestRescanRefuses(t *testing.T) {
	w := newWorld(t, 1, 1, false)
	_, st, _ := w.open()
	for _, r := range [][2]int64{{-1, 5}, {5, 4}, {0, MaxHeight + 1}} {
		if _, err := RequestRescan(t.Context(), st, r[0], r[1], w.clock.Now()); !errors.Is(err, ErrRescan) {
			t.Errorf("%v: %v", r, err)
		}
	}
	if _, ok, err := state.GetOne(t.Context(), st, keyRescan); ok || err != nil {
		t.Errorf("a refused wish was kept: %v, %v", ok, err)
	}
}
