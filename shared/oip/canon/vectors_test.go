package canon_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"oipnode/shared/oip/canon"
)

// vector is a known answer by Node: see testdata/vectors.mjs.
type vector struct {
	What   string  `json:"what"`
	Text   *string `json:"text"`
	Base64 []byte  `json:"base64"`
	// Out is JSON.stringify(JSON.parse(text)), nil where JSON.parse throws.
	Out *string `json:"out"`
}

func (v vector) input() []byte {
	if v.Text != nil {
		return []byte(*v.Text)
	}
	return v.Base64
}

func loadVectors(t testing.TB) []vector {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, len(data))
	for lines.Scan() {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		vectors = append(vectors, v)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if len(vectors) < 2000 {
		t.Fatalf("%d vectors, want at least 2000", len(vectors))
	}
	return vectors
}

func TestVectors(t *testing.T) {
	refused := 0
	for _, v := range loadVectors(t) {
		value, err := canon.Parse(v.input())
		if v.Out == nil {
			refused++
			if !errors.Is(err, canon.ErrSyntax) {
				t.Errorf("%s: Parse(%q): error %v, want ErrSyntax", v.What, v.input(), err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: Parse(%q): %v", v.What, v.input(), err)
			continue
		}
		if got := canon.Append(nil, value); string(got) != *v.Out {
			t.Errorf("%s: %q\n got %q\nwant %q", v.What, v.input(), got, *v.Out)
		}
		if got := appendByWalking(nil, value); string(got) != *v.Out {
			t.Errorf("%s: walking %q\n got %q\nwant %q", v.What, v.input(), got, *v.Out)
		}
	}
	if refused < 300 {
		t.Errorf("%d of the vectors are invalid texts, want at least 300", refused)
	}
}

// appendByWalking writes a value through the methods of Value, so that they are
// held against Node as well.
func appendByWalking(dst []byte, v canon.Value) []byte {
	switch v.Kind() {
	case canon.Number:
		f, _ := v.Float()
		return canon.AppendNumber(dst, f)
	case canon.String:
		return canon.AppendString(dst, v.Text())
	case canon.Array:
		dst = append(dst, '[')
		comma := false
		for e := range v.Elements() {
			if comma {
				dst = append(dst, ',')
			}
			comma = true
			dst = appendByWalking(dst, e)
		}
		return append(dst, ']')
	case canon.Object:
		dst = append(dst, '{')
		comma := false
		for key, e := range v.Members() {
			if comma {
				dst = append(dst, ',')
			}
			comma = true
			dst = append(canon.AppendString(dst, key), ':')
			dst = appendByWalking(dst, e)
		}
		return append(dst, '}')
	}
	return append(dst, v.Raw()...)
}

// TestVectorsAreNodes runs the script again, so that the committed answers
// cannot drift from it.
func TestVectorsAreNodes(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("node is not on PATH, and CI must run it")
		}
		t.Skip("node is not on PATH: the vectors are not compared with what it writes today")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got, err := exec.CommandContext(ctx, node, "testdata/vectors.mjs").Output()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/vectors.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("vectors.mjs writes something else than vectors.jsonl: run it again and look at the difference")
	}
}
