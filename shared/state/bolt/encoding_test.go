package bolt

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"testing"

	"oipnode/shared/state"
)

// TestStoredForm pins the bytes in the file: a change needs a new Format.
func TestStoredForm(t *testing.T) {
	v := stored{kind: kindCounter, version: 0x0102, expires: 0x0304, value: []byte("-5")}
	want := []byte{2, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 3, 4, '-', '5'}
	if got := v.encode(); !bytes.Equal(got, want) {
		t.Errorf("value is %v, want %v", got, want)
	}
	k := itemKey(state.Key{Space: "sp", ID: "id"})
	if want := []byte{0, 2, 's', 'p', 'i', 'd'}; !bytes.Equal(k, want) {
		t.Errorf("key is %v, want %v", k, want)
	}
	want = []byte{0, 0, 0, 0, 0, 0, 3, 4, 0, 2, 's', 'p', 'i', 'd'}
	if got := expiryKey(0x0304, k); !bytes.Equal(got, want) {
		t.Errorf("expiry entry is %v, want %v", got, want)
	}
}

func TestExpiryEntriesOrderByTime(t *testing.T) {
	seconds := []int64{1, 255, 256, 1 << 20, 1 << 31, 1 << 32, math.MaxInt64}
	entries := make([][]byte, 0, len(seconds))
	for _, s := range seconds {
		entries = append(entries, expiryKey(s, []byte{0, 1, 's', 'i'}))
	}
	if !slices.IsSortedFunc(entries, bytes.Compare) {
		t.Errorf("entries are not in order: %v", entries)
	}
}

func FuzzParseStored(f *testing.F) {
	for _, v := range []stored{
		{kindPlain, 1, 0, nil}, {kindPlain, math.MaxUint64, math.MaxInt64, []byte("value")}, {kindCounter, 2, 5, []byte("-7")},
	} {
		f.Add(v.encode())
	}
	f.Add([]byte{})
	f.Add(make([]byte, headerLength))
	f.Add(append([]byte{kindPlain}, bytes.Repeat([]byte{0xFF}, 20)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parseStored(b)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("got %v, want ErrCorrupt", err)
			}
			return
		}
		if got := v.encode(); !bytes.Equal(got, b) {
			t.Errorf("%x reads as %+v and is written as %x", b, v, got)
		}
		if item := v.item(state.Key{}); item.Version == 0 || len(item.Value) > len(b) {
			t.Errorf("%x is %+v", b, item)
		}
		if _, err := v.number(); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("got %v, want ErrCorrupt", err)
		}
	})
}

func FuzzParseExpiryKey(f *testing.F) {
	f.Add(expiryKey(1, itemKey(state.Key{Space: "s", ID: "i"})))
	f.Add(expiryKey(math.MaxInt64, itemKey(state.Key{Space: "s\x00", ID: "\x00"})))
	f.Add([]byte{})
	f.Add(make([]byte, secondsLength+spaceLength+1))
	f.Add(expiryKey(1, []byte{0xFF, 0xFF, 's'}))
	f.Fuzz(func(t *testing.T, b []byte) {
		seconds, item, err := parseExpiryKey(b)
		if err == nil {
			var k state.Key
			if k, err = parseItemKey(item); err == nil {
				if got := expiryKey(seconds, itemKey(k)); !bytes.Equal(got, b) {
					t.Errorf("%x reads as %d %q and is written as %x", b, seconds, k, got)
				}
				return
			}
		}
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("got %v, want ErrCorrupt", err)
		}
	})
}
