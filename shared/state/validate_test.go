package state_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"oipnode/shared/state"
)

// That stores refuse what these functions refuse is in statetest; here is what
// the functions say at each limit.

func TestCheckGet(t *testing.T) {
	good := state.Key{Space: "s", ID: "i"}
	long := strings.Repeat("k", state.MaxKey)
	for name, c := range map[string]struct {
		keys []state.Key
		want error
	}{
		"none":          {nil, nil},
		"most":          {repeat(good, state.MaxGet), nil},
		"too many":      {repeat(good, state.MaxGet+1), state.ErrTooLarge},
		"longest":       {[]state.Key{{Space: long, ID: long}}, nil},
		"long space":    {[]state.Key{{Space: long + "k", ID: "i"}}, state.ErrTooLarge},
		"long id":       {[]state.Key{good, {Space: "s", ID: long + "k"}}, state.ErrTooLarge},
		"no space":      {[]state.Key{{ID: "i"}}, state.ErrInvalid},
		"no id":         {[]state.Key{{Space: "s"}}, state.ErrInvalid},
		"not UTF-8":     {[]state.Key{{Space: "s", ID: "\xff"}}, state.ErrInvalid},
		"NUL and emoji": {[]state.Key{{Space: "\x00", ID: "\x00😀"}}, nil},
	} {
		if err := state.CheckGet(c.keys); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func repeat(k state.Key, n int) []state.Key {
	keys := make([]state.Key, n)
	for i := range keys {
		keys[i] = k
	}
	return keys
}

func TestCheckCommit(t *testing.T) {
	k := state.Key{Space: "s", ID: "i"}
	other := state.Key{Space: "s", ID: "j"}
	for name, c := range map[string]struct {
		ops  []state.Op
		want error
	}{
		"none":              {nil, nil},
		"all kinds":         {[]state.Op{state.Put(k, nil), state.Add(other, 1), state.Check(state.Key{Space: "t", ID: "i"}, 0)}, nil},
		"largest value":     {[]state.Op{state.Put(k, make([]byte, state.MaxValue))}, nil},
		"too large":         {[]state.Op{state.Put(k, make([]byte, state.MaxValue+1))}, state.ErrTooLarge},
		"same key":          {[]state.Op{state.Put(k, nil), state.Put(other, nil), state.Check(k, 1)}, state.ErrInvalid},
		"bad key":           {[]state.Op{state.Put(other, nil), state.Delete(state.Key{Space: "s"})}, state.ErrInvalid},
		"update version 0":  {[]state.Op{state.Update(k, nil, 0)}, state.ErrInvalid},
		"delete version 0":  {[]state.Op{state.DeleteIf(k, 0)}, state.ErrInvalid},
		"no kind":           {[]state.Op{{Item: state.Item{Key: k}}}, state.ErrInvalid},
		"unknown kind":      {[]state.Op{{Kind: state.OpAdd + 1, Item: state.Item{Key: k}}}, state.ErrInvalid},
		"negative kind":     {[]state.Op{{Kind: -1, Item: state.Item{Key: k}}}, state.ErrInvalid},
		"most operations":   {manyOps(state.MaxOps, 0), nil},
		"too many":          {manyOps(state.MaxOps+1, 0), state.ErrTooLarge},
		"most bytes":        {manyOps(32, state.MaxCommit/32-2), nil},
		"one byte too many": {append(manyOps(32, state.MaxCommit/32-2), state.Delete(k))[:33], state.ErrTooLarge},
	} {
		if err := state.CheckCommit(c.ops); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// manyOps returns n writes of that many bytes each, with keys of two bytes.
func manyOps(n, size int) []state.Op {
	ops := make([]state.Op, n)
	for i := range ops {
		ops[i] = state.Put(state.Key{Space: "m", ID: string(rune('0' + i))}, make([]byte, size))
	}
	return ops
}

func TestCheckRange(t *testing.T) {
	bound := strings.Repeat("k", state.MaxKey) + "\x00"
	for name, c := range map[string]struct {
		space, from, to string
		limit           int
		want            error
	}{
		"whole space":     {"s", "", "", 1, nil},
		"longest bounds":  {"s", bound, bound, 1, nil},
		"large limit":     {"s", "", "", math.MaxInt, nil},
		"no limit":        {"s", "", "", 0, state.ErrInvalid},
		"no space":        {"", "", "", 1, state.ErrInvalid},
		"long from":       {"s", bound + "k", "", 1, state.ErrTooLarge},
		"long to":         {"s", "", bound + "k", 1, state.ErrTooLarge},
		"from not UTF-8":  {"s", "\xff", "", 1, state.ErrInvalid},
		"to not UTF-8":    {"s", "", "a\xff", 1, state.ErrInvalid},
		"space not UTF-8": {"\xff", "", "", 1, state.ErrInvalid},
	} {
		if err := state.CheckRange(c.space, c.from, c.to, c.limit); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestSeconds(t *testing.T) {
	for _, c := range []struct {
		moment time.Time
		want   int64
	}{
		{time.Time{}, 0},
		{time.Unix(100, 0), 100},
		{time.Unix(100, 1), 101},
		{time.Unix(100, 999_999_999), 101},
		{time.Unix(0, 0), 1},
		{time.Unix(-5, 5), 1},
		{time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), 253402300799},
	} {
		if got := state.Seconds(c.moment); got != c.want {
			t.Errorf("Seconds(%v) = %d, want %d", c.moment, got, c.want)
		}
	}
}
