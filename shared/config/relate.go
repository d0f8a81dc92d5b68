package config

import (
	"fmt"
	"strconv"
)

// safeSecret is how many bytes an HS256 key should have (RFC 7518, section 3.2).
// A shorter one is a hint and no fault, since operators have theirs already.
const safeSecret = 32

// relate checks what no single variable can know: pairs that exclude or bound
// each other. It adds hints, and leaves out what already has a fault of its own.
func (c *Config) relate(given map[string]string, known []Fault) []Fault {
	bad := make(map[string]bool, len(known))
	for _, f := range known {
		bad[f.Variable] = true
	}
	var faults []Fault
	fault := func(variable, value, allowed string, parts ...string) {
		for _, p := range append(parts, variable) {
			if bad[p] {
				return
			}
		}
		faults = append(faults, Fault{Variable: variable, Value: clip(value), Allowed: allowed})
	}

	if m := c.Memory; m.WarningPercent >= m.CriticalPercent {
		fault("MEMORY_WARNING_THRESHOLD", strconv.Itoa(m.WarningPercent),
			fmt.Sprintf("less than MEMORY_CRITICAL_THRESHOLD, which is %d", m.CriticalPercent), "MEMORY_CRITICAL_THRESHOLD")
	}
	if c.Index.Mode == IndexWhitelist && len(c.Index.Whitelist) == 0 {
		fault("RECORD_TYPE_INDEX_WHITELIST", "", "at least one record type, because RECORD_TYPE_INDEX_MODE is whitelist")
	}
	if given["JWT_SECRET"] != "" && given["JWT_SECRET_PARAMETER"] != "" {
		fault("JWT_SECRET_PARAMETER", given["JWT_SECRET_PARAMETER"], "none, because JWT_SECRET is set too: choose one of them")
	}
	if port, listen := given["PORT"], given["LISTEN"]; port != "" && listen != "" && !samePort(listen, port) {
		fault("PORT", port, "none, or the port of LISTEN, which is "+clip(listen), "LISTEN")
	}

	if given["GUN_PEERS"] != "" && given["GUN_EXTERNAL_PEERS"] != "" {
		c.hint("GUN_PEERS has no effect, because GUN_EXTERNAL_PEERS is set")
	}
	if c.Chain.WarmBlocks < c.Chain.Confirmations {
		c.hint("WARM_BLOCKS is below CONFIRMATIONS: the hourly overlap then finds nothing that each cycle does not")
	}
	if n := len(c.HTTP.JWTSecret.Reveal()); n > 0 && n < safeSecret {
		c.hint(fmt.Sprintf("JWT_SECRET has fewer than %d bytes: whoever guesses it can sign tokens", safeSecret))
	}
	if c.Media.AllowPrivate {
		c.hint("MEDIA_ALLOW_PRIVATE is on: whoever has a token can read from every address that this node reaches, its own machine and network too; this is for tests only")
	}
	if c.HTTP.Operations == OperationsOpen {
		c.hint("OPERATIONS_ACCESS is open: anyone who reaches this node may clear its caches and force its cycles")
	}
	return faults
}

func (c *Config) hint(text string) { c.Hints = append(c.Hints, text) }
