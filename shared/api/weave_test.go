package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"oipnode/shared/oip"
)

// weaver is the key of the publisher of GUN records. Their DIDs are chosen and not
// computed, so they can name each other in a circle.
const weaver = "the weaver's key"

// gunDID is the DID of the weaver's record with an id.
func gunDID(id string) string { return oip.GunDID(oip.SoulPrefix(weaver) + ":" + id) }

// gunRecord is a GUN record with this data, a JSON object.
func gunRecord(t testing.TB, id, recordType, data string) *oip.Document {
	t.Helper()
	envelope, err := json.Marshal(object{"ver": "0.8.0", "recordType": recordType, "signature": "c2ln",
		"creator": object{"publicKey": weaver, "didAddress": "did:arweave:" + strings.Repeat("w", 43)}})
	if err != nil {
		t.Fatal(err)
	}
	out := oip.VerifyGun(oip.GunRecord{Soul: oip.SoulPrefix(weaver) + ":" + id, Node: fmt.Appendf(nil, `{"data":%s,"oip":%s}`, data, envelope)})
	accepted, ok := out.(oip.Accepted)
	if !ok {
		t.Fatalf("%s: %+v", id, out)
	}
	doc, err := oip.Expand(accepted.Verified, oip.Setting{IndexedAt: noon})
	if err != nil {
		t.Fatal(err)
	}
	return &doc
}

// weave stores records called like their ids that name others: each text is an id, a
// colon, and the ids that it names, in order.
func (w *world) weave(lines ...string) {
	w.Helper()
	var docs []*oip.Document
	for _, line := range lines {
		id, to, _ := strings.Cut(line, ":")
		var dids []string
		for _, other := range strings.Fields(to) {
			dids = append(dids, gunDID(other))
		}
		list, err := json.Marshal(dids)
		if err != nil {
			w.Fatal(err)
		}
		docs = append(docs, gunRecord(w, id, "post", fmt.Sprintf(`{"basic":{"name":%q},"links":{"to":%s}}`, id, list)))
	}
	w.put(docs...)
}

// picture shows a record as its name, and behind it in brackets what stands in its other
// data: records, names of records, and DIDs as # with their ids. A ! stands for a circle.
func picture(v any) string {
	switch v := v.(type) {
	case string:
		if id, ok := strings.CutPrefix(v, gunDID("")); ok {
			return "#" + id
		}
		return v
	case []any:
		var parts []string
		for _, element := range v {
			parts = append(parts, picture(element))
		}
		return strings.Join(parts, " ")
	case object:
		if v["oip"] == nil {
			return members(v)
		}
		name := fmt.Sprint(at(v, "data", "basic", "name"))
		if v["_circular"] == true {
			return name + "!"
		}
		if inner := members(v["data"].(object)); inner != "" {
			return name + "(" + inner + ")"
		}
		return name
	case nil:
		return ""
	}
	return fmt.Sprint(v)
}

// members are the pictures of an object's members but basic, by their names.
func members(o object) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if text := picture(o[name]); name != "basic" && text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, " ")
}

// pictures are those of the records of an answer, in order.
func pictures(t testing.TB, answer object) string {
	t.Helper()
	var all []string
	for _, r := range list(t, answer, "records") {
		all = append(all, picture(r))
	}
	return strings.Join(all, ", ")
}

// rawRecords is the text between the brackets of an answer's records.
func rawRecords(t testing.TB, res response) string {
	t.Helper()
	_, text, found := strings.Cut(res.Body.String(), `"records":[`)
	if res.Code != 200 || !found {
		t.Fatalf("%d %.300s", res.Code, res.Body)
	}
	return strings.TrimSuffix(text, "]}")
}
