package records_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// document puts data and envelope of one document together.
func document(data, envelope string) []byte {
	return []byte(`{"data":` + data + `,"oip":` + envelope + `}`)
}

const someEnvelope = `{"did":"did:arweave:x","creator":{"publicKey":"creator-key"}}`

func project(t *testing.T, kind oip.Kind, data, envelope string) records.Projection {
	t.Helper()
	p, err := records.Project(kind, document(data, envelope))
	if err != nil {
		t.Fatalf("Project: %v", err)
	}
	return p
}

// values are all values of a projection as text, by field.
func values(p records.Projection) map[records.Field]string {
	all := make(map[records.Field]string)
	for _, v := range p.Texts {
		all[v.Field] = strings.Join(v.Values, "|")
	}
	for _, n := range p.Numbers {
		all[n.Field] = fmt.Sprint(n.Value)
	}
	return all
}

func TestProject(t *testing.T) {
	cases := []struct {
		name string
		kind oip.Kind
		data string
		oip  string
		want map[records.Field]string
	}{
		{"a whole record", oip.KindRecord,
			`{"basic":{"name":"My Article","description":"x","date":1713783811,"tagItems":["b","a","b",""]},"post":{"webUrl":"https://example.com"}}`,
			`{"did":"did:arweave:tx1","didTx":"did:arweave:tx1","recordType":"Post","recordStatus":"original","storage":"arweave","inArweaveBlock":1600000,
			 "indexedAt":"2026-01-01T00:00:00.250Z","ver":"0.8.0","signature":"s","templates":{"basic":"B","Post":"P"},"missingTemplates":["M"],
			 "creator":{"creatorHandle":"Player2","didAddress":"did:arweave:addr","didTx":"did:arweave:reg","publicKey":"key"}}`,
			map[records.Field]string{
				records.FieldDID: "did:arweave:tx1", records.FieldKind: "record", records.FieldRecordType: "post", records.FieldRecordTypeExact: "Post",
				records.FieldCreatorHandle: "Player2", records.FieldCreatorDID: "did:arweave:addr", records.FieldCreatorTx: "did:arweave:reg",
				records.FieldHeight: "1600000", records.FieldIndexedAt: "1767225600250", records.FieldDate: "1713783811",
				records.FieldName: "My Article", records.FieldNameFolded: "my article", records.FieldVer: "0.8.0", records.FieldStorage: "arweave",
				records.FieldTemplateID: "B|P|M", records.FieldTemplateName: "basic|post", records.FieldTag: "b|a",
				records.FieldAccess: "public", records.FieldOwner: "key", records.FieldDistinct: "nMy Article",
				records.FieldNameWord: "my|article", records.FieldDescriptionWord: "x", records.FieldTagWord: "b|a",
				records.FieldPath: "basic|basic.name|basic.description|basic.date|basic.tagItems|post|post.webUrl"}},
		{"a pending delete message", oip.KindRecord, `{"delete":{"didTx":"did:arweave:y"}}`,
			`{"did":"did:arweave:x","recordType":"delete","inArweaveBlock":null,"deleteMessage":true,"hidden":false}`,
			map[records.Field]string{records.FieldDID: "did:arweave:x", records.FieldKind: "record", records.FieldRecordType: "delete",
				records.FieldRecordTypeExact: "delete", records.FieldStorage: "arweave", records.FieldDeleteMessage: "true", records.FieldAccess: "public",
				records.FieldDistinct: "ddid:arweave:x", records.FieldPath: "delete|delete.didTx", records.FieldRef: "did:arweave:y\x00delete.didTx"}},
		{"a template", oip.KindTemplate, `{"TxId":"x","template":"Basic","fields":"{}"}`, `{"did":"did:arweave:x","hidden":true}`,
			map[records.Field]string{records.FieldDID: "did:arweave:x", records.FieldKind: "template", records.FieldStorage: "arweave",
				records.FieldName: "Basic", records.FieldNameFolded: "basic", records.FieldHidden: "true", records.FieldAccess: "public",
				records.FieldDistinct: "ddid:arweave:x", records.FieldNameWord: "basic", records.FieldPath: "TxId|template|fields"}},
		{"a registration", oip.KindCreator, `{"creatorHandle":"Ann07","handle":"Ann","name":"Ann B","basic":{"name":"no"}}`, `{"did":"did:arweave:x"}`,
			map[records.Field]string{records.FieldDID: "did:arweave:x", records.FieldKind: "creator", records.FieldStorage: "arweave",
				records.FieldName: "Ann07|Ann", records.FieldNameFolded: "ann07|ann", records.FieldAccess: "public",
				records.FieldDistinct: "nno", records.FieldNameWord: "ann07|ann", records.FieldPath: "creatorHandle|handle|name|basic|basic.name"}},
		{"an organization", oip.KindOrganization, `{"orgHandle":"guild7","handle":"guild7"}`, `{"did":"did:arweave:x"}`,
			map[records.Field]string{records.FieldDID: "did:arweave:x", records.FieldKind: "organization", records.FieldStorage: "arweave",
				records.FieldName: "guild7", records.FieldNameFolded: "guild7", records.FieldAccess: "public",
				records.FieldDistinct: "ddid:arweave:x", records.FieldNameWord: "guild7", records.FieldPath: "orgHandle|handle"}},
		{"a GUN record without a map of templates", oip.KindRecord, `{"basic":{"name":"n"},"Workout":{}}`,
			`{"did":"did:gun:0123456789ab:local:id","storage":"elsewhere"}`,
			map[records.Field]string{records.FieldDID: "did:gun:0123456789ab:local:id", records.FieldKind: "record", records.FieldStorage: "gun",
				records.FieldName: "n", records.FieldNameFolded: "n", records.FieldTemplateName: "basic|workout",
				records.FieldAccess: "public", records.FieldOwner: "soul:0123456789ab",
				records.FieldDistinct: "nn", records.FieldNameWord: "n", records.FieldPath: "basic|basic.name"}},
		{"values of other shapes", oip.KindRecord, `{"basic":{"name":7,"date":"soon","tagItems":{"a":"b"}},"Basic":{"name":"no"}}`,
			`{"did":"did:arweave:x","recordType":["post"],"ver":0.8,"inArweaveBlock":true,"indexedAt":1700000000,"templates":{"basic":3},
			 "missingTemplates":"M","deleteMessage":"true","hidden":1,"creator":{"creatorHandle":null,"publicKey":{}},"Creator":{"creatorHandle":"no"}}`,
			map[records.Field]string{records.FieldDID: "did:arweave:x", records.FieldKind: "record", records.FieldStorage: "arweave",
				records.FieldTemplateName: "basic", records.FieldTemplateID: "M", records.FieldAccess: "public",
				records.FieldDistinct: "ddid:arweave:x", records.FieldPath: "basic|basic.name|basic.date|basic.tagItems|Basic|Basic.name"}},
		{"one tag that is no list", oip.KindRecord, `{"basic":{"tagItems":"single"}}`, `{"did":"did:arweave:x","templates":{}}`,
			map[records.Field]string{records.FieldDID: "did:arweave:x", records.FieldKind: "record", records.FieldStorage: "arweave",
				records.FieldTag: "single", records.FieldAccess: "public", records.FieldDistinct: "ddid:arweave:x", records.FieldTagWord: "single", records.FieldPath: "basic|basic.tagItems"}},
		{"escapes, white space and odd elements", oip.KindRecord,
			" { \"ba\\u0073ic\" :\n{ \"name\" : \"a\\\"b\\\\\\u00e9\\ud83d\\ude00\\ud800\" , \"tagItems\" : [ 1 , \"]\" , [\"no\"] , null , \"}\" ] } } ", `{"did":"did:arweave:x","templates":null}`,
			map[records.Field]string{records.FieldDID: "did:arweave:x", records.FieldKind: "record", records.FieldStorage: "arweave",
				records.FieldName: "a\"b\\é😀\uFFFD", records.FieldNameFolded: "a\"b\\é😀\uFFFD", records.FieldTag: "]|}", records.FieldAccess: "public",
				records.FieldDistinct: "na\"b\\é😀\uFFFD", records.FieldNameWord: "a|b|é", records.FieldPath: "basic|basic.name|basic.tagItems"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := values(project(t, c.kind, c.data, c.oip))
			delete(got, records.FieldLeaf) // hashes: TestLeaves
			if !maps.Equal(got, c.want) {
				t.Errorf("got  %v\nwant %v", got, c.want)
			}
		})
	}
}

func TestProjectNumbers(t *testing.T) {
	for raw, want := range map[string]string{
		`0`: "0", `-0`: "0", `12`: "12", `"12"`: "12", `"-12"`: "-12", `1e3`: "1000", `1.9`: "1", `-1.1`: "-2", `"1.5e1"`: "15",
		`9007199254740992`: "9007199254740992", `-9007199254740992`: "-9007199254740992",
		`9007199254740993`: "", `-9007199254740993`: "", `9223372036854775807`: "", `1e400`: "", `1e18`: "",
		`""`: "", `" 1"`: "", `"1x"`: "", `"0x10"`: "", `"1_000"`: "", `"NaN"`: "", `"Infinity"`: "", `"e"`: "", `"+5"`: "5",
		`true`: "", `null`: "", `[1]`: "", `{"a":1}`: "", `"` + strings.Repeat("1", 100) + `"`: "",
	} {
		p := project(t, oip.KindRecord, `{"basic":{"date":`+raw+`}}`, someEnvelope)
		if got := values(p)[records.FieldDate]; got != want {
			t.Errorf("date %s is %q, want %q", raw, got, want)
		}
		if n, ok := p.Number(records.FieldDate); ok != p.Has(records.FieldDate) || ok && fmt.Sprint(n) != want {
			t.Errorf("date %s: Number = %d, %t", raw, n, ok)
		}
	}
}

func TestProjectBounds(t *testing.T) {
	var tags, readers []string
	for i := range records.MaxValues + 50 {
		tags = append(tags, fmt.Sprintf("tag%d", i))
		readers = append(readers, fmt.Sprintf("reader%d", i))
	}
	list, err := json.Marshal(map[string]any{
		"basic":         map[string]any{"name": strings.Repeat("n", 5000), "tagItems": tags},
		"accessControl": map[string]any{"access_level": "shared", "shared_with": readers, "owner_public_key": strings.Repeat("k", 1366)},
	})
	if err != nil {
		t.Fatal(err)
	}
	p := project(t, oip.KindRecord, string(list), someEnvelope)
	for f, want := range map[records.Field][]string{
		records.FieldTag:        tags[:records.MaxValues],
		records.FieldSharedWith: readers[:records.MaxValues],
		records.FieldName:       {records.Key(strings.Repeat("n", 5000))},
		records.FieldOwner:      {records.Key(strings.Repeat("k", 1366)), "creator-key"},
	} {
		if got := p.Text(f); !slices.Equal(got, want) {
			t.Errorf("%s has %d values, want %d", f, len(got), len(want))
		}
	}
}

// TestProjectSchedule takes the day of a workoutSchedule before that of a mealPlan.
func TestProjectSchedule(t *testing.T) {
	for data, want := range map[string]string{
		`{"workoutSchedule":{"scheduled_date":1700000000}}`:                                "1700000000",
		`{"mealPlan":{"meal_date":"1700000001"}}`:                                          "1700000001",
		`{"mealPlan":{"meal_date":2},"workoutSchedule":{"scheduled_date":1}}`:              "1",
		`{"mealPlan":{"meal_date":2},"workoutSchedule":{"day":1}}`:                         "2",
		`{"workoutSchedule":{"meal_date":1},"mealPlan":{"scheduled_date":2}}`:              "",
		`{"workoutSchedule":[{"scheduled_date":1}],"mealPlan":"x"}`:                        "",
		`{"workoutSchedule":{"scheduled_date":"Monday"},"basic":{"date":5,"meal_date":6}}`: "",
	} {
		if got := values(project(t, oip.KindRecord, data, someEnvelope))[records.FieldSchedule]; got != want {
			t.Errorf("%s is on %q, want %q", data, got, want)
		}
	}
}

// TestProjectLargeText projects one very long text: it is decoded and folded, and not
// copied for each thing that is made out of it.
func TestProjectLargeText(t *testing.T) {
	const size = 8 << 20
	doc := document(`{"post":{"text":"`+strings.Repeat("Very long. ", size/11)+`"}}`, someEnvelope)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	p, err := records.Project(oip.KindRecord, doc)
	runtime.ReadMemStats(&after)
	if err != nil || len(p.Lines) != records.MaxLines || p.Text(records.FieldCut)[0] != "leaves" {
		t.Fatalf("%d lines, %q, %v", len(p.Lines), p.Text(records.FieldCut), err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 3*size {
		t.Errorf("%d bytes were allocated for a text of %d", n, size)
	}
	if !records.Holds(records.Equal("post.text", strings.Repeat("Very long. ", size/11)), p) {
		t.Error("the text is not found")
	}
}

func TestProjectRefuses(t *testing.T) {
	for _, doc := range []string{
		``, `null`, `[]`, `"text"`, `{}`, `{"data":{}}`, `{"data":{},"oip":null}`, `{"data":{},"oip":[]}`, `{"data":{`,
		`{"data":{},"oip":{"did":"did:arweave:x"}`, `{"data":{"a"},"oip":{}}`, `{"data":{"a":},"oip":{}}`, `{"data":{"a":1 "b":2},"oip":{}}`,
		`{"data":{"basic":{"name" "x"}},"oip":{}}`, `{"data":{},"oip":{"creator":{"a":}}}`, `{data:{},"oip":{}}`, `{"data":"unclosed,"oip":{}}`,
	} {
		if p, err := records.Project(oip.KindRecord, []byte(doc)); err == nil {
			t.Errorf("Project(%s) = %+v, want an error", doc, p)
		}
	}
}

func TestKey(t *testing.T) {
	seen := map[string]string{}
	for _, n := range []int{0, 1, records.MaxKeyBytes - 1, records.MaxKeyBytes, records.MaxKeyBytes + 1, 1030, 1035, 1036, 5000} {
		for _, v := range []string{strings.Repeat("a", n), strings.Repeat("é", n/2), strings.Repeat("\U0001f600", n/4), strings.Repeat("a", max(n-1, 0)) + "b"} {
			k := records.Key(v)
			if (len(v) <= records.MaxKeyBytes) != (k == v) || len(k) > records.MaxKeyBytes+16 || !utf8.ValidString(k) {
				t.Errorf("Key of %d bytes is %q", len(v), k)
			}
			if other, ok := seen[k]; ok && other != v {
				t.Errorf("values of %d and %d bytes have one key", len(v), len(other))
			}
			seen[k] = v
			// A key of a long value is longer than what is kept verbatim, so it
			// is never the key of another value.
			if k != v && records.Key(k) == k {
				t.Errorf("the key of %d bytes is the key of a value of its own", len(v))
			}
		}
	}
}

func TestFields(t *testing.T) {
	if records.Field("nonsense").Known() || records.Field("").Listable() {
		t.Error("an unknown field is known")
	}
	if !records.FieldOwner.Known() || records.FieldOwner.Listable() || !records.FieldTag.Listable() {
		t.Error("owner is for conditions only, tag can be listed")
	}
}

// BenchmarkProject projects a record of about 2 KB.
func BenchmarkProject(b *testing.B) {
	doc := document(`{"basic":{"name":"Article","description":"`+strings.Repeat("words ", 40)+`","date":1700000000,"language":"en","tagItems":["a","b","c"]},`+
		`"post":{"webUrl":"https://example.com/1"}}`,
		`{"did":"did:arweave:-9DirnjVO1FlbEW1lN8jITBESrTsQKEM_BoZ1ey_0mk","didTx":"did:arweave:-9DirnjVO1FlbEW1lN8jITBESrTsQKEM_BoZ1ey_0mk",
		"recordType":"post","recordStatus":"original","storage":"arweave","inArweaveBlock":1579570,"indexedAt":"2026-01-01T00:00:00.000Z","ver":"0.8.0",
		"signature":"`+strings.Repeat("s", 684)+`","templates":{"basic":"-9DirnjVO1FlbEW1lN8jITBESrTsQKEM_BoZ1ey_0mk","post":"op6y-d_6bqivJ2a2oWQnbylD4X_LH6eQyR6rCGqtVZ8"},
		"creator":{"creatorHandle":"w","didAddress":"did:arweave:w","didTx":"did:arweave:r","publicKey":"`+strings.Repeat("k", 683)+`"}}`)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := records.Project(oip.KindRecord, doc); err != nil {
			b.Fatal(err)
		}
	}
}
