package statetest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"oipnode/shared/state"
)

// modelSeeds are fixed, so that a failure comes again.
var modelSeeds = []uint64{1, 2, 3}

// modelSteps is how many Commits one run makes: enough for every pair of
// operations to follow each other on one key many times.
const modelSteps = 120

var modelCases = []testCase{{name: "RandomCommits", needs: stillClock, run: func(e *env) {
	for _, seed := range modelSeeds {
		e.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := &model{rng: rand.New(rand.NewPCG(seed, 0)), now: e.h.Now, items: map[state.Key]modelItem{}}
			sub := &env{T: t, h: e.h, s: e.h.Open(t), ctx: t.Context()}
			for range modelSteps {
				if m.rng.IntN(3) == 0 {
					e.h.Advance(time.Duration(m.rng.IntN(2000)) * time.Millisecond)
				}
				ops := m.randomOps()
				want := m.commit(ops)
				err := sub.s.Commit(sub.ctx, ops...)
				if !slices.ContainsFunc(want, func(w error) bool { return errors.Is(err, w) }) {
					sub.Fatalf("Commit of %+v returned %v, want one of %v", ops, err, want)
				}
				m.compare(sub)
			}
		})
	}
}}}

// model is the contract in its simplest form: a map, with expired items removed
// before anything else happens.
type model struct {
	rng   *rand.Rand
	now   func() time.Time
	items map[state.Key]modelItem
}

type modelItem struct {
	state.Item
	counter bool
}

// modelSpaces and modelIDs make few keys, so that operations meet.
var (
	modelSpaces = []string{"s", "s\x00", "t"}
	modelIDs    = []string{"a", "a\x00", "b"}
)

// randomOps returns 1 to 4 operations on different keys, most of them with a
// condition that holds.
func (m *model) randomOps() []state.Op {
	m.expire()
	var keys []state.Key
	for _, space := range modelSpaces {
		for _, id := range modelIDs {
			keys = append(keys, state.Key{Space: space, ID: id})
		}
	}
	m.rng.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	var ops []state.Op
	for _, k := range keys[:1+m.rng.IntN(4)] {
		op := state.Op{
			Kind:  state.OpPut + state.OpKind(m.rng.IntN(int(state.OpAdd))),
			Item:  state.Item{Key: k, Value: fmt.Append(nil, m.rng.IntN(100)), Version: m.items[k].Version},
			Delta: m.rng.Int64N(20) - 10,
		}
		if m.rng.IntN(10) == 0 || op.Item.Version == 0 && op.Kind != state.OpCheck {
			op.Item.Version++
		}
		if m.rng.IntN(2) == 0 {
			op.Item.Expires = m.now().Add(time.Duration(m.rng.IntN(6000)-1000) * time.Millisecond)
		}
		ops = append(ops, op)
	}
	return ops
}

func (m *model) expire() {
	maps.DeleteFunc(m.items, func(_ state.Key, item modelItem) bool {
		return !item.Expires.IsZero() && !m.now().Before(item.Expires)
	})
}

// commit does the operations in the model, and returns the errors of which a
// store may return any: a nil for success, or one for each operation that fails.
func (m *model) commit(ops []state.Op) []error {
	m.expire()
	next := maps.Clone(m.items)
	var failed []error
	for _, op := range ops {
		old, exists := m.items[op.Item.Key]
		switch op.Kind {
		case state.OpCreate:
			if exists {
				failed = append(failed, state.ErrConflict)
			}
		case state.OpUpdate, state.OpDeleteIf, state.OpCheck:
			if old.Version != op.Item.Version {
				failed = append(failed, state.ErrConflict)
			}
		case state.OpAdd:
			if exists && !old.counter {
				failed = append(failed, state.ErrInvalid)
			}
		}
		switch op.Kind {
		case state.OpCheck:
		case state.OpDelete, state.OpDeleteIf:
			delete(next, op.Item.Key)
		default:
			next[op.Item.Key] = written(op, old)
		}
	}
	if failed != nil {
		return failed
	}
	m.items = next
	return []error{nil}
}

// written is what a key holds after a write; old is zero when it was absent.
func written(op state.Op, old modelItem) modelItem {
	item := modelItem{Item: op.Item}
	item.Version = old.Version + 1
	if !op.Item.Expires.IsZero() {
		item.Expires = time.Unix(state.Seconds(op.Item.Expires), 0)
	}
	if op.Kind == state.OpAdd {
		n, _ := strconv.ParseInt(string(old.Value), 10, 64) // 0 when absent
		item.counter, item.Value = true, strconv.AppendInt(nil, n+op.Delta, 10)
	}
	return item
}

// compare reads everything in both ways and compares it with the model.
func (m *model) compare(e *env) {
	m.expire()
	var all []state.Key
	for _, space := range modelSpaces {
		var want []state.Item
		for _, id := range modelIDs {
			k := state.Key{Space: space, ID: id}
			all = append(all, k)
			if item, ok := m.items[k]; ok {
				want = append(want, item.Item)
			}
		}
		sameItems(e, e.page(space, "", "", 100), want)
	}
	got := e.get(all...)
	for _, item := range got {
		sameItems(e, []state.Item{item}, []state.Item{m.items[item.Key].Item})
	}
	if len(got) != len(m.items) {
		e.Errorf("Get found %d items, want %d: %v", len(got), len(m.items), slices.Collect(maps.Keys(m.items)))
	}
}
