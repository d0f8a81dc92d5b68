package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"oipnode/infra/lambdalocal/sandbox"
	"oipnode/infra/template"
	"oipnode/shared/gatewaysim"
	"oipnode/shared/metrics"
)

// sizesFlag lets BenchmarkSizes run, which takes minutes.
var sizesFlag = flag.Bool("sizes", false, "measure the scenarios of the README's table of sizes")

// scenario is a load by the month, and the memory that the operator gives the functions.
type scenario struct {
	name string
	// reference is the heap that the reference server's operators were told to give.
	reference string
	// indexed is how many records are in the index when the rest is measured.
	indexed int
	// What comes in a month: records of the chain, requests, GUN passes, media.
	records, requests, passes, fetches float64
	// memory is in MB, of those that do not have the template's default.
	memory map[string]int
}

// A month has 8,640 cycles of five minutes, and 86,400 passes of half a minute.
const (
	cyclesOfMonth  = 30 * 24 * 12
	passesOfMonth  = 30 * 24 * 120
	repairsOfMonth = 30 * 24
)

var scenarios = []scenario{
	{"development", "4 GB", 1000, 3_000, 30_000, 0, 100, nil},
	{"production, light", "8 GB", 5000, 30_000, 1_000_000, passesOfMonth, 3_000, nil},
	{"production, heavy", "16 GB", 20_000, 300_000, 30_000_000, passesOfMonth, 30_000, map[string]int{"api": 512, "keepdb": 1024}},
	{"high-volume indexing", "32 GB", 20_000, 10_000_000, 1_000_000, passesOfMonth, 3_000, map[string]int{"keepdb": fullCore}},
}

// meter is a proxy before DynamoDB that asks for the units of each request, and sums
// them up.
type meter struct {
	proxy *httputil.ReverseProxy

	mu            sync.Mutex
	reads, writes float64
}

func newMeter(b *testing.B, engine string) (*meter, string) {
	b.Helper()
	target, err := url.Parse(engine)
	if err != nil {
		b.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 32}
	m := &meter{proxy: &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: transport,
	}}
	m.proxy.ModifyResponse = m.count
	server := httptest.NewServer(m)
	b.Cleanup(func() {
		server.Close()
		transport.CloseIdleConnections()
	})
	return m, server.URL
}

// consuming are the operations that tell their units when they are asked to.
var consuming = map[string]bool{"GetItem": true, "BatchGetItem": true, "Query": true, "PutItem": false, "UpdateItem": false, "DeleteItem": false, "TransactWriteItems": false, "BatchWriteItem": false}

func operation(r *http.Request) string {
	_, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	return name
}

func (m *meter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, sandbox.MaxEvent))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if _, ok := consuming[operation(r)]; ok && bytes.HasPrefix(body, []byte("{")) {
		body = append([]byte(`{"ReturnConsumedCapacity":"TOTAL",`), body[1:]...)
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	m.proxy.ServeHTTP(w, r)
}

// count reads an answer's units.
func (m *meter) count(res *http.Response) error {
	name := operation(res.Request)
	isRead, ok := consuming[name]
	if !ok {
		return nil
	}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	res.Body = io.NopCloser(bytes.NewReader(text))
	var one struct{ ConsumedCapacity json.RawMessage }
	type capacity struct{ CapacityUnits float64 }
	var list []capacity
	if json.Unmarshal(text, &one) == nil && json.Unmarshal(one.ConsumedCapacity, &list) != nil {
		list = make([]capacity, 1)
		_ = json.Unmarshal(one.ConsumedCapacity, &list[0]) // an error has none
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range list {
		if isRead {
			m.reads += max(c.CapacityUnits, 1) // DynamoDB Local takes nothing for finding nothing
		} else {
			m.writes += c.CapacityUnits
		}
	}
	return nil
}

// sizing measures the functions of one deployment.
type sizing struct {
	*deployment
	b      *testing.B
	meter  *meter
	memory map[string]int
	peaks  map[string]int64
}

// begin starts a function with its memory and the deployed timeout.
func (z *sizing) begin(name string, timeout time.Duration) *sandbox.Sandbox {
	z.b.Helper()
	f := z.function(name)
	f.Memory, f.Timeout = int64(z.memory[name]), timeout
	s, err := sandbox.Start(z.Context(), f)
	if err != nil {
		z.b.Fatalf("%s: %v\n%s", name, err, z.log)
	}
	z.b.Cleanup(s.Close)
	return s
}

// run hands events over, one after the other, and says what they took. more says with
// the last answer whether another one is needed; nil is never.
func (z *sizing) run(name string, s *sandbox.Sandbox, list [][]byte, more func(answer []byte) bool) usage {
	z.b.Helper()
	var u usage
	z.meter.mu.Lock()
	u.reads, u.writes = -z.meter.reads, -z.meter.writes
	z.meter.mu.Unlock()
	u.logged = -len(z.log.String())
	for i := 0; i < len(list); i++ {
		var answer json.RawMessage
		r := z.invoke(s, list[i], &answer)
		u.invocations++
		u.wall, u.processor, u.peak = u.wall+r.Duration, u.processor+r.Processor, max(u.peak, r.PeakMemory)
		u.times = append(u.times, r.Duration)
		if more != nil && more(answer) {
			list = append(list, list[i])
		}
	}
	u.logged += len(z.log.String())
	z.meter.mu.Lock()
	u.reads, u.writes = u.reads+z.meter.reads, u.writes+z.meter.writes
	z.meter.mu.Unlock()
	z.peaks[name] = max(z.peaks[name], u.peak)
	slices.Sort(u.times)
	return u
}

// metricsOf are the metrics of ours that a deployment has written, each of which is
// billed by the month.
func metricsOf(log string) int {
	seen := make(map[string]bool)
	for line := range strings.Lines(log) {
		var d map[string]json.RawMessage
		if !strings.Contains(line, `"_aws"`) || json.Unmarshal([]byte(line), &d) != nil {
			continue
		}
		for _, def := range metrics.Definitions() {
			if d[def.Name] != nil {
				seen[string(d[metrics.Dimension])+def.Name] = true
			}
		}
	}
	return len(seen)
}

// repeat is an event several times.
func repeat(e []byte, n int) [][]byte { return slices.Repeat([][]byte{e}, n) }

// pages are requests as an app has them: pages, single records, a search, and health.
func pages(b *testing.B, n int) (list [][]byte) {
	for i := range n {
		query := fmt.Sprintf("limit=20&page=%d", i%40+1)
		path := "/api/records"
		switch i % 10 {
		case 6, 7:
			query = fmt.Sprintf("limit=1&page=%d", i%400+1)
		case 8:
			query = "recordType=post&sortBy=date:desc&limit=20"
		case 9:
			path, query = "/api/health", ""
		}
		list = append(list, gatewayEvent(b, http.MethodGet, path, query, ""))
	}
	return list
}

// measured is a row of the table.
type measured struct {
	scenario
	index, idle, api, summary, pass, fetch, repair usage
	peaks                                          map[string]int64
	memory                                         map[string]int
	metrics, alarms                                int
}

// measure runs the functions that ship over the engines with a scenario's load.
func (sc scenario) measure(b *testing.B, chain *gatewaysim.Chain, deployed *template.Template) measured {
	gateway := httptest.NewServer(gatewaysim.NewServer(chain, gatewaysim.Options{IndexesBundles: true}))
	defer gateway.Close()
	source, env := web(b)
	peer := gunPeer(b, nil)
	d := deploy(b, append(env, "ARWEAVE_GATEWAYS="+gateway.URL, "GUN_EXTERNAL_PEERS="+peer.URL())...)
	m, address := newMeter(b, d.options.DynamoDB)
	d.env = append(d.env, "AWS_ENDPOINT_URL_DYNAMODB="+address)
	z := &sizing{d, b, m, make(map[string]int), make(map[string]int64)}
	timeouts := make(map[string]time.Duration)
	for _, f := range deployed.Functions() {
		z.memory[f.Name], timeouts[f.Name] = f.Memory, f.Timeout
		if mb := sc.memory[f.Name]; mb != 0 {
			z.memory[f.Name] = mb
		}
	}
	row := measured{scenario: sc, peaks: z.peaks, memory: z.memory}

	keepdb := z.begin("keepdb", timeouts["keepdb"])
	indexed := 0
	row.index = z.run("keepdb", keepdb, repeat([]byte(`{}`), 1), func(answer []byte) bool {
		var c cycle
		if err := json.Unmarshal(answer, &c); err != nil {
			b.Fatal(err)
		}
		indexed += c.Report.Counts.Indexed
		return !c.Report.Complete
	})
	if indexed < sc.indexed {
		b.Fatalf("%d indexed of %d", indexed, sc.indexed)
	}
	row.idle = z.run("keepdb", keepdb, repeat([]byte(`{}`), 20), nil)
	row.summary = z.run("cacherefresh", z.begin("cacherefresh", timeouts["cacherefresh"]), repeat(event(b, "cacherefresh.json"), 10), nil)
	if sc.passes > 0 {
		row.pass = z.run("gunsync", z.begin("gunsync", timeouts["gunsync"]), repeat([]byte(`{"force":true}`), 10), nil)
	}
	row.api = z.run("api", z.begin("api", timeouts["api"]), pages(b, 400), nil)
	row.repair = z.run("maintenance", z.begin("maintenance", timeouts["maintenance"]), repeat(event(b, "maintenance-media-repair.json"), 3), nil)
	row.fetch = z.fetches(serve(b, d.pool(2, 29*time.Second)), source, timeouts["mediafetch"])
	row.metrics, row.alarms = metricsOf(d.log.String()), deployed.Alarms()
	return row
}

// fetches asks for small files and a large one, and has them fetched.
func (z *sizing) fetches(api, source string, timeout time.Duration) usage {
	z.b.Helper()
	ann := reader{z.b, api, "key-of-ann"}
	for i := range 4 {
		ann.fetch(fmt.Sprintf("%s/%d", source, i))
	}
	ann.fetch(source + "/large")
	_, list := z.mediaMessages(z.options.Queue(), 10*time.Minute)
	var events [][]byte
	for _, m := range list {
		events = append(events, mediaEvent(z.b, m))
	}
	return z.run("mediafetch", z.begin("mediafetch", timeout), events, nil)
}

// dollars is what the row costs in a month, without OpenSearch, storage and traffic.
func (m measured) dollars() float64 {
	records := m.records / float64(m.indexed)
	sum := m.index.costs(m.memory["keepdb"], records*float64(m.index.invocations)) +
		m.idle.costs(m.memory["keepdb"], cyclesOfMonth) +
		m.summary.costs(m.memory["cacherefresh"], cyclesOfMonth) +
		m.pass.costs(m.memory["gunsync"], m.passes) +
		m.api.costs(m.memory["api"], m.requests) + m.requests*priceRequest +
		m.fetch.costs(m.memory["mediafetch"], m.fetches) +
		m.repair.costs(m.memory["maintenance"], repairsOfMonth)
	return sum + float64(m.metrics)*priceMetric + float64(m.alarms)*priceAlarm
}

// heading is the table's, above rows of markdown.
const heading = "| load | in a month | reference | memory: most used, of MB given | measured here, index of | on Lambda | a month |\n|---|---|---|---|---|---|---|"

// markdown is the row as it stands in the README.
func (m measured) markdown() string {
	var peaks []string
	for _, name := range []string{"api", "keepdb", "gunsync", "cacherefresh", "mediafetch", "maintenance"} {
		if m.peaks[name] > 0 {
			peaks = append(peaks, fmt.Sprintf("`%s` %d of %d", name, m.peaks[name]>>20, m.memory[name]))
		}
	}
	at := func(q float64) float64 { return float64(m.api.times[int(q*float64(len(m.api.times)-1))]) / 1e6 }
	return fmt.Sprintf("| %s | %.0f records, %.0f requests, %.0f GUN passes, %.0f files | %s | %s | %d records: %.0f records/s, an idle cycle %.0f ms, a request p50 %.1f, p99 %.1f ms | an idle cycle %.0f ms, a request %.0f ms | $%.2f |",
		m.name, m.records, m.requests, m.passes, m.fetches, m.reference, strings.Join(peaks, ", "), m.indexed,
		float64(m.indexed)/m.index.wall.Seconds(), float64(m.idle.wall)/float64(m.idle.invocations)/1e6, at(0.5), at(0.99),
		m.idle.seconds(m.memory["keepdb"])*1e3, m.api.seconds(m.memory["api"])*1e3, m.dollars())
}

// BenchmarkSizes prints the README's table of sizes (make sizes): each scenario's load, by
// the functions as they ship, over the engines.
func BenchmarkSizes(b *testing.B) {
	if !*sizesFlag {
		b.Skip("it takes minutes: make sizes")
	}
	deployed, err := template.Load("../../template.yaml")
	if err != nil {
		b.Fatal(err)
	}
	chains := make(map[int]*gatewaysim.Chain)
	rows := []string{heading}
	for b.Loop() {
		for _, sc := range scenarios {
			if chains[sc.indexed] == nil {
				chains[sc.indexed] = grow(b, sc.indexed)
			}
			row := sc.measure(b, chains[sc.indexed], deployed)
			rows = append(rows, row.markdown())
			b.Logf("%s: %d metrics, %d alarms; units of an idle cycle: %.1f read, %.1f written; of a record: %.3f, %.3f", sc.name, row.metrics, row.alarms,
				row.idle.reads/20, row.idle.writes/20, row.index.reads/float64(sc.indexed), row.index.writes/float64(sc.indexed))
		}
	}
	fmt.Printf("Prices of %s.\n\n%s\n", pricesOf, strings.Join(rows, "\n"))
}
