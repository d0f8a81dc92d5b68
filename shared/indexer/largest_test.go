package indexer

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"oipnode/infra/engines"
	"oipnode/shared/gateway"
	"oipnode/shared/oip"
	"oipnode/shared/state"
	"oipnode/shared/state/dynamo"
)

// longGateways are as many gateways as can be configured, with the longest URLs, of signs
// that take the most room: in a URL, in JSON, and in both.
func longGateways(t *testing.T) []*gateway.Gateway {
	t.Helper()
	var list []*gateway.Gateway
	for i := range 32 {
		url := fmt.Sprintf("https://gateway%02d.example/", i)
		gw, err := gateway.Dial(url+strings.Repeat([]string{"a", "&", `"`, "é"}[i%4], 2048)[:2048-len(url)], gateway.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(gw.Close)
		list = append(list, gw)
	}
	return list
}

// TestLargestEntries writes the largest entries that there can be, many at a time, and
// what the pipeline remembers of gateways: all of it fits into the stores and comes back.
func TestLargestEntries(t *testing.T) {
	w := newWorld(t, 500, 1, false)
	_, embedded, _ := w.open()
	for name, open := range map[string]func(t *testing.T) state.Store{
		"bolt": func(*testing.T) state.Store { return embedded },
		"dynamo": func(t *testing.T) state.Store {
			client := dynamodb.NewFromConfig(engines.DynamoDB.AWS(t))
			table := tableOfOwn(t, client)
			s, err := dynamo.Open(t.Context(), dynamo.Options{Client: client, Table: table, Now: w.clock.Now})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			st := open(t)
			gateways := longGateways(t)
			w.use(gateways...)
			ix := New(w.options(nil, st, "largest"))
			lease, err := state.Acquire(t.Context(), st, leaseName, "largest", ix.opt.LeaseTTL, w.clock.Now)
			if err != nil {
				t.Fatal(err)
			}
			c, err := newCycle(t.Context(), ix, lease)
			if err != nil {
				t.Fatal(err)
			}
			c.gw = gateways[0]
			s := &settlement{c: c, entries: make(map[string]*Entry)}
			var ids []string
			for i := range 40 {
				it := &item{node: gateway.Node{ID: fmt.Sprintf("%043d", i), Height: MaxHeight}}
				for _, gw := range gateways {
					it.judgedBy(gw)
				}
				s.reject(it, oip.Rejected{Reason: oip.ReasonUnstorable, Detail: strings.Repeat(`"`, 100_000)})
				ids = append(ids, it.node.ID)
			}
			for i := range 40 {
				it := &item{node: gateway.Node{ID: fmt.Sprintf("w%042d", i), Height: MaxHeight}}
				var needs []oip.Dependency
				for n := range 3 * maxNeeds {
					needs = append(needs, oip.Dependency{Need: oip.NeedTemplate, ID: fmt.Sprintf("%043d", n)})
				}
				s.wait(it, strings.Repeat(`\`, 100_000), needs...)
				ids = append(ids, it.node.ID)
			}
			if err := c.apply(t.Context(), s.changes); err != nil {
				t.Fatal(err)
			}
			got, err := c.entriesOf(t.Context(), ids)
			if err != nil || len(got) != len(ids) {
				t.Fatalf("%d entries of %d, %v", len(got), len(ids), err)
			}
			for _, id := range ids[:40] {
				if e := got[id]; len(e.Gateways) != 32 || len(e.Asked) != 32 || len(e.Detail) != maxDetail || !c.allJudged(e) {
					t.Fatalf("%s came back with %d gateways, %d asked, %d bytes of detail", id, len(e.Gateways), len(e.Asked), len(e.Detail))
				}
			}
			for _, id := range ids[40:] {
				if e := got[id]; len(e.Needs) != maxNeeds || len(e.Detail) != maxDetail {
					t.Fatalf("%s came back with %d needs, %d bytes of detail", id, len(e.Needs), len(e.Detail))
				}
			}
			// What is kept of all gateways at once: their back-off, and the grounds of rejections.
			var backoffs []gateway.Backoff
			for _, gw := range gateways {
				backoffs = append(backoffs, gateway.Backoff{Gateway: gw.URL()})
			}
			op, err := c.putJSON(keyGateways, backoffs, anyVersion)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.commit(t.Context(), op); err != nil {
				t.Error(err)
			}
			if err := c.rejudge(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// tableOfOwn is a table of a test's own.
func tableOfOwn(t *testing.T, client *dynamodb.Client) string {
	t.Helper()
	table := "largest-" + strings.ToLower(rand.Text()[:10])
	if err := dynamo.CreateTable(t.Context(), client, table); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &table}); err != nil {
			t.Error(err)
		}
	})
	return table
}
