package api

import (
	"time"

	"oipnode/shared/openapi"
)

// daySeconds is the length of a day; unix time has no other.
const daySeconds = 24 * 60 * 60

// dayKind takes a day, or a moment of it in unix seconds, and stores its begin (UTC).
func dayKind(dst *moment) kind {
	return kind{allowed: "a day such as 2024-04-19, or unix seconds", schema: daySchema, set: func(s string) (any, bool) {
		if n, ok := digits(s); ok {
			*dst = moment{true, n - n%daySeconds}
			return n, true
		}
		t, err := time.Parse(time.DateOnly, s)
		*dst = moment{true, t.Unix()}
		return s, err == nil
	}}
}

func daySchema() openapi.Schema {
	day := openapi.Text(0)
	day.Format = "date"
	return openapi.Either(openapi.Whole(0, maxExact), day)
}

// tristate is a truth value that may be absent.
type tristate struct{ given, value bool }

// tristateKind takes true or false, in any case.
func tristateKind(dst *tristate) kind {
	k := truth(&dst.value)
	set := k.set
	k.standard = ""
	k.set = func(s string) (value any, ok bool) {
		value, dst.given = set(s)
		return value, dst.given
	}
	return k
}
