package indexer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

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

	order string
}

func claimKey(ns namespace, order string) state.Key {
	return state.Key{Space: spaceClaim + string(ns), ID: order}
}

// claimOfKey finds the claim of a transaction wherever on the chain it was made.
func claimOfKey(ns namespace, tx string) state.Key {
	return state.Key{Space: spaceClaimOf + string(ns), ID: tx}
}

// claimByKey lists the claims of an address in their order.
func claimByKey(ns namespace, address, order string) state.Key {
	return state.Key{Space: spaceClaimBy + string(ns), ID: address + "/" + order}
}

// holderKey names one holder of a handle.
func holderKey(ns namespace, handle, order string) state.Key {
	return state.Key{Space: spaceHolder + string(ns), ID: hashed(handle) + "/" + order}
}

func sweepKey(ns namespace) state.Key {
	return state.Key{Space: spaceChain, ID: "sweep-" + string(ns)}
}

// claim assigns the unique handle of a registration or organization.
func (c *cycle) claim(ctx context.Context, ns namespace, v oip.Verified, base string) (string, error) {
	cl := claimed{Address: v.Creator(), Tx: v.ID(), Base: strings.ToValidUTF8(base, "\uFFFD"), order: orderOf(v.Height(), v.ID())}
	return c.place(ctx, ns, cl)
}

// claimOf reads the claim of a transaction.
func (c *cycle) claimOf(ctx context.Context, ns namespace, tx string) (cl claimed, ok bool, err error) {
	item, ok, err := state.GetOne(ctx, c.opt.State, claimOfKey(ns, tx))
	if err != nil || !ok {
		return cl, false, err
	}
	cl.order = string(item.Value)
	version, err := c.loadJSON(ctx, claimKey(ns, cl.order), &cl)
	return cl, version > 0, err
}

// place puts a transaction's claim at its order on the chain, from wherever it was
// before, and returns the handle. One Commit moves it, so there is always exactly
// one. What it takes from a later holder, or gives up for one, makes a sweep
// necessary, whose mark is in the same Commit.
func (c *cycle) place(ctx context.Context, ns namespace, cl claimed) (string, error) {
	old, moving, err := c.claimOf(ctx, ns, cl.Tx)
	if err != nil {
		return "", err
	}
	if moving && old.order == cl.order {
		return old.Handle, nil
	}
	if cl.Handle, err = c.assign(ctx, ns, cl); err != nil {
		return "", err
	}
	op, err := c.putJSON(claimKey(ns, cl.order), cl, anyVersion)
	if err != nil {
		return "", err
	}
	ops := []state.Op{
		op, state.Put(claimOfKey(ns, cl.Tx), []byte(cl.order)),
		state.Put(claimByKey(ns, cl.Address, cl.order), []byte(cl.Tx)),
		state.Put(holderKey(ns, cl.Handle, cl.order), []byte(cl.Address)),
	}
	sweep, err := c.heldByOther(ctx, ns, cl.Handle, cl.order+"\x00", "", cl.Address)
	if err != nil {
		return "", err
	}
	from := cl.order
	if moving {
		sweep, from = true, min(from, old.order)
		ops = append(ops, old.removal(ns)...)
	}
	if sweep {
		mark, err := c.sweepMark(ctx, ns, from)
		if err != nil {
			return "", err
		}
		ops = append(ops, mark)
	}
	if err := c.commit(ctx, ops...); err != nil {
		return "", fmt.Errorf("claim a handle: %w", err)
	}
	return cl.Handle, nil
}

// removal deletes a claim from its order.
func (cl claimed) removal(ns namespace) []state.Op {
	return []state.Op{
		state.Delete(claimKey(ns, cl.order)),
		state.Delete(claimByKey(ns, cl.Address, cl.order)),
		state.Delete(holderKey(ns, cl.Handle, cl.order)),
	}
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
	if err := c.finishSweeps(ctx); err != nil {
		return err
	}
	return c.relabelMarked(ctx)
}

// relabelMarked relabels the documents of the creators that are marked for it.
func (c *cycle) relabelMarked(ctx context.Context) error {
	return state.Each(ctx, c.opt.State, spaceRelabel, "", "", state.MaxGet, func(item state.Item) error {
		return c.relabel(ctx, item)
	})
}

// resumeHandles is finishHandles at the start of a cycle, which has read the marks.
func (c *cycle) resumeHandles(ctx context.Context) error {
	for _, ns := range []namespace{creators, organizations} {
		if _, marked := c.begun[sweepKey(ns)]; marked {
			return c.finishHandles(ctx)
		}
	}
	return c.relabelMarked(ctx)
}

// finishSweeps assigns again what is marked for it.
func (c *cycle) finishSweeps(ctx context.Context) error {
	marks, err := c.opt.State.Get(ctx, sweepKey(creators), sweepKey(organizations))
	if err != nil {
		return err
	}
	for _, mark := range marks {
		ns := creators
		if mark.Key != sweepKey(ns) {
			ns = organizations
		}
		if err := c.sweep(ctx, ns, string(mark.Value)); err != nil {
			return fmt.Errorf("assign handles again: %w", err)
		}
		if err := c.commit(ctx, state.DeleteIf(mark.Key, mark.Version)); err != nil {
			return err
		}
	}
	return nil
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

// unclaim gives a transaction's claim up, because it vanished; later ones may get
// a shorter handle.
func (c *cycle) unclaim(ctx context.Context, ns namespace, tx string) error {
	cl, ok, err := c.claimOf(ctx, ns, tx)
	if err != nil || !ok {
		return err
	}
	mark, err := c.sweepMark(ctx, ns, cl.order)
	if err != nil {
		return err
	}
	return c.commit(ctx, append(cl.removal(ns), mark, state.Delete(claimOfKey(ns, tx)))...)
}

// relabelPage is how many documents one step of relabelling changes.
const relabelPage = 500

// relabel brings the creator's handle and registration into all its documents.
// Each that still carries another one is tried once; a mark that is still there
// after a kill makes it begin again.
func (c *cycle) relabel(ctx context.Context, mark state.Item) error {
	address := mark.ID
	ref, ok, err := c.ref(ctx, address)
	if err != nil {
		return err
	}
	stale := records.Query{
		Where: records.All{
			records.Is(records.FieldCreatorDID, ref.DIDAddress),
			// A GUN record names whom it likes, and belongs to another writer.
			records.Not{Cond: records.Is(records.FieldStorage, "gun")},
			records.Not{Cond: records.All{
				records.Is(records.FieldCreatorTx, ref.DIDTx),
				records.Is(records.FieldCreatorHandle, ref.CreatorHandle),
			}},
		},
		Limit: relabelPage, EnvelopeOnly: true,
	}
	for ok {
		page, err := c.opt.Records.Search(ctx, stale)
		if err != nil {
			return fmt.Errorf("find documents to relabel: %w", err)
		}
		ops := make([]records.Op, 0, len(page.Hits))
		for _, hit := range page.Hits {
			ops = append(ops, records.Op{Patch: &oip.Patch{DID: hit.DID, Creator: &ref}})
		}
		results, err := c.writeDocs(ctx, ops)
		if err != nil {
			return err
		}
		for i, r := range results {
			if r.Status == records.Poison {
				c.log.Error("a document cannot be relabelled", "did", ops[i].Patch.DID, "detail", r.Detail)
			}
		}
		if stale.After = page.Next; stale.After == "" {
			break
		}
	}
	err = c.commit(ctx, state.DeleteIf(relabelKey(address), mark.Version))
	if errors.Is(err, state.ErrConflict) {
		return nil // marked again meanwhile: the next pass does it
	}
	return err
}
