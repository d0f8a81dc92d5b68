// Package function is what every Lambda function's main does: it reads and checks the
// configuration, makes the logger, bounds the memory, prepares the clients, serves the
// invocations, and ends when Lambda says so. A main is then one line:
//
//	func main() { os.Exit(function.Run("keepdb", newHandler)) }
//
// Nothing is asked of the network before the first invocation. A process is then ready
// within milliseconds, and an engine that cannot be reached is an error of that
// invocation, with its cause in the log, and not of a start that Lambda repeats in
// vain. What was opened stays open for all further invocations (Parts.Stores).
package function

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"oipnode/shared/awsclient"
	"oipnode/shared/memory"
	"oipnode/shared/metrics"
	"oipnode/shared/start"
	"oipnode/shared/state"
	"oipnode/shared/trace/awssdk"
	"oipnode/shared/trace/xray"
)

// always are the variables of the configuration that every function must have.
var always = []string{"OPENSEARCH_ENDPOINT", "STATE_TABLE"}

// Run is the whole of a function's main: it returns the exit code once Lambda has told
// the process to end. build makes the handler, of one of the forms that lambda.Start
// takes, once per process; it must not use the network. needed names the variables that
// this function cannot do without and others can, so that what is missing is told
// together with everything else that is wrong.
func Run(name string, build func(p *Parts) (handler any, err error), needed ...string) int {
	return start.Run(name, func(ctx context.Context, env *start.Env) error {
		log := slog.New(requestHandler{env.Log.Handler()})
		quiet(log)
		aws, err := awsconfig.LoadDefaultConfig(ctx)
		if err != nil {
			return fmt.Errorf("the SDK's own settings: %w", err)
		}
		aws.Logger = sdkLogger{log}
		aws.HTTPClient = awsclient.HTTP(aws.HTTPClient)
		awssdk.Instrument(&aws)
		xray.Log(log)
		measured, err := metrics.NewEMF(os.Stdout, cmp.Or(lambdacontext.FunctionName, name), nil)
		if err != nil {
			return fmt.Errorf("the function's name: %w", err)
		}
		p := newParts(env.Config, aws, measured, log)
		handler, err := build(p)
		if err != nil {
			return err
		}
		i := &invocations{next: lambda.NewHandler(handler), emf: measured, memory: p.Memory, report: memory.NewReporter(name, p.Memory),
			state: p.state.value, log: log}
		go lambda.StartWithOptions(xray.Handler(name, i), lambda.WithContext(ctx), lambda.WithEnableSIGTERM())
		<-ctx.Done() // Lambda ends idle processes only: nothing is under way
		return errors.Join(p.close(), measured.Flush())
	}, append(slices.Clone(always), needed...)...)
}

// quiet sends what libraries print by themselves to the log, as lines for those who debug:
// of a failed invocation the function has told already.
func quiet(log *slog.Logger) {
	stdlog.SetFlags(0)
	stdlog.SetOutput(slog.NewLogLogger(log.Handler(), slog.LevelDebug).Writer())
}

// sdkLogger takes the SDK's lines.
type sdkLogger struct{ log *slog.Logger }

// Logf implements logging.Logger.
func (l sdkLogger) Logf(c logging.Classification, format string, args ...any) {
	l.log.Debug("the SDK says", "classification", string(c), "text", fmt.Sprintf(format, args...))
}

// invocations measures every invocation, watches over its memory, and writes its metrics
// before it is answered.
type invocations struct {
	next   lambda.Handler
	emf    *metrics.EMF
	memory *memory.Monitor
	report *memory.Reporter
	// state is the state store, if it is open: nobody opens it only to tell of memory.
	state func() (state.Store, bool)
	log   *slog.Logger
	warm  bool
}

const (
	// watchInterval is how often the memory of a long invocation is looked at.
	watchInterval = time.Second
	// reportTime is what an invocation waits at most for the sample that it writes; that
	// is once a minute.
	reportTime = 2 * time.Second
)

// Invoke is called for one event after the other.
func (i *invocations) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if !i.warm {
		i.warm = true
		i.emf.Add(metrics.ColdStarts, 1)
	}
	stop := i.watch(ctx)
	defer func() {
		stop()
		i.tell(ctx)
		if err := i.emf.Flush(); err != nil {
			i.log.WarnContext(ctx, "write the metrics", "error", err)
		}
	}()
	response, err := i.next.Invoke(ctx, payload)
	return bytes.Clone(response), err // the library has its buffer back already
}

// watch looks at the memory until stop is called: between two invocations the process is
// frozen, and what runs then would be of no use.
func (i *invocations) watch(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		ticker := time.NewTicker(watchInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				i.memory.Check(ctx)
			}
		}
	})
	return func() {
		cancel()
		done.Wait()
	}
}

// tell records the memory of now, and writes it into the state store for the health page.
func (i *invocations) tell(ctx context.Context) {
	s := i.memory.Check(ctx)
	memory.Record(i.emf, s.Sample, s.Peak)
	store, open := i.state()
	if !open {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, reportTime)
	defer cancel()
	if err := i.report.Report(ctx, store); err != nil {
		i.log.WarnContext(ctx, "write the sample of the memory", "error", err)
	}
}

// requestHandler adds the id of the invocation, and the version of the function that does
// it, to every line that is logged with its context.
type requestHandler struct{ slog.Handler }

func (h requestHandler) Handle(ctx context.Context, r slog.Record) error {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		r.AddAttrs(slog.String("requestId", lc.AwsRequestID), slog.String("functionVersion", lambdacontext.FunctionVersion))
	}
	return h.Handler.Handle(ctx, r)
}

func (h requestHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return requestHandler{h.Handler.WithAttrs(attrs)}
}

func (h requestHandler) WithGroup(name string) slog.Handler {
	return requestHandler{h.Handler.WithGroup(name)}
}
