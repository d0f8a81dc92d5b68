package sandbox

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// invocation is one event on its way through the process.
type invocation struct {
	id, trace string
	event     []byte
	deadline  time.Time
	answered  bool        // guarded by runtimeAPI.mu
	answer    chan answer // gets one
}

type answer struct {
	payload []byte
	failed  bool
}

// runtimeAPI is the HTTP server that the process asks for its work.
type runtimeAPI struct {
	function Function
	listener net.Listener
	server   *http.Server
	calls    sync.WaitGroup
	served   chan struct{} // closed when the server has ended

	// asked gets a token when the process asks for an event: it is idle then.
	asked chan struct{}
	work  chan *invocation
	// unable gets what the process says when it cannot start.
	unable chan *InitError
	// wantsTerm is set when the process has registered an extension: such processes
	// get a SIGTERM before they are killed.
	wantsTerm atomic.Bool

	mu      sync.Mutex
	current *invocation
	closing bool
}

func startAPI(f Function) (*runtimeAPI, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("sandbox: runtime API: %w", err)
	}
	a := &runtimeAPI{
		function: f, listener: l, served: make(chan struct{}),
		asked: make(chan struct{}, 1), work: make(chan *invocation), unable: make(chan *InitError, 1),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", a.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) { a.finish(w, r, false) })
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) { a.finish(w, r, true) })
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", a.initError)
	mux.HandleFunc("POST /2020-01-01/extension/register", a.register)
	mux.HandleFunc("GET /2020-01-01/extension/event/next", a.extensionNext)
	a.server = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if a.begin() {
				defer a.calls.Done()
				mux.ServeHTTP(w, r)
			}
		}),
		ReadHeaderTimeout: 10 * time.Second,
	}
	go func() {
		defer close(a.served)
		_ = a.server.Serve(l) // ends with close
	}()
	return a, nil
}

func (a *runtimeAPI) address() string { return a.listener.Addr().String() }

// begin counts a call, unless the server is being closed: nobody waits for it then.
func (a *runtimeAPI) begin() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closing {
		a.calls.Add(1)
	}
	return !a.closing
}

// close ends the server. The process must be gone, so that no call is under way.
func (a *runtimeAPI) close() {
	a.mu.Lock()
	a.closing = true
	a.mu.Unlock()
	_ = a.server.Close() // nobody is left to tell
	<-a.served
	a.calls.Wait()
}

// next blocks until there is an event, for as long as it takes.
func (a *runtimeAPI) next(w http.ResponseWriter, r *http.Request) {
	select {
	case a.asked <- struct{}{}:
	default:
	}
	var inv *invocation
	select {
	case inv = <-a.work:
	case <-r.Context().Done():
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", a.function.arn())
	h.Set("Lambda-Runtime-Trace-Id", inv.trace)
	_, _ = w.Write(inv.event) // the process may be dying; that is noticed elsewhere
}

// finish takes an answer or an error for the current event, once.
func (a *runtimeAPI) finish(w http.ResponseWriter, r *http.Request, failed bool) {
	payload, err := io.ReadAll(io.LimitReader(r.Body, MaxResponse+1))
	if err != nil {
		return // the process died over it
	}
	a.mu.Lock()
	inv := a.current
	known := inv != nil && inv.id == r.PathValue("id")
	first := known && !inv.answered
	if first {
		inv.answered = true
	}
	a.mu.Unlock()
	switch {
	case !known:
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
	case !first:
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "The event has been answered already")
	case len(payload) > MaxResponse:
		message := fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", MaxResponse)
		inv.answer <- answer{fault("Function.ResponseSizeTooLarge", message), true}
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", message)
	default:
		// A runtime that fails in the middle of an answer says so behind it.
		if kind := r.Trailer.Get("Lambda-Runtime-Function-Error-Type"); kind != "" {
			payload, failed = fault(kind, "the function failed in the middle of its answer"), true
		}
		inv.answer <- answer{payload, failed}
		accept(w)
	}
}

func (a *runtimeAPI) initError(w http.ResponseWriter, r *http.Request) {
	e := &InitError{Type: r.Header.Get("Lambda-Runtime-Function-Error-Type"), Message: "no reason was given"}
	var said struct{ ErrorType, ErrorMessage string }
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&said); err == nil && said.ErrorMessage != "" {
		e.Message = said.ErrorMessage
		if said.ErrorType != "" {
			e.Type = said.ErrorType
		}
	}
	if e.Type == "" {
		e.Type = "Runtime.Unknown"
	}
	select {
	case a.unable <- e:
		accept(w)
	default:
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "The start has failed already")
	}
}

// register makes an extension of the process known. Its name and its events do not
// matter here.
func (a *runtimeAPI) register(w http.ResponseWriter, _ *http.Request) {
	a.wantsTerm.Store(true)
	w.Header().Set("Lambda-Extension-Identifier", newID())
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"functionName":%q,"functionVersion":"$LATEST","handler":"bootstrap"}`, a.function.Name)
}

// extensionNext never has an event: extensions that want some are not run here.
func (a *runtimeAPI) extensionNext(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func accept(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`) // the process may be gone
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(fault(kind, message)) // the process may be gone
}

// hand makes an event the current one. The process gets it when it asks, which the
// caller has seen it do.
func (a *runtimeAPI) hand(inv *invocation, gone <-chan struct{}) error {
	a.mu.Lock()
	a.current = inv
	a.mu.Unlock()
	select {
	case a.work <- inv:
		return nil
	case <-gone:
		return errGone
	}
}

var errGone = errors.New("sandbox: the process has ended")

// newID is a random UUID.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// newTrace is the header that X-Ray continues.
func newTrace(sampled bool) string {
	var b [20]byte
	_, _ = rand.Read(b[:]) // never fails
	yes := 0
	if sampled {
		yes = 1
	}
	return fmt.Sprintf("Root=1-%08x-%x;Parent=%x;Sampled=%d", time.Now().Unix(), b[:12], b[12:], yes)
}
