package memory

import (
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Reader reads samples of this process.
type Reader struct {
	// Function is the memory size of the Lambda function in bytes, 0 elsewhere.
	Function int64
	// Root is the folder that holds proc and sys; empty means /.
	Root string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Read reads the sample of now. What the system does not tell is estimated by what the
// runtime knows, so that there is always a sample.
func (r Reader) Read() Sample {
	now := time.Now
	if r.Now != nil {
		now = r.Now
	}
	s := Sample{At: now()}
	s.fill()
	if own, mapped, ok := parseStatus(r.text("proc/self/status")); ok {
		s.Used, s.Mapped, s.Resident, s.Estimated = own, mapped, own+mapped, false
		s.External = max(own-s.HeapTotal-s.Stacks, 0)
	}
	s.Limit, s.LimitBy = r.limit()
	return s
}

// limit is the limit that ends the process. A container that may have more than the
// machine has is ended by the machine.
func (r Reader) limit() (int64, Source) {
	if r.Function > 0 {
		return r.Function, SourceFunction
	}
	machine := r.machine()
	if limit := r.container(); limit > 0 && (machine == 0 || limit <= machine) {
		return limit, SourceContainer
	}
	if machine > 0 {
		return machine, SourceMachine
	}
	return 0, SourceUnknown
}

// machine is the machine's memory, 0 when it cannot be had.
func (r Reader) machine() int64 {
	if total, ok := parseSize(r.text("proc/meminfo"), "MemTotal"); ok {
		return total
	}
	if r.Root != "" {
		return 0
	}
	return systemMemory()
}

// maxText is the most of a file that is read, in bytes. Those of the system are small.
const maxText = 64 << 10

// text is the content of a small file, and empty when it cannot be read.
func (r Reader) text(name string) string {
	f, err := os.Open(r.path(name))
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxText))
	if err != nil {
		return ""
	}
	return string(text)
}

func (r Reader) path(name string) string {
	return filepath.Join(string(filepath.Separator), r.Root, filepath.FromSlash(name))
}

// parseSize finds a value of /proc/self/status or /proc/meminfo that is in kB, and returns
// it in bytes.
func parseSize(text, name string) (int64, bool) {
	for line := range strings.Lines(text) {
		value, ok := strings.CutPrefix(line, name)
		if !ok {
			continue
		}
		number, ok := strings.CutPrefix(strings.TrimSuffix(value, "\n"), ":")
		number, isSize := strings.CutSuffix(number, " kB")
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if ok && isSize && err == nil && n >= 0 && n <= math.MaxInt64>>12 {
			return n << 10, true
		}
	}
	return 0, false
}

// parseStatus finds the process's own memory and that of mapped files. Kernels before
// 4.5 do not tell them apart.
func parseStatus(text string) (own, mapped int64, ok bool) {
	own, ok = parseSize(text, "RssAnon")
	shared, _ := parseSize(text, "RssShmem")
	mapped, _ = parseSize(text, "RssFile")
	return own + shared, mapped, ok
}

// Files are what the process has open.
type Files struct {
	// Sockets are connections and listeners.
	Sockets int `json:"sockets"`
	// Others are files, pipes and whatever else has a descriptor.
	Others int `json:"others"`
	// Truncated says that there are more than MaxFiles.
	Truncated bool `json:"truncated"`
}

// MaxFiles is the most descriptors that are looked at.
const MaxFiles = 4096

// Files counts the open descriptors. ok is false where the system does not tell.
func (r Reader) Files() (f Files, ok bool) {
	dir, err := os.Open(r.path("proc/self/fd"))
	if err != nil {
		return Files{}, false
	}
	defer func() { _ = dir.Close() }()
	names, err := dir.Readdirnames(MaxFiles)
	if err != nil && !errors.Is(err, io.EOF) {
		return Files{}, false
	}
	f.Truncated = len(names) == MaxFiles
	for _, name := range names {
		target, err := os.Readlink(filepath.Join(dir.Name(), name))
		switch {
		case err != nil: // it was closed meanwhile
		case strings.HasPrefix(target, "socket:"):
			f.Sockets++
		default:
			f.Others++
		}
	}
	return f, true
}
