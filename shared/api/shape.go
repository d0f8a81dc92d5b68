package api

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"oipnode/shared/oip/canon"
	"oipnode/shared/records"
)

// shape is the part of a request that says how a record is shown (spec
// records-api section 2, "Shape of the answer").
//
// A stored document may hold what no decoder of Go keeps: integers above 2^53,
// lone surrogates. So nothing is decoded and encoded again. The objects on the
// way to a change are written anew, member by member in their order; every other
// value is copied as it stands. A document without any change is not touched.
type shape struct {
	hideDateReadable bool
	hideNulls        bool
	sigs             bool
	pubKeys          bool
}

func (s *shape) params() []param {
	s.sigs, s.pubKeys = true, true
	return []param{
		{"hideDateReadable", truth(&s.hideDateReadable), "whether data.basic.dateReadable is left out"},
		{"hideNullValues", truth(&s.hideNulls), "whether nulls in objects and lists are left out"},
		{"includeSigs", truth(&s.sigs), "whether oip.signature is shown"},
		{"includePubKeys", truth(&s.pubKeys), "whether oip.creator.publicKey is shown"},
	}
}

// member is a member to be added to a document, its value in JSON.
type member struct {
	name  string
	value []byte
}

// apply returns the document in this shape, with more members at its end. The
// result may be doc itself.
func (s *shape) apply(doc []byte, added []member) ([]byte, error) {
	if s.hideDateReadable && s.asStored() && len(added) == 0 {
		return doc, nil
	}
	// The two parts are read one by one: canon.MaxDepth is counted from there.
	dataText, envelopeText, err := records.Parts(doc)
	if err != nil {
		return nil, fmt.Errorf("stored document: %w", err)
	}
	data, err := canon.Parse(dataText)
	if err != nil {
		return nil, fmt.Errorf("stored data: %w", err)
	}
	date := ""
	if !s.hideDateReadable {
		date = dateReadable(data)
	}
	if date == "" && s.asStored() && len(added) == 0 {
		return doc, nil
	}
	out := append(make([]byte, 0, len(doc)+shapeRoom), `{"data":`...)
	if s.asStored() {
		out = append(append(s.dated(out, data, date), `,"oip":`...), envelopeText...)
	} else {
		envelope, err := canon.Parse(envelopeText)
		if err != nil {
			return nil, fmt.Errorf("stored envelope: %w", err)
		}
		out = s.envelope(append(s.data(out, data, date), `,"oip":`...), envelope)
	}
	for _, m := range added {
		out = canon.AppendString(append(out, ','), m.name)
		out = append(append(out, ':'), m.value...)
	}
	return append(out, '}'), nil
}

// shapeRoom is for what is added to a document, usually: a readable date and scores.
const shapeRoom = 128

// asStored reports whether a record is shown as it is stored, but for its date.
func (s *shape) asStored() bool { return !s.hideNulls && s.sigs && s.pubKeys }

// dated writes the data as it is stored, but for the readable date. It is what nearly
// every answer needs, so it copies the text around the one place instead of writing the
// objects anew.
func (s *shape) dated(dst []byte, data canon.Value, date string) []byte {
	if date == "" {
		return append(dst, data.Raw()...)
	}
	basic, at, _ := data.Find("basic") // it is there, with a date
	if _, taken := basic.Get("dateReadable"); taken {
		return s.data(dst, data, date)
	}
	end := at + len(basic.Raw()) - 1
	dst = append(append(dst, data.Raw()[:end]...), `,"dateReadable":"`...)
	return append(append(append(dst, date...), `"`...), data.Raw()[end:]...)
}

// data writes the data, with the readable date at the end of basic. A publisher
// may have sent a field of that name; ours takes its place.
func (s *shape) data(dst []byte, data canon.Value, date string) []byte {
	return s.object(dst, data, func(dst []byte, name string, value canon.Value) ([]byte, bool) {
		if name != "basic" || date == "" {
			return s.value(dst, value), true
		}
		dst = s.object(dst, value, func(dst []byte, name string, value canon.Value) ([]byte, bool) {
			if name == "dateReadable" {
				return dst, false
			}
			return s.value(dst, value), true
		})
		// basic has a date, so it is not empty.
		dst = append(dst[:len(dst)-1], `,"dateReadable":"`...)
		return append(append(dst, date...), `"}`...), true
	})
}

// envelope writes the envelope.
func (s *shape) envelope(dst []byte, envelope canon.Value) []byte {
	return s.object(dst, envelope, func(dst []byte, name string, value canon.Value) ([]byte, bool) {
		switch {
		case name == "signature" && !s.sigs:
			return dst, false
		case name == "creator" && !s.pubKeys:
			return s.object(dst, value, func(dst []byte, name string, value canon.Value) ([]byte, bool) {
				if name == "publicKey" {
					return dst, false
				}
				return s.value(dst, value), true
			}), true
		}
		return s.value(dst, value), true
	})
}

// object writes an object; visit writes a member's value, or reports false to
// leave the member out. What is no object is written as a value.
func (s *shape) object(dst []byte, v canon.Value, visit func(dst []byte, name string, value canon.Value) ([]byte, bool)) []byte {
	if v.Kind() != canon.Object {
		return s.value(dst, v)
	}
	dst = append(dst, '{')
	start := len(dst)
	for name, value := range v.Members() {
		if s.hideNulls && value.Kind() == canon.Null {
			continue
		}
		before := len(dst)
		if before > start {
			dst = append(dst, ',')
		}
		dst = append(canon.AppendString(dst, name), ':')
		var kept bool
		if dst, kept = visit(dst, name, value); !kept {
			dst = dst[:before]
		}
	}
	return append(dst, '}')
}

// value writes a value as it stands, or without its nulls. Empty objects and
// lists stay. The depth of the recursion is at most canon.MaxDepth.
func (s *shape) value(dst []byte, v canon.Value) []byte {
	if !s.hideNulls {
		return append(dst, v.Raw()...)
	}
	switch v.Kind() {
	case canon.Object:
		return s.object(dst, v, func(dst []byte, _ string, value canon.Value) ([]byte, bool) { return s.value(dst, value), true })
	case canon.Array:
		dst = append(dst, '[')
		start := len(dst)
		for element := range v.Elements() {
			if element.Kind() == canon.Null {
				continue
			}
			if len(dst) > start {
				dst = append(dst, ',')
			}
			dst = s.value(dst, element)
		}
		return append(dst, ']')
	}
	return append(dst, v.Raw()...)
}

// maxDate is the last millisecond, on both sides of 1970, of a JavaScript Date.
const maxDate = 8.64e15

// dateReadable is basic.date, in unix seconds, as JavaScript's toDateString
// writes it in UTC, such as "Fri Apr 19 2024". It is empty unless the date is a
// number other than 0 that a JavaScript Date can hold; as for dateStart and sortBy,
// a text that is a number is one.
func dateReadable(data canon.Value) string {
	basic, _ := data.Get("basic")
	date, _ := basic.Get("date")
	digits := string(date.Raw())
	switch date.Kind() {
	case canon.Number:
	case canon.String:
		var ok bool
		if digits, ok = records.NumberText(date.Raw()); !ok {
			return ""
		}
	default:
		return ""
	}
	seconds, err := strconv.ParseFloat(digits, 64)
	if err != nil || seconds == 0 || math.Abs(seconds*1000) > maxDate {
		return ""
	}
	t := time.UnixMilli(int64(seconds * 1000)).UTC()
	year, sign := t.Year(), ""
	if year < 0 {
		year, sign = -year, "-"
	}
	return fmt.Sprintf("%s %s%04d", t.Format("Mon Jan 02"), sign, year)
}
