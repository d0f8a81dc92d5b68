package indexer

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"oipnode/shared/gatewaysim"
	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
)

// definitions are the templates of the simulated worlds; several have the same name.
var definitions = []struct{ name, def string }{
	{"basic", `{"name":"string","index_name":0,"description":"string","index_description":1,"date":"long","index_date":2,"tagItems":"repeated string","index_tagItems":8}`},
	{"post", `{"webUrl":"string","index_webUrl":0,"kind":"enum","kindValues":[{"code":"a","name":"Article"},{"code":"n","name":"News"}],"index_kind":1,"ref":"dref","index_ref":2}`},
	{"post", `{"webUrl":"string","index_webUrl":1,"size":"uint64","index_size":0}`},
	{"number", `{"big":"uint64","index_big":0,"ratio":"float","index_ratio":1,"list":"repeated long","index_list":2}`},
}

// handles are few, so that creators collide.
var handles = []string{"bob", "bob", "ann", "bob1"}

// add puts a transaction on the chain.
func (w *world) add(height int64, tx oip.Transaction, late int64) oip.Transaction {
	w.t.Helper()
	if _, exists := w.chain.Get(tx.ID); exists {
		return tx // the same message, signed twice
	}
	err := w.chain.Add(height, gatewaysim.Item{ID: tx.ID, Tags: tx.Tags, Data: tx.Data, VisibleAt: late, Bundled: late > 0})
	if err != nil {
		w.t.Fatalf("add %s: %v", tx.ID, err)
	}
	return tx
}

// newCreator makes a signer of the world.
func (w *world) newCreator() *oiptest.Signer {
	// A few keys serve all worlds; making one takes a while.
	s := oiptest.NewSigner(fmt.Sprintf("world %d", (int(w.seed%5)*8+len(w.creators))%40), 2048)
	w.creators = append(w.creators, s)
	return s
}

// where returns a height, and the step at which the item becomes visible:
// usually at once, sometimes late at an old height.
func (w *world) where(tip int64, steps int64) (height, late int64) {
	height = worldStart + w.rng.Int64N(tip-worldStart)
	if w.chance(0.15) {
		late = 1 + w.rng.Int64N(steps)
	}
	return height, late
}

// populate fills the chain with a random history up to tip, of which parts become
// visible over the given number of steps.
func (w *world) populate(tip, steps int64, size int) {
	// The creator of the first templates, who registered before everything else.
	first := w.newCreator()
	boot := w.add(worldStart-500, w.oldRegistration(first, "first"), 0)
	w.bootstrap = []string{boot.ID}
	for i := range 3 {
		s := w.newCreator()
		h, late := w.where(tip, steps)
		w.add(h, s.Registration(pick(w, handles), "surname"), late)
		if i == 0 && w.chance(0.5) {
			h, late := w.where(tip, steps)
			w.add(h, s.Registration(pick(w, handles), "again"), late)
		}
	}
	// One whose registration can only be found by looking it up.
	hidden := w.newCreator()
	w.add(worldStart-300, w.oldRegistration(hidden, "bob"), 0)
	// One that never registers.
	w.newCreator()
	for i := range definitions {
		w.addTemplate(i, tip, steps, false)
	}
	w.addTemplate(3, tip, steps, true)
	for range size {
		w.addSomething(tip, steps)
	}
}

// oldRegistration has a version that no window shows.
func (w *world) oldRegistration(s *oiptest.Signer, handle string) oip.Transaction {
	tags := s.Tags(oip.TypeRegistration)
	for i := range tags {
		if tags[i].Name == "Ver" {
			tags[i].Value = "0.7.2"
		}
	}
	return s.WithTags(tags, s.Registration(handle, "").Data)
}

// addTemplate publishes a template, perhaps below the first height of interest.
func (w *world) addTemplate(def int, tip, steps int64, outside bool) {
	owner := pick(w, w.creators[:4])
	h, late := w.where(tip, steps)
	if outside {
		h, late = worldStart-100, 0
	}
	text := definitions[def].def
	if outside {
		text = strings.Replace(text, `"index_`, ` "index_`, 1) // other bytes, another id
	}
	tx := owner.Template(definitions[def].name, []byte(text))
	w.add(h, tx, late)
	w.templates = append(w.templates, template{tx.ID, owner, def})
	w.dids = append(w.dids, published{oip.DID(tx.ID), owner})
}

// addSomething publishes a random transaction.
func (w *world) addSomething(tip, steps int64) {
	h, late := w.where(tip, steps)
	owner := pick(w, w.creators)
	switch n := w.rng.IntN(100); {
	case n < 60:
		tx := owner.Record(pick(w, []string{"post", "recipe", "note"}), w.objects()...)
		w.add(h, tx, late)
		w.dids = append(w.dids, published{oip.DID(tx.ID), owner})
	case n < 64:
		tx := owner.Record(oip.TypeOrganization, w.organization()...)
		w.add(h, tx, late)
		w.dids = append(w.dids, published{oip.DID(tx.ID), owner})
	case n < 78:
		target := pick(w, w.dids)
		if w.chance(0.7) {
			owner = target.owner
		}
		tx := owner.Delete(target.did)
		if w.chance(0.3) {
			tx = owner.DeleteTemplate(target.did)
		}
		w.add(h, tx, late)
		w.dids = append(w.dids, published{oip.DID(tx.ID), owner})
	default:
		w.add(h, w.hostile(owner), late)
	}
}

// unknownTemplate is an id that no transaction has.
var unknownTemplate = gatewaysim.IDFor("a template that was never published")

// objects are one to three objects of a record, some of unknown templates.
func (w *world) objects() []oiptest.Object {
	serial := w.rng.Uint64()
	objects := []oiptest.Object{{Template: w.templates[0].id, Values: map[int]any{
		0: fmt.Sprintf("record %x", serial), 2: 1700000000 + w.rng.IntN(1000), 8: []string{"a", "b"}}}}
	for range w.rng.IntN(3) {
		t := pick(w, w.templates)
		values := map[int]any{0: fmt.Sprint("value ", w.rng.IntN(9)), 1: w.rng.IntN(4), 99: "no such field"}
		if t.def == 3 {
			values = map[int]any{0: json.Number("18446744073709551615"), 1: "0.25", 2: []any{"9007199254740993", 7}}
		}
		objects = append(objects, oiptest.Object{Template: t.id, Values: values})
	}
	if w.chance(0.08) {
		objects = append(objects, oiptest.Object{Template: unknownTemplate, Values: map[int]any{0: serial}})
	}
	if w.chance(0.04) {
		objects = objects[len(objects)-1:]
	}
	return objects
}

func (w *world) organization() []oiptest.Object {
	return []oiptest.Object{
		{Template: w.templates[0].id, Values: map[int]any{0: fmt.Sprintf("club %x", w.rng.Uint64()), 1: "a club"}},
		{Template: gatewaysim.IDFor("organization template"), Values: map[int]any{0: pick(w, handles), 1: "key", 3: 1}},
	}
}

// hostile is a transaction that must be rejected.
func (w *world) hostile(owner *oiptest.Signer) oip.Transaction {
	serial := fmt.Sprintf(" %x", w.rng.Uint64())
	good := owner.Record("post", w.objects()...)
	switch w.rng.IntN(9) {
	case 0: // one bit of the data
		good.Data = append([]byte(nil), good.Data...)
		good.Data[len(good.Data)/2] ^= 1
	case 1: // another creator's name on it
		other := pick(w, w.creators)
		tags := owner.Tags("post")
		for i := range tags {
			if tags[i].Name == "Creator" {
				tags[i].Value = other.Address
			}
		}
		if other == owner {
			tags[len(tags)-1].Value = base64.RawURLEncoding.EncodeToString(make([]byte, 32))
		}
		return owner.WithTags(tags, good.Data)
	case 2:
		return owner.RawRecord("post", []byte(`{"not":"an array"`+serial))
	case 3:
		return owner.RawRecord("post", []byte(`{"not":"an array","serial":"`+serial+`"}`))
	case 4:
		return owner.RawRecord("post", []byte(strings.Repeat("[", 5000)+serial))
	case 5:
		return owner.RawRecord("post", []byte(`[{"t":"`+strings.Repeat("x", int(worldMaxBytes))+serial+`"}]`))
	case 6: // a tag behind the signature
		good.Tags = append(append([]oip.Tag(nil), good.Tags...), oip.Tag{Name: "Extra", Value: serial})
	case 7:
		return owner.Template("bad", []byte(`{"name":"string","serial":"`+serial+`"}`))
	case 8: // somebody else's key under one's own address
		other := pick(w, w.creators)
		if other == owner {
			other = w.creators[(int(w.rng.Uint32())%(len(w.creators)-1)+1+indexOf(w.creators, owner))%len(w.creators)]
		}
		return owner.RawRecord(oip.TypeRegistration, other.Registration("thief"+serial, "").Data)
	}
	return good
}

func indexOf(list []*oiptest.Signer, s *oiptest.Signer) int {
	for i, v := range list {
		if v == s {
			return i
		}
	}
	return -1
}
