package sandbox

import (
	"fmt"
	"testing"
)

// A log goes through unchanged whatever is in it, also what looks like a mark.
func TestLogsUnchanged(t *testing.T) {
	var out output
	l, err := newLogs(&out)
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	for i := range 200 {
		text := fmt.Sprintf("%d\x00%s\n", i, l.mark[:i%len(l.mark)])
		want += text
		if _, err := l.w.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if i%7 == 0 {
			l.drain()
			if got := out.String(); got != want {
				t.Fatalf("%q, want %q", got, want)
			}
		}
	}
	l.close()
	if got := out.String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
