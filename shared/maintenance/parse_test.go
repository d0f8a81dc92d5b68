package maintenance

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"oipnode/shared/errs"
)

func TestParseRefuses(t *testing.T) {
	for request, want := range map[string]string{
		``: "no JSON object", `[]`: "no JSON object", `{"task":"stats"} {}`: "behind", `{"task":"stats","fast":true}`: "fast",
		`{"task":"` + strings.Repeat("x", MaxRequest) + `"}`: "at most 65536",
	} {
		if _, err := Parse([]byte(request)); !errors.Is(err, errs.Invalid) || !strings.Contains(errs.Public(err), want) {
			t.Errorf("%.50s: %v", request, err)
		}
	}
}

// Whatever is asked for, it is a task of the list with its own fields, or errs.Invalid.
func FuzzParse(f *testing.F) {
	for _, task := range Tasks {
		f.Add([]byte(`{"task":"` + task + `"}`))
	}
	f.Add([]byte(`{"task":"diagnose","mode":"monitor","interval":10,"duration":120}`))
	f.Add([]byte(`{"task":"rescan","from":1,"to":2}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		q, err := Parse(text)
		if err != nil {
			if !errors.Is(err, errs.Invalid) {
				t.Errorf("%v", err)
			}
			return
		}
		again, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := Parse(again); err != nil || p.Task != q.Task {
			t.Errorf("%s: %v", again, err)
		}
	})
}
