package upstream

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// ErrStarted is returned by a second Start.
var ErrStarted = errors.New("upstream: started twice")

// Server serves a handler on a free port of 127.0.0.1. The zero Server is not
// started; Start and Close are not safe for concurrent use, the rest is.
type Server struct {
	listener net.Listener
	http     *http.Server
	stop     context.CancelFunc
	serving  chan struct{} // closed when the accept loop ended
	conns    sync.WaitGroup
}

// Start listens and serves until Close, with which the contexts of all requests
// end. A handler that returns then may still answer; one that is to be cut panics
// with http.ErrAbortHandler.
func (s *Server) Start(handler http.Handler) error {
	if s.listener != nil {
		return ErrStarted
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.listener, s.stop, s.serving = l, cancel, make(chan struct{})
	s.http = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		// A connection is counted from before its goroutine starts to after
		// its last handler returned, so that Close can wait for all of them.
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				s.conns.Add(1)
			case http.StateClosed:
				s.conns.Done()
			}
		},
	}
	go func() {
		defer close(s.serving)
		// It always ends with ErrServerClosed: by Close.
		_ = s.http.Serve(l)
	}()
	return nil
}

// Address is the host and port of a started server, "" before.
func (s *Server) Address() string {
	if s.listener == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// Close cuts all connections and returns when nothing of the server runs any
// more. It is idempotent, and needless for a server that was not started.
func (s *Server) Close() error {
	if s.http == nil {
		return nil
	}
	s.stop()
	err := s.http.Close()
	<-s.serving
	s.conns.Wait()
	return err
}
