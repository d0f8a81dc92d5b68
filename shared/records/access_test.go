package records_test

import (
	"strings"
	"testing"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// TestAccessLevel is the table of spec records-api section 3, and what strangers
// may put in its place. Whatever is not understood is private.
func TestAccessLevel(t *testing.T) {
	cases := []struct{ data, want string }{
		{`{}`, "public"},
		{`null`, "public"},
		{`{"accessControl":null}`, "public"},
		{`{"accessControl":{}}`, "public"},
		{`{"accessControl":{"owner_public_key":"k","version":"1"}}`, "public"},
		{`{"accessControl":{"access_level":"public"}}`, "public"},
		{`{"accessControl":{"access_level":"Public Access"}}`, "public"},
		{`{"accessControl":{"access_level":"PUBLIC"}}`, "public"},
		{`{"accessControl":{"access_level":"private"}}`, "private"},
		{`{"accessControl":{"access_level":"Private Access"}}`, "private"},
		{`{"accessControl":{"access_level":"pRIVATE"}}`, "private"},
		{`{"accessControl":{"access_level":"shared"}}`, "shared"},
		{`{"accessControl":{"access_level":"SHARED ACCESS"}}`, "shared"},
		{`{"accessControl":{"access_level":"organization"}}`, "organization"},
		{`{"accessControl":{"access_level":"Organization Access"}}`, "organization"},

		{`{"accessControl":{"access_level":"members"}}`, "private"},
		{`{"accessControl":{"access_level":""}}`, "private"},
		{`{"accessControl":{"access_level":" public"}}`, "private"},
		{`{"accessControl":{"access_level":"encrypted"}}`, "private"},
		{`{"accessControl":{"access_level":null}}`, "private"}, // an enum out of range
		{`{"accessControl":{"access_level":0}}`, "private"},
		{`{"accessControl":{"access_level":["public"]}}`, "private"},
		{`{"accessControl":{"access_level":{"code":"public"}}}`, "private"},
		{`{"accessControl":{"access_level":"public","access_level":"private"}}`, "private"},
		{`{"accessControl":{"access_level":"private","ACCESS_LEVEL":"public","Access_Level":"public"}}`, "private"},
		{`{"accessControl":{"access\u005flevel":"private"}}`, "private"},
		{`{"accessControl":"private"}`, "private"},
		{`{"accessControl":[{"access_level":"public"}]}`, "private"},
		{`{"accessControl":false}`, "private"},
		{`{"accessControl":{"access_level":"private"},"AccessControl":{"access_level":"public"}}`, "private"},
		{`"ciphertext"`, "private"},
		{`[]`, "private"},

		{`{"accessControl":{"private":true}}`, "private"},
		{`{"accessControl":{"private":"true"}}`, "private"},
		{`{"accessControl":{"private":1}}`, "private"},
		{`{"accessControl":{"private":false}}`, "public"},
		{`{"accessControl":{"private":null}}`, "public"},
		{`{"accessControl":{"private":"false"}}`, "public"},
		{`{"accessControl":{"access_level":"public","private":true}}`, "private"},
		{`{"accessControl":{"access_level":"shared","private":true}}`, "shared"},
		{`{"conversationSession":{"is_private":true}}`, "private"},
		{`{"conversationSession":{"is_private":false}}`, "public"},
		{`{"conversationSession":[{"is_private":true}]}`, "private"},
		{`{"conversationSession":{"is_private":true},"accessControl":{"access_level":"public"}}`, "private"},
		{`{"conversationSession":{"is_private":true},"accessControl":{"access_level":"shared"}}`, "shared"},

		{`{"encrypted":"x","iv":"y","tag":"z"}`, "encrypted"},
		{`{"encrypted":"x","iv":"y","tag":"z","accessControl":{"access_level":"public"}}`, "encrypted"},
		{`{"encrypted":"x","iv":"y"}`, "public"},
	}
	for _, c := range cases {
		p := project(t, oip.KindRecord, c.data, someEnvelope)
		if got := p.Text(records.FieldAccess); len(got) != 1 || got[0] != c.want {
			t.Errorf("%s is %q, want %q", c.data, got, c.want)
		}
		if owners := p.Text(records.FieldOwner); owners[len(owners)-1] != "creator-key" {
			t.Errorf("%s has owners %q, which lack the creator", c.data, owners)
		}
	}
}

// TestAccessEnvelope covers what the envelope says about access.
func TestAccessEnvelope(t *testing.T) {
	for envelope, want := range map[string]string{
		`{"did":"did:gun:x","encrypted":true}`:                                "encrypted",
		`{"did":"did:gun:x","encrypted":"true"}`:                              "encrypted",
		`{"did":"did:gun:x","encrypted":false}`:                               "public",
		`{"did":"x","missingTemplates":["other"]}`:                            "public",
		`{"did":"x","missingTemplates":["other"],"mayRestrict":true}`:         "private",
		`{"did":"x","missingTemplates":["other"],"mayRestrict":1,"hidden":1}`: "private",
	} {
		if got := project(t, oip.KindRecord, `{"basic":{}}`, envelope).Text(records.FieldAccess); len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", envelope, got, want)
		}
	}
}

func TestOwnersAndReaders(t *testing.T) {
	cases := []struct {
		name, data, did string
		owners, readers string
	}{
		{"all of them", `{"accessControl":{"owner_public_key":"a","created_by":"b","shared_with":["r1","r2","r1"]},
			"conversationSession":{"owner_public_key":"c","owner_pubkey":"d","shared_with":"r3"}}`, "did:gun:0123456789ab:x:y", "a|b|c|d|creator-key|soul:0123456789ab", "r1|r2|r3"},
		{"the same twice", `{"accessControl":{"owner_public_key":"creator-key","created_by":"creator-key"}}`, "did:arweave:x", "creator-key", ""},
		{"other shapes", `{"accessControl":{"owner_public_key":["a"],"created_by":7,"shared_with":{"r":1}},"conversationSession":{"owner_pubkey":null,"shared_with":[1,["r"],"r"]}}`,
			"did:arweave:x", "creator-key", "r"},
		{"a soul that is no hash", `{}`, "did:gun:0123456789a:x", "creator-key", ""},
		{"a soul that is longer", `{}`, "did:gun:0123456789abc:x", "creator-key", ""},
		{"a soul without a colon", `{}`, "did:gun:0123456789ab", "creator-key", ""},
		{"a soul in upper case", `{}`, "did:gun:0123456789AB:x", "creator-key", ""},
		{"a soul of another method", `{}`, "did:arweave:0123456789ab:x", "creator-key", ""},
		{"case and spaces are kept", `{"accessControl":{"owner_public_key":" Key ","shared_with":["R","r"]}}`, "did:arweave:x", " Key |creator-key", "R|r"},
	}
	for _, c := range cases {
		p := project(t, oip.KindRecord, c.data, `{"did":"`+c.did+`","creator":{"publicKey":"creator-key"}}`)
		if got := strings.Join(p.Text(records.FieldOwner), "|"); got != c.owners {
			t.Errorf("%s: owners %q, want %q", c.name, got, c.owners)
		}
		if got := strings.Join(p.Text(records.FieldSharedWith), "|"); got != c.readers {
			t.Errorf("%s: readers %q, want %q", c.name, got, c.readers)
		}
	}
}

// TestPublicKeysStayWhole projects keys of every size that package rsapss
// accepts: each matches itself and nothing that begins like it.
func TestPublicKeysStayWhole(t *testing.T) {
	for _, bits := range []int{2048, 4096, 8192} {
		key := strings.Repeat("K", (bits/8*4+2)/3)
		p := project(t, oip.KindRecord, `{"accessControl":{"access_level":"private","owner_public_key":"`+key+`"}}`, someEnvelope)
		if got := p.Text(records.FieldOwner)[0]; got != records.Key(key) || got == records.Key(key[:len(key)-1]+"L") {
			t.Errorf("a key of %d bits is indexed as %q", bits, got)
		}
	}
}
