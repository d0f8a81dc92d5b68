package sandbox

import (
	"context"
	"sync"
)

// Pool runs a function in up to a number of processes, each with one event at a time.
// They are started when they are needed and kept until Close, as Lambda does for a
// while. All methods are safe for concurrent use.
type Pool struct {
	function Function
	slots    chan struct{}
	// ctx is that of all invocations: they go on when their caller has gone.
	ctx    context.Context
	cancel context.CancelFunc
	runs   sync.WaitGroup

	mu     sync.Mutex
	idle   []*Sandbox
	closed bool
}

// NewPool makes a pool of at most size processes, at least 1. It is to be closed.
func NewPool(f Function, size int) *Pool {
	ctx, cancel := context.WithCancel(context.Background())
	return &Pool{function: f, slots: make(chan struct{}, max(size, 1)), ctx: ctx, cancel: cancel}
}

type run struct {
	result Result
	err    error
}

// Invoke runs an event in a process that is idle, or in a new one, or waits until
// there is one. When the context ends its error is returned; an invocation that has
// begun then goes on without the caller, as on Lambda. Other errors are those of
// Start and of Sandbox.Invoke.
func (p *Pool) Invoke(ctx context.Context, event []byte) (Result, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return Result{}, ctx.Err()
	case <-p.ctx.Done():
		return Result{}, ErrClosed
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		<-p.slots
		return Result{}, ErrClosed
	}
	p.runs.Add(1)
	p.mu.Unlock()

	ended := make(chan run, 1)
	go func() {
		defer p.runs.Done()
		defer func() { <-p.slots }()
		r, err := p.run(event)
		ended <- run{r, err}
	}()
	select {
	case r := <-ended:
		return r.result, r.err
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
}

func (p *Pool) run(event []byte) (Result, error) {
	s := p.take()
	if s == nil {
		var err error
		if s, err = Start(p.ctx, p.function); err != nil {
			return Result{}, err
		}
	}
	r, err := s.Invoke(p.ctx, event)
	if !p.put(s) {
		s.Close()
	}
	return r, err
}

// take gives the process that was idle last, which is the most likely to be warm in
// every cache, and ends those that have died.
func (p *Pool) take() *Sandbox {
	for {
		p.mu.Lock()
		n := len(p.idle)
		if n == 0 {
			p.mu.Unlock()
			return nil
		}
		s := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		if s.Alive() {
			return s
		}
		s.Close()
	}
}

// put keeps a process that can go on. It reports false when nobody will need it.
func (p *Pool) put(s *Sandbox) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || !s.Alive() {
		return false
	}
	p.idle = append(p.idle, s)
	return true
}

// Close ends all processes, also those with an invocation under way, whose callers
// get an error, and waits until they are gone.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	p.cancel()
	var ends sync.WaitGroup
	for _, s := range idle {
		ends.Go(s.Close)
	}
	ends.Wait()
	p.runs.Wait()
}
