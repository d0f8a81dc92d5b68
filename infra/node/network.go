package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"oipnode/infra/sample"
	"oipnode/shared/assembly"
	"oipnode/shared/config"
	"oipnode/shared/gateway"
	"oipnode/shared/gatewaysim"
	"oipnode/shared/metrics"
)

// sampleURL is the name of the sample chain's gateway in logs and on the health
// page. Its port is another one in every run, so the client dials it by itself.
const sampleURL = "http://sample.localhost"

// network is where the records come from: live gateways, or the sample chain,
// which a gateway in this process serves over loopback HTTP.
type network struct {
	pool *gateway.Pool
	// bootstrap are registrations outside of every window.
	bootstrap []string
	// chain and server are nil for live gateways.
	chain  *gatewaysim.Chain
	server *gatewaysim.Server
}

// openNetwork sends nothing to a live gateway yet.
func openNetwork(c config.Config, m metrics.Recorder, log *slog.Logger) (*network, error) {
	n := &network{bootstrap: c.Chain.BootstrapCreators}
	urls := c.Chain.Gateways
	var dial func(ctx context.Context, network, address string) (net.Conn, error)
	if c.Chain.Sample {
		if err := n.openSample(); err != nil {
			return nil, err
		}
		urls, dial = []string{sampleURL}, n.server.DialContext
	}
	var err error
	if n.pool, err = assembly.Gateways(c.Chain, urls, dial, m, log); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

// openSample serves the sample chain. The operator's bootstrap creators are those
// of the real network; the sample has its own.
func (n *network) openSample() error {
	chain, err := sample.Load()
	if err != nil {
		return err
	}
	manifest, err := sample.ReadManifest()
	if err != nil {
		return err
	}
	server := gatewaysim.NewServer(chain, gatewaysim.Options{IndexesBundles: true})
	if err := server.Start(); err != nil {
		return fmt.Errorf("serve the sample chain: %w", err)
	}
	n.chain, n.server, n.bootstrap = chain, server, []string{manifest.Bootstrap}
	return nil
}

// sampleAddress is where the sample chain's gateway listens; ok is false for live ones.
func (n *network) sampleAddress() (base string, ok bool) {
	if n.server == nil {
		return "", false
	}
	return n.server.URL(), true
}

// caughtUp shows what the sample chain keeps for a node that has seen the rest: a
// bundle that is unpacked late. A node that starts again with a complete index
// gets to see it from the start on, or what it has indexed would seem to vanish.
func (n *network) caughtUp() {
	if n.chain != nil && n.chain.Now() == 0 {
		n.chain.Step()
	}
}

// close ends all connections, and the sample's gateway.
func (n *network) close() error {
	if n.pool != nil {
		n.pool.Close()
	}
	if n.server == nil {
		return nil
	}
	return n.server.Close()
}
