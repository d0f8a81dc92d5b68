package mediatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing/iotest"

	"oipnode/shared/media"
)

const name = "manifest/one.json"

var putCases = []testCase{
	{"Sizes", testSizes, nil},
	{"Shapes of bodies", testShapes, nil},
	{"Replace", testReplace, nil},
	{"IfAbsent", testIfAbsent, nil},
	{"By content", testByContent, nil},
	{"Limit", testLimit, nil},
	{"Names", testNames, nil},
	{"Seen by another", testAnother, nil},
}

// sizes are those where implementations change what they do.
var sizes = []int{0, 1, 1000, 128<<10 - 1, 128 << 10, 128<<10 + 1, 5<<20 - 1, 5 << 20, 5<<20 + 1, 10 << 20, Large}

func testSizes(e *env) {
	for i, size := range sizes {
		content := Bytes(byte(i), size)
		named := fmt.Sprintf("size/of-%d", size)
		e.put(named, content)
		e.want(named, content)
		e.want(e.putContent("content", content), content)
	}
}

// testShapes: a body may deliver a byte at a time, nothing at all now and then, or
// its end together with its last bytes.
func testShapes(e *env) {
	content := Bytes(1, 3000)
	for shape, wrap := range map[string]func(io.Reader) io.Reader{
		"bytes": iotest.OneByteReader, "halves": iotest.HalfReader, "end": iotest.DataErrReader,
		"idle": func(r io.Reader) io.Reader { return &idleReader{r: r} },
	} {
		named := "shape/" + shape
		if _, err := e.s.Put(e.ctx, media.Upload{Name: named, Body: wrap(bytes.NewReader(content))}); err != nil {
			e.Fatalf("%s: %v", shape, err)
		}
		e.want(named, content)
	}
}

// idleReader returns nothing each second time.
type idleReader struct {
	r    io.Reader
	idle bool
}

func (r *idleReader) Read(p []byte) (int, error) {
	if r.idle = !r.idle; r.idle {
		return 0, nil
	}
	return r.r.Read(p)
}

func testReplace(e *env) {
	versions := map[string]bool{}
	for i, size := range []int{100, 100, 100, Large, Large, 0} {
		content := Bytes(byte(i), size)
		e.put(name, content)
		e.want(name, content)
		versions[e.stat(name).Version] = true
	}
	if len(versions) != 6 {
		e.Errorf("six contents have %d versions", len(versions))
	}
	if got := e.list("manifest", "", 10); len(got) != 1 {
		e.Errorf("listed %q after replacing", got)
	}
}

func testIfAbsent(e *env) {
	for i, size := range []int{100, Large} {
		named := fmt.Sprintf("manifest/absent-%d", i)
		content := Bytes(byte(i), size)
		u := media.Upload{Name: named, IfAbsent: true, Body: bytes.NewReader(content)}
		if _, err := e.s.Put(e.ctx, u); err != nil {
			e.Fatal(err)
		}
		before := e.stat(named)
		for _, other := range []int{10, Large} {
			e.refuse(media.ErrExists, media.Upload{Name: named, IfAbsent: true, Body: bytes.NewReader(Bytes(9, other))})
		}
		e.want(named, content)
		if after := e.stat(named); after != before {
			e.Errorf("a refused Put changed %+v to %+v", before, after)
		}
		if err := e.s.Delete(e.ctx, named); err != nil {
			e.Fatal(err)
		}
		u.Body = bytes.NewReader(content)
		if _, err := e.s.Put(e.ctx, u); err != nil {
			e.Errorf("the name is free again, and Put returned %v", err)
		}
	}
}

// testByContent: the same content is one object, whose version stays and whose
// Modified does not go back.
func testByContent(e *env) {
	for i, size := range []int{0, 100, Large} {
		content := Bytes(byte(i), size)
		kind := fmt.Sprintf("content-%d", i)
		named := e.putContent(kind, content)
		before := e.stat(named)
		if again := e.putContent(kind, content); again != named {
			e.Errorf("the same content is %s and %s", named, again)
		}
		after := e.stat(named)
		if after.Version != before.Version || after.Modified.Before(before.Modified) {
			e.Errorf("putting the same again made %+v of %+v", after, before)
		}
		if got := e.list(kind, "", 10); len(got) != 1 {
			e.Errorf("the same content is listed as %q", got)
		}
		if err := media.Verify(e.ctx, e.s, named); err != nil {
			e.Error(err)
		}
	}
}

func testLimit(e *env) {
	for i, limit := range []int{1, 1000, 5 << 20, Large} {
		content := Bytes(byte(i), limit)
		named := fmt.Sprintf("limit/of-%d", limit)
		u := media.Upload{Name: named, Limit: int64(limit), Body: bytes.NewReader(append(content, 0))}
		e.refuse(media.ErrTooLarge, u)
		e.absent(named)
		u.Body = bytes.NewReader(content)
		if _, err := e.s.Put(e.ctx, u); err != nil {
			e.Fatal(err)
		}
		e.want(named, content)
		// A body without an end is not read much further than the limit.
		endless := &counter{r: zeros{}}
		e.refuse(media.ErrTooLarge, media.Upload{Name: "limit", ByContent: true, Limit: int64(limit), Body: endless})
		if endless.n > int64(limit)+(5<<20) {
			e.Errorf("%d bytes were read for a limit of %d", endless.n, limit)
		}
	}
}

// zeros is a body without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// testNames: each method refuses what is no name.
func testNames(e *env) {
	hash := strings.Repeat("0f", 32)
	for _, bad := range []string{
		"", "x", "kind", "kind/", "/leaf", "kind/a", "kind//leaf", "kind/leaf/more", "../kind/leaf", "kind/../leaf", "kind/..",
		"Kind/leaf", "kind/Leaf", "k_/leaf", "1kind/leaf", "kind/.leaf", "kind/leaf.", "kind/l.eaf", "kind/le af", "kind/le\x00af",
		"kind/léaf", `kind\leaf`, "kind/c:leaf", "_temp/leaf", strings.Repeat("k", 33) + "/leaf", "kind/" + strings.Repeat("l", 129),
	} {
		for method, call := range map[string]func() error{
			"Put": func() error {
				_, err := e.s.Put(e.ctx, media.Upload{Name: bad, Body: strings.NewReader("x")})
				return err
			},
			"Stat":   func() error { _, err := e.s.Stat(e.ctx, bad); return err },
			"Open":   func() error { _, err := e.s.Open(e.ctx, bad, media.Range{}); return err },
			"URL":    func() error { _, err := e.s.URL(e.ctx, bad, media.Link{Life: media.MaxLink}); return err },
			"Delete": func() error { return e.s.Delete(e.ctx, bad) },
		} {
			if err := call(); !errors.Is(err, media.ErrInvalid) {
				e.Errorf("%s %q returned %v, want %v", method, bad, err, media.ErrInvalid)
			}
		}
	}
	body := strings.NewReader("x")
	for _, u := range []media.Upload{
		{Name: name}, {Name: name, Body: body, Limit: -1}, {Name: name, Body: body, Limit: media.MaxSize + 1},
		{Name: name, Body: body, ByContent: true}, {Name: "content", Body: body, ByContent: true, IfAbsent: true},
		{Name: "content/" + hash, Body: body},
	} {
		e.refuse(media.ErrInvalid, u)
	}
	for _, good := range []string{"k/ll", "k-1/aa.b_c-d", "kind/" + strings.Repeat("l", 128), "kind/00", "kind/con.json"} {
		e.put(good, []byte(good))
		e.want(good, []byte(good))
	}
}

func testAnother(e *env) {
	other := &env{T: e.T, h: e.h, s: e.h.Another(e.T, e.s), ctx: e.ctx}
	content := Bytes(1, Large)
	named := e.putContent("content", content)
	other.want(named, content)
	if err := other.s.Delete(e.ctx, named); err != nil {
		e.Fatal(err)
	}
	e.absent(named)
	other.put(name, []byte("from the other"))
	e.want(name, []byte("from the other"))
}

var failCases = []testCase{
	{"Body fails", testBodyFails, nil},
	{"Cancelled in the middle", testCancelled, nil},
	{"Cancelled before", testCancelledBefore, nil},
	{"Invisible until complete", testInvisible, nil},
}

var errBody = errors.New("the source broke")

// testBodyFails: an error of the source comes back, and nothing is stored.
func testBodyFails(e *env) {
	e.put(name, []byte("before"))
	for _, size := range []int{0, 1000, 5 << 20, Large} {
		broken := func() io.Reader { return io.MultiReader(bytes.NewReader(Bytes(1, size)), iotest.ErrReader(errBody)) }
		e.refuse(errBody, media.Upload{Name: name, Body: broken()})
		e.want(name, []byte("before"))
		e.refuse(errBody, media.Upload{Name: "manifest/other", IfAbsent: true, Body: broken()})
		e.absent("manifest/other")
		e.refuse(errBody, media.Upload{Name: "content", ByContent: true, Body: broken()})
		if got := e.list("content", "", 10); len(got) != 0 {
			e.Errorf("a broken body of %d bytes left %q", size, got)
		}
	}
}

func testCancelled(e *env) {
	for _, size := range []int{1000, Large} {
		for _, byContent := range []bool{false, true} {
			ctx, cancel := context.WithCancel(e.ctx)
			u := media.Upload{Name: "content", ByContent: byContent, Body: io.MultiReader(
				bytes.NewReader(Bytes(1, size)), &hook{do: cancel}, bytes.NewReader(Bytes(2, Large)))}
			if !byContent {
				u.Name = name
			}
			if _, err := e.s.Put(ctx, u); !errors.Is(err, context.Canceled) {
				e.Errorf("Put returned %v, want %v", err, context.Canceled)
			}
			cancel()
			e.absent(name)
			if got := e.list("content", "", 10); len(got) != 0 {
				e.Errorf("a cancelled Put left %q", got)
			}
		}
	}
}

// hook is a body of no bytes that does something when it is read.
type hook struct{ do func() }

func (h *hook) Read([]byte) (int, error) {
	h.do()
	return 0, io.EOF
}

func testCancelledBefore(e *env) {
	e.put(name, []byte("before"))
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	for method, call := range map[string]func() error{
		"Put": func() error {
			_, err := e.s.Put(ctx, media.Upload{Name: name, Body: strings.NewReader("x")})
			return err
		},
		"Stat":   func() error { _, err := e.s.Stat(ctx, name); return err },
		"Open":   func() error { _, err := e.s.Open(ctx, name, media.Range{}); return err },
		"URL":    func() error { _, err := e.s.URL(ctx, name, media.Link{Life: media.MaxLink}); return err },
		"List":   func() error { _, err := e.s.List(ctx, "manifest", "", 1); return err },
		"Delete": func() error { return e.s.Delete(ctx, name) },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			e.Errorf("%s returned %v, want %v", method, err, context.Canceled)
		}
	}
	e.want(name, []byte("before"))
}

// testInvisible: while a body is read, readers see what was there before.
func testInvisible(e *env) {
	e.put("manifest/old", []byte("before"))
	content := Bytes(1, Large)
	for _, c := range []struct {
		named string
		check func()
	}{
		{"manifest/new", func() { e.absent("manifest/new") }},
		{"manifest/old", func() { e.want("manifest/old", []byte("before")) }},
		{"content", func() {
			if got := e.list("content", "", 10); len(got) != 0 {
				e.Errorf("%q is seen too early", got)
			}
		}},
	} {
		body := io.MultiReader(bytes.NewReader(content), &hook{do: c.check})
		if _, err := e.s.Put(e.ctx, media.Upload{Name: c.named, ByContent: c.named == "content", Body: body}); err != nil {
			e.Fatal(err)
		}
	}
	e.want("manifest/new", content)
	e.want("manifest/old", content)
}
