package indexer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"oipnode/shared/gateway"
	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// index is the second pass: what is indexed must be what the chain says.
func (k *checker) index(ctx context.Context) error {
	where := records.All{records.Not{Cond: records.Is(records.FieldStorage, "gun")}}
	if k.request.Type != "" {
		where = append(where, records.Is(records.FieldRecordType, strings.ToLower(k.request.Type)))
	}
	q := records.Query{Where: where, Sort: []records.Sort{{Field: records.FieldHeight}}, Limit: gateway.MaxLookup, EnvelopeOnly: true}
	for {
		if err := k.enough(ctx); err != nil {
			return err
		}
		q.After = k.now.Cursor
		page, err := k.opt.Records.Search(ctx, q)
		if err != nil {
			return fmt.Errorf("read the index: %w", err)
		}
		if err := k.page(ctx, page.Hits); err != nil {
			return err
		}
		if page.Next == "" {
			return nil
		}
		k.now.Cursor = page.Next
		if err := k.save(ctx); err != nil {
			return err
		}
	}
}

// page checks documents of the index, or writes them again.
func (k *checker) page(ctx context.Context, hits []records.Stored) error {
	envs := make(map[string]oip.Envelope, len(hits))
	var ids []string
	for _, hit := range hits {
		env, err := oip.ParseEnvelope(hit.JSON)
		if err != nil {
			return fmt.Errorf("document %s: %w", hit.DID, err)
		}
		if id, ok := oip.TxID(hit.DID); ok && height(env) <= k.now.To {
			envs[id], ids = env, append(ids, id)
		}
	}
	entries, err := k.entriesOf(ctx, ids)
	if err != nil || len(ids) == 0 {
		return err
	}
	nodes, err := k.lookupAll(ctx, ids)
	if err != nil {
		return err
	}
	var shown []gateway.Node
	for _, id := range ids {
		n, ok := nodes[id]
		pending := entries[id] != nil && entries[id].State == EntryPending
		switch {
		case ok && (n.Height > 0 || k.isBootstrap(id)):
			if n.Height <= k.now.To {
				shown = append(shown, n)
			}
		case pending: // the ledger looks after it
		default:
			if err := k.absent(ctx, id, envs[id]); err != nil {
				return err
			}
		}
	}
	for group := range k.groups(shown) {
		if err := k.group(ctx, group, envs); err != nil {
			return err
		}
	}
	return nil
}

func (k *checker) isBootstrap(id string) bool {
	for _, b := range k.opt.BootstrapCreators {
		if b == id {
			return true
		}
	}
	return false
}

// groups cuts transactions into what may be in memory together.
func (k *checker) groups(nodes []gateway.Node) func(yield func([]gateway.Node) bool) {
	return func(yield func([]gateway.Node) bool) {
		begin, size := 0, int64(0)
		for i, n := range nodes {
			next := n.Size
			if next < 0 {
				next = k.opt.GroupBytes / 8 // unknown: a careful guess
			}
			if i > begin && size+next > k.opt.GroupBytes {
				if !yield(nodes[begin:i]) {
					return
				}
				begin, size = i, 0
			}
			size += next
		}
		if begin < len(nodes) {
			yield(nodes[begin:])
		}
	}
}

// absent deals with a document whose transaction no gateway has shown. Only when each of
// them answers, and knows others, that proves something.
func (k *checker) absent(ctx context.Context, id string, env oip.Envelope) error {
	if err := k.allMiss(ctx, id); err != nil {
		k.log.Debug("check: not every gateway has answered", "id", id, "error", err)
		k.now.Unread++
		return ctx.Err()
	}
	k.now.Compared++
	return k.take(ctx, Finding{DID: env.DID, Fault: FaultExtra, Height: height(env), Detail: "no block has it"}, env)
}

// take notes a document that has no right to be there and, for a repair, removes it.
func (k *checker) take(ctx context.Context, f Finding, env oip.Envelope) error {
	if err := k.found(ctx, f); err != nil || !k.request.Repair {
		return err
	}
	if err := k.gone(ctx, f.id(), nil, env, "a check found it "+string(f.Fault)+": "+f.Detail); err != nil {
		return err
	}
	k.now.Repaired++
	return nil
}

// group fetches and verifies transactions and compares what they give.
func (k *checker) group(ctx context.Context, nodes []gateway.Node, envs map[string]oip.Envelope) error {
	g := &group{}
	for _, n := range nodes {
		g.items = append(g.items, &item{node: n})
	}
	if err := k.judge(ctx, g); err != nil {
		return err
	}
	tombs, err := k.tombsOf(ctx, g.items)
	if err != nil {
		return err
	}
	var differ []gateway.Node
	for _, it := range g.items {
		again, err := k.compare(ctx, it, envs[it.node.ID], tombs[it.node.ID])
		if err != nil {
			return err
		}
		if again {
			differ = append(differ, it.node)
		}
	}
	if len(differ) == 0 {
		return nil
	}
	repaired := k.now.Repaired
	if err := k.again(ctx, differ); err != nil {
		return err
	}
	if k.request.Type != "" { // that is no repair
		k.now.Repaired = repaired
	}
	return nil
}

// compare holds a document against its transaction. It reports whether it is to be
// written again; what is to be removed it has removed.
func (k *checker) compare(ctx context.Context, it *item, env oip.Envelope, deleted bool) (again bool, err error) {
	f := Finding{DID: env.DID, Height: it.node.Height}
	switch {
	case it.rejected != nil && it.rejected.Reason == oip.ReasonExcluded && k.request.Type == "":
		k.now.Excluded++
		return false, nil
	case it.rejected != nil:
		k.now.Compared++
		f.Fault, f.Detail = FaultInvalid, string(it.rejected.Reason)+": "+it.rejected.Detail
		return false, k.refused(ctx, it, f, env)
	case it.verified == nil:
		k.now.Unread++
		return false, nil
	}
	k.now.Compared++
	if deleted && it.plain() {
		f.Fault, f.Detail = FaultDeleted, "its tombstone is there"
		return false, k.deletedAgain(ctx, it, f)
	}
	if k.request.Type != "" {
		return true, nil
	}
	want, err := k.expected(ctx, *it.verified)
	if refused := (*oip.Refusal)(nil); errors.As(err, &refused) {
		f.Fault, f.Detail = FaultInvalid, string(refused.Reason)+": "+refused.Detail
		it.rejected = &refused.Rejected
		return false, k.refused(ctx, it, f, env)
	}
	if errors.Is(err, oip.ErrNothing) { // a template has vanished; what was made with it stays
		k.now.Compared, k.now.Unread = k.now.Compared-1, k.now.Unread+1
		return false, nil
	}
	if err != nil {
		return false, err
	}
	stored, err := k.opt.Records.Get(ctx, []string{env.DID}, false)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", env.DID, err)
	}
	if len(stored) == 0 {
		return false, nil // removed since the page was read
	}
	if f.Fault, f.Detail = deviation(want.JSON(), stored[0].JSON); f.Fault == "" {
		return false, nil
	}
	return k.request.Repair, k.found(ctx, f)
}

// refused keeps the rejection of a transaction, so that nothing brings it back, and
// removes its document.
func (k *checker) refused(ctx context.Context, it *item, f Finding, env oip.Envelope) error {
	if k.request.Repair || k.request.Type != "" {
		if err := k.found(ctx, f); err != nil {
			return err
		}
		s := &settlement{c: k.cycle}
		var err error
		if s.entries, err = k.entriesOf(ctx, []string{it.node.ID}); err != nil {
			return err
		}
		s.reject(it, *it.rejected)
		if err := s.apply(ctx); err != nil {
			return err
		}
		if err := k.gone(ctx, it.node.ID, nil, env, "a check found it invalid: "+f.Detail); err != nil {
			return err
		}
		k.now.Repaired++
		return nil
	}
	return k.found(ctx, f)
}

// deletedAgain carries a delete out whose document is still there.
func (k *checker) deletedAgain(ctx context.Context, it *item, f Finding) error {
	if err := k.found(ctx, f); err != nil || !k.request.Repair {
		return err
	}
	if err := k.effect(ctx, f.DID, it.verified.Creator(), false); err != nil {
		return err
	}
	k.now.Repaired++
	return nil
}

// expected is the document that a transaction gives now. Nothing is written for it.
func (k *checker) expected(ctx context.Context, v oip.Verified) (doc oip.Document, err error) {
	ref, ok, err := k.ref(ctx, v.Creator())
	if err != nil {
		return doc, err
	}
	if !ok {
		return doc, oip.ErrNothing
	}
	set := oip.Setting{Creator: ref, IndexedAt: k.opt.Now()}
	if set.Templates, err = k.templates(ctx, v.TemplateIDs()); err != nil {
		return doc, err
	}
	switch v.Subject() {
	case oip.SubjectTemplate:
		deleted, err := k.hasTomb(ctx, oip.DID(v.ID()), v.Creator(), true)
		if err != nil {
			return doc, err
		}
		if deleted {
			used, err := k.used(ctx, v.ID(), oip.DID(v.ID()))
			if err != nil {
				return doc, err
			}
			set.Hidden = !used
		}
	case oip.SubjectRegistration:
		cl, _, err := k.claimOf(ctx, creators, v.ID())
		if err != nil {
			return doc, err
		}
		deleted, err := k.hasTomb(ctx, oip.DID(v.ID()), v.Creator(), false)
		if err != nil {
			return doc, err
		}
		set.OwnHandle, set.Hidden = cl.Handle, deleted || ref.DIDTx != oip.DID(v.ID())
	case oip.SubjectOrganization:
		cl, _, err := k.claimOf(ctx, organizations, v.ID())
		if err != nil {
			return doc, err
		}
		set.OwnHandle = cl.Handle
	}
	return oip.Expand(v, set)
}

// deviation tells how a stored document differs from what it should be: not at all,
// only by its place on the chain, or by its content. When it was indexed does not count.
func deviation(want, stored []byte) (Fault, string) {
	wantData, _, err := records.Parts(want)
	data, _, err2 := records.Parts(stored)
	wantEnv, err3 := oip.ParseEnvelope(want)
	env, err4 := oip.ParseEnvelope(stored)
	if errors.Join(err, err2, err3, err4) != nil {
		return FaultChanged, "it cannot be read"
	}
	if !sameData(wantData, data) {
		return FaultChanged, "its data"
	}
	moved := height(env) != height(wantEnv) || env.RecordStatus != wantEnv.RecordStatus
	env.IndexedAt, env.InArweaveBlock, env.RecordStatus = wantEnv.IndexedAt, wantEnv.InArweaveBlock, wantEnv.RecordStatus
	switch {
	case !reflect.DeepEqual(env, wantEnv):
		return FaultChanged, "its envelope"
	case moved:
		return FaultMoved, "it is indexed at another block"
	}
	return "", ""
}

// sameData compares the data of two documents. A patch of a handle sorts the names of
// the outermost object (oip.Patch), so their order does not count.
func sameData(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var left, right map[string]json.RawMessage
	if json.Unmarshal(a, &left) != nil || json.Unmarshal(b, &right) != nil || len(left) != len(right) {
		return false
	}
	for name, value := range left {
		other, ok := right[name]
		if !ok || !bytes.Equal(value, other) {
			return false
		}
	}
	return true
}
