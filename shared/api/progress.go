package api

import (
	"context"
	"strconv"
	"sync"
	"time"

	"oipnode/shared/indexer"
)

// progressTTL is how old the progress in an answer may be. Reading it takes
// several calls of the state store, too many for each of a burst of requests.
const progressTTL = time.Second

// progress remembers the share of blocks that are indexed.
type progress struct {
	mu   sync.Mutex
	at   time.Time
	text string
}

// progressText is the share of blocks from the start block to the gateway's
// height that are indexed, such as "87%". With anew nothing that is remembered is used.
func (s *server) progressText(ctx context.Context, anew bool) (string, error) {
	p := &s.progress
	p.mu.Lock()
	text, age := p.text, s.opt.Now().Sub(p.at)
	p.mu.Unlock()
	if text != "" && !anew && age >= 0 && age < progressTTL {
		return text, nil
	}
	at := s.opt.Now()
	h, err := indexer.ReadHealth(ctx, s.opt.State)
	if err != nil {
		return "", errState(err)
	}
	text = percentText(s.opt.StartHeight, h.Checkpoint.Height, h.Status.GatewayHeight)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !at.Before(p.at) { // of two that read at the same time the later start counts
		p.at, p.text = at, text
	}
	return text, nil
}

// percentText is the share of the blocks start..tip that lie at or below the
// checkpoint, rounded down, so that "100%" means all of them. A tip or a
// checkpoint of 0 is that of a node that has not had its first cycle.
func percentText(start, checkpoint, tip int64) string {
	if tip == 0 || checkpoint < start {
		return "0%"
	}
	done, all := checkpoint-start+1, tip-start+1
	if done >= all {
		return "100%"
	}
	return strconv.FormatInt(done*100/all, 10) + "%"
}
