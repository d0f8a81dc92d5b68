package summary_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"oipnode/infra/sample"
	"oipnode/shared/gateway"
	"oipnode/shared/gatewaysim"
	"oipnode/shared/indexer"
	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/records/embedded"
	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
	"oipnode/shared/summary"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stores are empty ones.
func stores(t *testing.T) (records.Store, state.Store) {
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
		for _, err := range []error{rec.Close(), st.Close()} {
			if err != nil {
				t.Error(err)
			}
		}
	})
	return rec, st
}

// cycles returns a function that indexes the sample chain, one cycle per call.
func cycles(t *testing.T, rec records.Store, st state.Store) func() {
	t.Helper()
	chain, err := sample.Load()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := sample.ReadManifest()
	if err != nil {
		t.Fatal(err)
	}
	sim := gatewaysim.NewServer(chain, gatewaysim.Options{IndexesBundles: true})
	if err := sim.Start(); err != nil {
		t.Fatal(err)
	}
	g, err := gateway.Dial(sim.URL(), gateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	pool := gateway.NewPool([]*gateway.Gateway{g}, gateway.Options{})
	t.Cleanup(func() {
		pool.Close()
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	ix := indexer.New(indexer.Options{Records: rec, State: st, Pool: pool, StartHeight: 1579570, BootstrapCreators: []string{manifest.Bootstrap}})
	return func() {
		t.Helper()
		if _, err := ix.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRun makes a summary when one is due and not before, and counts what everybody
// may read.
func TestRun(t *testing.T) {
	rec, st := stores(t)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r := summary.Refresher{Records: summary.Opened(rec), State: st, Every: 3, Now: func() time.Time { return at }}
	if _, made, err := r.Run(t.Context(), false); made || err != nil {
		t.Fatalf("before the first cycle: %v, %v", made, err)
	}
	cycle := cycles(t, rec, st)
	cycle()
	first, made, err := r.Run(t.Context(), false)
	if err != nil || !made || first.Cycle != 1 || !first.At.Equal(at) {
		t.Fatalf("the first: %+v, %v, %v", first, made, err)
	}
	everything := records.All{records.Is(records.FieldKind, string(oip.KindRecord)), records.Not{Cond: records.Is(records.FieldDeleteMessage, "true")}}
	public := append(records.All{records.Is(records.FieldAccess, records.AccessPublic)}, everything...)
	want, hidden := count(t, rec, public), count(t, rec, everything)
	if first.Records != want || want == 0 || want == hidden {
		t.Errorf("%d records; %d are public, %d in all", first.Records, want, hidden)
	}
	sum := int64(0)
	for i, typ := range first.Types {
		sum += typ.Count
		if i > 0 && typ.Count > first.Types[i-1].Count {
			t.Errorf("types out of order: %v", first.Types)
		}
	}
	if sum != first.Records || first.OtherTypes != 0 {
		t.Errorf("the types add up to %d of %d, %d are not named", sum, first.Records, first.OtherTypes)
	}
	if first.LatestBlock == 0 || first.LatestBlock > first.Checkpoint || first.Checkpoint != first.GatewayHeight {
		t.Errorf("latest block %d, checkpoint %d, gateway %d", first.LatestBlock, first.Checkpoint, first.GatewayHeight)
	}
	for n := range 3 {
		if left := summary.Left(first, true, int64(1+n), 3); left != int64(3-n) {
			t.Errorf("after cycle %d: %d cycles left", 1+n, left)
		}
		if _, made, err := r.Run(t.Context(), false); made || err != nil {
			t.Errorf("after cycle %d: made %v, %v", 1+n, made, err)
		}
		cycle()
	}
	if again, made, err := r.Run(t.Context(), false); !made || err != nil || again.Cycle != 4 {
		t.Errorf("when it is due: %+v, %v, %v", again, made, err)
	}
	if _, made, err := r.Run(t.Context(), true); !made || err != nil {
		t.Errorf("forced: %v, %v", made, err)
	}
	if kept, ok, err := summary.Read(t.Context(), st); err != nil || !ok || kept.Cycle != 4 || kept.Records != want {
		t.Errorf("kept %+v, %v, %v", kept, ok, err)
	}
}

func count(t *testing.T, rec records.Store, where records.Cond) int64 {
	t.Helper()
	n, err := rec.Count(t.Context(), where, "")
	if err != nil {
		t.Fatal(err)
	}
	return n.Total
}

// overtaken is a store in which somebody else refreshes just before each Commit.
type overtaken struct {
	state.Store
	other func()
}

func (s overtaken) Commit(ctx context.Context, ops ...state.Op) error {
	s.other()
	return s.Store.Commit(ctx, ops...)
}

// TestRunTwice: of two refreshes at the same time one is kept, and neither fails.
func TestRunTwice(t *testing.T) {
	rec, st := stores(t)
	cycles(t, rec, st)()
	r := summary.Refresher{Records: summary.Opened(rec), State: st, Every: 3, Now: time.Now}
	late := r
	late.State = overtaken{st, func() {
		if _, made, err := r.Run(t.Context(), true); !made || err != nil {
			t.Errorf("the faster one: %v, %v", made, err)
		}
	}}
	if _, made, err := late.Run(t.Context(), false); made || err != nil {
		t.Errorf("the slower one: %v, %v", made, err)
	}
}
