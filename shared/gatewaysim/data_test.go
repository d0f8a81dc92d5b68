package gatewaysim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"oipnode/shared/gatewaysim"
	"oipnode/shared/oip"
)

func readAll(t testing.TB, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestInfo(t *testing.T) {
	chain := gatewaysim.NewChain(1_600_000)
	s := start(t, chain, gatewaysim.Options{})
	var got struct {
		Network        string
		Height, Blocks int64
		Current        string
	}
	a := do(t, http.MethodGet, s.URL()+"/info", "")
	if err := json.Unmarshal(a.body, &got); err != nil || a.status != http.StatusOK {
		t.Fatalf("%d %v %s", a.status, err, a.body)
	}
	if got.Network != "arweave.N.1" || got.Height != 1_600_000 || got.Blocks != 1_600_001 || len(got.Current) != 64 {
		t.Errorf("%+v", got)
	}
	chain.SetTip(1_600_001)
	if again := do(t, http.MethodGet, s.URL()+"/info", ""); string(again.body) == string(a.body) {
		t.Error("the height does not follow the tip")
	}
}

func TestData(t *testing.T) {
	chain := gatewaysim.NewChain(100)
	plain := gatewaysim.Item{ID: gatewaysim.IDFor("plain"), Data: []byte("\x00\x01bytes")}
	encoded := gatewaysim.Item{
		ID:   gatewaysim.IDFor("encoded"),
		Data: []byte("not really gzip"),
		Tags: []oip.Tag{{Name: "Content-Type", Value: "text/html"}, {Name: "Content-Encoding", Value: "gzip"}},
	}
	late := record("late")
	late.VisibleAt = 1
	add(t, chain, 50, plain, encoded, late, gatewaysim.Item{ID: gatewaysim.IDFor("empty")})
	add(t, chain, 0, record("pending"))
	add(t, chain, 101, record("future"))
	s := start(t, chain, gatewaysim.Options{})

	for _, c := range []struct {
		name, kind, encoding, body string
		status                     int
	}{
		{"plain", "application/octet-stream", "", "\x00\x01bytes", 200},
		{"encoded", "text/html", "gzip", "not really gzip", 200},
		{"empty", "application/octet-stream", "", "", 200},
		{"pending", "text/plain; charset=utf-8", "", "Pending", 202},
		{"late", "text/plain; charset=utf-8", "", "404 page not found\n", 404},
		{"future", "text/plain; charset=utf-8", "", "404 page not found\n", 404},
		{"unknown", "text/plain; charset=utf-8", "", "404 page not found\n", 404},
	} {
		for _, prefix := range []string{"/raw/", "/"} {
			url := s.URL() + prefix + gatewaysim.IDFor(c.name)
			a := do(t, http.MethodGet, url, "")
			if a.status != c.status || string(a.body) != c.body || a.header.Get("Content-Type") != c.kind || a.header.Get("Content-Encoding") != c.encoding {
				t.Errorf("GET %s%s: %d %q %v", prefix, c.name, a.status, a.body, a.header)
			}
			head := do(t, http.MethodHead, url, "")
			if head.status != c.status || len(head.body) != 0 || head.header.Get("Content-Length") != a.header.Get("Content-Length") {
				t.Errorf("HEAD %s%s: %d %q %v", prefix, c.name, head.status, head.body, head.header)
			}
		}
	}
	chain.Step()
	if a := do(t, http.MethodGet, s.URL()+"/raw/"+late.ID, ""); string(a.body) != string(late.Data) {
		t.Errorf("late at its step: %d %q", a.status, a.body)
	}
}
