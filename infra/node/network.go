package main

import (
	"errors"
	"fmt"
	"log/slog"

	"oipnode/infra/sample"
	"oipnode/shared/config"
	"oipnode/shared/gateway"
	"oipnode/shared/gatewaysim"
)

// version is told to gateways and on the health page.
const version = "0.1.0"

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
func openNetwork(c config.Config, log *slog.Logger) (*network, error) {
	n := &network{bootstrap: c.Chain.BootstrapCreators}
	opts := gateway.Options{
		UserAgent:              "oipnode/" + version,
		MaxDataBytes:           c.Chain.MaxRecordBytes,
		MaxBlockGapForFallback: orOff(c.Chain.MaxBlockGapForFallback),
		ForkDepth:              c.Chain.Confirmations,
		Logger:                 log,
	}
	urls := c.Chain.Gateways
	if c.Chain.Sample {
		if err := n.openSample(); err != nil {
			return nil, err
		}
		urls, opts.DialContext = []string{sampleURL}, n.server.DialContext
	}
	var gateways []*gateway.Gateway
	for _, url := range urls {
		g, err := gateway.Dial(url, opts)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("ARWEAVE_GATEWAYS: %w", err), n.close())
		}
		gateways = append(gateways, g)
	}
	n.pool = gateway.NewPool(gateways, opts)
	return n, nil
}

// orOff is a number of blocks as the packages below want it: there 0 means their
// default, and a negative number none.
func orOff(blocks int64) int64 {
	if blocks == 0 {
		return -1
	}
	return blocks
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
