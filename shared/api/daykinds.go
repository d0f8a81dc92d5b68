package api

import (
	"strconv"
	"strings"
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
	return kind{allowed: "true or false", schema: openapi.Truth, set: func(s string) (any, bool) {
		value, err := strconv.ParseBool(strings.ToLower(s))
		if err != nil || len(s) < 4 { // ParseBool also takes 1, t and the like
			return nil, false
		}
		*dst = tristate{true, value}
		return value, true
	}}
}
