package xray

import (
	"cmp"
	"context"
	"slices"
	"sync"

	sdk "github.com/aws/aws-xray-sdk-go/xray"

	"oipnode/shared/trace"
)

const (
	// maxSpans bounds the spans of an invocation, besides its own.
	maxSpans = 90
	// maxSpansOfName bounds those of one name, so that a step that is done often
	// leaves room for the others.
	maxSpansOfName = 20
	// maxNames bounds the names that are counted apart when their spans are dropped;
	// the rest is counted under otherNames.
	maxNames   = 20
	otherNames = "others"
	// maxIndexed is how many annotations below the invocation's own are indexed: X-Ray
	// takes fifty for a trace. Further ones are metadata, which can be read but not
	// searched for.
	maxIndexed = 40
	// maxValues bounds the annotations of one span.
	maxValues = 10
)

// invocation is what the spans of one invocation share. Its lock guards all of their
// fields, and is held while one is sent, so that a span is sent once, after its last
// annotation, and before its parent. Sending is one system call that does not wait.
type invocation struct {
	mu      sync.Mutex
	begun   int
	ofName  map[string]int // begun spans; maxSpans bounds it
	open    map[*span]struct{}
	indexed int
	dropped int
	// droppedOf counts the dropped spans by name.
	droppedOf map[string]int
}

// span is a subsegment. It implements trace.Recorder.
type span struct {
	in      *invocation
	parent  *span // nil for that of the invocation
	depth   int
	segment *sdk.Segment
	ended   bool
	values  int
}

func newInvocation(segment *sdk.Segment) *span {
	in := &invocation{ofName: make(map[string]int), open: make(map[*span]struct{})}
	s := &span{in: in, segment: segment}
	in.open[s] = struct{}{}
	return s
}

// Start begins a span inside this one.
func (s *span) Start(service trace.Service, name string) (trace.Recorder, bool) {
	name = cleanName(name)
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	if s.ended {
		return nil, false
	}
	if s.in.begun == maxSpans || s.in.ofName[name] == maxSpansOfName {
		s.in.drop(name)
		return nil, false
	}
	// The SDK finds the parent in a context; the caller's own stays free of it.
	_, segment := sdk.BeginSubsegment(context.WithValue(context.Background(), sdk.ContextKey, s.segment), name)
	switch service {
	case trace.Remote:
		segment.Namespace = "remote"
	case trace.AWS:
		segment.Namespace = "aws"
	}
	child := &span{in: s.in, parent: s, depth: s.depth + 1, segment: segment}
	s.in.begun++
	s.in.ofName[name]++
	s.in.open[child] = struct{}{}
	return child, true
}

// drop counts a span that is not recorded.
func (in *invocation) drop(name string) {
	if in.droppedOf == nil {
		in.droppedOf = make(map[string]int)
	}
	if _, known := in.droppedOf[name]; !known && len(in.droppedOf) >= maxNames {
		name = otherNames
	}
	in.dropped++
	in.droppedOf[name]++
}

// Annotate keeps a value.
func (s *span) Annotate(key string, value any) {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	if !s.ended && s.values < maxValues {
		s.values++
		s.annotate(key, value)
	}
}

// annotate puts a value among the indexed ones while there is room.
func (s *span) annotate(key string, value any) {
	if n, ok := value.(int64); ok {
		value = int(n) // the SDK refuses other integers
	}
	key = cleanKey(key)
	if s.parent != nil {
		if s.in.indexed == maxIndexed {
			_ = s.segment.AddMetadata(key, value) // never fails
			return
		}
		s.in.indexed++
	}
	_ = s.segment.AddAnnotation(key, value) // fails for other types only
}

// Call keeps what was asked of another service.
func (s *span) Call(c trace.Call) {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	if s.ended {
		return
	}
	if c.Method != "" || c.Status != 0 {
		s.segment.HTTP = &sdk.HTTPData{}
	}
	if c.Method != "" {
		s.segment.HTTP.Request = &sdk.RequestData{Method: c.Method, URL: c.Host}
	}
	if c.Status != 0 {
		s.segment.HTTP.Response = &sdk.ResponseData{Status: c.Status}
	}
	if c.Operation != "" {
		about := map[string]any{"operation": c.Operation}
		for key, value := range map[string]string{"region": c.Region, "request_id": c.RequestID} {
			if value != "" {
				about[key] = value
			}
		}
		if c.Retries > 0 {
			about["retries"] = c.Retries
		}
		s.segment.AWS = about
	}
}

// End sends the span, and before it those inside it that are still open.
func (s *span) End(o trace.Outcome) {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	if s.ended {
		return
	}
	for _, inner := range s.openInside() {
		inner.send(trace.Outcome{Code: trace.CodeUnfinished})
	}
	if s.parent == nil && s.in.dropped > 0 {
		s.annotate("dropped", s.in.dropped)
		_ = s.segment.AddMetadata("dropped", s.in.droppedOf) // never fails
	}
	s.send(o)
}

// openInside are the open spans below this one, the innermost first.
func (s *span) openInside() []*span {
	var inside []*span
	for other := range s.in.open {
		for p := other.parent; p != nil; p = p.parent {
			if p == s {
				inside = append(inside, other)
				break
			}
		}
	}
	slices.SortFunc(inside, func(a, b *span) int { return cmp.Compare(b.depth, a.depth) })
	return inside
}

// send sends the span, which has nothing open inside.
func (s *span) send(o trace.Outcome) {
	s.ended = true
	delete(s.in.open, s)
	if o.Code != "" {
		s.annotate("outcome", o.Code)
	}
	switch o.Blame {
	case trace.Caller:
		s.segment.Error = true
	case trace.Throttled:
		s.segment.Error, s.segment.Throttle = true, true
	case trace.Fault:
		s.segment.Fault = true
	}
	s.segment.CloseAndStream(nil)
}
