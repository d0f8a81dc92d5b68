package indexer

import (
	"context"
	"errors"
	"slices"

	"oipnode/shared/gateway"
	"oipnode/shared/oip"
)

// maxRegistrations is how many registrations of one address are read when it is
// looked up; the first valid one is enough for the key.
const maxRegistrations = 20

// findCreator looks up the registrations of an address that is not known, at any
// height and version (spec section 7), and puts those that are valid into the
// group. It reports whether the key is known now. Each address is looked up once
// in a cycle.
func (c *cycle) findCreator(ctx context.Context, g *group, address string) (bool, error) {
	_, err, _ := c.lookups.Do("creator "+address, func() (any, error) {
		if _, known := c.dir.Key(address); known || c.tried.has("creator "+address) {
			return nil, nil
		}
		c.tried.add("creator " + address)
		nodes, err := c.findRegistrations(ctx, address)
		if err != nil {
			return nil, err
		}
		for _, n := range nodes {
			it := &item{node: n}
			if n.Height == 0 {
				continue // not mined: nothing to rely on
			}
			if err := c.opinion(ctx, it); err != nil {
				return nil, err
			}
			if it.verified != nil && it.verified.Registration() != nil && it.verified.Creator() == address && g.add(it, c.opt.GroupBytes) {
				c.dir.learn(*it.verified)
			}
		}
		return nil, nil
	})
	_, known := c.dir.Key(address)
	return known, err
}

// findRegistrations asks the gateways in order for registrations of an address.
// A gateway that does not answer is passed over: the record waits, and the
// ledger asks again.
func (c *cycle) findRegistrations(ctx context.Context, address string) ([]gateway.Node, error) {
	tags := []gateway.Filter{
		{Name: "RecordType", Values: []string{oip.TypeRegistration}},
		{Name: "Creator", Values: []string{address}},
	}
	for _, gw := range c.gateways() {
		var nodes []gateway.Node
		err := c.askAround(ctx, gw, func(ctx context.Context) (err error) { nodes, err = gw.Find(ctx, tags, maxRegistrations); return err })
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil && len(nodes) > 0 {
			return nodes, nil
		}
	}
	return nil, nil
}

// findTemplate looks up a template that is not known, by its id: it may lie
// outside the height range or the version filter, and is verified like any other.
func (c *cycle) findTemplate(ctx context.Context, g *group, id string) error {
	known, err := c.dir.template(ctx, id)
	if err != nil || known != nil {
		return err
	}
	_, err, _ = c.lookups.Do("template "+id, func() (any, error) {
		if c.tried.has("template " + id) {
			return nil, nil
		}
		c.tried.add("template " + id)
		node, ok, err := c.lookupNode(ctx, id)
		if err != nil || !ok || node.Height == 0 {
			return nil, err
		}
		it := &item{node: node}
		if it.rank() != 1 {
			return nil, nil // not a template
		}
		if err := c.opinion(ctx, it); err != nil {
			return nil, err
		}
		if err := c.withCreator(ctx, g, it); err != nil {
			return nil, err
		}
		if it.verified != nil && it.verified.Template() != nil && g.add(it, c.opt.GroupBytes) {
			c.dir.learn(*it.verified)
		}
		return nil, nil
	})
	return err
}

// lookupNode asks the gateways in order for a transaction by its id.
func (c *cycle) lookupNode(ctx context.Context, id string) (gateway.Node, bool, error) {
	for _, gw := range c.gateways() {
		var nodes []gateway.Node
		err := c.askAround(ctx, gw, func(ctx context.Context) (err error) { nodes, err = gw.Lookup(ctx, []string{id}); return err })
		if ctx.Err() != nil {
			return gateway.Node{}, false, ctx.Err()
		}
		if errors.Is(err, gateway.ErrInvalid) {
			return gateway.Node{}, false, nil
		}
		if err == nil && len(nodes) > 0 && nodes[0].HasTags {
			return nodes[0], true, nil
		}
	}
	return gateway.Node{}, false, nil
}

// gateways are the cycle's own and then those that may be asked instead.
func (c *cycle) gateways() []*gateway.Gateway {
	return append([]*gateway.Gateway{c.gw}, c.helpers()...)
}

// helpers are the other gateways that answer in time.
func (c *cycle) helpers() []*gateway.Gateway {
	return slices.DeleteFunc(c.opt.Pool.Others(c.gw), func(gw *gateway.Gateway) bool { return c.tried.has(slowHelper + gw.URL()) })
}

// withCreator judges a transaction again that waits for a creator, if that can be
// looked up.
func (c *cycle) withCreator(ctx context.Context, g *group, it *item) error {
	if it.waiting == nil || it.waiting.Need != oip.NeedCreator {
		return nil
	}
	found, err := c.findCreator(ctx, g, it.waiting.ID)
	if err != nil || !found {
		return err
	}
	return c.verify(ctx, it)
}
