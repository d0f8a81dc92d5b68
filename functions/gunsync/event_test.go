package main

import (
	"errors"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"oipnode/shared/errs"
	"oipnode/shared/pace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestSamples: what the samples mean. The function itself runs on them in infra/awslocal.
func TestSamples(t *testing.T) {
	for name, want := range map[string]call{
		"gunsync.json": {}, "gunsync-force.json": {Message: pace.Message{Force: true}},
		"gunsync-late.json": {Message: pace.Message{Beat: "4QZPAKHWLTHN2CUCVO5MJHUJ5Q"}},
	} {
		text, err := os.ReadFile("../../events/" + name)
		if err != nil {
			t.Fatal(err)
		}
		calls, err := parse(text)
		if err != nil || len(calls) != 1 || calls[0] != want {
			t.Errorf("%s: %+v, %v", name, calls, err)
		}
	}
}

func TestParse(t *testing.T) {
	for event, want := range map[string]call{
		``: {}, `null`: {}, `{}`: {}, `{"anything":[1]}`: {}, `{"force":true}`: {Message: pace.Message{Force: true}}, `{"Records":null}`: {},
		`{"Records":[{"messageId":"m","body":"{\"force\":true}","attributes":{"ApproximateReceiveCount":"2"}}]}`: {pace.Message{Force: true}, true},
		`{"Records":[{"messageId":"m","body":"{\"beat\":\"b\"}"}]}`:                                              {Message: pace.Message{Beat: "b"}},
	} {
		if calls, err := parse([]byte(event)); err != nil || len(calls) != 1 || calls[0] != want {
			t.Errorf("%s: %+v, %v", event, calls, err)
		}
	}
	for event, want := range map[string]error{
		`[]`: errs.Invalid, `"now"`: errs.Invalid, `{"force":"yes"}`: errs.Invalid, `{"Records":[{"messageId":"m","body":"x"}]}`: errs.Invalid,
		`{"Records":[{"messageId":"m","body":"{\"beat\":\"b\"}"},{"messageId":"n","body":"{}"}]}`: errs.Invalid,
		`{"a":"` + strings.Repeat("x", maxEvent) + `"}`:                                           errs.TooLarge,
	} {
		if calls, err := parse([]byte(event)); !errors.Is(err, want) || calls != nil || errs.IsTransient(err) {
			t.Errorf("%.60s: %+v, %v", event, calls, err)
		}
	}
	if calls, err := parse([]byte(`{"Records":[]}`)); err != nil || len(calls) != 0 {
		t.Errorf("a batch of nothing: %+v, %v", calls, err)
	}
}

// FuzzParse: any event is refused, or is a list of links, wishes and schedules.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{}`, `{"Records":[{"body":"{\"beat\":\"b\"}"}]}`, `{"Records":[{"body":1}]}`, `{"Records":{}}`, `{"force":1}`, `{"Records":[null]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, event []byte) {
		calls, err := parse(event)
		if err != nil && !errors.Is(err, errs.Invalid) && !errors.Is(err, errs.TooLarge) {
			t.Errorf("%q: %v", event, err)
		}
		for _, c := range calls {
			if c.Force && c.Beat != "" {
				t.Errorf("%q: both a link and a wish", event)
			}
		}
	})
}
