package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"oipnode/infra/engines"
)

// settings are what is measured, and for how long.
type settings struct {
	// records is how many there are.
	records int
	// kept is the folder of the embedded store.
	kept string
	// out is the folder that gets the results.
	out string
	// openSearch is the engine's URL; without one the embedded store is measured alone.
	openSearch string
	// prefix is that of the index in OpenSearch.
	prefix string
	// only limits the run to the store and the queries that have a part of it in their
	// names.
	only []string
	// turn is how long one measurement lasts.
	turn time.Duration
	// connections is how many ask at a time for the rate.
	connections int
	// heapRequests is how many different requests the heap is measured over; 0 is none.
	heapRequests int
	// profile is a file for a CPU profile of the handler's part of the measurements.
	profile string
}

var errUsage = errors.New("wrong arguments")

// readSettings reads the arguments.
func readSettings(args []string, getenv func(string) string, stderr io.Writer) (settings, error) {
	flags := flag.NewFlagSet("benchapi", flag.ContinueOnError)
	flags.SetOutput(stderr)
	s := settings{openSearch: strings.TrimRight(getenv(engines.OpenSearch.Variable), "/")}
	flags.IntVar(&s.records, "records", 100_000, "how many records there are")
	kept := flags.String("kept", "build/benchapi", "`folder` in which the records are kept")
	flags.StringVar(&s.out, "out", "infra/benchapi", "`folder` that gets the results")
	only := flags.String("only", "", "measure only what has one of these `words` in its name, separated by commas")
	flags.DurationVar(&s.turn, "turn", 4*time.Second, "how long one measurement lasts")
	flags.IntVar(&s.connections, "connections", 8, "how many ask at a time for the rate")
	flags.IntVar(&s.heapRequests, "heap", 100_000, "over how many requests the heap is measured; 0 leaves it out")
	flags.StringVar(&s.profile, "profile", "", "`file` that gets a CPU profile of the uncached measurements")
	if err := flags.Parse(args); err != nil {
		return settings{}, errUsage
	}
	switch {
	case flags.NArg() > 0:
		return settings{}, fmt.Errorf("%w: %q is no option", errUsage, flags.Arg(0))
	case s.records < 100 || s.records > 10_000_000:
		return settings{}, fmt.Errorf("%w: -records is %d; 100 to 10000000 are allowed", errUsage, s.records)
	case s.turn < 10*time.Millisecond || s.turn > time.Hour:
		return settings{}, fmt.Errorf("%w: -turn is %v; 10ms to 1h are allowed", errUsage, s.turn)
	case s.connections < 1 || s.connections > 1000:
		return settings{}, fmt.Errorf("%w: -connections is %d; 1 to 1000 are allowed", errUsage, s.connections)
	case s.heapRequests < 0 || s.heapRequests > 0 && s.heapRequests < leastHeapRequests:
		return settings{}, fmt.Errorf("%w: -heap is %d; 0, or %d and more are allowed", errUsage, s.heapRequests, leastHeapRequests)
	}
	s.kept = filepath.Join(*kept, fmt.Sprintf("%d-%d", edition, s.records))
	s.prefix = fmt.Sprintf("benchapi-%d-%d", edition, s.records)
	if *only != "" {
		s.only = strings.Split(strings.ToLower(*only), ",")
	}
	return s, nil
}

// wanted reports whether a query over a store is to be measured.
func (s settings) wanted(store, question string) bool {
	if len(s.only) == 0 {
		return true
	}
	name := strings.ToLower(store + " " + question)
	for _, part := range s.only {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
