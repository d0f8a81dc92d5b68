package remote

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"testing"
	"time"

	"oipnode/shared/errs"
	"oipnode/shared/media/mediatest"
)

// half is where the connection of most of these tests breaks.
const half = 150_000

// part answers with a range as it is given, whatever was asked.
func part(content []byte, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", etag)
		with(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(content)
		}, header...)(w, r)
	}
}

func span(first, last, total int) string { return fmt.Sprintf("bytes %d-%d/%d", first, last, total) }

func TestResume(t *testing.T) {
	s := serve(t, cut(half, whole), whole)
	got, info, err := read(t, client(t, Options{}, s), s.file())
	if err != nil || !bytes.Equal(got, content) || info.Length != int64(len(content)) {
		t.Fatalf("%d bytes, %+v, %v", len(got), info, err)
	}
	requests := s.requests()
	if len(requests) != 2 {
		t.Fatalf("%d requests", len(requests))
	}
	if h := requests[0]; h.Get("Range") != "" || h.Get("If-Range") != "" {
		t.Errorf("the first request has %v", h)
	}
	if h := requests[1]; h.Get("Range") != "bytes=150000-" || h.Get("If-Range") != etag || h.Get("Accept-Encoding") != "identity" {
		t.Errorf("the second request has %v", h)
	}
}

// TestResumeMore: other ways to come to the end of a broken stream.
func TestResumeMore(t *testing.T) {
	unsized := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", etag)
		w.Header().Set("Accept-Ranges", "bytes")
		_, _ = w.Write(content[:half])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	idle := func(w http.ResponseWriter, r *http.Request) {
		silent("HTTP/1.1 200 OK\r\nAccept-Ranges: bytes\r\nETag: "+etag+"\r\nContent-Length: 300000\r\n\r\n"+string(content[:half]))(w, r)
	}
	rest := content[half:]
	for name, c := range map[string]struct {
		opts    Options
		answers []http.HandlerFunc
	}{
		"again and again":     {Options{}, []http.HandlerFunc{cut(1, whole), cut(1, whole), cut(100_000, whole), cut(1, whole), whole}},
		"out of order":        {Options{}, []http.HandlerFunc{cut(half, whole), status(503), raw(), status(429), whole}},
		"after a pause":       {Options{Idle: 500 * time.Millisecond}, []http.HandlerFunc{idle, whole}},
		"without a length":    {Options{}, []http.HandlerFunc{unsized, whole}},
		"total not said":      {Options{}, []http.HandlerFunc{cut(half, whole), part(rest, "Content-Range", "bytes 150000-299999/*")}},
		"behind a redirect":   {Options{}, []http.HandlerFunc{cut(half, whole), status(302, "Location", "/elsewhere"), whole}},
		"just before the end": {Options{}, []http.HandlerFunc{cut(len(content)-1, whole), whole}},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.answers...)
			got, _, err := read(t, client(t, c.opts, s), s.file())
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if n := len(s.requests()); n != len(c.answers) {
				t.Errorf("%d requests, want %d", n, len(c.answers))
			}
		})
	}
}

// TestResumeRefused: what is not certainly the rest of the same file is not taken.
func TestResumeRefused(t *testing.T) {
	rest, all := content[half:], len(content)
	good := span(half, all-1, all)
	for name, c := range map[string]struct {
		answer   http.HandlerFunc
		sentinel error
		class    errs.Class
	}{
		"range ignored":       {part2xx(200), ErrBroken, errs.Transient},
		"changed":             {version(mediatest.Bytes(8, all), `"v2"`), ErrChanged, errs.Transient},
		"ETag gone":           {version(content, ""), ErrChanged, errs.Transient},
		"ETag weak":           {version(content, "W/"+etag), ErrChanged, errs.Transient},
		"part of another":     {part(rest, "ETag", `"v2"`, "Content-Range", good), ErrChanged, errs.Transient},
		"part without ETag":   {part(rest, "ETag", "", "Content-Range", good), ErrChanged, errs.Transient},
		"no range":            {part(rest), ErrBroken, errs.Transient},
		"several ranges":      {part(rest, "Content-Type", "multipart/byteranges; boundary=x"), ErrBroken, errs.Transient},
		"earlier range":       {part(content[half-1:], "Content-Range", span(half-1, all-1, all)), ErrBroken, errs.Transient},
		"later range":         {part(rest[1:], "Content-Range", span(half+1, all-1, all)), ErrBroken, errs.Transient},
		"shorter range":       {part(rest[:100], "Content-Range", span(half, half+99, all)), ErrBroken, errs.Transient},
		"another total":       {part(rest, "Content-Range", span(half, all-1, all+1)), ErrBroken, errs.Transient},
		"longer file":         {part(append(rest[:len(rest):len(rest)], 1), "Content-Range", span(half, all, all+1)), ErrBroken, errs.Transient},
		"less than the range": {part(rest[1:], "Content-Range", good, "Content-Length", "149999"), ErrBroken, errs.Transient},
		"encoded":             {part(rest, "Content-Range", good, "Content-Encoding", "gzip"), ErrBroken, errs.Transient},
		"416":                 {status(416, "Content-Range", "bytes */10"), ErrChanged, errs.Transient},
		"412":                 {status(412), ErrChanged, errs.Transient},
		"404":                 {status(404), ErrNotFound, errs.Permanent},
		"400":                 {status(400), ErrAnswer, errs.Permanent},
		"204":                 {status(204), ErrAnswer, errs.Permanent},
		"asks for patience":   {status(429, "Retry-After", "600"), ErrBusy, errs.Transient},
		"out of order":        {status(503), ErrUnavailable, errs.Transient},
		"refused redirect":    {status(302, "Location", "ftp://example.org/"), ErrRedirect, errs.Permanent},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, cut(half, whole), c.answer)
			got, _, err := read(t, client(t, Options{MaxResumes: 3}, s), s.file())
			want(t, err, c.sentinel, c.class)
			if !bytes.Equal(got, content[:half]) {
				t.Errorf("%d bytes came, want the first %d", len(got), half)
			}
			if most := 4; len(s.requests()) > most {
				t.Errorf("%d requests, more than %d", len(s.requests()), most)
			}
		})
	}
}

// part2xx answers with the whole file of the same version, whatever was asked.
func part2xx(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", etag)
		w.WriteHeader(code)
		_, _ = w.Write(content)
	}
}

// A part that is longer than its range says is refused where it is seen.
func TestResumeLonger(t *testing.T) {
	s := serve(t, cut(half, whole), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", etag)
		w.Header().Set("Content-Range", span(half, len(content)-1, len(content)))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(content[half:])
		_ = http.NewResponseController(w).Flush()
		_, _ = w.Write([]byte("more"))
	})
	_, _, err := read(t, client(t, Options{}, s), s.file())
	want(t, err, ErrLength, errs.Transient)
}

// TestNoResume: without a promise of the source, or of the operator, nothing is
// asked for a second time.
func TestNoResume(t *testing.T) {
	for name, c := range map[string]struct {
		opts   Options
		answer http.HandlerFunc
	}{
		"no ETag":     {Options{}, version(content, "")},
		"a weak ETag": {Options{}, version(content, "W/"+etag)},
		"no ranges":   {Options{}, with(part2xx(200), "Content-Length", strconv.Itoa(len(content)))},
		"never":       {Options{MaxResumes: -1}, whole},
		"no time":     {Options{Pause: time.Hour}, whole},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, cut(half, c.answer), whole)
			got, _, err := read(t, client(t, c.opts, s), s.file())
			want(t, err, ErrBroken, errs.Transient)
			if len(got) != half || len(s.requests()) != 1 {
				t.Errorf("%d bytes by %d requests", len(got), len(s.requests()))
			}
		})
	}
}

// TestResumeBound: a source that gives a byte at a time is left after MaxResumes.
func TestResumeBound(t *testing.T) {
	s := serve(t, cut(1, whole))
	got, _, err := read(t, client(t, Options{MaxResumes: 7}, s), s.file())
	want(t, err, ErrBroken, errs.Transient)
	if len(got) != 8 || len(s.requests()) != 8 {
		t.Errorf("%d bytes by %d requests", len(got), len(s.requests()))
	}
}

// TestNeverMixes: a source that breaks and changes at random. What is read is one
// version from its beginning, and when it ends well all of it.
func TestNeverMixes(t *testing.T) {
	complete := 0
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		versions := [][]byte{mediatest.Bytes(1, 20_000+rng.IntN(3)), mediatest.Bytes(2, 20_000+rng.IntN(3))}
		answers := make([]http.HandlerFunc, 12)
		now := 0
		for i := range answers {
			if rng.IntN(6) == 0 {
				now = 1 - now
			}
			answers[i] = version(versions[now], fmt.Sprintf(`"v%d"`, now))
			from := rng.IntN(20_000)
			switch rng.IntN(9) {
			case 0:
				answers[i] = status(503)
			case 1:
				answers[i] = raw("HTTP/1.1 206 Partial Content\r\nETag: \"v0\"\r\nContent-Range: " + span(from, 19_999, 20_000) + "\r\n\r\n" + string(versions[1][from:]))
			case 2, 3, 4, 5:
				answers[i] = cut(1+rng.IntN(15_000), answers[i])
			}
		}
		s := serve(t, answers...)
		got, _, err := read(t, client(t, Options{}, s), s.file())
		var one []byte
		for _, v := range versions {
			if bytes.HasPrefix(v, got) {
				one = v
			}
		}
		if one == nil || err == nil && len(got) != len(one) {
			t.Errorf("seed %d: %d bytes of no version, error %v", seed, len(got), err)
		}
		if err == nil {
			complete++
		}
	}
	if complete < 5 || complete > 55 {
		t.Errorf("%d of 60 came to a good end: this test shows nothing", complete)
	}
}

// TestSmallReads: the bytes do not depend on how they are read.
func TestSmallReads(t *testing.T) {
	s := serve(t, cut(1000, whole), cut(1, whole), whole)
	stream, err := client(t, Options{}, s).Open(t.Context(), s.file())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	var got bytes.Buffer
	if _, err := io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{stream}, make([]byte, 777)); err != nil || !bytes.Equal(got.Bytes(), content) {
		t.Errorf("%d bytes, %v", got.Len(), err)
	}
}
