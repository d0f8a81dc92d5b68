package main

import (
	"crypto/rsa"
	"errors"
	"slices"
	"strings"
	"testing"

	"oipnode/infra/sample"
	"oipnode/shared/gatewaysim"
	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/oip/rsapss"
)

// testKey makes the keys of tests: small, and always the same.
func testKey(handle string) (*oiptest.Signer, error) {
	return oiptest.NewSigner("gen "+handle, 2048), nil
}

func testContent(t *testing.T) content {
	t.Helper()
	c, err := readContent()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// shape is what stays the same of an item when the keys are others: where it is,
// what it is called, and the words in it.
func shape(it gatewaysim.Item) string {
	var b strings.Builder
	for _, tag := range it.Tags {
		if tag.Name != "Creator" && tag.Name != "CreatorSig" {
			b.WriteString(tag.Name + "=" + tag.Value + " ")
		}
	}
	words := strings.FieldsFunc(string(it.Data), func(r rune) bool { return strings.ContainsRune(`[]{},:"`, r) })
	for _, w := range words {
		// Ids, keys and DIDs depend on the keys; words are short.
		if len(w) < 40 || strings.Contains(w, " ") {
			b.WriteString(w + " ")
		}
	}
	return b.String()
}

// The committed chain is what the content says. After a change of the content, run
// the generator.
func TestCommittedChainIsThisContent(t *testing.T) {
	items, manifest, err := write(testContent(t), testKey)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := sample.Load()
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, it := range items {
		want = append(want, shape(it))
	}
	for it := range chain.All() {
		got = append(got, shape(it))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("%d transactions from the content, %d committed, and they differ; run the generator", len(want), len(got))
	}
	committed, err := sample.ReadManifest()
	if err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string][2]int{
		"late":    {len(manifest.Late), len(committed.Late)},
		"private": {len(manifest.Private), len(committed.Private)},
		"shared":  {len(manifest.Shared), len(committed.Shared)},
		"members": {len(manifest.Members), len(committed.Members)},
	} {
		if n[0] != n[1] || n[0] == 0 {
			t.Errorf("%s: %d from the content, %d committed", name, n[0], n[1])
		}
	}
}

// Items are in the order of the chain, references point backwards, and nothing is
// above the tip.
func TestOrder(t *testing.T) {
	items, _, err := write(testContent(t), testKey)
	if err != nil {
		t.Fatal(err)
	}
	heights := map[string]int64{}
	for i, it := range items {
		heights[it.ID] = it.Height
		if i > 0 && items[i-1].Height > it.Height {
			t.Errorf("item %d at height %d comes after height %d", i, it.Height, items[i-1].Height)
		}
	}
	for _, it := range items {
		for _, word := range strings.Split(string(it.Data), `"`) {
			id, ok := oip.TxID(word)
			if target, known := heights[id]; ok && (!known || target > it.Height) {
				t.Errorf("%s at height %d refers to %s at height %d", it.ID, it.Height, id, target)
			}
		}
	}
}

func TestMistakesInTheContent(t *testing.T) {
	for name, spoil := range map[string]func(*content){
		"an unknown ingredient": func(c *content) { c.Recipes[0].Ingredients[0] = "1 cup; Moonlight" },
		"a portion in words":    func(c *content) { c.Recipes[0].Ingredients[0] = "some; Olive oil" },
		"a portion of nothing":  func(c *content) { c.Ingredients[0].Per = "1" },
		"an unknown image":      func(c *content) { c.Posts[0].Images = []string{"nowhere"} },
		"an unknown text":       func(c *content) { c.Posts[0].Text = "nothing" },
		"a name used twice":     func(c *content) { c.Recipes[1].Name = c.Recipes[0].Name },
		"a missing template":    func(c *content) { c.Templates = c.Templates[1:] },
		"no later template": func(c *content) {
			c.Templates = slices.DeleteFunc(c.Templates, func(t template) bool { return t.Later })
		},
		"a date in words":   func(c *content) { c.Training.Schedules[0].Date = "tomorrow" },
		"a reply to nobody": func(c *content) { c.Posts[1].Reply = "nothing" },
		"a template without an index": func(c *content) {
			c.Templates[0].Definition = []byte(`{"name":"string","index_name":"first"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := testContent(t)
			spoil(&c)
			if _, _, err := write(c, testKey); err == nil {
				t.Error("was published without an error")
			}
		})
	}
}

func TestNoKey(t *testing.T) {
	broken := errors.New("no entropy")
	_, _, err := write(testContent(t), func(string) (*oiptest.Signer, error) { return nil, broken })
	if !errors.Is(err, broken) {
		t.Errorf("write without keys: %v", err)
	}
}

// A key of the generator is a real one, and its signatures verify whatever the
// length of their salt.
func TestNewKey(t *testing.T) {
	s, err := newKey("mara")
	if err != nil {
		t.Fatal(err)
	}
	key, err := rsapss.ParseModulus(s.Modulus)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Address; got != key.Address() {
		t.Errorf("address %s, the modulus hashes to %s", got, key.Address())
	}
	tx := s.Record("post", oiptest.Object{Template: gatewaysim.IDFor("a template"), Values: map[int]any{0: "hello"}})
	if out := oip.Verify(tx, oiptest.KeysOf(s)); !accepted(out) {
		t.Errorf("a signature of the generator's key: %+v", out)
	}
	for handle, salt := range salts {
		if salt > keyBits/8-2-32 || salt < rsa.PSSSaltLengthEqualsHash {
			t.Errorf("a salt of %d bytes for %s does not fit a key of %d bits", salt, handle, keyBits)
		}
	}
}

func accepted(out oip.Outcome) bool {
	_, ok := out.(oip.Accepted)
	return ok
}

func TestPortion(t *testing.T) {
	p, err := parsePortion(" 2.5 tbsp; Olive oil ; extra virgin; cold ")
	if want := (portion{2.5, "tbsp", "Olive oil", "extra virgin; cold"}); err != nil || p != want {
		t.Errorf("parsePortion = %+v, %v, want %+v", p, err, want)
	}
}

func TestSlug(t *testing.T) {
	if got := slug("Salt, and when to stop"); got != "salt-and-when-to-stop" {
		t.Errorf("slug = %q", got)
	}
}
