package trace_test

import (
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"oipnode/shared/trace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kept is a Recorder that keeps what it is told.
type kept struct {
	mu       *sync.Mutex
	service  trace.Service
	name     string
	notes    map[string]any
	call     trace.Call
	ends     []trace.Outcome
	children []*kept
	full     bool // takes no more children
}

func newKept() *kept { return &kept{mu: new(sync.Mutex), notes: make(map[string]any)} }

func (k *kept) Start(s trace.Service, name string) (trace.Recorder, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.full {
		return nil, false
	}
	child := &kept{mu: k.mu, service: s, name: name, notes: make(map[string]any)}
	k.children = append(k.children, child)
	return child, true
}

func (k *kept) Annotate(key string, value any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.notes[key] = value
}

func (k *kept) Call(c trace.Call) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.call = c
}

func (k *kept) End(o trace.Outcome) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ends = append(k.ends, o)
}

// outcome is the first end, which is the one that counts.
func (k *kept) outcome(t *testing.T) trace.Outcome {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.ends) == 0 {
		t.Fatalf("the span %q has not ended", k.name)
	}
	return k.ends[0]
}

// only is the only child.
func (k *kept) only(t *testing.T) *kept {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.children) != 1 {
		t.Fatalf("%d spans, want 1", len(k.children))
	}
	return k.children[0]
}

func (k *kept) names() []string {
	var names []string
	for _, c := range k.children {
		names = append(names, c.name)
	}
	slices.Sort(names)
	return names
}
