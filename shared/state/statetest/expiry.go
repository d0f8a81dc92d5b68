package statetest

import (
	"fmt"
	"slices"
	"time"

	"oipnode/shared/state"
)

var expiryCases = []testCase{
	{name: "InvisibleToEveryReader", run: func(e *env) {
		end := e.soon()
		e.commit(state.Put(key("a"), []byte("1")).Until(end), state.Add(key("n"), 1).Until(end), state.Put(key("z"), nil))
		e.passed(end)
		e.absent(key("a"))
		e.absent(key("n"))
		if got := ids(e.page("space", "", "", 10)); !slices.Equal(got, []string{"z"}) {
			e.Errorf("Range returned %q, want z", got)
		}
	}},

	{name: "AtTheVerySecond", needs: stillClock, run: func(e *env) {
		// Ends of all fractions of a second; the clock stands a little before, and
		// then exactly at the second they are rounded up to.
		second := e.h.Now().Truncate(time.Second).Add(e.h.MinTTL + 2*time.Second)
		for i, before := range []time.Duration{0, 1, time.Millisecond, time.Second - 1} {
			e.commit(state.Put(key(fmt.Sprint(i)), nil).Until(second.Add(-before)))
		}
		e.h.Advance(second.Sub(e.h.Now()) - 1)
		for i := range 4 {
			e.want(key(fmt.Sprint(i)), "", 1)
		}
		e.h.Advance(1)
		for i := range 4 {
			e.absent(key(fmt.Sprint(i)))
		}
	}},

	{name: "ExpiresIsReadBack", run: func(e *env) {
		end := e.h.Now().Truncate(time.Second).Add(time.Hour)
		e.commit(state.Put(key("whole"), nil).Until(end), state.Put(key("part"), nil).Until(end.Add(1)),
			state.Add(key("counter"), 1).Until(end), state.Put(key("never"), nil))
		for id, want := range map[string]time.Time{
			"whole": end, "part": end.Add(time.Second), "counter": end, "never": {},
		} {
			if got := e.get(key(id))[0].Expires; !got.Equal(want) {
				e.Errorf("%s expires %v, want %v", id, got, want)
			}
		}
	}},

	{name: "EveryWriteSetsIt", needs: stillClock, run: func(e *env) {
		soon, later := e.soon(), e.h.Now().Add(time.Hour)
		e.commit(state.Put(key("cleared"), nil).Until(soon), state.Put(key("moved"), nil).Until(soon),
			state.Put(key("updated"), nil).Until(soon), state.Add(key("counted"), 1).Until(soon),
			state.Put(key("shortened"), nil).Until(later))
		e.commit(state.Put(key("cleared"), nil), state.Put(key("moved"), nil).Until(later),
			state.Update(key("updated"), nil, 1), state.Add(key("counted"), 1),
			state.Put(key("shortened"), nil).Until(soon))
		e.passed(soon)
		e.want(key("cleared"), "", 2)
		e.want(key("moved"), "", 2)
		e.want(key("updated"), "", 2)
		e.want(key("counted"), "2", 2)
		e.absent(key("shortened"))
		e.passed(later)
		e.absent(key("moved"))
		e.want(key("cleared"), "", 2)
	}},

	{name: "AbsentToEveryCondition", run: func(e *env) {
		end := e.soon()
		names := []string{"create", "put", "check", "update", "deleteif", "checkversion", "delete"}
		for _, id := range names {
			e.commit(state.Put(key(id), []byte("old")).Until(end))
		}
		e.commit(state.Add(key("add"), 41).Until(end), state.Put(key("plain"), []byte("x")).Until(end))
		e.passed(end)
		e.refuse(state.ErrConflict, state.Update(key("update"), nil, 1))
		e.refuse(state.ErrConflict, state.DeleteIf(key("deleteif"), 1))
		e.refuse(state.ErrConflict, state.Check(key("checkversion"), 1))
		e.commit(state.Check(key("check"), 0), state.Delete(key("delete")))
		e.commit(state.Create(key("create"), []byte("new")), state.Put(key("put"), []byte("new")),
			state.Add(key("add"), 1), state.Add(key("plain"), 1))
		e.want(key("create"), "new", 1)
		e.want(key("put"), "new", 1)
		e.want(key("add"), "1", 1)
		e.want(key("plain"), "1", 1)
	}},

	{name: "LimitCountsOnlyTheLiving", run: func(e *env) {
		end := e.soon()
		var living []string
		for i := range 40 {
			op := state.Put(key(fmt.Sprintf("%02d", i)), nil)
			if i < 20 || i%2 == 1 {
				op = op.Until(end)
			} else {
				living = append(living, op.Item.ID)
			}
			e.commit(op)
		}
		e.passed(end)
		for _, limit := range []int{1, 3, 9, 10, 11} {
			got := ids(e.page("space", "", "", limit))
			if !slices.Equal(got, living[:min(limit, len(living))]) {
				e.Errorf("limit %d returned %q", limit, got)
			}
		}
	}},

	{name: "AlreadyPast", run: func(e *env) {
		for i, end := range []time.Time{
			e.h.Now().Add(-time.Second), time.Unix(1, 0), time.Unix(0, 0), time.Unix(-1000, 0),
		} {
			k := key(fmt.Sprint(i))
			e.commit(state.Create(k, nil).Until(end))
			e.absent(k)
			e.commit(state.Create(k, []byte("again")))
			e.want(k, "again", 1)
			e.commit(state.Put(k, nil).Until(end)) // as good as a delete
			e.absent(k)
		}
	}},

	{name: "FarFuture", run: func(e *env) {
		end := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
		e.commit(state.Put(key("a"), nil).Until(end))
		if got := e.get(key("a")); len(got) != 1 || !got[0].Expires.Equal(end) {
			e.Errorf("got %+v", got)
		}
	}},
}
