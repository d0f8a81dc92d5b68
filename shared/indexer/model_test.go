package indexer

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/oip/rsapss"
)

// model is what the index must be, computed from the chain in the plainest way:
// all of it in memory, every rule applied to the whole. It shares oip.Verify and
// oip.Expand with the pipeline (they have tests of their own), and nothing else.
type model struct {
	docs     map[string]oip.Document
	hidden   map[string]bool
	states   map[string]EntryState // of ids that are not simply indexed
	reasons  map[string]oip.Reason
	pending  []string // not mined any more
	verified map[string]oip.Verified
	removed  map[string]bool // by their owners, from this node
}

type modelKeys map[string]*rsapss.PublicKey

func (k modelKeys) Key(address string) (*rsapss.PublicKey, bool) {
	key, ok := k[address]
	return key, ok
}

func tagOf(tags []oip.Tag, name string) string {
	for _, t := range tags {
		if t.Name == name {
			return t.Value
		}
	}
	return ""
}

// expect computes the model of the world's chain as it is now.
func (w *world) expect() *model {
	m := &model{
		docs: make(map[string]oip.Document), hidden: make(map[string]bool), states: make(map[string]EntryState),
		reasons: make(map[string]oip.Reason), verified: make(map[string]oip.Verified), removed: w.removed,
	}
	var found, elsewhere []oip.Transaction
	for item := range w.chain.Visible() {
		tx := oip.Transaction{ID: item.ID, Tags: item.Tags, Data: item.Data, Height: item.Height}
		switch {
		case item.Height == 0:
			m.pending = append(m.pending, item.ID)
		case item.Height >= worldStart && tagOf(item.Tags, "Ver") == "0.8.0" && tagOf(item.Tags, "Index-Method") == "OIP",
			slices.Contains(w.bootstrap, item.ID):
			found = append(found, tx)
		default:
			elsewhere = append(elsewhere, tx)
		}
	}
	keys := make(modelKeys)
	m.verify(found, keys)
	// What is not found in the windows is looked up when something asks for it,
	// and what was looked up may ask for more.
	for {
		n := len(m.verified)
		m.lookUp(elsewhere, found, keys)
		m.verify(found, keys)
		if len(m.verified) == n {
			break
		}
	}
	m.build()
	return m
}

// verify judges transactions until no more keys become known.
func (m *model) verify(txs []oip.Transaction, keys modelKeys) {
	for n := -1; n != len(keys); {
		n = len(keys)
		for _, tx := range txs {
			if int64(len(tx.Data)) > worldMaxBytes {
				m.reject(tx.ID, oip.ReasonTooLarge)
				continue
			}
			switch out := oip.Verify(tx, keys).(type) {
			case oip.Accepted:
				m.verified[tx.ID] = out.Verified
				delete(m.states, tx.ID)
				if out.Verified.Registration() != nil {
					keys[out.Verified.Creator()] = out.Verified.Key()
				}
			case oip.Rejected:
				m.reject(tx.ID, out.Reason)
			case oip.Waiting:
				m.states[tx.ID] = EntryWaiting
			}
		}
	}
}

func (m *model) reject(id string, r oip.Reason) {
	m.states[id], m.reasons[id] = EntryRejected, r
}

// lookUp finds registrations of unknown creators and templates by id.
func (m *model) lookUp(elsewhere, found []oip.Transaction, keys modelKeys) {
	wanted := make(map[string]bool)
	for _, tx := range found {
		if m.states[tx.ID] == EntryWaiting {
			wanted[tagOf(tx.Tags, "Creator")] = true
		}
	}
	for _, v := range m.verified {
		for _, id := range v.TemplateIDs() {
			wanted[id] = true
		}
	}
	for _, tx := range elsewhere {
		if tagOf(tx.Tags, "RecordType") == oip.TypeRegistration && wanted[tagOf(tx.Tags, "Creator")] || wanted[tx.ID] {
			m.verify([]oip.Transaction{tx}, keys)
			if v, ok := m.verified[tx.ID]; !ok || v.Template() == nil && v.Registration() == nil {
				delete(m.verified, tx.ID)
			}
			delete(m.states, tx.ID)
		}
	}
}

// inOrder are the verified transactions ascending by (height, id).
func (m *model) inOrder() []oip.Verified {
	return slices.SortedFunc(maps.Values(m.verified), func(a, b oip.Verified) int {
		return cmp.Or(cmp.Compare(a.Height(), b.Height()), cmp.Compare(a.ID(), b.ID()))
	})
}

// build makes the documents.
func (m *model) build() {
	all := m.inOrder()
	refs := make(map[string]oip.CreatorRef)
	own := make(map[string]string) // unique handle by transaction
	holders := map[oip.Subject]map[string][]string{oip.SubjectRegistration: {}, oip.SubjectOrganization: {}}
	templates := make(map[string]*oip.Template)
	tombs := make(map[[3]string]bool)
	for _, v := range all {
		if did := oip.DID(v.ID()); m.removed[did] {
			tombs[[3]string{did, v.Creator(), "delete"}] = true
		}
		base := v.OrganizationHandle()
		if v.Registration() != nil {
			base = v.Registration().Handle
		}
		if held := holders[v.Subject()]; held != nil {
			handle, _ := oip.UniqueHandle(base, v.ID(), func(c string) (bool, error) {
				return slices.ContainsFunc(held[c], func(by string) bool { return by != v.Creator() }), nil
			})
			held[handle] = append(held[handle], v.Creator())
			own[v.ID()] = handle
		}
		switch v.Subject() {
		case oip.SubjectRegistration:
			refs[v.Creator()] = oip.CreatorRef{CreatorHandle: own[v.ID()], DIDAddress: oip.DID(v.Creator()),
				DIDTx: oip.DID(v.ID()), PublicKey: v.Registration().Modulus}
		case oip.SubjectTemplate:
			templates[v.ID()] = v.Template()
		case oip.SubjectDeletion:
			verb := "delete"
			if v.Deletion().Template {
				verb = "template"
			}
			tombs[[3]string{v.Deletion().Target, v.Creator(), verb}] = true
		}
	}
	used := make(map[string]bool)
	for _, v := range all {
		m.document(v, refs, own, templates, tombs, used)
	}
	for _, v := range all {
		did := oip.DID(v.ID())
		switch v.Subject() {
		case oip.SubjectTemplate:
			m.hidden[did] = tombs[[3]string{did, v.Creator(), "template"}] && !used[v.ID()]
		case oip.SubjectRegistration:
			m.hidden[did] = tombs[[3]string{did, v.Creator(), "delete"}] || refs[v.Creator()].DIDTx != did
		}
	}
}

// document makes one document, or says why there is none.
func (m *model) document(v oip.Verified, refs map[string]oip.CreatorRef, own map[string]string,
	templates map[string]*oip.Template, tombs map[[3]string]bool, used map[string]bool) {
	did := oip.DID(v.ID())
	plain := v.Subject() == oip.SubjectRecord || v.Subject() == oip.SubjectOrganization
	if plain && tombs[[3]string{did, v.Creator(), "delete"}] {
		m.states[v.ID()] = EntryDeleted
		return
	}
	doc, err := oip.Expand(v, oip.Setting{
		Creator: refs[v.Creator()], OwnHandle: own[v.ID()], IndexedAt: time.Unix(0, 0),
		Templates: func(id string) *oip.Template { return templates[id] },
	})
	if err != nil {
		m.states[v.ID()] = EntryWaiting
		return
	}
	env, err := oip.ParseEnvelope(doc.JSON())
	if err != nil {
		panic(err)
	}
	if len(env.MissingTemplates) > 0 {
		m.states[v.ID()] = EntryPartial
	}
	for _, id := range env.Templates {
		used[id] = true
	}
	m.docs[did] = doc
}

// plain is a document as it is compared: without the time of indexing, numbers exact.
func plain(doc []byte, hidden bool) string {
	var d struct {
		Data json.RawMessage `json:"data"`
		OIP  oip.Envelope    `json:"oip"`
	}
	if err := json.Unmarshal(doc, &d); err != nil {
		return "unreadable: " + err.Error()
	}
	var data map[string]json.RawMessage
	if err := json.Unmarshal(d.Data, &data); err != nil {
		return "unreadable: " + err.Error()
	}
	d.OIP.IndexedAt = ""
	d.OIP.Hidden = d.OIP.Hidden || hidden
	text, err := json.MarshalIndent(struct {
		Data any
		OIP  oip.Envelope
	}{data, d.OIP}, "", " ")
	if err != nil {
		return "unreadable: " + err.Error()
	}
	return string(text)
}
