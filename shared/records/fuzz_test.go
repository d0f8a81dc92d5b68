package records_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// members decodes an object with encoding/json: the slow way that Project must agree with.
func members(raw []byte) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil {
		return nil
	}
	return m
}

// textOf is a JSON string's value, or empty.
func textOf(raw json.RawMessage) string {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// FuzzProject throws bytes at Project in the place of a whole document and of
// each part that strangers write.
func FuzzProject(f *testing.F) {
	for _, seed := range []string{
		`{"data":{},"oip":{}}`, `{"access_level":"private"}`, `{"access_level":"Public Access","private":true}`, `{"name":"x","date":1,"tagItems":["a"]}`,
		`{"a":"\ud800","b":[{"c":"}"}]}`, `{"encrypted":"","iv":"","tag":""}`, `[1,"a",{"b":null}]`, `"private"`, `null`, `{"is_private":"0"}`, `1e999`,
		`{"access_level":"private","access_level":"public"}`, "{\"access_level\"\t:\n\"shared\" , \"shared_with\" : \"x\" }", `{"":{"":[]}}`, `{"\u0061ccess_level":""}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if p, err := records.Project(oip.KindRecord, raw); err == nil {
			checkProjection(t, p)
		}
		if !json.Valid(raw) {
			return
		}
		raw = bytes.TrimSpace(raw)
		for _, doc := range []string{
			`{"oip":{"did":"did:arweave:x"},"data":` + string(raw) + `}`,
			`{"data":{"basic":{},"accessControl":` + string(raw) + `},"oip":{"did":"did:arweave:x"}}`,
			`{"data":{"conversationSession":` + string(raw) + `},"oip":{"did":"did:arweave:x"}}`,
			`{"data":{"basic":` + string(raw) + `},"oip":{"did":"did:arweave:x"}}`,
		} {
			p, err := records.Project(oip.KindRecord, []byte(doc))
			if err != nil {
				t.Fatalf("%s: %v", doc, err)
			}
			checkProjection(t, p)
			checkAgainstJSON(t, doc, p)
		}
	})
}

// mostValues is how many values a field may have.
func mostValues(f records.Field) int {
	switch f {
	case records.FieldLeaf, records.FieldPath:
		return 2 * records.MaxLeaves
	case records.FieldRef:
		return records.MaxLeaves
	case records.FieldNameWord, records.FieldDescriptionWord, records.FieldTagWord:
		return 8192
	}
	return records.MaxValues
}

// checkProjection holds for every projection.
func checkProjection(t *testing.T, p records.Projection) {
	t.Helper()
	seen := map[records.Field]bool{}
	for _, v := range p.Texts {
		if seen[v.Field] || !v.Field.Known() || v.Field.Numeric() || len(v.Values) == 0 || len(v.Values) > mostValues(v.Field) {
			t.Fatalf("field %q has %d values (seen %t)", v.Field, len(v.Values), seen[v.Field])
		}
		seen[v.Field] = true
		once := map[string]bool{}
		for _, s := range v.Values {
			if s == "" || len(s) > records.MaxKeyBytes+16 || !utf8.ValidString(s) || once[s] {
				t.Fatalf("field %q has the value %q", v.Field, s)
			}
			once[s] = true
		}
	}
	for _, n := range p.Numbers {
		if seen[n.Field] || !n.Field.Numeric() || n.Value < -1<<53 || n.Value > 1<<53 {
			t.Fatalf("field %q has %d", n.Field, n.Value)
		}
		seen[n.Field] = true
	}
	if len(p.Lines) > records.MaxLines {
		t.Fatalf("%d lines", len(p.Lines))
	}
	for _, line := range p.Lines {
		if len(line) > records.MaxPath+1+1024 || !utf8.ValidString(line) {
			t.Fatalf("the line %q", line)
		}
	}
	if n := len(p.Text(records.FieldDistinct)); n != 1 {
		t.Fatalf("%d marks of what is distinct", n)
	}
	if access := p.Text(records.FieldAccess); len(access) != 1 || !slices.Contains([]string{records.AccessPublic, records.AccessPrivate,
		records.AccessShared, records.AccessOrganization, records.AccessEncrypted}, access[0]) {
		t.Fatalf("access is %q", access)
	}
}

// checkAgainstJSON reads name and access of a document the slow way.
func checkAgainstJSON(t *testing.T, doc string, p records.Projection) {
	t.Helper()
	rawData := members([]byte(doc))["data"]
	data := members(rawData)
	name := textOf(members(data["basic"])["name"])
	if got := p.Text(records.FieldName); name == "" && got != nil || name != "" && !reflect.DeepEqual(got, []string{records.Key(name)}) {
		t.Fatalf("%s: the name is %q, want %q", doc, got, name)
	}
	public := true
	no := []string{"false", "null", "0", `""`, `"false"`, `"0"`}
	for part, flag := range map[string]string{"accessControl": "private", "conversationSession": "is_private"} {
		raw, ok := data[part]
		if !ok || string(raw) == "null" {
			continue
		}
		m := members(raw)
		if m == nil {
			public = false
		}
		// With the same flag twice any yes counts, so only the last can be judged here.
		if v, ok := m[flag]; ok && !slices.Contains(no, string(v)) {
			public = false
		}
		if v, ok := m["access_level"]; ok && part == "accessControl" &&
			!slices.Contains([]string{"public", "public access"}, strings.ToLower(textOf(v))) {
			public = false
		}
	}
	if data == nil && string(rawData) != "null" {
		public = false
	}
	if got := p.Text(records.FieldAccess)[0]; got == records.AccessPublic && !public {
		t.Fatalf("%s is public", doc)
	}
}

// FuzzCursor decodes any text as a cursor: a refusal is ErrCursor, and what is
// accepted means the same after it was encoded again.
func FuzzCursor(f *testing.F) {
	q := records.Query{Where: records.Is(records.FieldTag, "a"), Limit: 1,
		Sort: []records.Sort{{Field: records.FieldHeight, Desc: true}, {Field: records.FieldName}}}
	f.Add(string(records.EncodeCursor(q, []records.SortKey{{Number: 5}, {Text: "n"}, {Text: "did:arweave:x"}})))
	f.Add(string(records.EncodeCursor(q, []records.SortKey{{Missing: true}, {Missing: true}, {Text: "did:arweave:x"}})))
	f.Add("eyJxIjoiIiwiayI6W119")
	f.Add("")
	f.Add("bnVsbA")
	f.Fuzz(func(t *testing.T, s string) {
		q.After = records.Cursor(s)
		keys, err := records.DecodeCursor(q)
		if err != nil {
			if !errors.Is(err, records.ErrCursor) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		q.After = records.EncodeCursor(q, keys)
		again, err := records.DecodeCursor(q)
		if err != nil || !reflect.DeepEqual(keys, again) {
			t.Fatalf("%q: %v became %v, %v", s, keys, again, err)
		}
	})
}
