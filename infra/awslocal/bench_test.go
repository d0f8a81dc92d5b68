package main

import (
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"oipnode/infra/lambdalocal/sandbox"
	"oipnode/shared/gatewaysim"
	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
)

// grow is a chain of n records, one to a block, of one creator and one template.
func grow(b *testing.B, n int) *gatewaysim.Chain {
	b.Helper()
	const start = 1579570
	chain := gatewaysim.NewChain(start + int64(n) + 100)
	signer := oiptest.NewSigner("bench", 2048)
	add := func(height int64, tx oip.Transaction) {
		if err := chain.Add(height, gatewaysim.Item{ID: tx.ID, Tags: tx.Tags, Data: tx.Data}); err != nil {
			b.Fatal(err)
		}
	}
	template := signer.Template("basic", []byte(`{"name":"string","index_name":0,"description":"string","index_description":1}`))
	add(start, signer.Registration("bench", ""))
	add(start+1, template)
	text := fmt.Sprintf("%0900d", 7)
	for i := range n {
		add(start+2+int64(i), signer.Record("post", oiptest.Object{Template: template.ID, Values: map[int]any{0: fmt.Sprint("record ", i), 1: text}}))
	}
	return chain
}

// BenchmarkStart is the time from the start of each binary until it asks for its first
// event.
func BenchmarkStart(b *testing.B) {
	functions, err := filepath.Glob("../../functions/*/main.go")
	if err != nil || len(functions) == 0 {
		b.Fatal(functions, err)
	}
	d := deploy(b)
	for _, file := range functions {
		name := filepath.Base(filepath.Dir(file))
		b.Run(name, func(b *testing.B) {
			var times []time.Duration
			f := d.function(name) // builds it
			for range 20 {
				s, err := sandbox.Start(b.Context(), f)
				if err != nil {
					b.Fatal(err)
				}
				// What is no event ends without asking anything of the network.
				r, err := s.Invoke(b.Context(), []byte(`[]`))
				if err != nil {
					b.Fatal(err)
				}
				times = append(times, r.Init)
				s.Close()
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2])/1e6, "start-ms")
			b.ReportMetric(float64(times[len(times)-1])/1e6, "slowest-ms")
		})
	}
}

// BenchmarkKeepdb indexes a chain with the binary that ships, over the engines, in as
// many invocations as it takes: records a second, the largest memory, and the time from
// the start of the process until it asks for its first event.
func BenchmarkKeepdb(b *testing.B) {
	for _, n := range []int{5000, 50000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			gateway := httptest.NewServer(gatewaysim.NewServer(grow(b, n), gatewaysim.Options{IndexesBundles: true}))
			defer gateway.Close()
			var peak int64
			var init, took time.Duration
			for b.Loop() {
				d := deploy(b, "ARWEAVE_GATEWAYS="+gateway.URL)
				f := d.function("keepdb")
				f.Timeout, f.Memory = 270*time.Second, 512
				s, err := sandbox.Start(b.Context(), f)
				if err != nil {
					b.Fatal(err)
				}
				indexed := 0
				for complete := false; !complete; {
					var c cycle
					r := d.invoke(s, []byte(`{}`), &c)
					complete, indexed = c.Report.Complete, indexed+c.Report.Counts.Indexed
					peak, init, took = max(peak, r.PeakMemory), max(init, r.Init), took+r.Duration
				}
				s.Close()
				if indexed < n {
					b.Fatalf("%d indexed of %d\n%s", indexed, n, d.log)
				}
			}
			b.ReportMetric(float64(n*b.N)/took.Seconds(), "records/s")
			b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
			b.ReportMetric(float64(init)/1e6, "start-ms")
		})
	}
}
