package config

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret holds a value that must not be printed. Whatever prints, logs or
// encodes it, or a struct around it, shows "[redacted]"; Reveal is the only way
// to the value. The pointer keeps that true where fmt cannot call Format, inside
// an unexported field: it then prints an address.
type Secret struct{ value *string }

// NewSecret wraps a value; the empty one gives the zero Secret.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{value: &value}
}

// IsSet reports whether there is a value.
func (s Secret) IsSet() bool { return s.value != nil }

// Reveal returns a copy of the value, nil when there is none.
func (s Secret) Reveal() []byte {
	if s.value == nil {
		return nil
	}
	return []byte(*s.value)
}

// Format hides the value from every verb of package fmt.
func (s Secret) Format(f fmt.State, _ rune) {
	// fmt.State keeps its own errors; there is nothing to do about them here.
	_, _ = io.WriteString(f, redacted)
}

// MarshalText hides the value from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue hides the value from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
