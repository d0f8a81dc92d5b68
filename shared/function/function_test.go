package function

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"go.uber.org/goleak"

	"oipnode/shared/config"
	"oipnode/shared/errs"
	"oipnode/shared/memory"
	"oipnode/shared/metrics"
	"oipnode/shared/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestOnce: what could not be made is made by the next who asks, what was made is made
// once, however many ask at a time.
func TestOnce(t *testing.T) {
	var o once[int]
	down := errors.New("down")
	if _, err := o.get(t.Context(), func(context.Context) (int, error) { return 1, down }); !errors.Is(err, down) {
		t.Errorf("%v", err)
	}
	if v, ok := o.value(); ok {
		t.Errorf("%d was kept of a failure", v)
	}
	made := 0
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			v, err := o.get(t.Context(), func(context.Context) (int, error) { made++; return 7, nil })
			if err != nil || v != 7 {
				t.Errorf("%d, %v", v, err)
			}
		})
	}
	all.Wait()
	if v, ok := o.value(); made != 1 || !ok || v != 7 {
		t.Errorf("made %d times, %d, %v", made, v, ok)
	}
}

// TestUnavailable: a store that nobody listens for is a fault that passes; the log names
// the variable, the caller reads the part only, and nothing is left open.
func TestUnavailable(t *testing.T) {
	var log bytes.Buffer
	p := newParts(config.Config{AWS: config.AWS{OpenSearchEndpoint: "http://127.0.0.1:9", OpenSearchIndex: "oip", StateTable: "table"}},
		aws.Config{}, metrics.Discard, slog.New(slog.NewTextHandler(&log, nil)))
	p.Writes = true
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for variable, open := range map[string]func() error{
		"OPENSEARCH_ENDPOINT": func() error { _, err := p.Records(ctx); return err },
		"STATE_TABLE":         func() error { _, err := p.State(ctx); return err },
	} {
		err := open()
		if !errors.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), variable) || strings.Contains(errs.Public(err), variable) || errs.RetryAfter(err) != retryAfter {
			t.Errorf("%s: %v; to the caller: %s", variable, err, errs.Public(err))
		}
	}
	if err := p.close(); err != nil {
		t.Error(err)
	}
}

// TestSigner: requests to the OpenSearch service are signed with the role; elsewhere
// nothing is.
func TestSigner(t *testing.T) {
	a := aws.Config{Region: "eu-central-1", Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "id", SecretAccessKey: "secret"}, nil
	})}
	plain := newParts(config.Config{AWS: config.AWS{OpenSearchEndpoint: "http://127.0.0.1:9200"}}, a, nil, nil)
	if s, err := plain.signer(); s != nil || err != nil {
		t.Errorf("%v, %v", s, err)
	}
	secure := newParts(config.Config{AWS: config.AWS{OpenSearchEndpoint: "https://search.example"}}, a, nil, nil)
	s, err := secure.signer()
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://search.example/_search", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SignRequest(r); err != nil || !strings.Contains(r.Header.Get("Authorization"), "/eu-central-1/es/aws4_request") {
		t.Errorf("%v, %q", err, r.Header.Get("Authorization"))
	}
}

// TestRequestHandler: a line of an invocation says which it belongs to, one of the
// process does not, and neither groups nor attributes lose it.
func TestRequestHandler(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(requestHandler{slog.NewJSONHandler(&out, nil)})
	log.With("a", 1).WithGroup("g").InfoContext(lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "r-1"}), "line")
	if !strings.Contains(out.String(), `"requestId":"r-1"`) || !strings.Contains(out.String(), `"a":1`) {
		t.Error(out.String())
	}
	out.Reset()
	if log.Info("line"); strings.Contains(out.String(), "requestId") {
		t.Error(out.String())
	}
}

// echo answers with the event, in a buffer that it uses again, as the library does.
type echo struct{ buffer []byte }

func (e *echo) Invoke(_ context.Context, payload []byte) ([]byte, error) {
	e.buffer = append(e.buffer[:0], payload...)
	if string(payload) == `"fail"` {
		return nil, errors.New("failed")
	}
	return e.buffer, nil
}

// TestInvocations: each invocation writes its metrics before it is answered, failed or
// not, a cold start once, and an answer is the invocation's own.
func TestInvocations(t *testing.T) {
	var out, log bytes.Buffer
	emf, err := metrics.NewEMF(&out, "keepdb", nil)
	if err != nil {
		t.Fatal(err)
	}
	i := &invocations{next: &echo{}, emf: emf, memory: memory.New(memory.Options{}), log: slog.New(slog.NewTextHandler(&log, nil)),
		state: func() (state.Store, bool) { return nil, false }}
	first, err := i.Invoke(t.Context(), []byte(`"one"`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := i.Invoke(t.Context(), []byte(`"two"`)); err != nil || string(first) != `"one"` {
		t.Errorf("%s, %v", first, err)
	}
	if _, err := i.Invoke(t.Context(), []byte(`"fail"`)); err == nil {
		t.Error("a failure was lost")
	}
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	if len(lines) != 3 {
		t.Fatalf("%d lines: %s", len(lines), out.Bytes())
	}
	for n, line := range lines {
		var values map[string]any
		if err := json.Unmarshal(line, &values); err != nil {
			t.Fatal(err)
		}
		if _, cold := values["ColdStarts"]; cold != (n == 0) {
			t.Errorf("line %d: %s", n, line)
		}
	}
	if log.Len() != 0 {
		t.Error(log.String())
	}
}
