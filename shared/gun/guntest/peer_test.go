package guntest_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"oipnode/shared/gun/guntest"
)

func TestSouls(t *testing.T) {
	sum := sha256.Sum256([]byte("a key"))
	if got, want := guntest.Soul("a key", "x"), fmt.Sprintf("%x:x", sum[:6]); got != want {
		t.Errorf("soul %q, want %q", got, want)
	}
	for got, want := range map[string]string{
		guntest.DID("p:x"):                              "did:gun:p:x",
		guntest.DeletedSoul("did:gun:p:x"):              "oip:deleted:records:did:gun:p:x",
		guntest.IndexSoul(guntest.DefaultRoot, "post"):  "oip:registry:index:post",
		guntest.NodeSoul(guntest.DefaultRoot, "n", "s"): "oip:registry:nodes:n:s",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A plain record as relays answer it: JSON text, a link for meta, a signature
// that verifies, a registration that leads to it.
func TestRecord(t *testing.T) {
	p := start(t, guntest.Options{})
	const data = `{"basic":{"name":"a <b> & \u2028","tagItems":["x",["y"]]},"10":1,"2":2}`
	soul := p.Publish(post("1", data))
	if want := guntest.Soul(alice.Modulus, "1"); soul != want {
		t.Errorf("soul %q, want %q", soul, want)
	}
	n := get(t, p, soul)
	if got := keys(n); !slices.Equal(got, []string{"data", "oip", "meta"}) {
		t.Errorf("keys %q", got)
	}
	d, _ := n.Get("data")
	if want := "{\"2\":2,\"10\":1,\"basic\":{\"name\":\"a <b> & \u2028\",\"tagItems\":[\"x\",[\"y\"]]}}"; d.Text() != want {
		t.Errorf("data %s, want %s", d.Raw(), want)
	}
	if !verifies(t, n, d.Text()) {
		t.Error("the signature does not verify")
	}
	for path, want := range map[string]string{"ver": "0.8.0", "recordType": "post", "signature": at(n, "oip", "signature").Text()} {
		if got := at(n, "oip", path).Text(); got != want || got == "" {
			t.Errorf("oip.%s %q", path, got)
		}
	}
	if got := at(n, "oip", "creator", "didAddress").Text(); got != "did:arweave:"+alice.Address {
		t.Errorf("address %q", got)
	}
	if got, want := at(n, "meta", "#").Text(), soul+"/meta"; got != want {
		t.Errorf("meta links to %q", got)
	}
	if got := text(get(t, p, soul+"/meta")); got != `{"encrypted":false}` {
		t.Errorf("meta %s", got)
	}
	index := get(t, p, guntest.IndexSoul(guntest.DefaultRoot, "post"))
	if got, want := text(at(index, soul)), fmt.Sprintf(`{"soul":%q,"nodeId":"node-a","timestamp":1700000001000}`, soul); got != want {
		t.Errorf("index %s, want %s", got, want)
	}
	entry := get(t, p, guntest.NodeSoul(guntest.DefaultRoot, "node-a", soul))
	for key, want := range map[string]string{"did": guntest.DID(soul), "soul": soul, "recordType": "post",
		"creatorPubKey": alice.Modulus, "nodeId": "node-a", "oipVersion": "0.8.0"} {
		if got := at(entry, key).Text(); got != want {
			t.Errorf("registration: %s %q, want %q", key, got, want)
		}
	}
	if p.Reads(soul) != 1 || p.Requests() != (guntest.Counts{Get: 4}) {
		t.Errorf("%d reads, %+v", p.Reads(soul), p.Requests())
	}
}

func TestOutcomesOfSignatures(t *testing.T) {
	p := start(t, guntest.Options{})
	forged := post("forged", `{"basic":{"name":"x"}}`)
	forged.Forged = true
	soul := p.Publish(forged)
	n := get(t, p, soul)
	if at(n, "oip", "signature").Text() == "" || verifies(t, n, at(n, "data").Text()) {
		t.Error("a forged signature is missing, or verifies")
	}
	unsigned := guntest.Record{PublicKey: "xpub", LocalID: "1", Type: "post", Data: `{}`, Flattened: true, Bare: true}
	n = get(t, p, p.Publish(unsigned))
	if got := keys(n); !slices.Equal(got, []string{"data", "oip"}) {
		t.Errorf("a bare record has %q", got)
	}
	if got, want := text(at(n, "oip")), `{"ver":"0.8.0","recordType":"post","creator_publicKey":"xpub","creator_didAddress":"did:arweave:`+
		guntest.Prefix("xpub")+`"}`; got != want {
		t.Errorf("envelope %s, want %s", got, want)
	}
	if a := do(t, http.MethodGet, getURL(p, guntest.IndexSoul(guntest.DefaultRoot, "post")), ""); strings.Contains(string(a.body), guntest.Prefix("xpub")) {
		t.Error("a record without a node is registered")
	}
}

// Encrypted data are an object and therefore a link; they decrypt to what was
// published.
func TestEncrypted(t *testing.T) {
	p := start(t, guntest.Options{})
	r := post("secret", `{"basic":{"name":"secret"}}`)
	r.Encrypted = guntest.PerUser
	soul := p.Publish(r)
	n := get(t, p, soul)
	if at(n, "data", "#").Text() != soul+"/data" || at(n, "meta", "#").Text() != soul+"/meta" {
		t.Fatalf("node %s", text(n))
	}
	meta := get(t, p, soul+"/meta")
	if at(meta, "encryptionType").Text() != "per-user" || at(meta, "encryptedBy").Text() != alice.Modulus {
		t.Errorf("meta %s", text(meta))
	}
	data := get(t, p, soul+"/data")
	part := func(key string) []byte {
		raw, err := base64.StdEncoding.DecodeString(at(data, key).Text())
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	key := sha256.Sum256([]byte("guntest " + alice.Modulus))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gcm.Open(nil, part("iv"), append(part("encrypted"), part("tag")...), nil)
	if err != nil || string(plain) != `{"basic":{"name":"secret"}}` {
		t.Errorf("%q, %v", plain, err)
	}
	if !verifies(t, n, text(data)) {
		t.Error("the signature of the ciphertext does not verify")
	}
	r.Encrypted, r.LocalID = guntest.ForOrganization, "2"
	if got := text(get(t, p, p.Publish(r)+"/meta")); !strings.Contains(got, `"encryptedForOrganization":`) {
		t.Errorf("meta %s", got)
	}
}

func TestArraysAsText(t *testing.T) {
	p := start(t, guntest.Options{})
	r := post("arrays", `{"a":[1,[2,"x"],{"b":[3]}],"c":"[no list"}`)
	r.ArraysAsText = true
	n := get(t, p, p.Publish(r))
	d := at(n, "data").Text()
	if want := `{"a":"[1,\"[2,\\\"x\\\"]\",{\"b\":\"[3]\"}]","c":"[no list"}`; d != want {
		t.Errorf("data %s, want %s", d, want)
	}
	if !verifies(t, n, d) {
		t.Error("the signature does not verify")
	}
}

// The habits of relays change the form of an answer, never what it says.
func TestHabits(t *testing.T) {
	secret := post("secret", `{"x":1}`)
	secret.Encrypted = guntest.PerUser
	check := func(opts guntest.Options, plain, hidden, index string) {
		t.Helper()
		p := start(t, opts)
		soul := p.Publish(post("1", `{"name":"n"}`))
		p.Publish(secret)
		n := get(t, p, soul)
		if d, _ := n.Get("data"); string(d.Raw()) != plain {
			t.Errorf("%+v: data %s", opts, d.Raw())
		}
		if !verifies(t, n, text(at(n, "data"))) {
			t.Errorf("%+v: the signature does not verify", opts)
		}
		d, _ := get(t, p, guntest.Soul(alice.Modulus, "secret")).Get("data")
		if !strings.HasPrefix(string(d.Raw()), hidden) {
			t.Errorf("%+v: encrypted data %s", opts, d.Raw())
		}
		if got := text(at(get(t, p, guntest.IndexSoul("oip:other", "post")), soul)); !strings.HasPrefix(got, index) {
			t.Errorf("%+v: index %s", opts, got)
		}
		if _, ok := n.Get("_"); ok != opts.Metadata {
			t.Errorf("%+v: node %s", opts, n.Raw())
		}
	}
	asText, asObject := `"{\"name\":\"n\"}"`, `{"name":"n"}`
	check(guntest.Options{Root: "oip:other"}, asText, `{"#":"`, `{"soul":"`)
	check(guntest.Options{Root: "oip:other", Inline: true}, asText, `{"encrypted":"`, `{"soul":"`)
	check(guntest.Options{Root: "oip:other", Parsed: true, Metadata: true}, asObject, `{"#":"`, `{"soul":"`)
	check(guntest.Options{Root: "oip:other", LinkedIndex: true}, asText, `{"#":"`, `{"#":"oip:other:index:post/`)
}

// An update unites with what is there and is registered later; a withdrawn record
// is listed and absent; a deletion leaves the record.
func TestUpdateWithdrawDelete(t *testing.T) {
	p := start(t, guntest.Options{})
	soul := p.Publish(post("1", `{"name":"one"}`))
	other := p.Publish(post("2", `{"name":"two"}`))
	p.Update(soul, `{"name":"changed"}`)
	n := get(t, p, soul)
	if got := at(n, "data", "name").Text(); got != "changed" || !verifies(t, n, at(n, "data").Text()) {
		t.Errorf("name %q after an update", got)
	}
	index := guntest.IndexSoul(guntest.DefaultRoot, "post")
	if got := text(at(get(t, p, index), soul, "timestamp")); got != "1700000005000" {
		t.Errorf("registered again at %s", got)
	}
	p.Withdraw(other)
	if a := do(t, http.MethodGet, getURL(p, other), ""); a.status != http.StatusNotFound || text(at(get(t, p, index), other)) == "null" {
		t.Errorf("withdrawn: %d", a.status)
	}
	p.Delete(guntest.DID(soul), alice.Modulus)
	if got := text(get(t, p, guntest.DeletedIndex)); got != `{"`+guntest.DID(soul)+`":true}` {
		t.Errorf("deletions %s", got)
	}
	d := get(t, p, guntest.DeletedSoul(guntest.DID(soul)))
	if at(d, "deletedBy").Text() != alice.Modulus || at(d, "did").Text() != guntest.DID(soul) || !strings.HasPrefix(at(d, "deletedAt").Text(), "2023-11-14T") {
		t.Errorf("deletion %s", text(d))
	}
	get(t, p, soul)
}

func TestNotFound(t *testing.T) {
	p := start(t, guntest.Options{})
	a := do(t, http.MethodGet, getURL(p, "nothing"), "")
	if a.status != http.StatusNotFound || string(a.body) != `{"error":"Not found"}` {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, target := range []string{p.URL() + "/get", p.URL() + "/get?soul=" + strings.Repeat("x", 2000)} {
		if a := do(t, http.MethodGet, target, ""); a.status != http.StatusBadRequest {
			t.Errorf("%.80s: %d", target, a.status)
		}
	}
	if p.Reads("nothing") != 0 {
		t.Error("what is not there is remembered")
	}
}

func TestPut(t *testing.T) {
	p := start(t, guntest.Options{})
	put := func(body string) answer { return do(t, http.MethodPost, p.URL()+"/put", body) }
	if a := put(`{"soul":"a","data":{"n":1,"o":{"deep":{"x":true}},"l":[1,{"y":2}],"r":{"#":"else"},"_":{"#":"a"},"s":"t","z":null}}`); a.status != 200 ||
		string(a.body) != `{"success":true,"soul":"a"}` {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if got, want := text(get(t, p, "a")), `{"n":1,"o":{"#":"a/o"},"l":"[1,{\"y\":2}]","r":{"#":"else"},"s":"t","z":null}`; got != want {
		t.Errorf("node %s, want %s", got, want)
	}
	if got := text(get(t, p, "a/o/deep")); got != `{"x":true}` {
		t.Errorf("nested %s", got)
	}
	// What is not named stays.
	put(`{"soul":"a","data":{"n":2}}`)
	if node, ok := p.Node("a"); !ok || !strings.HasPrefix(node, `{"n":2,"o":{"#":"a/o"},`) {
		t.Errorf("united: %s", node)
	}
	if _, ok := p.Node("b"); ok {
		t.Error("a node that nobody put")
	}
	for _, body := range []string{``, `{}`, `{"soul":"a"}`, `{"soul":"","data":{}}`, `{"soul":"a","data":[1]}`, `{"soul":1,"data":{}}`, `{"soul":"a","data":{}`} {
		if a := put(body); a.status != http.StatusBadRequest || !strings.HasPrefix(string(a.body), `{"error":`) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if got := p.Requests(); got != (guntest.Counts{Get: 2, Put: 9}) {
		t.Errorf("%+v", got)
	}
}

func TestList(t *testing.T) {
	p := start(t, guntest.Options{})
	for i := range 7 {
		p.Publish(post(fmt.Sprint(i), fmt.Sprintf(`{"n":%d}`, i)))
	}
	r := post("image", `{}`)
	r.Type = "image"
	p.Publish(r)
	r.Signer = bob
	p.Publish(r)
	list := func(query string) (souls []string) {
		t.Helper()
		a := do(t, http.MethodGet, p.URL()+"/list?"+query, "")
		m := decoded(t, a.body)
		if m["success"] != true {
			t.Fatalf("%s", a.body)
		}
		for _, e := range m["records"].([]any) {
			e := e.(map[string]any)
			if e["data"].(map[string]any)["oip"] == nil || e["storedAt"].(float64) <= 1.7e12 || e["recordType"] == "" {
				t.Errorf("%s: %v", query, e)
			}
			souls = append(souls, e["soul"].(string))
		}
		return souls
	}
	hash := guntest.Prefix(alice.Modulus)
	for query, want := range map[string]int{
		"": 9, "publisherHash=" + hash: 8, "publisherHash=" + hash + "&recordType=image": 1, "recordType=image": 2,
		"limit=3": 3, "limit=3&offset=8": 1, "limit=1000": 9, "offset=9": 0, "publisherHash=0": 0,
	} {
		if got := list(query); len(got) != want {
			t.Errorf("%s: %d records, want %d", query, len(got), want)
		}
	}
	if got, want := list("publisherHash="+hash+"&limit=2&offset=1"), []string{hash + ":1", hash + ":2"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for _, query := range []string{"limit=x", "limit=0", "offset=-1"} {
		if a := do(t, http.MethodGet, p.URL()+"/list?"+query, ""); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d", query, a.status)
		}
	}
}

func TestStartAndClose(t *testing.T) {
	p := start(t, guntest.Options{})
	if err := p.Start(); err == nil {
		t.Error("a second Start succeeds")
	}
	if !strings.HasPrefix(p.URL(), "http://127.0.0.1:") || !strings.HasSuffix(p.URL(), "/gun-relay") ||
		p.Socket() != strings.NewReplacer("http:", "ws:", "/gun-relay", "/gun").Replace(p.URL()) {
		t.Errorf("%s and %s", p.URL(), p.Socket())
	}
	defer func() {
		if recover() == nil {
			t.Error("an impossible record is published")
		}
	}()
	p.Publish(post("1", `{`))
}
