package api

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/openapi"
)

// text takes any text.
func text(dst *string) kind {
	return kind{allowed: "a text", schema: textSchema, set: func(s string) (any, bool) {
		*dst = s
		return s, true
	}}
}

func textSchema() openapi.Schema { return openapi.Text(maxValue) }

// truth takes true or false, in any case.
func truth(dst *bool) kind {
	return kind{allowed: "true or false", standard: strconv.FormatBool(*dst), schema: openapi.Truth, set: func(s string) (any, bool) {
		switch strings.ToLower(s) {
		case "true":
			*dst = true
		case "false":
			*dst = false
		default:
			return nil, false
		}
		return *dst, true
	}}
}

// choice takes one of a few words, in any case; the first is the default.
func choice(dst *string, words ...string) kind {
	*dst = words[0]
	schema := func() openapi.Schema { return openapi.Words(words...) }
	return kind{allowed: "one of " + strings.Join(words, ", "), standard: words[0], schema: schema, set: func(s string) (any, bool) {
		i := slices.IndexFunc(words, func(w string) bool { return strings.EqualFold(w, s) })
		if i < 0 {
			return nil, false
		}
		*dst = words[i]
		return words[i], true
	}}
}

// did takes a DID. Clients percent-encode it once or twice.
func did(dst *string) kind {
	return kind{allowed: "a DID such as did:arweave:<id>", schema: didSchema, set: func(s string) (any, bool) {
		if strings.Contains(s, "%") {
			again, err := url.PathUnescape(s)
			if err != nil {
				return nil, false
			}
			s = again
		}
		if !oip.ValidDID(s) {
			return nil, false
		}
		*dst = s
		return s, true
	}}
}

func didSchema() openapi.Schema {
	s := openapi.Matching(oip.DIDPattern)
	s.MaxLength = oip.MaxDID
	return s
}

// maxExact is the largest number that a JSON reader in JavaScript, and every
// record store, holds exactly.
const maxExact = 1 << 53

// count takes a whole number in decimal digits.
func count(dst *int, standard, least, most int, more string) kind {
	*dst = standard
	allowed := fmt.Sprintf("a whole number from %d to %d%s", least, most, more)
	schema := func() openapi.Schema { return openapi.Whole(int64(least), int64(most)) }
	return kind{allowed: allowed, standard: strconv.Itoa(standard), schema: schema, set: func(s string) (any, bool) {
		n, ok := digits(s)
		if !ok || n < int64(least) || n > int64(most) {
			return nil, false
		}
		*dst = int(n)
		return *dst, true
	}}
}

// digits reads what consists of decimal digits only, up to maxExact.
func digits(s string) (int64, bool) {
	if strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n <= maxExact
}

// block is the filter inArweaveBlock.
type block struct {
	given   bool
	missing bool // asked for as "bad"
	height  int64
}

func blockKind(dst *block) kind {
	schema := func() openapi.Schema { return openapi.Either(openapi.Whole(0, maxExact), openapi.Only("bad")) }
	return kind{allowed: "a block height, or bad for records without one", schema: schema, set: func(s string) (any, bool) {
		if s == "bad" {
			*dst = block{given: true, missing: true}
			return s, true
		}
		height, ok := digits(s)
		*dst = block{given: ok, height: height}
		return height, ok
	}}
}

// maxListed is how many elements a comma list may have, unless it says otherwise.
const maxListed = 100

// commaList takes a comma list; space around the elements, empty ones and
// repeated ones go.
func commaList(dst *[]string) kind { return shortList(dst, maxListed) }

// shortList is a comma list of at most so many elements.
func shortList(dst *[]string, most int) kind {
	allowed := fmt.Sprintf("a comma list of at most %d elements", most)
	return kind{allowed: allowed, schema: func() openapi.Schema { return listSchema(most) }, set: func(s string) (any, bool) {
		var list []string
		for element := range strings.SplitSeq(s, ",") {
			if element = strings.TrimSpace(element); element != "" && !slices.Contains(list, element) {
				list = append(list, element)
			}
			if len(list) > most {
				return nil, false
			}
		}
		*dst = list
		return list, len(list) > 0
	}}
}

// listSchema is a list of at most so many elements that have no comma, nor space around them.
func listSchema(most int) openapi.Schema {
	s := openapi.ListOf(openapi.Matching(`^[^,\s]([^,]*[^,\s])?$`), most)
	s.MinItems = 1
	return s
}

// moment is a bound of a range of time, in unix seconds.
type moment struct {
	given   bool
	seconds int64
}

// momentForms are the ISO forms that are read; one without a zone is in UTC.
var momentForms = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"}

// momentSchema names the forms that JSON Schema has a name for; a time without a zone is
// left to the text.
func momentSchema() openapi.Schema {
	day, instant := openapi.Text(0), openapi.Text(0)
	day.Format, instant.Format = "date", "date-time"
	const days = `(0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-9])`
	local := openapi.Matching(`^\d{4}-(` + days + `)T([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?$`)
	return openapi.Either(openapi.Whole(-maxExact, maxExact), day, instant, local)
}

// momentKind takes unix seconds or an ISO date. Both ends of a range belong to
// it: as its end, a day without a time means the last second of that day.
func momentKind(dst *moment, end bool) kind {
	return kind{allowed: "unix seconds or an ISO date such as 2024-04-19", schema: momentSchema, set: func(s string) (any, bool) {
		negative := strings.HasPrefix(s, "-")
		if n, ok := digits(strings.TrimPrefix(s, "-")); ok {
			if negative {
				n = -n
			}
			*dst = moment{true, n}
			return n, true
		}
		for i, form := range momentForms {
			t, err := time.Parse(form, s)
			if err != nil {
				continue
			}
			if end && i == len(momentForms)-1 {
				t = t.AddDate(0, 0, 1).Add(-time.Second)
			}
			*dst = moment{true, t.Unix()}
			return s, true
		}
		return nil, false
	}}
}
