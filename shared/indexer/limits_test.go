package indexer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"oipnode/shared/gateway"
	"oipnode/shared/gatewaysim"
	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/records"
)

// TestItemsAtEveryLimit publishes what is as long, as many or as deep as the
// protocol allows, and a little more: whatever becomes of each, the checkpoint
// moves.
func TestItemsAtEveryLimit(t *testing.T) {
	w, alice, basic := plainWorld(t, 1)
	bob := w.newCreator()
	big := alice.Template("big", []byte(`{"e":"enum","eValues":["`+strings.Repeat("y", 15<<10)+`"],"index_e":5}`))
	ids := map[string]string{}
	add := func(what string, tx oip.Transaction) {
		ids[what] = w.add(worldStart+5, tx, 0).ID
	}
	add("big template", big)
	add("delete of the longest DID", alice.Delete("did:gun:"+strings.Repeat("a", oip.MaxDID-8)))
	add("delete of an overlong DID", alice.Delete("did:gun:"+strings.Repeat("a", oip.MaxDID)))
	add("longest handle", bob.Registration(strings.Repeat("h", oip.MaxHandle), "x"))
	add("handle of any bytes", alice.Registration("\x00/\u2028\"", "x"))
	add("longest record type", alice.Record(strings.Repeat("t", oip.MaxTypeName), named(basic.ID, "x")))
	add("most objects", alice.Record("post", func() (all []oiptest.Object) {
		for range oip.MaxObjects {
			all = append(all, named(basic.ID, "x"))
		}
		return all
	}()...))
	add("many unknown templates", alice.Record("post", func() (all []oiptest.Object) {
		for i := range 150 {
			all = append(all, oiptest.Object{Template: gatewaysim.IDFor(fmt.Sprint(i))})
		}
		return all
	}()...))
	add("largest record", alice.Record("post", named(basic.ID, strings.Repeat("x", int(worldMaxBytes)-100))))
	many := make([]int, 900)
	blown := alice.Template("blown", []byte(`{"e":"repeated long","index_e":0,"n":"enum","nValues":["`+strings.Repeat("z", 15<<10)+`"],"index_n":1}`))
	add("template of a long enum", blown)
	add("registration with a list", w.creators[0].Registration("alice", "", oiptest.Object{Template: blown.ID, Values: map[int]any{0: many, 1: 0}}))
	rec, st, _ := w.open()
	before := w.sims[0].Requests().Total()
	run(t, New(w.options(rec, st, "x")))
	if n := w.sims[0].Requests().Total() - before; n > 100 {
		t.Errorf("%d requests for %d transactions", n, len(ids)+2)
	}
	h, err := ReadHealth(context.Background(), st)
	if err != nil || h.Checkpoint.Height != w.chain.Tip() {
		t.Errorf("the checkpoint is at %d, want %d, %v", h.Checkpoint.Height, w.chain.Tip(), err)
	}
	for what, id := range ids {
		if indexed(t, rec, id) == nil && entryOf(t, st, id) == nil {
			t.Errorf("%s is neither indexed nor in the ledger", what)
		}
	}
}

// TestRefusedRegistration rejects a registration whose document its template blows
// up, before it becomes anybody's current one.
func TestRefusedRegistration(t *testing.T) {
	w, alice, basic := plainWorld(t, 1)
	opt := w.gatewayOptions()
	opt.MaxDataBytes = 1 << 20
	gw, err := gateway.Dial(w.sims[0].URL(), opt)
	if err != nil {
		t.Fatal(err)
	}
	w.use(gw)
	blown := w.add(worldStart+3, alice.Template("blown", []byte(`{"n":"enum","nValues":["`+strings.Repeat("z", 400<<10)+`"],"index_n":4}`)), 0)
	again := alice.Registration("alice", "", oiptest.Object{Template: blown.ID, Values: map[int]any{4: 0}})
	w.add(worldStart+6, again, 0)
	post := w.add(worldStart+7, alice.Record("post", named(basic.ID, "goes on")), 0)
	rec, st, _ := w.open()
	o := w.options(rec, st, "x")
	o.MaxRecordBytes = 1 << 20
	run(t, New(o))
	if e := entryOf(t, st, again.ID); e == nil || e.Reason != oip.ReasonTooLarge {
		t.Errorf("entry of the registration: %s", entryText(st, oip.DID(again.ID)))
	}
	if env := indexed(t, rec, post.ID); env == nil || env.Creator.DIDTx == oip.DID(again.ID) {
		t.Errorf("the record behind it: %+v", env)
	}
}

// TestMovedHandle gives a registration that a fork moves the handle that belongs
// to its new place, and the other creator the one that it frees.
func TestMovedHandle(t *testing.T) {
	w := newWorld(t, 1, 1, false)
	var first, second *oiptest.Signer
	var a, b oip.Transaction
	for i := 0; second == nil; i++ { // two whose handles begin with the same digit
		s := oiptest.NewSigner(fmt.Sprintf("world %d", i), 2048)
		tx := s.Registration("bob", "")
		switch {
		case first == nil:
			first, a = s, tx
		case oip.HandleDigits(tx.ID)[0] == oip.HandleDigits(a.ID)[0]:
			second, b = s, tx
		}
	}
	w.add(w.chain.Tip()-5, a, 0)
	w.add(w.chain.Tip()-3, b, 0)
	rec, st, _ := w.open()
	ix := New(w.options(rec, st, "x"))
	run(t, ix)
	short := "bob" + oip.HandleDigits(a.ID)[:1]
	if got := indexed(t, rec, a.ID).Creator.CreatorHandle; got != short {
		t.Fatalf("the first has %s, want %s", got, short)
	}
	if err := w.chain.Mine(a.ID, w.chain.Tip()-1); err != nil {
		t.Fatal(err)
	}
	run(t, ix)
	w.compare(rec, st, "MovedHandle")
	if got := indexed(t, rec, b.ID).Creator.CreatorHandle; got != short {
		t.Errorf("the other has %s, want %s", got, short)
	}
}

// TestGoneRegistration hands over to the creator's earlier registration, also when
// it is killed at any write on the way.
func TestGoneRegistration(t *testing.T) {
	for kill := int64(0); kill < 24; kill++ {
		w, alice, basic := plainWorld(t, 1)
		post := w.add(worldStart+3, alice.Record("post", named(basic.ID, "stays")), 0)
		later := w.add(w.chain.Tip()-1, alice.Registration("other", ""), 0)
		rec, st, closeStores := w.open()
		ix := New(w.options(rec, st, "x"))
		run(t, ix)
		if env := indexed(t, rec, post.ID); env.Creator.DIDTx != oip.DID(later.ID) {
			t.Fatalf("the later registration is not current: %+v", env.Creator)
		}
		if _, err := w.chain.Reorg(3, nil); err != nil {
			t.Fatal(err)
		}
		run(t, ix)
		w.clock.Advance(25 * time.Hour)
		if kill > 0 {
			_, err := w.killer(rec, st, &blade{at: kill, after: kill%2 == 0}, "victim").Run(context.Background())
			if err != nil && !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			w.clock.Advance(time.Hour)
		}
		run(t, ix)
		run(t, ix)
		env := indexed(t, rec, post.ID)
		if indexed(t, rec, later.ID) != nil || env == nil || env.Creator.DIDTx == oip.DID(later.ID) || strings.HasPrefix(env.Creator.CreatorHandle, "other") {
			t.Errorf("killed at write %d: the record says %+v", kill, env.Creator)
		}
		closeStores()
	}
}

// TestForeignDeleteVanishes undoes nothing when a delete message vanishes that had
// no authority.
func TestForeignDeleteVanishes(t *testing.T) {
	w, alice, _ := plainWorld(t, 1)
	bob := w.newCreator()
	w.add(worldStart+2, bob.Registration("bob", ""), 0)
	unused := w.add(worldStart+3, alice.Template("unused", []byte(definitions[1].def)), 0)
	w.add(worldStart+4, alice.DeleteTemplate(oip.DID(unused.ID)), 0)
	w.add(w.chain.Tip()-1, bob.DeleteTemplate(oip.DID(unused.ID)), 0)
	w.add(w.chain.Tip()-1, alice.Delete(oip.DID(unused.ID)), 0)
	rec, st, _ := w.open()
	ix := New(w.options(rec, st, "x"))
	run(t, ix)
	if _, err := w.chain.Reorg(3, nil); err != nil {
		t.Fatal(err)
	}
	run(t, ix)
	w.clock.Advance(25 * time.Hour)
	if report := run(t, ix); report.Counts.Gone != 2 {
		t.Fatalf("report %+v", report)
	}
	if env := indexed(t, rec, unused.ID); env == nil || !env.Hidden {
		t.Errorf("the deleted template: %+v", env)
	}
}

// TestComesBackDeleted removes a document that a runner without its lease wrote
// behind a deletion and died before it could look.
func TestComesBackDeleted(t *testing.T) {
	w, alice, basic := plainWorld(t, 1)
	tx := alice.Record("post", named(basic.ID, "deleted"))
	w.add(w.chain.Tip()-2, tx, 0)
	rec, st, _ := w.open()
	ix := New(w.options(rec, st, "x"))
	run(t, ix)
	w.add(w.chain.Tip()-1, alice.Delete(oip.DID(tx.ID)), 0)
	run(t, ix)
	if indexed(t, rec, tx.ID) != nil {
		t.Fatal("not deleted")
	}
	doc := alice.Document(tx, w.chain.Tip()-2, alice.Verified(basic).Template())
	if _, err := rec.Write(context.Background(), []records.Op{{Put: &doc, Fence: 1}}); err != nil {
		t.Fatal(err)
	}
	run(t, ix)
	if indexed(t, rec, tx.ID) != nil {
		t.Error("the deleted record is back for good")
	}
}

// TestErrorsStayInside shows the kind of a failure and nothing that a gateway said.
func TestErrorsStayInside(t *testing.T) {
	secret := &gateway.Error{Gateway: "http://inside:8080", Op: "query", Detail: "password=hunter2", Err: gateway.ErrGraphQL}
	if got := reason(fmt.Errorf("hot: %w", secret)); got != gateway.ErrGraphQL.Error() {
		t.Errorf("shown: %s", got)
	}
	if got := reason(errors.New("open /home/op/data: no such file")); strings.Contains(got, "/home") {
		t.Errorf("shown: %s", got)
	}
}

// TestDeadlineIsNoFailure ends a cycle whose time is over without an error.
func TestDeadlineIsNoFailure(t *testing.T) {
	w := smallWorld(t, 13, 30)
	rec, st, _ := w.open()
	ix := New(w.options(rec, st, "x"))
	for _, budget := range []time.Duration{5 * time.Millisecond, 20 * time.Millisecond, 60 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(context.Background(), budget)
		report, err := ix.Run(ctx)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) || report.Error != "" {
			t.Errorf("%v: %v, %+v", budget, err, report)
		}
		w.clock.Advance(10 * time.Minute)
	}
	w.settleDown(ix)
	w.compare(rec, st, "Deadline")
}

// TestAwayForLong reads what a fork changed just below the checkpoint while the
// node was not running, although the hot window does not reach there any more.
func TestAwayForLong(t *testing.T) {
	w, alice, basic := plainWorld(t, 1)
	orphan := w.add(w.chain.Tip()-1, alice.Record("post", named(basic.ID, "orphaned")), 0)
	rec, st, _ := w.open()
	opt := w.options(rec, st, "x")
	opt.ColdRescan, opt.WarmBlocks = 0, 1
	ix := New(opt)
	run(t, ix)
	if _, err := w.chain.Reorg(4, nil); err != nil {
		t.Fatal(err)
	}
	instead := w.add(w.chain.Tip()-1, alice.Record("post", named(basic.ID, "in its place")), 0)
	w.chain.SetTip(w.chain.Tip() + 100)
	run(t, ix)
	if indexed(t, rec, instead.ID) == nil {
		t.Error("what came in its place is not indexed")
	}
	if env := indexed(t, rec, orphan.ID); env == nil || env.RecordStatus != oip.StatusPending {
		t.Errorf("the orphaned record: %+v", env)
	}
}

// TestSecondGateway judges a rejection again as soon as another gateway is there,
// and does not let one that never answers hold anything up.
func TestSecondGateway(t *testing.T) {
	w, alice, basic := plainWorld(t, 1)
	forged := alice.Record("post", named(basic.ID, "forged"))
	forged.Data = []byte(strings.Replace(string(forged.Data), "forged", "Forged", 1))
	w.add(w.chain.Tip()-1, forged, 0)
	rec, st, _ := w.open()
	run(t, New(w.options(rec, st, "x")))
	second, gw := w.serve(w.chain, gatewaysim.Options{Seed: 9, IndexesBundles: true})
	w.use(append(w.pool.All(), gw)...)
	ix := New(w.options(rec, st, "x"))
	run(t, ix)
	if n := second.DataReads(forged.ID); n != 1 {
		t.Errorf("the new gateway was asked %d times, want once", n)
	}
	reads := w.sims[0].DataReads(forged.ID)
	w.clock.Advance(5 * time.Minute)
	run(t, ix)
	if n := w.sims[0].DataReads(forged.ID) + second.DataReads(forged.ID); n != reads+1 {
		t.Errorf("%d reads after another cycle, want %d", n, reads+1)
	}
}
