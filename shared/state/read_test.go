package state_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"oipnode/shared/state"
)

func TestGetOne(t *testing.T) {
	s := openStore(t)
	k := state.Key{Space: "s", ID: "a"}
	if item, ok, err := state.GetOne(t.Context(), s, k); ok || err != nil {
		t.Errorf("an absent key gave %+v, %v, %v", item, ok, err)
	}
	if err := s.Commit(t.Context(), state.Put(k, []byte("x"))); err != nil {
		t.Fatal(err)
	}
	if item, ok, err := state.GetOne(t.Context(), s, k); !ok || err != nil || string(item.Value) != "x" {
		t.Errorf("got %+v, %v, %v", item, ok, err)
	}
	if _, ok, err := state.GetOne(t.Context(), s, state.Key{}); ok || !errors.Is(err, state.ErrInvalid) {
		t.Errorf("a bad key gave %v, %v", ok, err)
	}
}

func TestCounterOfOtherItem(t *testing.T) {
	s := openStore(t)
	k := state.Key{Space: "s", ID: "a"}
	if err := s.Commit(t.Context(), state.Put(k, []byte("many"))); err != nil {
		t.Fatal(err)
	}
	if n, err := state.Counter(t.Context(), s, k); !errors.Is(err, state.ErrInvalid) {
		t.Errorf("got %d, %v, want ErrInvalid", n, err)
	}
	if _, err := state.Counter(t.Context(), s, state.Key{}); !errors.Is(err, state.ErrInvalid) {
		t.Errorf("a bad key gave %v", err)
	}
}

func TestEachStops(t *testing.T) {
	s := openStore(t)
	for _, id := range []string{"a", "b", "c"} {
		if err := s.Commit(t.Context(), state.Put(state.Key{Space: "s", ID: id}, nil)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	err := state.Each(ctx, s, "s", "", "", 1, func(state.Item) error {
		n++
		cancel()
		return nil
	})
	if n != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("Each went on to item %d after the cancel and returned %v", n, err)
	}
	none := func(state.Item) error { t.Error("called"); return nil }
	if err := state.Each(t.Context(), s, "s", "", "", 0, none); !errors.Is(err, state.ErrInvalid) {
		t.Errorf("pages of none: %v", err)
	}
	n = 0
	count := func(state.Item) error { n++; return nil }
	if err := state.Each(t.Context(), s, "s", "b", "", state.MaxRange+5, count); err != nil || n != 2 {
		t.Errorf("large pages: %d items, %v", n, err)
	}
}

func TestPrefixEnd(t *testing.T) {
	for prefix, want := range map[string]string{
		"":                      "",
		"a":                     "b",
		"due/":                  "due0",
		"a\x7f":                 "a\u0080",
		"a\u07ff":               "a\u0800",
		"a\ud7ff":               "a\ue000",
		"a\uffff":               "a\U00010000",
		"a\U0010ffff":           "b",
		"a\U0010ffff\U0010ffff": "b",
		"\U0010ffff":            "",
	} {
		if got := state.PrefixEnd(prefix); got != want {
			t.Errorf("PrefixEnd(%q) = %q, want %q", prefix, got, want)
		}
	}
}

// FuzzPrefixEnd checks that an ID lies in the range of a prefix exactly if it
// has the prefix.
func FuzzPrefixEnd(f *testing.F) {
	f.Add("due/", "due/2024")
	f.Add("a\ud7ff", "a\ue000")
	f.Add("\U0010ffff", "\U0010ffff\U0010ffff")
	f.Add("a\U0010ffff", "b")
	f.Add("", "x")
	f.Fuzz(func(t *testing.T, prefix, id string) {
		if !utf8.ValidString(prefix) || !utf8.ValidString(id) {
			return // no key has it
		}
		end := state.PrefixEnd(prefix)
		if !utf8.ValidString(end) {
			t.Errorf("PrefixEnd(%q) = %q is not UTF-8", prefix, end)
		}
		for _, id := range []string{id, prefix + id} {
			in := id >= prefix && (end == "" || id < end)
			if in != strings.HasPrefix(id, prefix) {
				t.Errorf("%q in [%q, %q) is %v", id, prefix, end, in)
			}
		}
	})
}
