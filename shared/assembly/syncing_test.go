package assembly

import (
	"reflect"
	"testing"

	"oipnode/shared/config"
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
