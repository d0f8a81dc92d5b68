package api

import (
	"fmt"
	"strings"
	"testing"

	"oipnode/shared/oip/canon"
)

// strange is a document with everything that a decoder of Go would change.
const strange = `{"data":{"b":9007199254740993,"10":1e400,"basic":{"name":"<&>\u2028","date":1713484800,"s":"\ud800","n":null,"l":[null,1.0,{"x":null}],"o":{}},"e":[]},` +
	`"oip":{"did":"did:arweave:x","signature":"sig","inArweaveBlock":null,"creator":{"creatorHandle":"h","publicKey":"key","signature":"mine"}}}`

func TestShape(t *testing.T) {
	for name, c := range map[string]struct {
		shape shape
		added []member
		want  string
	}{
		"nothing": {shape{hideDateReadable: true, sigs: true, pubKeys: true}, nil, strange},
		"date": {shape{sigs: true, pubKeys: true}, nil,
			`{"data":{"b":9007199254740993,"10":1e400,"basic":{"name":"<&>\u2028","date":1713484800,"s":"\ud800","n":null,"l":[null,1.0,{"x":null}],"o":{},"dateReadable":"Fri Apr 19 2024"},"e":[]},` +
				`"oip":{"did":"did:arweave:x","signature":"sig","inArweaveBlock":null,"creator":{"creatorHandle":"h","publicKey":"key","signature":"mine"}}}`},
		"no nulls": {shape{hideDateReadable: true, hideNulls: true, sigs: true, pubKeys: true}, nil,
			`{"data":{"10":1e400,"b":9007199254740993,"basic":{"name":"<&>\u2028","date":1713484800,"s":"\ud800","l":[1.0,{}],"o":{}},"e":[]},` +
				`"oip":{"did":"did:arweave:x","signature":"sig","creator":{"creatorHandle":"h","publicKey":"key","signature":"mine"}}}`},
		"no signature": {shape{hideDateReadable: true, pubKeys: true}, nil,
			strings.Replace(strings.Replace(strange, `"signature":"sig",`, "", 1), `"b":9007199254740993,"10":1e400`, `"10":1e400,"b":9007199254740993`, 1)},
		"no key": {shape{hideDateReadable: true, sigs: true}, nil,
			strings.Replace(strings.Replace(strange, `"publicKey":"key",`, "", 1), `"b":9007199254740993,"10":1e400`, `"10":1e400,"b":9007199254740993`, 1)},
		"added": {shape{hideDateReadable: true, sigs: true, pubKeys: true}, []member{{"score", []byte(`"1.000"`)}, {"n", []byte("3")}},
			strings.TrimSuffix(strange, "}") + `,"score":"1.000","n":3}`},
	} {
		got, err := c.shape.apply([]byte(strange), c.added)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v\n got %s\nwant %s", name, err, got, c.want)
		}
		if err := canon.Valid(got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestShapeOddDocuments: parts of another shape than usual stay as they are.
func TestShapeOddDocuments(t *testing.T) {
	all := shape{hideNulls: true}
	for doc, want := range map[string]string{
		`{"data":"text","oip":{}}`:                                         `{"data":"text","oip":{}}`,
		`{"data":[null,{"basic":null}],"oip":{}}`:                          `{"data":[{}],"oip":{}}`,
		`{"data":{"basic":[1]},"oip":{"creator":"me"}}`:                    `{"data":{"basic":[1]},"oip":{"creator":"me"}}`,
		`{"data":{"basic":{"date":"5"}},"oip":{"creator":null}}`:           `{"data":{"basic":{"date":"5","dateReadable":"Thu Jan 01 1970"}},"oip":{}}`,
		`{"data":{},"oip":{"signature":"","creator":{"k":[null]}}}`:        `{"data":{},"oip":{"creator":{"k":[]}}}`,
		`{"data":{"basic":{"dateReadable":"mine","date":86400}},"oip":{}}`: `{"data":{"basic":{"date":86400,"dateReadable":"Fri Jan 02 1970"}},"oip":{}}`,
		`{"data":{"basic":{"dateReadable":"mine","date":0}},"oip":{}}`:     `{"data":{"basic":{"dateReadable":"mine","date":0}},"oip":{}}`,
	} {
		got, err := all.apply([]byte(doc), nil)
		if err != nil || string(got) != want {
			t.Errorf("%s: %v\n got %s\nwant %s", doc, err, got, want)
		}
	}
	// As deep as a record can be: its data is an array of objects of its fields.
	deep := `{"data":{"t":{"f":` + strings.Repeat("[", canon.MaxDepth-2) + "null" + strings.Repeat("]", canon.MaxDepth-2) + `}},"oip":{}}`
	if got, err := all.apply([]byte(deep), nil); err != nil || strings.Contains(string(got), "null") {
		t.Errorf("a deep document: %.100s, %v", got, err)
	}
	for _, broken := range []string{"", "null x", `{"data":{}`, `{"oip":{}}`} {
		if got, err := all.apply([]byte(broken), nil); err == nil {
			t.Errorf("%q: no error, but %s", broken, got)
		}
	}
}

// TestShapeDated: the readable date is put into the text of the document where writing
// its objects anew would put it.
func TestShapeDated(t *testing.T) {
	plain := shape{sigs: true, pubKeys: true}
	for _, text := range []string{
		`{"basic":{"date":86400}}`,
		`{"basic":{"date":86400,"n":null,"l":[{"basic":{"date":5}}]},"z":{"basic":{"date":86400}}}`,
		` { "a" : {"basic":{"date":86400}} , "basic" : { "date" : 86400 } , "z":"\u0041" } `,
		`{"basic":{"date":1},"basic":{"date":86400}}`,
		`{"basic":{"date":1,"date":86400}}`,
		`{"b\u0061sic":{"d\u0061te":86400}}`,
		`{"basic":{"date":86400,"dateReadable":"mine"}}`,
		`{"basic":{"dateRead\u0061ble":null,"date":86400}}`,
	} {
		data, err := canon.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := plain.apply([]byte(`{"data":`+text+`,"oip":{"a":1}}`), nil)
		if err != nil {
			t.Fatal(err)
		}
		shown, err := canon.Parse(got)
		if err != nil {
			t.Fatalf("%s: %s: %v", text, got, err)
		}
		part, _ := shown.Get("data")
		anew, err := canon.Parse(plain.data(nil, data, "Fri Jan 02 1970"))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := canon.Append(nil, part), canon.Append(nil, anew); string(got) != string(want) {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

func TestDateReadable(t *testing.T) {
	for date, want := range map[string]string{
		"1713484800":                         "Fri Apr 19 2024",
		"1713571199":                         "Fri Apr 19 2024",
		"1713571199.999":                     "Fri Apr 19 2024",
		"1.7134848e9":                        "Fri Apr 19 2024",
		"1":                                  "Thu Jan 01 1970",
		"-1":                                 "Wed Dec 31 1969",
		"8640000000000":                      "Sat Sep 13 275760",
		"-8640000000000":                     "Tue Apr 20 -271821",
		"-62198755200":                       "Fri Jan 01 -0001",
		"-62135596801":                       "Sun Dec 31 0000",
		"8640000000000.001":                  "",
		"8640000000001":                      "",
		"1e400":                              "",
		"0":                                  "",
		"-0":                                 "",
		"0.0":                                "",
		`"1713484800"`:                       "Fri Apr 19 2024",
		`"1713571199.9"`:                     "Fri Apr 19 2024",
		`"0"`:                                "",
		`""`:                                 "",
		`"e"`:                                "",
		`"2024-04-19"`:                       "",
		`"` + strings.Repeat("0", 64) + `5"`: "",
		`"1713484800 "`:                      "",
		`"0x6621b400"`:                       "",
		`"Infinity"`:                         "",
		"null":                               "",
		"true":                               "",
		"{}":                                 "",
	} {
		data, err := canon.Parse(fmt.Appendf(nil, `{"basic":{"date":%s}}`, date))
		if err != nil {
			t.Fatal(err)
		}
		if got := dateReadable(data); got != want {
			t.Errorf("%s: %q, want %q", date, got, want)
		}
	}
}

// TestShapeOfAnswers: the parameters reach the records of a page.
func TestShapeOfAnswers(t *testing.T) {
	w := newWorld(t)
	w.publish(post("n", startHeight, fields{2: 1713484800, 5: "9007199254740993", 6: []any{nil, map[string]any{"a": nil}}}))
	first := func(params ...string) object { return list(t, w.ok("", "/api/records", params...), "records")[0] }
	plain := first()
	if at(plain, "data", "basic", "dateReadable") != "Fri Apr 19 2024" || fmt.Sprint(at(plain, "data", "basic", "big")) != "9007199254740993" ||
		at(plain, "oip", "signature") == nil || at(plain, "oip", "creator", "publicKey") == nil {
		t.Errorf("plain: %v", plain)
	}
	bare := first("hideDateReadable", "true", "hideNullValues", "true", "includeSigs", "false", "includePubKeys", "false")
	if at(bare, "data", "basic", "dateReadable") != nil || at(bare, "oip", "signature") != nil || at(bare, "oip", "creator", "publicKey") != nil ||
		at(bare, "oip", "creator", "creatorHandle") != "writer0" || fmt.Sprint(at(bare, "data", "basic", "any")) != "[map[]]" {
		t.Errorf("bare: %v", bare)
	}
}
