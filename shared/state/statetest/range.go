package statetest

import (
	"errors"
	"fmt"
	"slices"

	"oipnode/shared/state"
)

// inByteOrder lists IDs as the bytes of UTF-8 order them. Stores that compare
// UTF-16, ignore case, or end strings at a NUL order some of them otherwise.
var inByteOrder = []string{
	"\x00", "\x00\x00", "\x01", " ", "0", "00", "1", "10", "2", "A", "B", "Z", "a", "a\x00", "a\x00b", "a\x01",
	"aa", "ab", "b", "z", "~", "\x7f", "\u0080", "é", "\u07ff", "\u0800", "中", "\ue000", "\ufffd", "\uffff",
	"\U00010000", "😀", "\U0010ffff", "\U0010ffff\x00", "\U0010ffff\U0010ffff",
}

var rangeCases = []testCase{
	{name: "ByteOrder", run: func(e *env) {
		for _, id := range slices.Backward(inByteOrder) {
			e.commit(state.Put(key(id), []byte(id)))
		}
		if got := ids(e.page("space", "", "", 100)); !slices.Equal(got, inByteOrder) {
			e.Errorf("order is %q", got)
		}
		// Every bound between any two of them.
		for i, from := range inByteOrder {
			for j := i; j < len(inByteOrder); j += 5 {
				if got := ids(e.page("space", from, inByteOrder[j], 100)); !slices.Equal(got, inByteOrder[i:j]) {
					e.Errorf("[%q, %q) is %q", from, inByteOrder[j], got)
				}
			}
		}
	}},

	{name: "ExcludesTheEndAndWhatIsReversed", run: func(e *env) {
		e.commit(state.Put(key("a"), nil), state.Put(key("b"), nil), state.Put(key("c"), nil))
		for _, c := range []struct {
			from, to string
			want     []string
		}{
			{"a", "c", []string{"a", "b"}}, {"b", "", []string{"b", "c"}}, {"", "b", []string{"a"}},
			{"a\x00", "b\x00", []string{"b"}}, {"b", "b", nil}, {"c", "a", nil}, {"d", "", nil},
		} {
			if got := ids(e.page("space", c.from, c.to, 10)); !slices.Equal(got, c.want) {
				e.Errorf("[%q, %q) is %q, want %q", c.from, c.to, got, c.want)
			}
		}
	}},

	{name: "StaysInItsSpace", run: func(e *env) {
		spaces := []string{"a", "a\x00", "aa", "b", "\x00", "é"}
		for _, space := range spaces {
			e.commit(state.Put(state.Key{Space: space, ID: "a"}, []byte(space)),
				state.Put(state.Key{Space: space, ID: "\U0010ffff"}, []byte(space)))
		}
		for _, space := range spaces {
			items := e.page(space, "", "", 100)
			if len(items) != 2 {
				e.Errorf("space %q has %d items, want 2", space, len(items))
			}
			for _, item := range items {
				if item.Space != space || string(item.Value) != space {
					e.Errorf("range of %q returned %q of %q", space, item.Key, item.Value)
				}
			}
		}
	}},

	{name: "WholeItems", run: func(e *env) {
		end := e.h.Now().Add(1000 * e.h.MinTTL)
		e.commit(state.Put(key("a"), []byte("1")).Until(end), state.Add(key("n"), 3))
		e.commit(state.Put(key("a"), []byte("2")).Until(end), state.Add(key("n"), 4))
		sameItems(e, e.page("space", "", "", 10), e.get(key("a"), key("n")))
		e.want(key("a"), "2", 2)
		e.want(key("n"), "7", 2)
	}},

	{name: "Prefix", run: func(e *env) {
		for _, id := range inByteOrder {
			e.commit(state.Put(key("p"+id), nil), state.Put(key("o"+id), nil), state.Put(key("q"+id), nil),
				state.Put(key("\U0010ffff"+id), nil))
		}
		for _, prefix := range []string{"p", "\U0010ffff"} {
			got := e.page("space", prefix, state.PrefixEnd(prefix), 100)
			if len(got) != len(inByteOrder) {
				e.Errorf("%d items with prefix %q, want %d", len(got), prefix, len(inByteOrder))
			}
			for i, item := range got {
				if item.ID != prefix+inByteOrder[i] {
					e.Errorf("item %d with prefix %q is %q", i, prefix, item.ID)
				}
			}
		}
	}},

	{name: "Pages", run: func(e *env) {
		for _, id := range inByteOrder {
			e.commit(state.Put(key(id), nil))
		}
		for size := 1; size <= len(inByteOrder)+1; size += 6 {
			var got []string
			err := state.Each(e.ctx, e.s, "space", "", "", size, func(item state.Item) error {
				got = append(got, item.ID)
				return nil
			})
			if err != nil || !slices.Equal(got, inByteOrder) {
				e.Errorf("pages of %d: %q, %v", size, got, err)
			}
		}
		stop, n := errors.New("stop"), 0
		err := state.Each(e.ctx, e.s, "space", "", "", 2, func(state.Item) error {
			if n++; n == 3 {
				return stop
			}
			return nil
		})
		if !errors.Is(err, stop) || n != 3 {
			e.Errorf("Each went on to item %d and returned %v", n, err)
		}
	}},

	{name: "PagesWhileOthersWrite", run: func(e *env) {
		var stay []string
		for i := range 40 {
			stay = append(stay, fmt.Sprintf("%02d", i))
			e.commit(state.Put(key(stay[i]), nil))
		}
		stop, stopped := make(chan struct{}), make(chan error, 1)
		go func() { stopped <- churn(e, stay, stop) }()
		for range 5 {
			var got []string
			err := state.Each(e.ctx, e.s, "space", "", "", 7, func(item state.Item) error {
				got = append(got, item.ID)
				return nil
			})
			if err != nil {
				e.Fatalf("Each: %v", err)
			}
			if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
				e.Errorf("pages overlap: %q", got)
			}
			if kept := slices.DeleteFunc(got, func(id string) bool { return len(id) != 2 }); !slices.Equal(kept, stay) {
				e.Errorf("pages skip: %q", kept)
			}
		}
		close(stop)
		if err := <-stopped; err != nil {
			e.Errorf("writer: %v", err)
		}
	}},
}

// churn adds and removes items between others until it is told to stop.
func churn(e *env, between []string, stop <-chan struct{}) error {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return nil
		default:
		}
		add, remove := between[n*7%len(between)], between[(n*11+3)%len(between)]
		ops := []state.Op{state.Put(key(add+"x"), nil), state.Put(key(add), []byte("again"))}
		if remove != add {
			ops = append(ops, state.Delete(key(remove+"x")))
		}
		if err := e.s.Commit(e.ctx, ops...); err != nil {
			return err
		}
	}
}
