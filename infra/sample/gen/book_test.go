package main

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"oipnode/infra/sample"
	"oipnode/shared/oip/oiptest"
)

// testBook is a book with one creator and one template.
func testBook(t *testing.T) *book {
	t.Helper()
	signer, err := testKey("mara")
	if err != nil {
		t.Fatal(err)
	}
	b := &book{signers: map[string]*oiptest.Signer{"mara": signer}, templates: map[string]schema{}, known: map[string]publication{}}
	b.define("mara", sample.FirstHeight, template{Name: "note", Definition: json.RawMessage(
		`{"text":"string","index_text":0,"items":"repeated string","index_items":12,"stars":"uint64","index_stars":3}`)})
	return b
}

// A record is on the chain by the indexes of its fields, and an empty text or list
// is not there at all; a zero is.
func TestRecord(t *testing.T) {
	b := testBook(t)
	p := b.record("mara", "note", "first", 1_600_000,
		part{"note", map[string]any{"text": "a < b & c", "items": []string(nil), "stars": 0}},
		part{"note", map[string]any{"text": "", "items": []string{"x"}}})
	if b.err != nil {
		t.Fatal(b.err)
	}
	it := b.items[len(b.items)-1]
	id := b.templates["note"].id
	want := `[{"0":"a < b & c","3":0,"t":"` + id + `"},{"12":["x"],"t":"` + id + `"}]`
	if string(it.Data) != want {
		t.Errorf("data %s, want %s", it.Data, want)
	}
	if it.ID != p.id || it.Height != 1_600_000 || !it.Bundled || it.Owner != b.signers["mara"].Address {
		t.Errorf("item %+v", it)
	}
}

// References name records that are there, and tell from which block on they are.
func TestFind(t *testing.T) {
	b := testBook(t)
	one := b.record("mara", "note", "one", 1_600_000, part{"note", nil})
	two := b.record("mara", "note", "two", 1_600_500, part{"note", nil})
	dids, height := b.find("note", "two", "one")
	if b.err != nil || len(dids) != 2 || dids[0] != two.did() || dids[1] != one.did() || height != 1_600_501 {
		t.Errorf("find = %v from block %d, %v", dids, height, b.err)
	}
	if dids, height := b.find("note"); dids != nil || height != 0 {
		t.Errorf("nothing was found as %v from block %d", dids, height)
	}
}

func TestMistakesInTheBook(t *testing.T) {
	for name, mistake := range map[string]func(*book){
		"an unknown field":    func(b *book) { b.object(part{"note", map[string]any{"colour": "red"}}) },
		"an unknown template": func(b *book) { b.object(part{"poem", nil}) },
		"an unknown record":   func(b *book) { b.find("note", "none") },
		"a second record of the name": func(b *book) {
			b.record("mara", "note", "x", 1_600_000, part{"note", nil})
			b.record("mara", "note", "x", 1_600_001, part{"note", nil})
		},
		"a block in the future":     func(b *book) { b.record("mara", "note", "x", sample.Tip+1, part{"note", nil}) },
		"what JSON cannot hold":     func(b *book) { b.data(make(chan int)) },
		"no date":                   func(b *book) { b.before("2025-02-30", 1) },
		"no later template":         func(b *book) { b.defineLater("mara", "note", 1_600_000, nil) },
		"a definition that is none": func(b *book) { b.define("mara", 1_600_000, template{Name: "x", Definition: []byte("[]")}) },
	} {
		b := testBook(t)
		if mistake(b); b.err == nil {
			t.Errorf("%s is no error", name)
		}
	}
}

// Records of one kind keep their order and their part of the range.
func TestSlot(t *testing.T) {
	last := heightAt(0.2) - 1
	for i := range 50 {
		h := slot(0.2, 0.4, i, 50, fmt.Sprint("record ", i))
		if h <= last || h > heightAt(0.4) {
			t.Errorf("record %d at height %d, the one before at %d", i, h, last)
		}
		last = h
	}
}

// A record is written shortly before its block, by the clock of the gateway that
// serves it.
func TestDates(t *testing.T) {
	b := testBook(t)
	height, at := b.before("2025-03-03", 3)
	if want := time.Date(2025, 3, 3, 0, 0, 0, 0, time.UTC); b.err != nil || !at.Equal(want) {
		t.Fatalf("before = %v, %v", at, b.err)
	}
	early := time.Unix(written(height), 0)
	if days := at.Sub(early).Hours() / 24; days < 3 || days > 3.1 {
		t.Errorf("written %.2f days before", days)
	}
}

// The first creator's registration is as old as it must look.
func TestFoundingRegistration(t *testing.T) {
	b := testBook(t)
	b.foundingRegistration(person{Handle: "mara", Surname: "Lindqvist"})
	it := b.items[len(b.items)-1]
	if it.Height != foundingHeight || it.Bundled {
		t.Errorf("item at height %d, bundled %v", it.Height, it.Bundled)
	}
	for _, tag := range it.Tags {
		if tag.Name == "Ver" && tag.Value != "0.7.2" {
			t.Errorf("version %s", tag.Value)
		}
	}
}
