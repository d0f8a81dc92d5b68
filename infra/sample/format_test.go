package sample_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"oipnode/infra/sample"
	"oipnode/shared/gatewaysim"
	"oipnode/shared/oip"
)

var anItem = gatewaysim.Item{
	ID:   gatewaysim.IDFor("an item"),
	Tags: []oip.Tag{{Name: "Content-Type", Value: "application/json"}, {Name: "note", Value: "<&> \u2028"}},
	Data: []byte(`[{"0":"Grüße & <b>","t":"x"}]`), Owner: gatewaysim.IDFor("owner"),
	Height: 1600000, Bundled: true, VisibleAt: 2,
}

func TestRoundTrip(t *testing.T) {
	items := []gatewaysim.Item{anItem, {ID: gatewaysim.IDFor("another"), Tags: []oip.Tag{}, Data: []byte{}, Height: 1}}
	var file bytes.Buffer
	if err := sample.Encode(&file, items); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(file.String(), `\u0026`) {
		t.Errorf("the file is not readable text: %s", &file)
	}
	got, err := sample.Decode(&file)
	if err != nil || !reflect.DeepEqual(got, items) {
		t.Errorf("Decode = %+v, %v, want %+v", got, err, items)
	}
}

func TestEncodeRefusesBinary(t *testing.T) {
	item := anItem
	item.Data = []byte{0xff}
	if err := sample.Encode(io.Discard, []gatewaysim.Item{item}); !errors.Is(err, sample.ErrFormat) {
		t.Errorf("binary data: %v", err)
	}
}

func TestEncodePassesWriteErrors(t *testing.T) {
	full := errors.New("disk full")
	r, w := io.Pipe()
	r.CloseWithError(full)
	if err := sample.Encode(w, []gatewaysim.Item{anItem}); !errors.Is(err, full) {
		t.Errorf("a failing writer: %v", err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	id := gatewaysim.IDFor("x")
	for name, text := range map[string]string{
		"no JSON":         "hello\n",
		"half a line":     `{"id":"`,
		"a short id":      `{"id":"abc","height":1}`,
		"no height":       `{"id":"` + id + `"}`,
		"a negative step": `{"id":"` + id + `","height":1,"visibleAt":-1}`,
		"an endless line": `{"data":"` + strings.Repeat("a", 2<<20) + `"}`,
		"an empty line":   "\n",
	} {
		if _, err := sample.Decode(strings.NewReader(text)); !errors.Is(err, sample.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever Decode takes, Encode can write, and reading that gives the same items.
func FuzzDecode(f *testing.F) {
	var file bytes.Buffer
	if err := sample.Encode(&file, []gatewaysim.Item{anItem}); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Add([]byte(`{"id":"` + gatewaysim.IDFor("x") + `","height":1,"data":"\ud800"}`))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		items, err := sample.Decode(bytes.NewReader(text))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := sample.Encode(&again, items); err != nil {
			t.Fatal(err)
		}
		got, err := sample.Decode(&again)
		if err != nil || len(got) != len(items) {
			t.Fatalf("%d items became %d, %v", len(items), len(got), err)
		}
		for i := range got {
			if got[i].ID != items[i].ID || string(got[i].Data) != string(items[i].Data) {
				t.Errorf("item %d became %+v, was %+v", i, got[i], items[i])
			}
		}
	})
}
