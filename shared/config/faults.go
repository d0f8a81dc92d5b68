package config

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// redacted stands wherever the value of a secret would have been shown.
const redacted = "[redacted]"

// shownValue is the most bytes of a rejected value that a message repeats.
const shownValue = 120

// Fault is one variable with a value that is not allowed, or one entry of a list.
type Fault struct {
	// Variable is the name under which the operator set it.
	Variable string
	// Value is what was rejected, shortened: for a list the one entry. The
	// value of a secret and the credentials in a URL are never in it.
	Value string
	// Allowed says in words what the variable takes.
	Allowed string
}

// String is the fault in one line.
func (f Fault) String() string {
	return fmt.Sprintf("%s is %q; allowed: %s", f.Variable, f.Value, f.Allowed)
}

// Error is what Load returns: every fault of the configuration at once, so that
// an operator corrects them in one go.
type Error struct {
	// Faults has at least one element.
	Faults []Fault
}

// Error lists the faults, one in a line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "configuration: %d wrong", len(e.Faults))
	for _, f := range e.Faults {
		b.WriteString("\n  ")
		b.WriteString(f.String())
	}
	return b.String()
}

// clip shortens a value for a message, at a character's end.
func clip(value string) string {
	if len(value) <= shownValue {
		return value
	}
	cut := shownValue
	for cut > 0 && !utf8.RuneStart(value[cut]) {
		cut--
	}
	return value[:cut] + "…"
}
