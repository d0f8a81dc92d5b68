package dynamo_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"oipnode/shared/state"
	"oipnode/shared/state/dynamo"
)

// calls are all ways to use a store, by the operation that they make.
var calls = map[string]func(context.Context, state.Store) error{
	"GetItem": func(ctx context.Context, s state.Store) error { _, err := s.Get(ctx, key("a")); return err },
	"TransactGetItems": func(ctx context.Context, s state.Store) error {
		_, err := s.Get(ctx, key("a"), key("b"))
		return err
	},
	"Query": func(ctx context.Context, s state.Store) error {
		_, err := s.Range(ctx, "space", "", "", 10)
		return err
	},
	"PutItem":    func(ctx context.Context, s state.Store) error { return s.Commit(ctx, state.Create(key("new"), nil)) },
	"UpdateItem": func(ctx context.Context, s state.Store) error { return s.Commit(ctx, state.Add(key("n"), 1)) },
	"DeleteItem": func(ctx context.Context, s state.Store) error { return s.Commit(ctx, state.Delete(key("old"))) },
	"TransactWriteItems": func(ctx context.Context, s state.Store) error {
		return s.Commit(ctx, state.Add(key("m"), 1), state.Put(key("c"), nil))
	},
}

// isWrite says whether a call is a write without a token.
func isWrite(operation string) bool {
	return slices.Contains([]string{"PutItem", "UpdateItem", "DeleteItem"}, operation)
}

// TestThrottled: what was certainly not done is sent again, whatever it is.
func TestThrottled(t *testing.T) {
	var log logged
	p, s := newProxy(t, dynamo.Options{Log: log.logger()})
	for operation, call := range calls {
		answers := []misbehaviour{code("ProvisionedThroughputExceededException"), code("ThrottlingException"),
			code("RequestLimitExceeded"), code("TransactionConflictException"), {status: 429, body: "busy"}}
		if strings.HasPrefix(operation, "Transact") {
			answers = append(answers, cancelled("None", "TransactionConflict"), cancelled("ThrottlingError", "None"),
				cancelled("ProvisionedThroughputExceeded", "TransactionConflict"), cancelled())
		}
		p.set(func(n int, _ string) *misbehaviour {
			if n <= len(answers) {
				return &answers[n-1]
			}
			return nil
		})
		if err := call(t.Context(), s); err != nil {
			t.Errorf("%s: %v", operation, err)
		}
		if got := p.operations(); len(got) != len(answers)+1 || got[0] != operation {
			t.Errorf("%s: requests %q", operation, got)
		}
		if !strings.Contains(log.String(), "operation="+operation) {
			t.Errorf("%s: %d attempts are not in the log:\n%s", operation, len(answers)+1, log.String())
		}
	}
	p.set(nil)
	want(t, s, key("n"), "1", 1)
	want(t, s, key("m"), "1", 1)
}

// TestPatienceEnds: the table answers nothing useful for ever. An answer has all the
// time that a busy machine may take for it.
func TestPatienceEnds(t *testing.T) {
	p, s := newProxy(t, briefly())
	for operation, call := range calls {
		for _, m := range []misbehaviour{code("ThrottlingException"), {cut: true}, code("InternalServerError"),
			{status: 503, body: "<html>"}, {status: 200, body: `{"Item":`}} {
			p.set(func(int, string) *misbehaviour { return &m })
			begun := time.Now()
			err := call(t.Context(), s)
			hasty := time.Since(begun) < patience/2 // a pause is shorter than the other half
			p.wantUnavailable(err, operation, m)
			// Only a write that may have been done is not tried a second time.
			lost := m.body != code("ThrottlingException").body
			if n := len(p.operations()); lost && isWrite(operation) && n != 1 || !(lost && isWrite(operation)) && n == 1 && hasty {
				t.Errorf("%s with %+v: %d requests", operation, m, n)
			}
		}
	}
}

// TestSilent: the table gives no answer at all, for as long as the patience lasts.
func TestSilent(t *testing.T) {
	p, s := newProxy(t, dynamo.Options{Patience: 1500 * time.Millisecond, Attempt: time.Second})
	m := misbehaviour{hold: true}
	p.set(func(int, string) *misbehaviour { return &m })
	var all sync.WaitGroup
	for operation, call := range calls {
		all.Go(func() { p.wantUnavailable(call(t.Context(), s), operation, m) })
	}
	all.Wait()
}

// wantUnavailable checks the error of a call whose patience is over.
func (p *proxy) wantUnavailable(err error, operation string, m misbehaviour) {
	p.t.Helper()
	if !errors.Is(err, state.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), operation) {
		p.t.Errorf("%s with %+v: %v", operation, m, err)
	} else if strings.Contains(err.Error(), "SECRET") {
		p.t.Errorf("%s: %v", operation, err)
	}
}

// TestLostAnswer: the engine did it and nobody heard. A transaction is known by
// its token; a lone write is reported and done once.
func TestLostAnswer(t *testing.T) {
	p, s := newProxy(t, dynamo.Options{Attempt: 2 * time.Second})
	for i, m := range []misbehaviour{{done: true, cut: true}, {done: true, status: 500, body: "{}"},
		{done: true, status: 200, body: "{"}, {done: true, hold: true}} {
		count := uint64(i + 1)
		number := string(rune('0' + count))
		p.first(1, m)
		if err := s.Commit(t.Context(), state.Add(key("both"), 1), state.Add(key("other"), 1)); err != nil {
			t.Errorf("%+v: %v", m, err)
		}
		if got := p.operations(); len(got) != 2 {
			t.Errorf("%+v: requests %q", m, got)
		}
		want(t, s, key("both"), number, count)

		p.first(1, m)
		if err := s.Commit(t.Context(), state.Add(key("lone"), 1)); !errors.Is(err, state.ErrUnavailable) {
			t.Errorf("%+v: %v", m, err)
		}
		if got := p.operations(); len(got) != 1 {
			t.Errorf("%+v: requests %q", m, got)
		}
		p.set(nil)
		want(t, s, key("lone"), number, count)
	}
}

// TestLateRequest: a request that was given up reaches the table behind its
// repetition, and must not be done a second time.
func TestLateRequest(t *testing.T) {
	p, s := newProxy(t, dynamo.Options{})
	p.first(1, misbehaviour{keep: true})
	commit(t, s, state.Add(key("n"), 1), state.Delete(key("x")))
	commit(t, s, state.Put(key("x"), []byte("later")))
	if got := p.release(); !slices.Equal(got, []int{200}) {
		t.Errorf("the late request was answered with %d", got)
	}
	p.set(nil)
	want(t, s, key("n"), "1", 1)
	want(t, s, key("x"), "later", 1)
}

// TestDoubtIsKept: behind a lost answer, a Commit must not be sent in another
// form, which DynamoDB would not know to be the same.
func TestDoubtIsKept(t *testing.T) {
	c := newClock()
	p, s := newProxy(t, dynamo.Options{Now: c.Now})
	commit(t, s, state.Add(key("n"), 5).Until(c.Now().Add(time.Second)))
	c.Advance(time.Minute)
	p.first(1, misbehaviour{keep: true})
	err := s.Commit(t.Context(), state.Add(key("n"), 1), state.Add(key("m"), 1))
	if !errors.Is(err, state.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	p.release()
	p.set(nil)
	want(t, s, key("n"), "", 0)
	want(t, s, key("m"), "", 0)
	// Without a doubt, it takes two requests.
	p.set(nil)
	commit(t, s, state.Add(key("n"), 1), state.Add(key("m"), 1))
	if got := p.operations(); len(got) != 2 {
		t.Errorf("requests %q", got)
	}
	want(t, s, key("n"), "1", 1)
}

// TestRefused: credentials are not tried twice, and what AWS writes about them
// stays out of the error.
func TestRefused(t *testing.T) {
	p, s := newProxy(t, dynamo.Options{})
	for operation, call := range calls {
		for _, name := range []string{"AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException",
			"InvalidSignatureException", "IncompleteSignatureException", "MissingAuthenticationTokenException"} {
			p.first(9, code(name))
			err := call(t.Context(), s)
			if !errors.Is(err, dynamo.ErrRefused) || !strings.Contains(err.Error(), operation) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s with %s: %v", operation, name, err)
			}
			if strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "testkey") {
				t.Errorf("%s with %s tells too much: %v", operation, name, err)
			}
			if got := p.operations(); len(got) != 1 {
				t.Errorf("%s with %s: requests %q", operation, name, got)
			}
		}
	}
}

// TestFinalAnswers are not repeated and are no sentinel of the contract that a
// caller would react to.
func TestFinalAnswers(t *testing.T) {
	p, s := newProxy(t, dynamo.Options{})
	for operation, call := range calls {
		if operation == "TransactGetItems" {
			continue // asks for its keys one by one; see TestGetWithoutTransaction
		}
		for _, m := range []misbehaviour{code("ValidationException"), code("NewException"),
			cancelled("None", "ItemCollectionSizeLimitExceeded")} {
			p.first(9, m)
			err := call(t.Context(), s)
			if err == nil || errors.Is(err, state.ErrUnavailable) || errors.Is(err, state.ErrConflict) || errors.Is(err, state.ErrInvalid) {
				t.Errorf("%s with %+v: %v", operation, m, err)
			}
			if got := p.operations(); len(got) != 1 {
				t.Errorf("%s with %+v: requests %q", operation, m, got)
			}
		}
	}
}

// TestGetWithoutTransaction: what DynamoDB does not accept as one transaction is
// read in parts, and a fault of another kind still comes out.
func TestGetWithoutTransaction(t *testing.T) {
	p, s := newProxy(t, dynamo.Options{})
	commit(t, s, state.Put(key("a"), []byte("1")), state.Put(key("c"), []byte("3")))
	tooBig := cancelled("ValidationError", "None", "None")
	for _, m := range []misbehaviour{code("ValidationException"), tooBig} {
		p.set(func(_ int, operation string) *misbehaviour {
			if operation == "TransactGetItems" {
				return &m
			}
			return nil
		})
		items, err := s.Get(t.Context(), key("a"), key("b"), key("c"))
		if err != nil || len(items) != 2 || items[0].ID != "a" || items[1].ID != "c" {
			t.Errorf("Get returned %+v, %v", items, err)
		}
	}
	denied := code("AccessDeniedException")
	for _, last := range []int{2, 4} { // of TransactGet, Get, TransactGet, Get, Get
		p.set(func(n int, operation string) *misbehaviour {
			switch {
			case n == last:
				return &denied
			case operation == "TransactGetItems":
				return &tooBig
			}
			return nil
		})
		if items, err := s.Get(t.Context(), key("a"), key("b"), key("c")); !errors.Is(err, dynamo.ErrRefused) || items != nil {
			t.Errorf("Get returned %+v, %v", items, err)
		}
	}
}

// TestUnreachable: a request that never left may be sent again, also a lone write.
func TestUnreachable(t *testing.T) {
	table := newTable(t, newClient(t, nil))
	tries := 0
	nowhere := roundTripper(func(r *http.Request) (*http.Response, error) {
		tries++
		transport := http.Transport{}
		r.URL.Host = "127.0.0.1:1"
		return transport.RoundTrip(r)
	})
	opts := briefly()
	opts.Table, opts.Client = table, newClient(t, nowhere)
	if _, err := dynamo.Open(t.Context(), opts); !errors.Is(err, state.ErrUnavailable) || tries < 2 {
		t.Errorf("Open returned %v after %d tries", err, tries)
	}
	opts.Client = newClient(t, nil)
	up := openStore(t, opts)
	opts.Client = newClient(t, switching(func() http.RoundTripper {
		if tries < 0 {
			return nil
		}
		return nowhere
	}))
	tries = -1
	s := openStore(t, opts)
	tries = 0
	if err := s.Commit(t.Context(), state.Add(key("n"), 1)); !errors.Is(err, state.ErrUnavailable) || tries < 2 {
		t.Errorf("Commit returned %v after %d tries", err, tries)
	}
	want(t, up, key("n"), "", 0)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// switching asks for each request which transport to use, nil for the usual one.
func switching(which func() http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if other := which(); other != nil {
			return other.RoundTrip(r)
		}
		transport := http.Transport{DisableKeepAlives: true}
		return transport.RoundTrip(r)
	})
}

// TestEndedWhileWaiting: neither a context nor Close waits for the patience.
func TestEndedWhileWaiting(t *testing.T) {
	for name, m := range map[string]misbehaviour{"throttled": code("ThrottlingException"), "silent": {hold: true}} {
		for operation, call := range calls {
			p, s := newProxy(t, dynamo.Options{Patience: time.Hour, Attempt: time.Hour})
			ctx, cancel := context.WithCancel(t.Context())
			asked := make(chan struct{}, 1)
			p.set(func(int, string) *misbehaviour {
				select {
				case asked <- struct{}{}:
				default:
				}
				return &m
			})
			result := make(chan error, 1)
			begin := func() { go func() { result <- call(ctx, s) }(); <-asked }
			begin()
			cancel()
			if err := <-result; !errors.Is(err, context.Canceled) {
				t.Errorf("%s, %s: cancelled: %v", operation, name, err)
			}
			ctx = t.Context()
			drain(asked)
			begin()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if err := <-result; !errors.Is(err, state.ErrClosed) {
				t.Errorf("%s, %s: closed: %v", operation, name, err)
			}
		}
	}
}

func drain(c chan struct{}) {
	select {
	case <-c:
	default:
	}
}

// TestTableVanishes: the table is removed while the store is open.
func TestTableVanishes(t *testing.T) {
	client := newClient(t, nil)
	name := "state-vanishes-" + time.Now().Format("150405.000000000")
	if err := dynamo.CreateTable(t.Context(), client, name); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, dynamo.Options{Client: client, Table: name})
	if _, err := client.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: aws.String(name)}); err != nil {
		t.Fatal(err)
	}
	for operation, call := range calls {
		if err := call(t.Context(), s); !errors.Is(err, dynamo.ErrTable) || !strings.Contains(err.Error(), operation) {
			t.Errorf("%s: %v", operation, err)
		}
	}
}
