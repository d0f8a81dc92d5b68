// Package sandbox runs the bootstrap binary of a Lambda function without AWS: it is
// the execution environment, with the runtime API of 2018-06-01 that the binary asks
// for its events, and that much of the extensions API that aws-lambda-go needs to get
// a SIGTERM.
//
// A Sandbox is one process and handles one event at a time, like Lambda's; a Pool has
// several. The function's timeout and memory are enforced: whoever goes over them is
// killed, and the result says so in Lambda's words.
package sandbox

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// MaxEvent is the largest event in bytes that Lambda takes.
	MaxEvent = 6 << 20
	// MaxResponse is the largest response in bytes; Lambda adds a hundred to 6 MiB.
	MaxResponse = 6<<20 + 100
	// DefaultTimeout and DefaultMemory (in MiB) are those of a new function.
	DefaultTimeout = 3 * time.Second
	DefaultMemory  = 128
	// MaxTimeout is the longest timeout that a function can have.
	MaxTimeout = 15 * time.Minute
	// InitTimeout is how long a process may take until it asks for its first event.
	InitTimeout = 10 * time.Second
	// shutdownTime is what a process has between SIGTERM and SIGKILL.
	shutdownTime = 500 * time.Millisecond
)

// Sentinels.
var (
	// ErrEventTooLarge means that an event is over MaxEvent; nothing was run.
	ErrEventTooLarge = errors.New("sandbox: the event is larger than 6 MiB")
	// ErrClosed means that a Sandbox or a Pool was closed, or that its process has
	// ended with an earlier invocation.
	ErrClosed = errors.New("sandbox: closed")
	// ErrFunction means that the settings of a function are not possible.
	ErrFunction = errors.New("sandbox: function")
)

// Function is what runs.
type Function struct {
	// Binary is the path of the bootstrap, for this machine.
	Binary string
	// Name is the function's name; "" stands for "function".
	Name string
	// Timeout bounds an invocation, up to MaxTimeout; 0 stands for DefaultTimeout.
	Timeout time.Duration
	// Memory is the function's memory in MiB; 0 stands for DefaultMemory. Lambda has
	// at least 128; less is possible here. It is enforced on Linux only.
	Memory int64
	// Env are the function's own variables as NAME=value. It inherits nothing. Those
	// that Lambda reserves are set by the sandbox.
	Env []string
	// Logs gets what the process writes to standard output and standard error; nil
	// discards it. It must be safe for concurrent use when several processes have it.
	Logs io.Writer
	// InitTimeout overrides InitTimeout when it is not 0.
	InitTimeout time.Duration
}

func (f Function) withDefaults() (Function, error) {
	if f.Name == "" {
		f.Name = "function"
	}
	if f.Timeout == 0 {
		f.Timeout = DefaultTimeout
	}
	if f.Memory == 0 {
		f.Memory = DefaultMemory
	}
	if f.InitTimeout == 0 {
		f.InitTimeout = InitTimeout
	}
	if f.Logs == nil {
		f.Logs = io.Discard
	}
	switch {
	case f.Timeout < 0 || f.Timeout > MaxTimeout:
		return f, fmt.Errorf("%w: the timeout is %v, at most %v is possible", ErrFunction, f.Timeout, MaxTimeout)
	case f.Memory < 0 || f.Memory > 10240:
		return f, fmt.Errorf("%w: the memory is %d MiB, at most 10240 is possible", ErrFunction, f.Memory)
	}
	var err error
	if f.Binary, err = filepath.Abs(f.Binary); err != nil {
		return f, fmt.Errorf("%w: %w", ErrFunction, err)
	}
	return f, nil
}

// environment is what the process gets. Of a variable that is there twice the last
// value counts.
func (f Function) environment(api string) []string {
	region := "us-east-1"
	for _, v := range f.Env {
		if value, ok := strings.CutPrefix(v, "AWS_REGION="); ok {
			region = value
		}
	}
	return slices.Concat(
		[]string{
			"LANG=en_US.UTF-8", "TZ=:UTC", "PATH=/usr/local/bin:/usr/bin:/bin", "AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region,
		},
		f.Env,
		[]string{
			"AWS_LAMBDA_RUNTIME_API=" + api,
			"AWS_LAMBDA_FUNCTION_NAME=" + f.Name,
			"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
			fmt.Sprintf("AWS_LAMBDA_FUNCTION_MEMORY_SIZE=%d", f.Memory),
			"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
			"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/" + f.Name,
			"AWS_LAMBDA_LOG_STREAM_NAME=local/[$LATEST]",
			"LAMBDA_TASK_ROOT=" + filepath.Dir(f.Binary),
			"_HANDLER=bootstrap",
		},
	)
}

// arn is the function's name in full, with an account that does not exist.
func (f Function) arn() string {
	return "arn:aws:lambda:us-east-1:000000000000:function:" + f.Name
}

// traced reports whether the function has an X-Ray daemon to send segments to.
func (f Function) traced() bool {
	return slices.ContainsFunc(f.Env, func(v string) bool { return strings.HasPrefix(v, "AWS_XRAY_DAEMON_ADDRESS=") })
}
