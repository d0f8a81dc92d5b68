package function

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"oipnode/shared/errs"
)

type settings struct {
	Force bool   `json:"force"`
	Task  string `json:"task"`
}

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		name, event string
		lenient     bool
		want        settings
		bad         string // what the error says; "" for none
	}{
		{"nothing", ``, false, settings{}, ""},
		{"null", ` null `, false, settings{}, ""},
		{"an empty object", `{}`, false, settings{}, ""},
		{"fields", `{"force":true,"task":"x"}`, false, settings{true, "x"}, ""},
		{"a schedule", `{"detail-type":"Scheduled Event","detail":{}}`, true, settings{}, ""},
		{"an unknown field", `{"forse":true}`, false, settings{}, `"forse"`},
		{"a list", `[1]`, true, settings{}, "JSON object"},
		{"a text", `"x"`, true, settings{}, "JSON object"},
		{"a wrong type", `{"force":"yes"}`, true, settings{}, "force"},
		{"cut off", `{"force":tr`, true, settings{}, "not valid"},
		{"two objects", `{}{}`, true, settings{}, "behind"},
		{"too long", `{"task":"` + strings.Repeat("x", maxEvent) + `"}`, true, settings{}, "at most 65536"},
	} {
		var got settings
		err := Decode(json.RawMessage(c.event), &got, c.lenient)
		switch {
		case c.bad == "":
			if err != nil || got != c.want {
				t.Errorf("%s: %+v, %v", c.name, got, err)
			}
		case err == nil || !strings.Contains(errs.Public(err), c.bad) || errs.IsTransient(err):
			t.Errorf("%s: %v, want %q", c.name, err, c.bad)
		}
	}
}

// FuzzDecode: whatever comes as an event, it is refused as invalid or decoded.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{}`, `{"force":true}`, `[`, `{"task":"\ud800"}`, "\x00", `{"a":{"b":[{}]}}`} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, event []byte, lenient bool) {
		var s settings
		err := Decode(event, &s, lenient)
		if err != nil && !errors.Is(err, errs.Invalid) && !errors.Is(err, errs.TooLarge) {
			t.Errorf("%q: %v", event, err)
		}
	})
}
