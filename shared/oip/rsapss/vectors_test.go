package rsapss_test

import (
	"bytes"
	"encoding/base64"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"

	"oipnode/shared/oip/canon"
	"oipnode/shared/oip/rsapss"
)

// vector is a verdict by Node: see testdata/vectors.mjs.
type vector struct {
	what      string
	valid     bool
	template  bool
	tags      canon.Value
	data      []byte
	modulus   string
	signature []byte
}

// loadVectors reads the file with package canon, since tags hold lone surrogates.
func loadVectors(t testing.TB) []vector {
	t.Helper()
	file, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	list, err := canon.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	for v := range list.Elements() {
		text := func(key string) string {
			member, ok := v.Get(key)
			if !ok {
				t.Fatalf("vector without %s: %s", key, v.Raw())
			}
			return member.Text()
		}
		decode := func(key string) []byte {
			b, err := base64.StdEncoding.DecodeString(text(key))
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		valid, _ := v.Get("valid")
		isValid, ok := valid.Bool()
		tags, _ := v.Get("tags")
		if !ok || tags.Kind() != canon.Array {
			t.Fatalf("malformed vector: %s", v.Raw())
		}
		vectors = append(vectors, vector{text("what"), isValid, text("form") == "template", tags,
			decode("data"), text("modulus"), decode("signature")})
	}
	return vectors
}

// message is the signed message, in parts (spec section 3).
func (v vector) message(t testing.TB) [][]byte {
	tags := canon.AppendTags(nil, v.pairs())
	if !v.template {
		return [][]byte{tags, v.data}
	}
	value, err := canon.Parse(v.data)
	if err != nil {
		t.Fatal(err)
	}
	return [][]byte{canon.Append(nil, value), tags}
}

func (v vector) pairs() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for tag := range v.tags.Elements() {
			name, _ := tag.Get("name")
			value, _ := tag.Get("value")
			if !yield(name.Text(), value.Text()) {
				return
			}
		}
	}
}

func TestVectors(t *testing.T) {
	valid, vectors := 0, loadVectors(t)
	for _, v := range vectors {
		if v.valid {
			valid++
		}
		key, err := rsapss.ParseModulus(v.modulus)
		if err != nil {
			t.Errorf("%s: %v", v.what, err)
			continue
		}
		parts := v.message(t)
		if err := key.Verify(v.signature, parts...); (err == nil) != v.valid {
			t.Errorf("%s: Verify = %v, want valid: %v", v.what, err, v.valid)
		}
		// How the message is cut does not matter.
		whole := bytes.Join(parts, nil)
		if err := key.Verify(v.signature, slices.Collect(slices.Chunk(whole, 7))...); (err == nil) != v.valid {
			t.Errorf("%s, in small parts: Verify = %v, want valid: %v", v.what, err, v.valid)
		}
		creator := ""
		for name, value := range v.pairs() {
			if name == "Creator" {
				creator = value
			}
		}
		ownKey := !strings.Contains(v.what, "bit of the key") && !strings.Contains(v.what, "key of somebody")
		if (key.Address() == creator) != ownKey && creator != "" {
			t.Errorf("%s: the address is %s, the tag Creator %s", v.what, key.Address(), creator)
		}
	}
	if valid < 40 || len(vectors)-valid < 150 {
		t.Errorf("%d valid vectors of %d, want at least 40, and 150 that are not", valid, len(vectors))
	}
}
