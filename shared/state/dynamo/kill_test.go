package dynamo_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"oipnode/infra/engines"
	"oipnode/shared/state"
	"oipnode/shared/state/dynamo"
)

// TestEngineEnds ends the engine itself in the middle of Commits, with SIGTERM. When it
// runs again, the same Store goes on; what was acknowledged is there, in whole transactions
// only. Amazon's service keeps all of it; DynamoDB Local sometimes loses the very last one.
func TestEngineEnds(t *testing.T) {
	own := engines.DynamoDB.StartOwn(t)
	client := newClient(t, nil, func(o *dynamodb.Options) { o.BaseEndpoint = &own.URL })
	table := newTable(t, client)
	s := openStore(t, dynamo.Options{Client: client, Table: table, Patience: time.Minute})
	var known int
	pair := func(i int) (a, b state.Key) { return key(fmt.Sprint("a", i)), key(fmt.Sprint("b", i)) }
	for round := range 2 {
		acknowledged := make(chan int, 1<<16)
		ctx, stop := context.WithCancel(t.Context())
		go func() {
			defer close(acknowledged)
			for i := known; ; i++ {
				a, b := pair(i)
				if s.Commit(ctx, state.Put(a, []byte("x")), state.Put(b, []byte("x"))) != nil {
					return
				}
				acknowledged <- i
			}
		}()
		for known = range acknowledged {
			if known == 50*(round+1) {
				if err := own.Kill(); err != nil {
					t.Error(err)
				}
				stop() // nobody is there who could answer
			}
		}
		stop()
		if err := own.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range known + 2 { // also the one that nobody knows of
			a, b := pair(i)
			got, err := s.Get(t.Context(), a, b)
			if err != nil || len(got) == 1 || len(got) == 0 && i < known {
				t.Fatalf("pair %d of %d acknowledged: %d items, %v", i, known+1, len(got), err)
			}
		}
	}
	if known < 90 {
		t.Errorf("only %d Commits: the test shows nothing", known)
	}
}
