package main

import (
	"errors"
	"os"
	"strings"
	"testing"

	"oipnode/shared/errs"
)

func sample(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("../../events/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestParse: what SQS sends becomes jobs as they are; whatever else comes is refused with
// what is wrong.
func TestParse(t *testing.T) {
	for _, name := range []string{"mediafetch.json", "mediafetch-malformed.json"} {
		batch, err := parse(sample(t, name))
		if err != nil || len(batch) != 1 || batch[0].Attempt != 1 || batch[0].Sent.IsZero() || len(batch[0].Body) == 0 || batch[0].Receipt == "" {
			t.Errorf("%s: %+v, %v", name, batch, err)
		}
	}
	if batch, err := parse([]byte(`{"Records":[]}`)); err != nil || len(batch) != 0 {
		t.Errorf("no records: %+v, %v", batch, err)
	}
	for event, says := range map[string]string{
		``: "object", `null`: "object", `[]`: "object", `{}`: "Records", `{"Records":null}`: "Records", `{"Records":{}}`: "Records",
		`{"Records":[{}]}`: "record 0", `{"Records":[{"messageId":"a","receiptHandle":"b"},{"messageId":"a"}]}`: "record 1",
		`{"Records":"` + strings.Repeat("x", maxEvent) + `"}`: "at most",
	} {
		if _, err := parse([]byte(event)); err == nil || !strings.Contains(errs.Public(err), says) || errs.IsTransient(err) {
			t.Errorf("%.80s: %v, want %q", event, err, says)
		}
	}
}

// FuzzParse: an event is refused, or every job of it can be settled.
func FuzzParse(f *testing.F) {
	f.Add(sample(f, "mediafetch.json"))
	f.Add([]byte(`{"Records":[{"messageId":"a","receiptHandle":"b","attributes":{"ApproximateReceiveCount":"-1","SentTimestamp":"x"}}]}`))
	f.Fuzz(func(t *testing.T, event []byte) {
		batch, err := parse(event)
		if err != nil {
			if !errors.Is(err, errs.Invalid) && !errors.Is(err, errs.TooLarge) {
				t.Errorf("%q: %v", event, err)
			}
			return
		}
		for _, j := range batch {
			if j.ID == "" || j.Receipt == "" || j.Attempt < 1 {
				t.Errorf("%q: %+v", event, j)
			}
		}
	})
}
