package dynamo_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"oipnode/shared/state"
	"oipnode/shared/state/dynamo"
)

// large is a value of which four make more than a page, and fourteen more than a
// transaction.
var large = make([]byte, state.MaxValue)

// fillLarge writes that many large items and returns their keys.
func fillLarge(t *testing.T, s state.Store, n int) []state.Key {
	t.Helper()
	var keys []state.Key
	for i, op := range puts(0, n, large) {
		op.Item.Value = append(slices.Clone(large[:state.MaxValue-1]), byte(i))
		commit(t, s, op)
		keys = append(keys, op.Item.Key)
	}
	return keys
}

// TestLargeGet: what no transaction can hold is read in parts, in order.
func TestLargeGet(t *testing.T) {
	p, s := newProxy(t, dynamo.Options{})
	keys := fillLarge(t, s, 30)
	slices.Reverse(keys)
	p.set(nil)
	items, err := s.Get(t.Context(), append(keys, key("nothing"))...)
	if err != nil || len(items) != len(keys) {
		t.Fatalf("Get returned %d items, %v", len(items), err)
	}
	for i, item := range items {
		if item.Key != keys[i] || int(item.Value[state.MaxValue-1]) != len(keys)-1-i {
			t.Errorf("item %d is %q with %d", i, item.Key, item.Value[state.MaxValue-1])
		}
	}
	if n := len(p.operations()); n < 3 || n > 7 {
		t.Errorf("%d requests for 9 MB: %q", n, p.operations())
	}
}

// TestLargeRange: a page of DynamoDB ends at 1 MB, one of ours does not.
func TestLargeRange(t *testing.T) {
	p, s := newProxy(t, dynamo.Options{})
	keys := fillLarge(t, s, 11)
	for _, limit := range []int{1, 4, 10, 11, 12} {
		p.set(nil)
		items, err := s.Range(t.Context(), "space", "", "", limit)
		if err != nil || len(items) != min(limit, len(keys)) {
			t.Errorf("limit %d: %d items, %v", limit, len(items), err)
		}
		for i, item := range items {
			if item.Key != keys[i] || int(item.Value[state.MaxValue-1]) != i {
				t.Errorf("limit %d: item %d is %q", limit, i, item.Key)
			}
		}
		if n := len(p.operations()); n > limit/3+1 {
			t.Errorf("limit %d: %d requests", limit, n)
		}
	}
}

// TestRangeBehindExpired: thousands of items that the clean-up has not taken yet
// cost few requests, however small the limit.
func TestRangeBehindExpired(t *testing.T) {
	c := newClock()
	p, s := newProxy(t, dynamo.Options{Now: c.Now})
	const dead = 2000
	for from := 0; from < dead; from += state.MaxOps {
		ops := puts(from, state.MaxOps, nil)
		for i := range ops {
			ops[i] = ops[i].Until(c.Now().Add(time.Second))
		}
		commit(t, s, ops...)
	}
	commit(t, s, state.Put(key("living"), nil), state.Put(key("living too"), nil))
	c.Advance(time.Minute)
	for limit := 1; limit <= 3; limit++ {
		p.set(nil)
		items, err := s.Range(t.Context(), "space", "", "", limit)
		if err != nil || len(items) != min(limit, 2) || items[0].ID != "living" {
			t.Errorf("limit %d: %v, %v", limit, items, err)
		}
		if n := len(p.operations()); n > 12 {
			t.Errorf("limit %d: %d requests for %d expired items", limit, n, dead)
		}
	}
	p.set(nil)
	items, err := s.Range(t.Context(), "space", "", fmt.Sprintf("%08d", dead), 10)
	if err != nil || len(items) != 0 {
		t.Errorf("Range of expired items: %v, %v", items, err)
	}
}

// TestRequests is the price of each call, in requests.
func TestRequests(t *testing.T) {
	p, s := newProxy(t, dynamo.Options{})
	for from := 0; from < 300; from += state.MaxOps {
		commit(t, s, puts(from, state.MaxOps, []byte("x"))...)
	}
	var keys []state.Key
	for _, op := range puts(0, state.MaxGet, nil) {
		keys = append(keys, op.Item.Key)
	}
	for _, c := range []struct {
		what string
		call func() error
		want []string
	}{
		{"no keys", func() error { _, err := s.Get(t.Context()); return err }, nil},
		{"one key, asked twice", func() error { _, err := s.Get(t.Context(), keys[0], keys[0]); return err }, []string{"GetItem"}},
		{"all keys", func() error { _, err := s.Get(t.Context(), keys...); return err }, []string{"TransactGetItems"}},
		{"a page", func() error { _, err := s.Range(t.Context(), "space", "", "", 300); return err }, []string{"Query"}},
		{"an empty range", func() error { _, err := s.Range(t.Context(), "space", "b", "a", 300); return err }, nil},
		{"a bounded page", func() error { _, err := s.Range(t.Context(), "space", "00000000", "00000010", 10); return err }, []string{"Query"}},
		{"no operations", func() error { return s.Commit(t.Context()) }, nil},
		{"a put", func() error { return s.Commit(t.Context(), state.Put(keys[0], nil)) }, []string{"UpdateItem"}},
		{"a create", func() error { return s.Commit(t.Context(), state.Create(key("new"), nil)) }, []string{"PutItem"}},
		{"an update", func() error { return s.Commit(t.Context(), state.Update(key("new"), nil, 1)) }, []string{"PutItem"}},
		{"a check", func() error { return s.Commit(t.Context(), state.Check(key("new"), 2)) }, []string{"GetItem"}},
		{"a conditional delete", func() error { return s.Commit(t.Context(), state.DeleteIf(key("new"), 2)) }, []string{"DeleteItem"}},
		{"a delete", func() error { return s.Commit(t.Context(), state.Delete(key("new"))) }, []string{"DeleteItem"}},
		{"an addition", func() error { return s.Commit(t.Context(), state.Add(key("n"), 1)) }, []string{"UpdateItem"}},
		{"fifty", func() error { return s.Commit(t.Context(), puts(0, state.MaxOps, nil)...) }, []string{"TransactWriteItems"}},
	} {
		p.set(nil)
		if err := c.call(); err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
		if got := p.operations(); !slices.Equal(got, c.want) {
			t.Errorf("%s: requests %q, want %q", c.what, got, c.want)
		}
	}
}
