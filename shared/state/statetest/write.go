package statetest

import (
	"fmt"
	"math"

	"oipnode/shared/state"
)

var writeCases = []testCase{
	{name: "PutWritesWhateverIsThere", run: func(e *env) {
		e.commit(state.Put(key("a"), []byte("1")))
		e.want(key("a"), "1", 1)
		e.commit(state.Put(key("a"), []byte("2")))
		e.want(key("a"), "2", 2)
	}},

	{name: "CreateOnce", run: func(e *env) {
		e.commit(state.Create(key("a"), []byte("1")))
		e.refuse(state.ErrConflict, state.Create(key("a"), []byte("2")))
		e.want(key("a"), "1", 1)
	}},

	{name: "UpdateIfVersion", run: func(e *env) {
		e.refuse(state.ErrConflict, state.Update(key("a"), []byte("0"), 1))
		e.absent(key("a"))
		e.commit(state.Put(key("a"), []byte("1")))
		e.commit(state.Update(key("a"), []byte("2"), 1))
		e.want(key("a"), "2", 2)
		for _, version := range []uint64{1, 3, math.MaxInt64} {
			e.refuse(state.ErrConflict, state.Update(key("a"), []byte("x"), version))
		}
		e.want(key("a"), "2", 2)
	}},

	{name: "DeleteIsUnconditional", run: func(e *env) {
		e.commit(state.Delete(key("a")))
		e.commit(state.Put(key("a"), []byte("1")))
		e.commit(state.Delete(key("a")))
		e.absent(key("a"))
	}},

	{name: "DeleteIfVersion", run: func(e *env) {
		e.refuse(state.ErrConflict, state.DeleteIf(key("a"), 1))
		e.commit(state.Put(key("a"), []byte("1")))
		e.refuse(state.ErrConflict, state.DeleteIf(key("a"), 2))
		e.want(key("a"), "1", 1)
		e.commit(state.DeleteIf(key("a"), 1))
		e.absent(key("a"))
	}},

	{name: "VersionStartsAgainAfterDelete", run: func(e *env) {
		e.commit(state.Put(key("a"), []byte("1")))
		e.commit(state.Put(key("a"), []byte("2")))
		e.commit(state.Delete(key("a")))
		e.refuse(state.ErrConflict, state.Update(key("a"), nil, 2))
		e.commit(state.Create(key("a"), []byte("3")))
		e.want(key("a"), "3", 1)
	}},

	{name: "CheckVersionAndAbsence", run: func(e *env) {
		e.commit(state.Check(key("guard"), 0), state.Put(key("a"), []byte("1")))
		e.refuse(state.ErrConflict, state.Check(key("guard"), 1), state.Put(key("a"), []byte("x")))
		e.commit(state.Put(key("guard"), nil))
		e.refuse(state.ErrConflict, state.Check(key("guard"), 0), state.Put(key("a"), []byte("x")))
		e.refuse(state.ErrConflict, state.Check(key("guard"), 2), state.Put(key("a"), []byte("x")))
		e.want(key("a"), "1", 1)
		e.commit(state.Check(key("guard"), 1), state.Put(key("a"), []byte("2")))
		e.want(key("a"), "2", 2)
		e.want(key("guard"), "", 1)
	}},

	{name: "ChecksAlone", run: func(e *env) {
		e.commit(state.Put(key("a"), []byte("1")))
		e.commit(state.Check(key("a"), 1), state.Check(key("b"), 0))
		e.refuse(state.ErrConflict, state.Check(key("a"), 1), state.Check(key("b"), 1))
		e.want(key("a"), "1", 1)
	}},

	{name: "AllOrNothing", run: func(e *env) {
		e.commit(state.Put(key("old"), []byte("old")), state.Put(key("taken"), nil), state.Add(key("n"), 5))
		good := []state.Op{
			state.Put(key("put"), []byte("x")), state.Create(key("create"), []byte("x")),
			state.Update(key("old"), []byte("x"), 1), state.Delete(key("taken")), state.Add(key("n"), 1),
		}
		failing := []state.Op{
			state.Create(key("old2"), nil), state.Update(key("nothing"), nil, 1),
			state.DeleteIf(key("nothing"), 1), state.Check(key("nothing"), 1),
		}
		e.commit(state.Put(key("old2"), nil))
		for _, bad := range failing {
			// Wherever the failing one stands, nothing before or after it is done.
			for at := range len(good) + 1 {
				ops := append(append(append([]state.Op{}, good[:at]...), bad), good[at:]...)
				e.refuse(state.ErrConflict, ops...)
			}
		}
		e.absent(key("put"))
		e.absent(key("create"))
		e.want(key("old"), "old", 1)
		e.want(key("taken"), "", 1)
		e.want(key("n"), "5", 1)
		e.commit(good...)
		e.want(key("old"), "x", 2)
		e.want(key("n"), "6", 2)
	}},

	{name: "EmptyCommit", run: func(e *env) { e.commit() }},

	{name: "EachKeyOnce", run: func(e *env) {
		e.refuse(state.ErrInvalid, state.Put(key("a"), nil), state.Put(key("a"), nil))
		e.refuse(state.ErrInvalid, state.Check(key("a"), 0), state.Create(key("a"), nil))
		e.refuse(state.ErrInvalid, state.Add(key("a"), 1), state.Put(key("b"), nil), state.Add(key("a"), 1))
		e.absent(key("a"))
		e.absent(key("b"))
	}},

	{name: "VersionZeroIsNoVersion", run: func(e *env) {
		e.refuse(state.ErrInvalid, state.Update(key("a"), nil, 0))
		e.refuse(state.ErrInvalid, state.DeleteIf(key("a"), 0))
		e.absent(key("a"))
	}},

	{name: "UnknownKind", run: func(e *env) {
		e.refuse(state.ErrInvalid, state.Op{Item: state.Item{Key: key("a")}})
		e.refuse(state.ErrInvalid, state.Op{Kind: 99, Item: state.Item{Key: key("a")}})
		e.absent(key("a"))
	}},
}

var counterCases = []testCase{
	{name: "AddsAndSubtracts", run: func(e *env) {
		for i, c := range []struct {
			delta int64
			want  string
		}{{5, "5"}, {-7, "-2"}, {0, "-2"}, {2, "0"}, {1, "1"}} {
			e.commit(state.Add(key("n"), c.delta))
			e.want(key("n"), c.want, uint64(i+1))
		}
	}},

	{name: "WholeRangeOfInt64", run: func(e *env) {
		e.commit(state.Add(key("max"), math.MaxInt64), state.Add(key("min"), math.MinInt64), state.Add(key("zero"), 0))
		e.want(key("max"), fmt.Sprint(math.MaxInt64), 1)
		e.want(key("min"), fmt.Sprint(math.MinInt64), 1)
		e.want(key("zero"), "0", 1)
		e.commit(state.Add(key("max"), math.MinInt64), state.Add(key("min"), math.MaxInt64))
		e.want(key("max"), "-1", 2)
		e.want(key("min"), "-1", 2)
	}},

	{name: "OverflowIsRefused", run: func(e *env) {
		e.commit(state.Add(key("max"), math.MaxInt64-1), state.Add(key("min"), math.MinInt64+1))
		e.refuse(state.ErrInvalid, state.Add(key("max"), 2), state.Put(key("a"), nil))
		e.refuse(state.ErrInvalid, state.Add(key("max"), math.MaxInt64))
		e.refuse(state.ErrInvalid, state.Add(key("min"), -2))
		e.refuse(state.ErrInvalid, state.Add(key("min"), math.MinInt64))
		e.absent(key("a"))
		e.commit(state.Add(key("max"), 1), state.Add(key("min"), -1))
		e.want(key("max"), fmt.Sprint(math.MaxInt64), 2)
		e.want(key("min"), fmt.Sprint(math.MinInt64), 2)
	}},

	{name: "NotToAnOrdinaryItem", run: func(e *env) {
		e.commit(state.Put(key("text"), []byte("text")), state.Put(key("number"), []byte("5")))
		e.refuse(state.ErrInvalid, state.Add(key("text"), 1))
		e.refuse(state.ErrInvalid, state.Add(key("number"), 1), state.Put(key("a"), nil))
		e.want(key("text"), "text", 1)
		e.want(key("number"), "5", 1)
		e.absent(key("a"))
	}},

	{name: "PutEndsACounter", run: func(e *env) {
		e.commit(state.Add(key("n"), 5))
		e.commit(state.Update(key("n"), []byte("5"), 1))
		e.want(key("n"), "5", 2)
		e.refuse(state.ErrInvalid, state.Add(key("n"), 1))
		e.commit(state.Delete(key("n")))
		e.commit(state.Add(key("n"), 1))
		e.want(key("n"), "1", 1)
	}},

	{name: "VersionsOfCounters", run: func(e *env) {
		e.commit(state.Add(key("n"), 5))
		e.commit(state.Add(key("n"), 5))
		e.refuse(state.ErrConflict, state.Check(key("n"), 1))
		e.refuse(state.ErrConflict, state.Create(key("n"), nil))
		e.commit(state.DeleteIf(key("n"), 2))
		e.absent(key("n"))
	}},
}
