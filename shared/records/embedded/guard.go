package embedded

import (
	"fmt"
	"log/slog"
	"runtime/debug"
)

// guard turns a panic over damaged files into ErrCorrupt. bbolt and bleve read
// memory-mapped files and trust what they find there: a flipped bit ends in an
// index out of range, a truncated file in a fault of the memory access. Neither
// may end the process. Use it as: defer guard(log, &err)().
func guard(log *slog.Logger, err *error) func() {
	faults := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(faults)
		if p := recover(); p != nil {
			*err = fmt.Errorf("%w: %v", ErrCorrupt, p)
			log.Error("panic in the record store", "panic", p, "stack", string(debug.Stack()))
		}
	}
}
