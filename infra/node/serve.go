package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// shutdownTime is how long requests under way may take once the node was asked to
// end. It leaves time for the stores within the five seconds that Ctrl-C takes.
const shutdownTime = 3 * time.Second

// maxHeader bounds the request line and the headers in bytes. It is above the bound that
// package api has on a query, so that who sends too much of a parameter is told which,
// and not only that the server refuses the request.
const maxHeader = 256 << 10

// listen takes the node's address, which is refused at once if somebody has it.
func listen(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("LISTEN: %s is in use by another program; stop it, or set LISTEN to another address", address)
	case err != nil:
		return nil, fmt.Errorf("LISTEN: %w", err)
	}
	return l, nil
}

// baseURL is where a browser on this machine finds the listener.
func baseURL(l net.Listener) string {
	host := l.Addr().String()
	if a, err := netip.ParseAddrPort(host); err == nil && a.Addr().IsUnspecified() {
		host = net.JoinHostPort("localhost", fmt.Sprint(a.Port()))
	}
	return "http://" + host
}

// serve answers requests until ctx ends, and then those under way, for a while.
// Every step of a request has its time, so that no client can hold a connection
// for ever; the handler bounds the answer itself. ending is called when the end begins,
// for answers that would go on for long.
func serve(ctx context.Context, l net.Listener, h http.Handler, ending func(), log *slog.Logger) error {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	server.RegisterOnShutdown(ending)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	err := server.Shutdown(last)
	if errors.Is(err, context.DeadlineExceeded) {
		log.Warn("requests were cut off: they took too long to end")
		err = server.Close()
	}
	<-failed
	return err
}
