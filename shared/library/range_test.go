package library

import (
	"fmt"
	"strings"
	"testing"
)

// TestRange: what a Range asks for, of a file of ten bytes and of an empty one.
func TestRange(t *testing.T) {
	for header, want := range map[string]string{
		"": "whole", "bytes=0-9": "0+10", "bytes=0-0": "0+1", "bytes=9-9": "9+1", "bytes=3-5": "3+3", "bytes=3-": "3+7", "bytes=0-": "0+10",
		"bytes=5-100": "5+5", "bytes=-1": "9+1", "bytes=-10": "0+10", "bytes=-100": "0+10", "bytes=007-008": "7+2",
		"BYTES=1-2": "1+2", "bytes = 1-2": "1+2", "bytes=1-2 ": "1+2", "bytes=99999999999999999999-": "none", "bytes=0-99999999999999999999": "0+10",
		"bytes=-99999999999999999999": "0+10",
		// Several are one that covers them all.
		"bytes=0-1,4-5": "0+6", "bytes=4-5, 0-1": "0+6", "bytes=0-1,-1": "0+10", "bytes=2-3,20-30": "2+2", "bytes=,,2-3,": "2+2", "bytes=1-1,1-1,1-1": "1+1",
		// There is nothing at all of these.
		"bytes=10-": "none", "bytes=10-20": "none", "bytes=-0": "none", "bytes=20-30,40-50": "none",
		// These are no ranges.
		"bytes=": "none", "bytes": "none", "bytes=-": "none", "bytes=a-b": "none", "bytes=1": "none", "bytes=5-3": "none", "bytes=1-2-3": "none", "bytes=0x1-2": "none",
		"bytes=+1-2": "none", "bytes=1-+2": "none", "bytes=1.5-2": "none", "bytes=0-1,x": "none", "bytes=--1": "none", "bytes=1 - 2": "none", "bytes=１-2": "none", "bytes=,": "none",
		// Another unit is none of ours.
		"items=0-1": "whole", "0-1": "whole", "=0-1": "whole", "byte=0-1": "whole", "bytes2=0-1": "whole",
	} {
		if got := ranged(header, 10); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
	for header, want := range map[string]string{"": "whole", "bytes=0-": "none", "bytes=-1": "none", "bytes=0-0": "none", "items=0-": "whole"} {
		if got := ranged(header, 0); got != want {
			t.Errorf("of nothing, %q: %s, want %s", header, got, want)
		}
	}
}

func ranged(header string, size int64) string {
	s, ok := parseRange(header, size)
	switch {
	case !ok:
		return "none"
	case !s.partial:
		return "whole"
	}
	return fmt.Sprintf("%d+%d", s.offset, s.length)
}

// FuzzRange: whatever is asked for, the answer lies within the file, and one that is not
// a part is all of it.
func FuzzRange(f *testing.F) {
	for _, seed := range []string{"", "bytes=0-1", "bytes=-5", "bytes=5-", "bytes=0-1,3-4,-1", "bytes=9223372036854775807-9223372036854775808", "bytes=-0", "x", "bytes=,", "bytes= 1-2"} {
		f.Add(seed, int64(10))
		f.Add(seed, int64(0))
		f.Add(seed, int64(1<<62))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		s, ok := parseRange(header, size)
		switch {
		case !ok && s != (span{}):
			t.Errorf("%q of %d: refused with %+v", header, size, s)
		case !ok && !strings.HasPrefix(strings.ToLower(strings.TrimSpace(header)), "bytes"):
			t.Errorf("%q of %d: refused, though it is of another unit", header, size)
		case ok && !s.partial && s != span{length: size}:
			t.Errorf("%q of %d: %+v", header, size, s)
		case ok && s.partial && (s.offset < 0 || s.length < 1 || s.length > size-s.offset):
			t.Errorf("%q of %d: %+v lies outside", header, size, s)
		}
	})
}
