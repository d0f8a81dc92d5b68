package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// requestWorkers is how many requests may be under way.
const requestWorkers = 64

// connections is how many a client keeps to the node. They are few, so that all of them
// are soon in use, and the node's open files and goroutines say something about the
// node; a part of the load that waits for one waits at the node's cost.
const connections = 8

func newClient() (*http.Client, func()) {
	transport := &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}, transport.CloseIdleConnections
}

// requester sends what clients of an OIP node ask for.
type requester struct {
	url    string
	client *http.Client
	// dids are some records that are there.
	dids    []string
	answers *latencies
}

// pick is the path of request i. The mixture has answers that are cached and answers
// that are not, lists, single records, searches, and the health pages.
func (r *requester) pick(i int) string {
	did := url.QueryEscape(r.dids[i/10%len(r.dids)])
	switch i % 10 {
	case 0, 1:
		return fmt.Sprintf("/api/records?limit=20&page=%d", 1+i/10%10)
	case 2:
		return "/api/records?did=" + did + "&resolveDepth=1"
	case 3:
		return "/api/records?did=" + did
	case 4:
		return fmt.Sprintf("/api/records?search=%s&limit=10", []string{"soup", "bread", "garden", "open", "kitchen", "soak"}[i/10%6])
	case 5:
		return fmt.Sprintf("/api/records?recordType=post&limit=10&inArweaveBlock=%d", i) // new each time
	case 6:
		return fmt.Sprintf("/api/records?sortBy=date:desc&limit=%d", 1+i/10%50)
	case 7:
		return []string{"/api/templates", "/api/creators", "/api/organizations", "/api/records/recordTypes"}[i/10%4]
	case 8:
		return "/api/health/keepdb"
	default:
		return "/api/health"
	}
}

// do sends request i. Its time counts from the moment when it should have been sent.
func (r *requester) do(ctx context.Context, i int, at time.Time) error {
	path := r.pick(i)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+path, nil)
	if err != nil {
		return err
	}
	_, err = answer(r.client, req, http.StatusOK)
	if err == nil {
		r.answers.add(time.Since(at))
	}
	return err
}

// answer sends a request and reads the whole answer, which must have this status.
func answer(client *http.Client, r *http.Request, want int) ([]byte, error) {
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err)
	}
	if resp.StatusCode != want {
		return nil, fmt.Errorf("%s %s: status %d: %.200s", r.Method, r.URL.RequestURI(), resp.StatusCode, body)
	}
	return body, nil
}

// someDIDs are DIDs of records that anybody may read.
func someDIDs(ctx context.Context, p *process) ([]string, error) {
	var page struct {
		Records []struct{ OIP struct{ DID string } }
	}
	if err := p.ask(ctx, "/api/records?limit=50", &page); err != nil {
		return nil, err
	}
	var dids []string
	for _, r := range page.Records {
		dids = append(dids, r.OIP.DID)
	}
	if len(dids) == 0 {
		return nil, fmt.Errorf("the node has no records")
	}
	return dids, nil
}
