package template

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// waiting is how long a test waits for a table.
const waiting = time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
