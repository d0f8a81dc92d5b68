package gateway

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
)

// announced answers with a Content-Length that need not be the body's.
func announced(length int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(length))
		_, _ = io.WriteString(w, body)
	}
}

// chunked answers without a Content-Length.
func chunked(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, body)
	}
}

func TestDataLength(t *testing.T) {
	for _, tc := range []struct {
		name   string
		size   int64
		answer http.HandlerFunc
		want   error
	}{
		{"exact", 5, announced(5, "hello"), nil},
		{"exact chunked", 5, chunked("hello"), nil},
		{"unknown", -1, announced(5, "hello"), nil},
		{"unknown chunked", -1, chunked("hello"), nil},
		{"short", 6, announced(5, "hello"), ErrMismatch},
		{"short chunked", 6, chunked("hello"), ErrMismatch},
		{"long", 4, announced(5, "hello"), ErrMismatch},
		{"long chunked", 4, chunked("hello"), ErrMismatch},
		{"cut", 5, announced(5, "hel"), ErrMismatch},
		{"cut unknown", -1, announced(5, "hel"), ErrMismatch},
		{"not empty", 0, chunked("hello"), ErrMismatch},
		{"at the limit", -1, chunked("0123456789"), nil},
		{"over the limit", -1, chunked("0123456789a"), ErrTooLarge},
		{"over the limit announced", -1, announced(11, "0123456789a"), ErrTooLarge},
		{"content encoding is a tag", 5, status(200, "hello", "Content-Encoding", "gzip"), nil},
		{"html is data too", 5, status(200, "<htm>", "Content-Type", "text/html"), nil},
	} {
		s := script(t, tc.answer)
		data, err := dial(t, s, func(o *Options) { o.MaxDataBytes = 10 }).Data(context.Background(), id(1), tc.size)
		if !errors.Is(err, tc.want) || (err != nil && data != nil) || (err == nil && len(data) < 5) {
			t.Errorf("%s: %q, %v, want %v", tc.name, data, err, tc.want)
		}
	}
	s := script(t, announced(0, ""))
	if data, err := dial(t, s).Data(context.Background(), id(1), 0); err != nil || data == nil || len(data) != 0 {
		t.Errorf("no bytes: %q, %v", data, err)
	}
}

func TestDataInvalid(t *testing.T) {
	g := dial(t, script(t), func(o *Options) { o.MaxDataBytes = 10 })
	for _, tc := range []struct {
		id   string
		size int64
		want error
	}{
		{"", 5, ErrInvalid},
		{"../../etc", 5, ErrInvalid},
		{id(1) + "x", 5, ErrInvalid},
		{id(1), -2, ErrInvalid},
		{id(1), 11, ErrTooLarge},
	} {
		if _, err := g.Data(context.Background(), tc.id, tc.size); !errors.Is(err, tc.want) {
			t.Errorf("%q, %d: %v, want %v", tc.id, tc.size, err, tc.want)
		}
	}
}

func TestDataSecondRoute(t *testing.T) {
	for _, tc := range []struct {
		raw, plain int
		want       error
		requests   int
	}{
		{200, 0, nil, 1},
		{404, 200, nil, 2},
		{400, 200, nil, 2},
		{405, 200, nil, 2},
		{404, 404, ErrNotFound, 2},
		{404, 202, ErrPending, 2},
		{404, 451, ErrBlocked, 2},
		{404, 503, ErrUnavailable, 2},
		{202, 0, ErrPending, 1},
		{410, 0, ErrNotFound, 1},
		{451, 0, ErrBlocked, 1},
		{429, 0, ErrRateLimited, 1},
		{500, 0, ErrUnavailable, 1},
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request, _ string, _ int) {
			code := tc.plain
			if r.URL.Path == "/raw/"+id(1) {
				code = tc.raw
			} else if r.URL.Path != "/"+id(1) {
				t.Errorf("path %s", r.URL.Path)
			}
			status(code, "hello")(w, r)
		})
		data, err := dial(t, s).Data(context.Background(), id(1), 5)
		if !errors.Is(err, tc.want) || (err == nil && string(data) != "hello") || len(s.requests()) != tc.requests {
			t.Errorf("%d then %d: %q, %v after %d requests", tc.raw, tc.plain, data, err, len(s.requests()))
		}
	}
}

// endless is a body that never ends; it must not be read for long.
func TestDataEndless(t *testing.T) {
	var sent atomic.Int64
	s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ string, _ int) {
		chunk := make([]byte, 32<<10)
		for {
			n, err := w.Write(chunk)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	g := dial(t, s)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := g.Data(context.Background(), id(1), 100)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrMismatch) {
		t.Errorf("%v, want ErrMismatch", err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
		t.Errorf("%d bytes allocated for a hundred", used)
	}
}

func TestReadBounded(t *testing.T) {
	body := make([]byte, 100_000)
	_, _ = rand.Read(body)
	for _, limit := range []int64{0, 1, 99_999, 100_000, 100_001, 1 << 40} {
		data, over, err := readBounded(bytes.NewReader(body), limit)
		want := min(limit+1, int64(len(body)))
		if err != nil || over != (limit < int64(len(body))) || !bytes.Equal(data, body[:want]) {
			t.Errorf("limit %d: %d bytes, over %t, %v", limit, len(data), over, err)
		}
		if int64(cap(data)) > max(2*int64(len(body)), 16<<10) {
			t.Errorf("limit %d: capacity %d", limit, cap(data))
		}
	}
}

// BenchmarkData reads small records over loopback, as many at a time as a
// gateway allows. A record of OIP is one to a few KiB.
func BenchmarkData(b *testing.B) {
	body := make([]byte, 4<<10)
	_, _ = rand.Read(body)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	defer s.Close()
	g, err := Dial(s.URL, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer g.Close()
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := g.Data(context.Background(), id(1), int64(len(body))); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}
