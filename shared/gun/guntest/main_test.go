package guntest_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"oipnode/shared/gun/guntest"
	"oipnode/shared/oip/canon"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/oip/rsapss"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	alice = oiptest.NewSigner("gun alice", 2048)
	bob   = oiptest.NewSigner("gun bob", 2048)
)

// start serves a peer until the test ends.
func start(t testing.TB, opts guntest.Options) *guntest.Peer {
	t.Helper()
	p := guntest.NewPeer(opts)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return p
}

// post is a record of alice's that a node registered.
func post(localID, data string) guntest.Record {
	return guntest.Record{Signer: alice, LocalID: localID, Type: "post", Data: data, NodeID: "node-a"}
}

// answer is a whole response.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error // while reading the body
}

// try sends a request without following redirects. It reads limit bytes at most.
func try(t testing.TB, method, target, body string, limit int64) (answer, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit))
	return answer{resp.StatusCode, resp.Header, data, err}, nil
}

// do is try for requests that have to be answered.
func do(t testing.TB, method, target, body string) answer {
	t.Helper()
	a, err := try(t, method, target, body, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func getURL(p *guntest.Peer, soul string) string {
	return p.URL() + "/get?soul=" + url.QueryEscape(soul)
}

// get asks for a soul that has to be there, and returns its node.
func get(t testing.TB, p *guntest.Peer, soul string) canon.Value {
	t.Helper()
	a := do(t, http.MethodGet, getURL(p, soul), "")
	v, err := canon.Parse(a.body)
	if err != nil || a.err != nil || a.status != http.StatusOK {
		t.Fatalf("%s: %d, %v, %v: %.300s", soul, a.status, a.err, err, a.body)
	}
	if success, _ := v.Get("success"); string(success.Raw()) != "true" {
		t.Fatalf("%s: %.300s", soul, a.body)
	}
	data, ok := v.Get("data")
	if !ok {
		t.Fatalf("%s: no data: %.300s", soul, a.body)
	}
	return data
}

// at walks down an object by keys, and reads JSON texts on its way.
func at(v canon.Value, keys ...string) canon.Value {
	for _, key := range keys {
		if v.Kind() == canon.String {
			v, _ = canon.Parse([]byte(v.Text()))
		}
		v, _ = v.Get(key)
	}
	return v
}

// text is J of a value; of a string that is JSON, of what it holds.
func text(v canon.Value) string {
	if inner, err := canon.Parse([]byte(v.Text())); err == nil {
		v = inner
	}
	return string(canon.Append(nil, v))
}

// verifies reports whether a record's signature is that of its creator over the
// data as they were read.
func verifies(t testing.TB, n canon.Value, data string) bool {
	t.Helper()
	key, err := rsapss.ParseModulus(at(n, "oip", "creator", "publicKey").Text())
	if err != nil {
		t.Fatal(err)
	}
	sig, err := base64.StdEncoding.DecodeString(at(n, "oip", "signature").Text())
	return err == nil && key.Verify(sig, []byte(data)) == nil
}

// keys are those of an object, sorted as JSON.
func keys(v canon.Value) []string {
	var out []string
	for key := range v.Members() {
		out = append(out, key)
	}
	return out
}

// decoded is an answer as a client of encoding/json sees it.
func decoded(t testing.TB, body []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatalf("%v: %.300s", err, body)
	}
	return m
}
