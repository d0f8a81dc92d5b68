package oip_test

import (
	"strings"
	"testing"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
)

// TestPatch changes the envelope, leaves the data byte for byte, and is idempotent.
func TestPatch(t *testing.T) {
	b := templateOf(t, "basic", `{"name":"string","index_name":0,"big":"uint64","index_big":1}`)
	doc := alice.Document(alice.RawRecord("post", []byte(`[{"0":"\ud800<","1":18446744073709551615,"t":"`+b.ID+`"}]`)), 5, b).JSON()
	wantData := `"data":{"basic":{"name":"\ud800<","big":18446744073709551615}}`
	height, yes, no := int64(7), true, false
	ref := oip.CreatorRef{CreatorHandle: "new<1>"}
	for _, c := range []struct {
		what  string
		patch oip.Patch
		check func(oip.Envelope) bool
	}{
		{"height", oip.Patch{Height: &height}, func(e oip.Envelope) bool { return *e.InArweaveBlock == 7 && e.RecordStatus == "original" }},
		{"pending", oip.Patch{Pending: true}, func(e oip.Envelope) bool { return e.InArweaveBlock == nil && e.RecordStatus == "pending" }},
		{"creator", oip.Patch{Creator: &ref}, func(e oip.Envelope) bool { return e.Creator == ref }},
		{"hidden", oip.Patch{Hidden: &yes}, func(e oip.Envelope) bool { return e.Hidden }},
		{"shown", oip.Patch{Hidden: &no}, func(e oip.Envelope) bool { return !e.Hidden }},
		{"nothing", oip.Patch{}, func(e oip.Envelope) bool { return *e.InArweaveBlock == 5 }},
	} {
		once, err := c.patch.Apply(doc)
		if err != nil {
			t.Fatal(err)
		}
		env, err := oip.ParseEnvelope(once)
		if err != nil || !c.check(env) || !strings.Contains(string(once), wantData) {
			t.Errorf("%s: %s", c.what, once)
		}
		if twice, err := c.patch.Apply(once); err != nil || string(twice) != string(once) {
			t.Errorf("%s twice: %s", c.what, twice)
		}
	}
	if only, err := oip.EnvelopeOnly(doc); err != nil || strings.Contains(string(only), `"data"`) {
		t.Errorf("envelope only: %s %v", only, err)
	}
	for _, bad := range []string{"", "[]", `{"oip":5}`} {
		if _, err := (oip.Patch{}).Apply([]byte(bad)); err == nil && bad != `[]` {
			t.Errorf("%q was patched", bad)
		}
	}
}

// TestPatchOwnHandle renames registrations and organizations.
func TestPatchOwnHandle(t *testing.T) {
	name := "alice99"
	doc := alice.Document(alice.Registration("alice", "L"), 5).JSON()
	got, err := oip.Patch{OwnHandle: &name}.Apply(doc)
	if err != nil || !strings.Contains(string(got), `"creatorHandle":"alice99"`) || !strings.Contains(string(got), `"handle":"alice"`) {
		t.Errorf("%s %v", got, err)
	}
}

func TestFormatTime(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.FixedZone("x", 3600))
	if got := oip.FormatTime(at); got != "2026-01-02T02:04:05.006Z" {
		t.Error(got)
	}
}

// FuzzVerify feeds arbitrary data, rightly signed, so that every parser behind
// the signature is reached: it never panics, and what is accepted expands.
func FuzzVerify(f *testing.F) {
	b := alice.Verified(alice.Template("basic", []byte(`{"name":"string","index_name":0,"e":"enum","eValues":["a"],"index_e":1,"l":"repeated long","index_l":2}`))).Template()
	for _, seed := range []string{
		`[{"0":"x","1":0,"2":["1",2],"t":"` + b.ID + `"}]`, `{"delete":{"did":"did:arweave:x"}}`, `[{"deleteTemplate":{"didTx":"did:gun:a:b"}}]`,
		`{"a":"enum","index_a":"1","aValues":[{"code":"c"}]}`, `[{"0":"` + alice.Address + `","1":"` + alice.Modulus + `","2":"h","t":"creatorRegistration"}]`,
		`[{"t":"` + b.ID + `"},{"0":"org","t":"` + b.ID + `"}]`, `[[[[`, "\xff", `"\ud800"`,
	} {
		f.Add(uint8(0), []byte(seed))
		f.Add(uint8(1), []byte(seed))
		f.Add(uint8(2), []byte(seed))
		f.Add(uint8(3), []byte(seed))
	}
	keys := oiptest.KeysOf(alice)
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		var tx oip.Transaction
		switch kind % 4 {
		case 0:
			tx = alice.RawRecord("post", data)
		case 1:
			tx = alice.Template("t", data)
		case 2:
			tx = alice.RawRecord(oip.TypeRegistration, data)
		case 3:
			tx = alice.RawRecord(oip.TypeOrganization, data)
		}
		switch out := oip.Verify(tx, keys).(type) {
		case oip.Accepted:
			doc, err := oip.Expand(out.Verified, oip.Setting{OwnHandle: "h1", Templates: func(string) *oip.Template { return b }})
			if err != nil {
				t.Fatalf("accepted, but: %v", err)
			}
			if len(doc.JSON()) > 8*len(data)+512<<10 {
				t.Fatalf("%d bytes became a document of %d", len(data), len(doc.JSON()))
			}
			if _, err := oip.ParseEnvelope(doc.JSON()); err != nil {
				t.Fatalf("unreadable document: %v", err)
			}
			if v := out.Verified.Template(); v != nil {
				if _, err := oip.ParseStoredTemplate(doc.JSON()); err != nil {
					t.Fatalf("unreadable template: %v", err)
				}
			}
		case oip.Rejected:
			if out.Reason == oip.ReasonSignature || len(out.Detail) > 300 {
				t.Fatalf("rejected: %+v", out)
			}
		case oip.Waiting:
			t.Fatalf("waits for %v", out.For)
		}
	})
}

// FuzzTags feeds arbitrary tags: none is accepted that was not signed.
func FuzzTags(f *testing.F) {
	f.Add("Creator", alice.Address, "AAAA", 3)
	f.Add("Ver", "0.8.0", "", 0)
	f.Add("Type", "Template", " ", 9)
	keys := oiptest.KeysOf(alice)
	good := alice.Record("post", basic("x"))
	f.Fuzz(func(t *testing.T, name, value, sig string, at int) {
		tx := good
		tx.Tags = append([]oip.Tag(nil), good.Tags...)
		tag := &tx.Tags[max(at, -at, 0)%len(tx.Tags)]
		unchanged := *tag == oip.Tag{Name: name, Value: value}
		*tag = oip.Tag{Name: name, Value: value}
		if sig != "" {
			tx.Tags = append(tx.Tags, oip.Tag{Name: "CreatorSig", Value: sig})
		}
		if _, ok := oip.Verify(tx, keys).(oip.Accepted); ok && !unchanged && name != "CreatorSig" {
			t.Fatalf("accepted with %q=%q", name, value)
		}
	})
}

// FuzzPatch patches arbitrary stored documents.
func FuzzPatch(f *testing.F) {
	f.Add(`{"data":{"creatorHandle":"x"},"oip":{"did":"d"}}`, "bob")
	f.Fuzz(func(t *testing.T, doc, handle string) {
		out, err := oip.Patch{OwnHandle: &handle, Pending: true}.Apply([]byte(doc))
		if err != nil {
			return
		}
		if env, err := oip.ParseEnvelope(out); err != nil || env.RecordStatus != oip.StatusPending {
			t.Fatalf("%q became %q: %v", doc, out, err)
		}
	})
}
