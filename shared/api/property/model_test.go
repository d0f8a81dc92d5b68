package property

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
)

// The model says what an answer must be in the plainest way: it holds every document as
// decoded JSON, asks of each whether the caller may read it, and filters, sorts and cuts
// what is left. It is written from the contract (spec records-api, section 3 above all)
// and shares no code with the node: neither the rule of access nor the projection that
// the stores index by.

// object is a JSON object; numbers are json.Number.
type object = map[string]any

// kinds of document, as the lists of the API have them.
const (
	aRecord        = "record"
	aTemplate      = "template"
	aCreator       = "creator"
	anOrganization = "organization"
)

// fact is a document that the node has been given.
type fact struct {
	did  string
	kind string
	json object
	// mark is a text that is in this document and nowhere else; empty for what
	// everybody may read anyway.
	mark string
}

// at follows a path of names into a value; nil where there is nothing.
func at(v any, path ...string) any {
	for _, name := range path {
		o, _ := v.(object)
		v = o[name]
	}
	return v
}

// text is the text at a path, empty when there is none.
func text(v any, path ...string) string {
	s, _ := at(v, path...).(string)
	return s
}

// texts are the texts of a list, or the one text in its place.
func texts(v any) (list []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, element := range v {
			if s, ok := element.(string); ok {
				list = append(list, s)
			}
		}
	}
	return list
}

// number is the whole number at a path.
func number(v any, path ...string) (int64, bool) {
	n, ok := at(v, path...).(json.Number)
	if !ok {
		return 0, false
	}
	i, err := n.Int64()
	return i, err == nil
}

// set reports whether a flag is set: everything is a yes but the ways of saying no.
func set(flag any) bool {
	switch flag {
	case nil, false, "", "false", "0", json.Number("0"):
		return false
	}
	return true
}

// caller is somebody who asks, as the contract sees it: who holds no valid token is
// nobody.
type caller struct {
	name string
	// authorization is the header that is sent.
	authorization string
	known         bool
	userID        string
	email         string
	key           string
	admin         bool
}

// publicKey is the key by which a caller owns and reads; a text with a colon in it is
// a DID or part of a soul, and no key.
func (c *caller) publicKey() string {
	if !c.known || strings.Contains(c.key, ":") {
		return ""
	}
	return c.key
}

// prefix is what the souls of a key begin with, up to the colon.
func prefix(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])[:12]
}

// model is all that the node knows.
type model struct {
	facts map[string]*fact
	// domain and wallet are the server's: whose e-mail is of the domain owns what the
	// wallet signed.
	domain, wallet string
}

// level is the access level of a document.
func level(f *fact) string {
	data, envelope := f.json["data"], f.json["oip"]
	if set(at(envelope, "encrypted")) || at(data, "encrypted") != nil && at(data, "iv") != nil && at(data, "tag") != nil {
		return "encrypted"
	}
	if set(at(envelope, "mayRestrict")) { // the part that would say so is not known yet
		return "private"
	}
	control, session := at(data, "accessControl"), at(data, "conversationSession")
	for _, part := range []any{control, session} {
		if _, isObject := part.(object); part != nil && !isObject {
			return "private"
		}
	}
	rule, _ := control.(object)
	named, there := rule["access_level"]
	if !there {
		named = "public"
	}
	switch code, _ := named.(string); strings.TrimSuffix(strings.ToLower(code), " access") {
	case "shared":
		return "shared"
	case "organization":
		return "organization"
	case "public":
		if !set(at(control, "private")) && !set(at(session, "is_private")) {
			return "public"
		}
	}
	return "private"
}

// owns reports whether a document is the caller's own.
func (m *model) owns(c *caller, f *fact) bool {
	if !c.known || set(at(f.json, "oip", "hidden")) {
		return false
	}
	if user, domain, ok := strings.Cut(c.email, "@"); ok && user != "" && domain == m.domain && text(f.json, "oip", "creator", "didAddress") == m.wallet {
		return true
	}
	key := c.publicKey()
	if key == "" {
		return false
	}
	for _, path := range [][]string{
		{"data", "accessControl", "owner_public_key"}, {"data", "accessControl", "created_by"},
		{"data", "conversationSession", "owner_public_key"}, {"data", "conversationSession", "owner_pubkey"},
		{"oip", "creator", "publicKey"},
	} {
		if text(f.json, path...) == key {
			return true
		}
	}
	return strings.HasPrefix(f.did, "did:gun:"+prefix(key)+":")
}

// belongs reports whether the caller is a member of an organization.
func (m *model) belongs(c *caller, did string) bool {
	f := m.facts[did]
	if !c.known || f == nil || f.kind != anOrganization || set(at(f.json, "oip", "hidden")) {
		return false
	}
	switch text(f.json, "data", "membershipPolicy") {
	case "open-join", "Open Join", "app-user-auto", "Auto-Enroll App Users":
		return true
	}
	key := c.publicKey()
	return key != "" && slices.Contains(texts(at(f.json, "data", "adminPublicKeys")), key)
}

// reads reports whether the caller may read a document.
func (m *model) reads(c *caller, f *fact) bool {
	if set(at(f.json, "oip", "hidden")) {
		return false
	}
	named := level(f)
	if named == "public" || m.owns(c, f) {
		return true
	}
	readers := texts(at(f.json, "data", "accessControl", "shared_with"))
	switch named {
	case "shared":
		return c.publicKey() != "" && slices.Contains(readers, c.publicKey())
	case "organization":
		return slices.ContainsFunc(readers, func(did string) bool { return m.belongs(c, did) })
	}
	return false
}

// view is the same text for two callers only if they may read the same whatever the
// documents are.
func (m *model) view(c *caller) string {
	var all []string
	for did := range m.facts {
		if m.belongs(c, did) {
			all = append(all, did)
		}
	}
	slices.Sort(all)
	ofHouse := ""
	if user, domain, ok := strings.Cut(c.email, "@"); c.known && ok && user != "" && domain == m.domain {
		ofHouse = "house"
	}
	return strings.Join(append(all, c.publicKey(), ofHouse), "\x00")
}

// sight is what one caller may read.
type sight struct {
	*model
	*caller
	facts []*fact
	byDID map[string]*fact
}

// seen is the sight of a caller of one kind of document, in the order of their DIDs.
func (m *model) seen(c *caller, kind string) *sight {
	s := &sight{model: m, caller: c, byDID: make(map[string]*fact)}
	for _, f := range m.facts {
		if f.kind == kind && m.reads(c, f) {
			s.facts = append(s.facts, f)
			s.byDID[f.did] = f
		}
	}
	slices.SortFunc(s.facts, func(a, b *fact) int { return cmp.Compare(a.did, b.did) })
	return s
}

// latest is the greatest height of some documents, 0 without any.
func latest(facts []*fact) (height int64) {
	for _, f := range facts {
		if n, ok := number(f.json, "oip", "inArweaveBlock"); ok {
			height = max(height, n)
		}
	}
	return height
}

// field is a value to sort by; documents without one come last in both directions.
type field func(f *fact) (value any, ok bool)

// order compares two documents by a field and then by their DIDs.
func order(by field, desc bool) func(a, b *fact) int {
	return func(a, b *fact) int {
		x, hasX := by(a)
		y, hasY := by(b)
		c := 0
		switch {
		case hasX != hasY && hasX:
			return -1
		case hasX != hasY:
			return 1
		case hasX:
			if c = compare(x, y); desc {
				c = -c
			}
		}
		return cmp.Or(c, cmp.Compare(a.did, b.did))
	}
}

func compare(a, b any) int {
	if n, ok := a.(int64); ok {
		return cmp.Compare(n, b.(int64))
	}
	return cmp.Compare(a.(string), b.(string))
}

// numeric and textual make fields of what is at a path.
func numeric(path ...string) field {
	return func(f *fact) (any, bool) { n, ok := number(f.json, path...); return n, ok }
}

func textual(path ...string) field {
	return func(f *fact) (any, bool) { s := text(f.json, path...); return s, s != "" }
}

func folded(path ...string) field {
	return func(f *fact) (any, bool) { s := text(f.json, path...); return strings.ToLower(s), s != "" }
}

// newest is the order that holds where none is asked for.
var newest = order(numeric("oip", "inArweaveBlock"), true)

// clone is a deep copy of decoded JSON.
func clone(v any) any {
	switch v := v.(type) {
	case object:
		o := make(object, len(v))
		for name, value := range v {
			o[name] = clone(value)
		}
		return o
	case []any:
		list := make([]any, len(v))
		for i, value := range v {
			list[i] = clone(value)
		}
		return list
	}
	return v
}

// withoutNulls is a value without the nulls in its objects and lists.
func withoutNulls(v any) any {
	switch v := v.(type) {
	case object:
		o := make(object, len(v))
		for name, value := range v {
			if value != nil {
				o[name] = withoutNulls(value)
			}
		}
		return o
	case []any:
		list := []any{}
		for _, value := range v {
			if value != nil {
				list = append(list, withoutNulls(value))
			}
		}
		return list
	}
	return v
}
