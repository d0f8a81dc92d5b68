package assembly

import (
	"fmt"
	"log/slog"

	"oipnode/shared/config"
	"oipnode/shared/gun"
	"oipnode/shared/records"
	"oipnode/shared/relay"
	"oipnode/shared/state"
)

// Syncs reports whether there is anything to synchronize with GUN.
func Syncs(c config.Gun) bool { return c.Enabled && (len(c.Peers) > 0 || c.RelayURL != "") }

// Relaying makes the pass-through to the node's own relay; nil when there is no relay, or
// the operator does not want it. The error names the variable that is wrong.
func Relaying(c config.Gun, log *slog.Logger) (*relay.Relay, error) {
	if c.RelayURL == "" || !c.RelayProxy {
		return nil, nil
	}
	r, err := relay.New(relay.Options{URL: c.RelayURL, UserAgent: "oipnode/" + Version, Log: log})
	if err != nil {
		return nil, fmt.Errorf("GUN_RELAY_URL: %w", err)
	}
	return r, nil
}

// maxSoulBytes is the largest GUN record, unless MAX_RECORD_BYTES is smaller: there are
// many in memory at a time, and GUN is slow with large ones.
const maxSoulBytes = 1 << 20

// Syncing are the settings of the GUN sync over these stores. Holder and Log are the
// caller's to set.
func Syncing(c config.Config, r records.Store, s state.Store) gun.Options {
	rule, _ := wanted(c.Index)
	o := gun.Options{
		Records: r, State: s, Peers: c.Gun.Peers, Relay: c.Gun.RelayURL, Wanted: rule,
		TrustedNodes: c.Gun.TrustedNodes, Private: c.Gun.PrivateRecords, Root: c.Gun.RegistryRoot, NodeID: c.Gun.NodeID,
		Interval: c.Gun.Interval, MaxAge: c.Gun.CacheMaxAge, UserAgent: "oipnode/" + Version,
		MaxSoulBytes: min(c.Chain.MaxRecordBytes, maxSoulBytes),
	}
	if c.Index.Mode == config.IndexWhitelist {
		o.Types = c.Index.Whitelist // a registry is asked for a type by its name as it is
	}
	return o
}
