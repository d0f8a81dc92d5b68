package gatewaysim_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"oipnode/shared/gatewaysim"
)

func ids(chain *gatewaysim.Chain) []string {
	var out []string
	for it := range chain.Visible() {
		out = append(out, it.ID)
	}
	return out
}

func TestAddRefuses(t *testing.T) {
	chain := gatewaysim.NewChain(10)
	add(t, chain, 3, record("a"))
	for _, c := range []struct {
		name   string
		height int64
		item   gatewaysim.Item
		want   error
	}{
		{"negative height", -1, record("b"), gatewaysim.ErrItem},
		{"no id", 3, gatewaysim.Item{}, gatewaysim.ErrItem},
		{"short id", 3, gatewaysim.Item{ID: "abc"}, gatewaysim.ErrItem},
		{"not base64url", 3, gatewaysim.Item{ID: "+" + gatewaysim.IDFor("b")[1:]}, gatewaysim.ErrItem},
		{"known id", 4, record("a"), gatewaysim.ErrExists},
	} {
		if err := chain.Add(c.height, c.item); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if it, ok := chain.Get(gatewaysim.IDFor("a")); !ok || it.Height != 3 {
		t.Errorf("a is at %d, %v", it.Height, ok)
	}
}

func TestAllAndVisibleAreOrdered(t *testing.T) {
	chain := gatewaysim.NewChain(10)
	late := record("late")
	late.VisibleAt = 2
	add(t, chain, 7, record("a"), record("b"), record("c"))
	add(t, chain, 2, late)
	add(t, chain, 11, record("future"))
	add(t, chain, 0, record("pending"))

	inBlock := []string{gatewaysim.IDFor("a"), gatewaysim.IDFor("b"), gatewaysim.IDFor("c")}
	slices.Sort(inBlock)
	want := append([]string{gatewaysim.IDFor("pending")}, inBlock...)
	if got := ids(chain); !slices.Equal(got, want) {
		t.Errorf("visible %v, want %v", got, want)
	}
	chain.Step()
	if got := ids(chain); len(got) != 4 {
		t.Errorf("step 1 shows the late item: %v", got)
	}
	if step := chain.Step(); step != 2 || chain.Now() != 2 {
		t.Errorf("step %d, now %d", step, chain.Now())
	}
	if got := ids(chain); len(got) != 5 || got[1] != late.ID {
		t.Errorf("step 2 lacks the late item: %v", got)
	}
	chain.SetTip(11)
	if got := ids(chain); len(got) != 6 || got[5] != gatewaysim.IDFor("future") {
		t.Errorf("tip 11 lacks its block: %v", got)
	}
	n := 0
	for range chain.All() {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("stopped after %d", n)
	}
}

func TestRemoveAndMine(t *testing.T) {
	chain := gatewaysim.NewChain(10)
	add(t, chain, 5, record("a"), record("b"))
	chain.Remove(gatewaysim.IDFor("a"))
	chain.Remove(gatewaysim.IDFor("never was"))
	if got := ids(chain); !slices.Equal(got, []string{gatewaysim.IDFor("b")}) {
		t.Errorf("left %v", got)
	}
	add(t, chain, 6, record("a"))
	if err := chain.Mine(gatewaysim.IDFor("a"), 9); err != nil {
		t.Fatal(err)
	}
	if it, _ := chain.Get(gatewaysim.IDFor("a")); it.Height != 9 {
		t.Errorf("mined at %d", it.Height)
	}
	if err := chain.Mine(gatewaysim.IDFor("none"), 9); !errors.Is(err, gatewaysim.ErrNoItem) {
		t.Errorf("unknown id: %v", err)
	}
	if err := chain.Mine(gatewaysim.IDFor("a"), -1); !errors.Is(err, gatewaysim.ErrItem) {
		t.Errorf("negative height: %v", err)
	}
}

func TestReorg(t *testing.T) {
	chain := gatewaysim.NewChain(100)
	add(t, chain, 90, record("deep"))
	add(t, chain, 99, record("again"))
	add(t, chain, 100, record("never"), record("moved"))
	add(t, chain, 101, record("future"))
	height := func(name string) int64 {
		it, ok := chain.Get(gatewaysim.IDFor(name))
		if !ok {
			t.Fatalf("%s is gone", name)
		}
		return it.Height
	}
	orphans, err := chain.Reorg(3, func(it gatewaysim.Item) gatewaysim.Fate {
		switch it.ID {
		case gatewaysim.IDFor("again"):
			return gatewaysim.Fate{Height: 102, Step: 1}
		case gatewaysim.IDFor("moved"):
			return gatewaysim.Fate{Height: 98}
		}
		return gatewaysim.Fate{}
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{gatewaysim.IDFor("again"), gatewaysim.IDFor("never"), gatewaysim.IDFor("moved")}
	slices.Sort(want)
	if !slices.Equal(orphans, want) {
		t.Errorf("orphans %v, want %v", orphans, want)
	}
	check := func(when string, want map[string]int64) {
		t.Helper()
		for name, h := range want {
			if got := height(name); got != h {
				t.Errorf("%s: %s is at %d, want %d", when, name, got, h)
			}
		}
	}
	check("at once", map[string]int64{"deep": 90, "again": 0, "never": 0, "moved": 98, "future": 101})
	chain.Step()
	check("step reached, tip not", map[string]int64{"again": 0})
	chain.SetTip(102)
	check("tip reached", map[string]int64{"again": 102, "never": 0, "future": 101})
}

func TestReorgNeedsStepAndHonoursMineAndRemove(t *testing.T) {
	chain := gatewaysim.NewChain(100)
	for _, name := range []string{"a", "b", "c"} {
		add(t, chain, 100, record(name))
	}
	if _, err := chain.Reorg(1, func(gatewaysim.Item) gatewaysim.Fate {
		return gatewaysim.Fate{Height: 99, Step: 2}
	}); err != nil {
		t.Fatal(err)
	}
	if err := chain.Mine(gatewaysim.IDFor("b"), 95); err != nil {
		t.Fatal(err)
	}
	chain.Remove(gatewaysim.IDFor("c"))
	chain.Step()
	if it, _ := chain.Get(gatewaysim.IDFor("a")); it.Height != 0 {
		t.Errorf("a is back at %d before its step", it.Height)
	}
	chain.Step()
	for name, h := range map[string]int64{"a": 99, "b": 95} {
		if it, _ := chain.Get(gatewaysim.IDFor(name)); it.Height != h {
			t.Errorf("%s is at %d, want %d", name, it.Height, h)
		}
	}
	if _, ok := chain.Get(gatewaysim.IDFor("c")); ok {
		t.Error("the removed item is back")
	}
}

func TestReorgRefuses(t *testing.T) {
	chain := gatewaysim.NewChain(100)
	add(t, chain, 100, record("a"))
	for _, depth := range []int64{-1, 0, gatewaysim.MaxReorg + 1} {
		if _, err := chain.Reorg(depth, nil); !errors.Is(err, gatewaysim.ErrDepth) {
			t.Errorf("depth %d: %v", depth, err)
		}
	}
	_, err := chain.Reorg(1, func(gatewaysim.Item) gatewaysim.Fate { return gatewaysim.Fate{Height: -1} })
	if !errors.Is(err, gatewaysim.ErrItem) {
		t.Errorf("negative fate: %v", err)
	}
	if it, _ := chain.Get(gatewaysim.IDFor("a")); it.Height != 100 {
		t.Errorf("a refused reorganisation moved a to %d", it.Height)
	}
	if orphans, err := chain.Reorg(gatewaysim.MaxReorg, nil); err != nil || len(orphans) != 1 {
		t.Errorf("deepest reorganisation: %v, %v", orphans, err)
	}
}

func TestChainIsSafeForConcurrentUse(t *testing.T) {
	chain := gatewaysim.NewChain(50)
	s := start(t, chain, gatewaysim.Options{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 200 {
			if err := chain.Add(int64(i%50+1), record(fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Go(func() {
		for range 20 {
			chain.Step()
			if _, err := chain.Reorg(2, func(it gatewaysim.Item) gatewaysim.Fate {
				return gatewaysim.Fate{Height: it.Height}
			}); err != nil {
				t.Error(err)
			}
		}
	})
	for range 20 {
		transactions(t, s, `first:100 sort:HEIGHT_ASC block:{min:1,max:50} tags:[{name:"Index-Method",values:["OIP"]}]`)
	}
	wg.Wait()
	if got := len(ids(chain)); got != 200 {
		t.Errorf("%d items, want 200", got)
	}
}
