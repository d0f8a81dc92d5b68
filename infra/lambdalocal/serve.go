package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"oipnode/infra/lambdalocal/sandbox"
	"oipnode/shared/apigw/apigwsim"
)

// shutdownTime is how long requests under way may take once we were asked to end.
const shutdownTime = 3 * time.Second

func serve(ctx context.Context, args []string, std streams, environ []string) error {
	s := newSettings("serve", std)
	address := s.set.String("listen", "127.0.0.1:3000", "`address` to serve at; port 0 chooses a free one")
	size := s.set.Int("concurrency", 10, "how many processes there are at most")
	var gateway apigwsim.Gateway
	s.set.StringVar(&gateway.Stage, "stage", "$default", "`name` of the gateway's stage")
	s.set.BoolVar(&gateway.EncodedPath, "encoded-path", false, "leave paths as they come, like a function URL; an HTTP API decodes them")
	if err := s.parse(args, environ); err != nil {
		return err
	}
	if *size < 1 {
		return fmt.Errorf("%w: -concurrency is %d", errUsage, *size)
	}
	log := slog.New(slog.NewTextHandler(std.err, nil))
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", *address)
	if err != nil {
		return fmt.Errorf("%w: -listen: %w", errUsage, err)
	}
	pool := sandbox.NewPool(s.function, *size)
	defer pool.Close()
	server := &http.Server{
		Handler: gateway.Handler(func(ctx context.Context, event []byte) ([]byte, error) {
			r, err := pool.Invoke(ctx, event)
			switch {
			case errors.Is(err, sandbox.ErrEventTooLarge):
				return nil, apigwsim.ErrBodyTooLarge
			case err != nil:
				log.Error("the function was not run", "error", err)
				return nil, err
			case r.Status != sandbox.StatusOK:
				log.Error("the function failed", "status", string(r.Status), "request", r.RequestID, "answer", string(r.Payload[:min(len(r.Payload), 2000)]))
				return nil, errFunction
			}
			return r.Payload, nil
		}),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		// The gateway takes ten kilobytes of headers.
		MaxHeaderBytes: 10 << 10,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	log.Info("serving", "url", "http://"+l.Addr().String())
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if err = server.Shutdown(last); errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	<-failed
	return err
}
