package indexer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"oipnode/shared/gateway"
	"oipnode/shared/gatewaysim"
	"oipnode/shared/metrics"
	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// run does one cycle that must end well.
func run(t testing.TB, ix *Indexer) Report {
	t.Helper()
	report, err := ix.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// indexed reads a document, nil if it is not there.
func indexed(t *testing.T, rec records.Store, id string) *oip.Envelope {
	t.Helper()
	got, err := rec.Get(context.Background(), []string{oip.DID(id)}, true)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 {
		return nil
	}
	env, err := oip.ParseEnvelope(got[0].JSON)
	if err != nil {
		t.Fatal(err)
	}
	return &env
}

// plainWorld has one registered creator and one template.
func plainWorld(t *testing.T, gateways int) (w *world, alice *oiptest.Signer, basic oip.Transaction) {
	w = newWorld(t, 1, gateways, false)
	alice = w.newCreator()
	w.add(worldStart+1, alice.Registration("alice", ""), 0)
	basic = w.add(worldStart+2, alice.Template("basic", []byte(definitions[0].def)), 0)
	return w, alice, basic
}

func named(template, name string) oiptest.Object {
	return oiptest.Object{Template: template, Values: map[int]any{0: name}}
}

// TestIdleCycle counts what a cycle over an unchanged chain asks of the gateway.
func TestIdleCycle(t *testing.T) {
	w := smallWorld(t, 5, 40)
	rec, st, _ := w.open()
	ix := New(w.options(rec, st, "idle"))
	w.settleDown(ix)
	for range 40 {
		w.clock.Advance(5 * time.Minute)
		before := w.sims[0].Requests()
		run(t, ix)
		after := w.sims[0].Requests()
		if n := after.Total() - before.Total(); n > 5 {
			t.Errorf("an idle cycle made %d requests: %+v before, %+v after", n, before, after)
		}
		if after.Data != before.Data {
			t.Errorf("an idle cycle fetched data")
		}
	}
}

// TestRejectedIsFinal fetches a forged record for two opinions and never again,
// until there is another gateway or another rule.
func TestRejectedIsFinal(t *testing.T) {
	w, alice, basic := plainWorld(t, 1)
	forged := alice.Record("post", named(basic.ID, "forged"))
	forged.Data = []byte(strings.Replace(string(forged.Data), "forged", "Forged", 1))
	w.add(w.chain.Tip()-1, forged, 0)
	rec, st, _ := w.open()
	ix := New(w.options(rec, st, "x"))
	run(t, ix)
	reads := w.sims[0].DataReads(forged.ID)
	if e := entryOf(t, st, forged.ID); e == nil || e.Reason != oip.ReasonSignature || reads != 2 {
		t.Fatalf("entry %+v after %d reads", e, reads)
	}
	for range 5 {
		w.clock.Advance(time.Hour)
		run(t, ix)
	}
	if n := w.sims[0].DataReads(forged.ID); n != reads {
		t.Errorf("read %d more times", n-reads)
	}
	list, err := Rejections(context.Background(), st, "", 10)
	if err != nil || len(list) != 1 || list[0].ID != forged.ID || list[0].Reason != oip.ReasonSignature {
		t.Errorf("list %+v, %v", list, err)
	}
	if more, err := Rejections(context.Background(), st, list[0].Cursor(), 10); err != nil || len(more) != 0 {
		t.Errorf("behind the last: %+v, %v", more, err)
	}
	w.chain.SetTip(w.chain.Tip() + 100) // no window shows it any more
	opt := w.options(rec, st, "x")
	opt.WantedVersion, opt.ColdRescan, opt.WarmInterval = "another rule", 0, 1000*time.Hour
	run(t, New(opt))
	if n := w.sims[0].DataReads(forged.ID); n != 2*reads {
		t.Errorf("%d reads after a change of the rules, want %d", n, 2*reads)
	}
}

// TestAlteredBytes takes the word of the gateway whose bytes verify.
func TestAlteredBytes(t *testing.T) {
	w, alice, basic := plainWorld(t, 0)
	tx := w.add(w.chain.Tip()-1, alice.Record("post", named(basic.ID, "right")), 0)
	_, bad := w.serve(w.chain, gatewaysim.Options{Seed: 1, IndexesBundles: true,
		Faults: gatewaysim.NewFaults(1, gatewaysim.Mix{gatewaysim.Altered: 1})})
	_, good := w.serve(w.chain, gatewaysim.Options{Seed: 2, IndexesBundles: true})
	w.use(bad, good)
	rec, st, _ := w.open()
	run(t, New(w.options(rec, st, "x")))
	if indexed(t, rec, tx.ID) == nil {
		t.Errorf("not indexed; its entry is %s", entryText(st, oip.DID(tx.ID)))
	}
}

// TestWokenAtOnce indexes what waited in the very cycle in which its template
// and its creator appear.
func TestWokenAtOnce(t *testing.T) {
	w, alice, basic := plainWorld(t, 1)
	bob := w.newCreator()
	reg := bob.Registration("bob", "")
	late := alice.Template("late", []byte(definitions[1].def))
	byBob := w.add(worldStart+5, bob.Record("post", named(basic.ID, "by bob")), 0)
	partial := w.add(worldStart+6, alice.Record("post", named(basic.ID, "two parts"), named(late.ID, "https://example.com")), 0)
	none := w.add(worldStart+7, alice.Record("post", named(late.ID, "https://example.com")), 0)
	rec, st, _ := w.open()
	ix := New(w.options(rec, st, "x"))
	run(t, ix)
	if env := indexed(t, rec, partial.ID); env == nil || len(env.MissingTemplates) != 1 {
		t.Errorf("the partial record: %+v", env)
	}
	if indexed(t, rec, byBob.ID) != nil || indexed(t, rec, none.ID) != nil {
		t.Error("indexed without its creator or its only template")
	}
	health, err := ReadHealth(context.Background(), st)
	if err != nil || health.Ledger["waiting:creator"] != 1 || health.Ledger["waiting:template"] != 1 || health.Ledger["partial"] != 1 {
		t.Errorf("ledger %v, %v", health.Ledger, err)
	}
	w.add(w.chain.Tip()-1, reg, 0)
	w.add(w.chain.Tip()-1, late, 0)
	run(t, ix)
	for _, id := range []string{byBob.ID, partial.ID, none.ID} {
		if env := indexed(t, rec, id); env == nil || len(env.MissingTemplates) > 0 {
			t.Errorf("%s: %+v, entry %s", id, env, entryText(st, oip.DID(id)))
		}
	}
}

// TestVanished keeps a record whose block was orphaned, and removes it with an
// audit entry when no block has had it for a day.
func TestVanished(t *testing.T) {
	w, alice, basic := plainWorld(t, 1)
	w.add(worldStart+3, alice.Record("post", named(basic.ID, "old enough to be a probe")), 0)
	back := w.add(w.chain.Tip()-1, alice.Record("post", named(basic.ID, "comes back")), 0)
	lost := w.add(w.chain.Tip()-1, alice.Record("post", named(basic.ID, "does not")), 0)
	rec, st, _ := w.open()
	ix := New(w.options(rec, st, "x"))
	run(t, ix)
	if _, err := w.chain.Reorg(5, nil); err != nil {
		t.Fatal(err)
	}
	run(t, ix)
	for _, id := range []string{back.ID, lost.ID} {
		if env := indexed(t, rec, id); env == nil || env.InArweaveBlock != nil || env.RecordStatus != oip.StatusPending {
			t.Fatalf("%s after the fork: %+v", id, env)
		}
	}
	if err := w.chain.Mine(back.ID, w.chain.Tip()); err != nil {
		t.Fatal(err)
	}
	run(t, ix)
	if env := indexed(t, rec, back.ID); env == nil || env.InArweaveBlock == nil || *env.InArweaveBlock != w.chain.Tip() {
		t.Errorf("mined again: %+v", env)
	}
	w.clock.Advance(23 * time.Hour)
	run(t, ix)
	if indexed(t, rec, lost.ID) == nil {
		t.Error("removed before a day had passed")
	}
	w.clock.Advance(2 * time.Hour)
	if report := run(t, ix); report.Counts.Gone != 1 || indexed(t, rec, lost.ID) != nil {
		t.Errorf("not removed after a day: %+v", report)
	}
	audits, err := st.Range(context.Background(), spaceAudit, "", "", 10)
	if err != nil || len(audits) != 1 || !strings.Contains(string(audits[0].Value), lost.ID) {
		t.Errorf("audit %v, %v", audits, err)
	}
}

// TestGatewayWithoutBundles does not take the gap of one gateway for a fork.
func TestGatewayWithoutBundles(t *testing.T) {
	w, alice, basic := plainWorld(t, 1)
	tx := alice.Record("post", named(basic.ID, "bundled"))
	item := gatewaysim.Item{ID: tx.ID, Tags: tx.Tags, Data: tx.Data, Bundled: true}
	if err := w.chain.Add(w.chain.Tip()-2, item); err != nil {
		t.Fatal(err)
	}
	rec, st, _ := w.open()
	run(t, New(w.options(rec, st, "x")))
	_, poor := w.serve(w.chain, gatewaysim.Options{Seed: 5})
	w.use(append([]*gateway.Gateway{poor}, w.pool.All()...)...)
	if report := run(t, New(w.options(rec, st, "x"))); report.Gateway != poor.URL() || report.Counts.Vanished != 0 {
		t.Errorf("report %+v", report)
	}
	if env := indexed(t, rec, tx.ID); env == nil || env.InArweaveBlock == nil {
		t.Errorf("the bundled record: %+v", env)
	}
}

// TestSmallSteps indexes with few transactions in each cycle, and with deadlines.
func TestSmallSteps(t *testing.T) {
	w := smallWorld(t, 11, 40)
	rec, st, _ := w.open()
	opt := w.options(rec, st, "x")
	opt.MaxTransactions = 7
	ix := New(opt)
	cycles := 0
	for {
		if cycles++; cycles > 100 {
			t.Fatal("no end")
		}
		if report := run(t, ix); report.Complete {
			break
		}
	}
	if cycles < 3 {
		t.Errorf("only %d cycles: the bound on transactions has no effect", cycles)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
	defer cancel()
	if _, err := ix.Run(ctx); err == nil {
		t.Error("a cycle without time took the lease")
	}
	w.settleDown(ix)
	w.compare(rec, st, "SmallSteps")
}

// TestFailingStore stops without moving the checkpoint when documents or entries
// cannot be written, and goes on when they can.
func TestFailingStore(t *testing.T) {
	broken := errors.New("no space left on device")
	for name, wrap := range map[string]func(*Options, *bool){
		"records": func(o *Options, fail *bool) { o.Records = failingRecords{o.Records, fail, broken} },
		"state":   func(o *Options, fail *bool) { o.State = failingState{o.State, fail, broken} },
		"busy":    func(o *Options, fail *bool) { o.Records = failingRecords{o.Records, fail, records.ErrUnavailable} },
	} {
		t.Run(name, func(t *testing.T) {
			w := smallWorld(t, 9, 20)
			rec, st, _ := w.open()
			opt := w.options(rec, st, "x")
			fail := true
			wrap(&opt, &fail)
			ix := New(opt)
			if _, err := ix.Run(context.Background()); err == nil {
				t.Fatal("the cycle did not notice")
			}
			if h, err := ReadHealth(context.Background(), st); err != nil || h.Checkpoint.Height >= worldStart {
				t.Errorf("the checkpoint moved to %d, %v", h.Checkpoint.Height, err)
			}
			fail = false
			w.clock.Advance(time.Hour)
			w.settleDown(ix)
			w.compare(rec, st, "FailingStore")
		})
	}
}

type failingRecords struct {
	records.Store
	fail *bool
	err  error
}

func (s failingRecords) Write(ctx context.Context, ops []records.Op) ([]records.Result, error) {
	if *s.fail {
		return nil, s.err
	}
	return s.Store.Write(ctx, ops)
}

// failingState lets the lease be taken and fails what comes after.
type failingState struct {
	state.Store
	fail *bool
	err  error
}

func (s failingState) Commit(ctx context.Context, ops ...state.Op) error {
	if *s.fail && len(ops) > 2 {
		return s.err
	}
	return s.Store.Commit(ctx, ops...)
}

// TestRecordTypes leaves types out, and takes them in when the choice changes.
func TestRecordTypes(t *testing.T) {
	w, alice, basic := plainWorld(t, 1)
	post := w.add(worldStart+3, alice.Record("post", named(basic.ID, "a post")), 0)
	note := w.add(worldStart+3, alice.Record("note", named(basic.ID, strings.Repeat("a long note ", 200))), 0)
	short := w.add(worldStart+3, alice.Record("note", named(basic.ID, "a short note")), 0)
	gone := w.add(worldStart+3, alice.Record("post", named(basic.ID, "deleted by a message of an excluded type")), 0)
	w.add(worldStart+4, alice.RawRecord("note", []byte(`{"delete":{"did":"`+oip.DID(gone.ID)+`"}}`)), 0)
	rec, st, _ := w.open()
	opt := w.options(rec, st, "x")
	opt.Wanted = func(recordType string) bool { return recordType == "post" }
	opt.WantedVersion = "posts"
	run(t, New(opt))
	if indexed(t, rec, post.ID) == nil || indexed(t, rec, note.ID) != nil || indexed(t, rec, short.ID) != nil || indexed(t, rec, gone.ID) != nil {
		t.Error("the choice of record types is not followed")
	}
	if e := entryOf(t, st, note.ID); e == nil || e.Reason != oip.ReasonExcluded || w.sims[0].DataReads(note.ID) != 0 {
		t.Errorf("entry of the note: %+v, %d reads", e, w.sims[0].DataReads(note.ID))
	}
	w.clock.Advance(2 * time.Hour) // the warm pass sees it again
	run(t, New(w.options(rec, st, "x")))
	w.settleDown(New(w.options(rec, st, "x")))
	if indexed(t, rec, note.ID) == nil {
		t.Errorf("the note is still left out: %s", entryText(st, oip.DID(note.ID)))
	}
}

// TestUntrusted does not believe an empty answer of a gateway that knows nothing.
func TestUntrusted(t *testing.T) {
	w, alice, basic := plainWorld(t, 1)
	w.add(worldStart+3, alice.Record("post", named(basic.ID, "known")), 0)
	rec, st, _ := w.open()
	run(t, New(w.options(rec, st, "x")))
	_, empty := w.serve(gatewaysim.NewChain(w.chain.Tip()+10), gatewaysim.Options{})
	w.use(empty)
	if _, err := New(w.options(rec, st, "x")).Run(context.Background()); !errors.Is(err, errUntrusted) {
		t.Errorf("got %v, want %v", err, errUntrusted)
	}
	if h, _ := ReadHealth(context.Background(), st); h.Checkpoint.Height != w.chain.Tip() {
		t.Errorf("the checkpoint moved to %d", h.Checkpoint.Height)
	}
}

// TestMeasure: what a cycle did is counted under the names of the declarations; the lag
// is known only when a gateway has told its height.
func TestMeasure(t *testing.T) {
	for _, c := range []struct {
		report Report
		err    error
		want   map[string]any
	}{
		{Report{Height: 120, Checkpoint: 100, Counts: Counts{Indexed: 5, Rejected: 2, Waiting: 3, Deleted: 1, Moved: 9}}, nil,
			map[string]any{"RecordsIndexed": 5.0, "RecordsRejected": 2.0, "RecordsWaiting": 3.0, "RecordsDeleted": 1.0, "LagBlocks": 20.0, "CheckpointHeight": 100.0}},
		{Report{Height: 90, Checkpoint: 100}, nil, map[string]any{"LagBlocks": 0.0, "CheckpointHeight": 100.0}},
		{Report{Checkpoint: 100}, errors.New("no gateway"), map[string]any{"CycleErrors": 1.0}},
	} {
		var line bytes.Buffer
		emf, err := metrics.NewEMF(&line, "keepdb", nil)
		if err != nil {
			t.Fatal(err)
		}
		c.report.Measure(emf, 1500*time.Millisecond, c.err)
		if err := emf.Flush(); err != nil {
			t.Fatal(err)
		}
		got := make(map[string]any)
		if err := json.Unmarshal(line.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		delete(got, "_aws")
		delete(got, metrics.Dimension)
		c.want["CycleDuration"] = []any{1.5}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.report, got, c.want)
		}
	}
}
