package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"oipnode/infra/sample"
	"oipnode/shared/gatewaysim"
	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
)

func manifest(t *testing.T) sample.Manifest {
	t.Helper()
	m, err := sample.ReadManifest()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// expected are the DIDs of the records on the sample chain that anybody may read:
// all but those that are restricted, deleted or false.
func expected(t *testing.T) []string {
	t.Helper()
	chain, err := sample.Load()
	if err != nil {
		t.Fatal(err)
	}
	m := manifest(t)
	hidden := slices.Concat(m.Private, m.Shared, m.Members, []string{m.Deleted, m.Forged, m.Tampered})
	var list []string
	for it := range chain.All() {
		for _, tag := range it.Tags {
			switch {
			case tag.Name != "RecordType" || slices.Contains(hidden, it.ID):
			case tag.Value == oip.TypeRegistration || tag.Value == oip.TypeOrganization || tag.Value == "deleteMessage":
			default:
				list = append(list, oip.DID(it.ID))
			}
		}
	}
	slices.Sort(list)
	return list
}

// settled tells that the sample's late bundle has come and nothing waits any more.
func settled(h health) bool {
	return h.Cycles >= 2 && h.Checkpoint == sample.Tip && h.LastCycle.Complete && h.Ledger["waiting:creator"] == 0
}

// checkSample checks that the whole of the sample chain is there as it should be.
func checkSample(t *testing.T, p *process) {
	t.Helper()
	m := manifest(t)
	h := p.until(t, "settled", settled)
	if len(h.Rejected) != 2 || h.Ledger["deleted"] != 1 || h.Ledger["rejected:bad_signature"] != 2 || len(h.Ledger) != 2 {
		t.Errorf("ledger %v, rejected %v", h.Ledger, h.Rejected)
	}
	for _, r := range h.Rejected {
		if r.ID != m.Forged && r.ID != m.Tampered || r.Reason != "bad_signature" {
			t.Errorf("rejected %+v", r)
		}
	}
	records := p.all(t)
	if got, want := dids(records), expected(t); !slices.Equal(got, want) {
		t.Errorf("%d records, want %d", len(got), len(want))
	}
	for did, r := range records {
		if r.OIP.RecordStatus != "original" || r.OIP.InArweaveBlock == nil || r.OIP.Creator.CreatorHandle == "" {
			t.Errorf("%s: %+v", did, r.OIP)
		}
	}
	var creators struct{ TotalCreators int }
	p.ask(t, "/api/creators", &creators)
	var organizations struct{ TotalOrganizations int }
	p.ask(t, "/api/organizations", &organizations)
	var templates struct{ TotalTemplates int }
	p.ask(t, "/api/templates", &templates)
	if creators.TotalCreators != 5 || organizations.TotalOrganizations != 1 || templates.TotalTemplates != 17 {
		t.Errorf("%d creators, %d organizations, %d templates", creators.TotalCreators, organizations.TotalOrganizations, templates.TotalTemplates)
	}
	var messages struct{ Records []record }
	p.ask(t, "/api/records?includeDeleteMessages=true&recordType=delete", &messages)
	if len(messages.Records) != 2 {
		t.Errorf("%d delete messages, want 2: one of them without effect", len(messages.Records))
	}
}

// The whole of it: the sample chain from nothing, stopped, and started again.
func TestSampleChain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startNode(t, dir, nil)
	checkSample(t, p)
	before := p.all(t)

	resp, err := client.Get(p.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	checkPage(t, string(page), resp.Header, func(path string) int {
		r, err := client.Get(p.url + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Body.Close()
		return r.StatusCode
	})
	p.stop(t)

	p = startNode(t, dir, nil)
	if got := p.all(t); len(got) != len(before) {
		t.Errorf("%d records at once after the restart, %d before", len(got), len(before))
	}
	cycles := p.until(t, "running", func(h health) bool { return h.LastCycle != nil }).Cycles
	p.until(t, "through with two cycles", func(h health) bool { return h.Cycles > cycles+2 })
	for did, r := range p.all(t) {
		if r.OIP.IndexedAt != before[did].OIP.IndexedAt || r.OIP.RecordStatus != "original" {
			t.Errorf("%s was touched by the restart: %+v, before %+v", did, r.OIP, before[did].OIP)
		}
	}
	for _, word := range []string{`"vanished":1`, `"moved":1`, `"level":"ERROR"`} {
		if strings.Contains(p.log(), word) {
			t.Errorf("the log of the second start has %s", word)
		}
	}
	p.stop(t)
}

// Killed again and again in the middle of its first cycles, the node loses nothing.
func TestKilledNodeGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	few := map[string]string{"MAX_TRANSACTIONS_PER_CYCLE": "60"}
	last := 0
	for range 3 {
		p := startNode(t, dir, few)
		p.until(t, "further", func(h health) bool {
			var answer struct{ TotalRecords int }
			p.ask(t, "/api/records?limit=1", &answer)
			further := answer.TotalRecords > last || h.Checkpoint == sample.Tip
			last = max(last, answer.TotalRecords)
			return further
		})
		p.kill()
	}
	p := startNode(t, dir, nil)
	checkSample(t, p)
	p.stop(t)
}

func TestSecondNodeInTheSameFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := startNode(t, dir, nil)
	said := refused(t, dir, 1, nil)
	if !strings.Contains(said, filepath.Join(dir, folderSample)+" is in use by another process") || strings.Count(said, "\n") != 1 {
		t.Errorf("the second node says %s", said)
	}
	p.until(t, "through a cycle", func(h health) bool { return h.Cycles > 0 })

	address := strings.TrimPrefix(p.url, "http://")
	said = refused(t, t.TempDir(), 1, map[string]string{"LISTEN": address})
	if !strings.Contains(said, "LISTEN: "+address+" is in use") || strings.Count(said, "\n") != 1 {
		t.Errorf("a node on the same port says %s", said)
	}
}

func TestBadConfiguration(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	said := refused(t, dir, 2, map[string]string{"START_HEIGHT": "soon", "KEEP_DB_INTERVAL": "never", "LISTEN": "here"})
	for _, name := range []string{"START_HEIGHT", "soon", "KEEP_DB_INTERVAL", "never", "LISTEN", "here"} {
		if !strings.Contains(said, name) {
			t.Errorf("the faults do not name %s:\n%s", name, said)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a node with a bad configuration made a data folder")
	}
}

func TestOlderDataFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sub := filepath.Join(dir, folderSample)
	if err := os.MkdirAll(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(sub, "format.json"), []byte(`{"format":0}`), 0o600); err != nil {
		t.Fatal(err)
	}
	said := refused(t, dir, 1, nil)
	if !strings.Contains(said, sub+" was made by an older version") || strings.Count(said, "\n") != 1 {
		t.Errorf("the node says %s", said)
	}
}

// liveChain is a chain of a creator's own, behind a gateway in this process.
func liveChain(t *testing.T) (*gatewaysim.Chain, *gatewaysim.Server, *oiptest.Signer, oiptest.Object) {
	t.Helper()
	signer := oiptest.NewSigner("live", 2048)
	chain := gatewaysim.NewChain(1_600_000)
	template := signer.Template("basic", []byte(`{"name":"string","index_name":0}`))
	add(t, chain, 1_590_000, signer.Registration("ann", "Lee"), template)
	server := gatewaysim.NewServer(chain, gatewaysim.Options{})
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return chain, server, signer, oiptest.Object{Template: template.ID, Values: map[int]any{0: "a record"}}
}

func add(t *testing.T, chain *gatewaysim.Chain, height int64, txs ...oip.Transaction) {
	t.Helper()
	for _, tx := range txs {
		if err := chain.Add(height, gatewaysim.Item{ID: tx.ID, Tags: tx.Tags, Data: tx.Data}); err != nil {
			t.Fatal(err)
		}
	}
}

// A live gateway is followed, beside the sample in the same data folder.
func TestLiveGateway(t *testing.T) {
	t.Parallel()
	chain, server, signer, object := liveChain(t)
	first := signer.Record("post", object)
	add(t, chain, 1_599_999, first)

	dir := t.TempDir()
	p := startNode(t, dir, nil)
	p.stop(t)
	p = startNode(t, dir, map[string]string{"ARWEAVE_GATEWAYS": server.URL()})
	p.until(t, "up to date", func(h health) bool { return h.Checkpoint == 1_600_000 })
	if got := dids(p.all(t)); !slices.Equal(got, []string{oip.DID(first.ID)}) {
		t.Errorf("records %v", got)
	}

	second := signer.Record("image", object)
	add(t, chain, 1_600_001, second)
	chain.SetTip(1_600_001)
	p.until(t, "up to date again", func(h health) bool { return h.Checkpoint == 1_600_001 })
	if got := p.all(t); len(got) != 2 || got[oip.DID(second.ID)].Data.Basic.Name != "a record" {
		t.Errorf("records %v", got)
	}
	p.stop(t)
}

// An empty node waits before it asks live gateways for anything; its API does not.
func TestFirstDelay(t *testing.T) {
	t.Parallel()
	_, server, _, _ := liveChain(t)
	p := startNode(t, t.TempDir(), map[string]string{"ARWEAVE_GATEWAYS": server.URL(), "KEEP_DB_DELAY": "3600"})
	var h health
	p.ask(t, "/api/health/keepdb", &h)
	if h.Status != "starting" || h.Cycles != 0 || server.Requests().Total() != 0 {
		t.Errorf("state %+v after %+v requests", h, server.Requests())
	}
	p.stop(t)
}

// Without a gateway the node serves what it has and says once what is wrong.
func TestNoGateway(t *testing.T) {
	t.Parallel()
	_, server, _, _ := liveChain(t)
	dir := t.TempDir()
	env := map[string]string{"ARWEAVE_GATEWAYS": server.URL()}
	p := startNode(t, dir, env)
	p.until(t, "up to date", func(h health) bool { return h.Checkpoint == 1_600_000 })
	p.stop(t)
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}

	p = startNode(t, dir, env)
	cycles := p.until(t, "failing", func(h health) bool { return h.Status == "failing" }).Cycles
	p.until(t, "failing for long", func(h health) bool { return h.Cycles > cycles+4 })
	resp, err := client.Get(p.url + "/api/health")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("health has the status %d", resp.StatusCode)
	}
	if n := strings.Count(p.log(), "the index cycle failed"); n != 1 {
		t.Errorf("the failure is in the log %d times", n)
	}
	p.stop(t)
}
