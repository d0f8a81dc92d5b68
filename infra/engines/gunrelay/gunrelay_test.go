package gunrelay

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"oipnode/shared/gun/guntest"
	"oipnode/shared/oip/canon"
	"oipnode/shared/oip/oiptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// call sends a request and returns status and body; 0 is a failed one.
func call(t *testing.T, method, target, body string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0, nil
	}
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Error(err)
		return 0, nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, text
}

// node is the data of an answer, its members sorted and without GUN's own key,
// which tells the time.
func node(t *testing.T, base, soul string) string {
	t.Helper()
	status, body := call(t, http.MethodGet, base+"/get?soul="+url.QueryEscape(soul), "")
	v, err := canon.Parse(body)
	data, _ := v.Get("data")
	if err != nil || status != http.StatusOK || data.Kind() != canon.Object {
		return http.StatusText(status) + " " + string(body)
	}
	var members []string
	for key, value := range data.Members() {
		if key != "_" {
			members = append(members, key+" = "+string(canon.Append(nil, value)))
		}
	}
	slices.Sort(members)
	return strings.Join(members, "\n")
}

// The simulated peer must answer what a real relay answers: both are given the
// same records, and asked for every soul.
func TestSimulatedPeerIsLikeGun(t *testing.T) {
	real := Start(t)
	peer := guntest.NewPeer(guntest.Options{LinkedIndex: true})
	if err := peer.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := peer.Close(); err != nil {
			t.Error(err)
		}
	}()
	alice := oiptest.NewSigner("gun alice", 2048)
	puts := guntest.Deletion{DID: "did:gun:x:1", By: alice.Modulus, At: 1_700_000_000_000}.Puts()
	for _, r := range []guntest.Record{
		{LocalID: "plain", Data: `{"basic":{"name":"x ü 😀","tagItems":["a"]}}`},
		{LocalID: "arrays", Data: `{"a":[1,[2]]}`, ArraysAsText: true},
		{LocalID: "flat", Data: `{}`, Flattened: true, Bare: true},
		{LocalID: "secret", Data: `{"a":1}`, Encrypted: guntest.PerUser},
		{LocalID: "secret of many", Data: `{"a":1}`, Encrypted: guntest.ForOrganization},
		{LocalID: "plain", Data: `{"basic":{"name":"changed"}}`},
	} {
		r.Signer, r.Type, r.NodeID = alice, "post", "node-a"
		puts = append(puts, r.Puts(guntest.DefaultRoot)...)
	}
	puts = append(puts,
		guntest.Put{Soul: "other", Data: `{"n":1.5,"b":true,"z":null,"l":[1,{"a":[]}],"o":{"p":{"q":"r"}},"r":{"#":"elsewhere"}}`},
		guntest.Put{Soul: "other", Data: `{"n":2,"o":{"s":"t"}}`})
	souls := []string{"nothing", "other/o", "other/o/p", guntest.DeletedIndex, guntest.IndexSoul(guntest.DefaultRoot, "post"),
		guntest.IndexSoul(guntest.DefaultRoot, "post") + "/" + guntest.Soul(alice.Modulus, "plain")}
	for _, put := range puts {
		souls = append(souls, put.Soul, put.Soul+"/meta", put.Soul+"/data")
		for _, base := range []string{real, peer.URL()} {
			if status, body := call(t, http.MethodPost, base+"/put", put.Body()); status != http.StatusOK {
				t.Fatalf("%s: %d %s", put.Soul, status, body)
			}
		}
	}
	slices.Sort(souls)
	found := 0
	souls = slices.Compact(souls)
	wants, gots := make([]string, len(souls)), make([]string, len(souls))
	var asking sync.WaitGroup // gun takes a tenth of a second for each answer
	for i, soul := range souls {
		asking.Go(func() { wants[i], gots[i] = node(t, real, soul), node(t, peer.URL(), soul) })
	}
	asking.Wait()
	for i, soul := range souls {
		want, got := wants[i], gots[i]
		if got != want {
			t.Errorf("%s: the peer answers\n%s\nand gun\n%s", soul, got, want)
		}
		if !strings.Contains(want, `{"error":`) {
			found++
		}
	}
	if found != 23 {
		t.Errorf("%d souls were there", found)
	}
	for _, query := range []string{"/list", "/list?limit=2&offset=1&recordType=post", "/list?recordType=none"} {
		status, body := call(t, http.MethodGet, real+query, "")
		v, err := canon.Parse(body)
		wantStatus, wantBody := call(t, http.MethodGet, peer.URL()+query, "")
		w, wantErr := canon.Parse(wantBody)
		if err != nil || wantErr != nil || status != wantStatus || !slices.Equal(listed(v), listed(w)) {
			t.Errorf("%s: %d %q, and gun %d %q", query, wantStatus, listed(w), status, listed(v))
		}
	}
}

// listed are the souls and types in a list.
func listed(v canon.Value) []string {
	var out []string
	records, _ := v.Get("records")
	for r := range records.Elements() {
		soul, _ := r.Get("soul")
		recordType, _ := r.Get("recordType")
		out = append(out, soul.Text()+" "+recordType.Text())
	}
	return out
}

// A relay that does not start is an error with its own words, not a wait.
func TestBrokenRelay(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("GUN relay: node is not installed")
	}
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "relay.js"), []byte("throw new Error('broken on purpose')"), 0o644); err != nil {
		t.Fatal(err)
	}
	quiet := &quietTB{TB: t}
	if _, err := start(quiet, broken); err == nil || !strings.Contains(err.Error(), "broken on purpose") || !quiet.failed {
		t.Errorf("started: %v", err)
	}
}

// quietTB keeps a failure for itself.
type quietTB struct {
	testing.TB
	failed bool
}

func (q *quietTB) Errorf(string, ...any) { q.failed = true }
