package assembly

import (
	"errors"
	"log/slog"
	"testing"

	"oipnode/shared/config"
	"oipnode/shared/gateway"
	"oipnode/shared/metrics"
)

// TestGateways keeps the order of preference, and names the variable of an address
// that no gateway can have.
func TestGateways(t *testing.T) {
	pool, err := Gateways(config.Chain{}, []string{"https://one.invalid", "https://two.invalid"}, nil, metrics.Discard, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if all := pool.All(); len(all) != 2 || all[0].URL() != "https://one.invalid" || all[1].URL() != "https://two.invalid" {
		t.Errorf("gateways %v", all)
	}
	_, err = Gateways(config.Chain{}, []string{"ftp://two.invalid"}, nil, metrics.Discard, slog.New(slog.DiscardHandler))
	if !errors.Is(err, gateway.ErrInvalid) {
		t.Errorf("an address of another scheme: %v", err)
	}
}

// TestIndexing hands every setting of the pipeline on.
func TestIndexing(t *testing.T) {
	var c config.Config
	c.Chain = config.Chain{StartHeight: 7, Confirmations: 3, WarmBlocks: 0, WarmInterval: 2, ColdRescan: 5, BootstrapCreators: []string{"b"}, MaxRecordBytes: 11}
	c.Index = config.Index{MaxTransactions: 13, Mode: config.IndexWhitelist, Whitelist: []string{"post"}}
	o := Indexing(c, nil, nil, nil)
	if o.StartHeight != 7 || o.Confirmations != 3 || o.WarmBlocks != -1 || o.WarmInterval != 2 || o.ColdRescan != 5 ||
		len(o.BootstrapCreators) != 1 || o.MaxRecordBytes != 11 || o.MaxTransactions != 13 || !o.Wanted("Post") || o.Wanted("image") {
		t.Errorf("%+v", o)
	}
}

func TestWanted(t *testing.T) {
	if rule, name := wanted(config.Index{Mode: config.IndexAll}); rule != nil || name != "" {
		t.Errorf("mode all has a rule %q", name)
	}
	only, first := wanted(config.Index{Mode: config.IndexWhitelist, Whitelist: []string{"Post", "recipe"}, Blacklist: []string{"post"}})
	not, second := wanted(config.Index{Mode: config.IndexBlacklist, Blacklist: []string{"recipe", "Post"}})
	for recordType, listed := range map[string]bool{"post": true, "POST": true, "recipe": true, "image": false, "": false} {
		if only(recordType) != listed || not(recordType) == listed {
			t.Errorf("%q: whitelist %v, blacklist %v", recordType, only(recordType), not(recordType))
		}
	}
	_, same := wanted(config.Index{Mode: config.IndexWhitelist, Whitelist: []string{"RECIPE", "post"}})
	_, other := wanted(config.Index{Mode: config.IndexWhitelist, Whitelist: []string{"recipe"}})
	if first != same || first == second || first == other {
		t.Errorf("the rules are named %q, %q, %q, %q", first, same, second, other)
	}
}

func TestOrOff(t *testing.T) {
	if orOff(0) >= 0 || orOff(720) != 720 {
		t.Errorf("orOff(0) = %d, orOff(720) = %d", orOff(0), orOff(720))
	}
}
