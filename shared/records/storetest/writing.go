package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

func testEmpty(t *testing.T, s *subject) {
	ctx := context.Background()
	absent := oip.DID(strings.Repeat("a", 43))
	if found, err := s.Get(ctx, []string{absent, ""}, false); err != nil || len(found) != 0 {
		t.Errorf("Get = %v, %v; want nothing", found, err)
	}
	if found, err := s.Get(ctx, nil, true); err != nil || len(found) != 0 {
		t.Errorf("Get of nothing = %v, %v", found, err)
	}
	if page := s.page(records.Query{Limit: 10}); page.Total != 0 || len(page.Hits) != 0 || page.Next != "" {
		t.Errorf("Search = %+v, want nothing", page)
	}
	if c, err := s.Count(ctx, nil, records.FieldTag); err != nil || c.Total != 0 || len(c.Buckets) != 0 || c.Other != 0 {
		t.Errorf("Count = %+v, %v; want nothing", c, err)
	}
	if h, err := s.Health(ctx); err != nil || h.Documents != 0 || h.Engine == "" {
		t.Errorf("Health = %+v, %v", h, err)
	}
	if results, err := s.Write(ctx, nil); err != nil || len(results) != 0 {
		t.Errorf("Write of nothing = %v, %v", results, err)
	}
	got := s.statuses(records.Op{Delete: absent, Fence: 1}, records.Op{Patch: &oip.Patch{DID: absent, Pending: true}, Fence: 1})
	if want := []records.Status{records.OK, records.Missing}; !slices.Equal(got, want) {
		t.Errorf("delete and patch of nothing ended as %v, want %v", got, want)
	}
}

func testPutGet(t *testing.T, s *subject) {
	p := newPress()
	doc := p.document(article{name: "one", height: 7})
	s.put(doc)
	got := s.get(doc.DID())[doc.DID()]
	if got.Kind != oip.KindRecord || string(got.JSON) != string(doc.JSON()) {
		t.Errorf("Get = %+v, want the document as it was put", got)
	}
	if h, err := s.Health(context.Background()); err != nil || h.Documents != 1 {
		t.Errorf("Health = %+v, %v; want one document", h, err)
	}
	s.check(records.Query{})
	got.JSON[0] = 'X' // it belongs to the caller
	if again := s.get(doc.DID())[doc.DID()]; string(again.JSON) != string(doc.JSON()) {
		t.Error("a change of an answer changed the store")
	}
}

func testPutTwice(t *testing.T, s *subject) {
	doc := newPress().document(article{name: "one", height: 7})
	s.put(doc)
	s.put(doc)
	s.put(doc, doc)
	s.check(records.Query{})
	s.check(records.Query{Where: records.Is(records.FieldName, "one")})
}

// testPutReplaces puts a document of the same DID with other contents: nothing
// of what was indexed before must be left.
func testPutReplaces(t *testing.T, s *subject) {
	p := newPress()
	tx := p.transaction(article{name: "one"})
	s.put(p.expand(article{handle: "before", height: 7, indexedAt: time.UnixMilli(1)}, tx))
	s.put(p.expand(article{handle: "after"}, tx))
	for _, where := range []records.Cond{
		records.Is(records.FieldCreatorHandle, "before"), records.Is(records.FieldCreatorHandle, "after"),
		records.Between{Field: records.FieldHeight, Min: 7, Max: 7}, records.Exists{Field: records.FieldHeight}, nil,
	} {
		s.check(records.Query{Where: where})
	}
}

func testGetOrder(t *testing.T, s *subject) {
	p := newPress()
	var want []string
	for i := range 20 {
		doc := p.document(article{note: fmt.Sprint(i)})
		s.put(doc)
		want = append(want, doc.DID())
	}
	slices.Reverse(want)
	asked := slices.Clone(want)
	asked = slices.Insert(asked, 3, oip.DID(strings.Repeat("z", 43)), "nonsense")
	found, err := s.Get(context.Background(), asked, true)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range found {
		got = append(got, d.DID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("Get answered %v, want %v", got, want)
	}
	if _, err := s.Get(context.Background(), make([]string, records.MaxGet+1), false); !errors.Is(err, records.ErrInvalid) {
		t.Errorf("Get of too many = %v, want ErrInvalid", err)
	}
}

// testBytesSurvive stores what a careless JSON library would change.
func testBytesSurvive(t *testing.T, s *subject) {
	p := newPress()
	raw := `[{"0":"\ud800 lone, \u2028 <&> \"q\" \\ \u0000 😀","1":9223372036854775807,"2":"9007199254740993","3":["\udfff"],"t":"` + p.basic.ID + `"}]`
	doc := p.expand(article{height: 1}, p.signers[0].RawRecord("post", []byte(raw)))
	for _, piece := range []string{`\ud800`, `9223372036854775807`, `9007199254740993`, `<&>`, "\u2028"} {
		if !strings.Contains(string(doc.JSON()), piece) {
			t.Fatalf("the document lacks %q before it is stored", piece)
		}
	}
	s.put(doc)
	if got := s.get(doc.DID())[doc.DID()]; string(got.JSON) != string(doc.JSON()) {
		t.Errorf("Get = %s\nwant  %s", got.JSON, doc.JSON())
	}
	s.check(records.Query{})
}

func testEnvelopeOnly(t *testing.T, s *subject) {
	doc := newPress().document(article{name: "one"})
	s.put(doc)
	want, err := oip.EnvelopeOnly(doc.JSON())
	if err != nil {
		t.Fatal(err)
	}
	found, err := s.Get(context.Background(), []string{doc.DID()}, true)
	if err != nil || len(found) != 1 || string(found[0].JSON) != string(want) {
		t.Errorf("Get = %s, %v; want %s", found, err, want)
	}
	page := s.page(records.Query{Limit: 1, EnvelopeOnly: true})
	if len(page.Hits) != 1 || string(page.Hits[0].JSON) != string(want) {
		t.Errorf("Search = %+v, want %s", page, want)
	}
}

// testMixedBatch has every outcome in one Write, each at its own position.
func testMixedBatch(t *testing.T, s *subject) {
	p := newPress()
	kept, gone, fresh := p.document(article{note: "kept"}), p.document(article{note: "gone"}), p.document(article{note: "fresh"})
	guarded := p.document(article{note: "guarded"})
	s.put(kept, gone)
	s.write(records.Op{Put: guarded, Fence: 9})
	height := int64(99)
	ops := []records.Op{
		{Patch: &oip.Patch{DID: fresh.DID(), Height: &height}, Fence: 2}, // not there yet
		{Put: fresh, Fence: 2},
		{Put: guarded, Fence: 2},
		{Delete: gone.DID(), Fence: 2},
		{Patch: &oip.Patch{DID: guarded.DID(), Pending: true}, Fence: 8},
		{Patch: &oip.Patch{DID: kept.DID(), Height: &height}, Fence: 2},
		{Delete: guarded.DID(), Fence: 8},
		{Delete: gone.DID(), Fence: 2},
	}
	want := []records.Status{records.Missing, records.OK, records.Conflict, records.OK,
		records.Conflict, records.OK, records.Conflict, records.OK}
	got := s.statuses(ops...)
	if !slices.Equal(got, want) {
		t.Fatalf("the operations ended as %v, want %v", got, want)
	}
	for i, status := range got {
		if status == records.OK {
			s.model.apply(t, ops[i])
		}
	}
	s.check(records.Query{})
	s.check(records.Query{Where: records.Between{Field: records.FieldHeight, Min: 99, Max: 99}})
}

// testOneDocumentTwice has several operations on one document in one Write: they
// take effect in order.
func testOneDocumentTwice(t *testing.T, s *subject) {
	p := newPress()
	tx := p.transaction(article{name: "one"})
	first, second := p.expand(article{handle: "first"}, tx), p.expand(article{handle: "second"}, tx)
	one, two := int64(1), int64(2)
	put := func(d *oip.Document) records.Op { return records.Op{Put: d, Fence: 1} }
	patch := func(height *int64) records.Op {
		return records.Op{Patch: &oip.Patch{DID: first.DID(), Height: height}, Fence: 1}
	}
	remove := records.Op{Delete: first.DID(), Fence: 1}
	for _, ops := range [][]records.Op{
		{put(first), put(second)},
		{put(first), patch(&one), patch(&two)},
		{remove, put(first), patch(&two)},
		{put(second), remove},
		{put(first), remove, put(second), patch(&one)},
		{remove, remove},
	} {
		s.write(ops...)
		s.check(records.Query{})
		for _, handle := range []string{"first", "second"} {
			s.check(records.Query{Where: records.Is(records.FieldCreatorHandle, handle)})
		}
		s.check(records.Query{Where: records.Is(records.FieldDID, first.DID())})
		s.check(records.Query{Where: records.Exists{Field: records.FieldHeight}})
	}
}

func testFence(t *testing.T, s *subject) {
	p := newPress()
	tx := p.transaction(article{name: "one"})
	old, young := p.expand(article{handle: "old"}, tx), p.expand(article{handle: "young"}, tx)
	did := old.DID()
	step := func(op records.Op, want records.Status) {
		t.Helper()
		if got := s.statuses(op)[0]; got != want {
			t.Fatalf("%+v ended as %d, want %d", op, got, want)
		}
		if want == records.OK {
			s.model.apply(t, op)
		}
		s.check(records.Query{})
		s.check(records.Query{Where: records.Is(records.FieldCreatorHandle, "old")})
	}
	step(records.Op{Put: old, Fence: 5}, records.OK)
	step(records.Op{Put: young, Fence: 4}, records.Conflict)
	step(records.Op{Put: old, Fence: 4}, records.Conflict) // even if it would change nothing
	step(records.Op{Delete: did, Fence: 4}, records.Conflict)
	step(records.Op{Patch: &oip.Patch{DID: did, Pending: true}, Fence: 4}, records.Conflict)
	step(records.Op{Put: young, Fence: 5}, records.OK)
	step(records.Op{Put: young, Fence: 7}, records.OK) // only the fence is new
	step(records.Op{Put: old, Fence: 6}, records.Conflict)
	height := int64(3)
	step(records.Op{Patch: &oip.Patch{DID: did, Height: &height}, Fence: 8}, records.OK)
	step(records.Op{Put: old, Fence: 7}, records.Conflict)
	step(records.Op{Delete: did, Fence: 8}, records.OK)
	step(records.Op{Put: old, Fence: 1}, records.OK) // nothing is left to compare with
}

func testDelete(t *testing.T, s *subject) {
	p := newPress()
	a, b := p.document(article{note: "a", tags: []string{"x"}}), p.document(article{note: "b", tags: []string{"x"}})
	s.put(a, b)
	s.write(records.Op{Delete: a.DID(), Fence: 1})
	s.check(records.Query{})
	s.check(records.Query{Where: records.Is(records.FieldTag, "x")})
	s.check(records.Query{Where: records.Is(records.FieldDID, a.DID())})
	if found := s.get(a.DID(), b.DID()); len(found) != 1 {
		t.Errorf("Get found %d documents, want the one that is left", len(found))
	}
	s.put(a)
	s.check(records.Query{Where: records.Is(records.FieldTag, "x")})
}

func testPatchHeight(t *testing.T, s *subject) {
	doc := newPress().document(article{name: "one", height: 10})
	s.put(doc)
	height := int64(20)
	for _, patch := range []oip.Patch{{Height: &height}, {Height: &height}, {Pending: true}, {Height: &height}} {
		patch.DID = doc.DID()
		s.write(records.Op{Patch: &patch, Fence: 1})
		if got := s.get(doc.DID())[doc.DID()]; string(got.JSON) != s.model[doc.DID()].json {
			t.Errorf("Get = %s, want %s", got.JSON, s.model[doc.DID()].json)
		}
		for _, h := range []int64{10, 20} {
			s.check(records.Query{Where: records.Between{Field: records.FieldHeight, Min: h, Max: h}})
		}
		s.check(records.Query{Where: records.Not{Cond: records.Exists{Field: records.FieldHeight}}})
	}
}

func testPatchCreator(t *testing.T, s *subject) {
	doc := newPress().document(article{name: "one"})
	s.put(doc)
	env, err := oip.ParseEnvelope(doc.JSON())
	if err != nil {
		t.Fatal(err)
	}
	ref := env.Creator
	ref.CreatorHandle, ref.DIDTx = "renamed12", oip.DID(strings.Repeat("r", 43))
	s.write(records.Op{Patch: &oip.Patch{DID: doc.DID(), Creator: &ref}, Fence: 1})
	for _, where := range []records.Cond{
		records.Is(records.FieldCreatorHandle, "signer0"), records.Is(records.FieldCreatorHandle, "renamed12"),
		records.Is(records.FieldCreatorTx, ref.DIDTx), records.Is(records.FieldCreatorTx, env.Creator.DIDTx),
		records.Is(records.FieldCreatorDID, ref.DIDAddress), records.Is(records.FieldOwner, ref.PublicKey),
	} {
		s.check(records.Query{Where: where})
	}
}

func testPatchHidden(t *testing.T, s *subject) {
	p := newPress()
	doc := p.expand(article{}, p.signers[0].Template("basic", []byte(basicTemplate)))
	s.put(doc)
	visible := records.Not{Cond: records.Is(records.FieldHidden, "true")}
	s.check(records.Query{Where: visible})
	for _, hidden := range []bool{true, false, true} {
		s.write(records.Op{Patch: &oip.Patch{DID: doc.DID(), Hidden: &hidden}, Fence: 1})
		s.check(records.Query{Where: visible})
		s.check(records.Query{Where: records.Is(records.FieldHidden, "true")})
	}
}

func testPatchOwnHandle(t *testing.T, s *subject) {
	p := newPress()
	doc := p.expand(article{handle: "signer04"}, p.registrations[0])
	s.put(doc)
	handle := "signer047"
	s.write(records.Op{Patch: &oip.Patch{DID: doc.DID(), OwnHandle: &handle}, Fence: 1})
	for _, name := range []string{"signer04", "signer047"} {
		s.check(records.Query{Where: records.All{records.Is(records.FieldKind, "creator"), records.Is(records.FieldName, name)}})
	}
	if got := s.get(doc.DID())[doc.DID()]; !strings.Contains(string(got.JSON), `"creatorHandle":"signer047"`) {
		t.Errorf("Get = %s, want the new handle", got.JSON)
	}
}

func testWriteLimits(t *testing.T, s *subject) {
	p := newPress()
	doc := p.document(article{name: "one"})
	big := p.document(article{note: strings.Repeat("x", records.MaxWriteBytes*3/5)})
	invalid := map[string][]records.Op{
		"too many operations":    slices.Repeat([]records.Op{{Delete: doc.DID()}}, records.MaxOps+1),
		"too many bytes":         {{Put: big, Fence: 1}, {Put: big, Fence: 1}},
		"an unverified document": {{Put: &oip.Document{}, Fence: 1}},
		"no operation":           {{Fence: 1}},
		"two operations":         {{Put: doc, Delete: doc.DID(), Fence: 1}},
	}
	for name, ops := range invalid {
		all := append([]records.Op{{Put: doc, Fence: 1}}, ops...)
		if _, err := s.Write(context.Background(), all); !errors.Is(err, records.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	s.check(records.Query{}) // nothing of them was done
}

// testLargeDocument stores a document that is over the limit of a batch, which
// one document alone may be.
func testLargeDocument(t *testing.T, s *subject) {
	doc := newPress().document(article{name: "large", note: strings.Repeat("lorem ipsum ", (records.MaxWriteBytes+1<<20)/12)})
	if len(doc.JSON()) <= records.MaxWriteBytes {
		t.Fatalf("the document has only %d bytes", len(doc.JSON()))
	}
	s.put(doc)
	s.check(records.Query{Where: records.Is(records.FieldName, "large")})
}
