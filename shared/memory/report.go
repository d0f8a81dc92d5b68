package memory

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"oipnode/shared/state"
)

const (
	// space holds the rows: one for each process, NAME/INSTANCE.
	space = "memory"
	// reportPause is the least time between two rows of a process.
	reportPause = time.Minute
	// rowLife is how long a row is seen after its process wrote it last.
	rowLife = 3 * time.Hour
	// rowPoints is how many points of its history a row holds, so that the largest row
	// is a kilobyte: each that is begun costs a write unit of DynamoDB.
	rowPoints = 45
)

// Bounds of what ReadFunctions reads.
const (
	// MaxInstances is how many processes of one function are read.
	MaxInstances = 100
	// MaxRows is how many are read in all.
	MaxRows = 1000
)

// IsReport reports whether a key is that of a row of this package.
func IsReport(k state.Key) bool { return k.Space == space }

// row is what a process writes of itself.
type row struct {
	Started time.Time `json:"started"`
	At      time.Time `json:"at"`
	Used    int64     `json:"used"`
	Peak    int64     `json:"peak"`
	Limit   int64     `json:"limit"`
	LimitBy Source    `json:"limitBy"`
	// Points are pairs of seconds before At and KiB: short, because DynamoDB counts
	// each kilobyte that is written.
	Points [][2]int64 `json:"points,omitempty"`
}

// Reporter writes the row of this process.
type Reporter struct {
	monitor *Monitor
	name    string
	id      string

	mu      sync.Mutex
	last    time.Time
	version uint64
}

// NewReporter makes the reporter of a process; name is its function's, without a slash.
func NewReporter(name string, m *Monitor) *Reporter {
	return &Reporter{monitor: m, name: name, id: name + "/" + rand.Text()}
}

// Report writes the monitor's last sample, unless the last row is less than a minute old;
// a try that failed counts as one. The row is this process's alone, so it needs no read
// before, and of AWS's permissions only that for a put.
func (r *Reporter) Report(ctx context.Context, s state.Store) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.monitor.State()
	at := now.Sample.At
	if gone := at.Sub(r.last); !r.last.IsZero() && gone >= 0 && gone < reportPause {
		return nil
	}
	r.last = at
	value, err := json.Marshal(r.row(now))
	if err != nil {
		return fmt.Errorf("memory: report: %w", err)
	}
	if err := r.write(ctx, s, state.Key{Space: space, ID: r.id}, value, at.Add(rowLife)); err != nil {
		return fmt.Errorf("memory: report: %w", err)
	}
	return nil
}

// write writes the row over its last version. If nobody knows whether the write before
// this one happened, it is one version further; and it is absent when the process was
// frozen for hours and its row has expired.
func (r *Reporter) write(ctx context.Context, s state.Store, key state.Key, value []byte, expires time.Time) (err error) {
	for _, version := range []uint64{r.version, r.version + 1, 0} {
		op := state.Create(key, value)
		if version > 0 {
			op = state.Update(key, value, version)
		}
		if err = s.Commit(ctx, op.Until(expires)); err == nil {
			r.version = version + 1
			return nil
		}
		if !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
	return err
}

func (r *Reporter) row(s State) row {
	w := row{Started: r.monitor.Started().UTC(), At: s.Sample.At.UTC(), Used: s.Sample.Used, Peak: s.Peak,
		Limit: s.Sample.Limit, LimitBy: s.Sample.LimitBy}
	for _, p := range pick(r.monitor.History(), rowPoints) {
		w.Points = append(w.Points, [2]int64{int64(s.Sample.At.Sub(p.At).Seconds()), p.Used >> 10})
	}
	return w
}

// Instance is what one process wrote last.
type Instance struct {
	// ID tells the processes of a function apart, and nothing else.
	ID          string
	Started, At time.Time
	Used, Peak  int64
	Limit       int64
	LimitBy     Source
	Points      []Point
}

// Percent is the utilization, by the one calculation.
func (i Instance) Percent() float64 { return percent(i.Used, i.Limit) }

// Utilization is Percent as text.
func (i Instance) Utilization() string { return percentText(i.Percent()) }

// Function are the processes of one function that wrote within the last hours.
type Function struct {
	Name string
	// Instances are the processes, the one that wrote last first; at least one, at most
	// MaxInstances.
	Instances []Instance
	// ColdStarts is how many of them began within these hours.
	ColdStarts int
}

// fresh is how old a sample may be that still says how its process is.
const fresh = 15 * time.Minute

// Fullest is the process with the highest utilization of those that wrote within a
// quarter of an hour of the last one: how the function is.
func (f Function) Fullest() Instance {
	fullest := f.Instances[0]
	for _, i := range f.Instances[1:] {
		if f.Instances[0].At.Sub(i.At) <= fresh && i.Percent() > fullest.Percent() {
			fullest = i
		}
	}
	return fullest
}

// Peak is the most that any of the processes has used.
func (f Function) Peak() (most int64) {
	for _, i := range f.Instances {
		most = max(most, i.Peak)
	}
	return most
}

// ReadFunctions reads what the processes of all functions wrote within the last hours, by
// name. truncated says that there are more than MaxInstances of a function, or more than
// MaxRows in all. A row that is none is left out.
func ReadFunctions(ctx context.Context, s state.Store, now time.Time) (functions []Function, truncated bool, err error) {
	const page = 100
	rows := 0
	for from, more := "", true; more; {
		items, err := s.Range(ctx, space, from, "", page)
		if err != nil {
			return nil, false, fmt.Errorf("memory: functions: %w", err)
		}
		more = len(items) == page
		for _, item := range items {
			from = item.ID + "\x00"
			name, id, _ := strings.Cut(item.ID, "/")
			i, ok := parseRow(id, item.Value)
			if !ok {
				continue
			}
			if rows++; rows > MaxRows {
				return finish(functions, now), true, nil
			}
			if n := len(functions); n == 0 || functions[n-1].Name != name {
				functions = append(functions, Function{Name: name})
			}
			f := &functions[len(functions)-1]
			if len(f.Instances) == MaxInstances { // on with the next function
				truncated, more, from = true, true, state.PrefixEnd(name+"/")
				break
			}
			f.Instances = append(f.Instances, i)
		}
	}
	return finish(functions, now), truncated, nil
}

// finish puts the instances into their order, and counts those that are new.
func finish(functions []Function, now time.Time) []Function {
	for i := range functions {
		f := &functions[i]
		slices.SortFunc(f.Instances, func(a, b Instance) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.ID, b.ID)) })
		for _, p := range f.Instances {
			if now.Sub(p.Started) < rowLife {
				f.ColdStarts++
			}
		}
	}
	return functions
}

// parseRow reads a row, which another version of this program may have written.
func parseRow(id string, value []byte) (Instance, bool) {
	var w row
	if id == "" || json.Unmarshal(value, &w) != nil || w.At.IsZero() || w.Used < 0 || w.Limit < 0 || w.Peak < 0 {
		return Instance{}, false
	}
	i := Instance{ID: id, Started: w.Started, At: w.At, Used: w.Used, Peak: w.Peak, Limit: w.Limit, LimitBy: w.LimitBy}
	for _, p := range w.Points {
		ago, used := time.Duration(p[0])*time.Second, p[1]<<10
		if ago < 0 || ago > 2*time.Hour || used < 0 {
			return Instance{}, false
		}
		i.Points = append(i.Points, Point{w.At.Add(-ago), used})
	}
	return i, true
}
