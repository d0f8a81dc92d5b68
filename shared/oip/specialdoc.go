package oip

import (
	"encoding/json"

	"oipnode/shared/oip/canon"
)

// orderedObject writes a JSON object whose members stay in order.
type orderedObject struct{ out []byte }

// put adds a member; empty JSON leaves it out.
func (o *orderedObject) put(name string, text []byte) {
	if len(text) == 0 {
		return
	}
	if len(o.out) == 0 {
		o.out = append(o.out, '{')
	} else {
		o.out = append(o.out, ',')
	}
	o.out = canon.AppendString(o.out, name)
	o.out = append(o.out, ':')
	o.out = append(o.out, text...)
}

func (o *orderedObject) text(name, value string) { o.put(name, canon.AppendString(nil, value)) }

func (o *orderedObject) close() json.RawMessage {
	if len(o.out) == 0 {
		return json.RawMessage("{}")
	}
	return append(o.out, '}')
}

// registrationData is the data of a registration's document (spec section 6).
// Handle, address, key and surname are read by position; the rest comes from the
// templates as far as they are known, and name and description of a basic object
// also by position, so that the first registrations have them.
func registrationData(v Verified, s Setting, e *expansion) (json.RawMessage, error) {
	var o orderedObject
	o.text("creatorHandle", s.OwnHandle)
	o.text("handle", v.registration.Handle)
	o.text("address", v.registration.Address)
	o.text("publicKey", v.registration.Modulus)
	taken := map[string]bool{"creatorHandle": true, "handle": true, "address": true, "publicKey": true,
		"surname": true, "name": true, "raw": true}
	basic := e.named("basic")
	if name := firstOf(basic.get("name"), basicByPosition(v.value, "0")); name != nil {
		o.put("name", name)
	} else {
		o.text("name", v.registration.Handle)
	}
	if v.registration.Surname != "" {
		o.text("surname", v.registration.Surname)
	}
	if d := firstOf(basic.get("description"), basicByPosition(v.value, "1")); d != nil {
		taken["description"] = true
		o.put("description", d)
	}
	for i := range e.parts {
		for _, f := range e.parts[i].fields {
			if !taken[f.name] {
				taken[f.name] = true
				o.put(f.name, f.json)
			}
		}
	}
	o.put("raw", appendExact(nil, v.value))
	return o.close(), nil
}

// basicByPosition reads a text of a registration's second object, which is a
// basic object, without its template.
func basicByPosition(data canon.Value, position string) []byte {
	i := 0
	for object := range data.Elements() {
		if i++; i != 2 {
			continue
		}
		for key, m := range object.Members() {
			if key == position && m.Kind() == canon.String {
				return appendExact(nil, m)
			}
		}
	}
	return nil
}

// organizationFields are the names under which an organization's document has
// the fields of the basic and organization objects, by position (spec section 6)
// and by the names that the published templates give them.
var organizationFields = []struct {
	object   int // 0 basic, 1 organization
	position string
	template string
	name     string
}{
	{1, "0", "org_handle", "handle"},
	{0, "0", "name", "name"},
	{0, "1", "description", "description"},
	{0, "2", "date", "date"},
	{0, "3", "language", "language"},
	{0, "6", "nsfw", "nsfw"},
	{0, "12", "webUrl", "webUrl"},
	{1, "1", "org_public_key", "orgPublicKey"},
	{1, "2", "admin_public_keys", "adminPublicKeys"},
	{1, "3", "membership_policy", "membershipPolicy"},
	{1, "4", "metadata", "metadata"},
}

// organizationData is the data of an organization's document. Each field is
// taken from the expanded templates, or by its position while they are unknown.
func organizationData(v Verified, s Setting, e *expansion) (json.RawMessage, error) {
	var objects []canon.Value
	for object := range v.value.Elements() {
		objects = append(objects, object)
	}
	var o orderedObject
	o.text("orgHandle", s.OwnHandle)
	for _, f := range organizationFields {
		part := e.named([]string{"basic", "organization"}[f.object])
		value := part.get(f.template)
		if part == nil {
			for key, m := range objects[f.object].Members() {
				if key == f.position {
					value = appendExact(nil, m)
				}
			}
		}
		o.put(f.name, value)
	}
	return o.close(), nil
}

// firstOf returns the first JSON that is there and not null.
func firstOf(texts ...[]byte) []byte {
	for _, t := range texts {
		if len(t) > 0 && string(t) != "null" {
			return t
		}
	}
	return nil
}
