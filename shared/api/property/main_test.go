// Package property compares the whole API with a model of who may read what. Each seed is
// a world of users, organizations and documents that are restricted in every way there is,
// published as the pipeline would publish them; random callers ask random questions in
// turn, while documents and memberships change. Whatever an answer shows, counts, scores
// or hides must be what the model says: one leak fails.
package property

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
