package oip_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
)

// TestHandleDigits compares with what Node computes:
// BigInt("0x"+id.replace(/[^0-9a-fA-F]/g,"")).toString().
func TestHandleDigits(t *testing.T) {
	for id, want := range map[string]string{
		"eqUwpy6et2egkGlkvS7c5GKi0aBsCXT6Dhlydf3GA3Y": "68145622249204646540195",
		"-9DirnjVO1FlbEW1lN8jITBESrTsQKEM_BoZ1ey_0mk": "707623562607768032",
		"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz": "0",
		"0zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzF": "15",
	} {
		if got := oip.HandleDigits(id); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
}

func TestUniqueHandle(t *testing.T) {
	id := "zz1zzAzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz" // 0x1A = 26
	for _, c := range []struct {
		taken []string
		want  string
	}{
		{nil, "bob2"},
		{[]string{"bob2"}, "bob26"},
		{[]string{"bob2", "bob26"}, "bob260"},
		{[]string{"bob2", "bob26", "bob260"}, "bob2600"},
	} {
		got, err := oip.UniqueHandle("bob", id, func(h string) (bool, error) {
			for _, used := range c.taken {
				if used == h {
					return true, nil
				}
			}
			return false, nil
		})
		if err != nil || got != c.want {
			t.Errorf("taken %v: %s, %v, want %s", c.taken, got, err, c.want)
		}
	}
}

// TestRegistrationDocument reads a registration by position, and the rest by its
// templates once they are known.
func TestRegistrationDocument(t *testing.T) {
	reg := templateOf(t, "creatorRegistration", `{"address":"string","index_address":0,"signingXpub":"string","index_signingXpub":1,
		"handle":"string","index_handle":2,"surname":"string","index_surname":3,"youtube":"string","index_youtube":5}`)
	b := templateOf(t, "basic", `{"name":"string","index_name":0,"description":"string","index_description":1,"language":"enum","languageValues":["xx","English"],"index_language":3}`)
	tx := alice.Record(oip.TypeRegistration,
		oiptest.Object{Template: reg.ID, Values: map[int]any{0: alice.Address, 1: alice.Modulus, 2: "alice", 3: "Liddell", 5: "@alice"}},
		oiptest.Object{Template: b.ID, Values: map[int]any{0: "Alice L.", 1: "curious", 3: 1}})
	type fields struct{ CreatorHandle, Name, Surname, Language, Description, Youtube, Handle string }
	read := func(templates ...*oip.Template) (f fields, env oip.Envelope) {
		t.Helper()
		doc := alice.Document(tx, 1600000, templates...)
		if doc.Kind() != oip.KindCreator {
			t.Errorf("kind %s", doc.Kind())
		}
		var d struct{ Data fields }
		if err := json.Unmarshal(doc.JSON(), &d); err != nil {
			t.Fatal(err)
		}
		env, err := oip.ParseEnvelope(doc.JSON())
		if err != nil {
			t.Fatal(err)
		}
		return d.Data, env
	}
	got, env := read()
	if env.MayRestrict {
		t.Error("a registration is private while its templates are missing")
	}
	if want := (fields{"handle1", "Alice L.", "Liddell", "", "curious", "", "alice"}); got != want || len(env.MissingTemplates) != 2 {
		t.Errorf("without templates %+v, missing %v", got, env.MissingTemplates)
	}
	got, env = read(reg, b)
	if want := (fields{"handle1", "Alice L.", "Liddell", "English", "curious", "@alice", "alice"}); got != want || env.MissingTemplates != nil {
		t.Errorf("with templates %+v, missing %v", got, env.MissingTemplates)
	}
	if env.RecordType != oip.TypeRegistration {
		t.Errorf("record type %s", env.RecordType)
	}
	// The literal name of the template, from before it existed, is nothing to wait for.
	early := alice.Registration("alice", "")
	if _, env := data(t, early); env.MissingTemplates != nil {
		t.Errorf("waits for %v", env.MissingTemplates)
	}
}

// TestOrganizationDocument reads both objects by position or by template.
func TestOrganizationDocument(t *testing.T) {
	text := `{"org_handle":"string","index_org_handle":0,"org_public_key":"string","index_org_public_key":1,"admin_public_keys":"repeated string","index_admin_public_keys":2,
		"membership_policy":"enum","membership_policyValues":[{"code":"invite-only","name":"Invite Only"},{"code":"open-join","name":"Open Join"}],"index_membership_policy":3}`
	org := templateOf(t, "organization", text)
	b := templateOf(t, "basic", `{"name":"string","index_name":0,"webUrl":"string","index_webUrl":12}`)
	tx := alice.Record(oip.TypeOrganization,
		oiptest.Object{Template: b.ID, Values: map[int]any{0: "The Club", 12: "https://club.example"}},
		oiptest.Object{Template: org.ID, Values: map[int]any{0: "club", 1: "key", 2: []string{"k1", "k2"}, 3: 1}})
	if h := alice.Verified(tx).OrganizationHandle(); h != "club" {
		t.Errorf("handle %q", h)
	}
	for _, c := range []struct {
		templates []*oip.Template
		policy    string
	}{{nil, `1`}, {[]*oip.Template{org, b}, `"Open Join"`}} {
		want := `{"orgHandle":"handle1","handle":"club","name":"The Club","webUrl":"https://club.example","orgPublicKey":"key","adminPublicKeys":["k1","k2"],"membershipPolicy":` + c.policy + `}`
		if got, _ := data(t, tx, c.templates...); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestDeletionForms accepts every form that was seen: the data decides.
func TestDeletionForms(t *testing.T) {
	did := "did:arweave:" + someID
	for _, c := range []struct {
		recordType, data string
		template         bool
	}{
		{"deleteMessage", `{"delete":{"didTx":"` + did + `"}}`, false},
		{"delete", `{"delete":{"did":"` + did + `"}}`, false},
		{"post", `{"delete":{"did":"` + did + `","didTx":"` + did + `"}}`, false},
		{"delete", `[{"delete":{"did":"` + did + `"}}]`, false},
		{"deleteMessage", `{"deleteTemplate":{"didTx":"` + did + `"}}`, true},
		{"deleteTemplate", `[{"deleteTemplate":{"didTx":"` + did + `"}},{"more":1}]`, true},
	} {
		tx := alice.RawRecord(c.recordType, []byte(c.data))
		v := alice.Verified(tx)
		if d := v.Deletion(); d == nil || d.Target != did || d.Template != c.template {
			t.Errorf("%s: %+v", c.data, d)
			continue
		}
		doc := alice.Document(tx, 1)
		env, _ := oip.ParseEnvelope(doc.JSON())
		if env.RecordType != v.Deletion().RecordType() || !env.DeleteMessage || oip.StoredTarget(doc.JSON()) != did {
			t.Errorf("%s became %s", c.data, doc.JSON())
		}
	}
}

// TestAuthority is the table of who may delete what.
func TestAuthority(t *testing.T) {
	target := oip.Envelope{DID: "did:arweave:" + someID, Creator: oip.CreatorRef{DIDAddress: oip.DID(alice.Address)}}
	message := target
	message.DeleteMessage = true
	bob := oiptest.NewSigner("bob", 2048)
	for _, c := range []struct {
		what     string
		template bool
		signer   string
		target   oip.Envelope
		kind     oip.Kind
		want     oip.Effect
	}{
		{"own record", false, alice.Address, target, oip.KindRecord, oip.EffectRemove},
		{"own organization", false, alice.Address, target, oip.KindOrganization, oip.EffectRemove},
		{"own registration", false, alice.Address, target, oip.KindCreator, oip.EffectHide},
		{"own template", true, alice.Address, target, oip.KindTemplate, oip.EffectHide},
		{"a template by a plain delete", false, alice.Address, target, oip.KindTemplate, oip.EffectNone},
		{"a record by deleteTemplate", true, alice.Address, target, oip.KindRecord, oip.EffectNone},
		{"another's record", false, bob.Address, target, oip.KindRecord, oip.EffectNone},
		{"a delete message", false, alice.Address, message, oip.KindRecord, oip.EffectNone},
		{"something else", false, alice.Address, oip.Envelope{DID: "did:arweave:x", Creator: target.Creator}, oip.KindRecord, oip.EffectNone},
	} {
		d := oip.Deletion{Target: target.DID, Template: c.template}
		if got := d.EffectOn(c.signer, c.target, c.kind); got != c.want {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}

func TestDIDs(t *testing.T) {
	for did, want := range map[string]bool{
		"did:arweave:" + someID: true, "did:gun:0123456789ab:a.b_c-d:e": true, "did:ipfs:Qm.x": true, "did:irys:a": true,
		"did:arfleet:a": true, "did:bittorrent:a": true, "did:arweave:": false, "did:arweave:a:b": false, "did:web:a": false,
		"DID:arweave:a": false, "did:arweave:a b": false, "did:arweave:é": false, "": false, "did:gun:" + strings.Repeat("x", 600): false,
	} {
		if got := oip.ValidDID(did); got != want {
			t.Errorf("%q: %v, want %v", did, got, want)
		}
	}
	if id, ok := oip.TxID(oip.DID(someID)); !ok || id != someID {
		t.Errorf("TxID: %s %v", id, ok)
	}
	if _, ok := oip.TxID("did:gun:" + someID); ok {
		t.Error("a GUN DID has a transaction id")
	}
}

// TestSealed compiles packages that skip verification, which must fail.
func TestSealed(t *testing.T) {
	build := func(body string) ([]byte, error) {
		dir := t.TempDir()
		source := filepath.Join(dir, "x.go")
		overlay := filepath.Join(dir, "overlay.json")
		text, err := json.Marshal(map[string]any{"Replace": map[string]string{"sealedcheck/x.go": source}})
		if err != nil {
			t.Fatal(err)
		}
		for file, content := range map[string][]byte{source: []byte("package x\nimport \"oipnode/shared/oip\"\n" + body), overlay: text} {
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return exec.Command("go", "build", "-overlay", overlay, "./sealedcheck").CombinedOutput()
	}
	if out, err := build(`var V = oip.Verify; var G = oip.VerifyGun; var D oip.Document`); err != nil {
		t.Fatalf("the rightful use does not compile: %s", out)
	}
	for _, body := range []string{
		`var V = oip.Verified{tx: oip.Transaction{}}`,
		`var V = oip.Verified{gun: nil}`,
		`var D = oip.Document{did: "did:arweave:x"}`,
		`type mine struct{}; func (mine) outcome() {}; var O oip.Outcome = mine{}`,
	} {
		if out, err := build(body); err == nil || !strings.Contains(string(out), "oip.") {
			t.Errorf("%s: %v %s", body, err, out)
		}
	}
}
