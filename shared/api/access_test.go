package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"oipnode/shared/access"
	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
)

// restricted is a record with accessControl.
func restricted(name, recordType string, height int64, control fields) record {
	r := post(name, height, fields{3: []string{name}})
	r.recordType = recordType
	if control != nil {
		r.parts[accessControl] = control
	}
	return r
}

// guild stores an organization and returns its DID.
func guild(w *world, policy string, admins ...string) string {
	w.Helper()
	p := published()
	tx := p.signers[2].Record(oip.TypeOrganization,
		oiptest.Object{Template: p.templates[basic].ID, Values: fields{0: "Guild of " + policy}},
		oiptest.Object{Template: p.templates[organization].ID, Values: fields{0: "guild", 2: admins, 3: policy}})
	return w.put(p.expand(2, tx, startHeight, false))[0]
}

// TestWhoSeesWhat asks as different callers. Whatever an answer counts or names
// must be made of what that caller may read: totals, pages, the latest block, the
// types, the names of templates.
func TestWhoSeesWhat(t *testing.T) {
	w := newWorld(t)
	closed, open := guild(w, "Invite Only", "admin"), guild(w, "Open Join")
	legacy := post("legacy", startHeight+5)
	legacy.recordType, legacy.parts[session] = "chat", fields{0: true, 1: "owner"}
	flagged := restricted("flagged", "note", startHeight+6, fields{3: true, 1: "owner"})
	theirs := restricted("theirs", "diary", startHeight+7, fields{0: "private"})
	theirs.signer, theirs.parts[recipe] = 1, fields{0: 1}
	w.publish(
		restricted("public", "post", startHeight+1, fields{0: "Public Access"}),
		restricted("private", "secret", startHeight+9, fields{0: "private", 1: "owner"}),
		restricted("shared", "memo", startHeight+2, fields{0: "shared", 1: "owner", 2: []string{"reader", closed}}),
		restricted("guild", "minutes", startHeight+3, fields{0: "organization", 1: "owner", 2: []string{closed}}),
		restricted("club", "minutes", startHeight+4, fields{0: "Organization Access", 2: []string{open}}),
		restricted("odd", "riddle", startHeight+8, fields{0: "friends"}),
		legacy, flagged, theirs,
	)
	signer := published().signers
	for caller, c := range map[string]struct {
		token, names, types string
		latest              string
	}{
		"anonymous":         {"", "public", "post", "1001"},
		"a user":            {token(t, "somebody"), "club public", "minutes post", "1004"},
		"an administrator":  {token(t, "somebody", jwt.MapClaims{"isAdmin": true}), "club public", "minutes post", "1004"},
		"no key":            {token(t, ""), "club public", "minutes post", "1004"},
		"a reader":          {token(t, "reader"), "club shared public", "memo minutes post", "1004"},
		"a guild's admin":   {token(t, "admin"), "club guild public", "minutes post", "1004"},
		"a DID as key":      {token(t, closed), "club public", "minutes post", "1004"},
		"the owner":         {token(t, "owner"), "private flagged legacy club guild shared public", "chat memo minutes note post secret", "1009"},
		"the second signer": {token(t, signer[1].Modulus), "theirs club public", "diary minutes post", "1007"},
	} {
		t.Run(caller, func(t *testing.T) {
			seen := strings.Fields(c.names)
			answer := w.ok(c.token, "/api/records")
			if got := names(t, answer); got != c.names {
				t.Errorf("sees %q, want %q", got, c.names)
			}
			total := fmt.Sprint(len(seen))
			w.expect(answer, "totalRecords", total, "searchResults", total, "latestArweaveBlockInDB", c.latest)
			w.expect(w.ok(c.token, "/api/records", "tags", "none"), "totalRecords", total, "searchResults", "0", "latestArweaveBlockInDB", c.latest)

			counted := w.ok(c.token, "/api/records/recordTypes")
			w.expect(counted, "totalRecords", total, "recordTypeCount", fmt.Sprint(len(strings.Fields(c.types))))
			have := make(map[string]bool)
			for _, e := range list(t, counted, "recordTypes") {
				have[e["recordType"].(string)] = true
			}
			for _, recordType := range strings.Fields(c.types) {
				if !have[recordType] {
					t.Errorf("type %s is not counted: %v", recordType, counted)
				}
			}
			// Each record alone, by what it is found by.
			for _, name := range []string{"public", "private", "shared", "guild", "club", "odd", "flagged", "theirs"} {
				want := "0"
				for _, s := range seen {
					if s == name {
						want = "1"
					}
				}
				w.expect(w.ok(c.token, "/api/records", "tags", name), "searchResults", want)
			}
			want := "0"
			if caller == "the second signer" {
				want = "1"
			}
			w.expect(w.ok(c.token, "/api/records", "template", "recipe"), "searchResults", want)
		})
	}
}

// TestDIDOfHiddenRecords: asking for a record by its DID is no way around.
func TestDIDOfHiddenRecords(t *testing.T) {
	w := newWorld(t)
	dids := w.publish(restricted("private", "secret", startHeight, fields{0: "private", 1: "owner"}))
	w.expect(w.ok("", "/api/records", "did", dids[0]), "searchResults", "0", "totalRecords", "0", "latestArweaveBlockInDB", "0", "records", "[]")
	w.expect(w.ok(token(t, "owner"), "/api/records", "did", dids[0]), "searchResults", "1")
	expired := token(t, "owner", jwt.MapClaims{"exp": noon.Add(-60e9).Unix()})
	w.expect(w.ok(expired, "/api/records", "did", dids[0]), "searchResults", "0", "auth", `{"authenticated":false,"user":null}`)
}

// TestHiddenDocuments: deleted templates and registrations are in no list and in
// no total, for nobody.
func TestHiddenDocuments(t *testing.T) {
	w := newWorld(t)
	p := published()
	w.put(p.expand(0, p.signers[0].Template("shown", []byte(`{"a":"string","index_a":0}`)), startHeight+1, false),
		p.expand(0, p.signers[0].Template("deleted", []byte(`{"b":"string","index_b":0}`)), startHeight+2, true),
		p.expand(1, p.signers[1].Registration("gone", ""), startHeight+3, true))
	for _, who := range []string{"", token(t, p.signers[0].Modulus, jwt.MapClaims{"isAdmin": true})} {
		w.expect(w.ok(who, "/api/templates"), "totalTemplates", "1", "searchResults", "1", "latestArweaveBlockInDB", "1001")
		w.expect(w.ok(who, "/api/templates", "templateName", "DELETED"), "totalTemplates", "1", "searchResults", "0", "templates", "[]")
		w.expect(w.ok(who, "/api/creators"), "totalCreators", "0", "creators", "[]")
	}
}

// TestServerDomain: an e-mail of the server's own domain owns what the server's
// wallet signed, and nothing else.
func TestServerDomain(t *testing.T) {
	auth, err := access.NewAuthenticator(access.Settings{Secret: secret, Now: clock, PublicBaseURL: "https://node.example",
		ServerAddress: published().signers[1].Address})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(o *Options) { o.Auth = auth })
	signed := restricted("signed", "secret", startHeight, fields{0: "private", 1: "user"})
	signed.signer = 1
	named := restricted("named", "secret", startHeight, fields{0: "private", 1: published().signers[1].Modulus})
	w.publish(signed, named)
	for email, want := range map[string]string{"a@node.example": "signed", "a@other.example": "", "a@x.node.example": ""} {
		if got := names(t, w.ok(token(t, "", jwt.MapClaims{"email": email}), "/api/records")); got != want {
			t.Errorf("%s sees %q, want %q", email, got, want)
		}
	}
}
