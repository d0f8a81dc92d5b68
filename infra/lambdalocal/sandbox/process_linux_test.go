package sandbox

import (
	"os"
	"testing"
	"time"
)

func TestProcessorTime(t *testing.T) {
	const numbers = "1 2 3 4 5 6 7 8 9 10 150 25 14 15 16"
	for text, want := range map[string]time.Duration{
		"7 (boot) S " + numbers:                                    1750 * time.Millisecond,
		"7 (a) b) (c S) R " + numbers:                              1750 * time.Millisecond,
		"7 (boot) S 1 2 3":                                         0,
		"7 (boot) S 1 2 3 4 5 6 7 8 9 10 x 25":                     0,
		"7 (boot) S 1 2 3 4 5 6 7 8 9 10 -1 25":                    0,
		"7 (boot) S 1 2 3 4 5 6 7 8 9 10 9223372036854775807 25 1": 0,
		"":  0,
		")": 0,
	} {
		if got, ok := processorTime([]byte(text)); got != want || ok != (want > 0) {
			t.Errorf("%q: %v, %v", text, got, ok)
		}
	}
	for { // working until it shows
		got, ok := processor(os.Getpid())
		if !ok || got < 0 || got > time.Hour {
			t.Fatalf("this process has used %v, %v", got, ok)
		}
		if got > 0 {
			break
		}
	}
}

func FuzzProcessorTime(f *testing.F) {
	f.Add([]byte("7 (boot) S 1 2 3 4 5 6 7 8 9 10 150 25 14"))
	f.Add([]byte(") ) )"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, ok := processorTime(text); got < 0 || !ok && got != 0 {
			t.Errorf("%v, %v", got, ok)
		}
	})
}
