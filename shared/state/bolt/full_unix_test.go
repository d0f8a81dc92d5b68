//go:build unix

package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"
	"testing"

	"oipnode/shared/state"
	"oipnode/shared/state/bolt"
)

func init() { children["full"] = runFull }

// The value that runFull writes, and the size of a file at which its disk is full.
const (
	fullValue = 20 << 10
	fullDisk  = 1 << 20
)

// runFull fills the file up to a limit that the system sets, as on a full disk,
// and writes "ok" if the store behaved.
func runFull(path string, out io.Writer) error {
	signal.Ignore(syscall.SIGXFSZ)
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		return err
	}
	key := func(n int) state.Key { return state.Key{Space: "space", ID: fmt.Sprintf("%05d", n)} }
	put := func(n int) error {
		return s.Commit(context.Background(), state.Create(key(n), make([]byte, fullValue)), state.Add(state.Key{Space: "n", ID: "n"}, 1))
	}
	var free syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &free); err != nil {
		return err
	}
	full := free
	full.Cur = fullDisk
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
		return err
	}
	n := 0
	for ; err == nil && n < 10*fullDisk/fullValue; n++ {
		err = put(n)
	}
	n--
	if err == nil || errors.Is(err, state.ErrConflict) || errors.Is(err, bolt.ErrCorrupt) || errors.Is(err, state.ErrClosed) {
		return fmt.Errorf("a full disk gave %w", err)
	}
	// Nothing of the failed Commit is there, all before it is, and small writes
	// and deletes go on as far as there is room.
	check := func(want int) error {
		items, err := s.Range(context.Background(), "space", "", "", state.MaxRange)
		if err != nil {
			return err
		}
		count, err := state.Counter(context.Background(), s, state.Key{Space: "n", ID: "n"})
		if err == nil && (len(items) != want || count != int64(want)) {
			err = fmt.Errorf("%d items, counted %d, want %d", len(items), count, want)
		}
		return errors.Join(err, s.Verify(context.Background()))
	}
	if err := check(n); err != nil {
		return err
	}
	// Pages that were still in use at the first failure can have become free since: a
	// Commit that finds room there is right, and they are soon used up.
	const spare = 5
	refused := 0
	for n0 := n; refused < 3 && n < n0+spare; {
		if put(n) == nil {
			n++
		} else {
			refused++
		}
		if err := check(n); err != nil {
			return err
		}
	}
	if refused < 3 {
		return errors.New("Commits succeed on a full disk")
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &free); err != nil {
		return err
	}
	for end := n + 20; n < end; n++ {
		if err := put(n); err != nil {
			return fmt.Errorf("with room again: %w", err)
		}
	}
	if err := errors.Join(check(n), s.Close()); err != nil {
		return err
	}
	if s, err = bolt.Open(path, bolt.Options{}); err != nil {
		return err
	}
	if err := errors.Join(check(n), s.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, "ok")
	return err
}

// TestFullDisk proves that a write that finds no room fails as a whole, and that
// the store goes on once there is room.
func TestFullDisk(t *testing.T) {
	path := newPath(t)
	c := startChild(t, "full", path)
	c.expect(t, "ok")
	c.wait(t)
	checkPages(t, path)
}
