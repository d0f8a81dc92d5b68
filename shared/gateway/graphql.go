package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// pageAttempts is how often a page is asked for while the gateway does not
// answer. It equals failuresBeforePause: after that the gateway is in back-off.
const pageAttempts = failuresBeforePause

// ask sends one query and decodes its page.
func (g *Gateway) ask(ctx context.Context, q query) (page, error) {
	body, err := json.Marshal(struct {
		Query string `json:"query"`
	}{q.text()})
	if err != nil {
		return page{}, g.fail("query", fmt.Errorf("%w: %w", ErrInvalid, err))
	}
	var p page
	err = g.do(ctx, request{
		class: classQuery,
		op:    "query",
		build: func(ctx context.Context) (*http.Request, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.base.JoinPath("graphql").String(), bytes.NewReader(body))
			if err != nil {
				return nil, err
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Accept", "application/json")
			// A query changes nothing. An empty list is not sent; it tells the
			// transport to repeat the request when a kept connection is gone.
			req.Header["Idempotency-Key"] = []string{}
			return req, nil
		},
		read: func(resp *http.Response) (err error) {
			raw, err := g.readJSON(resp, "query", g.opts.MaxPageBytes)
			if err != nil {
				return err
			}
			if p, err = decodePage(raw); err != nil {
				e := g.fail("query", err)
				e.Status = resp.StatusCode
				return e
			}
			return nil
		},
	})
	return p, err
}

// readJSON reads a bounded body that ought to be JSON.
func (g *Gateway) readJSON(resp *http.Response, op string, limit int64) ([]byte, error) {
	raw, over, err := readBounded(resp.Body, limit)
	e := g.fail(op, ErrProtocol)
	e.Status = resp.StatusCode
	switch {
	case err != nil:
		return nil, err
	case jsonObject(raw) != nil:
		e.Err, e.Detail = ErrUnhealthy, excerpt(raw)
		return nil, e
	case over:
		e.Detail = fmt.Sprintf("more than %d bytes", limit)
		return nil, e
	}
	return raw, nil
}

// askAgain asks for a page up to pageAttempts times while the gateway does not
// answer at all, or not with JSON.
func (g *Gateway) askAgain(ctx context.Context, q query) (page, error) {
	for attempt := 1; ; attempt++ {
		p, err := g.ask(ctx, q)
		again := errors.Is(err, ErrUnavailable) || errors.Is(err, ErrUnhealthy)
		if !again || attempt == pageAttempts {
			return p, err
		}
		if err := sleep(ctx, g.opts.RetryPause<<(attempt-1)); err != nil {
			return page{}, g.fail("query", err)
		}
	}
}

// askAll asks for a page with every field. Where that fails for something in the
// page (one bad row nulls it, or it is too long), the page is asked for with id
// and height alone, and what else can be had is read by id: unknown(id) says for
// which ids that is worth it.
func (g *Gateway) askAll(ctx context.Context, q query, unknown func(id string) bool) (page, error) {
	p, err := g.askAgain(ctx, q)
	if q.sel == selectIDs || !isPageFault(err) {
		return p, err
	}
	g.opts.Logger.Warn("page failed with all fields, trying with ids only", "gateway", g.name, "error", err)
	q.sel = selectIDs
	p, err = g.askAgain(ctx, q)
	if err != nil {
		return page{}, err
	}
	var ids []string
	for _, e := range p.edges {
		if e.valid && unknown(e.node.ID) {
			ids = append(ids, e.node.ID)
		}
	}
	found, err := g.byID(ctx, ids)
	if err != nil && !isPageFault(err) {
		return page{}, err
	}
	for i, e := range p.edges {
		// The height stays that of the window: it is what the order rests on.
		if n, ok := found[e.node.ID]; ok {
			n.Height = e.node.Height
			p.edges[i].node = n
		}
	}
	return p, nil
}

// isPageFault reports whether a page failed for what it holds.
func isPageFault(err error) bool {
	return errors.Is(err, ErrGraphQL) || errors.Is(err, ErrProtocol)
}

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
