package embedded

import (
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// article is a document of about 2 KB in the shape of the protocol's records.
func article(n int) change {
	did := fmt.Sprintf("did:arweave:%043d", (n*7919)%1000003)
	creator := n % 50
	json := fmt.Sprintf(`{"data":{"basic":{"name":"Article %d","description":%q,"date":%d,"language":"en","tagItems":["tag%d","tag%d","news"]},`+
		`"post":{"webUrl":"https://example.com/%d","bylineWriter":"someone"}},"oip":{"did":%q,"didTx":%q,"recordType":"post","recordStatus":"original",`+
		`"storage":"arweave","inArweaveBlock":%d,"indexedAt":"2026-01-01T00:00:00.%03dZ","ver":"0.8.0","signature":%q,`+
		`"templates":{"basic":"-9DirnjVO1FlbEW1lN8jITBESrTsQKEM_BoZ1ey_0mk","post":"op6y-d_6bqivJ2a2oWQnbylD4X_LH6eQyR6rCGqtVZ8"},`+
		`"creator":{"creatorHandle":"writer%d","didAddress":"did:arweave:writer%d","didTx":"did:arweave:registration%d","publicKey":%q}}}`,
		n, strings.Repeat("words ", 30), 1700000000+n, n%300, n%17, n, did, did, 1579570+n/10, n%1000,
		strings.Repeat("s", 684), creator, creator, creator, strings.Repeat(string(rune('a'+creator%26)), 683))
	return change{did: did, kind: oip.KindRecord, json: []byte(json), fence: 1}
}

// peaks samples the heap until stop: the largest HeapAlloc, and the largest heap
// that a garbage collection found alive.
type peaks struct{ heap, live atomic.Uint64 }

func (p *peaks) sample(stop <-chan struct{}) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}}
	for {
		metrics.Read(live)
		p.live.Store(max(p.live.Load(), live[0].Value.Uint64()))
		p.heap.Store(max(p.heap.Load(), live[1].Value.Uint64()))
		select {
		case <-stop:
			return
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// cpu is the processor time of this process so far.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkWrite writes b.N documents in batches of 500 and reports documents a
// second, of time and of processor time, and the peak of the heap. -benchtime=5000x and =50000x show that the
// heap does not grow with the number of documents.
func BenchmarkWrite(b *testing.B) {
	s, err := Open(context.Background(), b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	runtime.GC()
	stop := make(chan struct{})
	var peak peaks
	go peak.sample(stop)
	cpuBefore := cpu(b)
	b.ResetTimer()
	for from := 0; from < b.N; from += 500 {
		var batch []change
		for n := from; n < min(from+500, b.N); n++ {
			batch = append(batch, article(n))
		}
		if _, err := s.write(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	close(stop)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "docs/s")
	b.ReportMetric(float64(b.N)/(cpu(b)-cpuBefore).Seconds(), "docs/cpu-s")
	b.ReportMetric(float64(peak.heap.Load())/(1<<20), "peak-MiB")
	b.ReportMetric(float64(peak.live.Load())/(1<<20), "live-MiB")
	b.ReportMetric(float64(len(article(1).json)), "bytes/doc")
}

// BenchmarkSearch asks a store of 50,000 documents what an API asks for.
func BenchmarkSearch(b *testing.B) {
	s, err := Open(context.Background(), b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for from := 0; from < 50000; from += 1000 {
		var batch []change
		for n := from; n < from+1000; n++ {
			batch = append(batch, article(n))
		}
		if _, err := s.write(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
	}
	visible := records.All{records.Is(records.FieldAccess, records.AccessPublic), records.Not{Cond: records.Is(records.FieldDeleteMessage, "true")}}
	newest := []records.Sort{{Field: records.FieldHeight, Desc: true}}
	word := func(f records.Field) records.Cond { return records.Near{Field: f, Word: "artcile"} }
	words := records.Any{word(records.FieldNameWord), word(records.FieldDescriptionWord), word(records.FieldTagWord)}
	like := func(least records.Closeness) records.Cond {
		return records.Like{Path: "post.webUrl", Text: "COM/4999", Least: least}
	}
	best := append([]records.Sort{{Field: records.FieldScore, Desc: true}}, newest...)
	for name, q := range map[string]records.Query{
		"newest":   {Where: visible, Sort: newest, Limit: 20},
		"tag":      {Where: append(visible, records.Is(records.FieldTag, "tag7")), Sort: newest, Limit: 20},
		"byName":   {Where: visible, Sort: []records.Sort{{Field: records.FieldName}}, Limit: 20},
		"dates":    {Where: append(visible, records.Between{Field: records.FieldDate, Min: 1700010000, Max: 1700020000}), Sort: newest, Limit: 20},
		"byDID":    {Where: records.Is(records.FieldDID, article(7).did), Limit: 1},
		"deepPage": {Where: visible, Sort: newest, Offset: 9000, Limit: 20},
		"distinct": {Where: visible, Sort: newest, Limit: 20, Distinct: true},
		"refsOnly": {Where: visible, Sort: newest, Limit: 1000, RefsOnly: true},
		"equal":    {Where: append(visible, records.EqualFold("post.bylineWriter", "Someone")), Sort: newest, Limit: 20},
		"words": {Where: append(visible, words), Sort: best, Limit: 20, Score: []records.Scored{{Where: word(records.FieldNameWord), Points: 3},
			{Where: word(records.FieldDescriptionWord), Points: 2}, {Where: word(records.FieldTagWord), Points: 1}}},
		"like": {Where: append(visible, like(records.Contains)), Sort: best, Limit: 20, Score: []records.Scored{{Where: like(records.Contains), Points: 1},
			{Where: like(records.WholeWord), Points: 1}, {Where: like(records.Same), Points: 1}}},
	} {
		b.Run(name, func(b *testing.B) {
			before := cpu(b)
			for b.Loop() {
				if _, err := s.Search(context.Background(), q); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
	b.Run("countTags", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Count(context.Background(), visible, records.FieldTag); err != nil {
				b.Fatal(err)
			}
		}
	})
}
