package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"oipnode/infra/lambdalocal/sandbox"
	"oipnode/shared/state"
	"oipnode/shared/state/dynamo"
	"oipnode/shared/voice"
)

// open opens the state store of a deployment, as its functions do.
func (d *deployment) open() *dynamo.Store {
	d.Helper()
	s, err := dynamo.Open(d.Context(), dynamo.Options{Client: dynamodb.NewFromConfig(d.options.AWS), Table: d.options.Table()})
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() {
		if err := s.Close(); err != nil {
			d.Error(err)
		}
	})
	return s
}

// teller keeps dialogues of one owner in a deployment's table.
type teller struct {
	testing.TB
	store     state.Store
	dialogues *voice.Dialogues
	caller    voice.Caller
}

func (d *deployment) tell(s state.Store, timeout time.Duration) *teller {
	d.Helper()
	dialogues, err := voice.New(voice.Options{State: s, Timeout: timeout})
	if err != nil {
		d.Fatal(err)
	}
	owner, err := voice.SecretOwner(fmt.Sprintf("the-owner-of-%v-dialogues", timeout))
	if err != nil {
		d.Fatal(err)
	}
	return &teller{d.TB, s, dialogues, voice.Caller{Owners: []voice.Owner{owner}}}
}

// talk makes a dialogue of so many events, and returns its id.
func (k *teller) talk(events int) string {
	k.Helper()
	s, err := k.dialogues.Start(k.Context(), k.caller.Owners[0])
	if err != nil {
		k.Fatal(err)
	}
	for n := range events {
		if _, _, err := k.dialogues.Append(k.Context(), k.caller, s.ID, voice.NewEvent{Event: "textChunk", Data: fmt.Append(nil, n)}); err != nil {
			k.Fatal(err)
		}
	}
	return s.ID
}

// rows is how many rows of a dialogue the table has for its readers.
func (k *teller) rows(id string) int {
	k.Helper()
	items, err := k.store.Range(k.Context(), "voice:"+id, "", "", state.MaxRange)
	if err != nil {
		k.Fatal(err)
	}
	return len(items)
}

// removal is the record of a dialogue's row that the time to live has removed.
func removal(t testing.TB, id string, number int) map[string]any {
	t.Helper()
	var e struct{ Records []map[string]any }
	text := strings.ReplaceAll(string(event(t, "expiry.json")), "5f2c8d0e9b7a4c31a6d4e8f01b2c3d4e", id)
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	e.Records[0]["dynamodb"].(map[string]any)["SequenceNumber"] = fmt.Sprintf("1%022d", number)
	return e.Records[0]
}

// counted sums up a metric over all lines of the log.
func (j *journal) counted(metric string) (sum float64) {
	for line := range strings.Lines(j.String()) {
		var values map[string]any
		if strings.Contains(line, `"_aws"`) && json.Unmarshal([]byte(line), &values) == nil {
			n, _ := values[metric].(float64)
			sum += n
		}
	}
	return sum
}

// TestTimeToLive: DynamoDB's own clean-up removes a dialogue whose time is over, its
// record goes through the trigger's filter into the very binary, and what belonged to
// the dialogue is removed and counted. What processes delete does not come so far.
func TestTimeToLive(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	stream := d.followTable()
	store := d.open()
	short, long := d.tell(store, 2*time.Second), d.tell(store, time.Hour)
	lives, gone, deleted := long.talk(3), short.talk(3), long.talk(1)
	if err := store.Commit(t.Context(), state.Put(state.Key{Space: "gun-seen", ID: "peer/soul"}, []byte("{}")).Until(time.Now().Add(time.Second))); err != nil {
		t.Fatal(err)
	}
	if err := store.Commit(t.Context(), state.Delete(state.Key{Space: "voice:" + deleted, ID: "dialogue"})); err != nil {
		t.Fatal(err)
	}
	expiry := d.start("expiry")
	var all, through []map[string]any
	for end := time.Now().Add(3 * time.Minute); len(through) < 2; time.Sleep(500 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the time to live has removed %d rows of 2", len(through))
		}
		more := stream.next()
		all, through = append(all, more...), append(through, stream.filtered(more)...)
	}
	if got := short.rows(gone); got != 3 { // the events, which nobody can read any more
		t.Errorf("%d rows before the function was told", got)
	}
	if calls := stream.deliver(expiry, through, 3); calls != 1 {
		t.Errorf("%d calls", calls)
	}
	if got := []int{short.rows(gone), long.rows(lives), long.rows(deleted)}; !slices.Equal(got, []int{0, 4, 1}) {
		t.Errorf("rows of the dialogue that expired, the one that lives, the one that was deleted: %v", got)
	}
	if d.log.counted("DialogueExpiries") != 1 || d.log.counted("ProcessedExpiries") != 1 || d.log.counted("OtherExpiries") != 0 ||
		!strings.Contains(d.log.String(), `"dialogues":1,"processedIds":1,"eventsOfDialogues":3`) {
		t.Errorf("the log has %s", d.log)
	}
	// All the other changes of the table, should they ever be let through, are no
	// removals by the time to live.
	if rest := len(all) - len(through); rest < 10 {
		t.Errorf("only %d other changes", rest)
	}
	stream.deliver(expiry, all, 3)
	if got := []int{long.rows(lives), long.rows(deleted)}; !slices.Equal(got, []int{4, 1}) {
		t.Errorf("all changes handed over: rows %v", got)
	}
	if lines := d.log.errorLines(); len(lines) > 0 {
		t.Errorf("errors were logged: %s", lines)
	}
}

// faulty stands before DynamoDB and answers writes that name a text as an engine in need
// does, until it is mended.
type faulty struct {
	*httputil.ReverseProxy
	text   string
	mended atomic.Bool
}

func (f *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if strings.Contains(r.Header.Get("X-Amz-Target"), "Write") && strings.Contains(string(body), f.text) && !f.mended.Load() {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError"}`)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	f.ReverseProxy.ServeHTTP(w, r)
}

// fault puts a faulty in front of the table, and gives its URL.
func (d *deployment) fault(text string) (*faulty, string) {
	d.Helper()
	engine, err := url.Parse(d.options.DynamoDB)
	if err != nil {
		d.Fatal(err)
	}
	transport := &http.Transport{}
	f := &faulty{text: text, ReverseProxy: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(engine) }, Transport: transport, ErrorLog: log.New(io.Discard, "", 0),
	}}
	server := httptest.NewServer(f)
	d.Cleanup(func() {
		server.Close()
		transport.CloseIdleConnections()
	})
	return f, server.URL
}

// TestExpiryInParts: what the table does not take within the function's time is named in
// the answer, in time, and Lambda's repetition ends it, with each row counted once.
func TestExpiryInParts(t *testing.T) {
	d := deploy(t)
	stream := d.followTable()
	k := d.tell(d.open(), time.Hour)
	var ids []string
	var records []map[string]any
	for n := range 4 {
		ids = append(ids, k.talk(20))
		records = append(records, removal(t, ids[n], n))
		if err := k.store.Commit(t.Context(), state.Delete(state.Key{Space: "voice:" + ids[n], ID: "dialogue"})); err != nil {
			t.Fatal(err)
		}
	}
	proxy, url := d.fault("voice:" + ids[1])
	f := d.function("expiry")
	f.Timeout = 6 * time.Second
	f.Env = append(f.Env, "AWS_ENDPOINT_URL_DYNAMODB="+url)
	s, err := sandbox.Start(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	var answer failures
	r := d.invoke(s, eventOf(t, records), &answer)
	if len(answer.BatchItemFailures) != 1 || answer.BatchItemFailures[0].ItemIdentifier != sequenceOf(records[1]) || r.Duration > f.Timeout {
		t.Fatalf("after %v: %s", r.Duration, r.Payload)
	}
	rows := func() (list []int) {
		for _, id := range ids {
			list = append(list, k.rows(id))
		}
		return list
	}
	if got := rows(); !slices.Equal(got, []int{0, 20, 0, 0}) || d.log.counted("DialogueExpiries") != 1 {
		t.Errorf("rows %v, %v dialogues counted", got, d.log.counted("DialogueExpiries"))
	}
	if lines := d.log.errorLines(); len(lines) != 1 || !strings.Contains(lines[0], `"rows":3`) {
		t.Errorf("errors %q", lines)
	}
	proxy.mended.Store(true)
	if calls := stream.deliver(s, records[1:], 3); calls != 1 {
		t.Errorf("%d calls", calls)
	}
	if got := rows(); !slices.Equal(got, []int{0, 0, 0, 0}) || d.log.counted("DialogueExpiries") != 4 {
		t.Errorf("rows %v, %v dialogues counted", got, d.log.counted("DialogueExpiries"))
	}
}

// TestExpiryKilled: the function is killed at any moment of its work; Lambda hands the
// batch over again, and in the end nothing of what expired is left, and all of what
// lives is.
func TestExpiryKilled(t *testing.T) {
	d := deploy(t)
	k := d.tell(d.open(), time.Hour)
	gone, lives := k.talk(60), k.talk(5)
	if err := k.store.Commit(t.Context(), state.Delete(state.Key{Space: "voice:" + gone, ID: "dialogue"})); err != nil {
		t.Fatal(err)
	}
	batch := eventOf(t, []map[string]any{removal(t, gone, 1)})
	f := d.function("expiry")
	killed := 0
	for after := 2 * time.Millisecond; ; after += 2 * time.Millisecond {
		s, err := sandbox.Start(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), after)
		r, err := s.Invoke(ctx, batch) // the end of the context is SIGKILL
		cancel()
		s.Close()
		if err == nil {
			if r.Status != sandbox.StatusOK || !strings.Contains(string(r.Payload), `"batchItemFailures":[]`) {
				t.Errorf("%s %s", r.Status, r.Payload)
			}
			break
		}
		if killed++; killed > 500 || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("killed %d times: %v", killed, err)
		}
	}
	if k.rows(gone) != 0 || k.rows(lives) != 6 || killed < 2 {
		t.Errorf("killed %d times; %d rows of what expired are left, and %d of what lives", killed, k.rows(gone), k.rows(lives))
	}
}
