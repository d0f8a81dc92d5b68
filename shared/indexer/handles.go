package indexer

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// Unique handles (spec section 6) are a function of all registrations in the
// order of the chain: each takes the fewest digits with which its handle belongs
// to no other creator with an earlier registration. Registrations do not arrive
// in that order, so claims are kept by order, and when an earlier one takes a
// handle that a later one holds, everything from there on is assigned again (a
// sweep). The mark of a sweep is durable before the claim that makes it
// necessary, so that a kill cannot leave half of it.

// namespace is a set of unique handles.
type namespace string

const (
	creators      namespace = "creators"
	organizations namespace = "organizations"
)

// claimed is a registration's or organization's claim on a handle.
type claimed struct {
	Address string `json:"address"`
	Tx      string `json:"tx"`
	Base    string `json:"base"`   // as asked for
	Handle  string `json:"handle"` // as assigned

	order   string
	version uint64
}

func claimKey(ns namespace, order string) state.Key {
	return state.Key{Space: spaceClaim + string(ns), ID: order}
}

// holderKey names one holder of a handle. Handles may hold any text, so they
// appear by their hash.
func holderKey(ns namespace, handle, order string) state.Key {
	sum := sha256.Sum256([]byte(handle))
	return state.Key{Space: spaceHolder + string(ns), ID: base64.RawURLEncoding.EncodeToString(sum[:]) + "/" + order}
}

func sweepKey(ns namespace) state.Key {
	return state.Key{Space: spaceChain, ID: "sweep-" + string(ns)}
}

// claim assigns the unique handle of a registration or organization, and is
// repeatable.
func (c *cycle) claim(ctx context.Context, ns namespace, v oip.Verified, base string) (string, error) {
	order := orderOf(v.Height(), v.ID())
	if old, ok, err := c.claimAt(ctx, ns, order); err != nil || ok {
		return old.Handle, err
	}
	cl := claimed{Address: v.Creator(), Tx: v.ID(), Base: base, order: order}
	return cl.Handle, c.place(ctx, ns, &cl)
}

// claimAt reads the claim of an order.
func (c *cycle) claimAt(ctx context.Context, ns namespace, order string) (cl claimed, ok bool, err error) {
	cl.version, err = c.loadJSON(ctx, claimKey(ns, order), &cl)
	cl.order = order
	return cl, cl.version > 0, err
}

// place assigns a handle to a claim at its order and stores it. A later holder
// of the handle makes a sweep necessary.
func (c *cycle) place(ctx context.Context, ns namespace, cl *claimed) error {
	var err error
	if cl.Handle, err = c.assign(ctx, ns, *cl); err != nil {
		return err
	}
	op, err := c.putJSON(claimKey(ns, cl.order), cl, anyVersion)
	if err != nil {
		return err
	}
	ops := []state.Op{op, state.Put(holderKey(ns, cl.Handle, cl.order), []byte(cl.Address))}
	displaced, err := c.heldByOther(ctx, ns, cl.Handle, cl.order+"\x00", "", cl.Address)
	if err != nil {
		return err
	}
	if displaced {
		mark, err := c.sweepMark(ctx, ns, cl.order)
		if err != nil {
			return err
		}
		ops = append(ops, mark)
	}
	if err := c.commit(ctx, ops...); err != nil {
		return fmt.Errorf("claim a handle: %w", err)
	}
	return nil
}

// assign finds the fewest digits with which no other creator holds the handle
// from an earlier order.
func (c *cycle) assign(ctx context.Context, ns namespace, cl claimed) (string, error) {
	return oip.UniqueHandle(cl.Base, cl.Tx, func(candidate string) (bool, error) {
		return c.heldByOther(ctx, ns, candidate, "", cl.order, cl.Address)
	})
}

// errFound ends a search through holders.
var errFound = errors.New("found")

// heldByOther reports whether anybody but address holds a handle with
// from <= order < to; an empty to is the end.
func (c *cycle) heldByOther(ctx context.Context, ns namespace, handle, from, to, address string) (bool, error) {
	first, last := holderKey(ns, handle, from), holderKey(ns, handle, to)
	end := last.ID
	if to == "" {
		end = state.PrefixEnd(end)
	}
	err := state.Each(ctx, c.opt.State, first.Space, first.ID, end, state.MaxGet, func(item state.Item) error {
		if string(item.Value) != address {
			return errFound
		}
		return nil
	})
	if errors.Is(err, errFound) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("read holders of a handle: %w", err)
	}
	return false, nil
}

// sweepMark is the operation that asks for a sweep from order on, or from an
// earlier one that is already asked for.
func (c *cycle) sweepMark(ctx context.Context, ns namespace, order string) (state.Op, error) {
	item, ok, err := state.GetOne(ctx, c.opt.State, sweepKey(ns))
	if err != nil {
		return state.Op{}, err
	}
	if ok && string(item.Value) < order {
		order = string(item.Value)
	}
	return state.Put(sweepKey(ns), []byte(order)), nil
}

// finishHandles sweeps what is marked, and relabels the documents whose
// creator's handle or registration has changed.
func (c *cycle) finishHandles(ctx context.Context) error {
	for _, ns := range []namespace{creators, organizations} {
		mark, ok, err := state.GetOne(ctx, c.opt.State, sweepKey(ns))
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if err := c.sweep(ctx, ns, string(mark.Value)); err != nil {
			return fmt.Errorf("assign handles again: %w", err)
		}
		if err := c.commit(ctx, state.DeleteIf(sweepKey(ns), mark.Version)); err != nil {
			return err
		}
	}
	return state.Each(ctx, c.opt.State, spaceRelabel, "", "", state.MaxGet, func(item state.Item) error {
		return c.relabel(ctx, item)
	})
}

// sweep assigns every handle from an order on again, in order. It takes time in
// the number of later claims, but no memory, and only runs when a late or moved
// registration has displaced another.
func (c *cycle) sweep(ctx context.Context, ns namespace, from string) error {
	return state.Each(ctx, c.opt.State, spaceClaim+string(ns), from, "", state.MaxGet, func(item state.Item) error {
		cl := claimed{order: item.ID}
		if err := json.Unmarshal(item.Value, &cl); err != nil {
			return fmt.Errorf("claim %s: %w", item.ID, err)
		}
		handle, err := c.assign(ctx, ns, cl)
		if err != nil || handle == cl.Handle {
			return err
		}
		return c.reassign(ctx, ns, cl, handle)
	})
}

// reassign gives a claim another handle: first in the document, then in the
// state, whose old value makes a repeated sweep do it all again.
func (c *cycle) reassign(ctx context.Context, ns namespace, cl claimed, handle string) error {
	if _, err := c.writeDocs(ctx, []records.Op{{Patch: &oip.Patch{DID: oip.DID(cl.Tx), OwnHandle: &handle}}}); err != nil {
		return err
	}
	if ns == creators {
		cr, ok, err := c.dir.creator(ctx, cl.Address)
		if err != nil {
			return err
		}
		if ok && cr.Tx == cl.Tx {
			next := cr
			next.Handle = handle
			if _, err := c.promote(ctx, cl.Address, next); err != nil {
				return err
			}
		}
	}
	old := holderKey(ns, cl.Handle, cl.order)
	cl.Handle = handle
	op, err := c.putJSON(claimKey(ns, cl.order), cl, anyVersion)
	if err != nil {
		return err
	}
	return c.commit(ctx, op, state.Delete(old), state.Put(holderKey(ns, handle, cl.order), []byte(cl.Address)))
}

// unclaim gives a claim up, for a registration that moved or vanished; later
// ones may get a shorter handle.
func (c *cycle) unclaim(ctx context.Context, ns namespace, order string) error {
	cl, ok, err := c.claimAt(ctx, ns, order)
	if err != nil || !ok {
		return err
	}
	mark, err := c.sweepMark(ctx, ns, order)
	if err != nil {
		return err
	}
	return c.commit(ctx, mark, state.Delete(claimKey(ns, order)), state.Delete(holderKey(ns, cl.Handle, order)))
}

// relabelPage is how many documents one step of relabelling changes.
const relabelPage = 500

// relabel brings the creator's handle and registration into all its documents.
// It finds those that still carry another one, so it can be interrupted anywhere.
func (c *cycle) relabel(ctx context.Context, mark state.Item) error {
	address := mark.ID
	ref, ok, err := c.ref(ctx, address)
	if err != nil {
		return err
	}
	for ok {
		page, err := c.opt.Records.Search(ctx, records.Query{
			Where: records.All{
				records.Is(records.FieldCreatorDID, ref.DIDAddress),
				records.Not{Cond: records.All{
					records.Is(records.FieldCreatorTx, ref.DIDTx),
					records.Is(records.FieldCreatorHandle, ref.CreatorHandle),
				}},
			},
			Limit: relabelPage, EnvelopeOnly: true,
		})
		if err != nil {
			return fmt.Errorf("find documents to relabel: %w", err)
		}
		if len(page.Hits) == 0 {
			break
		}
		ops := make([]records.Op, 0, len(page.Hits))
		for _, hit := range page.Hits {
			ops = append(ops, records.Op{Patch: &oip.Patch{DID: hit.DID, Creator: &ref}})
		}
		if _, err := c.writeDocs(ctx, ops); err != nil {
			return err
		}
	}
	err = c.commit(ctx, state.DeleteIf(relabelKey(address), mark.Version))
	if errors.Is(err, state.ErrConflict) {
		return nil // marked again meanwhile: the next pass does it
	}
	return err
}
