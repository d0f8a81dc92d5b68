package main

import (
	"errors"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"oipnode/shared/errs"
	"oipnode/shared/expiry"
	"oipnode/shared/state"
	"oipnode/shared/state/dynamo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sample reads a file of the folder events.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("../../events/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestSamples: what the samples hold, by kind. The function itself runs on them in
// infra/awslocal.
func TestSamples(t *testing.T) {
	for name, c := range map[string]struct{ expired, malformed int }{
		"expiry.json": {7, 0}, "expiry-delete.json": {0, 0}, "expiry-malformed.json": {1, 2},
	} {
		b, err := parse(sample(t, name))
		if err != nil || len(b.keys) != c.expired || len(b.sequences) != c.expired || b.malformed != c.malformed {
			t.Errorf("%s: %+v, %v", name, b, err)
		}
		if (b.first != nil) != (c.malformed > 0) || b.first != nil && (!errors.Is(b.first, dynamo.ErrRecord) || !strings.Contains(b.first.Error(), "NEW_AND_OLD_IMAGES")) {
			t.Errorf("%s: the first fault is %v", name, b.first)
		}
		if name != "expiry.json" {
			continue
		}
		for _, kind := range expiry.Counts(b.keys) {
			if kind.Rows != 1 {
				t.Errorf("%s has %d %s", name, kind.Rows, kind.Kind)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for event, want := range map[string]error{
		``: errs.Invalid, `null`: errs.Invalid, `[]`: errs.Invalid, `{}`: errs.Invalid, `"Records"`: errs.Invalid, `{"Records":null}`: errs.Invalid,
		`{"Records":{}}`: errs.Invalid, `{"schedule":"keepdb"}`: errs.Invalid, `{"Records":[` + strings.Repeat(" ", maxEvent) + `]}`: errs.TooLarge,
	} {
		if b, err := parse([]byte(event)); !errors.Is(err, want) || len(b.keys) > 0 || errs.IsTransient(err) {
			t.Errorf("%.30s: %+v, %v", event, b, err)
		}
	}
	if b, err := parse([]byte(`{"Records":[]}`)); err != nil || len(b.keys)+b.malformed > 0 {
		t.Errorf("an empty batch: %+v, %v", b, err)
	}
}

// FuzzParse: any event is refused, or gives keys that the store takes, each with the
// number of its record.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"expiry.json", "expiry-delete.json", "expiry-malformed.json"} {
		f.Add(sample(f, name))
	}
	f.Add([]byte(`{"records":[null,{},[],1]}`))
	f.Fuzz(func(t *testing.T, event []byte) {
		b, err := parse(event)
		if err != nil {
			if !errors.Is(err, errs.Invalid) && !errors.Is(err, errs.TooLarge) {
				t.Errorf("%v", err)
			}
			return
		}
		if len(b.keys) != len(b.sequences) || (b.first != nil) != (b.malformed > 0) {
			t.Errorf("%+v", b)
		}
		for i, k := range b.keys {
			if state.CheckGet([]state.Key{k}) != nil || b.sequences[i] == "" {
				t.Errorf("%v %q", k, b.sequences[i])
			}
		}
	})
}
