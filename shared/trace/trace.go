// Package trace times the steps of an invocation, for whoever wants to see where its
// time went: a phase of the cycle, a bulk of documents, a call to another service.
//
//	ctx, span := trace.Start(ctx, "settle")
//	defer func() { span.End(err) }()
//
// What records the spans is in the context, or nothing is: then all of this costs a
// look into the context and no allocation. The local node records nothing; only the
// mains of the Lambda functions link the package xray, which puts a Recorder there.
//
// A span is a batch or a call, never a record: spans are bounded in number for each
// invocation, and those over the bound are only counted. Names and keys are constants
// of the program. Nothing that came from outside goes into a span, and of an error only
// its kind (Outcome): a trace is read by more people than the log.
package trace

import "context"

// Service says who does the work of a span.
type Service int

// The services. A Step is our own; a Remote and an AWS call are somebody else's, and
// the map of services shows whom.
const (
	Step Service = iota
	Remote
	AWS
)

// Recorder is one span that is being recorded. Its methods may be called from any
// goroutine and do not wait for a network. After End they do nothing.
type Recorder interface {
	// Start begins a span inside this one. It is not ok when there are too many; it is
	// counted then.
	Start(s Service, name string) (child Recorder, ok bool)
	// Annotate keeps a value, which is a string or an int64.
	Annotate(key string, value any)
	// Call keeps what was asked of another service; the last one counts.
	Call(c Call)
	// End ends the span; the first End counts. What is still open inside of it ends too.
	End(o Outcome)
}

// Call says what was asked of another service and what came of it. Fields that are
// not known stay empty.
type Call struct {
	// Method is that of HTTP, Host the host without path and query, which may hold
	// what nobody else should read.
	Method, Host string
	// Status is that of HTTP.
	Status int
	// Operation, Region and RequestID are those of an AWS service.
	Operation, Region, RequestID string
	// Retries is how often the call was repeated.
	Retries int
}

// Span is a step under way. The zero Span records nothing. Copies are the same span.
type Span struct{ recorder Recorder }

// key is the context's key of the innermost Recorder.
type key struct{}

// Into puts a Recorder into the context; it is for those who implement it.
func Into(ctx context.Context, r Recorder) context.Context {
	return context.WithValue(ctx, key{}, r)
}

// Current is the innermost span of the context.
func Current(ctx context.Context) Span {
	r, _ := ctx.Value(key{}).(Recorder)
	return Span{r}
}

// Start begins a step of our own inside the innermost span of the context. Whoever
// starts a span ends it, on every path.
func Start(ctx context.Context, name string) (context.Context, Span) {
	return StartCall(ctx, Step, name)
}

// StartCall begins a call to another service; name is the service's.
func StartCall(ctx context.Context, s Service, name string) (context.Context, Span) {
	span := Current(ctx).start(s, name)
	if span.recorder == nil {
		return ctx, span
	}
	return Into(ctx, span.recorder), span
}

func (s Span) start(service Service, name string) Span {
	if s.recorder == nil {
		return s
	}
	r, ok := s.recorder.Start(service, name)
	if !ok {
		return Span{}
	}
	return Span{r}
}

// Recording reports whether the span goes anywhere, for callers to whom it is work to
// find out what they would annotate.
func (s Span) Recording() bool { return s.recorder != nil }

// Annotate keeps a word of the program, such as the name of a phase, under a key of
// letters, digits and underscores. Anything but printable ASCII is replaced, and what
// is over 100 bytes is cut off.
func (s Span) Annotate(key, value string) {
	if s.recorder != nil {
		s.recorder.Annotate(key, clip(value))
	}
}

// Count keeps a number.
func (s Span) Count(key string, n int64) {
	if s.recorder != nil {
		s.recorder.Annotate(key, n)
	}
}

// Call keeps what was asked of another service.
func (s Span) Call(c Call) {
	if s.recorder != nil {
		c.Method, c.Host = clip(c.Method), clip(c.Host)
		c.Operation, c.Region, c.RequestID = clip(c.Operation), clip(c.Region), clip(c.RequestID)
		s.recorder.Call(c)
	}
}

// End ends the span with the kind of the error; the first End counts.
func (s Span) End(err error) {
	if s.recorder != nil {
		s.recorder.End(OutcomeOf(err))
	}
}

// Panicked ends the span of code that did not return. It is deferred by those whose
// panics somebody above recovers from.
func (s Span) Panicked() {
	if s.recorder != nil {
		s.recorder.End(Outcome{CodePanic, Fault})
	}
}

// maxText bounds a value in bytes.
const maxText = 100

// clip bounds a text and makes it printable ASCII.
func clip(text string) string {
	text = text[:min(len(text), maxText)]
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			b := []byte(text)
			for j := i; j < len(b); j++ {
				if b[j] < ' ' || b[j] > '~' {
					b[j] = '_'
				}
			}
			return string(b)
		}
	}
	return text
}
