package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"oipnode/shared/apigw"
	"oipnode/shared/apigw/apigwsim"
	"oipnode/shared/voice"
	"oipnode/shared/voice/voicetest"
)

// process is another process over the same store, as the handler of its API.
func (k *talk) process(change ...func(*voice.Options)) http.Handler {
	k.Helper()
	o := voice.Options{State: k.state, Now: k.clock, Poll: 5 * time.Millisecond}
	for _, c := range change {
		c(&o)
	}
	d, err := voice.New(o)
	if err != nil {
		k.Fatal(err)
	}
	k.Cleanup(d.Close)
	opt := k.opt
	opt.Voice = d
	return New(opt)
}

// gateway is a process behind API Gateway.
func (k *talk) gateway(change ...func(*voice.Options)) *httptest.Server {
	k.Helper()
	function := lambda.NewHandler(apigw.Handler(k.process(change...), apigw.Options{Log: k.opt.Log}))
	server := httptest.NewServer(apigwsim.Gateway{}.Handler(function.Invoke))
	k.Cleanup(server.Close)
	return server
}

// TestVoiceEventSource: a browser's EventSource, which can send no header of its own,
// follows a dialogue to its end, by a true stream and behind API Gateway, while another
// process appends. It gets every event once, in order, and does not come back.
func TestVoiceEventSource(t *testing.T) {
	k := newTalk(t)
	direct := httptest.NewServer(k.handler)
	defer direct.Close()
	for name, server := range map[string]*httptest.Server{
		"direct":  direct,
		"gateway": k.gateway(func(o *voice.Options) { o.BufferedWait = 20 * time.Millisecond }),
	} {
		t.Run(name, func(t *testing.T) {
			path, id, key := k.begin()
			const count = 40
			wrote := make(chan error, 1)
			other := k.process()
			var read atomic.Int64 // events that have arrived
			go func() { wrote <- k.write(other, path, count, &read) }()
			source := voicetest.Source{URL: server.URL + "/api/voice/open-stream?dialogueId=" + id + "&streamKey=" + key,
				Client: server.Client(), MaxRetry: time.Millisecond}
			next := 1
			err := source.Run(t.Context(), func(m voicetest.Message) error {
				want := voicetest.Message{ID: fmt.Sprint(next), Event: "textChunk", Data: fmt.Sprintf(`{"n":%d}`, next)}
				if next > count {
					want.Event, want.Data = "done", `{"status":"ended"}`
				}
				switch {
				case m.Event == "ping" && m.Data == "{}":
					return nil
				case m != want:
					return fmt.Errorf("got %q, want %q", m, want)
				}
				next++
				read.Add(1)
				return nil
			})
			if err != nil || next != count+2 {
				t.Errorf("%v, %d events in %d connections", err, next-1, source.Connects)
			}
			if name == "direct" && source.Connects != 2 || name == "gateway" && source.Connects < 5 {
				t.Errorf("%d connections", source.Connects)
			}
			if err := <-wrote; err != nil {
				t.Error(err)
			}
			k.advance(time.Hour)
			if err := source.Run(t.Context(), func(m voicetest.Message) error { return fmt.Errorf("got %q", m) }); !errors.Is(err, voicetest.ErrRefused) {
				t.Errorf("after its time: %v", err)
			}
		})
	}
}

// write appends events to a dialogue of ann, with pauses here and there for its reader
// to have them all, and ends it.
func (k *talk) write(h http.Handler, path string, count int, read *atomic.Int64) error {
	call := func(method, path, body string, status int) error {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+k.tokens["ann"])
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != status {
			return fmt.Errorf("%s %s: %d %s", method, path, rec.Code, rec.Body)
		}
		return nil
	}
	for n := 1; n <= count; n++ {
		if n%8 == 0 {
			for end := time.Now().Add(time.Minute); read.Load() < int64(n-1); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					return fmt.Errorf("event %d does not arrive", n-1)
				}
			}
			time.Sleep(30 * time.Millisecond) // longer than the gateway's answer waits
		}
		if err := call("POST", path+"/events", fmt.Sprintf(`{"event":"textChunk","data":{ "n": %d }}`, n), 201); err != nil {
			return err
		}
	}
	return call("DELETE", path, "", 200)
}

// TestVoiceGatewayWaits: the answer of a stream that nothing happens on comes after 20
// seconds, or a second and a half before Lambda's deadline; with an event at once. The
// time is that of the bubble.
func TestVoiceGatewayWaits(t *testing.T) {
	k := newTalk(t)
	path, id, key := k.begin()
	synctest.Test(t, func(t *testing.T) {
		// What waits has to be made in the bubble.
		d, err := voice.New(voice.Options{State: k.state, Now: k.clock})
		if err != nil {
			t.Fatal(err)
		}
		opt := k.opt
		opt.Voice = d
		function := apigw.Handler(New(opt), apigw.Options{})
		ask := func(deadline time.Duration) (events.APIGatewayV2HTTPResponse, time.Duration) {
			e, err := apigwsim.Gateway{}.Event(httptest.NewRequest("GET", "/api/voice/open-stream?dialogueId="+id+"&streamKey="+key, nil))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			defer cancel()
			began := time.Now()
			resp, err := function(ctx, e)
			if err != nil || resp.StatusCode != 200 || resp.Headers["Content-Type"] != "text/event-stream; charset=utf-8" || resp.IsBase64Encoded {
				t.Fatalf("%+v, %v", resp, err)
			}
			return resp, time.Since(began)
		}
		for deadline, want := range map[time.Duration]time.Duration{29 * time.Second: 20 * time.Second, 10 * time.Second: 8500 * time.Millisecond} {
			resp, took := ask(deadline)
			if took != want || resp.Body != "retry: 250\n\nevent: ping\ndata: {}\n\n" {
				t.Errorf("deadline %v: %q after %v", deadline, resp.Body, took)
			}
		}
		go func() {
			time.Sleep(3500 * time.Millisecond)
			k.must(201, "ann", "POST", path+"/events", `{"event":"textChunk","data":"a"}`) // in another process
		}()
		resp, took := ask(29 * time.Second)
		if took < 3500*time.Millisecond || took > 4500*time.Millisecond || resp.Body != "retry: 250\n\nid: 1\nevent: textChunk\ndata: \"a\"\n\n" {
			t.Errorf("with an event: %q after %v", resp.Body, took)
		}
		if resp, took := ask(29 * time.Second); took != 0 || !strings.Contains(resp.Body, "id: 1\n") {
			t.Errorf("what is there already: %q after %v", resp.Body, took)
		}
	})
}

// TestVoiceStreamAfterTheEnd: who has read the last event of a dialogue that is over gets
// a 204, as the description says; a client that is made from it would take it for a fault.
func TestVoiceStreamAfterTheEnd(t *testing.T) {
	k := newTalk(t)
	path, id, _ := k.begin()
	k.must(200, "ann", "DELETE", path, "")
	stream := "/api/voice/open-stream?dialogueId=" + id
	if res := k.send("ann", "GET", stream, ""); res.Code != 200 || !strings.Contains(res.Body.String(), "event: done") {
		t.Errorf("from the beginning: %d %s", res.Code, res.Body)
	}
	for _, ask := range []struct{ query, last string }{{"", "1"}, {"&after=1", ""}} {
		var header []string
		if ask.last != "" {
			header = []string{"Last-Event-ID", ask.last}
		}
		if res := k.send("ann", "GET", stream+ask.query, "", header...); res.Code != 204 || res.Body.Len() > 0 {
			t.Errorf("%+v: %d %s", ask, res.Code, res.Body)
		}
	}
}
