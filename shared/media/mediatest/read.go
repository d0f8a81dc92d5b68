package mediatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"

	"oipnode/shared/media"
)

var readCases = []testCase{
	{"Absent", testAbsent, nil},
	{"Ranges", testRanges, nil},
	{"Ranges of a large object", testLargeRanges, nil},
	{"Version", testVersion, nil},
	{"Replaced while reading", testReplacedWhileReading, nil},
	{"Cancelled while reading", testCancelledReading, nil},
	{"Seeker", testSeeker, nil},
	{"Served over HTTP", testServed, nil},
}

func testAbsent(e *env) {
	e.absent(name)
	if err := e.s.Delete(e.ctx, name); err != nil {
		e.Errorf("Delete of an absent object: %v", err)
	}
	e.put(name, []byte("x"))
	for range 2 {
		if err := e.s.Delete(e.ctx, name); err != nil {
			e.Error(err)
		}
		e.absent(name)
	}
	if err := media.Verify(e.ctx, e.s, media.ContentName("content", [32]byte{1})); !errors.Is(err, media.ErrNotFound) {
		e.Errorf("Verify of an absent object: %v", err)
	}
	if err := media.Verify(e.ctx, e.s, name); !errors.Is(err, media.ErrInvalid) {
		e.Errorf("Verify of a name without a content: %v", err)
	}
}

func testRanges(e *env) {
	content := []byte("0123456789")
	e.put(name, content)
	e.put("manifest/empty", nil)
	for _, c := range []struct {
		r    media.Range
		want string
		err  error
	}{
		{media.Range{}, "0123456789", nil},
		{media.Range{Length: 1}, "0", nil},
		{media.Range{Offset: 3}, "3456789", nil},
		{media.Range{Offset: 3, Length: 4}, "3456", nil},
		{media.Range{Offset: 9}, "9", nil},
		{media.Range{Offset: 9, Length: 1}, "9", nil},
		{media.Range{Offset: 5, Length: 100}, "56789", nil},
		{media.Range{Offset: 5, Length: 1<<63 - 1}, "56789", nil},
		{media.Range{Offset: 10}, "", media.ErrRange},
		{media.Range{Offset: 11, Length: 1}, "", media.ErrRange},
		{media.Range{Offset: 1<<63 - 1, Length: 1<<63 - 1}, "", media.ErrRange},
		{media.Range{Offset: -1}, "", media.ErrInvalid},
		{media.Range{Length: -1}, "", media.ErrInvalid},
		{media.Range{Version: "a\nb"}, "", media.ErrInvalid},
	} {
		if c.err == nil {
			if got := e.read(name, c.r); string(got) != c.want {
				e.Errorf("%+v is %q, want %q", c.r, got, c.want)
			}
		} else if _, err := e.s.Open(e.ctx, name, c.r); !errors.Is(err, c.err) {
			e.Errorf("%+v returned %v, want %v", c.r, err, c.err)
		}
	}
	for _, r := range []media.Range{{}, {Length: 5}} {
		if got := e.read("manifest/empty", r); len(got) != 0 {
			e.Errorf("an empty object holds %q", got)
		}
	}
	if _, err := e.s.Open(e.ctx, "manifest/empty", media.Range{Offset: 1}); !errors.Is(err, media.ErrRange) {
		e.Errorf("offset 1 of an empty object: %v", err)
	}
}

func testLargeRanges(e *env) {
	content := Bytes(1, Large)
	named := e.putContent("content", content)
	for _, r := range []media.Range{
		{Offset: 5<<20 - 1, Length: 2}, {Offset: 5 << 20}, {Offset: 1, Length: Large - 2}, {Offset: Large - 1, Length: 9},
	} {
		length, err := r.Within(Large)
		if err != nil {
			e.Fatal(err)
		}
		reader := e.open(named, r)
		if reader.Object != e.stat(named) {
			e.Errorf("Open says %+v, Stat %+v", reader.Object, e.stat(named))
		}
		got, err := io.ReadAll(reader)
		if err := errors.Join(err, reader.Close()); err != nil || !bytes.Equal(got, content[r.Offset:r.Offset+length]) {
			e.Errorf("%+v: %d bytes, %v, want %d", r, len(got), err, length)
		}
	}
}

func testVersion(e *env) {
	e.put(name, []byte("first"))
	first := e.stat(name).Version
	if got := e.read(name, media.Range{Version: first}); string(got) != "first" {
		e.Errorf("the version holds %q", got)
	}
	e.put(name, []byte("other"))
	for _, r := range []media.Range{{Version: first}, {Version: first, Offset: 1, Length: 2}, {Version: "none"}} {
		if _, err := e.s.Open(e.ctx, name, r); !errors.Is(err, media.ErrChanged) {
			e.Errorf("%+v returned %v, want %v", r, err, media.ErrChanged)
		}
	}
	if err := e.s.Delete(e.ctx, name); err != nil {
		e.Fatal(err)
	}
	if _, err := e.s.Open(e.ctx, name, media.Range{Version: first}); !errors.Is(err, media.ErrNotFound) {
		e.Errorf("a version of a deleted object: %v", err)
	}
}

// testReplacedWhileReading: a reader never mixes two versions. It may end with
// ErrChanged, or ErrNotFound after a delete.
func testReplacedWhileReading(e *env) {
	old := Bytes(1, Large)
	for _, change := range []func(){
		func() { e.put(name, Bytes(2, Large)) },
		func() {
			if err := e.s.Delete(e.ctx, name); err != nil {
				e.Fatal(err)
			}
		},
	} {
		e.put(name, old)
		reader := e.open(name, media.Range{})
		got := make([]byte, 1000)
		if _, err := io.ReadFull(reader, got); err != nil {
			e.Fatal(err)
		}
		change()
		rest, err := io.ReadAll(reader)
		got = append(got, rest...)
		if err != nil && !errors.Is(err, media.ErrChanged) && !errors.Is(err, media.ErrNotFound) {
			e.Errorf("reading on returned %v", err)
		}
		if !bytes.HasPrefix(old, got) || err == nil && len(got) != len(old) {
			e.Errorf("%d bytes of another content were read", len(got))
		}
		if err := reader.Close(); err != nil {
			e.Error(err)
		}
	}
}

func testCancelledReading(e *env) {
	e.put(name, Bytes(1, Large))
	ctx, cancel := context.WithCancel(e.ctx)
	reader, err := e.s.Open(ctx, name, media.Range{})
	if err != nil {
		e.Fatal(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, reader); !errors.Is(err, context.Canceled) {
		e.Errorf("reading returned %v, want %v", err, context.Canceled)
	}
	if err := reader.Close(); err != nil {
		e.Error(err)
	}
	if n, err := reader.Read(make([]byte, 1)); n != 0 || err == nil {
		e.Errorf("a closed reader read %d bytes, %v", n, err)
	}
}

func testSeeker(e *env) {
	e.put(name, []byte("0123456789"))
	s := media.NewSeeker(e.ctx, e.s, e.stat(name))
	buf := make([]byte, 3)
	for _, c := range []struct {
		offset int64
		whence int
		at     int64
		want   string
	}{
		{0, io.SeekStart, 0, "012"}, {0, io.SeekCurrent, 3, "345"}, {-2, io.SeekEnd, 8, "89"},
		{-6, io.SeekCurrent, 4, "456"}, {20, io.SeekStart, 20, ""}, {1, io.SeekStart, 1, "123"},
	} {
		at, err := s.Seek(c.offset, c.whence)
		n, _ := io.ReadFull(s, buf)
		if err != nil || at != c.at || string(buf[:n]) != c.want {
			e.Errorf("seek %d from %d: at %d, %v, read %q, want %d, %q", c.offset, c.whence, at, err, buf[:n], c.at, c.want)
		}
	}
	for _, bad := range []struct {
		offset int64
		whence int
	}{{-1, io.SeekStart}, {-11, io.SeekEnd}, {0, 7}} {
		if _, err := s.Seek(bad.offset, bad.whence); !errors.Is(err, media.ErrInvalid) {
			e.Errorf("seek %d from %d: %v", bad.offset, bad.whence, err)
		}
	}
	e.put(name, []byte("9876543210"))
	if _, err := s.Seek(0, io.SeekStart); err != nil {
		e.Error(err)
	}
	if n, err := s.Read(buf); n != 0 || !errors.Is(err, media.ErrChanged) {
		e.Errorf("read %d bytes of a replaced object, %v", n, err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		e.Error(err)
	}
	if _, err := s.Read(buf); err == nil {
		e.Error("a closed seeker reads")
	}
}

// testServed: the standard library serves an object with all of HTTP's ranges.
func testServed(e *env) {
	content := Bytes(1, Large)
	named := e.putContent("content", content)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := e.stat(named)
		s := media.NewSeeker(r.Context(), e.s, o)
		defer s.Close()
		w.Header().Set("ETag", `"`+o.Version+`"`)
		http.ServeContent(w, r, "x.bin", o.Modified, s)
	})
	for _, c := range []struct {
		ranges string
		status int
		want   []byte
	}{
		{"", 200, content},
		{"bytes=0-0", 206, content[:1]},
		{"bytes=5242879-5242881", 206, content[5242879:5242882]},
		{"bytes=-7", 206, content[Large-7:]},
		{fmt.Sprintf("bytes=%d-", Large), 416, nil},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if c.ranges != "" {
			r.Header.Set("Range", c.ranges)
		}
		w := httptest.NewRecorder()
		handler(w, r)
		if w.Code != c.status || c.want != nil && !bytes.Equal(w.Body.Bytes(), c.want) {
			e.Errorf("%q: status %d with %d bytes, want %d with %d", c.ranges, w.Code, w.Body.Len(), c.status, len(c.want))
		}
	}
}

var listCases = []testCase{
	{"Pages", testPages, nil},
	{"Bad arguments", testBadLists, nil},
}

// testPages lists in pages of several sizes, while objects that were listed, or are
// to come, are deleted and replaced.
func testPages(e *env) {
	var all []string
	for _, leaf := range strings.Fields("aa aa.b aa-b aa_b aab ab ba b0 00 0a zz zz9 aaa aa0 mm.json mm.jso9 mm-json") {
		all = append(all, "page/"+leaf)
	}
	for _, n := range all {
		e.put(n, []byte(n))
		e.put(strings.Replace(n, "page/", "page-2/", 1), nil)
	}
	slices.Sort(all)
	for _, limit := range []int{1, 2, 5, len(all) - 1, len(all), len(all) + 1, media.MaxList, 1 << 40} {
		var got []string
		for after := ""; ; {
			page := e.list("page", after, limit)
			got = append(got, page...)
			if len(page) < limit {
				break
			}
			after = page[len(page)-1]
		}
		if !slices.Equal(got, all) {
			e.Errorf("in pages of %d: %q, want %q", limit, got, all)
		}
	}
	page, err := e.s.List(e.ctx, "page", "page/aa9", 1) // a name that does not exist
	if err != nil || len(page) != 1 || page[0] != e.stat("page/aa_b") {
		e.Errorf("listed %+v, %v", page, err)
	}
	for _, n := range []string{"page/ab", "page/mm-json"} {
		if err := e.s.Delete(e.ctx, n); err != nil {
			e.Fatal(err)
		}
	}
	left := slices.DeleteFunc(slices.Clone(all), func(n string) bool { return n == "page/ab" || n == "page/mm-json" })
	if got := e.list("page", "", 100); !slices.Equal(got, left) {
		e.Errorf("after deletes: %q, want %q", got, left)
	}
	if got := e.list("page", "page/ab", 1); !slices.Equal(got, []string{"page/b0"}) {
		e.Errorf("behind a deleted one: %q", got)
	}
	if got := e.list("nothing", "", 10); len(got) != 0 {
		e.Errorf("a kind without objects has %q", got)
	}
}

func testBadLists(e *env) {
	for _, c := range []struct {
		kind, after string
		limit       int
	}{{"", "", 1}, {"Kind", "", 1}, {"kind/leaf", "", 1}, {"..", "", 1}, {"kind", "", 0}, {"kind", "", -1}, {"kind", "leaf", 1},
		{"kind", "other/leaf", 1}, {"kind", "kind/../x", 1}} {
		if page, err := e.s.List(e.ctx, c.kind, c.after, c.limit); !errors.Is(err, media.ErrInvalid) || page != nil {
			e.Errorf("List %+v returned %v, %v, want %v", c, page, err, media.ErrInvalid)
		}
	}
}
