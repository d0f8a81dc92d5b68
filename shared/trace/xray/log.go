package xray

import (
	"fmt"
	"log/slog"
	"sync/atomic"

	sdk "github.com/aws/aws-xray-sdk-go/xray"
	"github.com/aws/aws-xray-sdk-go/xraylog"
)

// The SDK would write to standard output, where the metrics go, and says that its logger
// is to be set by an init function.
func init() { sdk.SetLogger(&lost) }

// Log says where it is reported, once in a process, that spans do not get to the daemon.
// Without it nothing is said.
func Log(log *slog.Logger) { lost.log.Store(log) }

// lost is the SDK's logger. What the SDK says of itself is not kept.
var lost failures

type failures struct {
	log atomic.Pointer[slog.Logger]
}

// Log takes a message of the SDK.
func (f *failures) Log(level xraylog.LogLevel, message fmt.Stringer) {
	if level < xraylog.LogLevelError {
		return
	}
	if log := f.log.Swap(nil); log != nil {
		log.Warn("spans are lost on their way to the X-Ray daemon; this is said once", "error", message.String())
	}
}
