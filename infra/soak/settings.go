package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"
)

// settings are how long and how hard the node is driven. What is counted is for the
// whole run and spread evenly over it.
type settings struct {
	binary string
	out    string
	// length is how long the load lasts. What comes before and behind is not in it.
	length time.Duration
	// rate is how many requests a second are sent.
	rate int
	// dialogues are started and abandoned.
	dialogues int
	// blocks is the pause between two new blocks of the chain.
	blocks time.Duration
	// timeout is the node's DIALOGUE_TIMEOUT: short, so that dialogues end many times
	// over during the run.
	timeout time.Duration
	// interval is the pause between two samples.
	interval time.Duration
}

// errUsage is the cause of every refusal of the arguments.
var errUsage = errors.New("wrong arguments")

// mostSamples bounds the samples of a run, whatever its length.
const mostSamples = 600

// readSettings reads the arguments. Ten minutes have 10,000 dialogues.
func readSettings(args []string, stderr io.Writer) (settings, error) {
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(stderr)
	s := settings{blocks: 2 * time.Second, timeout: 30 * time.Second}
	flags.StringVar(&s.binary, "binary", "build/oipnode", "the node's `file`")
	flags.StringVar(&s.out, "out", "infra/soak", "`folder` that gets the results")
	minutes := flags.Float64("minutes", 10, "how long the load lasts")
	flags.IntVar(&s.rate, "rate", 200, "requests a second")
	perMinute := flags.Int("dialogues", 1000, "dialogues a minute")
	if err := flags.Parse(args); err != nil {
		return settings{}, errUsage
	}
	switch {
	case flags.NArg() > 0:
		return settings{}, fmt.Errorf("%w: %q is no option", errUsage, flags.Arg(0))
	case !(*minutes >= 0.05 && *minutes <= 24*60):
		return settings{}, fmt.Errorf("%w: -minutes is %v; 0.05 to 1440 are allowed", errUsage, *minutes)
	case s.rate < 1 || s.rate > 10_000 || *perMinute < 1 || *perMinute > 60_000:
		return settings{}, fmt.Errorf("%w: 1 to 10000 requests a second and 1 to 60000 dialogues a minute are allowed", errUsage)
	}
	s.length = time.Duration(*minutes * float64(time.Minute))
	s.dialogues = max(int(*minutes*float64(*perMinute)), 1)
	s.timeout = max(min(s.timeout, s.length/4).Truncate(time.Second), time.Second)
	s.interval = max(s.length/mostSamples, 500*time.Millisecond)
	return s, nil
}

// warmUp is the part of the load's time that no line is fitted to: caches fill, and the
// first dialogues have not ended yet.
func (s settings) warmUp() time.Duration { return max(s.length/5, min(2*s.timeout, s.length/2)) }
