package gun

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"oipnode/infra/awslocal/stack"
	"oipnode/infra/engines"
	"oipnode/shared/records"
	"oipnode/shared/records/opensearch"
	"oipnode/shared/state"
	"oipnode/shared/state/dynamo"
)

// openEngines opens the stores of AWS over real engines.
func (w *world) openEngines() (records.Store, state.Store) {
	w.t.Helper()
	config := engines.DynamoDB.AWS(w.t)
	o := stack.Options{AWS: config, DynamoDB: engines.DynamoDB.URL(w.t), OpenSearch: engines.OpenSearch.URL(w.t),
		Name: fmt.Sprintf("gun-%d-%s", w.seed, strings.ToLower(rand.Text()[:8])), Gateways: "none"}
	ctx := context.Background()
	if _, err := stack.New(ctx, o); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := stack.Delete(ctx, o); err != nil {
			w.t.Error(err)
		}
	})
	client := dynamodb.NewFromConfig(config, func(d *dynamodb.Options) { d.BaseEndpoint = aws.String(o.DynamoDB) })
	st, err := dynamo.Open(ctx, dynamo.Options{Client: client, Table: o.Table(), Now: w.clock.Now})
	if err != nil {
		w.t.Fatal(err)
	}
	rec, err := opensearch.Open(ctx, opensearch.Options{Endpoints: []string{o.OpenSearch}, Prefix: o.Name})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := errors.Join(rec.Close(), st.Close()); err != nil {
			w.t.Error(err)
		}
	})
	return rec, st
}

// engineSeeds is how many worlds are synchronized over the engines.
const engineSeeds = 3

// TestTruthOverEngines is TestTruth over OpenSearch and DynamoDB.
func TestTruthOverEngines(t *testing.T) {
	for seed := range uint64(engineSeeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 200+seed, true)
			rec, st := w.openEngines()
			s := w.sync(rec, st, "truth")
			for range 3 {
				w.step(10)
				if _, err := s.Run(context.Background()); err != nil {
					t.Errorf("cycle: %v", err)
				}
				w.clock.Advance(time.Duration(1+w.rng.IntN(30)) * time.Minute)
			}
			w.settleDown(rec, st, "truth")
			w.compare(rec, st)
		})
	}
}

// TestKillOverEngines is TestKillAgainAndAgain over OpenSearch and DynamoDB.
func TestKillOverEngines(t *testing.T) {
	w := newWorld(t, 300, false)
	rec, st := w.openEngines()
	for i := range 6 {
		if i%3 == 0 {
			w.step(10)
		}
		b := &blade{at: 1 + w.rng.Int64N(12), after: w.chance(0.5)}
		_, err := w.killer(rec, st, b, fmt.Sprint("victim ", i)).Run(context.Background())
		if err != nil && !errors.Is(err, errKilled) {
			t.Logf("cycle: %v", err)
		}
		w.clock.Advance(5 * time.Minute)
	}
	w.settleDown(rec, st, "heir")
	w.compare(rec, st)
}
