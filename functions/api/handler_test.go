package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"oipnode/shared/config"
	"oipnode/shared/function"
	"oipnode/shared/pace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestOperations: what is free on the operator's own machine is not so here.
func TestOperations(t *testing.T) {
	for set, want := range map[config.Operations]config.Operations{
		config.OperationsLoopback: config.OperationsAdmin, config.OperationsAdmin: config.OperationsAdmin, config.OperationsOpen: config.OperationsOpen,
	} {
		if got := operations(set); got != want {
			t.Errorf("%s becomes %s, want %s", set, got, want)
		}
	}
}

// sent keeps what is sent to a queue.
type sent struct {
	bodies []string
	err    error
}

func (s *sent) Send(_ context.Context, body []byte, delay time.Duration) (string, error) {
	s.bodies = append(s.bodies, string(body))
	if delay != 0 {
		return "", errors.New("a wish that waits")
	}
	return "", s.err
}

// TestGunSync: there is a sync where there is something to synchronize with, and a wish
// for a pass is a message that the function gunsync understands.
func TestGunSync(t *testing.T) {
	l := &lazy{parts: &function.Parts{}}
	if l.gunSync(function.Stores{}) != nil {
		t.Error("a sync with nobody")
	}
	l.parts.Config.Gun = config.Gun{Enabled: true, Peers: []string{"ws://peer.invalid/gun"}}
	sync := l.gunSync(function.Stores{})
	if sync == nil || len(sync.Settings.Peers) != 1 {
		t.Fatalf("%+v", sync)
	}
	if err := sync.Force(t.Context()); err == nil {
		t.Error("a wish without a queue was granted")
	}
	queue := &sent{}
	l.queue = queue
	if err := sync.Force(t.Context()); err != nil || len(queue.bodies) != 1 {
		t.Fatalf("%q, %v", queue.bodies, err)
	}
	if m, err := pace.Parse([]byte(queue.bodies[0])); err != nil || !m.Force {
		t.Errorf("%+v, %v", m, err)
	}
	queue.err = errors.New("the queue is away")
	if err := sync.Force(t.Context()); !errors.Is(err, queue.err) {
		t.Errorf("%v", err)
	}
}
