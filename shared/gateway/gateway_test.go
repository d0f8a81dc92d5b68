package gateway

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestDialURL(t *testing.T) {
	for _, tc := range []struct{ base, want string }{
		{"https://arweave.net", "https://arweave.net"},
		{"https://arweave.net/", "https://arweave.net"},
		{"HTTP://Arweave.NET:1984/a/b//", "http://arweave.net:1984/a/b"},
		{"http://127.0.0.1:1", "http://127.0.0.1:1"},
		{"http://[::1]:80", "http://[::1]:80"},
		{"", ""},
		{"arweave.net", ""},
		{"ftp://arweave.net", ""},
		{"https://", ""},
		{"https:///path", ""},
		{"https://user:secret@arweave.net", ""},
		{"https://user@arweave.net", ""},
		{"https://arweave.net?x=1", ""},
		{"https://arweave.net?", ""},
		{"https://arweave.net#f", ""},
		{"https://arweave.net#", ""},
		{"https://arweave.net:0", ""},
		{"https://arweave.net:65536", ""},
		{"https://arweave.net:secret", ""},
		{"https://arweave.net/../x", ""},
		{"https://arweave.net/%2e%2e/x", ""},
		{"https://arwe ave.net", ""},
		{"mailto:a@b", ""},
	} {
		g, err := Dial(tc.base, Options{})
		if tc.want == "" {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("Dial(%q) = %v, want ErrInvalid", tc.base, err)
			} else if strings.Contains(err.Error(), "secret") {
				t.Errorf("Dial(%q) repeats a secret: %v", tc.base, err)
			}
			continue
		}
		if err != nil || g.URL() != tc.want {
			t.Errorf("Dial(%q) = %v, %v, want %q", tc.base, g, err, tc.want)
		}
	}
}

func TestDialOptions(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"data":     func(o *Options) { o.MaxDataBytes = -1 },
		"page":     func(o *Options) { o.MaxPageBytes = -1 },
		"pages":    func(o *Options) { o.MaxPages = -1 },
		"timeout":  func(o *Options) { o.RequestTimeout = -time.Second },
		"pause":    func(o *Options) { o.RetryPause = -1 },
		"inflight": func(o *Options) { o.MaxInFlight = -1 },
		"fork":     func(o *Options) { o.ForkDepth = -1 },
	} {
		var opts Options
		change(&opts)
		if _, err := Dial("https://arweave.net", opts); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	o := Options{MaxRedirects: -1, MaxBlockGapForFallback: -5}.withDefaults()
	if o.MaxRedirects != -1 || o.MaxBlockGapForFallback != 0 || o.UserAgent != "oipnode/0.1" || o.MaxInFlight != 16 {
		t.Errorf("defaults: %+v", o)
	}
}
