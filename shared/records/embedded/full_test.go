package embedded

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// errorLines counts the lines of the log. From the limit on it holds the goroutine that
// writes one, so that a test of what never ends ends.
type errorLines struct {
	slog.Handler
	limit   int
	release chan struct{}

	mu sync.Mutex
	n  int
}

func (l *errorLines) Enabled(context.Context, slog.Level) bool { return true }

func (l *errorLines) Handle(context.Context, slog.Record) error {
	l.mu.Lock()
	l.n++
	hold := l.n >= l.limit
	l.mu.Unlock()
	if hold {
		<-l.release
	}
	return nil
}

func (l *errorLines) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}

// TestIndexCannotBeWritten: scorch tries again what it could not persist, for as long as
// it takes. That must neither fill the log nor keep a processor busy, since a disk that
// is full is often the one that the log is on.
func TestIndexCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		lines := &errorLines{Handler: slog.DiscardHandler, limit: 1000, release: make(chan struct{})}
		s := openStore(t, dir, Options{Logger: slog.New(lines)})
		mustWrite(t, s, smalls(3, 1)...)
		// What is open stays readable, but no new segment can be made.
		if err := os.RemoveAll(filepath.Join(dir, indexFolder)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.write(context.Background(), smalls(3, 2)); err == nil {
			t.Fatal("the write succeeded without a folder to write into")
		}
		// The clock moves only while every goroutine waits for something.
		time.Sleep(10*time.Minute + time.Second)
		if n := lines.count(); n < 2 || n > 11 {
			t.Errorf("%d lines were logged within ten minutes, want one a minute", n)
		}
		close(lines.release)
		closing := time.Now()
		closeStore(t, s)
		if waited := time.Since(closing); waited > 0 {
			t.Errorf("Close waited %v for the next try", waited)
		}
	})
}
