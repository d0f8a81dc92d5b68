package voice

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"oipnode/shared/state"
	"oipnode/shared/voice/voicetest"
)

// serve opens streams over HTTP for everybody, at /ID.
func (w *world) serve(d *Dialogues) *httptest.Server {
	w.Helper()
	return w.serveWithin(d, time.Minute)
}

// serveWithin is serve by a server that gives that much time to a request, and to its
// answer, as a real one does.
func (w *world) serveWithin(d *Dialogues, timeout time.Duration) *httptest.Server {
	w.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		after, err := ParseLastEventID(r.Header.Get("Last-Event-ID"))
		var s *Stream
		if err == nil {
			s, err = d.Open(r.Context(), by(ann), r.URL.Path[1:], after)
		}
		if err == nil {
			err = s.Serve(rw, r)
		}
		if err != nil {
			http.Error(rw, err.Error(), http.StatusTeapot)
		}
	}))
	server.Config.ReadTimeout, server.Config.WriteTimeout = timeout, timeout
	server.Start()
	w.Cleanup(server.Close)
	w.Cleanup(d.Close)
	return server
}

// TestTrueStream: one connection, kept beyond the server's times, with a heartbeat, and
// every event as soon as it is there.
func TestTrueStream(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Heartbeat = 40 * time.Millisecond })
	s := w.start()
	server := w.serveWithin(w.Dialogues, time.Second)
	source := voicetest.Source{URL: server.URL + "/" + s.ID, Client: server.Client(), MaxRetry: time.Millisecond}
	got, pings := "", 0
	err := source.Run(t.Context(), func(m voicetest.Message) error {
		switch {
		case m.Event == "ping":
			if pings++; pings%10 == 0 && pings <= 30 { // 400 ms of silence each time
				w.say(s.ID, fmt.Sprint(pings))
			} else if pings == 40 {
				if _, err := w.End(context.Background(), by(ann), s.ID); err != nil {
					return err
				}
			}
		default:
			got += m.ID + m.Event + m.Data + " "
		}
		return nil
	})
	if err != nil || got != `1textChunk"10" 2textChunk"20" 3textChunk"30" 4done{"status":"ended"} ` || source.Connects != 2 {
		t.Errorf("%v, got %s in %d connections", err, got, source.Connects)
	}
	if w.Streams() != 0 {
		t.Errorf("%d streams are left", w.Streams())
	}
}

// TestBroken: connections that break anywhere, even inside a frame, lose no event and
// repeat none.
func TestBroken(t *testing.T) {
	w := newWorld(t)
	s := w.start()
	server := w.serve(w.Dialogues)
	var seed atomic.Int64
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return &brittle{Conn: c, left: 200 + 37*seed.Add(1)%800}, err
	}}}
	const events = 60
	go func() {
		for i := range events {
			w.say(s.ID, fmt.Sprint(i))
		}
		if _, err := w.End(context.Background(), by(ann), s.ID); err != nil {
			t.Error(err)
		}
	}()
	source := voicetest.Source{URL: server.URL + "/" + s.ID, Client: client, MaxRetry: time.Millisecond}
	next := 1
	err := source.Run(t.Context(), func(m voicetest.Message) error {
		if m.Event != "ping" {
			if m.ID != strconv.Itoa(next) || m.Event == "textChunk" && m.Data != fmt.Sprintf(`"%d"`, next-1) {
				return fmt.Errorf("got %q, want number %d", m, next)
			}
			next++
		}
		return nil
	})
	if err != nil || next != events+2 || source.Connects < 5 {
		t.Errorf("%v, %d events in %d connections", err, next-1, source.Connects)
	}
}

// brittle is a connection that breaks after some bytes.
type brittle struct {
	net.Conn
	left int64
}

func (b *brittle) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.Conn.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// TestSlowReader: a reader that takes nothing is cut off and holds nobody up; when it
// comes back it goes on where it was.
func TestSlowReader(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.WriteTimeout = 50 * time.Millisecond })
	s := w.start()
	server := w.serve(w.Dialogues)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintf(conn, "GET /%s HTTP/1.1\r\nHost: x\r\n\r\n", s.ID); err != nil {
		t.Fatal(err)
	}
	slow := bufio.NewReaderSize(conn, 16)
	if line, err := slow.ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Fatal(line, err)
	}
	// More than the buffers of both ends of the connection hold.
	large := strings.Repeat("x", 190<<10)
	const events = 100
	var wg sync.WaitGroup
	wg.Go(func() {
		for range events {
			w.say(s.ID, large)
		}
	})
	wg.Wait()
	for deadline := time.Now().Add(time.Minute); w.Streams() > 0; {
		if time.Now().After(deadline) {
			t.Fatal("the slow reader was not cut off")
		}
		time.Sleep(time.Millisecond)
	}
	// What it still finds in the buffers is part of the stream; it goes on from there.
	last, got := "", 0
	for {
		line, err := slow.ReadString('\n')
		if err != nil {
			break
		}
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			last = strings.TrimSpace(id)
		}
	}
	if last != "" { // the frame of the last id may have been cut: its reader does not count it
		n, err := strconv.Atoi(last)
		if err != nil || n > events {
			t.Fatalf("last id %q", last)
		}
		got = n - 1
	}
	if got >= events-1 {
		t.Fatalf("it had %d events already: nothing was held back", got)
	}
	source := voicetest.Source{URL: server.URL + "/" + s.ID, Client: server.Client(), LastID: strconv.Itoa(got), MaxRetry: time.Millisecond}
	err = source.Run(t.Context(), func(m voicetest.Message) error {
		if got++; m.ID != strconv.Itoa(got) || len(m.Data) != len(large)+2 {
			return fmt.Errorf("got %s with %d bytes, want %d", m.ID, len(m.Data), got)
		}
		if got == events {
			return voicetest.ErrStop
		}
		return nil
	})
	if err != nil || got != events {
		t.Errorf("%v at %d", err, got)
	}
}

// failing is a store that fails while broken is set.
type failing struct {
	state.Store
	broken atomic.Bool
}

func (f *failing) Get(ctx context.Context, keys ...state.Key) ([]state.Item, error) {
	if f.broken.Load() {
		return nil, errors.New("the store is down")
	}
	return f.Store.Get(ctx, keys...)
}

// TestStoreFails: a store that fails breaks a stream off, which is logged, and refuses a
// new one; the reader who comes back later misses nothing.
func TestStoreFails(t *testing.T) {
	w := newWorld(t)
	s := w.start()
	w.say(s.ID, "1")
	var log strings.Builder
	f := &failing{Store: w.store}
	server := w.serve(w.over(f, func(o *Options) { o.Log = slog.New(slog.NewJSONHandler(&log, nil)) }))
	source := voicetest.Source{URL: server.URL + "/" + s.ID, Client: server.Client(), MaxRetry: time.Millisecond}
	err := source.Run(t.Context(), func(voicetest.Message) error {
		f.broken.Store(true)
		w.say(s.ID, "2")
		return nil
	})
	if !errors.Is(err, voicetest.ErrRefused) || source.LastID != "1" {
		t.Errorf("%v at %s", err, source.LastID)
	}
	f.broken.Store(false)
	err = source.Run(t.Context(), func(m voicetest.Message) error {
		if m.ID != "2" {
			return fmt.Errorf("got %q", m)
		}
		return voicetest.ErrStop
	})
	if err != nil {
		t.Error(err)
	}
	server.Close()
	if !strings.Contains(log.String(), "a stream was broken off") || strings.Contains(log.String(), s.ID) {
		t.Errorf("log %s", &log)
	}
}

// TestBuffered: without flushing an answer ends with the first events, or with a ping.
func TestBuffered(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Buffered, o.BufferedWait = true, 30*time.Millisecond })
	s := w.start()
	server := w.serve(w.Dialogues)
	w.say(s.ID, "1", "2", "3", "4", "5", "6") // more than one page
	source := voicetest.Source{URL: server.URL + "/" + s.ID, Client: server.Client(), MaxRetry: time.Millisecond}
	got := ""
	err := source.Run(t.Context(), func(m voicetest.Message) error {
		got += fmt.Sprint(source.Connects, ":", m.ID, m.Event, " ")
		if m.Event == "ping" {
			switch source.Connects {
			case 2:
				w.say(s.ID, "7")
			case 4:
				_, err := w.End(context.Background(), by(ann), s.ID)
				return err
			}
		}
		return nil
	})
	want := "1:1textChunk 1:2textChunk 1:3textChunk 1:4textChunk 1:5textChunk 1:6textChunk 2:6ping 3:7textChunk 4:7ping 5:8done "
	if err != nil || got != want || source.Connects != 6 {
		t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
	}
}

// TestBufferedSize: an answer is bounded, whatever there is, and the rest follows.
func TestBufferedSize(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Buffered = true })
	s := w.start()
	for range 30 {
		w.say(s.ID, strings.Repeat("x", 190<<10))
	}
	server := w.serve(w.Dialogues)
	source := voicetest.Source{URL: server.URL + "/" + s.ID, Client: server.Client(), MaxRetry: time.Millisecond}
	sizes := map[int]int{}
	err := source.Run(t.Context(), func(m voicetest.Message) error {
		if sizes[source.Connects] += len(m.Data); m.ID == "30" {
			return voicetest.ErrStop
		}
		return nil
	})
	if err != nil || source.Connects != 2 || sizes[1] > maxBuffered+streamPage*w.opt.MaxEventBytes {
		t.Errorf("%v, sizes %v", err, sizes)
	}
}

// TestServe: what goes wrong before the first byte is returned; HEAD asks whether there
// is a stream, and waits for nothing.
func TestServe(t *testing.T) {
	for name, c := range map[string]struct {
		method  string
		after   int
		prepare func(w *world, id string)
		status  int
		err     error
	}{
		"HEAD":                {"HEAD", 0, nil, 200, nil},
		"HEAD, nothing new":   {"HEAD", 2, nil, 200, nil},
		"ended":               {"GET", 3, func(w *world, id string) { _, _ = w.End(context.Background(), by(ann), id) }, 204, nil},
		"expired":             {"GET", 1, func(w *world, _ string) { w.clock.advance(time.Hour) }, 0, ErrNotFound},
		"closed":              {"GET", 2, func(w *world, _ string) { w.Dialogues.Close() }, 0, ErrClosed},
		"closed, with events": {"HEAD", 1, func(w *world, _ string) { w.Dialogues.Close() }, 200, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(o *Options) { o.Buffered = true })
			s := w.start()
			w.say(s.ID, "a", "b")
			stream := w.follow(s.ID, min(c.after, 2))
			stream.after = c.after
			if c.prepare != nil {
				c.prepare(w, s.ID)
			}
			rec := httptest.NewRecorder()
			err := stream.Serve(rec, httptest.NewRequest(c.method, "/", nil))
			if !errors.Is(err, c.err) || err == nil && rec.Code != c.status || rec.Body.Len() > 0 {
				t.Errorf("%v, %d %s", err, rec.Code, rec.Body)
			}
			if w.Streams() != 0 {
				t.Error("the stream is still open")
			}
		})
	}
}

// TestData: what was appended arrives as the same JSON.
func TestData(t *testing.T) {
	w := newWorld(t)
	s := w.start()
	bodies := []string{`{"event":"audioChunk","data":{ "audio" : "AAA=", "n": 1e400 }}`, `{"event":"textChunk","data":"a\nb\r\n\ndata: x"}`,
		`{"event":"error"}`, "{\"event\":\"done\",\"data\":\"\u2028 ü \\ud800 <&>\"}"}
	for _, body := range bodies {
		e, err := ParseEvent([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.Append(t.Context(), by(ann), s.ID, e); err != nil {
			t.Fatal(err)
		}
	}
	server := w.serve(w.Dialogues)
	source := voicetest.Source{URL: server.URL + "/" + s.ID, Client: server.Client(), MaxRetry: time.Millisecond}
	i := 0
	err := source.Run(t.Context(), func(m voicetest.Message) error {
		var want struct{ Data json.RawMessage }
		if err := json.Unmarshal([]byte(bodies[i]), &want); err != nil {
			return err
		}
		if want.Data == nil {
			want.Data = json.RawMessage("null")
		}
		if strings.ReplaceAll(m.Data, " ", "") != strings.ReplaceAll(string(want.Data), " ", "") {
			return fmt.Errorf("event %d: got %s, want %s", i, m.Data, want.Data)
		}
		if i++; i == len(bodies) {
			return voicetest.ErrStop
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
