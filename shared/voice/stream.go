package voice

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// streamPage is the most events that a stream holds at a time, so that all streams of
// a process together hold at most MaxStreams * streamPage * MaxEventBytes: 150 MiB with
// the defaults, if every reader is slow and every event as large as can be.
const streamPage = 4

// hub knows the streams of this process that wait for a dialogue, to wake them. A wake
// carries nothing: a stream that is woken, or that looks by itself, reads the store.
type hub struct {
	mu     sync.Mutex
	open   map[string]map[*Stream]struct{}
	count  int
	closed chan struct{}
}

func newHub() hub {
	return hub{open: make(map[string]map[*Stream]struct{}), closed: make(chan struct{})}
}

func (h *hub) enter(s *Stream, most, mostPerDialogue int) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.closed:
		return ErrClosed
	default:
	}
	switch {
	case h.count >= most:
		return fmt.Errorf("%w: %d in this process", ErrStreams, most)
	case len(h.open[s.id]) >= mostPerDialogue:
		return fmt.Errorf("%w: %d of one dialogue", ErrStreams, mostPerDialogue)
	}
	if h.open[s.id] == nil {
		h.open[s.id] = make(map[*Stream]struct{})
	}
	h.open[s.id][s] = struct{}{}
	h.count++
	return nil
}

func (h *hub) leave(s *Stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.open[s.id][s]; !ok {
		return
	}
	h.count--
	if delete(h.open[s.id], s); len(h.open[s.id]) == 0 {
		delete(h.open, s.id)
	}
}

func (h *hub) wake(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.open[id] {
		select {
		case s.woken <- struct{}{}:
		default: // it has been woken and not looked yet
		}
	}
}

// Close ends all streams, and no new one can be opened. Their clients connect again
// and go on, with another process or with this one's successor. The rest works on. A
// server that shuts down calls it first, since a stream may last for hours.
func (d *Dialogues) Close() {
	d.hub.mu.Lock()
	defer d.hub.mu.Unlock()
	select {
	case <-d.hub.closed:
	default:
		close(d.hub.closed)
	}
}

// Streams is the number of streams that are open in this process.
func (d *Dialogues) Streams() int {
	d.hub.mu.Lock()
	defer d.hub.mu.Unlock()
	return d.hub.count
}

// Stream follows one dialogue for one reader: a position, and nothing that could grow.
// Its owner must call Close. It is for one goroutine.
type Stream struct {
	d     *Dialogues
	may   func(row) bool
	id    string
	after int
	woken chan struct{}
}

// Open begins to follow a dialogue behind the event of that number, 0 for the first. It
// returns ErrNotFound, ErrStreams or ErrClosed, and a *FieldError for a position that
// the dialogue has not reached.
func (d *Dialogues) Open(ctx context.Context, c Caller, id string, after int) (*Stream, error) {
	r, err := d.row(ctx, id, c.reads)
	if err != nil {
		return nil, fmt.Errorf("open a stream: %w", err)
	}
	if after < 0 || after > r.Events {
		return nil, &FieldError{"Last-Event-ID", fmt.Sprintf("the id of an event of this stream, at most %d", r.Events)}
	}
	s := &Stream{d: d, may: c.reads, id: id, after: after, woken: make(chan struct{}, 1)}
	if err := d.hub.enter(s, d.opt.MaxStreams, d.opt.MaxStreamsPerDialogue); err != nil {
		return nil, fmt.Errorf("open a stream: %w", err)
	}
	return s, nil
}

// Close gives the stream's place free. Closing twice is fine.
func (s *Stream) Close() { s.d.hub.leave(s) }

// Next returns the next events, at least one and at most streamPage, as soon as there
// are any, and none when wait has gone by. After the last event of an ended dialogue it
// returns io.EOF; from the second on at which the dialogue expires ErrNotFound; after
// Dialogues.Close ErrClosed.
func (s *Stream) Next(ctx context.Context, wait time.Duration) ([]Event, error) {
	end := time.NewTimer(wait)
	defer end.Stop()
	look := time.NewTicker(s.d.opt.Poll)
	defer look.Stop()
	for {
		p, err := s.d.page(ctx, s.may, s.id, s.after, streamPage, s.d.opt.MaxEventBytes)
		switch {
		case err != nil:
			return nil, fmt.Errorf("follow a dialogue: %w", err)
		case len(p.Events) > 0:
			s.after = p.Events[len(p.Events)-1].Number
			return p.Events, nil
		case p.Dialogue.Status == Ended:
			return nil, io.EOF
		}
		select {
		case <-s.woken:
		case <-look.C:
		case <-end.C:
			return nil, nil
		case <-s.d.hub.closed:
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
