package sandbox

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Status is how an invocation ended.
type Status string

// The statuses. After StatusError the process may still be there, or not.
const (
	StatusOK      Status = "success"
	StatusError   Status = "error"         // the function returned an error, panicked or exited
	StatusTimeout Status = "timeout"       // killed at its timeout
	StatusMemory  Status = "out of memory" // killed because it used more than its memory
)

// Result is an invocation that took place, with whatever outcome.
type Result struct {
	RequestID string
	Status    Status
	// Payload is the answer, or the error as Lambda words it:
	// {"errorType","errorMessage"}.
	Payload []byte
	// Cold is set for the first event of a process.
	Cold bool
	// Init is how long the process took from its start until it asked for its first
	// event. It is 0 when the invocation was not cold.
	Init time.Duration
	// Duration is the time from handing the event over to the answer.
	Duration time.Duration
	// PeakMemory is the most resident memory in bytes that the process has had since
	// its start; 0 where it cannot be measured.
	PeakMemory int64
	// Processor is the time of processors that the process has used since the result
	// before this one, in steps of 10 ms; 0 where it cannot be measured, and when the
	// process has ended.
	Processor time.Duration
}

// report is the line that Lambda writes into the log after an invocation.
func (r Result) report(f Function) string {
	used := "unknown"
	if r.PeakMemory > 0 {
		used = fmt.Sprintf("%d MB", (r.PeakMemory+1<<20-1)>>20)
	}
	// The time for the start is billed, too.
	line := fmt.Sprintf("REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %.0f ms\tMemory Size: %d MB\tMax Memory Used: %s",
		r.RequestID, ms(r.Duration), math.Ceil(ms(r.Duration+r.Init)), f.Memory, used)
	if r.Cold {
		line += fmt.Sprintf("\tInit Duration: %.2f ms", ms(r.Init))
	}
	if r.Status != StatusOK {
		line += "\tStatus: " + string(r.Status)
	}
	return line
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// InitError means that a process did not come as far as to ask for an event. Type
// and Message are what it said itself, or what Lambda would say about it.
type InitError struct {
	Type, Message string
	// Init is the time that it took.
	Init time.Duration
}

func (e *InitError) Error() string {
	return fmt.Sprintf("sandbox: the function does not start: %s: %s", e.Type, e.Message)
}

// Payload is the error as Lambda answers it.
func (e *InitError) Payload() []byte { return fault(e.Type, e.Message) }

// fault is an error in the form of Lambda.
func fault(kind, message string) []byte {
	text, err := json.Marshal(struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}{kind, message})
	if err != nil { // two texts always encode
		panic(err)
	}
	return text
}
