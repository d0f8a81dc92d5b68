// Package mediatest is the contract of media.Store as tests. Every implementation
// runs it:
//
//	mediatest.Run(t, mediatest.Harness{Open: ...})
//
// Nothing in it knows an implementation; what one cannot do is a field of its
// Harness, and the cases that need it are left out by that field alone.
package mediatest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"oipnode/shared/media"
)

// Harness is what the suite needs to know about an implementation.
type Harness struct {
	// Open returns an empty store and registers its clean-up with t.
	Open func(t *testing.T) media.Store
	// Another returns a second store over the same data, as another process has it.
	Another func(t *testing.T, s media.Store) media.Store
	// NoURL says that the store's objects have no URLs.
	NoURL bool
}

// Large is a size that every implementation must treat as a stream: it is stored in
// several parts where there are parts.
const Large = 11<<20 + 4321

// Run runs the whole suite, each case on a store of its own.
func Run(t *testing.T, h Harness) {
	groups := []struct {
		name  string
		cases []testCase
	}{
		{"Put", putCases},
		{"Fail", failCases},
		{"Read", readCases},
		{"List", listCases},
		{"URL", urlCases},
		{"Concurrent", concurrentCases},
		{"Memory", memoryCases},
		{"Model", modelCases},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, c := range g.cases {
				if c.needs != nil && !c.needs(h) {
					continue
				}
				t.Run(c.name, func(t *testing.T) {
					c.run(&env{T: t, h: h, s: h.Open(t), ctx: t.Context()})
				})
			}
		})
	}
}

// testCase is one test of the contract.
type testCase struct {
	name string
	run  func(e *env)
	// needs says whether the implementation can run it; nil means that all can.
	needs func(Harness) bool
}

// env is a test with its store, and says in one line what the cases say often.
type env struct {
	*testing.T
	h   Harness
	s   media.Store
	ctx context.Context
}

// Bytes are n bytes that follow from the seed.
func Bytes(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b) // it never fails
	return b
}

// put stores content under a name, which must succeed.
func (e *env) put(name string, content []byte) media.Stored {
	e.Helper()
	stored, err := e.s.Put(e.ctx, media.Upload{Name: name, Body: bytes.NewReader(content)})
	if err != nil {
		e.Fatalf("Put %s: %v", name, err)
	}
	if want := (media.Stored{Name: name, Size: int64(len(content)), SHA256: sha256.Sum256(content)}); stored != want {
		e.Errorf("Put %s returned %+v, want %+v", name, stored, want)
	}
	return stored
}

// putContent stores content under its own name, which must succeed.
func (e *env) putContent(kind string, content []byte) string {
	e.Helper()
	stored, err := e.s.Put(e.ctx, media.Upload{Name: kind, ByContent: true, Body: bytes.NewReader(content)})
	if err != nil {
		e.Fatalf("Put by content: %v", err)
	}
	sum := sha256.Sum256(content)
	if want := (media.Stored{Name: media.ContentName(kind, sum), Size: int64(len(content)), SHA256: sum}); stored != want {
		e.Fatalf("Put by content returned %+v, want %+v", stored, want)
	}
	return stored.Name
}

// refuse puts an upload, which must fail with that error.
func (e *env) refuse(want error, u media.Upload) {
	e.Helper()
	if stored, err := e.s.Put(e.ctx, u); !errors.Is(err, want) || stored != (media.Stored{}) {
		e.Errorf("Put %s returned %+v, %v, want %v", u.Name, stored, err, want)
	}
}

// stat returns an object that must be there.
func (e *env) stat(name string) media.Object {
	e.Helper()
	o, err := e.s.Stat(e.ctx, name)
	if err != nil {
		e.Fatalf("Stat %s: %v", name, err)
	}
	return o
}

// open opens a range, which must succeed.
func (e *env) open(name string, r media.Range) *media.Reader {
	e.Helper()
	reader, err := e.s.Open(e.ctx, name, r)
	if err != nil {
		e.Fatalf("Open %s %+v: %v", name, r, err)
	}
	return reader
}

// read reads a range, which must succeed.
func (e *env) read(name string, r media.Range) []byte {
	e.Helper()
	reader := e.open(name, r)
	content, err := io.ReadAll(reader)
	if err := errors.Join(err, reader.Close()); err != nil {
		e.Fatalf("read %s %+v: %v", name, r, err)
	}
	if int64(len(content)) != reader.Length {
		e.Errorf("%s %+v has %d bytes, and %d were promised", name, r, len(content), reader.Length)
	}
	return content
}

// want checks what an object holds, in every way to look at it.
func (e *env) want(name string, content []byte) {
	e.Helper()
	o := e.stat(name)
	if o.Name != name || o.Size != int64(len(content)) || o.Modified.IsZero() || o.Version == "" {
		e.Errorf("Stat returned %+v for %s of %d bytes", o, name, len(content))
	}
	if got := e.read(name, media.Range{}); !bytes.Equal(got, content) {
		e.Errorf("%s holds %d bytes %.16x, want %d bytes %.16x", name, len(got), got, len(content), content)
	}
}

// absent checks that nobody sees an object, in any way.
func (e *env) absent(name string) {
	e.Helper()
	if o, err := e.s.Stat(e.ctx, name); !errors.Is(err, media.ErrNotFound) {
		e.Errorf("Stat %s returned %+v, %v, want %v", name, o, err, media.ErrNotFound)
	}
	if _, err := e.s.Open(e.ctx, name, media.Range{}); !errors.Is(err, media.ErrNotFound) {
		e.Errorf("Open %s returned %v, want %v", name, err, media.ErrNotFound)
	}
}

// list returns the names of a page, which must succeed.
func (e *env) list(kind, after string, limit int) []string {
	e.Helper()
	page, err := e.s.List(e.ctx, kind, after, limit)
	if err != nil {
		e.Fatalf("List %s after %q: %v", kind, after, err)
	}
	names := []string{}
	for _, o := range page {
		names = append(names, o.Name)
	}
	return names
}
