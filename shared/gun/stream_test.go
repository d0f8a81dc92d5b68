package gun

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"oipnode/shared/oip/canon"
)

// collect reads an index into a list.
func collect(text string) (got []string, err error) {
	_, err = readIndex(strings.NewReader(text), func(key string, value canon.Value) error {
		got = append(got, key+"="+string(value.Raw()))
		return nil
	})
	return got, err
}

func TestReadIndex(t *testing.T) {
	long := strings.Repeat("x", maxEntry)
	for text, want := range map[string]string{
		`{"success":true,"data":{"a":{"soul":"a"},"b":{"#":"x"}}}`:                           `a={"soul":"a"} b={"#":"x"}`,
		` { "data" : { "a" : 1 , "b\u0041" : [ "x , y" ] } , "success" : true } `:            `a=1 bA=["x , y"]`,
		`{"data":{"_":{"#":"s",">":{"a":1}},"a":null}}`:                                      `a=null`,
		`{"data":{"a":"` + long + `","b":2}}`:                                                `a= b=2`,
		`{"data":{"` + long + long + `":1,"b":2}}`:                                           `b=2`,
		`{"data":{"a":1,"a":2},"more":{"deep":[[[{"x":"}"}]]]}}`:                             `a=1 a=2`,
		`{"data":{},"success":true}`:                                                         ``,
		`{"data":{"a":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `,"b":1}}`: `a= b=1`,
		`{"data":{"a":"\\\"}{","b":true}}`:                                                   `a="\\\"}{" b=true`,
	} {
		got, err := collect(text)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%.60s: %q, %v; want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]error{
		``:                                 io.ErrUnexpectedEOF,
		`[]`:                               errSyntax,
		`<html>`:                           errSyntax,
		`{"success":true}`:                 errNoData,
		`{"data":null}`:                    errNoData,
		`{"data":[1,2]}`:                   errNoData,
		`{"data":"text"}`:                  errNoData,
		`{"success":false,"data":{}}`:      errNoData,
		`{"data":{"a":1},"success":false}`: errNoData,
		`{"data":{"a":1`:                   io.ErrUnexpectedEOF,
		`{"data":{"a":1}`:                  io.ErrUnexpectedEOF,
		`{"data":{"a"`:                     io.ErrUnexpectedEOF,
		`{"data":{"a`:                      io.ErrUnexpectedEOF,
		`{"data":{a:1}}`:                   errSyntax,
		`{"data":{"a":}}`:                  errSyntax,
		`{"data":{"a":,}}`:                 errSyntax,
		`{"data":{"a" 1}}`:                 errSyntax,
		`{"data":{"a":1 "b":2}}`:           errSyntax,
		`{"data":{"a":wrong}}`:             errSyntax,
		`{"data":{"a":1,}}`:                errSyntax,
		`{"data":{"\x":1}}`:                errSyntax,
		`{"data":{]}`:                      errSyntax,
	} {
		if _, err := collect(text); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
	stop := errors.New("stop")
	if _, err := readIndex(strings.NewReader(`{"data":{"a":1,"b":2}}`), func(string, canon.Value) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the visitor's error is lost: %v", err)
	}
}

func TestReadRecords(t *testing.T) {
	var got []string
	n, err := readRecords(strings.NewReader(`{"success":true,"records":[{"soul":"a","data":{"x":["]"]},"recordType":"post","storedAt":12},7,
		{"data":{"soul":"no"},"storedAt":"2026-01-01T00:00:00Z","soul":"b"},{}]}`), func(soul string, at int64) error {
		got = append(got, fmt.Sprint(soul, " ", at))
		return nil
	})
	if err != nil || n != 3 || strings.Join(got, ",") != "a 12,b 1767225600000, 0" {
		t.Errorf("%d %q %v", n, got, err)
	}
	for text, want := range map[string]error{`{"records":{}}`: errNoData, `{}`: errNoData, `[]`: errSyntax, `{"records":[{"soul":"a"}`: io.ErrUnexpectedEOF, `{"records":[{} {}]}`: errSyntax} {
		if _, err := readRecords(strings.NewReader(text), func(string, int64) error { return nil }); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
}

// hugeIndex is an answer with so many entries, and then one key and one value of many
// megabytes each, made as it is read.
type hugeIndex struct {
	entries, tail int
	next          int
	rest          bytes.Buffer
}

func (h *hugeIndex) Read(p []byte) (int, error) {
	for h.rest.Len() < len(p) {
		switch i := h.next; {
		case i == 0:
			h.rest.WriteString(`{"success":true,"data":{`)
		case i <= h.entries:
			fmt.Fprintf(&h.rest, `"%012x:local-%d":{"soul":"%012x:local-%d","nodeId":"node-a","timestamp":%d},`, i, i, i, i, 1700000000000+i)
		case i == h.entries+1:
			h.rest.WriteString(`"`)
		case i <= h.entries+h.tail:
			h.rest.WriteString(strings.Repeat("k", 1<<10))
		case i == h.entries+h.tail+1:
			h.rest.WriteString(`":"`)
		case i <= h.entries+2*h.tail:
			h.rest.WriteString(strings.Repeat("v", 1<<10))
		case i == h.entries+2*h.tail+1:
			h.rest.WriteString(`"}}`)
		default:
			return h.rest.Read(p)
		}
		h.next++
	}
	return h.rest.Read(p)
}

// TestHugeIndexInLittleMemory reads a million souls, and a key and a value of 10 MiB,
// with a heap that does not grow.
func TestHugeIndexInLittleMemory(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	entries, tail := 1_000_000, 10<<10
	if raceEnabled {
		entries, tail = 50_000, 1<<10
	}
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	peak, seen := uint64(0), 0
	source := &counting{r: &hugeIndex{entries: entries, tail: tail}}
	n, err := readIndex(source, func(key string, value canon.Value) error {
		if seen++; seen%(entries/20) == 0 {
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc)
		}
		return nil
	})
	// The long key is told as nothing at all.
	if err != nil || n != entries || seen != entries {
		t.Fatalf("%d entries, %d seen, %v", n, seen, err)
	}
	if source.n < 100<<20 && !raceEnabled {
		t.Fatalf("only %d bytes were read", source.n)
	}
	if grown := int64(peak) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("the heap grew by %d bytes over %d", grown, source.n)
	}
	t.Logf("%d MiB read, heap at most %d KiB over %d KiB", source.n>>20, peak>>10, before.HeapAlloc>>10)
}

type counting struct {
	r io.Reader
	n int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// FuzzReadIndex holds the stream against encoding/json: what is JSON is read with the
// same members, and nothing else panics or hangs.
func FuzzReadIndex(f *testing.F) {
	for _, seed := range []string{`{"success":true,"data":{"a":{"soul":"a"}}}`, `{"data":{"_":1,"a":[{}],"b":"\u0041\\"}}`, `{"data":null}`,
		`{"data":{"a":1},"data":{"b":2}}`, `{"records":[{"soul":"x"}]}`, `{"data":{"a":-1.5e3,"b":true}} `, `{"data":{"a":"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		keys := 0
		_, err := readIndex(strings.NewReader(text), func(key string, value canon.Value) error { keys++; return nil })
		_, _ = readRecords(strings.NewReader(text), func(string, int64) error { return nil })
		var whole struct {
			Data map[string]json.RawMessage `json:"data"`
		}
		if canon.Valid([]byte(text)) != nil || strings.Contains(strings.ToLower(text), `"success"`) || json.Unmarshal([]byte(text), &whole) != nil {
			return
		}
		if whole.Data == nil {
			return
		}
		if err != nil && !errors.Is(err, errNoData) {
			t.Fatalf("valid JSON is refused: %v", err)
		}
	})
}
