package sample_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"oipnode/infra/sample"
	"oipnode/shared/gatewaysim"
	"oipnode/shared/oip"
	"oipnode/shared/oip/rsapss"
)

// keys are those of all registrations on the chain.
type keys map[string]*rsapss.PublicKey

func (k keys) Key(address string) (*rsapss.PublicKey, bool) {
	key, ok := k[address]
	return key, ok
}

// judged is the whole chain, verified.
type judged struct {
	items     []gatewaysim.Item
	manifest  sample.Manifest
	keys      keys
	accepted  map[string]oip.Verified
	rejected  map[string]oip.Rejected
	templates map[string]*oip.Template
}

func judge(t *testing.T) judged {
	t.Helper()
	chain, err := sample.Load()
	if err != nil {
		t.Fatal(err)
	}
	j := judged{
		items: slices.Collect(chain.All()), keys: keys{}, accepted: map[string]oip.Verified{},
		rejected: map[string]oip.Rejected{}, templates: map[string]*oip.Template{},
	}
	if j.manifest, err = sample.ReadManifest(); err != nil {
		t.Fatal(err)
	}
	// Twice: the second time all keys are known.
	for range 2 {
		for _, it := range j.items {
			if _, done := j.accepted[it.ID]; done {
				continue
			}
			switch out := oip.Verify(oip.Transaction{ID: it.ID, Tags: it.Tags, Data: it.Data, Height: it.Height}, j.keys).(type) {
			case oip.Accepted:
				v := out.Verified
				j.accepted[it.ID] = v
				switch v.Subject() {
				case oip.SubjectRegistration:
					j.keys[v.Creator()] = v.Key()
				case oip.SubjectTemplate:
					j.templates[it.ID] = v.Template()
				}
			case oip.Rejected:
				j.rejected[it.ID] = out
			}
		}
	}
	return j
}

func TestEverythingVerifiesButTheTwoLies(t *testing.T) {
	j := judge(t)
	if got, want := len(j.accepted), len(j.items)-2; got != want {
		t.Errorf("%d of %d transactions accepted, want %d", got, len(j.items), want)
	}
	got := slices.Sorted(maps.Keys(j.rejected))
	if want := []string{j.manifest.Forged, j.manifest.Tampered}; !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		t.Errorf("rejected %v, want %v", j.rejected, want)
	}
	for id, r := range j.rejected {
		if r.Reason != oip.ReasonSignature {
			t.Errorf("%s: rejected as %s: %s", id, r.Reason, r.Detail)
		}
	}
}

func TestKeys(t *testing.T) {
	j := judge(t)
	if len(j.keys) != 5 {
		t.Errorf("%d creators, want 5", len(j.keys))
	}
	for address, key := range j.keys {
		if key.Bits() != 4096 {
			t.Errorf("the key of %s has %d bits", address, key.Bits())
		}
	}
}

// Every record expands completely: templates there, fields known, no warnings.
func TestEverythingExpands(t *testing.T) {
	j := judge(t)
	counts := map[string]int{}
	for id, v := range j.accepted {
		doc, err := oip.Expand(v, oip.Setting{
			OwnHandle: "handle1",
			Templates: func(id string) *oip.Template { return j.templates[id] },
			IndexedAt: time.Unix(1_750_000_000, 0),
		})
		if err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		env, err := oip.ParseEnvelope(doc.JSON())
		if err != nil {
			t.Fatal(err)
		}
		// The network's own template of conversations names its lists in another way.
		if v.Subject() == oip.SubjectTemplate && v.Template().Name == "conversationSession" {
			env.Warnings = nil
		}
		if len(env.MissingTemplates)+env.UnknownFields+len(env.Warnings) > 0 {
			t.Errorf("%s: missing %v, %d unknown fields, warnings %v", id, env.MissingTemplates, env.UnknownFields, env.Warnings)
		}
		if doc.Kind() == oip.KindTemplate {
			env.RecordType = "template"
		}
		counts[env.RecordType]++
	}
	for recordType, least := range map[string]int{
		"template": 17, "creatorRegistration": 5, "organization": 1, "post": 60, "image": 28, "audio": 12, "text": 8,
		"nutritionalInfo": 60, "recipe": 28, "exercise": 28, "workout": 12, "workoutSchedule": 10, "mealPlan": 7,
		"modelProvider": 3, "equipment": 6, "conversationSession": 1, "delete": 2,
	} {
		if counts[recordType] < least {
			t.Errorf("%d of type %s, want at least %d", counts[recordType], recordType, least)
		}
		delete(counts, recordType)
	}
	if len(counts) > 0 {
		t.Errorf("types that nobody promised: %v", counts)
	}
}

// References lead to something: a record of the chain, or a creator.
func TestReferences(t *testing.T) {
	j := judge(t)
	n := 0
	for _, it := range j.items {
		for _, word := range strings.Split(string(it.Data), `"`) {
			id, ok := oip.TxID(word)
			if !ok {
				continue
			}
			n++
			if _, known := j.accepted[id]; !known {
				t.Fatalf("%s refers to %s, which is not there", it.ID, word)
			}
		}
	}
	if n < 350 {
		t.Errorf("only %d references", n)
	}
}

func TestHeights(t *testing.T) {
	j := judge(t)
	for _, it := range j.items {
		if it.ID == j.manifest.Bootstrap {
			if it.Height >= sample.FirstHeight {
				t.Errorf("the first creator registered at %d, inside of the range", it.Height)
			}
			continue
		}
		if it.Height < sample.FirstHeight || it.Height > sample.Tip {
			t.Errorf("%s at height %d", it.ID, it.Height)
		}
		if late := slices.Contains(j.manifest.Late, it.ID); late != (it.VisibleAt == 1) || late && (!it.Bundled || it.Height < sample.Tip-18) {
			t.Errorf("%s: late %v, visible from step %d, bundled %v, height %d", it.ID, late, it.VisibleAt, it.Bundled, it.Height)
		}
	}
}

func TestManifest(t *testing.T) {
	j := judge(t)
	m := j.manifest
	if v := j.accepted[m.Late[0]]; v.Subject() != oip.SubjectRegistration || v.Creator() != j.accepted[m.Waits].Creator() {
		t.Error("the late bundle does not begin with the registration that is waited for")
	}
	for _, d := range []struct {
		message, target string
		effect          oip.Effect
	}{{m.Deletion, m.Deleted, oip.EffectRemove}, {m.NoAuthority, m.Kept, oip.EffectNone}} {
		v, target := j.accepted[d.message], j.accepted[d.target]
		if v.Deletion() == nil {
			t.Fatalf("%s is no delete message", d.message)
		}
		env := oip.Envelope{DID: oip.DID(target.ID()), Creator: oip.CreatorRef{DIDAddress: oip.DID(target.Creator())}}
		if got := v.Deletion().EffectOn(v.Creator(), env, oip.KindRecord); got != d.effect {
			t.Errorf("the effect of %s on %s is %v, want %v", d.message, d.target, got, d.effect)
		}
	}
	if a, b := j.templates[m.Templates[0]], j.templates[m.Templates[1]]; a == nil || b == nil || a.Name != b.Name || len(a.Fields) >= len(b.Fields) {
		t.Errorf("the two templates of one name: %+v, %+v", a, b)
	}
	for name, want := range map[string]struct {
		ids  []string
		text string
	}{
		"private": {m.Private, "Private Access"}, "shared": {m.Shared, "Shared Access"}, "members": {m.Members, "Organization Access"},
	} {
		for _, id := range want.ids {
			if text := document(t, j, id); !strings.Contains(text, want.text) && !strings.Contains(text, `"is_private":true`) {
				t.Errorf("%s record %s: %s", name, id, text)
			}
		}
		if len(want.ids) == 0 {
			t.Errorf("no %s records", name)
		}
	}
}

func document(t *testing.T, j judged, id string) string {
	t.Helper()
	doc, err := oip.Expand(j.accepted[id], oip.Setting{Templates: func(id string) *oip.Template { return j.templates[id] }})
	if err != nil {
		t.Fatal(err)
	}
	return string(doc.JSON())
}

// A recipe can be summed up: its ingredients have values per a weight or a volume.
func TestRecipes(t *testing.T) {
	j := judge(t)
	optional, comments := 0, 0
	for id := range j.accepted {
		var d struct {
			Data struct {
				Recipe *struct {
					Servings   int       `json:"servings"`
					Ingredient []string  `json:"ingredient"`
					Amount     []float64 `json:"ingredient_amount"`
					Unit       []string  `json:"ingredient_unit"`
					Comment    []string  `json:"ingredient_comment"`
				} `json:"recipe"`
			} `json:"data"`
		}
		if j.accepted[id].Subject() != oip.SubjectRecord {
			continue
		}
		if err := json.Unmarshal([]byte(document(t, j, id)), &d); err != nil {
			t.Fatal(err)
		}
		r := d.Data.Recipe
		if r == nil {
			continue
		}
		n := len(r.Ingredient)
		if r.Servings < 1 || n < 4 || len(r.Amount) != n || len(r.Unit) != n || len(r.Comment) != n {
			t.Errorf("recipe %s: %+v", id, *r)
		}
		for _, c := range r.Comment {
			if strings.Contains(c, "to taste") || strings.Contains(c, "optional") {
				optional++
			} else if c != "" {
				comments++
			}
		}
	}
	if optional < 10 || comments < 50 {
		t.Errorf("%d optional ingredients and %d other comments", optional, comments)
	}
}

func TestDigest(t *testing.T) {
	if d := sample.Digest(); len(d) != 16 || d != sample.Digest() {
		t.Errorf("digest %q", d)
	}
}
