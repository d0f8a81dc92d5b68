package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// logs carries what the process writes to a writer. Both of its streams are the same
// pipe, so their order is kept.
//
// We hold the writing end, too: a mark that we write ourselves comes out behind all
// that the process wrote before, so that the log of an invocation can be complete
// before its result is reported.
type logs struct {
	r, w *os.File
	mark []byte
	seen chan struct{} // a token for each mark that came out
	done chan struct{} // closed when the reader has ended
}

func newLogs(out io.Writer) (*logs, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("sandbox: logs: %w", err)
	}
	l := &logs{r: r, w: w, mark: []byte("\x00" + newID() + "\x00"), seen: make(chan struct{}, 1), done: make(chan struct{})}
	go l.copy(out)
	return l, nil
}

// copy ends when the pipe is closed. Errors of the writer are not ours to handle: the
// process must never block on its log.
func (l *logs) copy(out io.Writer) {
	defer close(l.done)
	buf := make([]byte, 64<<10)
	kept := 0
	for {
		n, err := l.r.Read(buf[kept:])
		data := buf[:kept+n]
		for {
			before, after, found := bytes.Cut(data, l.mark)
			if !found {
				break
			}
			_, _ = out.Write(before)
			data = after
			l.seen <- struct{}{}
		}
		kept = l.begun(data)
		if len(data) > kept {
			_, _ = out.Write(data[:len(data)-kept])
		}
		copy(buf, data[len(data)-kept:])
		if err != nil {
			_, _ = out.Write(buf[:kept])
			return
		}
	}
}

// begun is the length of the part of a mark that data ends with.
func (l *logs) begun(data []byte) int {
	for n := min(len(l.mark)-1, len(data)); n > 0; n-- {
		if bytes.HasSuffix(data, l.mark[:n]) {
			return n
		}
	}
	return 0
}

// drain returns when everything that was written so far is with the writer.
func (l *logs) drain() {
	if _, err := l.w.Write(l.mark); err != nil {
		return
	}
	select {
	case <-l.seen:
	case <-l.done:
	}
}

// close drains and ends the reader, even if a child of the process still holds the
// writing end.
func (l *logs) close() {
	l.drain()
	_ = l.w.Close() // a pipe has nothing to flush
	_ = l.r.Close()
	<-l.done
}
