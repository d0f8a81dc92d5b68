package assembly

import (
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"oipnode/shared/config"
	"oipnode/shared/gun"
)

func TestSyncs(t *testing.T) {
	for want, list := range map[bool][]config.Gun{
		true:  {{Enabled: true, Peers: []string{"ws://peer.invalid/gun"}}, {Enabled: true, RelayURL: "http://relay.invalid/gun"}},
		false: {{}, {Enabled: true}, {Peers: []string{"ws://peer.invalid/gun"}}},
	} {
		for _, c := range list {
			if Syncs(c) != want {
				t.Errorf("%+v: %v", c, !want)
			}
		}
	}
}

// TestSyncing hands every setting of the sync on.
func TestSyncing(t *testing.T) {
	var c config.Config
	c.Gun = config.Gun{Interval: 2, CacheMaxAge: 3, Peers: []string{"p"}, RelayURL: "r", TrustedNodes: []string{"t"}, PrivateRecords: true, RegistryRoot: "o", NodeID: "n"}
	c.Index = config.Index{Mode: config.IndexWhitelist, Whitelist: []string{"post"}}
	o := Syncing(c, nil, nil)
	if o.Wanted == nil || !o.Wanted("Post") || o.Wanted("image") {
		t.Error("the rule for record types is lost")
	}
	o.Wanted = nil
	want := Syncing(config.Config{}, nil, nil)
	want.Interval, want.MaxAge, want.Peers, want.Relay, want.TrustedNodes, want.Private = 2, 3, []string{"p"}, "r", []string{"t"}, true
	want.Root, want.NodeID, want.Types = "o", "n", []string{"post"}
	if !reflect.DeepEqual(o, want) {
		t.Errorf("%+v, want %+v", o, want)
	}
	c.Index.Mode, c.Index.Blacklist = config.IndexBlacklist, []string{"image"}
	if o := Syncing(c, nil, nil); o.Types != nil || o.Wanted("image") || !o.Wanted("post") {
		t.Errorf("mode blacklist: types %q", o.Types)
	}
}

// TestRelaying: there is a pass-through only where there is a relay and the operator
// wants it; a wrong address is a fault that names its variable.
func TestRelaying(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for _, c := range []config.Gun{{}, {RelayProxy: true}, {RelayURL: "ws://relay.invalid/gun"}} {
		if r, err := Relaying(c, log); r != nil || err != nil {
			t.Errorf("%+v: %v, %v", c, r, err)
		}
	}
	if r, err := Relaying(config.Gun{RelayURL: "ws://relay.invalid/gun", RelayProxy: true}, log); r == nil || err != nil {
		t.Errorf("with a relay: %v, %v", r, err)
	}
	if _, err := Relaying(config.Gun{RelayURL: "nonsense", RelayProxy: true}, log); !errors.Is(err, gun.ErrURL) || !strings.Contains(err.Error(), "GUN_RELAY_URL") {
		t.Errorf("a wrong address: %v", err)
	}
}
