package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

// TestEveryFaultAtOnce breaks all variables together: an operator must see all of
// it in one message, in the order of the README's table.
func TestEveryFaultAtOnce(t *testing.T) {
	var lines, want []string
	for _, v := range table(&Config{}) {
		// No variable takes this: it is no number, word or URL, and has control
		// characters. A key may be any text, but not so long a one.
		value := "\x01\x00?"
		if v.secret {
			value = strings.Repeat("k", 5000)
		}
		lines = append(lines, v.name+"="+value)
		want = append(want, v.name)
	}
	_, err := Load(environment(lines...))
	var got []string
	for _, f := range faultsOf(t, lines...) {
		got = append(got, f.Variable)
		if f.Allowed == "" || !strings.Contains(err.Error(), f.Variable+" is ") || !strings.Contains(err.Error(), f.Allowed) {
			t.Errorf("the message does not say what %s takes", f.Variable)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("faults of\n%q, want\n%q", got, want)
	}
	if n := strings.Count(err.Error(), "\n"); n != len(want) {
		t.Errorf("the message has %d lines after the first, want %d", n, len(want))
	}
}

// TestEveryEntryAtOnce: who has three wrong peers is told of all three.
func TestEveryEntryAtOnce(t *testing.T) {
	values := func(line string) (list []string) {
		for _, f := range faultsOf(t, line) {
			list = append(list, f.Value)
		}
		return list
	}
	for line, want := range map[string][]string{
		"GUN_PEERS=ftp://x, http://good.example,nowhere,,http://u:p@y.example": {"ftp://x", "nowhere", "http://[redacted]@y.example"},
		"MEDIA_PORTS=0,80,70000":                              {"0", "70000"},
		"ARWEAVE_GATEWAYS=sample,https://good.example":        {"sample"},
		"ARWEAVE_GATEWAYS=, ,":                                {"0 entries"},
		"GUN_PEERS=http://u:a,b,c@y.example,ftp://x":          {"http://[redacted]", "[redacted]", "[redacted]", "[redacted]"},
		"GUN_PEERS=https://y.example/?token=a,b":              {"https://y.example/?[redacted]", "[redacted]"},
		"MEDIA_PORTS=" + strings.Repeat("x,", 30):             append(slices.Repeat([]string{"x"}, shownEntries), "20 more entries like these"),
		"MEDIA_PORTS=x," + manyEntries("%d", 102)[len("0,"):]: {"x", "more than 100 entries"},
	} {
		if got := values(line); !slices.Equal(got, want) {
			t.Errorf("%.60s: told %q, want %q", line, got, want)
		}
	}
}

func TestFaultText(t *testing.T) {
	_, err := Load(environment("CONFIRMATIONS=0", "LOG_LEVEL=loud\n"))
	want := "configuration: 2 wrong\n" +
		"  CONFIRMATIONS is \"0\"; allowed: a whole number from 1 to 100\n" +
		"  LOG_LEVEL is \"loud\"; allowed: debug, info, warn or error"
	if err == nil || err.Error() != want {
		t.Errorf("Load gave\n%v, want\n%s", err, want)
	}
}

// A fault of a list names the entry; a long value is cut at a character's end.
func TestFaultValueIsShort(t *testing.T) {
	f := faultsOf(t, "ARWEAVE_GATEWAYS=https://good.example,gopher://bad.example")
	if f[0].Value != "gopher://bad.example" {
		t.Errorf("Value = %q, want the entry alone", f[0].Value)
	}
	f = faultsOf(t, "LOG_LEVEL="+strings.Repeat("é", 500))
	if got := f[0].Value; len(got) > shownValue+len("…") || !strings.HasSuffix(got, "é…") {
		t.Errorf("Value = %q, want it cut between two characters", got)
	}
}

// TestSecretsStayHidden puts a recognizable password wherever one can be put and
// looks for it in every message.
func TestSecretsStayHidden(t *testing.T) {
	const password = "hunter2"
	for _, line := range []string{
		"JWT_SECRET=" + strings.Repeat(password, 1000),
		"ARWEAVE_GATEWAYS=https://user:" + password + "@gateway.example",
		"ARWEAVE_GATEWAYS=https://" + password + "@gateway.example",
		"ARWEAVE_GATEWAYS=https://user:" + password + ",more@gateway.example",
		"ARWEAVE_GATEWAYS=https://gateway.example/?key=" + password,
		"ARWEAVE_GATEWAYS=https://gateway.example/#" + password,
		"ARWEAVE_GATEWAYS=https://user:" + password + "%zz@gateway.example",
		"ARWEAVE_GATEWAYS=user:" + password + "@gateway.example",
		"ARWEAVE_GATEWAYS=https://user:what?" + password + "@gateway.example",
		"GUN_EXTERNAL_PEERS=wss://peer:" + password + "@peer.example/gun",
		"GUN_RELAY_URL=http://relay:" + password + "@127.0.0.1:8765",
		"OPENSEARCH_ENDPOINT=https://admin:" + password + "@search.example",
		"MEDIA_QUEUE_URL=https://q.example/q?sig=" + password,
		"GUN_QUEUE_URL=https://q.example/q?sig=" + password,
	} {
		_, err := Load(environment(line))
		if err == nil {
			t.Errorf("%q was accepted", line)
			continue
		}
		if strings.Contains(err.Error(), password) {
			t.Errorf("%q: the message shows the secret: %v", line, err)
		}
	}
	// Beside another fault the good secret must stay hidden as well.
	_, err := Load(environment("JWT_SECRET="+strings.Repeat(password, 4), "JWT_SECRET_PARAMETER=/p", "CONFIRMATIONS=0"))
	if err == nil || strings.Contains(err.Error(), password) {
		t.Errorf("error %v", err)
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	const value = "correct horse battery staple"
	c := mustLoad(t, "JWT_SECRET="+value)
	if got := string(c.HTTP.JWTSecret.Reveal()); got != value || !c.HTTP.JWTSecret.IsSet() {
		t.Fatalf("Reveal = %q, IsSet = %v", got, c.HTTP.JWTSecret.IsSet())
	}
	// hidden puts the secret where fmt may not call its methods.
	hidden := struct{ s Secret }{c.HTTP.JWTSecret}

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+"\n", c.HTTP.JWTSecret)
		fmt.Fprintf(&out, verb+"\n", c)
		fmt.Fprintf(&out, verb+"\n", hidden)
	}
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(encoded)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "config", c, "secret", c.HTTP.JWTSecret, "hidden", hidden)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "config", c, "secret", c.HTTP.JWTSecret, "hidden", hidden)

	hex := fmt.Sprintf("%x", value)
	for _, form := range []string{value, hex, strings.ToUpper(hex)} {
		if strings.Contains(out.String(), form) {
			t.Errorf("%q was printed:\n%s", form, out.String())
		}
	}
	if !strings.Contains(out.String(), redacted) {
		t.Error("nothing stands where the secret would be")
	}
}

func TestNoSecret(t *testing.T) {
	for _, s := range []Secret{{}, NewSecret("")} {
		if s.IsSet() || s.Reveal() != nil {
			t.Errorf("IsSet = %v, Reveal = %q", s.IsSet(), s.Reveal())
		}
		if got := fmt.Sprint(s); got != redacted {
			t.Errorf("printed as %q: that there is none must not show either", got)
		}
	}
}
