package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// asker asks the same thing again and again. It is not for concurrent use.
type asker interface {
	ask(ctx context.Context) error
	close() error
}

// connection asks over one connection that is kept. What it does itself is as little as
// can be, since it takes its time from the two processors that are measured: the requests
// are ready, the answers are read to their end and not looked at.
type connection struct {
	conn     net.Conn
	reader   *bufio.Reader
	requests [][]byte
	// bytes is the size of the last answer's body.
	bytes int64
}

// answerTime is how long an answer may take.
const answerTime = time.Minute

// dial connects to the host of a URL. The requests are as they go over the wire.
func dial(ctx context.Context, base string, requests ...[]byte) (asker, error) {
	c, err := connect(ctx, base)
	if err != nil {
		return nil, err
	}
	c.requests = requests
	return c, nil
}

func connect(ctx context.Context, base string) (*connection, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, err
	}
	return &connection{conn: conn, reader: bufio.NewReaderSize(conn, 64<<10)}, nil
}

// get is a GET as it goes over the wire.
func get(address string) ([]byte, error) {
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = r.Write(&b)
	return b.Bytes(), err
}

func (c *connection) close() error { return c.conn.Close() }

func (c *connection) ask(context.Context) error {
	if err := c.conn.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return err
	}
	for _, r := range c.requests {
		if err := c.send(r); err != nil {
			return err
		}
	}
	return nil
}

func (c *connection) send(request []byte) error {
	if _, err := c.conn.Write(request); err != nil {
		return err
	}
	res, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", firstLine(request), err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(res.Body, 500))
		return errors.Join(fmt.Errorf("%s: %s: %s", firstLine(request), res.Status, text), err)
	}
	if c.bytes, err = io.Copy(io.Discard, res.Body); err != nil {
		return fmt.Errorf("%s: its answer: %w", firstLine(request), err)
	}
	return nil
}

func firstLine(request []byte) []byte {
	line, _, _ := bytes.Cut(request, []byte("\r\n"))
	return line
}

// inTurns asks one and the other in turns, until the time is over for both and each has
// been asked leastTurns times.
func inTurns(ctx context.Context, d time.Duration, one, other asker) (ones, others times, err error) {
	for end := time.Now().Add(2 * d); time.Now().Before(end) || len(ones) < leastTurns; {
		begun := time.Now()
		if err := one.ask(ctx); err != nil {
			return nil, nil, err
		}
		between := time.Now()
		ones = append(ones, between.Sub(begun))
		if other != nil {
			if err := other.ask(ctx); err != nil {
				return nil, nil, err
			}
			others = append(others, time.Since(between))
		}
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
	}
	slices.Sort(ones)
	slices.Sort(others)
	return ones, others, nil
}

// leastTurns keeps a median from being that of one or two.
const leastTurns = 5

// times are sorted.
type times []time.Duration

// quantile is by nearest rank, in milliseconds.
func (t times) quantile(q float64) float64 {
	if len(t) == 0 {
		return 0
	}
	return float64(t[max(int(math.Ceil(q*float64(len(t)))), 1)-1]) / float64(time.Millisecond)
}

// rate is how many answers a second there are when n ask at a time for a while. What is
// under way at the end is waited for and counted, with its time.
func rate(ctx context.Context, d time.Duration, askers []asker) (float64, error) {
	var count atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	end := start.Add(d)
	for _, a := range askers {
		g.Go(func() error {
			for time.Now().Before(end) {
				if err := a.ask(ctx); err != nil {
					return err
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				count.Add(1)
			}
			return nil
		})
	}
	err := g.Wait()
	return float64(count.Load()) / time.Since(start).Seconds(), err
}

// slices in which the rates of the handler and of the engine take turns.
const rateTurns = 4

// ratesInTurns are the rates of one and the other, each measured for d in all.
func ratesInTurns(ctx context.Context, d time.Duration, one, other []asker) (ones, others float64, err error) {
	for range rateTurns {
		a, err := rate(ctx, d/rateTurns, one)
		if err != nil {
			return 0, 0, err
		}
		b, err := rate(ctx, d/rateTurns, other)
		if err != nil {
			return 0, 0, err
		}
		ones, others = ones+a/rateTurns, others+b/rateTurns
	}
	return ones, others, nil
}

// several makes n askers; closed ends them.
func several(ctx context.Context, n int, create newAsker) (list []asker, closed func(), err error) {
	closed = func() {
		for _, a := range list {
			_ = a.close() // every answer was read to its end
		}
	}
	for range n {
		a, err := create(ctx)
		if err != nil {
			closed()
			return nil, nil, err
		}
		list = append(list, a)
	}
	return list, closed, nil
}
