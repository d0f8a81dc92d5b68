package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// watchEvery is how often the memory of a process is looked at. A peak between two
// looks is found in the kernel's account at the end of the invocation.
const watchEvery = 10 * time.Millisecond

// Sandbox is one process of a function. Invoke may be called from one goroutine at a
// time; Close from any.
type Sandbox struct {
	function Function
	cmd      *exec.Cmd
	api      *runtimeAPI
	logs     *logs
	init     time.Duration

	exited  chan struct{} // closed when the process has ended, after exitErr is set
	exitErr error
	watched chan struct{} // closed when nobody looks at the memory any more
	invoked bool
	dead    bool          // the process is of no more use
	spent   time.Duration // of processors, as the last result knew it

	mu     sync.Mutex
	killed Status // why we killed it
	peak   int64
	close  sync.Once
	closed chan struct{} // closed when everything has ended
}

// Start starts a process and waits until it asks for its first event. Its error is
// ErrFunction, an *InitError, that of the context, or that of the operating system.
// Nothing is left behind when it fails.
func Start(ctx context.Context, f Function) (*Sandbox, error) {
	f, err := f.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Sandbox{function: f, exited: make(chan struct{}), watched: make(chan struct{}), closed: make(chan struct{})}
	if s.logs, err = newLogs(f.Logs); err != nil {
		return nil, err
	}
	if s.api, err = startAPI(f); err != nil {
		s.logs.close()
		return nil, err
	}
	s.cmd = exec.Command(f.Binary) // ends with Close, not with the context of its start
	s.cmd.Env, s.cmd.Dir = f.environment(s.api.address()), filepath.Dir(f.Binary)
	s.cmd.Stdout, s.cmd.Stderr, s.cmd.SysProcAttr = s.logs.w, s.logs.w, attributes()
	begun := time.Now()
	if err := s.cmd.Start(); err != nil {
		s.api.close()
		s.logs.close()
		return nil, fmt.Errorf("sandbox: start: %w", err)
	}
	go func() {
		s.exitErr = s.cmd.Wait()
		close(s.exited)
	}()
	go s.watch()

	limit := time.NewTimer(f.InitTimeout)
	defer limit.Stop()
	select {
	case <-s.api.asked:
		s.init = time.Since(begun)
		return s, nil
	case e := <-s.api.unable:
		err = e
	case <-s.exited:
		err = s.whyNotStarted()
	case <-limit.C:
		err = &InitError{Type: "Sandbox.Timedout", Message: fmt.Sprintf("Init timed out after %.2f seconds", f.InitTimeout.Seconds())}
	case <-ctx.Done():
		err = ctx.Err()
	}
	var failed *InitError
	if errors.As(err, &failed) {
		failed.Init = time.Since(begun)
		s.note("INIT_REPORT Init Duration: %.2f ms\tPhase: init\tStatus: error\tError Type: %s", ms(failed.Init), failed.Type)
	}
	s.Close()
	return nil, err
}

// whyNotStarted words the end of a process that never asked for an event. What it
// said itself comes first: the process often ends before we have looked.
func (s *Sandbox) whyNotStarted() error {
	select {
	case e := <-s.api.unable:
		return e
	default:
	}
	kind, message := s.ending()
	return &InitError{Type: kind, Message: message}
}

// ending words the end of the process as Lambda does.
func (s *Sandbox) ending() (kind, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.killed == StatusMemory {
		return "Runtime.OutOfMemory", "Error: Runtime exited with error: signal: killed"
	}
	if s.exitErr != nil {
		return "Runtime.ExitError", "Error: Runtime exited with error: " + s.exitErr.Error()
	}
	return "Runtime.ExitError", "Error: Runtime exited without providing a reason"
}

// watch looks at the memory until the process has ended.
func (s *Sandbox) watch() {
	defer close(s.watched)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		s.measure()
		select {
		case <-tick.C:
		case <-s.exited:
			return
		}
	}
}

// measure notes the memory, and kills the process when it is too much.
func (s *Sandbox) measure() {
	_, peak, ok := memory(s.cmd.Process.Pid)
	if !ok {
		return
	}
	s.mu.Lock()
	s.peak = max(s.peak, peak)
	s.mu.Unlock()
	if peak > s.function.Memory<<20 {
		s.kill(StatusMemory)
	}
}

// kill ends the process; the first reason counts.
func (s *Sandbox) kill(why Status) {
	select {
	case <-s.exited: // its number may be another process's by now
		return
	default:
	}
	s.mu.Lock()
	if s.killed == "" {
		s.killed = why
	}
	s.mu.Unlock()
	killGroup(s.cmd.Process)
}

// Alive reports whether the process can take another event.
func (s *Sandbox) Alive() bool {
	select {
	case <-s.exited:
		return false
	default:
		return !s.dead
	}
}

// Invoke hands an event over and waits for the answer and until the process is idle
// again, or has ended. The logs of the invocation are with the writer by then, in the
// lines START, END and REPORT that Lambda puts around them.
//
// Whatever the function does is a Result. The error is ErrEventTooLarge, ErrClosed,
// or that of the context, whose end kills the process.
func (s *Sandbox) Invoke(ctx context.Context, event []byte) (Result, error) {
	if len(event) > MaxEvent {
		return Result{}, ErrEventTooLarge
	}
	if !s.Alive() {
		return Result{}, ErrClosed
	}
	r := Result{RequestID: newID(), Cold: !s.invoked}
	if r.Cold {
		r.Init = s.init
	}
	s.invoked = true
	s.note("START RequestId: %s Version: $LATEST", r.RequestID)
	begun := time.Now()
	inv := &invocation{id: r.RequestID, trace: newTrace(s.function.traced()), event: event, deadline: begun.Add(s.function.Timeout), answer: make(chan answer, 1)}
	limit := time.NewTimer(s.function.Timeout)
	defer limit.Stop()

	answered := false
	if err := s.api.hand(inv, s.exited); err == nil {
		answered, err = s.wait(ctx, inv, limit, &r, begun)
		if err != nil {
			s.kill("")
			s.dead = true
			return Result{}, err
		}
	}
	if s.Alive() {
		s.measure()
		if all, ok := processor(s.cmd.Process.Pid); ok {
			r.Processor, s.spent = all-s.spent, all
		}
	}
	s.settle(&r, answered, time.Since(begun))
	s.logs.drain()
	if r.Status == StatusTimeout {
		s.note("%s Task timed out after %.2f seconds", r.RequestID, s.function.Timeout.Seconds())
	}
	s.note("END RequestId: %s", r.RequestID)
	s.note("%s", r.report(s.function))
	return r, nil
}

// note writes a line of the platform into the function's log. It goes the way of the
// function's own lines, so the order is right.
func (s *Sandbox) note(format string, args ...any) {
	_, _ = fmt.Fprintf(s.logs.w, format+"\n", args...) // a log that nobody takes is no fault of the invocation
	s.logs.drain()
}

// wait takes the answer, and then the process's next request for an event, or its
// end. It reports whether there was an answer; its error is that of the context.
func (s *Sandbox) wait(ctx context.Context, inv *invocation, limit *time.Timer, r *Result, begun time.Time) (answered bool, err error) {
	take := func(a answer) {
		answered, r.Payload, r.Status, r.Duration = true, a.payload, StatusOK, time.Since(begun)
		if a.failed {
			r.Status = StatusError
		}
	}
	for {
		answers, idle := inv.answer, s.api.asked
		if answered {
			answers = nil
		} else {
			idle = nil
		}
		select {
		case a := <-answers:
			take(a)
		case <-idle:
			return true, nil
		case <-s.exited:
			s.dead = true
			select {
			case a := <-answers: // the last that it did
				take(a)
			default:
			}
			return answered, nil
		case <-limit.C:
			s.kill(StatusTimeout)
			s.dead = true
			<-s.exited
			return answered, nil
		case <-ctx.Done():
			return answered, ctx.Err()
		}
	}
}

// settle completes the result: what we killed the process for comes before what it
// said itself, but a whole answer stands when the process ended behind it.
func (s *Sandbox) settle(r *Result, answered bool, took time.Duration) {
	s.mu.Lock()
	killed := s.killed
	r.PeakMemory = s.peak
	s.mu.Unlock()
	if killed == StatusMemory {
		<-s.exited
		s.dead = true
	}
	switch {
	case killed == StatusTimeout && !answered:
		r.Status, r.Duration = StatusTimeout, took
		r.Payload = fault("Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", r.RequestID, s.function.Timeout.Seconds()))
	case killed == StatusMemory:
		r.Status, r.Duration = StatusMemory, took
		kind, message := s.ending()
		r.Payload = fault(kind, "RequestId: "+r.RequestID+" "+message)
	case !answered:
		r.Status, r.Duration = StatusError, took
		kind, message := s.ending()
		r.Payload = fault(kind, "RequestId: "+r.RequestID+" "+message)
	}
}

// Exit is the exit code of a process that has ended, and whether it ended by itself and
// was not killed. It is known behind Close.
func (s *Sandbox) Exit() (code int, ok bool) {
	select {
	case <-s.exited:
	default:
		return 0, false
	}
	if s.cmd.ProcessState == nil || !s.cmd.ProcessState.Exited() {
		return 0, false
	}
	return s.cmd.ProcessState.ExitCode(), true
}

// Close ends the process and waits until it is gone. A process that has registered an
// extension gets a SIGTERM and half a second, as on Lambda; others are killed.
func (s *Sandbox) Close() {
	s.close.Do(func() {
		if s.api.wantsTerm.Load() {
			_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
			last := time.NewTimer(shutdownTime)
			select {
			case <-s.exited:
			case <-last.C:
			}
			last.Stop()
		}
		s.kill("")
		<-s.exited
		<-s.watched
		s.api.close()
		s.logs.close()
		close(s.closed)
	})
	<-s.closed
}
