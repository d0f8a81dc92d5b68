package voice

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzLastEventID: what is taken is a number in its only form; the rest is a fault of
// that field.
func FuzzLastEventID(f *testing.F) {
	for _, s := range []string{"", "0", "1", "12345678", "123456789", "007", "-1", "+1", " 1", "1,1", "1e3", "٣", "99999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseLastEventID(s)
		var bad *FieldError
		switch {
		case err == nil && s == "" && n == 0:
		case err == nil && (strconv.Itoa(n) != s || n < 0 || n > maxNumber):
			t.Errorf("%q is %d", s, n)
		case err != nil && (!errors.As(err, &bad) || n != 0):
			t.Errorf("%q: %d, %v", s, n, err)
		}
	})
}

// FuzzEvent: an event that is taken has a known name, and data that is the same JSON as
// before on one line, so that no data can forge a frame of the stream.
func FuzzEvent(f *testing.F) {
	for _, s := range []string{`{"event":"textChunk","data":{"text":"a"}}`, `{"event":"done"}`, ` {"event":"ping","data":null,"number":3} `, `null`, `[]`, `"x"`,
		`{"event":"x"}`, `{"event":1}`, `{"event":"done","number":0}`, `{"event":"done","number":1.5}`, `{"event":"done","number":"1"}`, `{}`, `{`,
		"{\"event\":\"error\",\"data\":\"\xff\"}", `{"event":"audioChunk","data":[1, 2,` + "\n\r\t" + `3e400,"\ud800\n"]}`, `{"event":"done","event":"x"}`} {
		f.Add([]byte(s))
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := ParseEvent(body)
		if err != nil {
			var bad *FieldError
			if !errors.As(err, &bad) || !slices.Contains([]string{"body", "event", "number", "data"}, bad.Field) {
				t.Errorf("%q: %v", body, err)
			}
			return
		}
		if !slices.Contains(names, e.Event) || e.Number < 0 || !utf8.Valid(e.Data) || !json.Valid(e.Data) || bytes.ContainsAny(e.Data, "\r\n") {
			t.Errorf("%q became %+v", body, e)
		}
		if err := w.check(e); err != nil && len(e.Data) <= w.opt.MaxEventBytes {
			t.Errorf("%q is refused: %v", body, err)
		}
		frame := string(appendFrame(nil, Event{Number: 7, Event: e.Event, Data: e.Data}))
		if want := "id: 7\nevent: " + e.Event + "\ndata: " + string(e.Data) + "\n\n"; frame != want || strings.Count(frame, "\n") != 4 {
			t.Errorf("frame %q", frame)
		}
	})
}
