package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sync/errgroup"

	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/records/embedded"
	"oipnode/shared/records/opensearch"
)

// stores are the record stores that are measured.
type stores struct {
	embedded *embedded.Store
	// openSearch is nil without an engine.
	openSearch *opensearch.Store
	heard      *wire
	close      func() error
}

// openStores opens the stores, and fills those that do not hold the records.
func openStores(ctx context.Context, s settings, say func(format string, args ...any)) (st *stores, err error) {
	st = &stores{}
	var open []io.Closer
	st.close = func() error {
		var errs []error
		for _, c := range open {
			errs = append(errs, c.Close())
		}
		if st.heard != nil {
			st.heard.next.CloseIdleConnections()
		}
		return errors.Join(errs...)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, st.close())
		}
	}()
	if err := os.MkdirAll(s.kept, 0o755); err != nil {
		return nil, err
	}
	if st.embedded, err = embedded.Open(ctx, filepath.Join(s.kept, "records"), embedded.Options{}); err != nil {
		return nil, err
	}
	open = append(open, st.embedded)
	all := []records.Store{st.embedded}
	if s.openSearch != "" {
		st.heard = &wire{next: opensearch.Transport()}
		st.openSearch, err = opensearch.Open(ctx, opensearch.Options{
			Endpoints: []string{s.openSearch}, Prefix: s.prefix, Transport: st.heard,
		})
		if err != nil {
			return nil, err
		}
		open, all = append(open, st.openSearch), append(all, st.openSearch)
	}
	return st, fill(ctx, s.records, all, say)
}

// fill makes the records for those stores that do not hold them yet.
func fill(ctx context.Context, n int, all []records.Store, say func(format string, args ...any)) error {
	p, err := newPress()
	if err != nil {
		return err
	}
	var empty []records.Store
	for _, s := range all {
		h, err := s.Health(ctx)
		if err != nil {
			return err
		}
		if h.Documents != p.total(n) {
			empty = append(empty, s)
			say("%s has %d of %d documents; they are made", h.Engine, h.Documents, p.total(n))
		}
	}
	if len(empty) == 0 {
		return nil
	}
	written := 0
	return p.rounds(ctx, n, func(ctx context.Context, documents []*oip.Document) error {
		g, ctx := errgroup.WithContext(ctx)
		for _, s := range empty {
			g.Go(func() error { return put(ctx, s, documents) })
		}
		if before := written; before/10_000 != (written+len(documents))/10_000 {
			say("%d of %d", before+len(documents), n)
		}
		written += len(documents)
		return g.Wait()
	})
}

// put writes documents, as many at a time as a Write takes.
func put(ctx context.Context, s records.Store, documents []*oip.Document) error {
	var ops []records.Op
	bytes := 0
	flush := func() error {
		results, err := s.Write(ctx, ops)
		if err != nil {
			return err
		}
		for i, r := range results {
			if r.Status != records.OK {
				return fmt.Errorf("write %s: %+v", ops[i].Put.DID(), r)
			}
		}
		ops, bytes = nil, 0
		return nil
	}
	for _, d := range documents {
		if size := len(d.JSON()); bytes+size > records.MaxWriteBytes || len(ops) == records.MaxOps {
			if err := flush(); err != nil {
				return err
			}
		}
		ops, bytes = append(ops, records.Op{Put: d, Fence: 1}), bytes+len(d.JSON())
	}
	return flush()
}

// A seat is a store as the handler gets it, and the way to ask the engine behind it the
// same things without the handler.
type seat struct {
	name  string
	store records.Store
	// overhear does something, and returns what was asked of the engine meanwhile: how
	// many requests, and an asker that asks them again, one after the other.
	overhear func(do func() error) (n int, raw newAsker, err error)
}

// newAsker makes an asker of its own for each that asks at the same time.
type newAsker func(ctx context.Context) (asker, error)

// calls is a store that notes the calls that come through it.
type calls struct {
	records.Store
	mu   sync.Mutex
	list []func(context.Context) error
}

func (c *calls) note(call func(context.Context) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, call)
}

func (c *calls) Search(ctx context.Context, q records.Query) (records.Page, error) {
	c.note(func(ctx context.Context) error { _, err := c.Store.Search(ctx, q); return err })
	return c.Store.Search(ctx, q)
}

func (c *calls) Count(ctx context.Context, where records.Cond, by records.Field) (records.Counts, error) {
	c.note(func(ctx context.Context) error { _, err := c.Store.Count(ctx, where, by); return err })
	return c.Store.Count(ctx, where, by)
}

func (c *calls) Get(ctx context.Context, dids []string, envelopeOnly bool) ([]records.Stored, error) {
	c.note(func(ctx context.Context) error { _, err := c.Store.Get(ctx, dids, envelopeOnly); return err })
	return c.Store.Get(ctx, dids, envelopeOnly)
}

// switched is a store behind which another can be put while nobody asks.
type switched struct{ records.Store }

// embeddedSeat notes calls only while it listens; otherwise the handler has the store
// itself.
func embeddedSeat(s records.Store) seat {
	front := &switched{s}
	return seat{name: "embedded", store: front, overhear: func(do func() error) (int, newAsker, error) {
		c := &calls{Store: s}
		front.Store = c
		err := do()
		front.Store = s
		return len(c.list), func(context.Context) (asker, error) { return again(c.list), nil }, err
	}}
}

// again makes calls one after the other.
type again []func(context.Context) error

func (a again) ask(ctx context.Context) error {
	for _, call := range a {
		if err := call(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (again) close() error { return nil }

// wire carries requests to the engine, and notes them while it listens.
type wire struct {
	next *http.Transport

	mu        sync.Mutex
	listening bool
	heard     [][]byte
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	listening := w.listening
	w.mu.Unlock()
	if listening && r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		copied := r.Clone(r.Context())
		copied.Body = io.NopCloser(bytes.NewReader(body))
		var text bytes.Buffer
		if err := copied.Write(&text); err != nil {
			return nil, err
		}
		w.mu.Lock()
		w.heard = append(w.heard, text.Bytes())
		w.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return w.next.RoundTrip(r)
}

func openSearchSeat(s records.Store, w *wire, address string) seat {
	return seat{name: "OpenSearch", store: s, overhear: func(do func() error) (int, newAsker, error) {
		w.mu.Lock()
		w.listening, w.heard = true, nil
		w.mu.Unlock()
		err := do()
		w.mu.Lock()
		w.listening = false
		heard := w.heard
		w.mu.Unlock()
		return len(heard), func(ctx context.Context) (asker, error) { return dial(ctx, address, heard...) }, err
	}}
}
