package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"oipnode/shared/access"
	"oipnode/shared/api"
	"oipnode/shared/metrics"
	"oipnode/shared/metrics/prom"
	"oipnode/shared/records"
	"oipnode/shared/state/bolt"
)

// server is the handler as a node has it: with its access log, as JSON lines that go to
// nowhere, and its metrics.
type server struct {
	url     string
	counter *counter
	ended   chan error
	http    *http.Server
	state   *bolt.Store
	dir     string
	log     *os.File
}

// counter passes metrics on and counts the answers that came out of the cache.
type counter struct {
	metrics.Recorder
	hits atomic.Int64
}

func (c *counter) Add(which metrics.Counter, n int64) {
	if which == metrics.CacheHits {
		c.hits.Add(n)
	}
	c.Recorder.Add(which, n)
}

// cacheLife is longer than any measurement.
const cacheLife = time.Hour

// serve starts the handler over a store, with so much room for answers.
func serve(ctx context.Context, store records.Store, cacheBytes int64) (s *server, err error) {
	s = &server{counter: &counter{Recorder: prom.New()}, ended: make(chan error, 1)}
	var undo []func() error
	defer func() {
		if err != nil {
			for _, u := range undo {
				err = errors.Join(err, u())
			}
		}
	}()
	if s.dir, err = os.MkdirTemp("", "benchapi"); err != nil {
		return nil, err
	}
	undo = append(undo, func() error { return os.RemoveAll(s.dir) })
	if s.state, err = bolt.Open(filepath.Join(s.dir, "state.db"), bolt.Options{}); err != nil {
		return nil, err
	}
	undo = append(undo, s.state.Close)
	if s.log, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0); err != nil {
		return nil, err
	}
	undo = append(undo, s.log.Close)
	auth, err := access.NewAuthenticator(access.Settings{})
	if err != nil {
		return nil, err
	}
	handler := api.New(api.Options{
		Records: store, State: s.state, Auth: auth, Version: "benchapi", StartHeight: startHeight,
		CacheBytes: cacheBytes, CacheLife: cacheLife, Metrics: s.counter, Log: slog.New(slog.NewJSONHandler(s.log, nil)),
	})
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.url = "http://" + l.Addr().String()
	// The times of the node's own server: each sets a deadline, which costs something.
	s.http = &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute}
	go func() { s.ended <- s.http.Serve(l) }()
	return s, nil
}

// close ends the server; nobody asks any more.
func (s *server) close() error {
	err := s.http.Close()
	if ended := <-s.ended; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return errors.Join(err, s.state.Close(), s.log.Close(), os.RemoveAll(s.dir))
}

// request is a question as it goes over the wire.
func (s *server) request(query string) ([]byte, error) { return get(s.url + "/api/records?" + query) }

// body is the answer to a question.
func (s *server) body(ctx context.Context, query string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/records?"+query, nil)
	if err != nil {
		return nil, err
	}
	r.Close = true
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.300s", query, res.Status, body)
	}
	return body, err
}
