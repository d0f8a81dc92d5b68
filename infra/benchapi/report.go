package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The aims of an uncached answer beside the engine's, and of a cached one.
const (
	aimTimes  = 1.15 // of the engine's median
	aimMore   = 0.3  // milliseconds besides
	aimRate   = 0.85 // of the engine's rate
	aimCached = 5000 // answers a second
)

// row is one question over one store. Times are in milliseconds, rates per second.
type row struct {
	Store, Name, Query string
	// Bytes is the size of the answer's body, Searches how many requests or calls the
	// handler makes of the engine for it.
	Bytes, Searches int
	// Matches is how many records are found in all.
	Matches int64
	// Samples is how many times were measured over one connection.
	Samples  int
	P50, P99 float64
	Rate     float64
	// Raw is the engine alone.
	RawP50, RawP99 float64
	RawRate        float64
	// Cached is out of the cache of answers.
	CachedP50, CachedP99 float64
	CachedRate           float64
	// Fault is why there are no numbers.
	Fault string
}

func (r row) fast() bool  { return r.P50 <= aimTimes*r.RawP50+aimMore }
func (r row) many() bool  { return r.Rate >= aimRate*r.RawRate }
func (r row) cheap() bool { return r.CachedRate >= aimCached }
func (r row) share() float64 {
	if r.RawRate == 0 {
		return 0
	}
	return r.Rate / r.RawRate
}

// result is all that was measured.
type result struct {
	Started     time.Time
	Took        time.Duration
	Machine     string
	Records     int
	Connections int
	Turn        time.Duration
	Rows        []row
	Heap        *heapResult
}

// failed reports whether something was wrong, not whether it was slow.
func (r *result) failed() bool {
	for _, row := range r.Rows {
		if row.Fault != "" {
			return true
		}
	}
	return r.Heap != nil && r.Heap.grows() || len(r.disagreements()) > 0
}

// disagreements are the questions to which the stores have different answers.
func (r *result) disagreements() (list []string) {
	for i, one := range r.Rows {
		for _, other := range r.Rows[:i] {
			if one.Name == other.Name && one.Fault == "" && other.Fault == "" && one.Matches != other.Matches {
				list = append(list, fmt.Sprintf("%s: %d matches in %s, %d in %s", one.Name, other.Matches, other.Store, one.Matches, one.Store))
			}
		}
	}
	return list
}

// write writes benchapi.md.
func (r *result) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "benchapi.md"), r.markdown(), 0o644)
}

// markdown is the result for people: all numbers, and a short table for the README.
func (r *result) markdown() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# GET /api/records over %d records\n\nWritten by `make bench-api` on %s, on %s. ", r.Records, r.Started.Format("2006-01-02"), r.Machine)
	fmt.Fprintf(&b, "Each query goes over HTTP on loopback, with access log and metrics; load, node and engine share the processors. "+
		"Times are those of one connection, in milliseconds, rates those of %d, per second, each measured for %v in turns with the engine alone: "+
		"what the handler asks of its store for the page, asked again without the handler (of OpenSearch over a bare connection, of the embedded store as calls within the process). "+
		"The aims: p50 at most %s times the engine's and %s ms; %s of its rate; %d cached answers a second.\n", r.Connections, r.Turn,
		short(aimTimes), short(aimMore), short(aimRate), aimCached)
	for _, d := range r.disagreements() {
		fmt.Fprintf(&b, "\n**The stores do not agree about %s.**\n", d)
	}
	b.WriteString("\n| store | query | matches | searches | answer | p50 | p99 | engine's p50 | p99 | p50 aim | a second | engine's | share | rate aim |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, row := range r.Rows {
		if row.Fault != "" {
			fmt.Fprintf(&b, "| %s | %s | **%s** | | | | | | | | | | | |\n", row.Store, row.Name, cell(row.Fault))
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %s KB | %s | %s | %s | %s | %s | %s | %s | %.2f | %s |\n", row.Store, row.Name, row.Matches, row.Searches, short(float64(row.Bytes)/1000),
			short(row.P50), short(row.P99), short(row.RawP50), short(row.RawP99), mark(row.fast()), short(row.Rate), short(row.RawRate), row.share(), mark(row.many()))
	}
	b.WriteString("\nOut of the cache of answers:\n\n| store | query | p50 | p99 | a second | aim |\n|---|---|---|---|---|---|\n")
	for _, row := range r.Rows {
		if row.Fault == "" {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", row.Store, row.Name, short(row.CachedP50), short(row.CachedP99), short(row.CachedRate), mark(row.cheap()))
		}
	}
	r.heap(&b)
	b.WriteString("\nThe queries:\n\n| query | parameters |\n|---|---|\n")
	for _, q := range questions() {
		fmt.Fprintf(&b, "| %s | `%s` |\n", q.name, q.query)
	}
	b.WriteString("\n## For the README\n\n")
	b.Write(r.brief())
	return b.Bytes()
}

// heap tells of the heap.
func (r *result) heap(b *bytes.Buffer) {
	h := r.Heap
	if h == nil {
		return
	}
	state := "flat"
	if h.grows() {
		state = "**grows**"
	}
	fmt.Fprintf(b, "\nThe Go heap over %d different requests in %.0f s (%s MiB of answers through a cache of %s MiB, embedded store): "+
		"mean %s MiB, most %s MiB, growth %s ± %s MiB, %s MiB are let pass: %s. A line through %d samples behind collections, those behind a warm-up of a fifth.\n",
		h.Requests, h.Took.Seconds(), short(float64(h.Answers)/mebibyte), short(float64(h.Cache)/mebibyte), short(h.Line.Mean/mebibyte), short(h.Most/mebibyte),
		short(h.Line.Growth()/mebibyte), short(h.Line.Uncertainty()/mebibyte), short(h.Allowed/mebibyte), state, h.Line.Points)
}

// brief is the table of the README.
func (r *result) brief() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "`GET /api/records` over %d records (`make bench-api`, [all numbers](infra/benchapi/benchapi.md)): median of one connection, and answers a second over %d, each beside the engine alone for the same page.\n\n",
		r.Records, r.Connections)
	b.WriteString("| query | embedded: p50, a second | OpenSearch: p50, a second | cached, a second |\n|---|---|---|---|\n")
	for _, q := range questions() {
		var cells [2]string
		least := 0.0
		for _, row := range r.Rows {
			if row.Name != q.name || row.Fault != "" {
				continue
			}
			at := 0
			if row.Store != "embedded" {
				at = 1
			}
			cells[at] = fmt.Sprintf("%s ms (%s); %s (%s)", short(row.P50), short(row.RawP50), short(row.Rate), short(row.RawRate))
			if least == 0 || row.CachedRate < least {
				least = row.CachedRate
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", q.name, cells[0], cells[1], short(least))
	}
	if r.Heap != nil {
		fmt.Fprintf(&b, "\nGo heap over %d different requests, with more answers than the cache holds: mean %s MiB, growth %s ± %s MiB.\n", r.Heap.Requests,
			short(r.Heap.Line.Mean/mebibyte), short(r.Heap.Line.Growth()/mebibyte), short(r.Heap.Line.Uncertainty()/mebibyte))
	}
	return b.Bytes()
}

func mark(reached bool) string {
	if reached {
		return "yes"
	}
	return "**no**"
}

// cell keeps a text inside of its cell.
func cell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", "\\|")
}

// short is a number with three digits that count.
func short(v float64) string {
	if v >= 1000 || v <= -1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
