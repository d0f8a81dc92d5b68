package statetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"oipnode/shared/state"
)

var limitCases = []testCase{
	{name: "KeyLength", run: func(e *env) {
		long := strings.Repeat("k", state.MaxKey)
		longest := state.Key{Space: long, ID: long}
		e.commit(state.Put(longest, []byte("1")))
		e.want(longest, "1", 1)
		if got := e.page(long, long, long+"\x00", 5); len(got) != 1 {
			e.Errorf("Range found %d items with the longest key", len(got))
		}
		e.badKey(state.ErrTooLarge, state.Key{Space: long + "k", ID: "a"})
		e.badKey(state.ErrTooLarge, state.Key{Space: "space", ID: long + "k"})
	}},

	{name: "EmptyKey", run: func(e *env) {
		e.badKey(state.ErrInvalid, state.Key{Space: "", ID: "a"})
		e.badKey(state.ErrInvalid, state.Key{Space: "space", ID: ""})
	}},

	{name: "KeyMustBeUTF8", run: func(e *env) {
		for _, bad := range []string{"\xff", "a\x80", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80"} {
			e.badKey(state.ErrInvalid, state.Key{Space: bad, ID: "a"})
			e.badKey(state.ErrInvalid, state.Key{Space: "space", ID: bad})
		}
	}},

	{name: "ValueLength", run: func(e *env) {
		largest := bytes.Repeat([]byte{0xFF}, state.MaxValue)
		e.commit(state.Put(key("a"), largest))
		e.want(key("a"), string(largest), 1)
		e.refuse(state.ErrTooLarge, state.Put(key("a"), append(largest, 0)))
		e.refuse(state.ErrTooLarge, state.Put(key("b"), nil), state.Create(key("c"), append(largest, 0)))
		e.want(key("a"), string(largest), 1)
		e.absent(key("b"))
	}},

	{name: "OpsOfACommit", run: func(e *env) {
		ops := manyPuts(state.MaxOps + 1)
		e.refuse(state.ErrTooLarge, ops...)
		e.absent(ops[0].Item.Key)
		e.commit(ops[:state.MaxOps]...)
		if got := len(e.page("space", "", "", state.MaxOps+1)); got != state.MaxOps {
			e.Errorf("%d items, want %d", got, state.MaxOps)
		}
	}},

	{name: "BytesOfACommit", run: func(e *env) {
		ops := manyPuts(state.MaxCommit/state.MaxValue + 1)
		rest := state.MaxCommit
		for i := range ops {
			rest -= ops[i].Size()
		}
		for i := range ops {
			n := min(rest, state.MaxValue)
			ops[i].Item.Value = make([]byte, n)
			rest -= n
		}
		over := append([]state.Op{state.Delete(key("x"))}, ops...)
		e.refuse(state.ErrTooLarge, over...)
		e.absent(ops[0].Item.Key)
		e.commit(ops...)
		for _, op := range ops {
			e.want(op.Item.Key, string(op.Item.Value), 1)
		}
	}},

	{name: "KeysOfAGet", run: func(e *env) {
		ops := manyPuts(state.MaxGet + 1)
		e.commit(ops[:state.MaxGet/2]...)
		e.commit(ops[state.MaxGet/2 : state.MaxGet]...)
		keys := make([]state.Key, 0, len(ops))
		for _, op := range ops {
			keys = append(keys, op.Item.Key)
		}
		if got := len(e.get(keys[:state.MaxGet]...)); got != state.MaxGet {
			e.Errorf("Get returned %d items, want %d", got, state.MaxGet)
		}
		if _, err := e.s.Get(e.ctx, keys...); !errors.Is(err, state.ErrTooLarge) {
			e.Errorf("Get of %d keys returned %v", len(keys), err)
		}
	}},

	{name: "LimitOfARange", run: func(e *env) {
		ops := manyPuts(state.MaxRange + 1)
		for len(ops) > 0 {
			n := min(len(ops), state.MaxOps)
			e.commit(ops[:n]...)
			ops = ops[n:]
		}
		for _, c := range []struct{ limit, want int }{
			{1, 1}, {state.MaxRange - 1, state.MaxRange - 1},
			{state.MaxRange, state.MaxRange}, {state.MaxRange + 1, state.MaxRange},
		} {
			if got := len(e.page("space", "", "", c.limit)); got != c.want {
				e.Errorf("Range with limit %d returned %d items, want %d", c.limit, got, c.want)
			}
		}
		for _, limit := range []int{0, -1} {
			if _, err := e.s.Range(e.ctx, "space", "", "", limit); !errors.Is(err, state.ErrInvalid) {
				e.Errorf("Range with limit %d returned %v", limit, err)
			}
		}
	}},

	{name: "BoundsOfARange", run: func(e *env) {
		long := strings.Repeat("k", state.MaxKey+1)
		if got := e.page("space", long, long, 1); len(got) != 0 {
			e.Errorf("Range returned %v", ids(got))
		}
		for _, c := range []struct {
			from, to string
			want     error
		}{
			{long + "k", "", state.ErrTooLarge}, {"", long + "k", state.ErrTooLarge},
			{"\xff", "", state.ErrInvalid}, {"", "\xff", state.ErrInvalid},
		} {
			if _, err := e.s.Range(e.ctx, "space", c.from, c.to, 1); !errors.Is(err, c.want) {
				e.Errorf("Range [%.5q, %.5q) returned %v, want %v", c.from, c.to, err, c.want)
			}
		}
	}},
}

// badKey checks that every call refuses a key.
func (e *env) badKey(want error, k state.Key) {
	e.Helper()
	for _, op := range []state.Op{
		state.Put(k, nil), state.Create(k, nil), state.Update(k, nil, 1), state.Delete(k),
		state.DeleteIf(k, 1), state.Check(k, 0), state.Add(k, 1),
	} {
		e.refuse(want, state.Put(key("good"), nil), op)
	}
	e.absent(key("good"))
	if _, err := e.s.Get(e.ctx, key("good"), k); !errors.Is(err, want) {
		e.Errorf("Get of a bad key returned %v, want %v", err, want)
	}
	if k.ID == "a" {
		if _, err := e.s.Range(e.ctx, k.Space, "", "", 1); !errors.Is(err, want) {
			e.Errorf("Range of a bad space returned %v, want %v", err, want)
		}
	}
}

// manyPuts returns operations on that many keys in ascending order.
func manyPuts(n int) []state.Op {
	ops := make([]state.Op, n)
	for i := range ops {
		ops[i] = state.Put(key(fmt.Sprintf("%05d", i)), nil)
	}
	return ops
}
