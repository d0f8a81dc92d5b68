package config

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

// FuzzLoad gives any value to any variable. Load must not panic; what it accepts
// must keep its bounds when it is read again, and what it refuses must name the
// variable, and nothing of a secret.
func FuzzLoad(f *testing.F) {
	variables := table(&Config{})
	for i, v := range variables {
		f.Add(uint(i), v.preset)
		f.Add(uint(i), "-1")
		f.Add(uint(i), "https://u:p@h:1/a?b#c,wss://[::1]:99999")
		f.Add(uint(i), "9223372036854775807GiB")
		f.Add(uint(i), "1h0.000000001ms,,\x00 é")
	}
	f.Fuzz(func(t *testing.T, index uint, value string) {
		v := variables[index%uint(len(variables))]
		c, err := LoadEnviron([]string{v.name + "=" + value})
		if err == nil {
			check(t, c)
			return
		}
		var e *Error
		if !errors.As(err, &e) || len(e.Faults) == 0 {
			t.Fatalf("%s=%q: error %v is not a list of faults", v.name, value, err)
		}
		if !strings.Contains(err.Error(), v.name) {
			t.Errorf("%s=%q: the message names another variable: %v", v.name, value, err)
		}
		if len(err.Error()) > 2000*len(e.Faults) {
			t.Errorf("%s: the message has %d bytes", v.name, len(err.Error()))
		}
		if v.secret && e.Faults[0].Value != redacted {
			t.Errorf("%s: a secret's value is shown: %q", v.name, e.Faults[0].Value)
		}
	})
}

// check asserts the bounds that the rest of the program relies on without
// looking again: pauses and sizes that are positive, lists that are short.
func check(t *testing.T, c Config) {
	t.Helper()
	if c.Chain.Sample != (len(c.Chain.Gateways) == 0) || len(c.Chain.Gateways) > 32 || len(c.Gun.Peers) > 100 {
		t.Errorf("%d gateways with Sample %v, %d peers", len(c.Chain.Gateways), c.Chain.Sample, len(c.Gun.Peers))
	}
	for _, u := range append(append([]string{c.Gun.RelayURL, c.HTTP.PublicBaseURL}, c.Chain.Gateways...), c.Gun.Peers...) {
		parsed, err := url.Parse(u)
		if err != nil || u != "" && (parsed.Hostname() == "" || parsed.User != nil || strings.ContainsAny(u, "?# \n")) {
			t.Errorf("the URL %q was accepted", u)
		}
	}
	if c.Chain.Confirmations < 1 || c.Chain.StartHeight < 0 || c.Chain.WarmInterval <= 0 || c.Chain.ColdRescan < 0 ||
		c.Index.Interval <= 0 || c.Index.FirstDelay < 0 || c.Index.RefreshCycles < 1 || c.Index.MaxTransactions < 1 ||
		c.Index.CacheTTL < 0 || c.Gun.Interval <= 0 || c.Gun.CacheMaxAge <= 0 || c.Media.Timeout <= 0 || c.Voice.DialogueTimeout <= 0 {
		t.Errorf("a bound does not hold: %+v", c)
	}
	if m := c.Chain.MaxRecordBytes; m < 1<<10 || m > 100<<20 || c.Index.CacheBytes < 0 || c.Media.MaxBytes < 1 || c.AWS.FunctionMemory < 0 {
		t.Errorf("a size is out of bounds: %+v", c)
	}
	if c.Memory.WarningPercent >= c.Memory.CriticalPercent {
		t.Errorf("thresholds %+v", c.Memory)
	}
}
