package guntest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"oipnode/shared/oip/canon"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/upstream"
)

// deep is how many lists in each other a DeepNesting is.
const deep = 20_000

// Thief is the creator in whose name a WrongOwner writes, and the one who says
// what a ForgedDeletion says. None of the records is theirs.
func Thief() *oiptest.Signer { return oiptest.NewSigner("guntest thief", 2048) }

// spoil applies the faults of what a node holds. nil members stand for no node.
func (p *Peer) spoil(d draw, soul string, members []member) []member {
	switch {
	case soul == DeletedIndex:
		return p.dropKeys(d, p.forgeIndex(d, members))
	case strings.HasPrefix(soul, IndexSoul(p.opts.Root, "")):
		return p.dropKeys(d, phantoms(d, soul, members))
	case strings.HasPrefix(soul, deletedPrefix):
		return p.forgeDeletion(d, strings.TrimPrefix(soul, deletedPrefix), members)
	case ofRecord(soul):
		return p.spoilRecord(d, soul, members)
	}
	return members
}

// dropKeys leaves out about a fifth of an index.
func (p *Peer) dropKeys(d draw, members []member) []member {
	if len(members) == 0 || !d.hits(PartialIndex) {
		return members
	}
	return slices.DeleteFunc(members, func(m member) bool { return m.key != "_" && d.drops(m.key) })
}

// drops decides about one key of a PartialIndex.
func (d draw) drops(key string) bool {
	return upstream.Scatter(d.Roll(int(PartialIndex), d.Identity(), d.Attempt()+1)^upstream.Hash(key))%5 == 0
}

// phantoms adds souls that do not exist to an index.
func phantoms(d draw, soul string, members []member) []member {
	if !d.hits(Phantoms) {
		return members
	}
	for i := range 1 + d.pick(Phantoms, 20) {
		key, text, _ := strings.Cut(string(phantom(d.Identity()^d.Attempt(), i, soul)), ":{")
		members = append(members, member{key: strings.Trim(key, `"`), text: "{" + text})
	}
	return members
}

// phantom is a member of an index whose soul does not exist, as JSON.
func phantom(seed uint64, i int, index string) []byte {
	h := upstream.Scatter(seed^upstream.Hash(index)) + uint64(i)
	soul := Soul(fmt.Sprintf("phantom %d", h), fmt.Sprintf("phantom-%d", i))
	return fmt.Appendf(nil, `"%s":{"soul":"%s","nodeId":"phantom-node","timestamp":%d}`, soul, soul, int64(firstAt))
}

// forgeIndex lists records as deleted that are not.
func (p *Peer) forgeIndex(d draw, members []member) []member {
	if !d.hits(ForgedDeletion) {
		return members
	}
	p.mu.RLock()
	souls := slices.Sorted(maps.Keys(p.facts))
	p.mu.RUnlock()
	if len(souls) == 0 {
		return members
	}
	for i := range min(5, len(souls)) {
		did := DID(souls[(d.pick(ForgedDeletion, len(souls))+i)%len(souls)])
		if !slices.ContainsFunc(members, func(m member) bool { return m.key == did }) {
			members = append(members, member{key: did, text: "true"})
		}
	}
	return members
}

// forgeDeletion is the detail of a deletion that a thief made up.
func (p *Peer) forgeDeletion(d draw, did string, members []member) []member {
	if members != nil || !d.hits(ForgedDeletion) {
		return members
	}
	forged := Deletion{DID: did, By: Thief().Modulus, At: firstAt}
	return build(Put{did, forged.node()})[did].members
}

// spoilRecord applies the faults of a record, or of a part of one.
func (p *Peer) spoilRecord(d draw, soul string, members []member) []member {
	data := slices.IndexFunc(members, func(m member) bool { return m.key == "data" && m.child == "" })
	envelope := slices.IndexFunc(members, func(m member) bool { return m.key == "oip" })
	if data >= 0 && envelope >= 0 {
		// The same value in the form that the relay answers, text or object.
		again := func(old string, content []byte) string {
			if strings.HasPrefix(old, `"`) {
				return quote(string(content))
			}
			return string(content)
		}
		switch {
		case d.hits(Forged):
			content := unquoted(members[data].text)
			if rest, ok := strings.CutPrefix(content, "{"); ok {
				changed := canon.Append(nil, parse(`{"forged":{"attempt":`+fmt.Sprint(d.Attempt())+`},`+rest))
				members[data].text = again(members[data].text, changed)
			}
		case d.hits(WrongOwner):
			theft := Record{Signer: Thief(), Soul: soul, Type: "post", Data: `{"basic":{"name":"stolen"}}`}
			content := theft.content()
			members[data].text = again(members[data].text, content)
			members[envelope].text = again(members[envelope].text, theft.oip(content))
		}
	}
	if n := len(members); n > 0 && d.hits(PartialRecord) {
		members = slices.Delete(members, d.pick(PartialRecord, n), d.pick(PartialRecord, n)+1)
	}
	return members
}

// unquoted is the text in a JSON string, or the JSON of another value.
func unquoted(text string) string {
	if v := parse(text); v.Kind() == canon.String {
		return v.Text()
	}
	return text
}

// encode writes a node, or what the draw makes of its form.
func (d draw) encode(members []member) []byte {
	if d.hits(DuplicateKeys) {
		nonsense := make([]member, 0, 2*len(members))
		for _, m := range members {
			nonsense = append(nonsense, member{key: m.key, text: `"duplicate"`})
		}
		members = append(nonsense, members...)
	}
	if d.hits(DeepNesting) {
		nested := member{key: "deep", text: strings.Repeat("[", deep) + strings.Repeat("]", deep)}
		members = slices.Insert(slices.Clone(members), 0, nested)
	}
	switch text := appendNode(nil, members); {
	case d.hits(NodeAsText):
		return []byte(quote(string(text)))
	case d.hits(NodeAsList):
		list := []byte{'['}
		for i, m := range members {
			if i > 0 {
				list = append(list, ',')
			}
			list = append(list, m.text...)
		}
		return append(list, ']')
	default:
		return text
	}
}
