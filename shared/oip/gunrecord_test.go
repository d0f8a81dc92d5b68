package oip_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/oip/canon"
	"oipnode/shared/oip/oiptest"
)

var gunSigner = oiptest.NewSigner("gun", 2048)

// gunSoul is a soul of the signer.
func gunSoul(key string) string { return oip.SoulPrefix(key) + ":local" }

// sign is the signature over J(data).
func sign(data string) string {
	v, err := canon.Parse([]byte(data))
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(gunSigner.Sign(canon.Append(nil, v)))
}

// quoteText is a text as a JSON string.
func quoteText(s string) string { return string(canon.AppendString(nil, s)) }

// gunOIP is the envelope of a record of the signer.
func gunOIP(data string) string {
	return fmt.Sprintf(`{"ver":"0.8.0","recordType":"post","signature":%q,"creator":{"publicKey":%q,"didAddress":%q}}`,
		sign(data), gunSigner.Modulus, oip.DID(gunSigner.Address))
}

// node is a record as GUN holds it.
func node(data, envelope, more string) string {
	return `{"_":{"#":"x",">":{"data":1}},"data":` + quoteText(data) + `,"oip":` + quoteText(envelope) + more + `}`
}

func verifyNode(text string) oip.Outcome {
	return oip.VerifyGun(oip.GunRecord{Soul: gunSoul(gunSigner.Modulus), Node: []byte(text)})
}

// accept verifies and expands.
func accept(t *testing.T, out oip.Outcome) (oip.Verified, oip.Envelope, string) {
	t.Helper()
	accepted, ok := out.(oip.Accepted)
	if !ok {
		t.Fatalf("%#v, want Accepted", out)
	}
	doc, err := oip.Expand(accepted.Verified, oip.Setting{IndexedAt: time.Unix(1700000000, 0), Gun: oip.GunOrigin{Source: "peer", Timestamp: 5}})
	if err != nil || !doc.Valid() {
		t.Fatalf("expand: %v", err)
	}
	env, err := oip.ParseEnvelope(doc.JSON())
	if err != nil {
		t.Fatal(err)
	}
	if doc.Kind() != oip.KindRecord || doc.DID() != env.DID || !json.Valid(doc.JSON()) {
		t.Errorf("document %s of kind %s: %s", doc.DID(), doc.Kind(), doc.JSON())
	}
	var whole struct{ Data json.RawMessage }
	if err := json.Unmarshal(doc.JSON(), &whole); err != nil {
		t.Fatal(err)
	}
	return accepted.Verified, env, string(whole.Data)
}

func TestGunRecord(t *testing.T) {
	const data = `{"basic":{"name":"x","date":1},"post":{"big":9007199254740993,"f":1.0}}`
	v, env, got := accept(t, verifyNode(node(data, gunOIP(data), "")))
	if got != data {
		t.Errorf("data %s", got)
	}
	did := "did:gun:" + gunSoul(gunSigner.Modulus)
	if v.Trust() != oip.TrustVerified || v.Soul() != gunSoul(gunSigner.Modulus) || v.Encrypted() || v.RecordType() != "post" ||
		env.DID != did || env.DIDTx != did || env.Storage != "gun" || env.SignatureStatus != "verified" || env.RecordStatus != oip.StatusOriginal ||
		env.InArweaveBlock != nil || env.IndexedAt != "2023-11-14T22:13:20.000Z" || env.Ver != "0.8.0" || env.Signature == "" || env.Gun == nil || env.Gun.Source != "peer" {
		t.Errorf("%+v, %+v", v, env)
	}
}

// What a peer writes into the envelope beside what is its publisher's to say has no effect.
func TestGunEnvelopeIsOurs(t *testing.T) {
	const data = `{"basic":{"name":"x"}}`
	hostile := strings.TrimSuffix(gunOIP(data), "}") + `,"did":"did:arweave:x","didTx":"did:gun:y","storage":"arweave","inArweaveBlock":7,"indexedAt":"2000-01-01T00:00:00.000Z",
		"signatureStatus":"verified","hidden":true,"deleteMessage":true,"mayRestrict":true,"encrypted":true,"encryption":{"by":"x"},"templates":{"a":"b"},"missingTemplates":["x"],
		"recordStatus":"pending","warnings":["x"],"gun":{"hash":"h","source":"s"}}`
	hostile = strings.Replace(hostile, `"creator":{`, `"creator":{"creatorHandle":"famous","didTx":"did:arweave:x",`, 1)
	_, env, _ := accept(t, verifyNode(node(data, hostile, "")))
	_, plain, _ := accept(t, verifyNode(node(data, gunOIP(data), "")))
	a, _ := json.Marshal(env)
	b, _ := json.Marshal(plain)
	if string(a) != string(b) {
		t.Errorf("a peer has a say:\n%s\n%s", a, b)
	}
}

// The handle comes from the registration, for verified records of that creator only.
func TestGunHandle(t *testing.T) {
	const data = `{"a":{}}`
	ref := oip.CreatorRef{CreatorHandle: "alice1", DIDAddress: oip.DID(gunSigner.Address), DIDTx: "did:arweave:reg", PublicKey: "other"}
	expand := func(text string, ref oip.CreatorRef) oip.CreatorRef {
		doc, err := oip.Expand(verifyNode(text).(oip.Accepted).Verified, oip.Setting{Creator: ref})
		if err != nil {
			t.Fatal(err)
		}
		env, err := oip.ParseEnvelope(doc.JSON())
		if err != nil {
			t.Fatal(err)
		}
		return env.Creator
	}
	signed, forged := node(data, gunOIP(data), ""), node(`{"b":{}}`, gunOIP(data), "")
	if c := expand(signed, ref); c.CreatorHandle != "alice1" || c.DIDTx != "did:arweave:reg" || c.PublicKey != gunSigner.Modulus {
		t.Errorf("%+v", c)
	}
	if c := expand(forged, ref); c.CreatorHandle != "" || c.DIDTx != "" {
		t.Errorf("an unverified record has the handle %+v", c)
	}
	ref.DIDAddress = "did:arweave:somebody"
	if c := expand(signed, ref); c.CreatorHandle != "" {
		t.Errorf("another creator's handle: %+v", c)
	}
}

func TestGunTrust(t *testing.T) {
	const data = `{"basic":{"name":"x","tagItems":["a",["b"]]}}`
	flat := `{"basic":{"name":"x","tagItems":` + quoteText(`["a",["b"]]`) + `}}`
	for name, c := range map[string]struct {
		data, signed string
		want         oip.Trust
	}{
		"as delivered":               {data, data, oip.TrustVerified},
		"other data":                 {data, `{"basic":{}}`, oip.TrustUnverified},
		"arrays as text, so signed":  {flat, flat, oip.TrustVerified},
		"arrays as text, afterwards": {flat, data, oip.TrustVerified},
		"GUN's keys, afterwards":     {`{"_":{"#":"s"},"basic":{"name":"x","#":1}}`, `{"basic":{"name":"x"}}`, oip.TrustVerified},
		"key order and space":        {`{ "b" : 1.0, "a":2 }`, `{"b":1,"a":2}`, oip.TrustVerified},
		"owner added afterwards":     {`{"a":1,"accessControl":{"owner_public_key":"k"}}`, `{"a":1}`, oip.TrustUnverified},
	} {
		v, env, _ := accept(t, verifyNode(node(c.data, gunOIP(c.signed), "")))
		if v.Trust() != c.want || env.SignatureStatus != c.want {
			t.Errorf("%s: %s, want %s", name, v.Trust(), c.want)
		}
	}
	for name, signature := range map[string]string{"none": "", "not base64": "***", "too short": "AAAA"} {
		envelope := strings.Replace(gunOIP(data), sign(data), signature, 1)
		if v, _, _ := accept(t, verifyNode(node(data, envelope, ""))); v.Trust() != oip.TrustUnverified {
			t.Errorf("%s: %s", name, v.Trust())
		}
	}
	if v := gunSigner.Verified(gunSigner.Registration("x", "")); v.Trust() != oip.TrustVerified || v.Soul() != "" || v.Encrypted() {
		t.Errorf("a transaction is %s", v.Trust())
	}
	if (oip.Verified{}).Trust() != "" {
		t.Error("the zero Verified is trusted")
	}
}

func TestGunConversions(t *testing.T) {
	deep := strings.Repeat("[", 50) + strings.Repeat("]", 50)
	for in, want := range map[string]string{
		`{"a":"[1,\"[2]\"]"}`:                                       `{"a":[1,[2]]}`,
		`{"a":"[no list]","b":" [1]","c":"[1","d":""}`:              `{"a":"[no list]","b":" [1]","c":"[1","d":""}`,
		`{"a":"\u005b1]"}`:                                          `{"a":[1]}`,
		`{"a":[{"b":"[]"}]}`:                                        `{"a":[{"b":[]}]}`,
		`{"a":{"_":1,"#":2,">":3,"<":4,"b":5}}`:                     `{"a":{"b":5}}`,
		`{"a":1,"a":2}`:                                             `{"a":2}`,
		`{"a":"\ud800","b":123456789012345678901234}`:               `{"a":"\ud800","b":123456789012345678901234}`,
		`{"a":` + quoteText(deep) + `}`:                             `{"a":` + deep + `}`,
		`{"a":[[[[[[[[[[[[[[` + quoteText(deep) + `]]]]]]]]]]]]]]}`: `{"a":[[[[[[[[[[[[[[` + quoteText(deep) + `]]]]]]]]]]]]]]}`,
	} {
		if _, _, got := accept(t, verifyNode(node(in, gunOIP(in), ""))); got != want {
			t.Errorf("%s\nbecame %s\nwant   %s", in, got, want)
		}
	}
}

func TestGunRejections(t *testing.T) {
	const data = `{"basic":{"name":"x"}}`
	good := gunOIP(data)
	with := func(old, now string) string { return node(data, strings.Replace(good, old, now, 1), "") }
	for name, c := range map[string]struct {
		node string
		want oip.Reason
	}{
		"no JSON":             {`{`, oip.ReasonJSON},
		"too deep":            {strings.Repeat("[", 100), oip.ReasonJSON},
		"no object":           {`[]`, oip.ReasonStructure},
		"data is a list":      {`{"data":[],"oip":` + good + `}`, oip.ReasonStructure},
		"data is null":        {`{"data":null,"oip":` + good + `}`, oip.ReasonStructure},
		"data is no JSON":     {`{"data":"{","oip":` + good + `}`, oip.ReasonJSON},
		"data is deep":        {node(`{"a":`+strings.Repeat("[", 61)+strings.Repeat("]", 61)+`}`, good, ""), oip.ReasonJSON},
		"oip is a number":     {`{"data":{},"oip":1}`, oip.ReasonStructure},
		"version":             {with(`"0.8.0"`, `"0.9.0"`), oip.ReasonVersion},
		"version like":        {with(`"0.8.0"`, `"0.80.0"`), oip.ReasonVersion},
		"no type":             {with(`"post"`, `""`), oip.ReasonStructure},
		"long type":           {with(`post`, strings.Repeat("x", 300)), oip.ReasonStructure},
		"long signature":      {with(`"signature":"`, `"signature":"`+strings.Repeat("A", 5000)), oip.ReasonStructure},
		"no key":              {with(`publicKey`, `otherKey`), oip.ReasonStructure},
		"no address":          {with(`didAddress`, `otherAddress`), oip.ReasonStructure},
		"address is no DID":   {with(`did:arweave:`, ``), oip.ReasonStructure},
		"somebody's address":  {with(gunSigner.Address, strings.Repeat("a", 43)), oip.ReasonKey},
		"key is another's":    {with(gunSigner.Modulus, oiptest.NewSigner("other", 2048).Modulus), oip.ReasonOwner},
		"creator is a number": {`{"data":{},"oip":{"ver":"0.8.0","recordType":"x","creator":1}}`, oip.ReasonStructure},
		"meta is a number":    {node(data, good, `,"meta":7`), oip.ReasonStructure},
		"meta is no JSON":     {node(data, good, `,"meta":"{"`), oip.ReasonJSON},
	} {
		out, ok := verifyNode(c.node).(oip.Rejected)
		if !ok || out.Reason != c.want {
			t.Errorf("%s: %#v, want %s", name, out, c.want)
		}
	}
	for _, soul := range []string{"", "x", "0123456789ab", "0123456789ab:", "0123456789AB:x", "0123456789ab:x y", "0123456789abc:x",
		"0123456789ab:" + strings.Repeat("x", 600), "oip:registry:index:post"} {
		out, ok := oip.VerifyGun(oip.GunRecord{Soul: soul, Node: []byte(node(data, good, ""))}).(oip.Rejected)
		if !ok || out.Reason != oip.ReasonID || oip.ValidSoul(soul) {
			t.Errorf("soul %q: %#v", soul, out)
		}
	}
	big := oip.GunRecord{Soul: gunSoul(gunSigner.Modulus), Node: make([]byte, oip.MaxSoulBytes+1)}
	if out, ok := oip.VerifyGun(big).(oip.Rejected); !ok || out.Reason != oip.ReasonTooLarge {
		t.Errorf("%#v", out)
	}
}

// A creator can be nested or flattened, as an object or as text, and have any kind of key.
func TestGunCreator(t *testing.T) {
	key := "zpub6rFR7y4Q2Aij"
	for _, creator := range []string{
		`"creator":{"publicKey":"` + key + `","didAddress":"did:arweave:x"}`,
		`"creator":"{\"publicKey\":\"` + key + `\",\"didAddress\":\"did:arweave:x\"}"`,
		`"creator_publicKey":"` + key + `","creator_didAddress":"did:arweave:x"`,
		`"creator":null,"creator_publicKey":"` + key + `","creator_didAddress":"did:arweave:x"`,
	} {
		text := `{"data":{"a":1},"oip":{"ver":"0.8","recordType":"post",` + creator + `}}`
		v, env, _ := accept(t, oip.VerifyGun(oip.GunRecord{Soul: gunSoul(key), Node: []byte(text)}))
		if v.Trust() != oip.TrustUnverified || env.Creator != (oip.CreatorRef{DIDAddress: "did:arweave:x", PublicKey: key}) || v.CreatorDID() != "did:arweave:x" {
			t.Errorf("%s: %+v", creator, env)
		}
	}
}

// Links are followed for meta and for encrypted data, and what is missing is waited for.
func TestGunLinks(t *testing.T) {
	const cipher = `{"_":{"#":"s/data"},"encrypted":"YQ==","iv":"YQ==","tag":"YQ=="}`
	soul := gunSoul(gunSigner.Modulus)
	envelope := quoteText(gunOIP(`{}`))
	linked := `{"data":{"#":"s/data"},"oip":` + envelope + `,"meta":{"#":"s/meta"}}`
	meta := `{"encrypted":true,"encryptionType":"per-user","encryptedBy":"key"}`
	verify := func(node string, links map[string]string) oip.Outcome {
		r := oip.GunRecord{Soul: soul, Node: []byte(node), Linked: map[string][]byte{}}
		for s, n := range links {
			r.Linked[s] = []byte(n)
		}
		return oip.VerifyGun(r)
	}
	for name, c := range map[string]struct {
		node  string
		links map[string]string
		want  string
	}{
		"no data":               {`{"oip":` + envelope + `}`, nil, soul},
		"no oip":                {`{"data":{}}`, nil, soul},
		"meta first":            {linked, nil, "s/meta"},
		"then data":             {linked, map[string]string{"s/meta": meta}, "s/data"},
		"half of the data":      {linked, map[string]string{"s/meta": meta, "s/data": `{"encrypted":"YQ=="}`}, "s/data"},
		"half, and plain meta":  {linked, map[string]string{"s/meta": `{}`, "s/data": `{"iv":"YQ=="}`}, "s/data"},
		"encrypted, not in it":  {linked, map[string]string{"s/meta": meta, "s/data": `{}`}, "s/data"},
		"a link that is linked": {linked, map[string]string{"s/meta": `{"encrypted":{"#":"deeper"}}`, "s/data": `{}`}, "s/data"},
	} {
		w, ok := verify(c.node, c.links).(oip.Waiting)
		if !ok || w.For != (oip.Dependency{Need: oip.NeedData, ID: c.want}) {
			t.Errorf("%s: %#v, want to wait for %s", name, w, c.want)
		}
	}
	v, env, data := accept(t, verify(linked, map[string]string{"s/meta": meta, "s/data": cipher}))
	if !v.Encrypted() || !env.Encrypted || *env.Encryption != (oip.Encryption{Type: "per-user", By: "key"}) || data != `{"encrypted":"YQ==","iv":"YQ==","tag":"YQ=="}` {
		t.Errorf("%+v %s", env, data)
	}
	if v, _, _ := accept(t, verify(linked, map[string]string{"s/meta": `{"encrypted":false}`, "s/data": cipher})); !v.Encrypted() {
		t.Error("encrypted data are not encrypted because meta says so")
	}
	if out, ok := verify(linked, map[string]string{"s/meta": `{}`, "s/data": `{"basic":{"#":"deeper"}}`}).(oip.Rejected); !ok || out.Reason != oip.ReasonStructure {
		t.Errorf("plain data behind a link: %#v", out)
	}
	for flag, want := range map[string]bool{`true`: true, `false`: false, `null`: false, `0`: false, `1`: true, `"no"`: true, `"false"`: false, `{"#":"x"}`: true, `[]`: true} {
		v, env, _ := accept(t, verify(`{"data":{"a":1},"oip":`+envelope+`,"meta":{"encrypted":`+flag+`,"encryptedBy":"x"}}`, nil))
		if v.Encrypted() != want || env.Encrypted != want || (env.Encryption != nil) != want {
			t.Errorf("meta.encrypted %s: %v", flag, v.Encrypted())
		}
	}
}

// An access rule that cannot be read whole must not leave the record public.
func TestGunAccessRuleBehindALink(t *testing.T) {
	for data, want := range map[string]bool{
		`{"accessControl":{"#":"elsewhere"}}`:                     true,
		`{"conversationSession":{"a":[{"#":"elsewhere"}]}}`:       true,
		`{"accessControl":{"access_level":"public"},"b":{"#":1}}`: false,
	} {
		if _, env, _ := accept(t, verifyNode(node(data, gunOIP(data), ""))); env.MayRestrict != want {
			t.Errorf("%s: mayRestrict %v", data, env.MayRestrict)
		}
	}
}

// The hash is of the content, whoever served it and whenever.
func TestGunHash(t *testing.T) {
	hash := func(text string, s oip.Setting) string {
		doc, err := oip.Expand(verifyNode(text).(oip.Accepted).Verified, s)
		if err != nil {
			t.Fatal(err)
		}
		env, err := oip.ParseEnvelope(doc.JSON())
		if err != nil {
			t.Fatal(err)
		}
		return env.Gun.Hash
	}
	a := node(`{"a":1}`, gunOIP(`{"a":1}`), "")
	one := hash(a, oip.Setting{IndexedAt: time.Unix(1, 0), Gun: oip.GunOrigin{Source: "x"}})
	if two := hash(a, oip.Setting{IndexedAt: time.Unix(2, 0), Gun: oip.GunOrigin{Source: "y", Timestamp: 3}}); two != one {
		t.Error("the same content has two hashes")
	}
	if two := hash(node(`{"a":2}`, gunOIP(`{"a":1}`), ""), oip.Setting{}); two == one || one == "" {
		t.Error("two contents have one hash")
	}
}

func FuzzVerifyGun(f *testing.F) {
	soul := gunSoul(gunSigner.Modulus)
	const data = `{"basic":{"name":"x","tagItems":"[1,\"[2]\"]"},"accessControl":{"access_level":"private"}}`
	f.Add(soul, node(data, gunOIP(data), `,"meta":{"#":"m"}`), `{"encrypted":true}`)
	f.Add(soul, `{"data":{"#":"m"},"oip":`+gunOIP(data)+`}`, `{"encrypted":"a","iv":"b","tag":"c"}`)
	f.Add(soul, `{"data":{"a":"[[[["},"oip":`+gunOIP(data)+`}`, ``)
	f.Fuzz(func(t *testing.T, soul, text, linked string) {
		out := oip.VerifyGun(oip.GunRecord{Soul: soul, Node: []byte(text), Linked: map[string][]byte{"m": []byte(linked)}})
		accepted, ok := out.(oip.Accepted)
		if !ok {
			return
		}
		doc, err := oip.Expand(accepted.Verified, oip.Setting{IndexedAt: time.Unix(1700000000, 0)})
		if err != nil {
			return
		}
		if !json.Valid(doc.JSON()) {
			t.Fatalf("not JSON: %s", doc.JSON())
		}
		env, err := oip.ParseEnvelope(doc.JSON())
		if err != nil || env.DID != "did:gun:"+soul || env.Storage != "gun" || env.Hidden || env.DeleteMessage ||
			oip.SoulPrefix(env.Creator.PublicKey) != soul[:12] || env.SignatureStatus == "" {
			t.Fatalf("%v: %+v", err, env)
		}
	})
}
