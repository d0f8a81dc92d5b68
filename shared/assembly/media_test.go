package assembly

import (
	"log/slog"
	"path/filepath"
	"slices"
	"testing"

	"oipnode/shared/config"
	"oipnode/shared/library"
	"oipnode/shared/media/files"
	"oipnode/shared/state/bolt"
)

// TestLibrary: strangers reach the ports of the configuration, gateways also their own,
// and neither reaches a private address unless the configuration says so.
func TestLibrary(t *testing.T) {
	s, err := bolt.Open(filepath.Join(t.TempDir(), "state.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	m, err := files.Open(filepath.Join(t.TempDir(), "media"), files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(func(name string) (string, bool) {
		v, ok := map[string]string{"ARWEAVE_GATEWAYS": "https://a.example:1984,https://b.example", "MEDIA_PORTS": "443,8080", "MEDIA_MAX_BYTES": "7KiB",
			"PUBLIC_API_BASE_URL": "https://node.example/"}[name]
		return v, ok
	})
	if err != nil {
		t.Fatal(err)
	}
	o := Library(c, s, m, slog.New(slog.DiscardHandler))
	for url, want := range map[string][2]bool{ // of a stranger, and as a gateway
		"https://x.example/": {true, true}, "http://x.example:8080/": {true, true}, "http://x.example:1984/": {false, true},
		"http://x.example/": {false, false}, "https://127.0.0.1/": {false, false}, "https://localhost:1984/": {false, false},
	} {
		_, stranger := o.Remote.CheckURL(url)
		_, gateway := o.GatewayRemote.CheckURL(url)
		if got := [2]bool{stranger == nil, gateway == nil}; got != want {
			t.Errorf("%s: allowed %v, want %v", url, got, want)
		}
	}
	if o.MaxBytes != 7<<10 || o.BaseURL != "https://node.example" || !slices.Equal(o.Gateways, []string{"https://a.example:1984", "https://b.example"}) {
		t.Errorf("%+v", o)
	}
	if _, err := library.New(o); err != nil {
		t.Error(err)
	}
	c.Media.AllowPrivate = true
	if _, err := Library(c, s, m, nil).Remote.CheckURL("https://127.0.0.1/"); err != nil {
		t.Errorf("for tests: %v", err)
	}
}
