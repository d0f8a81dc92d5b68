package config

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// kind is how the text of one variable is understood.
type kind struct {
	// allowed says in words which texts set accepts.
	allowed string
	// set stores what the text means. It returns the part of the text that is
	// not allowed, as it may be shown, or "" when all is well. The text is never
	// empty.
	set func(text string) (rejected string)
	// list says that several parts may be rejected, which between separates.
	list bool
}

const (
	// between separates rejected entries of a list; none of them holds a comma.
	between = ","
	// shownEntries is how many of one list's rejected entries are told; the others are
	// counted.
	shownEntries = 10
)

type number interface{ ~int | ~int64 }

// whole takes a decimal number from low to high.
func whole[N number](dst *N, low, high int64) kind {
	return kind{allowed: fmt.Sprintf("a whole number from %d to %d", low, high), set: func(text string) string {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < low || n > high {
			return text
		}
		*dst = N(n)
		return ""
	}}
}

// units takes a whole number of a fixed unit of time, the way the reference
// server wrote its settings.
func units(dst *time.Duration, unit time.Duration, name string, low, high int64) kind {
	var n int64
	k := whole(&n, low, high)
	return kind{allowed: fmt.Sprintf("whole %s from %d to %d", name, low, high), set: func(text string) string {
		rejected := k.set(text)
		*dst = time.Duration(n) * unit
		return rejected
	}}
}

// duration takes a Go duration from low to high, and 0 too when zeroIsOff.
func duration(dst *time.Duration, low, high time.Duration, zeroIsOff bool) kind {
	allowed := fmt.Sprintf("a duration such as 90s, 5m or 1h30m, from %s to %s", brief(low), brief(high))
	if zeroIsOff {
		allowed += ", or 0 for off"
	}
	return kind{allowed: allowed, set: func(text string) string {
		d, err := time.ParseDuration(text)
		if err != nil || (d < low || d > high) && (d != 0 || !zeroIsOff) {
			return text
		}
		*dst = d
		return ""
	}}
}

// brief writes a duration without the zero minutes and seconds at its end.
func brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

var binaryUnits = []struct {
	suffix string
	bytes  int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// size takes bytes, or a number of KiB, MiB or GiB.
func size(dst *int64, low, high int64, zeroIsOff bool) kind {
	allowed := fmt.Sprintf("bytes, or a whole number of KiB, MiB or GiB, from %s to %s", bytesText(low), bytesText(high))
	if zeroIsOff {
		allowed += ", or 0 for off"
	}
	return kind{allowed: allowed, set: func(text string) string {
		digits, unit := text, int64(1)
		for _, u := range binaryUnits {
			if rest, ok := strings.CutSuffix(text, u.suffix); ok {
				digits, unit = strings.TrimSpace(rest), u.bytes
			}
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n < 0 || n > high/unit {
			return text
		}
		if n *= unit; n < low && (n != 0 || !zeroIsOff) {
			return text
		}
		*dst = n
		return ""
	}}
}

func bytesText(n int64) string {
	for _, u := range binaryUnits {
		if n >= u.bytes && n%u.bytes == 0 {
			return fmt.Sprintf("%d %s", n/u.bytes, u.suffix)
		}
	}
	return strconv.FormatInt(n, 10)
}

// mebibytes takes a plain number of MiB, the way Lambda gives a function's memory.
func mebibytes(dst *int64, low, high int64) kind {
	k := whole(dst, low, high)
	return kind{allowed: k.allowed + ", in MiB", set: func(text string) string {
		rejected := k.set(text)
		*dst <<= 20
		return rejected
	}}
}

// boolean takes true or false; invert stores the opposite, for a variable that
// turns something off.
func boolean(dst *bool, invert bool) kind {
	return kind{allowed: "true or false", set: func(text string) string {
		switch strings.ToLower(text) {
		case "true", "1":
			*dst = !invert
		case "false", "0":
			*dst = invert
		default:
			return text
		}
		return ""
	}}
}

// choice takes one of a few words, in any case.
func choice[T ~string](dst *T, words ...T) kind {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = string(w)
	}
	return kind{allowed: oneOf(texts), set: func(text string) string {
		for _, w := range words {
			if strings.EqualFold(text, string(w)) {
				*dst = w
				return ""
			}
		}
		return text
	}}
}

func oneOf(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// level takes the name of a log level.
func level(dst *slog.Level) kind {
	var name string
	k := choice(&name, "debug", "info", "warn", "error")
	return kind{allowed: k.allowed, set: func(text string) string {
		if rejected := k.set(text); rejected != "" {
			return rejected
		}
		if err := dst.UnmarshalText([]byte(name)); err != nil {
			return text
		}
		return ""
	}}
}

// pattern takes a text of low to high bytes that are all letters, digits or in
// also.
func pattern(dst *string, what, also string, low, high int) kind {
	length := strconv.Itoa(low)
	if high > low {
		length = fmt.Sprintf("%d to %d", low, high)
	}
	allowed := fmt.Sprintf("%s of %s letters, digits or %s", what, length, strings.Join(strings.Split(also, ""), " "))
	return kind{allowed: allowed, set: func(text string) string {
		if len(text) < low || len(text) > high {
			return text
		}
		for _, r := range text {
			if notAlphanumeric(r) && !strings.ContainsRune(also, r) {
				return text
			}
		}
		*dst = text
		return ""
	}}
}

// indexName takes of the texts that k takes only what OpenSearch allows at the
// beginning of an index's name: no capitals, and no sign first.
func indexName(k kind) kind {
	set := k.set
	k.set = func(text string) string {
		if strings.ToLower(text) != text || strings.IndexAny(text, "-_") == 0 {
			return text
		}
		return set(text)
	}
	return k
}

func notAlphanumeric(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
}

// secret takes a key of at least low bytes.
func secret(dst *Secret, low, high int) kind {
	return kind{allowed: fmt.Sprintf("a key of %d to %d bytes", low, high), set: func(text string) string {
		if len(text) < low || len(text) > high {
			return redacted
		}
		*dst = NewSecret(text)
		return ""
	}}
}

// path takes the name of a folder.
func path(dst *string) kind {
	return kind{allowed: "the path of a folder, at most 4096 bytes", set: func(text string) string {
		if len(text) > 4096 || strings.ContainsRune(text, 0) {
			return text
		}
		*dst = text
		return ""
	}}
}

// list takes up to limit entries of one kind, separated by commas. Blanks
// around an entry, empty entries and repetitions are dropped. The element's
// kind stores into *element. All entries are looked at, so that an operator with
// several wrong ones need not start the program once for each.
func list(dst *[]string, low, limit int, element *string, one kind) kind {
	allowed := fmt.Sprintf("%d to %d entries separated by commas, each %s", low, limit, one.allowed)
	if low == 0 {
		allowed = fmt.Sprintf("up to %d entries separated by commas, each %s", limit, one.allowed)
	}
	return kind{allowed: allowed, list: true, set: func(text string) string {
		var entries, rejected []string
		seen := make(map[string]bool)
		more := 0
		// A password may hold commas: behind an entry of which something is hidden, what
		// is wrong may be the rest of that.
		hidden := false
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part == "" {
				continue
			}
			if wrong := one.set(part); wrong != "" {
				if hidden {
					wrong = redacted
				}
				hidden = hidden || strings.Contains(wrong, redacted)
				if len(rejected) == shownEntries {
					more++
				} else {
					rejected = append(rejected, wrong)
				}
				continue
			}
			if seen[*element] {
				continue
			}
			if len(entries) == limit {
				rejected = append(rejected, fmt.Sprintf("more than %d entries", limit))
				break
			}
			seen[*element] = true
			entries = append(entries, *element)
		}
		if more > 0 {
			rejected = append(rejected, fmt.Sprintf("%d more entries like these", more))
		}
		if len(rejected) > 0 {
			return strings.Join(rejected, between)
		}
		if len(entries) < low {
			return fmt.Sprintf("%d entries", len(entries))
		}
		*dst = entries
		return ""
	}}
}

// ports takes up to limit port numbers.
func ports(dst *[]int, limit int) kind {
	var entry string
	var texts []string
	k := list(&texts, 1, limit, &entry, kind{allowed: "a port number from 1 to 65535", set: func(text string) string {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			return text
		}
		entry = strconv.FormatUint(n, 10) // 080 is 80
		return ""
	}})
	return kind{allowed: k.allowed, list: true, set: func(text string) string {
		if rejected := k.set(text); rejected != "" {
			return rejected
		}
		*dst = make([]int, len(texts))
		for i, t := range texts {
			(*dst)[i], _ = strconv.Atoi(t) // it was one above
		}
		return ""
	}}
}

// orWord accepts one word in place of everything that the kind accepts.
func orWord(word, meaning string, flag *bool, k kind) kind {
	return kind{allowed: k.allowed + "; or the single word " + word + " " + meaning, list: k.list, set: func(text string) string {
		if *flag = strings.EqualFold(text, word); *flag {
			return ""
		}
		return k.set(text)
	}}
}
