package access

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// The world of the property test: a few keys, organizations and words, so that
// random documents and random viewers meet often.
var (
	worldKeys = []string{"anna", "ben", "cleo", "dora", "wallet"}
	worldOrgs = []object{
		organizationDocument("did:arweave:org-closed", "Invite Only", []any{"anna", "ben"}),
		organizationDocument("did:arweave:org-token", "Token-Gated Membership", "cleo"),
		organizationDocument("did:arweave:org-open", "Open Join", []any{}),
		organizationDocument("did:arweave:org-app", "app-user-auto", nil),
		organizationDocument("did:arweave:org-odd", "Everybody!", []any{"dora", 7, nil, ""}),
	}
	levels  = []any{"public", "Public Access", "PUBLIC", "private", "Private Access", "shared", "Shared Access", "organization", "ORGANIZATION ACCESS", "secret", "", nil, 0, true}
	flags   = []any{true, false, "true", "false", 1, 0, nil}
	domain  = "node.example"
	maybes  = []string{"anna", "ben", "cleo", "dora", "wallet", "nobody", "did:arweave:org-closed", "did:arweave:org-token", "did:arweave:org-open", "did:arweave:org-app", "did:arweave:org-odd", "did:arweave:org-none"}
	wallets = map[string]string{"wallet": "did:arweave:wallet-address", "anna": "did:arweave:anna-address"}
)

func pick[T any](rng *rand.Rand, list []T) T { return list[rng.IntN(len(list))] }

// randomRecord makes a record that may be restricted in every way there is.
func randomRecord(rng *rand.Rand, n int) object {
	often := func(share int) bool { return rng.IntN(share) == 0 }
	did := fmt.Sprintf("did:arweave:record%d", n)
	switch rng.IntN(8) {
	case 0: // the soul of a key's owner
		did = fmt.Sprintf("did:gun:%s:record%d", prefixOf(pick(rng, worldKeys)), n)
	case 1: // not a prefix: more digits, other case, not at the start, no colon
		p := prefixOf(pick(rng, worldKeys))
		did = fmt.Sprintf("did:gun:%s", pick(rng, []string{p + "0:", "x" + p + ":", "a:" + p + ":", strings.ToUpper(p) + "A:", p}))
	}
	creator := pick(rng, worldKeys)
	oipPart := object{"did": did, "recordType": "post",
		"creator": object{"publicKey": creator, "didAddress": wallets[creator]}}
	data := object{"basic": object{"name": did}}
	access, session := object{}, object{}
	list := func() any {
		if often(3) {
			return pick(rng, maybes)
		}
		readers := []any{pick(rng, maybes), pick(rng, maybes)}
		if often(4) {
			readers = append(readers, 5, nil)
		}
		return readers
	}
	if !often(4) {
		access["access_level"] = pick(rng, levels)
	}
	for name, in := range map[string]object{"owner_public_key": access, "created_by": access, "owner_pubkey": session} {
		if often(3) {
			in[name] = pick(rng, append([]string{""}, worldKeys...))
		}
	}
	if often(2) {
		access["shared_with"] = list()
	}
	if often(4) {
		session["shared_with"] = list()
	}
	if often(5) {
		access["private"] = pick(rng, flags)
	}
	if often(5) {
		session["is_private"] = pick(rng, flags)
	}
	if often(6) {
		session["owner_public_key"] = pick(rng, worldKeys)
	}
	if len(access) > 0 {
		data["accessControl"] = access
	}
	if len(session) > 0 {
		data["conversationSession"] = session
	}
	if often(12) {
		data["accessControl"] = pick(rng, []any{"private", []any{}, 3, nil})
	}
	if often(12) {
		data["encrypted"], data["iv"], data["tag"] = "x", "y", "z"
	}
	if often(12) {
		oipPart["encrypted"] = true
	}
	if often(12) {
		oipPart["hidden"] = true
	}
	if often(20) {
		oipPart["deleteMessage"] = true
	}
	return object{"data": data, "oip": oipPart}
}

func prefixOf(key string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(key)))[:12] }

// readable is spec records-api section 3, in plain Go, of a document that is
// made of Go values: the model that the rule is compared with.
func readable(record object, v Viewer) bool {
	part := func(in any, name string) object { o, _ := in.(object)[name].(object); return o }
	data, envelope := part(record, "data"), part(record, "oip")
	access, session := part(data, "accessControl"), part(data, "conversationSession")
	if envelope["hidden"] == true {
		return false
	}
	set := func(flag any) bool {
		return !slices.Contains([]any{nil, false, 0, "", "false", "0"}, flag)
	}
	// The level; fail closed.
	level := "public"
	if named, ok := access["access_level"]; ok {
		text, _ := named.(string)
		level = strings.TrimSuffix(strings.ToLower(text), " access")
		if !slices.Contains([]string{"public", "shared", "organization"}, level) {
			level = "private"
		}
	}
	if level == "public" && (set(access["private"]) || set(session["is_private"])) {
		level = "private"
	}
	if control, ok := data["accessControl"]; ok && control != nil && access == nil {
		level = "private"
	}
	if data["encrypted"] != nil || envelope["encrypted"] == true {
		level = "encrypted"
	}
	if level == "public" {
		return true
	}
	if !v.Authenticated {
		return false
	}
	key := v.PublicKey
	honest := key != "" && !strings.Contains(key, ":") // neither a soul prefix nor a DID
	if owned(record, v) {
		return true
	}
	var readers []any
	for _, shared := range []any{access["shared_with"], session["shared_with"]} {
		if list, ok := shared.([]any); ok {
			readers = append(readers, list...)
		} else {
			readers = append(readers, shared)
		}
	}
	switch level {
	case "shared":
		return honest && slices.Contains(readers, any(key))
	case "organization":
		members := map[string][]string{"did:arweave:org-closed": {"anna", "ben"}, "did:arweave:org-token": {"cleo"}, "did:arweave:org-odd": {"dora"}}
		for _, r := range readers {
			org, _ := r.(string)
			if org == "did:arweave:org-open" || org == "did:arweave:org-app" || slices.Contains(members[org], key) {
				return true
			}
		}
	}
	return false
}

// owned is the same section's rule of ownership, of a document that is not hidden.
func owned(record object, v Viewer) bool {
	part := func(in any, name string) object { o, _ := in.(object)[name].(object); return o }
	data, envelope := part(record, "data"), part(record, "oip")
	access, session := part(data, "accessControl"), part(data, "conversationSession")
	if !v.Authenticated || envelope["hidden"] == true {
		return false
	}
	key := v.PublicKey
	honest := key != "" && !strings.Contains(key, ":")
	owners := []any{access["owner_public_key"], access["created_by"], session["owner_public_key"], session["owner_pubkey"], part(envelope, "creator")["publicKey"]}
	if honest && slices.Contains(owners, any(key)) {
		return true
	}
	if honest && strings.HasPrefix(envelope["did"].(string), "did:gun:"+prefixOf(key)+":") {
		return true
	}
	return strings.HasSuffix(v.Email, "@"+domain) && part(envelope, "creator")["didAddress"] == wallets["wallet"]
}

// viewers are all the kinds of caller, honest and not.
func viewers() []Viewer {
	list := []Viewer{{},
		{PublicKey: "anna", Email: "boss@" + domain, Admin: true, signerDID: wallets["wallet"]}, // claims, but no token
		{Authenticated: true},
		{Authenticated: true, Admin: true, UserID: "admin"},
		{Authenticated: true, Email: "boss@" + domain, signerDID: wallets["wallet"]},
		{Authenticated: true, PublicKey: "nobody"},
		{Authenticated: true, PublicKey: "soul:" + prefixOf("anna")},
		{Authenticated: true, PublicKey: "did:arweave:org-closed"},
	}
	for i, key := range worldKeys {
		list = append(list, Viewer{Authenticated: true, PublicKey: key, Admin: i%2 == 0})
	}
	return list
}

// TestRule compares the rule with the model over random records and viewers. One
// record too many is a leak, one too few takes somebody's own record away.
func TestRule(t *testing.T) {
	seed := uint64(20240419)
	rng := rand.New(rand.NewPCG(seed, 1))
	s := &shelf{}
	for _, o := range worldOrgs {
		s.add(t, oip.KindOrganization, o)
	}
	organizations := NewOrganizations(s, nil, nil)
	seen, mines := make(map[bool]int), 0
	for n := range 6000 {
		record := randomRecord(rng, n)
		one := &shelf{}
		one.add(t, oip.KindRecord, record)
		for _, v := range viewers() {
			orgs, err := organizations.Of(context.Background(), v)
			if err != nil {
				t.Fatal(err)
			}
			rule := Rule(v, orgs...)
			if err := records.CheckCond(rule); err != nil {
				t.Fatalf("no store takes the rule of %+v: %v", v, err)
			}
			got, want := holds(rule, one.documents[0].projection), readable(record, v)
			if got != want {
				t.Fatalf("seed %d, record %d: %+v may read = %v, want %v\n%s", seed, n, v, got, want, one.documents[0].stored.JSON)
			}
			seen[got]++
			own := Owned(v)
			if err := records.CheckCond(own); err != nil {
				t.Fatalf("no store takes the rule of ownership of %+v: %v", v, err)
			}
			mine, want := holds(own, one.documents[0].projection), owned(record, v)
			if mine != want || mine && !got {
				t.Fatalf("seed %d, record %d: it is %+v's = %v, want %v, readable %v\n%s", seed, n, v, mine, want, got, one.documents[0].stored.JSON)
			}
			if mine {
				mines++
			}
		}
	}
	if seen[true] < 5000 || seen[false] < 5000 || mines < 2000 {
		t.Errorf("%d readable, %d unreadable and %d owned cases prove too little", seen[true], seen[false], mines)
	}
}

// TestRuleIsStable makes the condition of one viewer twice: a cursor, which is
// bound to it, must survive that.
func TestRuleIsStable(t *testing.T) {
	v := Viewer{Authenticated: true, PublicKey: "anna", signerDID: "did:arweave:w"}
	q := records.Query{Where: Rule(v, "did:arweave:a", "did:arweave:b")}
	q.After = records.EncodeCursor(q, []records.SortKey{{Text: "did:arweave:x"}})
	again := records.Query{Where: Rule(v, "did:arweave:a", "did:arweave:b"), After: q.After}
	if _, err := records.DecodeCursor(again); err != nil {
		t.Errorf("the cursor of the same viewer: %v", err)
	}
	for name, other := range map[string]records.Cond{
		"anonymous":          Rule(Viewer{}),
		"other key":          Rule(Viewer{Authenticated: true, PublicKey: "ben", signerDID: "did:arweave:w"}, "did:arweave:a", "did:arweave:b"),
		"fewer memberships":  Rule(v, "did:arweave:a"),
		"no longer of staff": Rule(Viewer{Authenticated: true, PublicKey: "anna"}, "did:arweave:a", "did:arweave:b"),
	} {
		if _, err := records.DecodeCursor(records.Query{Where: other, After: q.After}); err == nil {
			t.Errorf("%s: the cursor of another viewer was taken", name)
		}
	}
}
