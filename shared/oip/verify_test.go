package oip_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"oipnode/shared/oip"
	"oipnode/shared/oip/canon"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/oip/rsapss"
)

// nodeVector is a message signed, or tampered with, by rsapss/testdata/vectors.mjs.
type nodeVector struct {
	what  string
	valid bool
	form  string
	tags  []oip.Tag
	data  []byte
	key   string
	sig   string
}

// nodeVectors reads the file with canon: tags hold lone surrogates.
func nodeVectors(t *testing.T) []nodeVector {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("rsapss", "testdata", "vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := canon.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var out []nodeVector
	for v := range all.Elements() {
		get := func(name string) canon.Value { f, _ := v.Get(name); return f }
		n := nodeVector{what: get("what").Text(), form: get("form").Text(), key: get("modulus").Text(), sig: get("signature").Text()}
		n.valid, _ = get("valid").Bool()
		if n.data, err = base64.StdEncoding.DecodeString(get("data").Text()); err != nil {
			t.Fatal(err)
		}
		for tag := range get("tags").Elements() {
			name, _ := tag.Get("name")
			value, _ := tag.Get("value")
			n.tags = append(n.tags, oip.Tag{Name: name.Text(), Value: value.Text()})
		}
		out = append(out, n)
	}
	return out
}

const someID = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"

// TestVerifyNodeSignatures replays what Node signed and what was tampered with:
// no tampered twin is accepted, and no rightly signed one fails for its signature.
func TestVerifyNodeSignatures(t *testing.T) {
	accepted := 0
	for _, n := range nodeVectors(t) {
		keys := make(oiptest.Keys)
		if key, err := rsapss.ParseModulus(n.key); err == nil {
			keys[tag(n.tags, "Creator")] = key
		}
		tx := oip.Transaction{ID: someID, Data: n.data, Tags: append(n.tags, oip.Tag{Name: "CreatorSig", Value: n.sig})}
		switch out := oip.Verify(tx, keys).(type) {
		case oip.Accepted:
			accepted++
			if !n.valid {
				t.Errorf("%s: accepted", n.what)
			}
		case oip.Rejected:
			if n.valid && (out.Reason == oip.ReasonSignature || out.Reason == oip.ReasonKey) {
				t.Errorf("%s: rejected: %+v", n.what, out)
			}
		case oip.Waiting:
			if n.valid {
				t.Errorf("%s: waits for %v", n.what, out.For)
			}
		}
	}
	if accepted < 20 {
		t.Errorf("only %d vectors were accepted", accepted)
	}
}

func tag(tags []oip.Tag, name string) string {
	for _, t := range tags {
		if t.Name == name {
			return t.Value
		}
	}
	return ""
}

// alice signs most of the transactions of these tests.
var alice = oiptest.NewSigner("alice", 2048)

const basicID = "-9DirnjVO1FlbEW1lN8jITBESrTsQKEM_BoZ1ey_0mk"

func basic(name string) oiptest.Object {
	return oiptest.Object{Template: basicID, Values: map[int]any{0: name}}
}

// TestVerifyReasons gives one transaction for every reason and shape.
func TestVerifyReasons(t *testing.T) {
	bob := oiptest.NewSigner("bob", 2048)
	good := alice.Record("post", basic("good"))
	with := func(change func(*oip.Transaction)) oip.Transaction {
		tx := good
		tx.Tags = append([]oip.Tag(nil), good.Tags...)
		tx.Data = append([]byte(nil), good.Data...)
		change(&tx)
		return tx
	}
	retag := func(name, value string) oip.Transaction {
		tags := alice.Tags("post")
		for i := range tags {
			if tags[i].Name == name {
				tags[i].Value = value
			}
		}
		return alice.WithTags(tags, good.Data)
	}
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		what string
		tx   oip.Transaction
		want oip.Reason // empty: accepted
	}{
		{"a record", good, ""},
		{"a plus lost from the signature", with(func(tx *oip.Transaction) {
			sig := &tx.Tags[len(tx.Tags)-1]
			sig.Value = strings.ReplaceAll(sig.Value, "+", " ")
		}), ""},
		{"a signature without padding", with(func(tx *oip.Transaction) {
			sig := &tx.Tags[len(tx.Tags)-1]
			sig.Value = strings.TrimRight(sig.Value, "=")
		}), ""},
		{"a later version", retag("Ver", "0.9.1"), ""},
		{"a build of the version", retag("Ver", "0.8.0+b1"), ""},
		{"a short id", with(func(tx *oip.Transaction) { tx.ID = "short" }), oip.ReasonID},
		{"an id with a slash", with(func(tx *oip.Transaction) { tx.ID = "/" + tx.ID[1:] }), oip.ReasonID},
		{"no tags", with(func(tx *oip.Transaction) { tx.Tags = nil }), oip.ReasonTags},
		{"no signature", with(func(tx *oip.Transaction) { tx.Tags = tx.Tags[:len(tx.Tags)-1] }), oip.ReasonTags},
		{"a tag behind the signature", with(func(tx *oip.Transaction) { tx.Tags = append(tx.Tags, oip.Tag{Name: "A", Value: "b"}) }), oip.ReasonTags},
		{"two creators", alice.WithTags(append(alice.Tags("post"), oip.Tag{Name: "Creator", Value: bob.Address}), good.Data), oip.ReasonTags},
		{"two signatures", with(func(tx *oip.Transaction) { tx.Tags = append(tx.Tags, tx.Tags[len(tx.Tags)-1]) }), oip.ReasonTags},
		{"129 tags", with(func(tx *oip.Transaction) { tx.Tags = append(make([]oip.Tag, 122), tx.Tags...) }), oip.ReasonTags},
		{"too many bytes of tags", with(func(tx *oip.Transaction) { tx.Tags[0].Value = strings.Repeat("x", oip.MaxTagBytes) }), oip.ReasonTags},
		{"another protocol", retag("Index-Method", "oip"), oip.ReasonTags},
		{"neither record nor template", retag("Type", "Recipe"), oip.ReasonTags},
		{"no record type", retag("RecordType", ""), oip.ReasonTags},
		{"a long record type", retag("RecordType", long), oip.ReasonTags},
		{"a creator that is no address", retag("Creator", "alice"), oip.ReasonTags},
		{"an old version", retag("Ver", "0.7.9"), oip.ReasonVersion},
		{"a pre-release of the version", retag("Ver", "0.8.0-rc1"), oip.ReasonVersion},
		{"no version", retag("Ver", ""), oip.ReasonVersion},
		{"a version of two parts", retag("Ver", "0.8"), oip.ReasonVersion},
		{"a version with leading zeros", retag("Ver", "0.08.0"), oip.ReasonVersion},
		{"no JSON", alice.RawRecord("post", []byte("hello")), oip.ReasonJSON},
		{"no data", alice.RawRecord("post", nil), oip.ReasonJSON},
		{"deep nesting", alice.RawRecord("post", []byte(strings.Repeat("[", 100)+strings.Repeat("]", 100))), oip.ReasonJSON},
		{"not a list", alice.RawRecord("post", []byte(`{"0":"x","t":"`+basicID+`"}`)), oip.ReasonStructure},
		{"an empty list", alice.RawRecord("post", []byte(`[]`)), oip.ReasonStructure},
		{"a list of text", alice.RawRecord("post", []byte(`["x"]`)), oip.ReasonStructure},
		{"no template id", alice.RawRecord("post", []byte(`[{"0":"x"}]`)), oip.ReasonStructure},
		{"a template id that is none", alice.RawRecord("post", []byte(`[{"0":"x","t":"basic"}]`)), oip.ReasonStructure},
		{"too many objects", alice.RawRecord("post", []byte("["+strings.Repeat(`{"t":"`+basicID+`"},`, oip.MaxObjects)+`{"t":"`+basicID+`"}]`)), oip.ReasonStructure},
		{"a delete of nothing", alice.RawRecord("delete", []byte(`{"delete":{}}`)), oip.ReasonStructure},
		{"a delete of no DID", alice.RawRecord("delete", []byte(`{"delete":{"did":"record 5"}}`)), oip.ReasonStructure},
		{"a delete of two things", alice.RawRecord("delete", []byte(`{"delete":{"did":"did:arweave:a","didTx":"did:arweave:b"}}`)), oip.ReasonStructure},
		{"an organization of one object", alice.Record(oip.TypeOrganization, basic("club")), oip.ReasonStructure},
		{"a template without an index", alice.Template("t", []byte(`{"name":"string"}`)), oip.ReasonTemplate},
		{"a template that is a list", alice.Template("t", []byte(`[]`)), oip.ReasonTemplate},
		{"a registration without a handle", alice.Registration("", ""), oip.ReasonStructure},
		{"a registration of another's address", alice.RawRecord(oip.TypeRegistration, bob.Registration("bob", "").Data), oip.ReasonKey},
		{"a registration with a short key", alice.Record(oip.TypeRegistration, oiptest.Object{Template: oip.TypeRegistration,
			Values: map[int]any{0: alice.Address, 1: "AQAB", 2: "alice"}}), oip.ReasonKey},
		{"a registration with another's key", alice.Record(oip.TypeRegistration, oiptest.Object{Template: oip.TypeRegistration,
			Values: map[int]any{0: alice.Address, 1: bob.Modulus, 2: "alice"}}), oip.ReasonKey},
		{"one bit of the data", with(func(tx *oip.Transaction) { tx.Data[7] ^= 1 }), oip.ReasonSignature},
		{"one bit of a tag", with(func(tx *oip.Transaction) { tx.Tags[0].Value = "application/jsoo" }), oip.ReasonSignature},
		{"swapped tags", with(func(tx *oip.Transaction) { tx.Tags[0], tx.Tags[1] = tx.Tags[1], tx.Tags[0] }), oip.ReasonSignature},
		{"an empty signature", with(func(tx *oip.Transaction) { tx.Tags[len(tx.Tags)-1].Value = "" }), oip.ReasonSignature},
		{"a signature that is no base64", with(func(tx *oip.Transaction) { tx.Tags[len(tx.Tags)-1].Value = "%%%" }), oip.ReasonSignature},
		{"signed by another", with(func(tx *oip.Transaction) {
			tx.Tags[len(tx.Tags)-1] = oip.Tag{Name: "CreatorSig", Value: base64.StdEncoding.EncodeToString(bob.Sign([]byte("x")))}
		}), oip.ReasonSignature},
	} {
		out := oip.Verify(c.tx, oiptest.KeysOf(alice, bob))
		switch out := out.(type) {
		case oip.Accepted:
			if c.want != "" {
				t.Errorf("%s: accepted, want %s", c.what, c.want)
			}
		case oip.Rejected:
			if out.Reason != c.want {
				t.Errorf("%s: rejected with %s (%s), want %q", c.what, out.Reason, out.Detail, c.want)
			}
		default:
			t.Errorf("%s: %#v", c.what, out)
		}
	}
}

// TestVerifyWaits shows that an unknown creator is no rejection, and that a key
// which does not hash to the address is one.
func TestVerifyWaits(t *testing.T) {
	tx := alice.Record("post", basic("x"))
	want := oip.Dependency{Need: oip.NeedCreator, ID: alice.Address}
	if out, ok := oip.Verify(tx, oiptest.Keys{}).(oip.Waiting); !ok || out.For != want {
		t.Errorf("got %#v, want to wait for %v", out, want)
	}
	bob := oiptest.NewSigner("bob", 2048)
	wrong := oiptest.Keys{alice.Address: oiptest.KeysOf(bob)[bob.Address]}
	if out, ok := oip.Verify(tx, wrong).(oip.Rejected); !ok || out.Reason != oip.ReasonKey {
		t.Errorf("got %#v, want %s", out, oip.ReasonKey)
	}
}

// TestVerifyLargeKeys signs as Node and browsers do, with 4096 bits.
func TestVerifyLargeKeys(t *testing.T) {
	for _, salt := range []int{0, 32, 478} {
		s := *oiptest.NewSigner("large", 4096)
		s.Salt = salt
		tx := s.Record("post", basic("<&>\u2028\u2029"))
		if out, ok := oip.Verify(tx, oiptest.KeysOf(&s)).(oip.Accepted); !ok {
			t.Errorf("salt %d: %#v", salt, out)
		}
	}
}

// TestCheckHead agrees with Verify on everything that the tags decide.
func TestCheckHead(t *testing.T) {
	tx := alice.Record("post", basic("x"))
	if name, template, out := oip.CheckHead(tx); name != "post" || template || out != nil {
		t.Errorf("got %s %v %v", name, template, out)
	}
	tx.Tags = tx.Tags[1:]
	tx.Tags = tx.Tags[:len(tx.Tags)-1]
	if _, _, out := oip.CheckHead(tx); out == nil {
		t.Error("a transaction without a signature passed")
	}
}
