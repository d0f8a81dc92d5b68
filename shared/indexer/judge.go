package indexer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"oipnode/shared/gateway"
	"oipnode/shared/oip"
)

// judge is the first stage: it fetches and verifies a group. What others may
// need (templates, registrations) comes first. Each item leaves it verified,
// rejected or waiting; only what would stop everything is an error.
func (c *cycle) judge(ctx context.Context, g *group) error {
	for rank := range ranks {
		eg, ctx := errgroup.WithContext(ctx)
		eg.SetLimit(c.opt.Fetchers)
		for _, it := range g.items {
			if it.rank() == rank {
				eg.Go(func() error { return c.judgeItem(ctx, g, it) })
			}
		}
		if err := eg.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// judgeItem brings one transaction to its outcome, looking up the creator and
// the templates that it needs and that are not known yet.
func (c *cycle) judgeItem(ctx context.Context, g *group, it *item) error {
	if err := c.renew(ctx); err != nil {
		return err
	}
	if err := c.opinion(ctx, it); err != nil {
		return err
	}
	if err := c.withCreator(ctx, g, it); err != nil {
		return err
	}
	if it.rejected != nil && it.rejected.Reason != oip.ReasonExcluded {
		if err := c.secondOpinion(ctx, it); err != nil {
			return err
		}
	}
	if it.verified == nil {
		it.data = nil
		return nil
	}
	c.dir.learn(*it.verified)
	ids := it.verified.TemplateIDs()
	for _, id := range ids[:min(len(ids), maxNeeds)] { // one record must not cause any number of requests
		if err := c.findTemplate(ctx, g, id); err != nil {
			return err
		}
	}
	return nil
}

// opinion fetches from the first gateway that has the bytes, and verifies.
func (c *cycle) opinion(ctx context.Context, it *item) error {
	if !it.node.HasTags {
		it.wait("its tags could not be read")
		return nil
	}
	if c.refuse(it) {
		it.judgedBy(c.gw)
		return nil
	}
	var lastErr error
	asked := false
	for _, gw := range c.gateways() {
		data, err := c.data(ctx, gw, it.node)
		asked = asked || !errors.Is(err, gateway.ErrBackoff)
		switch {
		case err == nil:
			it.data = data
			it.judgedBy(gw)
			return c.verify(ctx, it)
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, gateway.ErrTooLarge):
			it.judgedBy(gw)
			it.rejected = tooLarge(c.opt.MaxRecordBytes)
			return nil
		case final(err):
			it.judgedBy(gw)
		}
		lastErr = err
	}
	if !asked {
		// All are in back-off: going on would only fill the ledger.
		return fmt.Errorf("fetch %s: %w", it.node.ID, lastErr)
	}
	it.wait(cause(lastErr))
	return nil
}

// data fetches from one gateway, and sits out a short back-off.
func (c *cycle) data(ctx context.Context, gw *gateway.Gateway, n gateway.Node) (data []byte, err error) {
	read := func(ctx context.Context) (err error) { data, err = gw.Data(ctx, n.ID, n.Size); return err }
	if gw == c.gw {
		err = c.repeat(ctx, paused, func() error { return read(ctx) })
	} else {
		err = c.askAround(ctx, gw, read)
	}
	return data, err
}

// refuse rejects what needs no bytes to be rejected: by its tags, its type, its
// announced size.
func (c *cycle) refuse(it *item) bool {
	name, template, out := oip.CheckHead(it.transaction())
	if r, ok := out.(oip.Rejected); ok {
		it.rejected = &r
		return true
	}
	if !template && name != oip.TypeRegistration && !c.opt.Wanted(name) && it.node.Size > maxDeletion {
		it.rejected = excluded()
		return true
	}
	if it.node.Size > c.opt.MaxRecordBytes {
		it.rejected = tooLarge(c.opt.MaxRecordBytes)
		return true
	}
	return false
}

func tooLarge(limit int64) *oip.Rejected {
	return &oip.Rejected{Reason: oip.ReasonTooLarge, Detail: fmt.Sprintf("the data is over %d bytes", limit)}
}

func excluded() *oip.Rejected {
	return &oip.Rejected{Reason: oip.ReasonExcluded, Detail: "the configuration leaves this record type out"}
}

// maxDeletion is the largest transaction of an excluded type that is fetched all
// the same: deletes are always processed, whatever their RecordType tag says, and
// they are small. A delete message has two DIDs at most.
const maxDeletion = 2 << 10

// wanted applies the operator's choice of record types, which deletes, templates
// and registrations are not subject to (spec section 7).
func (c *cycle) wanted(v oip.Verified) bool {
	switch v.Subject() {
	case oip.SubjectRecord, oip.SubjectOrganization:
		return c.opt.Wanted(v.RecordType())
	}
	return true
}

// transaction is the item as oip reads it.
func (it *item) transaction() oip.Transaction {
	return oip.Transaction{ID: it.node.ID, Tags: it.node.Tags, Data: it.data, Height: it.node.Height}
}

// verify puts the transaction through the only door. An error is one of the
// state store, where the creator's key is.
func (c *cycle) verify(ctx context.Context, it *item) error {
	it.verified, it.rejected, it.waiting = nil, nil, nil
	for _, t := range it.node.Tags {
		if t.Name == "Creator" {
			if err := c.dir.loadKey(ctx, t.Value); err != nil {
				return err
			}
		}
	}
	switch out := oip.Verify(it.transaction(), c.dir).(type) {
	case oip.Accepted:
		if !c.wanted(out.Verified) {
			it.rejected = excluded()
			break
		}
		it.verified = &out.Verified
	case oip.Rejected:
		it.rejected = &out
	case oip.Waiting:
		it.waiting, it.why = &out.For, "its creator is not registered"
	}
	return nil
}

// wait makes the item wait for its bytes.
func (it *item) wait(why string) {
	it.verified, it.rejected = nil, nil
	it.waiting = &oip.Dependency{Need: oip.NeedData, ID: it.node.ID}
	it.why = why
}

// secondOpinion confirms a rejection before it is kept: a gateway's 200 can be
// truncated or altered, and so can its tags. Tags and bytes are read once more,
// from every other gateway that can be asked, or from the same ones if no other
// has them. If a second reading is the same, it is final; if one is accepted,
// that counts; if they differ, or there is none, nobody knows and it waits.
func (c *cycle) secondOpinion(ctx context.Context, it *item) error {
	first, confirmed := it.fingerprint(), false
	others := c.helpers()
	for i, gw := range append(others, append([]*gateway.Gateway{c.gw}, others...)...) {
		if confirmed && i >= len(others) {
			break
		}
		again, err := c.reread(ctx, gw, it.node)
		if err != nil {
			if e := (*gateway.Error)(nil); ctx.Err() != nil || !errors.As(err, &e) {
				return errors.Join(ctx.Err(), err)
			}
			if final(err) {
				it.judgedBy(gw)
			}
			continue
		}
		again.gateways = it.gateways
		again.judgedBy(gw)
		switch {
		case again.verified != nil, again.waiting != nil:
			*it = *again
			return nil
		case again.fingerprint() != first:
			it.wait("two readings differ")
			return nil
		}
		it.gateways, confirmed = again.gateways, true
	}
	if !confirmed {
		it.wait("no second reading could confirm: " + string(it.rejected.Reason))
	}
	return nil
}

// judgedBy notes a gateway whose bytes were judged.
func (it *item) judgedBy(gw *gateway.Gateway) {
	if name := gatewayName(gw); !slices.Contains(it.gateways, name) {
		it.gateways = append(slices.Clip(it.gateways), name)
	}
}

// final reports whether a gateway has answered that it has no other bytes.
func final(err error) bool {
	return errors.Is(err, gateway.ErrNotFound) || errors.Is(err, gateway.ErrBlocked)
}

// reread reads tags and bytes of a transaction again and judges them.
func (c *cycle) reread(ctx context.Context, gw *gateway.Gateway, n gateway.Node) (*item, error) {
	var nodes []gateway.Node
	err := c.askAround(ctx, gw, func(ctx context.Context) (err error) { nodes, err = gw.Lookup(ctx, []string{n.ID}); return err })
	if err != nil {
		return nil, err
	}
	if len(nodes) == 0 || !nodes[0].HasTags {
		return nil, &gateway.Error{Gateway: gw.URL(), Op: "query", Err: gateway.ErrNotFound}
	}
	again := &item{node: nodes[0]}
	if again.node.Height == 0 {
		again.node.Height = n.Height
	}
	if c.refuse(again) {
		return again, nil
	}
	again.data, err = c.data(ctx, gw, again.node)
	if errors.Is(err, gateway.ErrTooLarge) {
		again.rejected = tooLarge(c.opt.MaxRecordBytes)
		return again, nil
	}
	if err != nil {
		return nil, err
	}
	return again, c.verify(ctx, again)
}

// fingerprint identifies what was judged: the tags and the bytes.
func (it *item) fingerprint() [sha256.Size]byte {
	h := sha256.New()
	for _, t := range it.node.Tags {
		fmt.Fprintf(h, "%d:%s%d:%s", len(t.Name), t.Name, len(t.Value), t.Value)
	}
	fmt.Fprintf(h, "%d", len(it.data))
	h.Write(it.data)
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	return sum
}

// cause is one line about a failed fetch, without anything of the answer.
func cause(err error) string {
	for _, known := range []error{gateway.ErrNotFound, gateway.ErrPending, gateway.ErrBlocked, gateway.ErrMismatch,
		gateway.ErrTooLarge, gateway.ErrRateLimited, gateway.ErrBackoff, gateway.ErrUnavailable, gateway.ErrRedirect} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "the gateway's answer was not usable"
}
