package config

import (
	"slices"
	"strings"
	"testing"
)

// TestRelations is about what two variables say together.
func TestRelations(t *testing.T) {
	secret := "JWT_SECRET=" + strings.Repeat("s", 32)
	for _, c := range []struct {
		name    string
		lines   []string
		faulty  string // the variable at fault, "" for none
		mention string // what Allowed must name
	}{
		{"thresholds equal", []string{"MEMORY_WARNING_THRESHOLD=90"}, "MEMORY_WARNING_THRESHOLD", "MEMORY_CRITICAL_THRESHOLD"},
		{"thresholds reversed", []string{"MEMORY_WARNING_THRESHOLD=95", "MEMORY_CRITICAL_THRESHOLD=94"}, "MEMORY_WARNING_THRESHOLD", "94"},
		{"thresholds in order", []string{"MEMORY_WARNING_THRESHOLD=95", "MEMORY_CRITICAL_THRESHOLD=96"}, "", ""},
		{"whitelist without types", []string{"RECORD_TYPE_INDEX_MODE=whitelist"}, "RECORD_TYPE_INDEX_WHITELIST", "whitelist"},
		{"whitelist of commas", []string{"RECORD_TYPE_INDEX_MODE=whitelist", "RECORD_TYPE_INDEX_WHITELIST=,"}, "RECORD_TYPE_INDEX_WHITELIST", "whitelist"},
		{"whitelist", []string{"RECORD_TYPE_INDEX_MODE=whitelist", "RECORD_TYPE_INDEX_WHITELIST=post"}, "", ""},
		{"blacklist without types", []string{"RECORD_TYPE_INDEX_MODE=blacklist"}, "", ""},
		{"two secrets", []string{secret, "JWT_SECRET_PARAMETER=/oip/jwt"}, "JWT_SECRET_PARAMETER", "JWT_SECRET"},
		{"listen and another port", []string{"LISTEN=0.0.0.0:80", "PORT=3005"}, "PORT", "0.0.0.0:80"},
		{"listen and no port", []string{"LISTEN=0.0.0.0:80", "PORT=http"}, "PORT", "0.0.0.0:80"},
		{"listen and its port", []string{"LISTEN=0.0.0.0:80", "PORT=80"}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.faulty == "" {
				mustLoad(t, c.lines...)
				return
			}
			faults := faultsOf(t, c.lines...)
			if len(faults) != 1 || faults[0].Variable != c.faulty || !strings.Contains(faults[0].Allowed, c.mention) {
				t.Errorf("faults %v, want one of %s that mentions %q", faults, c.faulty, c.mention)
			}
		})
	}
}

// A variable that is wrong by itself must not bring a second fault along, made
// of the default that stands in its place.
func TestRelationsSkipWhatIsAlreadyWrong(t *testing.T) {
	for _, lines := range [][]string{
		{"MEMORY_WARNING_THRESHOLD=95", "MEMORY_CRITICAL_THRESHOLD=x"},
		{"RECORD_TYPE_INDEX_MODE=whitelist", "RECORD_TYPE_INDEX_WHITELIST=a b"},
		{"LISTEN=nowhere", "PORT=80"},
	} {
		if faults := faultsOf(t, lines...); len(faults) != 1 {
			t.Errorf("%q: faults %v, want one", lines, faults)
		}
	}
}

func TestSampleChain(t *testing.T) {
	for _, text := range []string{"sample", "Sample", " sample "} {
		c := mustLoad(t, "ARWEAVE_GATEWAYS="+text).Chain
		if !c.Sample || len(c.Gateways) != 0 {
			t.Errorf("%q: Sample = %v, Gateways = %v", text, c.Sample, c.Gateways)
		}
	}
	if mustLoad(t, "ARWEAVE_GATEWAYS=https://sample").Chain.Sample {
		t.Error("a host of this name is not the sample chain")
	}
}

func TestListenGoesBeforePort(t *testing.T) {
	if got := mustLoad(t, "LISTEN=0.0.0.0:80", "PORT=80").Node.Listen; got != "0.0.0.0:80" {
		t.Errorf("Listen = %q", got)
	}
}

func TestHints(t *testing.T) {
	for _, c := range []struct {
		lines []string
		want  string // what one hint must hold; "" for no hint at all
	}{
		{nil, ""},
		{[]string{"GUN_PEERS=ws://a/gun"}, ""},
		{[]string{"GUN_PEERS=ws://a/gun", "GUN_EXTERNAL_PEERS=ws://b/gun"}, "GUN_PEERS has no effect"},
		{[]string{"WARM_BLOCKS=17"}, "WARM_BLOCKS"},
		{[]string{"WARM_BLOCKS=18"}, ""},
		{[]string{"MEDIA_ALLOW_PRIVATE=true"}, "tests only"},
		{[]string{"OPERATIONS_ACCESS=open"}, "OPERATIONS_ACCESS is open"},
		{[]string{"JWT_SECRET=test-secret"}, "JWT_SECRET has fewer than 32 bytes"},
		{[]string{"JWT_SECRET=" + strings.Repeat("s", 32)}, ""},
		// Nearly a name of ours.
		{[]string{"ARWEAVE_GATEWAY=https://a"}, "ARWEAVE_GATEWAYS"},
		{[]string{"GUN_SYNC_INTERVALL=5"}, "GUN_SYNC_INTERVAL"},
		{[]string{"CONFIMRATIONS=5"}, "CONFIRMATIONS"},
		{[]string{"DATADIR=x"}, "DATA_DIR"},
		{[]string{"LISTENS=x"}, "LISTEN"},
		{[]string{"RECORD_TYPE_INDEX_WITELIST=x"}, "RECORD_TYPE_INDEX_WHITELIST"},
		// Not ours, although not far away.
		{[]string{"PORTS=1", "PATH=/bin", "SORT=1", "HOME=/", "XDG_DATA_DIRS=x", "LISTENER1=x", "AWS_REGION=x", "=C:=C:\\", "novalue"}, ""},
	} {
		got, err := LoadEnviron(c.lines)
		if err != nil {
			t.Errorf("%q: %v", c.lines, err)
			continue
		}
		if c.want == "" && len(got.Hints) > 0 {
			t.Errorf("%q: hints %q, want none", c.lines, got.Hints)
		}
		if c.want != "" && (len(got.Hints) != 1 || !strings.Contains(got.Hints[0], c.want)) {
			t.Errorf("%q: hints %q, want one with %q", c.lines, got.Hints, c.want)
		}
	}
}

// The value of an unknown variable may be anything, a password too.
func TestHintsNeverShowValues(t *testing.T) {
	c, err := LoadEnviron([]string{"JWT_SECRETS=correct horse", "JWT_SECRE=battery staple"})
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(c.Hints, "\n")
	if len(c.Hints) != 2 || strings.Contains(all, "horse") || strings.Contains(all, "staple") {
		t.Errorf("hints %q, want two without values", c.Hints)
	}
	if !slices.IsSorted(c.Hints) {
		t.Errorf("hints %q are not in order", c.Hints)
	}
}

func TestLoadEnvironReportsFaults(t *testing.T) {
	if c, err := LoadEnviron([]string{"CONFIRMATIONS=0", "START_HEIGH=1"}); err == nil || len(c.Hints) != 0 {
		t.Errorf("LoadEnviron = %+v, %v; want the zero value and an error", c, err)
	}
}
