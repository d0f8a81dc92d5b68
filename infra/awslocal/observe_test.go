package main

import (
	"bytes"
	"encoding/json"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"oipnode/infra/template"
	"oipnode/shared/metrics"
)

// daemon stands in the place of the X-Ray daemon: it takes datagrams and keeps the
// documents in them.
type daemon struct {
	conn net.PacketConn
	mu   sync.Mutex
	docs []document
}

// document is a subsegment.
type document struct {
	Name     string `json:"name"`
	TraceID  string `json:"trace_id"`
	ParentID string `json:"parent_id"`
	ID       string `json:"id"`
}

func listen(t *testing.T) *daemon {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{conn: conn}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buffer := make([]byte, 64<<10)
		for {
			n, _, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, body, _ := bytes.Cut(buffer[:n], []byte("\n"))
			var doc document
			if json.Unmarshal(body, &doc) == nil {
				d.mu.Lock()
				d.docs = append(d.docs, doc)
				d.mu.Unlock()
			}
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-ended
	})
	return d
}

// names are those of all documents so far.
func (d *daemon) names() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []string
	for _, doc := range d.docs {
		list = append(list, doc.Name)
	}
	return list
}

// TestTraceAndMetrics: the binary that ships sends a trace of its invocation to the
// daemon, with its phases and the calls of others and nothing per record, and writes
// its metrics into the log.
func TestTraceAndMetrics(t *testing.T) {
	x := listen(t)
	d := deploy(t, "AWS_XRAY_DAEMON_ADDRESS="+x.conn.LocalAddr().String())
	d.invoke(d.start("keepdb"), event(t, "keepdb.json"), nil)
	var names, missing []string
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		names, missing = x.names(), []string{"keepdb", "forward", "ledger", "DynamoDB", "OpenSearch"}
		missing = slices.DeleteFunc(missing, func(want string) bool { return slices.Contains(names, want) })
		if len(missing) == 0 || time.Now().After(end) {
			break
		}
	}
	if len(missing) > 0 {
		t.Errorf("no spans %q in %q", missing, names)
	}
	if len(names) > 120 {
		t.Errorf("%d spans for 290 records", len(names))
	}
	x.mu.Lock()
	for _, doc := range x.docs {
		if doc.TraceID == "" || doc.ParentID == "" || doc.ID == "" || doc.TraceID != x.docs[0].TraceID {
			t.Errorf("span %+v", doc)
		}
	}
	x.mu.Unlock()

	var line struct {
		AWS struct {
			CloudWatchMetrics []struct {
				Namespace string
				Metrics   []struct{ Name, Unit string }
			}
		} `json:"_aws"`
		FunctionName                                                 string
		RecordsIndexed, RecordsRejected, CheckpointHeight, LagBlocks float64
		ColdStarts, MemoryUsed                                       float64
	}
	for text := range strings.Lines(d.log.String()) {
		if strings.Contains(text, `"_aws"`) {
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Errorf("%v: %s", err, text)
			}
			break
		}
	}
	if line.FunctionName != "keepdb" || line.RecordsIndexed < 200 || line.RecordsRejected != 2 || line.CheckpointHeight != 1700000 ||
		line.LagBlocks != 0 || line.ColdStarts != 1 || line.MemoryUsed < 1<<20 || len(line.AWS.CloudWatchMetrics) != 1 {
		t.Errorf("metrics %+v\n%s", line, d.log)
	}
}

// rare are the metrics that are written only when something fails or is lacking, which is
// not so of what each function does here.
var rare = []metrics.Definition{
	metrics.CycleErrors.Definition(), metrics.GatewayErrors.Definition(), metrics.GunErrors.Definition(), metrics.APIRequests5xx.Definition(),
	metrics.RecordsWaiting.Definition(),
}

// tellOfMetrics checks that each function has really written what an alarm or the
// dashboard looks at. What is rare is left out.
func tellOfMetrics(d *deployment, deployed *template.Template) {
	d.Helper()
	seen := make(map[string]bool) // FUNCTION/METRIC
	for line := range strings.Lines(d.log.String()) {
		var written map[string]json.RawMessage
		if !strings.Contains(line, `"_aws"`) || json.Unmarshal([]byte(line), &written) != nil {
			continue
		}
		for name := range written {
			seen[strings.Trim(string(written[metrics.Dimension]), `"`)+"/"+name] = true
		}
	}
	watched := deployed.Watched(metrics.Namespace)
	if len(watched) != len(deployed.Functions()) {
		d.Errorf("alarms and dashboard look at the metrics of %d functions", len(watched))
	}
	for function, names := range watched {
		for _, name := range names {
			if !seen[function+"/"+name] && !slices.ContainsFunc(rare, func(m metrics.Definition) bool { return m.Name == name }) {
				d.Errorf("an alarm or the dashboard looks at %s, which %s does not write", name, function)
			}
		}
	}
}
