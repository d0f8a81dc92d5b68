package jobs

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// CheckSend says whether this could be sent: ErrInvalid or ErrTooLarge when not.
func CheckSend(body []byte, delay time.Duration) error {
	switch {
	case len(body) == 0:
		return fmt.Errorf("%w: the body is empty, at least 1 byte is needed", ErrInvalid)
	case len(body) > MaxBody:
		return fmt.Errorf("%w: a body of %d bytes, at most %d are allowed", ErrTooLarge, len(body), MaxBody)
	case delay < 0 || delay > MaxDelay:
		return fmt.Errorf("%w: a delay of %v, 0 to %v are allowed", ErrInvalid, delay, MaxDelay)
	}
	for i := 0; i < len(body); {
		r, size := utf8.DecodeRune(body[i:])
		if !allowed(r, size) {
			return fmt.Errorf("%w: byte %d of the body does not belong to a text: UTF-8 without control characters but tab and line ends is allowed", ErrInvalid, i+1)
		}
		i += size
	}
	return nil
}

// allowed reports whether XML 1.0, and with it SQS, can hold a character.
func allowed(r rune, size int) bool {
	switch {
	case r == utf8.RuneError:
		return size == 3 // the character itself, and not broken UTF-8
	case r < ' ':
		return r == '\t' || r == '\n' || r == '\r'
	}
	return r != 0xFFFE && r != 0xFFFF
}

// CheckReceive says whether this could be received: ErrInvalid when not.
func CheckReceive(max int, wait, visibility time.Duration) error {
	switch {
	case max < 1 || max > MaxBatch:
		return fmt.Errorf("%w: a batch of %d jobs, 1 to %d are allowed", ErrInvalid, max, MaxBatch)
	case wait < 0 || wait > MaxWait:
		return fmt.Errorf("%w: a wait of %v, 0 to %v are allowed", ErrInvalid, wait, MaxWait)
	case visibility < time.Second || visibility > MaxVisibility:
		return fmt.Errorf("%w: a visibility of %v, 1s to %v are allowed", ErrInvalid, visibility, MaxVisibility)
	}
	return nil
}

// CheckExtend says whether a job could be extended like this: ErrInvalid when not.
func CheckExtend(visibility time.Duration) error {
	if visibility < 0 || visibility > MaxVisibility {
		return fmt.Errorf("%w: a visibility of %v, 0 to %v are allowed", ErrInvalid, visibility, MaxVisibility)
	}
	return nil
}

// Seconds is a time in whole seconds, rounded up, as queues count it.
func Seconds(d time.Duration) int32 { return int32((d + time.Second - 1) / time.Second) }

// CleanReason makes a text fit to be kept with a dead letter: at most MaxReason
// bytes that every queue can hold, never empty.
func CleanReason(reason string) string {
	var clean strings.Builder
	for i := 0; i < len(reason); {
		r, size := utf8.DecodeRuneInString(reason[i:])
		i += size
		if !allowed(r, size) {
			r = '?'
		}
		if clean.Len()+utf8.RuneLen(r) > MaxReason {
			break
		}
		clean.WriteRune(r)
	}
	if clean.Len() == 0 {
		return "unknown"
	}
	return clean.String()
}
