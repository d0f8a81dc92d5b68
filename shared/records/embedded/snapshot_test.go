package embedded

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// TestBetweenTheSteps searches while a Write is between its two steps: the
// answer is the state of before, with the documents of before. A record that is
// just becoming private must not be shown because its old entry is found.
func TestBetweenTheSteps(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, t.TempDir(), Options{})
	mustWrite(t, s, smalls(6, 1)...)
	secret := small(0, 2)
	secret.json = []byte(strings.Replace(string(secret.json), `"data":{`, `"data":{"accessControl":{"access_level":"private"},`, 1))
	gone := change{did: small(1, 1).did, fence: 1}
	public := records.Query{Where: records.Is(records.FieldAccess, records.AccessPublic), Limit: 10}

	looked := false
	s.onStep = func(step string) {
		if step != "committed" {
			return
		}
		looked = true
		page, err := s.Search(ctx, public)
		if err != nil || page.Total != 6 {
			t.Fatalf("Search = %+v, %v; want the six documents of before", page, err)
		}
		for i, hit := range page.Hits {
			if string(hit.JSON) != string(small(i, 1).json) {
				t.Errorf("hit %d is %s, want it as it was", i, hit.JSON)
			}
		}
		c, err := s.Count(ctx, nil, records.FieldTag)
		if err != nil || c.Total != 6 || !slices.Contains(c.Buckets, records.Bucket{Value: "v1", Count: 6}) {
			t.Errorf("Count = %+v, %v; want the state of before", c, err)
		}
	}
	mustWrite(t, s, secret, gone, small(6, 2))
	if !looked {
		t.Fatal("there was no look between the steps")
	}
	if n := total(t, s, public.Where); n != 5 { // 2, 3, 4, 5 and the new 6
		t.Errorf("after the write %d documents are public, want 5", n)
	}
	checkAgreement(t, s)
}

// TestSearchIsOneState changes all documents in each Write while readers search:
// every answer shows all of them in the same version.
func TestSearchIsOneState(t *testing.T) {
	const n = 40
	s := openStore(t, t.TempDir(), Options{})
	mustWrite(t, s, smalls(n, 0)...)
	var done atomic.Bool
	var readers sync.WaitGroup
	block := func(d records.Stored) string {
		_, rest, _ := strings.Cut(string(d.JSON), `"inArweaveBlock":`)
		version, _, _ := strings.Cut(rest, ",")
		return version
	}
	for range 2 {
		readers.Go(func() {
			for !done.Load() {
				page, err := s.Search(context.Background(), records.Query{Limit: n})
				if err != nil || page.Total != n || len(page.Hits) != n {
					t.Errorf("Search = %d hits of %d, %v", len(page.Hits), page.Total, err)
					return
				}
				for _, hit := range page.Hits {
					if a, b := block(page.Hits[0]), block(hit); a != b {
						t.Errorf("one answer has versions %s and %s", a, b)
						return
					}
				}
			}
		})
	}
	for version := 1; version <= 12; version++ {
		mustWrite(t, s, smalls(n, version)...)
	}
	done.Store(true)
	readers.Wait()
}

// TestWriteWaits lets a Write wait for another one until its context ends.
func TestWriteWaits(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	ctx, cancel := context.WithCancel(context.Background())
	s.onStep = func(step string) {
		if step != "committed" {
			return
		}
		cancel()
		if _, err := s.write(ctx, smalls(1, 1)); !errors.Is(err, context.Canceled) {
			t.Errorf("write = %v, want that it was cancelled", err)
		}
		waiting, stop := context.WithCancel(context.Background())
		result := make(chan error)
		go func() { _, err := s.write(waiting, smalls(1, 1)); result <- err }()
		stop()
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Errorf("the waiting write = %v, want that it was cancelled", err)
		}
	}
	mustWrite(t, s, smalls(2, 1)...)
}

// TestPoison writes documents that can never be stored, among others that can.
func TestPoison(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{MaxDocument: 1000})
	with := func(edit func(c *change)) change {
		c := small(1, 1)
		edit(&c)
		return c
	}
	bad := []change{
		with(func(c *change) { c.json = []byte(`{"data":{}}`) }),
		with(func(c *change) { c.json = []byte(`not JSON`) }),
		with(func(c *change) { c.did = "did:gun:" + strings.Repeat("x", oip.MaxDID) }),
		with(func(c *change) { c.did = "" }),
		with(func(c *change) { c.json = append(slices.Clone(c.json), make([]byte, 1000)...) }),
		with(func(c *change) { c.kind = oip.Kind(strings.Repeat("k", 300)) }),
	}
	for _, c := range bad {
		results, err := s.write(context.Background(), []change{small(2, 1), c, small(3, 1)})
		if err != nil {
			t.Fatal(err)
		}
		if results[0].Status != records.OK || results[1].Status != records.Poison || results[1].Detail == "" || results[2].Status != records.OK {
			t.Errorf("the results are %+v, want the one in the middle Poison", results)
		}
	}
	checkAgreement(t, s)
	if n := total(t, s, nil); n != 2 {
		t.Errorf("there are %d documents, want 2", n)
	}
}

// TestPageBytes asks for more bytes than a page may have.
func TestPageBytes(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, t.TempDir(), Options{MaxPage: 2000})
	mustWrite(t, s, smalls(20, 1)...)
	var dids []string
	for _, c := range smalls(20, 1) {
		dids = append(dids, c.did)
	}
	if _, err := s.Search(ctx, records.Query{Limit: 20}); !errors.Is(err, records.ErrInvalid) {
		t.Errorf("Search = %v, want ErrInvalid", err)
	}
	if _, err := s.Get(ctx, dids, false); !errors.Is(err, records.ErrInvalid) {
		t.Errorf("Get = %v, want ErrInvalid", err)
	}
	if page, err := s.Search(ctx, records.Query{Limit: 3}); err != nil || len(page.Hits) != 3 {
		t.Errorf("Search = %+v, %v; want three", page, err)
	}
}

// TestNothingToDo repeats a Write: it must not even begin a new state.
func TestNothingToDo(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	mustWrite(t, s, smalls(5, 1)...)
	steps := 0
	s.onStep = func(string) { steps++ }
	mustWrite(t, s, smalls(5, 1)...)
	mustWrite(t, s, change{did: "did:arweave:absent", fence: 1})
	newer := small(1, 1)
	newer.fence = 2
	mustWrite(t, s, newer) // a new fence is stored, but nothing is indexed
	if steps != 0 {
		t.Errorf("%d steps of writes that change nothing", steps)
	}
	if results, err := s.write(context.Background(), []change{small(1, 2)}); err != nil || results[0].Status != records.Conflict {
		t.Errorf("an old fence = %+v, %v; want Conflict", results, err)
	}
	checkAgreement(t, s)
}

// TestManyWrites makes many small segments, which are merged in the background
// while documents in them are replaced and removed.
func TestManyWrites(t *testing.T) {
	s := openStore(t, t.TempDir(), Options{})
	for version := range 40 {
		var batch []change
		for i := range 8 {
			c := small((version*5+i*3)%70, version)
			if i == 7 {
				c.json = nil
			}
			batch = append(batch, c)
		}
		mustWrite(t, s, batch...)
	}
	checkAgreement(t, s)
}

// TestCountBothWays counts everything by reading and by value.
func TestCountBothWays(t *testing.T) {
	ctx := context.Background()
	s := openStore(t, t.TempDir(), Options{})
	for part := range 3 { // three segments, with documents that were replaced
		mustWrite(t, s, smalls(60, part)[part*10:]...)
	}
	v, err := s.snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer v.close()
	for _, by := range []records.Field{records.FieldTag, records.FieldName, records.FieldDID, records.FieldAccess, records.FieldHidden, records.FieldVer} {
		for _, where := range []records.Cond{nil, records.Any{}, records.Is(records.FieldTag, "m3", "v1")} {
			reading, err := count(ctx, v, where, by, 1<<30)
			if err != nil {
				t.Fatal(err)
			}
			byValue, err := count(ctx, v, where, by, -1)
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(reading) != fmt.Sprint(byValue) {
				t.Errorf("by %s where %v: reading %v, by value %v", by, where, reading, byValue)
			}
		}
	}
	few, err := count(ctx, v, nil, records.FieldTag, 1<<30)
	if err != nil || few.Total != 60 || len(few.Buckets) != 1+3+7 || few.Buckets[0] != (records.Bucket{Value: "all", Count: 60}) {
		t.Errorf("count = %+v, %v", few, err)
	}
}

func TestNumberOrder(t *testing.T) {
	numbers := []int64{-maxNumber, -maxNumber + 1, -1 << 40, -129, -128, -1, 0, 1, 127, 128, 255, 256, 16384, 1700000000, 1 << 40, maxNumber - 1, maxNumber}
	for i, n := range numbers {
		text := encodeNumber(n)
		if decodeNumber(text) != n || len(text) != 8 || strings.ContainsRune(text, 0xff) {
			t.Errorf("%d became %q and %d", n, text, decodeNumber(text))
		}
		if i > 0 && encodeNumber(numbers[i-1]) >= text {
			t.Errorf("%d does not come before %d", numbers[i-1], n)
		}
	}
}

func TestStoredForm(t *testing.T) {
	for _, d := range []stored{{}, {1<<64 - 1, oip.KindRecord, "did:arweave:x", []byte(`{}`)}, {7, oip.Kind(strings.Repeat("k", 255)), strings.Repeat("d", oip.MaxDID), []byte("x")}} {
		got, err := decodeStored(encodeStored(d))
		if err != nil || got.fence != d.fence || got.kind != d.kind || got.did != d.did || string(got.json) != string(d.json) {
			t.Errorf("%+v became %+v, %v", d, got, err)
		}
	}
	for _, b := range [][]byte{nil, absent, make([]byte, 10), {0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 'k'}, {0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 'd'}} {
		if _, err := decodeStored(b); !errors.Is(err, ErrCorrupt) {
			t.Errorf("decodeStored(%v) = %v, want ErrCorrupt", b, err)
		}
	}
}
