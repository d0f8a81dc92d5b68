package guntest_test

import (
	"bufio"
	"bytes"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"oipnode/shared/gun/guntest"
)

// A long index is sent without being held: the heap stays far below its 45 MB, and
// every soul of it is listed once.
func TestFloodIsStreamed(t *testing.T) {
	flood := guntest.Flood{Signer: alice, Type: "post", Count: 300_000, NodeID: "node-a"}
	p := start(t, guntest.Options{})
	p.Publish(post("1", `{}`))
	p.Flood(flood)
	resp, err := http.Get(getURL(p, guntest.IndexSoul(guntest.DefaultRoot, "post")))
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	var before, during runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	in := bufio.NewScanner(resp.Body)
	in.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		if i := bytes.IndexByte(data, '}'); i >= 0 {
			return i + 1, data[:i+1], nil
		}
		return 0, nil, nil
	})
	entries, size, peak, last := 0, 0, uint64(0), ""
	for in.Scan() {
		size += len(in.Bytes())
		if bytes.Contains(in.Bytes(), []byte(`"nodeId":"node-a"`)) {
			if entries++; entries == flood.Count+1 {
				last = in.Text()
			}
		}
		if entries%20_000 == 0 {
			runtime.ReadMemStats(&during)
			peak = max(peak, during.HeapAlloc)
		}
	}
	if entries != 300_001 || !strings.Contains(last, flood.Soul(299_999)) || size < 30<<20 {
		t.Errorf("%d entries, %d bytes, the last %s", entries, size, last)
	}
	if grown := int64(peak) - int64(before.HeapAlloc); grown > 12<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}

func TestFloodRecords(t *testing.T) {
	p := start(t, guntest.Options{LinkedIndex: true})
	flood := guntest.Flood{Signer: alice, Type: "post", Count: 3, NodeID: "node-a"}
	unsigned := guntest.Flood{Signer: bob, Type: "post", Count: 1, NodeID: "node-b", Unsigned: true}
	absent := guntest.Flood{Signer: bob, Type: "image", Count: 1, Absent: true}
	secret := guntest.Flood{Signer: bob, Type: "video", Count: 1, Encrypted: guntest.PerUser}
	for _, f := range []guntest.Flood{flood, unsigned, absent, secret} {
		p.Flood(f)
	}
	index := get(t, p, guntest.IndexSoul(guntest.DefaultRoot, "post"))
	if got := keys(index); len(got) != 4 || at(index, flood.Soul(2), "#").Text() != "oip:registry:index:post/"+flood.Soul(2) {
		t.Errorf("index %s", text(index))
	}
	n := get(t, p, flood.Soul(2))
	if at(n, "data", "basic", "name").Text() != "Record 2 of a flood" || !verifies(t, n, at(n, "data").Text()) {
		t.Errorf("record %s", text(n))
	}
	if got := text(get(t, p, flood.Soul(2)+"/meta")); got != `{"encrypted":false}` {
		t.Errorf("meta %s", got)
	}
	if got := text(get(t, p, secret.Soul(0)+"/meta")); !strings.Contains(got, `"encrypted":true`) {
		t.Errorf("meta of an encrypted record: %s", got)
	}
	if n := get(t, p, unsigned.Soul(0)); at(n, "oip", "signature").Text() != "" {
		t.Error("an unsigned record is signed")
	}
	for _, soul := range []string{absent.Soul(0), flood.Soul(3), guntest.Soul(bob.Modulus, "flood-post-00"), guntest.Soul(alice.Modulus, "flood-post-x")} {
		if a := do(t, http.MethodGet, getURL(p, soul), ""); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", soul, a.status)
		}
	}
}

// A flood's answer is spoilt as it is written.
func TestFaultsOfFloods(t *testing.T) {
	faults := guntest.NewFaults(2, guntest.Mix{guntest.PartialIndex: 1})
	p := start(t, guntest.Options{Faults: faults})
	p.Flood(guntest.Flood{Signer: alice, Type: "post", Count: 5000, NodeID: "node-a"})
	index := guntest.IndexSoul(guntest.DefaultRoot, "post")
	if n := len(keys(get(t, p, index))); n < 3500 || n > 4500 {
		t.Errorf("%d of 5000 entries in a partial answer", n)
	}
	faults.Set(guntest.PartialIndex, 0)
	faults.Set(guntest.Cut, 1)
	if a := do(t, http.MethodGet, getURL(p, index), ""); a.err == nil || len(a.body) == 0 {
		t.Errorf("not cut: %d bytes", len(a.body))
	}
	p.Calm()
	if n := len(keys(get(t, p, index))); n != 5000 {
		t.Errorf("%d entries after the faults", n)
	}
}
