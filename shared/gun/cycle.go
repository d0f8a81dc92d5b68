package gun

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/errgroup"

	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/state"
	"oipnode/shared/trace"
)

// errStore is a store of ours that did not do what it must.
var errStore = errors.New("gun: a store refused a write")

// cycle is one run under one lease. The parts of the peers work side by side; what
// they write goes through settle, one batch at a time, because two peers can serve the
// same record.
type cycle struct {
	*Sync
	log   *slog.Logger
	lease *state.Lease
	node  string // this node's id
	// cleared is the version of the count of clearings when the cycle began.
	cleared uint64
	runs    []*run

	// settling is held while a batch is written, so that what was compared with the
	// index is still true.
	settling sync.Mutex
	renewing sync.Mutex
	creators *lru.Cache[string, oip.CreatorRef]
	trusted  map[string]bool

	phase  string
	common Counts // what belongs to no peer
	// processed and nextExpiry are summed up from the listings that were read.
	sums       sync.Mutex
	processed  int64
	nextExpiry time.Time
}

// maxCreators bounds the cache of creators' handles.
const maxCreators = 4096

func newCycle(s *Sync, lease *state.Lease) *cycle {
	c := &cycle{Sync: s, log: s.opt.Log, lease: lease, trusted: make(map[string]bool, len(s.opt.TrustedNodes)), phase: "start"}
	for _, id := range s.opt.TrustedNodes {
		c.trusted[id] = true
	}
	c.creators, _ = lru.New[string, oip.CreatorRef](maxCreators)
	return c
}

// run does the phases of a cycle.
func (c *cycle) run(ctx context.Context) error {
	defer func() {
		for _, p := range c.peers {
			p.http.CloseIdleConnections()
		}
	}()
	if err := c.begin(ctx); err != nil {
		return err
	}
	c.phase = "resume"
	if err := c.resume(ctx); err != nil {
		return err
	}
	c.phase = "types"
	types, err := c.types(ctx)
	if err != nil {
		return err
	}
	budget := c.budget(ctx)
	c.phase = "outbox"
	if err := c.step(ctx, c.phase, func(ctx context.Context) error { return c.publish(ctx, budget) }); err != nil {
		return err
	}
	c.phase = "peers"
	return c.step(ctx, c.phase, func(ctx context.Context) error { return c.askPeers(ctx, budget, types) })
}

// step runs a phase as a step of the trace.
func (c *cycle) step(ctx context.Context, name string, do func(context.Context) error) error {
	ctx, span := trace.Start(ctx, name)
	defer span.Panicked()
	err := do(ctx)
	span.End(err)
	return err
}

// budget is when the cycle stops to ask peers, so that there is time to save.
func (c *cycle) budget(ctx context.Context) time.Time {
	end := time.Now().Add(c.opt.CycleTime)
	if deadline, ok := ctx.Deadline(); ok {
		if early := deadline.Add(-min(margin, time.Until(deadline)/4)); early.Before(end) {
			return early
		}
	}
	return end
}

// askPeers works with all peers, some at once. Each has an equal part of the time, so
// that none of them can hold the others: as many rounds as there may be fit in.
func (c *cycle) askPeers(ctx context.Context, end time.Time, types []string) error {
	rounds := (len(c.peers) + c.opt.PeersAtOnce - 1) / c.opt.PeersAtOnce
	if rounds == 0 {
		return nil
	}
	share := time.Until(end) / time.Duration(rounds)
	atOnce := min(len(c.peers), c.opt.PeersAtOnce)
	for _, p := range c.peers {
		c.runs = append(c.runs, &run{cycle: c, peer: p, workers: max(2, c.opt.Fetchers/atOnce)})
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, r := range c.runs {
		g.Go(func() error {
			until, cancel := context.WithTimeout(ctx, share)
			defer cancel()
			return r.work(ctx, until, types)
		})
	}
	return g.Wait()
}

// commit does operations under the lease: ErrLeaseLost as soon as another runner has
// taken over. Other conditions of the operations make it state.ErrConflict.
func (c *cycle) commit(ctx context.Context, ops ...state.Op) error {
	if len(ops) == 0 {
		return nil
	}
	err := c.opt.State.Commit(ctx, append(ops, c.lease.Guard())...)
	if errors.Is(err, state.ErrConflict) && errors.Is(c.opt.State.Commit(ctx, c.lease.Guard()), state.ErrConflict) {
		return ErrLeaseLost
	}
	return err
}

// commitAll does many operations that need not be done together.
func (c *cycle) commitAll(ctx context.Context, ops []state.Op) error {
	const most = state.MaxOps - 1 // and the guard
	for len(ops) > 0 {
		n := min(len(ops), most)
		if err := c.commit(ctx, ops[:n:n]...); err != nil {
			return err
		}
		ops = ops[n:]
	}
	return nil
}

// renew keeps the lease while work goes on.
func (c *cycle) renew(ctx context.Context) error {
	c.renewing.Lock()
	defer c.renewing.Unlock()
	err := c.lease.RenewIfOlder(ctx, c.opt.LeaseTTL/3)
	if errors.Is(err, state.ErrLost) {
		return ErrLeaseLost
	}
	return err
}

// creator is what documents say of the creator with this DID besides what the record
// itself says: the current registration, found in the index.
func (c *cycle) creator(ctx context.Context, did string) (oip.CreatorRef, error) {
	if ref, ok := c.creators.Get(did); ok {
		return ref, nil
	}
	page, err := c.opt.Records.Search(ctx, records.Query{
		Where: records.All{records.Is(records.FieldKind, string(oip.KindCreator)), records.Is(records.FieldCreatorDID, did),
			records.Not{Cond: records.Is(records.FieldHidden, "true")}},
		Sort:  []records.Sort{{Field: records.FieldHeight, Desc: true}, {Field: records.FieldDID, Desc: true}},
		Limit: 1, EnvelopeOnly: true,
	})
	if err != nil {
		return oip.CreatorRef{}, fmt.Errorf("look a creator up: %w", err)
	}
	var ref oip.CreatorRef
	if len(page.Hits) > 0 {
		env, err := oip.ParseEnvelope(page.Hits[0].JSON)
		if err != nil {
			return ref, err
		}
		ref = env.Creator
	}
	c.creators.Add(did, ref)
	return ref, nil
}

// isAsked reports whether a source of documents is one of the peers.
func (c *cycle) isAsked(source string) bool {
	for _, p := range c.peers {
		if p.id == source {
			return true
		}
	}
	return false
}
