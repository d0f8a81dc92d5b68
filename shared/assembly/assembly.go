// Package assembly builds the parts of a node out of its configuration, in one way for
// the local node and for the functions: the pool of gateways and the settings of the
// pipeline, the client of media sources and the settings of the library. Which stores a
// program has is the program's own choice and comes in from outside.
package assembly

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"

	"oipnode/shared/config"
	"oipnode/shared/gateway"
	"oipnode/shared/indexer"
	"oipnode/shared/metrics"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// Version is told to gateways and on the health page.
const Version = "0.2.0"

// Gateways makes the pool of the gateways at these base URLs, in the order of
// preference; it sends nothing yet. dial replaces the network's dialer when it is not
// nil, and m counts the requests that fail. The error names the variable that is wrong.
func Gateways(c config.Chain, urls []string, dial func(ctx context.Context, network, address string) (net.Conn, error), m metrics.Recorder, log *slog.Logger) (*gateway.Pool, error) {
	opts := gateway.Options{
		UserAgent:              "oipnode/" + Version,
		MaxDataBytes:           c.MaxRecordBytes,
		MaxBlockGapForFallback: orOff(c.MaxBlockGapForFallback),
		ForkDepth:              c.Confirmations,
		Failed:                 func() { m.Add(metrics.GatewayErrors, 1) },
		Logger:                 log,
		DialContext:            dial,
	}
	gateways := make([]*gateway.Gateway, 0, len(urls))
	for _, url := range urls {
		g, err := gateway.Dial(url, opts)
		if err != nil {
			return nil, fmt.Errorf("ARWEAVE_GATEWAYS: %w", err)
		}
		gateways = append(gateways, g)
	}
	return gateway.NewPool(gateways, opts), nil
}

// Indexing are the pipeline's settings over these stores and gateways. Holder, Log,
// Progress and, for the sample chain, BootstrapCreators are the caller's to set.
func Indexing(c config.Config, r records.Store, s state.Store, pool *gateway.Pool) indexer.Options {
	rule, version := wanted(c.Index)
	return indexer.Options{
		Records: r, State: s, Pool: pool,
		StartHeight: c.Chain.StartHeight, Confirmations: c.Chain.Confirmations,
		WarmBlocks: orOff(c.Chain.WarmBlocks), WarmInterval: c.Chain.WarmInterval, ColdRescan: c.Chain.ColdRescan,
		BootstrapCreators: c.Chain.BootstrapCreators,
		MaxRecordBytes:    c.Chain.MaxRecordBytes, MaxTransactions: c.Index.MaxTransactions,
		Wanted: rule, WantedVersion: version,
	}
}

// orOff is a number of blocks as the packages below want it: there 0 means their
// default, and a negative number none.
func orOff(blocks int64) int64 {
	if blocks == 0 {
		return -1
	}
	return blocks
}

// wanted is the rule for record types, compared in any case, and a text that
// changes with it, so that what an earlier rule left out is judged again.
func wanted(c config.Index) (rule func(recordType string) bool, name string) {
	var list []string
	switch c.Mode {
	case config.IndexWhitelist:
		list = c.Whitelist
	case config.IndexBlacklist:
		list = c.Blacklist
	default:
		return nil, ""
	}
	types := make(map[string]bool, len(list))
	for _, t := range list {
		types[strings.ToLower(t)] = true
	}
	sorted := slices.SortedFunc(slices.Values(list), func(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) })
	listed := c.Mode == config.IndexWhitelist
	return func(recordType string) bool { return types[strings.ToLower(recordType)] == listed },
		string(c.Mode) + " " + strings.ToLower(strings.Join(sorted, ","))
}
