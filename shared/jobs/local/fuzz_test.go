package local

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"oipnode/shared/jobs"
)

// FuzzDecode: what the file holds is read as what was written, or is ErrCorrupt.
func FuzzDecode(f *testing.F) {
	when := time.Date(2026, 5, 17, 12, 0, 0, 1, time.UTC)
	f.Add(head{id: 1, sent: when, due: when, attempt: 3, delivery: 4}.encode())
	f.Add(letter{sent: when, buried: when, attempt: 2, reason: "why", body: []byte("x")}.encode())
	f.Add([]byte(nil))
	f.Add(bytes.Repeat([]byte{0xff}, letterLen))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := decodeHead(7, b); err == nil {
			// A moment before 1970 is none that was written.
			if got := h.encode(); h.sent.UnixNano() >= 0 && h.due.UnixNano() >= 0 && !bytes.Equal(got, b) {
				t.Errorf("the head %x became %x", b, got)
			}
		} else if !errors.Is(err, ErrCorrupt) {
			t.Errorf("the head %x: %v", b, err)
		}
		if l, err := decodeLetter(b); err == nil {
			if got := l.encode(); l.sent.UnixNano() >= 0 && l.buried.UnixNano() >= 0 && !bytes.Equal(got, b) {
				t.Errorf("the dead letter %x became %x", b, got)
			}
		} else if !errors.Is(err, ErrCorrupt) {
			t.Errorf("the dead letter %x: %v", b, err)
		}
		if due, id, err := splitDue(b); err == nil {
			if got := (head{id: id, due: due}).dueKey(); due.UnixNano() >= 0 && !bytes.Equal(got, b) {
				t.Errorf("the entry %x became %x", b, got)
			}
		} else if !errors.Is(err, ErrCorrupt) {
			t.Errorf("the entry %x: %v", b, err)
		}
	})
}

// FuzzReceipt: a receipt that is taken is exactly the one that was given.
func FuzzReceipt(f *testing.F) {
	f.Add(head{id: 1, delivery: 2}.receipt())
	f.Add("")
	f.Add("000000000000000A-0000000000000001")
	f.Add("0000000000000001-0000000000000000")
	f.Add("0000000000000001-0000000000000001-")
	f.Fuzz(func(t *testing.T, receipt string) {
		id, delivery, err := parseReceipt(receipt)
		switch {
		case err == nil && (head{id: id, delivery: delivery}).receipt() != receipt:
			t.Errorf("%q was taken for job %d, delivery %d", receipt, id, delivery)
		case err != nil && !errors.Is(err, jobs.ErrReceipt):
			t.Errorf("%q: %v", receipt, err)
		}
	})
}
