package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// reading is what the node took at one moment.
type reading struct {
	// Second is counted from the beginning of the load.
	Second float64 `json:"second"`
	// RSS is what the process has of the machine's memory in bytes. Private is the part
	// that is its own: without the pages of mapped files, which the system may take back
	// at any time and which grow with the data.
	RSS     int64 `json:"rss"`
	Private int64 `json:"private"`
	// Heap is what the last collection left alive, in bytes.
	Heap       int64 `json:"heap"`
	Goroutines int64 `json:"goroutines"`
	// Files are the open descriptors, connections included.
	Files int64 `json:"files"`
	// Disk is the size of the stores' files, without the media. Much of them is mapped.
	Disk int64 `json:"disk"`
	// Requests were answered since the sample before, P50 and P99 in milliseconds.
	Requests int64   `json:"requests"`
	P50      float64 `json:"p50"`
	P99      float64 `json:"p99"`
}

// errProc is returned where the system does not tell what a process takes.
var errProc = errors.New("the soak reads /proc, as Linux has it")

// parseStatus finds values of /proc/PID/status that are given in kB, and returns bytes.
func parseStatus(text string) (map[string]int64, error) {
	found := map[string]int64{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(line, ":")
		number, isSize := strings.CutSuffix(strings.TrimSpace(value), " kB")
		if !ok || !isSize {
			continue
		}
		kilobytes, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || kilobytes < 0 || kilobytes > 1<<50 {
			return nil, fmt.Errorf("%w: %q is no size", errProc, strings.TrimSpace(line))
		}
		found[name] = kilobytes << 10
	}
	return found, nil
}

// memory reads the sizes of a process.
func memory(pid int) (rss, private int64, err error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %w", errProc, err)
	}
	sizes, err := parseStatus(string(text))
	if err != nil {
		return 0, 0, err
	}
	rss, ok := sizes["VmRSS"]
	private, has := sizes["RssAnon"]
	if !ok || !has {
		return 0, 0, fmt.Errorf("%w: VmRSS or RssAnon is missing", errProc)
	}
	return rss, private, nil
}

// openFiles counts the open descriptors of a process.
func openFiles(pid int) (int64, error) {
	list, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "fd"))
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errProc, err)
	}
	return int64(len(list)), nil
}

// diskSize adds up the files at and below some paths. One that is removed meanwhile does
// not count.
func diskSize(paths []string) (size int64, err error) {
	for _, path := range paths {
		err := filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err == nil {
				size += info.Size()
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
	}
	return size, nil
}

// take takes a sample of the node; the requests are for the caller to add. The query is
// for the page that has the runtime's numbers.
func take(ctx context.Context, p *process, query string) (s reading, err error) {
	var numbers struct{ HeapLiveBytes, Goroutines int64 }
	if err := p.ask(ctx, "/debug/runtime"+query, &numbers); err != nil {
		return reading{}, err
	}
	s.Heap, s.Goroutines = numbers.HeapLiveBytes, numbers.Goroutines
	if s.RSS, s.Private, err = memory(p.pid()); err != nil {
		return reading{}, err
	}
	if s.Files, err = openFiles(p.pid()); err != nil {
		return reading{}, err
	}
	s.Disk, err = diskSize(p.stores)
	return s, err
}

// watch takes samples until the load is over.
func watch(ctx context.Context, p *process, interval time.Duration, answers *latencies) (list []reading, err error) {
	start := time.Now()
	for pause(ctx, interval) {
		s, err := take(ctx, p, "")
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return list, fmt.Errorf("take a sample: %w", err)
		}
		window := answers.take()
		s.Second = time.Since(start).Seconds()
		s.Requests, s.P50, s.P99 = window.count, milliseconds(window.quantile(0.5)), milliseconds(window.quantile(0.99))
		list = append(list, s)
	}
	return list, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
