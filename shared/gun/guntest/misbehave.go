package guntest

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// dribbles is the number of parts that a Slow answer comes in.
const dribbles = 4

// misbehave answers in the place of any route, if the draw says so. opening is
// how a right answer begins.
func (p *Peer) misbehave(w http.ResponseWriter, r *http.Request, d draw, opening, soul string) bool {
	switch {
	case d.hits(CloseConnection):
		panic(http.ErrAbortHandler)
	case d.hits(RateLimited):
		if d.pick(RateLimited, 2) == 0 {
			seconds := (d.f.RetryAfter + time.Second - 1) / time.Second
			w.Header().Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
		}
		p.fail(w, r, d, http.StatusTooManyRequests, "Too many requests")
	case d.hits(ServerError):
		status := []int{500, 502, 503, 504}[d.pick(ServerError, 4)]
		p.fail(w, r, d, status, http.StatusText(status))
	case d.hits(Redirected):
		http.Redirect(w, r, d.f.Elsewhere, http.StatusFound)
	case d.hits(HTMLPage):
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte("<!doctype html><title>Relay</title><p>We will be back soon.\n"))
	case r.Method == http.MethodGet && d.hits(Unsuccessful):
		bodies := []string{`{"success":false,"error":"Timeout"}`, `{"success":true}`, `{"success":true,"data":null,"records":null}`, `null`}
		p.respond(w, r, d, http.StatusOK, "application/json", []byte(bodies[d.pick(Unsuccessful, len(bodies))]))
	case d.hits(Stalled):
		begin(w, opening)
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case r.Method == http.MethodGet && d.hits(Endless):
		begin(w, opening)
		p.endless(r.Context(), w, d, soul)
		panic(http.ErrAbortHandler)
	default:
		return false
	}
	return true
}

// begin sends the beginning of an answer that will not be whole.
func begin(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "application/json")
	// A write fails when the client has gone, which is no concern of ours, here and
	// below.
	_, _ = w.Write([]byte(text))
	flush(w)
}

func flush(w http.ResponseWriter) {
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
}

// endless writes until the client goes: one text, ever more keys (of an index:
// ever more souls that do not exist), or space.
func (p *Peer) endless(ctx context.Context, w http.ResponseWriter, d draw, soul string) {
	kind := d.pick(Endless, 3)
	if kind == 0 {
		_, _ = w.Write([]byte(`"endless":"`))
	}
	for n := 0; ctx.Err() == nil; n++ {
		part := strings.Repeat(" ", 32<<10)
		switch kind {
		case 0:
			part = strings.Repeat("x", 32<<10)
		case 1:
			var keys []byte
			for i := range 100 {
				keys = append(append(keys, phantom(uint64(n), i, soul)...), ',')
			}
			part = string(keys)
		}
		if _, err := w.Write([]byte(part)); err != nil {
			return
		}
		flush(w)
	}
}

// fail answers an error as relays do.
func (p *Peer) fail(w http.ResponseWriter, r *http.Request, d draw, status int, text string) {
	p.respond(w, r, d, status, "application/json", []byte(`{"error":`+quote(text)+`}`))
}

// send answers a right body, or what the draw makes of it.
func (p *Peer) send(w http.ResponseWriter, r *http.Request, d draw, status int, body []byte) {
	kind := "application/json"
	if d.hits(WrongContentType) {
		kind = []string{"text/html; charset=utf-8", "application/octet-stream", ""}[d.pick(WrongContentType, 3)]
	}
	switch {
	case d.hits(InvalidJSON):
		// A control character is a mistake wherever it stands.
		body = slices.Insert(body, 1+d.pick(InvalidJSON, len(body)-1), 1)
	case d.hits(Truncated):
		body = body[:d.pick(Truncated, len(body))]
	case d.hits(Cut):
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body[:len(body)/2])
		flush(w)
		panic(http.ErrAbortHandler)
	}
	p.respond(w, r, d, status, kind, body)
}

// respond writes a whole response with its length, slowly if the draw says so.
func (p *Peer) respond(w http.ResponseWriter, r *http.Request, d draw, status int, kind string, body []byte) {
	w.Header()["Content-Type"] = nil // not to be guessed
	if kind != "" {
		w.Header().Set("Content-Type", kind)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if !d.hits(Slow) {
		_, _ = w.Write(body)
		return
	}
	for part := range slices.Chunk(body, max(1, (len(body)+dribbles-1)/dribbles)) {
		t := time.NewTimer(d.f.SlowDelay / dribbles)
		select {
		case <-t.C:
		case <-r.Context().Done():
			t.Stop()
			return
		}
		_, _ = w.Write(part)
		flush(w)
	}
}
