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
	// souls is how many the GUN peer has, largest the size of the largest of the files
	// that are fetched, in bytes, fetches how many times one is.
	souls   int
	fetches int
	largest int64
	// blocks is the pause between two new blocks of the chain.
	blocks time.Duration
	// timeout is the node's DIALOGUE_TIMEOUT: short, so that dialogues end many times
	// over during the run.
	timeout time.Duration
	// alone is how long the node is left alone at the end, so that it removes what has
	// expired. A short run has no time for that, and does not look at what is left.
	alone time.Duration
	// interval is the pause between two samples.
	interval time.Duration
	// again judges the samples of the run whose results lie in out, and runs nothing.
	again bool
}

// errUsage is the cause of every refusal of the arguments.
var errUsage = errors.New("wrong arguments")

// mostSamples bounds the samples of a run, whatever its length.
const mostSamples = 600

// shortestTimeout is longer than a dialogue's steps take on a machine that has a lot to do.
const shortestTimeout = 6 * time.Second

// readSettings reads the arguments. Twenty minutes have 10,000 dialogues, 1,000 fetches of
// 1 to 50 MB, and a million souls, which is what two processors do beside the requests.
func readSettings(args []string, stderr io.Writer) (settings, error) {
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(stderr)
	s := settings{blocks: 2 * time.Second, timeout: 30 * time.Second}
	flags.StringVar(&s.binary, "binary", "build/oipnode", "the node's `file`")
	flags.StringVar(&s.out, "out", "infra/soak", "`folder` that gets the results")
	minutes := flags.Float64("minutes", 20, "how long the load lasts")
	flags.IntVar(&s.rate, "rate", 200, "requests a second")
	dialogues := flags.Int("dialogues", 500, "dialogues a minute")
	fetches := flags.Int("fetches", 50, "media fetches a minute")
	souls := flags.Int("souls", 50_000, "souls of the GUN peer for each minute")
	flags.Int64Var(&s.largest, "largest", 50_000_000, "`bytes` of the largest file that is fetched")
	flags.BoolVar(&s.again, "again", false, "judge the samples of the results that lie in the folder again, and run nothing")
	if err := flags.Parse(args); err != nil {
		return settings{}, errUsage
	}
	switch {
	case flags.NArg() > 0:
		return settings{}, fmt.Errorf("%w: %q is no option", errUsage, flags.Arg(0))
	case !(*minutes >= 0.05 && *minutes <= 24*60):
		return settings{}, fmt.Errorf("%w: -minutes is %v; 0.05 to 1440 are allowed", errUsage, *minutes)
	case s.rate < 1 || s.rate > 10_000 || *dialogues < 1 || *dialogues > 60_000:
		return settings{}, fmt.Errorf("%w: 1 to 10000 requests a second and 1 to 60000 dialogues a minute are allowed", errUsage)
	case *fetches < 1 || *fetches > 6000 || s.largest < smallest || s.largest > 1<<30 || *souls < 1 || *souls > 10_000_000:
		return settings{}, fmt.Errorf("%w: 1 to 6000 fetches of at most 1000000 to %d bytes and 1 to 10000000 souls a minute are allowed", errUsage, 1<<30)
	}
	s.length = time.Duration(*minutes * float64(time.Minute))
	share := func(perMinute int) int { return max(int(*minutes*float64(perMinute)), 1) }
	s.dialogues, s.fetches, s.souls = share(*dialogues), share(*fetches), share(*souls)
	s.timeout = max(min(s.timeout, s.length/4).Truncate(time.Second), shortestTimeout)
	if s.length > time.Minute {
		s.alone = sweepInterval + 10*time.Second
	}
	s.interval = max(s.length/mostSamples, 500*time.Millisecond)
	return s, nil
}

// warmUp is the part of a load's time that no line is fitted to: caches fill, the state
// file grows until as much is removed from it as comes in, and then the Go heap, whose
// live part is flat by then, comes to hold as many pages as its ups and downs take.
func warmUp(length time.Duration) time.Duration { return length / 2 }

// opening is in which time the GUN peer comes to show everything: the last has time to be
// processed.
func (s settings) opening() time.Duration { return s.length * 8 / 10 }

// sweepInterval is how often the node removes what has expired from its state file.
const sweepInterval = time.Minute
