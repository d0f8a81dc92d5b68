package property

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"oipnode/shared/oip"
	"oipnode/shared/oip/canon"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/records"
)

// press has what all worlds publish with: keys that sign, and templates.
type press struct {
	signers   []*oiptest.Signer
	templates []*oip.Template
	sources   []oip.Transaction
}

// definitions are the templates. A field that is "string" takes whatever is published
// under it, so that a flag may be a text and a list one text alone. There are two of the
// name post: of one name, the one that most records use is the selected one.
var definitions = []struct{ name, fields string }{
	{"basic", "name string, description string, date long, tagItems repeated string, language string, nothing string, dateReadable string, avatar dref"},
	{"accessControl", "access_level string, owner_public_key string, created_by string, shared_with string, private string"},
	{"conversationSession", "is_private string, owner_public_key string, owner_pubkey string"},
	{"post", "webUrl string, text string, about dref, more repeated dref, audioItems repeated string"},
	{"post", "webUrl string, text string, about dref, more repeated dref, audioItems repeated string, extra string"},
	{"workout", "exercise repeated dref"},
	{"exercise", "equipmentRequired string, equipment string, exercise_type string"},
	{"modelProvider", "supported_models string"},
	{"workoutSchedule", "scheduled_date long"},
	{"recipe", "cuisine string, servings uint32, ingredient repeated dref, ingredient_amount repeated float, ingredient_unit repeated string, ingredient_comment repeated string"},
	{"nutritionalInfo", "standardAmount float, standardUnit string, qtyInStandardAmount float, calories float, proteinG float, fatG float, cholesterolMg float, sodiumMg float, carbohydratesG float"},
	{"organization", "org_handle string, org_public_key string, admin_public_keys string, membership_policy string"},
}

var published = sync.OnceValue(func() *press {
	p := &press{}
	for i := range 3 {
		p.signers = append(p.signers, oiptest.NewSigner(fmt.Sprintf("property %d", i), 2048))
	}
	for _, d := range definitions {
		var fields []string
		for i, f := range strings.Split(d.fields, ", ") {
			name, kind, _ := strings.Cut(f, " ")
			fields = append(fields, fmt.Sprintf("%q:%q,%q:%d", name, kind, "index_"+name, i))
		}
		tx := p.signers[0].Template(d.name, []byte("{"+strings.Join(fields, ",")+"}"))
		p.sources = append(p.sources, tx)
		p.templates = append(p.templates, p.signers[0].Verified(tx).Template())
	}
	return p
})

// objects are the data of a document as a record of the chain has them: values by index.
// Of two templates with one name the later one is taken when late.
func (w *world) objects(data object, late bool) []oiptest.Object {
	w.Helper()
	var list []oiptest.Object
	for _, name := range []string{"basic", "accessControl", "conversationSession", "post", "workout", "exercise", "modelProvider", "workoutSchedule", "recipe", "nutritionalInfo", "organization"} {
		part, ok := data[name].(object)
		if !ok {
			continue
		}
		var template *oip.Template
		for _, t := range published().templates {
			if t.Name == name && (template == nil || late) {
				template = t
			}
		}
		o := oiptest.Object{Template: template.ID, Values: make(map[int]any)}
		for _, f := range template.Fields {
			if value, ok := part[f.Name]; ok {
				o.Values[int(f.Index)] = value
			}
		}
		if len(o.Values) != len(part) {
			w.Fatalf("template %s has no fields for %v", name, part)
		}
		list = append(list, o)
	}
	return list
}

func signature(t testing.TB, s *oiptest.Signer, data []byte) string {
	t.Helper()
	v, err := canon.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(s.Sign(canon.Append(nil, v)))
}

// populate publishes everything that a world begins with.
func (w *world) populate() {
	p := published()
	for i, tx := range p.sources {
		w.put("", w.expand(0, tx, firstBlock+int64(i), false))
	}
	for i, s := range p.signers {
		w.put("", w.expand(i, s.Registration(fmt.Sprint("writer", i), "Surname"), firstBlock+int64(w.rng.IntN(9)), w.one(6)))
	}
	for range 3 + w.rng.IntN(4) {
		w.organization("")
	}
	for range 35 + w.rng.IntN(30) {
		w.record()
	}
	for range w.rng.IntN(3) {
		w.put("", w.expand(1, p.signers[1].Delete("did:arweave:"+strings.Repeat("g", oip.IDLength-1)+fmt.Sprint(w.made%10)), firstBlock+40, false))
		w.made++
	}
	w.note("%d documents", len(w.model.facts))
}

var policies = []string{"Invite Only", "invite-only", "Open Join", "open-join", "Token-Gated Membership", "token-gated",
	"Auto-Enroll App Users", "app-user-auto", "Everybody!", "", "OPEN JOIN"}

// organization publishes an organization, or another version of the one with this id.
func (w *world) organization(id string) {
	w.Helper()
	w.made++
	signer := 1 + w.rng.IntN(2)
	var admins any = w.somebody(3)
	if w.one(4) {
		admins = pick(w.rng, keys())
	}
	tx := published().signers[signer].Record(oip.TypeOrganization, w.objects(object{
		"basic":        object{"name": fmt.Sprint("Guild ", w.made)},
		"organization": object{"org_handle": fmt.Sprint("guild", w.made), "admin_public_keys": admins, "membership_policy": pick(w.rng, policies)},
	}, false)...)
	if id != "" {
		tx.ID = id
	}
	w.put("", w.expand(signer, tx, firstBlock+int64(w.rng.IntN(30)), false))
}

// somebody is a list of some keys and of what is none.
func (w *world) somebody(most int) []any {
	list := []any{}
	for range w.rng.IntN(most + 1) {
		list = append(list, pick(w.rng, append([]any{"nobody", 7, nil, ""}, anys(keys())...)))
	}
	return list
}

func anys(list []string) (all []any) {
	for _, s := range list {
		all = append(all, s)
	}
	return all
}

// dids are the DIDs of a kind, in order, so that a seed makes the same world each time.
func (w *world) dids(kinds ...string) (all []string) {
	for did, f := range w.model.facts {
		if slices.Contains(kinds, f.kind) {
			all = append(all, did)
		}
	}
	slices.Sort(all)
	return all
}

var (
	someNames = []string{"Soup", "soup", "Bread", "bread rolls", "Zürich", "Crêpe", "A"}
	someTags  = []string{"red", "green", "blue", "Red"}
	someTypes = []string{"post", "Post", "note", "workout", "exercise", "modelProvider", "workoutSchedule"}
	words     = []string{"hearty", "quick", "tomato", "soup", "tomatoes", "walnut", "the", "of", "rustic"}
	levels    = []any{"public", "Public Access", "PUBLIC", "private", "Private Access", "PRIVATE ACCESS", "shared", "Shared Access",
		"organization", "Organization Access", "organization", "friends", "public ", "", nil, 0, true, []any{"public"}}
	flags = []any{true, false, "true", "false", 1, 0, nil}
)

// record publishes a record that may be restricted in every way there is.
func (w *world) record() {
	w.Helper()
	w.made++
	mark := fmt.Sprintf("mark%dx%d", w.made, w.rng.IntN(1e6))
	recordType, data := w.content(mark)
	if w.one(3) {
		w.gunRecord(mark, recordType, data)
		return
	}
	w.chainRecord("", mark, recordType, data)
}

// content is the type and the data of a record.
func (w *world) content(mark string) (recordType string, data object) {
	recordType = pick(w.rng, someTypes)
	basic := object{"description": strings.Join([]string{pick(w.rng, words), mark, pick(w.rng, words)}, " ")}
	if !w.one(6) {
		basic["name"] = pick(w.rng, someNames)
	}
	if w.one(12) {
		basic["name"] = "name of " + mark
	}
	if !w.one(4) {
		basic["date"] = 1713484800 + w.rng.IntN(4)*86400
	}
	var tags []any
	for _, t := range append(slices.Clone(someTags), mark) {
		if w.one(3) {
			tags = append(tags, t)
		}
	}
	if tags != nil {
		basic["tagItems"] = tags
	}
	if w.one(4) {
		basic["language"] = pick(w.rng, []string{"en", "de"})
	}
	if w.one(4) {
		basic["nothing"] = nil
	}
	data = object{"basic": basic}
	switch w.rng.IntN(6) {
	case 0:
		recordType = "nutritionalInfo"
		data["nutritionalInfo"] = object{"standardAmount": 100, "standardUnit": "g", "calories": 4 * w.rng.IntN(100), "proteinG": 4 * w.rng.IntN(10), "sodiumMg": 4 * w.rng.IntN(10)}
	case 1:
		recordType = "recipe"
		data["recipe"] = w.recipe()
	case 2:
		data["post"] = w.references()
	}
	switch {
	case recordType == "workout" && !w.one(6):
		data["workout"] = object{"exercise": []any{w.target(), w.target(), w.target()}[:1+w.rng.IntN(3)]}
	case recordType == "exercise":
		data["exercise"] = object{"exercise_type": pick(w.rng, []any{"main", "Main", "Warm-Up", "cooldown", "Other", nil}),
			"equipment":         pick(w.rng, []any{"Yoga mat", "bar", w.target(), []any{"barbell", w.target()}, ""}),
			"equipmentRequired": pick(w.rng, []any{nil, "mat", []any{w.target(), "Bread"}})}
	case recordType == "modelProvider":
		data["modelProvider"] = object{"supported_models": pick(w.rng, []any{"gpt-4,Llama 3", []any{"grok-1", "gpt-4"}, []any{}, "none"})}
	case recordType == "workoutSchedule":
		data["workoutSchedule"] = object{"scheduled_date": 1713484800 + w.rng.IntN(4)*43200}
	}
	if w.one(15) {
		recordType = "type of " + mark
	}
	w.restrict(data)
	return recordType, data
}

// recipe has ingredients of whoever.
func (w *world) recipe() object {
	var ingredients, amounts, units, comments []any
	for range 1 + w.rng.IntN(4) {
		ingredients = append(ingredients, w.target())
		amounts = append(amounts, 100*(1+w.rng.IntN(4)))
		units = append(units, "g")
		comments = append(comments, pick(w.rng, []string{"", "chopped", "optional", "Salt, to taste"}))
	}
	return object{"cuisine": pick(w.rng, []any{"Italian", "french, THAI", []any{"Thai", "Italian"}, nil}), "servings": 1 << w.rng.IntN(3), "ingredient": ingredients, "ingredient_amount": amounts, "ingredient_unit": units, "ingredient_comment": comments}
}

// references are to documents of whoever.
func (w *world) references() object {
	o := object{"text": "a text"}
	if !w.one(3) {
		o["about"] = w.target()
	}
	if w.one(2) {
		o["more"] = []any{w.target(), w.target(), w.target()}
	}
	if w.one(3) {
		o["audioItems"] = pick(w.rng, []any{[]any{}, []any{"a.mp3"}})
		o["webUrl"] = pick(w.rng, []string{"https://example.com/a", "https://example.com/b"})
	}
	return o
}

// target is the DID of some document, or of none.
func (w *world) target() string {
	if all := w.dids(aRecord); len(all) > 0 && !w.one(8) {
		return pick(w.rng, all)
	}
	return pick(w.rng, append(w.dids(anOrganization, aTemplate), "did:arweave:"+strings.Repeat("n", oip.IDLength), "did:gun:"+prefix("anna")+":none"))
}

// restrict adds what says who may read a record.
func (w *world) restrict(data object) {
	control, session := object{}, object{}
	if !w.one(3) {
		control["access_level"] = pick(w.rng, levels)
	}
	for _, name := range []string{"owner_public_key", "created_by"} {
		if w.one(3) {
			control[name] = pick(w.rng, append([]any{"", "nobody", 5}, anys(keys())...))
		}
	}
	if !w.one(3) {
		list := append(w.somebody(2), anys(w.some(w.dids(anOrganization), 2))...)
		switch {
		case w.one(4) && len(list) > 0:
			control["shared_with"] = list[len(list)-1]
		case w.one(12):
			control["shared_with"] = strings.Join(plainKeys, ",")
		default:
			control["shared_with"] = list
		}
	}
	if w.one(6) {
		control["private"] = pick(w.rng, flags)
	}
	if w.one(6) {
		session["is_private"] = pick(w.rng, flags)
	}
	for _, name := range []string{"owner_public_key", "owner_pubkey"} {
		if w.one(8) {
			session[name] = pick(w.rng, keys())
		}
	}
	if len(control) > 0 {
		data["accessControl"] = control
	}
	if len(session) > 0 {
		data["conversationSession"] = session
	}
}

// some are a few of a list.
func (w *world) some(list []string, most int) (chosen []string) {
	for range w.rng.IntN(most + 1) {
		if len(list) > 0 {
			chosen = append(chosen, pick(w.rng, list))
		}
	}
	return chosen
}

// chainRecord publishes on the chain; with an id another version of the transaction, as
// if it had been this one.
func (w *world) chainRecord(id, mark, recordType string, data object) {
	w.Helper()
	signer := w.rng.IntN(len(published().signers))
	list := w.objects(data, w.one(2))
	if w.one(10) { // a template that nobody knows, which may be one that restricts
		list = append(list, oiptest.Object{Template: strings.Repeat("u", oip.IDLength), Values: map[int]any{0: pick(w.rng, []any{true, "a text"})}})
	}
	tx := published().signers[signer].Record(recordType, list...)
	if id != "" {
		tx.ID = id
	}
	height := firstBlock + int64(w.rng.IntN(40))
	if w.one(10) {
		height = 0
	}
	w.put(mark, w.expand(signer, tx, height, false))
}

// gunRecord publishes on GUN: in souls of plain keys and of keys that sign, whose local
// part often looks like somebody else's prefix, and encrypted in each of the two ways.
func (w *world) gunRecord(mark, recordType string, data object) {
	w.Helper()
	key, signer := pick(w.rng, plainKeys), (*oiptest.Signer)(nil)
	if w.one(3) {
		signer = pick(w.rng, published().signers)
		key = signer.Modulus
	}
	other := prefix(pick(w.rng, keys()))
	local := fmt.Sprintf(pick(w.rng, []string{"note%d", other + ":%d", other + "-%d", "x:" + other + ":%d", "%d:" + other + ":"}), w.made)
	if w.one(8) {
		data["accessControl"] = pick(w.rng, []any{"private", []any{}, 3, nil, "public"})
	}
	meta := ""
	switch w.rng.IntN(6) {
	case 0: // the ciphertext is all there is, but for what a hostile peer adds to it
		encrypted := object{"encrypted": mark, "iv": "iv", "tag": "tag"}
		if w.one(2) {
			encrypted["accessControl"] = object{"access_level": "public"}
		}
		data = encrypted
	case 1: // nothing is encrypted, but its publisher says so
		meta = pick(w.rng, []string{`{"encrypted":true,"encryptionType":"per-user"}`, `{"encrypted":"yes"}`})
	case 2:
		meta = `{"encrypted":false}`
	}
	doc := w.soul(key, local, recordType, signer, data, meta)
	w.put(mark, doc)
	if w.one(10) { // the soul alone says whose it is
		did := doc.DID()
		ref := oip.CreatorRef{DIDAddress: text(w.model.facts[did].json, "oip", "creator", "didAddress")}
		patch := oip.Patch{DID: did, Creator: &ref}
		w.write(records.Op{Patch: &patch, Fence: 1})
		changed, err := patch.Apply(doc.JSON())
		if err != nil {
			w.Fatal(err)
		}
		w.learn(did, aRecord, mark, changed)
	}
}

// rewrite publishes another version of a record: what was public may be private then,
// and the other way round.
func (w *world) rewrite() {
	w.Helper()
	all := w.dids(aRecord)
	if len(all) == 0 {
		return
	}
	f := w.model.facts[pick(w.rng, all)]
	id, ok := strings.CutPrefix(f.did, "did:arweave:")
	if !ok || f.mark == "" {
		return
	}
	recordType, data := w.content(f.mark)
	w.note("another version of %s", f.did)
	w.chainRecord(id, f.mark, recordType, data)
}
