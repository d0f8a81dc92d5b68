package mediatest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"oipnode/shared/media"
)

var concurrentCases = []testCase{
	{"One creates", testOneCreates, nil},
	{"Same content", testSameContent, nil},
	{"Readers see whole objects", testWhole, nil},
}

// testOneCreates: of several that create a name at once, one does.
func testOneCreates(e *env) {
	stores := []media.Store{e.s, e.h.Another(e.T, e.s)}
	for i, size := range []int{2000, Large} {
		named := fmt.Sprintf("race/for-%d", i)
		var won atomic.Int32
		var winner atomic.Pointer[[]byte]
		var g errgroup.Group
		for racer := range 4 {
			g.Go(func() error {
				content := Bytes(byte(racer), size)
				_, err := stores[racer%2].Put(e.ctx, media.Upload{Name: named, IfAbsent: true, Body: bytes.NewReader(content)})
				if err == nil {
					won.Add(1)
					winner.Store(&content)
				} else if !errors.Is(err, media.ErrExists) {
					return err
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil || won.Load() != 1 {
			e.Fatalf("%d created %s, %v", won.Load(), named, err)
		}
		e.want(named, *winner.Load())
	}
}

func testSameContent(e *env) {
	stores := []media.Store{e.s, e.h.Another(e.T, e.s)}
	for _, size := range []int{3000, Large} {
		content := Bytes(1, size)
		kind := fmt.Sprintf("same-%d", size)
		var g errgroup.Group
		for i := range 4 {
			g.Go(func() error {
				_, err := stores[i%2].Put(e.ctx, media.Upload{Name: kind, ByContent: true, Body: bytes.NewReader(content)})
				return err
			})
		}
		if err := g.Wait(); err != nil {
			e.Fatal(err)
		}
		if got := e.list(kind, "", 10); !slices.Equal(got, []string{media.ContentName(kind, sha256.Sum256(content))}) {
			e.Errorf("listed %q", got)
		}
	}
}

// testWhole: whoever reads while others write reads one of the contents.
func testWhole(e *env) {
	const rounds = 5
	contents := [][]byte{Bytes(1, 200_000), Bytes(2, 6<<20), Bytes(3, 10)}
	e.put(name, contents[0])
	var g errgroup.Group
	done := make(chan struct{})
	g.Go(func() error {
		defer close(done)
		for i := range rounds * len(contents) {
			_, err := e.s.Put(e.ctx, media.Upload{Name: name, Body: bytes.NewReader(contents[i%len(contents)])})
			if err != nil {
				return err
			}
		}
		return nil
	})
	other := e.h.Another(e.T, e.s)
	g.Go(func() error {
		for {
			select {
			case <-done:
				return nil
			default:
			}
			r, err := other.Open(e.ctx, name, media.Range{})
			if err != nil {
				return err
			}
			got, err := io.ReadAll(r)
			if err := errors.Join(err, r.Close()); err != nil && !errors.Is(err, media.ErrChanged) {
				return err
			}
			whole := func(c []byte) bool { return bytes.Equal(c, got) }
			if err == nil && !slices.ContainsFunc(contents, whole) {
				return fmt.Errorf("read %d bytes that nobody wrote", len(got))
			}
		}
	})
	if err := g.Wait(); err != nil {
		e.Error(err)
	}
}

var modelCases = []testCase{{"Random", testModel, nil}}

// testModel compares the store with a map over random operations.
func testModel(e *env) {
	rng := rand.New(rand.NewPCG(7, 11))
	model := map[string][]byte{}
	names := []string{"model/aa", "model/ab", "model/aa.x", "model/zz"}
	for step := range 150 {
		named := names[rng.IntN(len(names))]
		content := Bytes(byte(step), rng.IntN(3)*rng.IntN(2000))
		switch rng.IntN(4) {
		case 0:
			e.put(named, content)
			model[named] = content
		case 1:
			_, taken := model[named]
			_, err := e.s.Put(e.ctx, media.Upload{Name: named, IfAbsent: true, Body: bytes.NewReader(content)})
			if taken != errors.Is(err, media.ErrExists) || !taken && err != nil {
				e.Fatalf("step %d: create %s returned %v, taken is %v", step, named, err, taken)
			}
			if !taken {
				model[named] = content
			}
		case 2:
			if err := e.s.Delete(e.ctx, named); err != nil {
				e.Fatal(err)
			}
			delete(model, named)
		case 3:
			model[e.putContent("model", content)] = content
		}
		if held, ok := model[named]; ok {
			e.want(named, held)
		} else {
			e.absent(named)
		}
	}
	var want []string
	for named := range model {
		want = append(want, named)
	}
	slices.Sort(want)
	if got := e.list("model", "", media.MaxList); !slices.Equal(got, want) {
		e.Errorf("listed %d objects, want %d", len(got), len(want))
	}
	for named, content := range model {
		e.want(named, content)
	}
}
