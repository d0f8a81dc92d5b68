package oip

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"oipnode/shared/oip/canon"
	"oipnode/shared/oip/rsapss"
)

// Bounds of what VerifyGun reads.
const (
	// MaxSoulBytes is the most bytes that a GUN record and what it links to may have.
	MaxSoulBytes = 10 << 20
	// maxGunDepth is how deep the data of a GUN record may be nested, arrays that
	// stand in it as text included. It leaves room for what is around the data in
	// a document.
	maxGunDepth = canon.MaxDepth - 4
	// maxGunText is the longest key, signature or name in an envelope.
	maxGunText = 4096
)

// GunRecord is a GUN record as a peer answered it; nothing of it is trusted.
type GunRecord struct {
	Soul string
	// Node is the JSON object that the peer holds under the soul.
	Node []byte
	// Linked are the nodes that Node links to, by soul, as far as they are read.
	Linked map[string][]byte
}

// gunPart is what a Verified holds of a GUN record.
type gunPart struct {
	soul       string
	trust      Trust
	encrypted  bool
	encryption *Encryption
	restrict   bool            // its access rule cannot be read whole
	data       json.RawMessage // converted
	creator    CreatorRef      // key and address, as published
}

// VerifyGun is the door for GUN records, as Verify is that for transactions: it
// checks the soul, the structure, that the soul's prefix is the hash of the
// creator's own key, and the signature, and never skips any (spec gun section 3).
// What the signature shows is Verified.Trust; anything else that does not hold is
// Rejected.
//
// It is Waiting, NeedData, for a soul that Node links to and Linked does not hold,
// and for the record's own soul or a linked one of which a needed key is missing: an
// answer may be partial, so asking again can help. Links are followed for meta and
// for the data of an encrypted record only, and never from there.
func VerifyGun(r GunRecord) Outcome {
	v, err := verifyGun(r)
	if err == nil {
		return Accepted{v}
	}
	var w *gunWait
	if errors.As(err, &w) {
		return Waiting{Dependency{NeedData, w.soul}}
	}
	return rejected(err)
}

// gunWait is the error for a soul that must be read first, or again.
type gunWait struct{ soul string }

func (w *gunWait) Error() string { return "the soul is not read yet" }

func verifyGun(r GunRecord) (Verified, error) {
	if !ValidSoul(r.Soul) {
		return Verified{}, fault(ReasonID, "the soul is not 12 hex digits, a colon and a local id that a DID can hold")
	}
	size := len(r.Node)
	for _, node := range r.Linked {
		size += len(node)
	}
	if size > MaxSoulBytes {
		return Verified{}, fault(ReasonTooLarge, "%d bytes, at most %d are allowed", size, MaxSoulBytes)
	}
	node, err := parseObject(r.Node, "the soul")
	if err != nil {
		return Verified{}, err
	}
	g := &gunPart{soul: r.Soul, trust: TrustUnverified}
	v := Verified{gun: g, subject: SubjectRecord}
	envelope, err := member(node, "oip", r.Soul)
	if err != nil {
		return Verified{}, err
	}
	if err := v.gunEnvelope(envelope); err != nil {
		return Verified{}, err
	}
	if err := g.readMeta(node, r.Linked); err != nil {
		return Verified{}, err
	}
	data, err := g.readData(node, r)
	if err != nil {
		return Verified{}, err
	}
	if err := g.convert(data); err != nil {
		return Verified{}, err
	}
	v.key, err = g.ownKey()
	if err != nil {
		return Verified{}, err
	}
	if v.key != nil && v.signedGun(data) {
		g.trust = TrustVerified
	}
	return v, nil
}

// parseObject parses what must be one JSON object.
func parseObject(text []byte, what string) (canon.Value, error) {
	v, err := canon.Parse(text)
	if err != nil {
		return canon.Value{}, fault(ReasonJSON, "%s: %v", what, err)
	}
	if v.Kind() != canon.Object {
		return canon.Value{}, fault(ReasonStructure, "%s is not an object", what)
	}
	return v, nil
}

// member is an object that a node holds, as an object or as the text of one. One
// that is missing may be there in the next answer; null was put there by somebody.
func member(node canon.Value, name, soul string) (canon.Value, error) {
	v, ok := node.Get(name)
	if !ok {
		return canon.Value{}, &gunWait{soul}
	}
	return object(v, name)
}

func object(v canon.Value, name string) (canon.Value, error) {
	switch v.Kind() {
	case canon.String:
		return parseObject([]byte(v.Text()), name)
	case canon.Object:
		return v, nil
	}
	return canon.Value{}, fault(ReasonStructure, "%s is neither an object nor the text of one", name)
}

// link is the soul that a value links to: {"#":"<soul>"} and nothing else.
func link(v canon.Value) (soul string, ok bool) {
	n := 0
	for key, m := range v.Members() {
		n++
		if key == "#" && m.Kind() == canon.String {
			soul, ok = m.Text(), true
		}
	}
	return soul, ok && n == 1
}

// gunEnvelope reads the peer's oip object: what of it is the publisher's to say.
func (v *Verified) gunEnvelope(o canon.Value) error {
	texts := make(map[string]string)
	creator := canon.Value{}
	for key, m := range o.Members() {
		switch key {
		case "ver", "recordType", "signature", "creator_publicKey", "creator_didAddress":
			texts[key] = m.Text()
		case "creator":
			creator = m
		}
	}
	key, address := texts["creator_publicKey"], texts["creator_didAddress"]
	switch creator.Kind() {
	case canon.Invalid, canon.Null:
	default:
		nested, err := object(creator, "oip.creator")
		if err != nil {
			return err
		}
		for name, m := range nested.Members() {
			switch name {
			case "publicKey":
				key = m.Text()
			case "didAddress":
				address = m.Text()
			}
		}
	}
	for _, text := range []string{texts["ver"], texts["recordType"], texts["signature"], key, address} {
		if len(text) > maxGunText || !utf8.ValidString(text) {
			return fault(ReasonStructure, "a text of oip is over %d bytes or not Unicode", maxGunText)
		}
	}
	v.head = head{name: texts["recordType"], ver: texts["ver"], sigText: restorePlus(texts["signature"])}
	v.gun.creator = CreatorRef{DIDAddress: address, PublicKey: key}
	switch {
	case v.head.ver != "0.8" && !strings.HasPrefix(v.head.ver, "0.8."):
		return fault(ReasonVersion, "oip.ver does not begin with 0.8")
	case v.head.name == "" || len(v.head.name) > MaxTypeName:
		return fault(ReasonStructure, "oip.recordType must have 1 to %d bytes", MaxTypeName)
	case key == "" || address == "":
		return fault(ReasonStructure, "oip.creator has no publicKey or no didAddress")
	case !ValidDID(address):
		return fault(ReasonStructure, "oip.creator.didAddress is not a DID")
	}
	return nil
}

// readMeta reads what meta says of encryption. It fails closed: a flag that is not
// understood is set.
func (g *gunPart) readMeta(node canon.Value, linked map[string][]byte) error {
	meta, ok := node.Get("meta")
	if !ok || meta.Kind() == canon.Null {
		return nil
	}
	meta, err := object(meta, "meta")
	if err != nil {
		return err
	}
	if soul, ok := link(meta); ok {
		text, read := linked[soul]
		if !read {
			return &gunWait{soul}
		}
		if meta, err = parseObject(text, "meta"); err != nil {
			return err
		}
	}
	e := Encryption{}
	for key, m := range meta.Members() {
		switch key {
		case "encrypted":
			g.encrypted = !denied(m)
		case "encryptionType":
			e.Type = short(m)
		case "encryptedBy":
			e.By = short(m)
		case "encryptedForOrganization":
			e.ForOrganization = short(m)
		}
	}
	if e != (Encryption{}) {
		g.encryption = &e
	}
	return nil
}

// denied reports whether a flag says no; whatever else it says is a yes.
func denied(v canon.Value) bool {
	switch v.Kind() {
	case canon.Null:
		return true
	case canon.Bool:
		set, _ := v.Bool()
		return !set
	case canon.Number:
		return string(v.Raw()) == "0"
	case canon.String:
		text := strings.ToLower(v.Text())
		return text == "" || text == "false" || text == "0"
	}
	return false
}

// short is a text of the bounds of an envelope, and nothing for any other value.
func short(v canon.Value) string {
	text := v.Text()
	if len(text) > maxGunText || !utf8.ValidString(text) {
		return ""
	}
	return text
}

// readData finds the data: an object, the text of one, or a link to an encrypted one.
func (g *gunPart) readData(node canon.Value, r GunRecord) (canon.Value, error) {
	data, err := member(node, "data", r.Soul)
	if err != nil {
		return canon.Value{}, err
	}
	soul, isLink := link(data)
	if isLink {
		text, read := r.Linked[soul]
		if !read {
			return canon.Value{}, &gunWait{soul}
		}
		if data, err = parseObject(text, "data"); err != nil {
			return canon.Value{}, err
		}
	}
	parts := 0
	for _, name := range []string{"encrypted", "iv", "tag"} {
		if _, ok := data.Get(name); ok {
			parts++
		}
	}
	switch {
	case parts == 3:
		g.encrypted = true
	case isLink && (parts > 0 || g.encrypted):
		return canon.Value{}, &gunWait{soul}
	case isLink:
		return canon.Value{}, fault(ReasonStructure, "data is a link to what is not encrypted")
	}
	if !g.encrypted {
		g.encryption = nil
	}
	return data, nil
}

// ownKey checks that the soul belongs to the creator's key. The key is nil when it
// is no RSA modulus, with which nothing can be verified.
func (g *gunPart) ownKey() (*rsapss.PublicKey, error) {
	if SoulPrefix(g.creator.PublicKey) != g.soul[:SoulPrefixLength] {
		return nil, fault(ReasonOwner, "the soul's prefix is not the hash of the creator's key")
	}
	key, err := rsapss.ParseModulus(g.creator.PublicKey)
	if err != nil {
		return nil, nil //nolint:nilerr // another kind of key
	}
	if DID(key.Address()) != g.creator.DIDAddress {
		return nil, fault(ReasonKey, "oip.creator.didAddress is not the address of the creator's key")
	}
	return key, nil
}

// signedGun reports whether the signature is over the data: as it was delivered, or
// as it will be stored, or between the two. Publishers sign before GUN or a relay has
// put its own keys in and turned arrays into text.
func (v *Verified) signedGun(data canon.Value) bool {
	sig, err := decodeSignature(v.head.sigText)
	if err != nil || len(sig) == 0 {
		return false
	}
	delivered := canon.Append(nil, data)
	if v.key.Verify(sig, delivered) == nil {
		return true
	}
	var tried = string(delivered)
	for _, arrays := range []bool{false, true} {
		c := conversion{arrays: arrays}
		other, err := canon.Parse(c.value(nil, data, 1))
		if err != nil {
			return false
		}
		text := string(canon.Append(nil, other))
		if text != tried && v.key.Verify(sig, []byte(text)) == nil {
			return true
		}
		tried = text
	}
	return false
}

// encodeHash writes the first half of a SHA-256 in base64url, as GunOrigin has it.
func encodeHash(sum [32]byte) string { return base64.RawURLEncoding.EncodeToString(sum[:16]) }
