package gun

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// result is a soul whose fetch ended, to be settled.
type result struct {
	job
	outcome oip.Outcome // Accepted or Rejected, nil when err is set
	by      string      // who deleted, for a deletion
	err     error
}

// settled is what settle found for one result.
type settled struct {
	*result
	doc     oip.Document
	env     oip.Envelope
	reason  Reason
	kind    ending
	detail  string
	deleted bool
}

// ending says how a soul's turn ended.
type ending int

const (
	endIndexed  ending = iota // written, or the index had it already
	endSkipped                // left out, and looked at again when it is no longer seen
	endRejected               // kept as a failure with long pauses
	endFailed                 // kept as a failure, tried again soon
)

// settle brings what was fetched from one peer into the stores. The order of its
// writes is what makes a kill between any two of them harmless:
//
//   - the souls of the batch are kept before its documents are written, so that the
//     next cycle can look for tombstones that came meanwhile (resume);
//   - tombstones are looked up before and again after the documents are written, since
//     somebody may delete one of them in between (Delete is no part of the cycle);
//   - only then the souls are seen: until then, they are fetched again.
func (c *cycle) settle(ctx context.Context, r *run, batch []*result) error {
	if len(batch) == 0 {
		return nil
	}
	if err := c.renew(ctx); err != nil {
		return err
	}
	all := make([]*settled, len(batch))
	for i, res := range batch {
		all[i] = &settled{result: res}
		if err := c.judge(ctx, r, all[i]); err != nil {
			return err
		}
	}
	c.settling.Lock()
	err := c.write(ctx, r, all)
	c.settling.Unlock()
	if err != nil {
		return err
	}
	return c.remember(ctx, r, all)
}

// judge says what the result of a fetch alone decides.
func (c *cycle) judge(ctx context.Context, r *run, s *settled) error {
	if s.err != nil {
		s.kind, s.reason = endFailed, reasonOf(s.err)
		return nil
	}
	accepted, ok := s.outcome.(oip.Accepted)
	if !ok {
		rejected, _ := s.outcome.(oip.Rejected)
		s.kind, s.reason, s.detail = endRejected, Reason(rejected.Reason), rejected.Detail
		return nil
	}
	v := accepted.Verified
	switch {
	case !c.opt.Wanted(v.RecordType()):
		s.kind, s.reason = endSkipped, Reason(oip.ReasonExcluded)
		return nil
	case v.Encrypted() && !c.opt.Private:
		s.kind, s.reason = endSkipped, ReasonPrivate
		return nil
	}
	setting := oip.Setting{IndexedAt: c.opt.Now(), Gun: oip.GunOrigin{Source: r.peer.id, Timestamp: s.timestamp}}
	var err error
	if v.Trust() == oip.TrustVerified {
		if setting.Creator, err = c.creator(ctx, v.CreatorDID()); err != nil {
			return err
		}
	}
	if s.doc, err = oip.Expand(v, setting); err != nil {
		s.kind, s.reason, s.detail = endRejected, Reason(oip.ReasonTooLarge), err.Error()
		return nil //nolint:nilerr // it is a property of the record
	}
	s.env, err = oip.ParseEnvelope(s.doc.JSON())
	return err
}

// write compares the documents of a batch with the index and writes what is better.
func (c *cycle) write(ctx context.Context, r *run, all []*settled) error {
	pending := make([]*settled, 0, len(all))
	for _, s := range all {
		if s.doc.Valid() {
			pending = append(pending, s)
		}
	}
	if len(pending) == 0 {
		return nil
	}
	if err := c.findDeleted(ctx, pending); err != nil {
		return err
	}
	stored, err := c.stored(ctx, pending)
	if err != nil {
		return err
	}
	var remove []string
	writes := pending[:0:0]
	for _, s := range pending {
		old, indexed := stored[s.doc.DID()]
		if s.deleted {
			if s.kind, s.reason = endSkipped, ReasonDeleted; indexed {
				remove = append(remove, s.doc.DID())
			}
			continue
		}
		verdict := replace
		if indexed {
			verdict = compare(old, s.env, c.isAsked)
		}
		if verdict == contested {
			verdict = lesser
			if gone, err := c.lost(ctx, old.Gun.Source, s.soul); err != nil {
				return err
			} else if gone {
				verdict = replace
			}
		}
		switch verdict {
		case replace:
			writes = append(writes, s)
			// The same record can be in a batch twice, from an index and from a list.
			stored[s.doc.DID()] = s.env
		case lesser:
			s.kind, s.reason = endSkipped, ReasonVersion
		case partial:
			s.kind, s.reason = endFailed, ReasonPartial
		case same:
		}
	}
	r.count(func(n *Counts) { n.Deleted += len(remove) })
	if err := removeDocuments(ctx, c.opt.Records, c.lease.Fence(), remove...); err != nil || len(writes) == 0 {
		return err
	}
	if err := c.announce(ctx, writes); err != nil {
		return err
	}
	if err := c.writeDocuments(ctx, r, writes); err != nil {
		return err
	}
	return c.recheck(ctx, r, writes)
}

// findDeleted marks those that have a tombstone.
func (c *cycle) findDeleted(ctx context.Context, all []*settled) error {
	for part := range slices.Chunk(all, state.MaxGet) {
		keys := make([]state.Key, len(part))
		for i, s := range part {
			keys[i] = tombKey(s.soul)
		}
		items, err := c.opt.State.Get(ctx, keys...)
		if err != nil {
			return fmt.Errorf("look for tombstones: %w", err)
		}
		tombs := make(map[state.Key]bool, len(items))
		for _, item := range items {
			tombs[item.Key] = true
		}
		for i, s := range part {
			s.deleted = tombs[keys[i]]
		}
	}
	return nil
}

// stored are the envelopes of those that the index has.
func (c *cycle) stored(ctx context.Context, all []*settled) (map[string]oip.Envelope, error) {
	dids := make([]string, len(all))
	for i, s := range all {
		dids[i] = s.doc.DID()
	}
	return envelopes(ctx, c.opt.Records, dids)
}

// envelopes reads the envelopes of those of the documents that are there.
func envelopes(ctx context.Context, r records.Store, dids []string) (map[string]oip.Envelope, error) {
	found := make(map[string]oip.Envelope, len(dids))
	stored, err := r.Get(ctx, dids, true)
	if err != nil {
		return nil, fmt.Errorf("read what is indexed: %w", err)
	}
	for _, s := range stored {
		env, err := oip.ParseEnvelope(s.JSON)
		if err != nil {
			return nil, err
		}
		found[s.DID] = env
	}
	return found, nil
}

// announce keeps which documents are about to be written.
func (c *cycle) announce(ctx context.Context, writes []*settled) error {
	souls := make([]string, len(writes))
	for i, s := range writes {
		souls[i] = s.soul
	}
	value, err := json.Marshal(souls)
	if err != nil {
		return err
	}
	return c.commit(ctx, state.Put(keyBatch, value))
}

// writeDocuments writes the documents, in calls of a bounded size.
func (c *cycle) writeDocuments(ctx context.Context, r *run, writes []*settled) error {
	for len(writes) > 0 {
		n, size := 0, 0
		ops := make([]records.Op, 0, len(writes))
		for n < len(writes) && (n == 0 || size+len(writes[n].doc.JSON()) <= records.MaxWriteBytes) {
			size += len(writes[n].doc.JSON())
			ops = append(ops, records.Op{Put: &writes[n].doc, Fence: c.lease.Fence()})
			n++
		}
		results, err := c.opt.Records.Write(ctx, ops)
		if err != nil {
			return fmt.Errorf("write documents: %w", err)
		}
		for i, result := range results {
			s := writes[i]
			switch result.Status {
			case records.OK:
				r.count(func(n *Counts) { n.Indexed++ })
			case records.Poison:
				s.kind, s.reason, s.detail = endRejected, Reason(oip.ReasonUnstorable), result.Detail
			case records.Conflict:
				// A newer runner has written it: theirs stands, and the lease tells soon.
				s.kind, s.reason = endFailed, ReasonStore
			default:
				s.kind, s.reason, s.detail = endFailed, ReasonStore, ""
			}
		}
		writes = writes[n:]
	}
	return nil
}

// recheck removes what was deleted while it was written.
func (c *cycle) recheck(ctx context.Context, r *run, writes []*settled) error {
	if err := c.findDeleted(ctx, writes); err != nil {
		return err
	}
	var remove []string
	for _, s := range writes {
		if s.deleted {
			s.kind, s.reason = endSkipped, ReasonDeleted
			remove = append(remove, s.doc.DID())
		}
	}
	r.count(func(n *Counts) { n.Deleted += len(remove) })
	return removeDocuments(ctx, c.opt.Records, c.lease.Fence(), remove...)
}

// remember keeps how each soul ended, and tells whoever waits for it.
func (c *cycle) remember(ctx context.Context, r *run, all []*settled) error {
	now := c.opt.Now()
	ops := make([]state.Op, 0, 2*len(all))
	used, written := make(map[string]bool, len(all)), make(map[state.Key]bool, 2*len(all))
	ends := make([]time.Time, len(all))
	for i, s := range all {
		more, end, err := s.ops(&c.opt, r.peer, now)
		if err != nil {
			return err
		}
		ends[i] = end
		if used[s.soul] { // a key may be in a Commit once
			continue
		}
		used[s.soul] = true
		for _, op := range more { // the souls of a publisher share a key
			if !written[op.Item.Key] {
				written[op.Item.Key] = true
				ops = append(ops, op)
			}
		}
	}
	if err := c.commitAll(ctx, ops); err != nil {
		return err
	}
	for i, s := range all {
		r.count(s.count)
		s.finish(ends[i])
	}
	return nil
}

// ops are the operations that keep how a soul ended, and the time until which it need
// not be looked at.
func (s *settled) ops(o *Options, p *peer, now time.Time) ([]state.Op, time.Time, error) {
	if s.kind == endFailed || s.kind == endRejected {
		f := s.failure.next(o, now, s.soul, s.reason, s.kind == endRejected, s.detail, s.timestamp)
		op, err := putJSON(failKey(p.id, s.soul), f)
		return []state.Op{op.Until(f.Due.Add(failureLife))}, f.Due, err
	}
	end := time.Unix(state.Seconds(now.Add(o.MaxAge)), 0)
	mark := seen{Timestamp: s.timestamp, Own: s.own}
	if s.doc.Valid() {
		mark.Hash = s.env.Gun.Hash
	}
	op, err := putJSON(seenKey(p.id, s.soul), mark)
	ops := []state.Op{op.Until(end)}
	if s.failure != nil {
		ops = append(ops, state.Delete(failKey(p.id, s.soul)))
	}
	if p.relay && s.kind == endIndexed && s.doc.Valid() {
		ops = append(ops, state.Put(publisherKey(s.soul[:oip.SoulPrefixLength]), nil).Until(now.Add(publisherLife)))
	}
	return ops, end, err
}

// count counts how a soul ended.
func (s *settled) count(n *Counts) {
	switch s.kind {
	case endIndexed:
		n.Synced++
	case endSkipped:
		n.Skipped++
	case endRejected:
		n.Rejected++
	case endFailed:
		n.Errors++
	}
	if s.reason != "" {
		n.because(s.reason, 1)
	}
}

// resume looks after what a killed cycle may have left: documents that were written
// after their tombstones.
func (c *cycle) resume(ctx context.Context) error {
	item, ok, err := state.GetOne(ctx, c.opt.State, keyBatch)
	if err != nil || !ok {
		return err
	}
	var souls []string
	if err := decode(item, &souls); err != nil {
		return err
	}
	for part := range slices.Chunk(souls, state.MaxGet) {
		if err := c.heal(ctx, part, &c.common); err != nil {
			return err
		}
	}
	return c.commit(ctx, state.Delete(keyBatch))
}

// heal removes the documents of those souls that have a tombstone.
func (c *cycle) heal(ctx context.Context, souls []string, counts *Counts) error {
	keys := make([]state.Key, len(souls))
	for i, soul := range souls {
		keys[i] = tombKey(soul)
	}
	tombs, err := c.opt.State.Get(ctx, keys...)
	if err != nil || len(tombs) == 0 {
		return err
	}
	dids := make([]string, len(tombs))
	for i, tomb := range tombs {
		dids[i] = oip.GunDID(tomb.ID)
	}
	found, err := envelopes(ctx, c.opt.Records, dids)
	if err != nil {
		return err
	}
	remove := make([]string, 0, len(found))
	for did := range found {
		remove = append(remove, did)
	}
	counts.Deleted += len(remove)
	return removeDocuments(ctx, c.opt.Records, c.lease.Fence(), remove...)
}
