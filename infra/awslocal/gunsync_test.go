package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/golang-jwt/jwt/v5"

	"oipnode/infra/lambdalocal/sandbox"
	"oipnode/shared/gun/guntest"
	"oipnode/shared/jobs"
	"oipnode/shared/jobs/sqs"
	"oipnode/shared/oip/oiptest"
)

// pass is what of gunsync's answer these tests look at.
type pass struct {
	Skipped string
	Report  *struct {
		Complete bool
		Counts   struct{ Discovered, Synced, Indexed, Rejected, Deleted, Errors int }
	}
}

var gunner = oiptest.NewSigner("gun alice", 2048)

// gunPeer is a peer with four posts: one that verifies, one that does not, one that is
// encrypted, and one that was deleted.
func gunPeer(t testing.TB, faults *guntest.Faults) *guntest.Peer {
	t.Helper()
	p := guntest.NewPeer(guntest.Options{Faults: faults})
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	for i, r := range []guntest.Record{{}, {Unsigned: true}, {Encrypted: guntest.PerUser}, {}} {
		r.Signer, r.LocalID, r.Type, r.NodeID = gunner, fmt.Sprint(i), "post", "node-a"
		r.Data = fmt.Sprintf(`{"basic":{"name":"GUN record %d"},"post":{"webUrl":"https://example.com/%d"}}`, i, i)
		p.Publish(r)
	}
	p.Delete(guntest.DID(guntest.Soul(gunner.Modulus, "3")), gunner.Modulus)
	return p
}

// messages is the queue of gunsync from the side of Lambda.
func (d *deployment) messages() *sqs.Queue {
	d.Helper()
	q, err := sqs.New(sqs.Options{Client: awssqs.NewFromConfig(d.options.AWS), URL: d.stack.GunQueue()})
	if err != nil {
		d.Fatal(err)
	}
	return q
}

// next waits for a message and takes it out of the queue, as Lambda does.
func (d *deployment) next(q *sqs.Queue) jobs.Job {
	d.Helper()
	for range 60 {
		batch, err := q.Receive(d.Context(), 1, time.Second, time.Minute)
		if err != nil {
			d.Fatal(err)
		}
		if len(batch) == 1 {
			if err := q.Ack(d.Context(), batch[0].Receipt); err != nil {
				d.Fatal(err)
			}
			return batch[0]
		}
	}
	d.Fatalf("no message came\n%s", d.log)
	return jobs.Job{}
}

// waiting is how many messages are in the queue, delayed ones too.
func (d *deployment) waiting(q *sqs.Queue) int64 {
	d.Helper()
	s, err := q.Stats(d.Context())
	if err != nil {
		d.Fatal(err)
	}
	return s.Waiting + s.Running
}

// delivery is the event by which Lambda hands a message over.
func delivery(t testing.TB, body string, count int) []byte {
	t.Helper()
	text, err := json.Marshal(events.SQSEvent{Records: []events.SQSMessage{{
		MessageId: "m", ReceiptHandle: "r", Body: body, EventSource: "aws:sqs",
		Attributes: map[string]string{"ApproximateReceiveCount": fmt.Sprint(count), "SentTimestamp": "1795600800000"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// sync invokes the function.
func (d *deployment) sync(s *sandbox.Sandbox, event []byte) pass {
	d.Helper()
	var p pass
	d.invoke(s, event, &p)
	return p
}

// syncSamples hands the samples of gunsync over, for TestEvents: the schedule begins the
// chain, a message of another chain dies, and a wish is fulfilled.
func syncSamples(d *deployment, use func(name string) []byte) {
	d.Helper()
	s := d.start("gunsync")
	first := d.sync(s, use("gunsync.json"))
	if first.Report == nil || !first.Report.Complete || first.Report.Counts.Indexed != 3 || first.Report.Counts.Errors != 0 {
		d.Errorf("the first pass: %+v\n%s", first, d.log)
	}
	if late := d.sync(s, use("gunsync-late.json")); late.Report != nil || late.Skipped == "" {
		d.Errorf("a late message: %+v", late)
	}
	if forced := d.sync(s, use("gunsync-force.json")); forced.Report == nil || !forced.Report.Complete || forced.Report.Counts.Indexed != 0 {
		d.Errorf("a wish: %+v", forced)
	}
	if n := d.waiting(d.messages()); n != 1 {
		d.Errorf("%d messages wait for the next pass", n)
	}
}

// everyPass is all that gunsync does, for TestPermissions: a sync with a relay of its own
// that has records, an update, a pass in which nothing changed, and messages.
func everyPass(d *deployment, s *sandbox.Sandbox, relay *guntest.Peer) {
	d.Helper()
	for i := range 4 {
		if i == 2 {
			relay.Update(guntest.Soul(gunner.Modulus, "0"), `{"basic":{"name":"changed"}}`)
		}
		d.sync(s, []byte(`{"force":true}`))
	}
	d.sync(s, event(d.TB, "gunsync.json"))
	d.sync(s, event(d.TB, "gunsync-late.json"))
}

// TestGunChain: one chain of messages keeps the interval, over new processes, beside
// the schedule and whatever the queue delivers twice; what it indexes is served.
func TestGunChain(t *testing.T) {
	peer := gunPeer(t, nil)
	d := deploy(t, "GUN_EXTERNAL_PEERS="+peer.Socket(), "GUN_SYNC_INTERVAL=1000", "GUN_CACHE_MAX_AGE=1000")
	q := d.messages()
	s := d.start("gunsync")
	schedule := event(t, "gunsync.json")
	if p := d.sync(s, schedule); p.Report == nil || p.Report.Counts.Indexed != 3 {
		t.Fatalf("the first pass: %+v\n%s", p, d.log)
	}
	for i := range 3 {
		if i == 1 {
			s.Close()
			s = d.start("gunsync")
		}
		if p := d.sync(s, schedule); p.Skipped == "" {
			t.Errorf("the schedule runs a pass beside the chain: %+v", p)
		}
		if n := d.waiting(q); n != 1 {
			t.Fatalf("%d messages after pass %d", n, i)
		}
		if i == 2 {
			peer.Update(guntest.Soul(gunner.Modulus, "0"), `{"basic":{"name":"GUN record 0, changed"}}`)
		}
		m := d.next(q)
		if age := time.Since(m.Sent); age < 900*time.Millisecond {
			t.Errorf("a message came %v after it was sent", age)
		}
		p := d.sync(s, delivery(t, string(m.Body), 1))
		if p.Report == nil || !p.Report.Complete || p.Report.Counts.Errors > 0 {
			t.Fatalf("pass %d: %+v\n%s", i, p, d.log)
		}
		for range 2 {
			if p := d.sync(s, delivery(t, string(m.Body), 2)); p.Skipped == "" {
				t.Errorf("a message that was delivered twice runs a second pass: %+v", p)
			}
		}
		if p := d.sync(s, delivery(t, `{"force":true}`, 1)); p.Report == nil {
			t.Errorf("a wish: %+v", p)
		}
		if p := d.sync(s, delivery(t, `{"force":true}`, 2)); p.Skipped == "" {
			t.Errorf("a wish is tried twice: %+v", p)
		}
	}
	if n := d.waiting(q); n != 1 {
		t.Errorf("%d messages at the end", n)
	}

	var page struct {
		StatusCode int
		Body       string
	}
	asks := strings.NewReplacer(`"/api/health"`, `"/api/records"`, `"rawQueryString": ""`, `"rawQueryString": "source=gun"`)
	d.invoke(d.start("api"), []byte(asks.Replace(string(event(t, "api-get.json")))), &page)
	for name, want := range map[string]bool{"GUN record 0, changed": true, "GUN record 1": true, "GUN record 2": false, "GUN record 3": false} {
		if strings.Contains(page.Body, name) != want {
			t.Errorf("%q is served: %v\n%.500s", name, !want, page.Body)
		}
	}
	if lines := d.log.errorLines(); len(lines) > 0 {
		t.Errorf("errors were logged: %s", lines)
	}
}

// TestGunOverlap: of two passes at once one is run, and the other is no fault.
func TestGunOverlap(t *testing.T) {
	faults := guntest.NewFaults(1, guntest.Mix{guntest.Slow: 1})
	faults.SlowDelay = time.Second
	d := deploy(t, "GUN_EXTERNAL_PEERS="+gunPeer(t, faults).URL(), "RECORD_TYPE_INDEX_MODE=whitelist", "RECORD_TYPE_INDEX_WHITELIST=post")
	processes := []*sandbox.Sandbox{d.start("gunsync"), d.start("gunsync")}
	d.sync(processes[0], []byte(`{"force":true}`)) // the stores are made
	passes := make([]pass, len(processes))
	var both sync.WaitGroup
	for i, s := range processes {
		both.Go(func() {
			r, err := s.Invoke(t.Context(), []byte(`{"force":true}`))
			if err != nil || json.Unmarshal(r.Payload, &passes[i]) != nil || r.Status != sandbox.StatusOK {
				t.Errorf("%v, %s", err, r.Payload)
			}
		})
	}
	both.Wait()
	skipped := 0
	for _, p := range passes {
		if p.Skipped != "" {
			skipped++
		} else if p.Report == nil || !p.Report.Complete {
			t.Errorf("%+v", p)
		}
	}
	if skipped != 1 {
		t.Errorf("%d of two were skipped: %+v\n%s", skipped, passes, d.log)
	}
	if n := d.waiting(d.messages()); n != 1 {
		t.Errorf("%d messages: the wish that was skipped is put off", n)
	}
}

// forceSync asks the API at a URL for a pass, as an operator does.
func forceSync(t testing.TB, api string) int {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"publicKey": "operator", "isAdmin": true, "exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString([]byte(contractSecret))
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, api+"/api/health/gun-sync/force", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Error(err)
	}
	return res.StatusCode
}

// TestGunForce: a wish at the API reaches the function by the queue, and the page of the
// sync shows what it did.
func TestGunForce(t *testing.T) {
	d := deploy(t, "GUN_EXTERNAL_PEERS="+gunPeer(t, nil).URL(), "JWT_SECRET="+contractSecret)
	q, s, api := d.messages(), d.start("gunsync"), d.start("api")
	d.sync(s, event(t, "gunsync.json"))
	url := serve(t, func(ctx context.Context, event []byte) ([]byte, error) {
		r, err := api.Invoke(ctx, event)
		return r.Payload, err
	})
	d.next(q) // the chain's message, which this test has no use for
	if status := forceSync(t, url); status != http.StatusAccepted {
		t.Errorf("status %d", status)
	}
	m := d.next(q)
	if p := d.sync(s, delivery(t, string(m.Body), m.Attempt)); p.Report == nil {
		t.Errorf("the wish %s: %+v", m.Body, p)
	}
	var page struct {
		Status  string
		Metrics struct{ SyncCycles, TotalSynced int }
	}
	if status, err := call(t.Context(), "GET", url+"/api/health/gun-sync", "", &page); err != nil || status != http.StatusOK ||
		page.Status != "healthy" || page.Metrics.SyncCycles != 2 || page.Metrics.TotalSynced != 4 {
		t.Errorf("%d, %v: %+v", status, err, page)
	}
}

// TestGunOff: without a peer, or switched off, nothing is done, and a chain that was
// begun ends.
func TestGunOff(t *testing.T) {
	peer := gunPeer(t, nil)
	for _, env := range [][]string{nil, {"GUN_EXTERNAL_PEERS=" + peer.URL(), "GUN_SYNC_ENABLED=false"}} {
		d := deploy(t, env...)
		s := d.start("gunsync")
		for _, e := range []string{`{}`, string(delivery(t, `{"beat":"x"}`, 1)), `{"force":true}`} {
			if p := d.sync(s, []byte(e)); p.Report != nil || !strings.Contains(p.Skipped, "GUN_EXTERNAL_PEERS") {
				t.Errorf("%v: %+v", env, p)
			}
		}
		if n := d.waiting(d.messages()); n != 0 {
			t.Errorf("%v: %d messages", env, n)
		}
	}
	if n := peer.Requests().Get; n > 0 {
		t.Errorf("a peer that is switched off was asked %d times", n)
	}
}

// TestGunFaults: what fails is an error of the invocation without anything from inside,
// and the next pass goes on.
func TestGunFaults(t *testing.T) {
	peer := gunPeer(t, nil)
	d := deploy(t, "GUN_EXTERNAL_PEERS="+peer.URL())
	fails := func(s *sandbox.Sandbox, event []byte, says string) {
		t.Helper()
		r, err := s.Invoke(t.Context(), event)
		if err != nil {
			t.Fatal(err)
		}
		if r.Status != sandbox.StatusError || !strings.Contains(string(r.Payload), says) || strings.Contains(string(r.Payload), "127.0.0.1") {
			t.Errorf("%s: %s", r.Status, r.Payload)
		}
	}
	s := d.start("gunsync")
	for _, bad := range []string{`[]`, `"x"`, string(delivery(t, `{"other":1}`, 1)), string(delivery(t, `x`, 1))} {
		fails(s, []byte(bad), "errorMessage")
	}
	for _, variable := range []string{"OPENSEARCH_ENDPOINT", "AWS_ENDPOINT_URL_DYNAMODB"} {
		broken := d.function("gunsync")
		broken.Env = append(broken.Env, variable+"=http://"+nowhere)
		process, err := sandbox.Start(t.Context(), broken)
		if err != nil {
			t.Fatal(err)
		}
		fails(process, []byte(`{}`), "open the stores")
		process.Close()
	}
	// Without the queue a pass is run all the same, and the schedule goes on.
	lonely := d.function("gunsync")
	lonely.Env = append(lonely.Env, "AWS_ENDPOINT_URL_SQS=http://"+nowhere, "GUN_QUEUE_URL=http://"+nowhere+"/"+url.PathEscape("queue"))
	process, err := sandbox.Start(t.Context(), lonely)
	if err != nil {
		t.Fatal(err)
	}
	defer process.Close()
	if p := d.sync(process, event(t, "gunsync.json")); p.Report == nil || p.Report.Counts.Indexed != 3 {
		t.Errorf("without a queue: %+v", p)
	}
	if !strings.Contains(d.log.String(), "waits for the schedule") {
		t.Error("nobody was told that the queue is away")
	}
}
