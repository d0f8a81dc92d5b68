package pace_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"oipnode/shared/pace"
)

func TestParse(t *testing.T) {
	for body, want := range map[string]pace.Message{`{"beat":"x"}`: {Beat: "x"}, ` {"force":true} `: {Force: true}, `{"beat":"x","force":false}`: {Beat: "x"},
		`{"force":true,"put":3}`: {Force: true, Put: 3}} {
		if m, err := pace.Parse([]byte(body)); err != nil || m != want {
			t.Errorf("%s: %+v, %v", body, m, err)
		}
	}
	for _, body := range []string{"", "{}", "[]", `"x"`, `{"beat":""}`, `{"force":false}`, `{"beat":"x","force":true}`, `{"beat":1}`, `{"beat":"x","put":1}`, `{"force":true,"put":-1}`,
		`{"other":1}`, `{"beat":"x"}{}`, `{"beat":"x"`, `{"beat":"` + strings.Repeat("x", 2000) + `"}`} {
		if m, err := pace.Parse([]byte(body)); !errors.Is(err, pace.ErrMessage) || m != (pace.Message{}) {
			t.Errorf("%.50s is the message %+v, %v", body, m, err)
		}
	}
}

func TestForce(t *testing.T) {
	w := newWorld(t)
	if err := pace.Force(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if len(w.letters) != 1 || !w.letters[0].due.Equal(w.now) {
		t.Fatalf("%+v", w.letters)
	}
	if m, err := pace.Parse(w.letters[0].body); err != nil || !m.Force {
		t.Errorf("%+v, %v", m, err)
	}
	w.broken = true
	if err := pace.Force(t.Context(), w); !errors.Is(err, errQueue) {
		t.Errorf("without a queue: %v", err)
	}
}

// A wish that finds a pass running is put off, and not for ever.
func TestPutOff(t *testing.T) {
	w := newWorld(t)
	wish := pace.Message{Force: true}
	for i := range 6 {
		if err := pace.PutOff(t.Context(), w, wish); err != nil || len(w.letters) != i+1 {
			t.Fatalf("%v, %d messages", err, len(w.letters))
		}
		m, err := pace.Parse(w.letters[i].body)
		if err != nil || !m.Force || m.Put != i+1 || !w.letters[i].due.Equal(w.now.Add(15*time.Second)) {
			t.Errorf("%+v, %v", m, err)
		}
		wish = m
	}
	if err := pace.PutOff(t.Context(), w, wish); err != nil || len(w.letters) != 6 {
		t.Errorf("%v, %d messages", err, len(w.letters))
	}
}

// FuzzParse: whatever a body is, it is a message of exactly one kind, or none.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"beat":"x"}`, `{"force":true}`, `{"beat":"\ud800"}`, "\x00", `{"beat":["x"]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := pace.Parse(body)
		if err == nil && m.Force == (m.Beat != "") || err != nil && !errors.Is(err, pace.ErrMessage) {
			t.Errorf("%q: %+v, %v", body, m, err)
		}
	})
}
