package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for the node before it gives up.
const patience = 60 * time.Second

// process is a node as a user runs it.
type process struct {
	cmd   *exec.Cmd
	url   string
	mu    sync.Mutex
	lines []string // of its log
	ended chan struct{}
}

// settings are the environment of a test's node: only what a test says, on a free
// port, so that nothing of the machine's own settings is in it.
func settings(dir string, more map[string]string) []string {
	env := map[string]string{
		"DATA_DIR": dir, "LISTEN": "127.0.0.1:0", "ARWEAVE_GATEWAYS": "sample", "KEEP_DB_INTERVAL": "100ms", "KEEP_DB_DELAY": "0",
	}
	maps.Copy(env, more)
	var list []string
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	return list
}

// startNode runs a node until it serves.
func startNode(t *testing.T, dir string, more map[string]string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(binary), ended: make(chan struct{})}
	p.cmd.Env = settings(dir, more)
	logs, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	serving := make(chan string, 1)
	go func() {
		defer close(p.ended)
		scanner := bufio.NewScanner(logs)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			var line struct{ Msg, URL string }
			if json.Unmarshal(scanner.Bytes(), &line) == nil && line.Msg == "serving" {
				serving <- line.URL
			}
			p.mu.Lock()
			p.lines = append(p.lines, scanner.Text())
			p.mu.Unlock()
		}
		// Its exit code is in ProcessState; that it was killed is no error here.
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the node's log:\n%s", p.log())
		}
		p.kill()
	})
	select {
	case p.url = <-serving:
	case <-p.ended:
		t.Fatalf("the node ended instead of serving:\n%s", p.log())
	case <-time.After(patience):
		t.Fatal("the node does not serve")
	}
	return p
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// kill ends the node as a power cut would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.ended
}

// stop sends Ctrl-C. The node has five seconds to end, with the code 0.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(5 * time.Second):
		t.Fatal("the node is still there five seconds after Ctrl-C")
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d after Ctrl-C", code)
	}
}

// refused runs a node that must not start, and returns what it says.
func refused(t *testing.T, dir string, code int, more map[string]string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary)
	cmd.Env = settings(dir, more)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	if got := cmd.ProcessState.ExitCode(); err == nil || got != code {
		t.Errorf("exit code %d, %v, want %d", got, err, code)
	}
	return said.String()
}

var client = &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}

// ask gets JSON from the node's API.
func (p *process) ask(t *testing.T, path string, answer any) {
	t.Helper()
	resp, err := client.Get(p.url + path)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d, %v: %.300s", path, resp.StatusCode, err, body)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		t.Fatalf("%s: %v: %.300s", path, err, body)
	}
}

// health is the state of the index, as its page shows it.
type health struct {
	Status        string
	Checkpoint    int64
	GatewayHeight int64
	Cycles        int64
	Ledger        map[string]int64
	Rejected      []struct{ ID, Reason string }
	LastCycle     *struct {
		Complete bool
		Counts   map[string]int
		Error    string
	}
}

// until polls the state of the index until it is as a test wants it.
func (p *process) until(t *testing.T, what string, ok func(h health) bool) health {
	t.Helper()
	end := time.Now().Add(patience)
	for {
		var h health
		p.ask(t, "/api/health/keepdb", &h)
		if ok(h) {
			return h
		}
		if time.Now().After(end) {
			t.Fatalf("the node does not become %s: %+v", what, h)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// record is what tests look at in a record.
type record struct {
	Data struct {
		Basic struct{ Name, Description string }
	}
	OIP struct {
		DID            string
		RecordType     string
		RecordStatus   string
		InArweaveBlock *int64
		IndexedAt      string
		Creator        struct{ CreatorHandle string }
	}
}

// all are all records that anybody may read, by their DID, read page by page.
func (p *process) all(t *testing.T) map[string]record {
	t.Helper()
	found := map[string]record{}
	for cursor := ""; ; {
		var answer struct {
			TotalRecords int
			NextCursor   string
			Records      []record
		}
		p.ask(t, "/api/records?limit=100&cursor="+url.QueryEscape(cursor), &answer)
		for _, r := range answer.Records {
			found[r.OIP.DID] = r
		}
		if cursor = answer.NextCursor; cursor == "" {
			if len(found) != answer.TotalRecords {
				t.Errorf("%d records on the pages, %d in all", len(found), answer.TotalRecords)
			}
			return found
		}
	}
}

func dids(records map[string]record) []string { return slices.Sorted(maps.Keys(records)) }
