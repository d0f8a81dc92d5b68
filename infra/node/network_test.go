package main

import (
	"errors"
	"log/slog"
	"testing"

	"oipnode/infra/sample"
	"oipnode/shared/config"
	"oipnode/shared/gateway"
	"oipnode/shared/metrics"
)

func TestSampleNetwork(t *testing.T) {
	var c config.Config
	c.Chain.Sample = true
	c.Chain.BootstrapCreators = []string{"somebody on the real network"}
	n, err := openNetwork(c, metrics.Discard, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.close(); err != nil {
			t.Error(err)
		}
	}()
	gw, height, err := n.pool.Choose(t.Context(), 0, true)
	if err != nil || height != sample.Tip || gw.URL() != sampleURL {
		t.Fatalf("Choose = %v at height %d, %v", gw, height, err)
	}
	m, err := sample.ReadManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(n.bootstrap) != 1 || n.bootstrap[0] != m.Bootstrap {
		t.Errorf("bootstrap creators %v, want the sample's %s", n.bootstrap, m.Bootstrap)
	}
	if _, err := gw.Data(t.Context(), m.Waits, -1); err != nil {
		t.Errorf("a record of the sample: %v", err)
	}

	late := m.Late[0]
	if _, err := gw.Data(t.Context(), late, -1); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("the late bundle at first: %v, want %v", err, gateway.ErrNotFound)
	}
	for range 2 {
		n.caughtUp()
		if _, err := gw.Data(t.Context(), late, -1); err != nil {
			t.Errorf("the late bundle later: %v", err)
		}
	}
	if step := n.chain.Now(); step != 1 {
		t.Errorf("the chain is at step %d", step)
	}
}

func TestLiveNetwork(t *testing.T) {
	var c config.Config
	c.Chain.Gateways = []string{"https://one.invalid", "http://two.invalid:1984/path"}
	c.Chain.BootstrapCreators = []string{"a creator"}
	n, err := openNetwork(c, metrics.Discard, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.close(); err != nil {
			t.Error(err)
		}
	}()
	n.caughtUp() // is for the sample only
	others := n.pool.Others(nil)
	if len(others) != 2 || others[0].URL() != c.Chain.Gateways[0] || others[1].URL() != c.Chain.Gateways[1] || n.bootstrap[0] != "a creator" {
		t.Errorf("gateways %v, bootstrap %v", others, n.bootstrap)
	}
}

func TestNetworkRefusesAnAddress(t *testing.T) {
	var c config.Config
	c.Chain.Gateways = []string{"https://one.invalid", "ftp://two.invalid"}
	if _, err := openNetwork(c, metrics.Discard, slog.New(slog.DiscardHandler)); !errors.Is(err, gateway.ErrInvalid) {
		t.Errorf("openNetwork: %v, want %v", err, gateway.ErrInvalid)
	}
}
