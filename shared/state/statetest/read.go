package statetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"oipnode/shared/state"
)

var readCases = []testCase{
	{name: "MissingKeys", run: func(e *env) {
		e.absent(key("nothing"))
		if items := e.get(); len(items) != 0 {
			e.Errorf("Get of no keys returned %v", ids(items))
		}
		if items := e.page("space", "", "", 10); len(items) != 0 {
			e.Errorf("Range of an empty space returned %v", ids(items))
		}
	}},

	{name: "GetInOrderAskedDuplicatesOnce", run: func(e *env) {
		e.commit(state.Put(key("a"), []byte("1")), state.Put(key("b"), []byte("2")), state.Put(key("c"), []byte("3")))
		items := e.get(key("c"), key("nothing"), key("a"), key("c"), key("b"), key("a"))
		if got := ids(items); !slices.Equal(got, []string{"c", "a", "b"}) {
			e.Errorf("Get returned %v, want c a b", got)
		}
	}},

	{name: "SameIDInOtherSpace", run: func(e *env) {
		other := state.Key{Space: "other", ID: "a"}
		e.commit(state.Put(key("a"), []byte("1")), state.Put(other, []byte("2")))
		e.want(key("a"), "1", 1)
		e.want(other, "2", 1)
		e.commit(state.Delete(other))
		e.want(key("a"), "1", 1)
	}},

	{name: "NilAndEmptyValueAreTheSame", run: func(e *env) {
		e.commit(state.Put(key("nil"), nil), state.Put(key("empty"), []byte{}))
		e.want(key("nil"), "", 1)
		e.want(key("empty"), "", 1)
	}},

	{name: "EveryByteInAValue", run: func(e *env) {
		value := make([]byte, 256)
		for i := range value {
			value[i] = byte(i)
		}
		e.commit(state.Put(key("bytes"), value))
		e.want(key("bytes"), string(value), 1)
	}},

	{name: "ReturnedValueIsACopy", run: func(e *env) {
		e.commit(state.Put(key("a"), []byte("value")))
		copy(e.get(key("a"))[0].Value, "XXXXX")
		e.want(key("a"), "value", 1)
		copy(e.page("space", "", "", 1)[0].Value, "XXXXX")
		e.want(key("a"), "value", 1)
	}},

	{name: "WrittenValueIsACopy", run: func(e *env) {
		value := []byte("value")
		e.commit(state.Put(key("a"), value))
		copy(value, "XXXXX")
		e.want(key("a"), "value", 1)
	}},

	{name: "CounterReadsDecimalText", run: func(e *env) {
		e.commit(state.Add(key("n"), -42))
		e.want(key("n"), "-42", 1)
		if n, err := state.Counter(e.ctx, e.s, key("n")); n != -42 || err != nil {
			e.Errorf("Counter = %d, %v", n, err)
		}
		if n, err := state.Counter(e.ctx, e.s, key("nothing")); n != 0 || err != nil {
			e.Errorf("Counter of an absent key = %d, %v", n, err)
		}
	}},

	{name: "EndedContext", run: func(e *env) {
		cancelled, cancel := context.WithCancel(e.ctx)
		cancel()
		late, cancel := context.WithDeadline(e.ctx, time.Unix(1, 0))
		defer cancel()
		for _, c := range []struct {
			ctx  context.Context
			want error
		}{{cancelled, context.Canceled}, {late, context.DeadlineExceeded}} {
			_, getErr := e.s.Get(c.ctx, key("a"))
			_, rangeErr := e.s.Range(c.ctx, "space", "", "", 1)
			commitErr := e.s.Commit(c.ctx, state.Put(key("a"), nil))
			for _, err := range []error{getErr, rangeErr, commitErr} {
				if !errors.Is(err, c.want) {
					e.Errorf("got %v, want %v", err, c.want)
				}
			}
		}
		e.absent(key("a"))
	}},
}

var lifetimeCases = []testCase{
	{name: "ClosedStoreRefuses", run: func(e *env) {
		e.commit(state.Put(key("a"), nil))
		for range 2 {
			if err := e.s.Close(); err != nil {
				e.Fatalf("Close: %v", err)
			}
			_, getErr := e.s.Get(e.ctx, key("a"))
			_, rangeErr := e.s.Range(e.ctx, "space", "", "", 1)
			commitErr := e.s.Commit(e.ctx, state.Put(key("a"), nil))
			for _, err := range []error{getErr, rangeErr, commitErr} {
				if !errors.Is(err, state.ErrClosed) {
					e.Errorf("got %v, want ErrClosed", err)
				}
			}
		}
	}},

	{name: "CloseWhileInUse", run: func(e *env) {
		results := make(chan error, 8)
		started := make(chan struct{}, cap(results))
		for i := range cap(results) {
			go func() { results <- useUntilClosed(e, i, started) }()
		}
		for range cap(results) {
			<-started
		}
		if err := e.s.Close(); err != nil {
			e.Errorf("Close: %v", err)
		}
		for range cap(results) {
			if err := <-results; !errors.Is(err, state.ErrClosed) {
				e.Errorf("a call under way returned %v, want success or ErrClosed", err)
			}
		}
	}},

	{name: "ReopenKeepsEverything", needs: reopens, run: func(e *env) {
		end := e.h.Now().Add(time.Hour)
		e.commit(state.Put(key("a"), []byte("1")), state.Add(key("n"), 7), state.Put(key("gone"), nil),
			state.Put(key("ttl"), nil).Until(end))
		e.commit(state.Put(key("a"), []byte("2")), state.Delete(key("gone")))
		before := e.page("space", "", "", 10)
		e.s = e.h.Reopen(e.T, e.s)
		e.want(key("a"), "2", 2)
		e.want(key("n"), "7", 1)
		e.absent(key("gone"))
		sameItems(e, e.page("space", "", "", 10), before)
		e.commit(state.Add(key("n"), 1), state.Update(key("a"), []byte("3"), 2))
		e.want(key("n"), "8", 2)
	}},

	{name: "ReopenKeepsExpiry", needs: reopens, run: func(e *env) {
		end := e.soon()
		e.commit(state.Put(key("a"), nil).Until(end))
		e.s = e.h.Reopen(e.T, e.s)
		e.passed(end)
		e.absent(key("a"))
		e.commit(state.Create(key("a"), nil))
		e.want(key("a"), "", 1)
	}},
}

// useUntilClosed uses the store until a call fails, and returns that error.
func useUntilClosed(e *env, worker int, started chan<- struct{}) error {
	for n := 0; ; n++ {
		var err error
		switch (worker + n) % 3 {
		case 0:
			err = e.s.Commit(e.ctx, state.Add(key("n"), 1))
		case 1:
			_, err = e.s.Get(e.ctx, key("n"))
		default:
			_, err = e.s.Range(e.ctx, "space", "", "", 10)
		}
		if n == 0 {
			started <- struct{}{}
		}
		if err != nil {
			return err
		}
	}
}

// sameItems compares items in full.
func sameItems(t testing.TB, got, want []state.Item) {
	t.Helper()
	same := func(a, b state.Item) bool {
		return a.Key == b.Key && string(a.Value) == string(b.Value) &&
			a.Version == b.Version && a.Expires.Equal(b.Expires)
	}
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}
