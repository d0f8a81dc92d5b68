package indexer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// settle is the second stage: it makes the outcomes of a group durable, in an
// order in which a kill between any two writes loses nothing:
//
//  1. templates and registrations, after waking what waits for them;
//  2. tombstones of the group's delete messages;
//  3. entries of what is rejected, waits, or is only partly expanded;
//  4. the documents; then their tombstones are read again (invariant 6);
//  5. the delete messages' effects, and last the messages themselves, which mark
//     them as done;
//  6. entries that are no longer needed are removed.
//
// Whatever is repeated after a kill has the same result (invariant 3).
func (c *cycle) settle(ctx context.Context, g *group) error {
	s := &settlement{c: c, items: g.sorted()}
	ids := make([]string, 0, len(s.items))
	for _, it := range s.items {
		ids = append(ids, it.node.ID)
	}
	var err error
	if s.entries, err = c.entriesOf(ctx, ids); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		s.land, s.tombstones, s.expand, s.write, s.deletions, s.clean, c.finishHandles,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// settlement is the settling of one group.
type settlement struct {
	c       *cycle
	items   []*item
	entries map[string]*Entry // as the ledger has them now

	docs    []pendingDoc
	changes []change
	done    []string // ids whose entries are to be removed once documents are durable
}

// pendingDoc is a document that is about to be written.
type pendingDoc struct {
	item *item
	doc  oip.Document
}

// land settles what others need. Waking comes first: if it is all that happens
// before a kill, the woken entries only look in vain once more.
func (s *settlement) land(ctx context.Context) error {
	for _, it := range s.items {
		if it.verified == nil {
			continue
		}
		var doc oip.Document
		var err error
		switch v := *it.verified; v.Subject() {
		case oip.SubjectTemplate:
			if err := s.c.wake(ctx, oip.Dependency{Need: oip.NeedTemplate, ID: v.ID()}); err != nil {
				return err
			}
			ref, ok, e := s.c.ref(ctx, v.Creator())
			if e != nil {
				return e
			}
			if !ok {
				s.waitForCreator(it)
				continue
			}
			doc, err = s.c.landTemplate(ctx, v, ref)
			if refused := (*oip.Refusal)(nil); errors.As(err, &refused) {
				s.reject(it, refused.Rejected)
				continue
			}
			s.done = append(s.done, v.ID())
		case oip.SubjectRegistration:
			if err := s.landRegistration(ctx, it); err != nil {
				return err
			}
			continue
		default:
			continue
		}
		if err != nil {
			return err
		}
		s.docs = append(s.docs, pendingDoc{it, doc})
		if s.size() >= records.MaxWriteBytes/2 {
			if err := s.write(ctx); err != nil {
				return err
			}
		}
	}
	return s.write(ctx)
}

// landRegistration settles a registration, which takes several writes: what it
// replaces is hidden, it becomes current, it is stored. The entry that is written
// first makes a later cycle do it all again if a kill comes in between, even for
// a registration that lies outside of every window.
func (s *settlement) landRegistration(ctx context.Context, it *item) error {
	v, now := *it.verified, s.c.opt.Now()
	// Refused before it has any effect: what it says of itself may be too much.
	trial, err := s.c.expandRegistration(ctx, v, oip.CreatorRef{PublicKey: v.Registration().Modulus}, v.Registration().Handle, false)
	if refused := (*oip.Refusal)(nil); errors.As(err, &refused) {
		s.reject(it, refused.Rejected)
		return nil
	}
	if err != nil {
		return err
	}
	if len(trial.JSON()) > maxRegistration {
		s.reject(it, oip.Rejected{Reason: oip.ReasonTooLarge, Detail: fmt.Sprintf("a registration of over %d bytes", maxRegistration)})
		return nil
	}
	if s.entries[v.ID()] == nil {
		begun := waiting(nil, now, v.Height(), EntryWaiting, "it is being settled", oip.Dependency{Need: oip.NeedData, ID: v.ID()})
		begun.Due = wholeSecond(now)
		s.note(v.ID(), begun)
		if err := s.apply(ctx); err != nil {
			return err
		}
	}
	if err := s.c.wake(ctx, oip.Dependency{Need: oip.NeedCreator, ID: v.Creator()}); err != nil {
		return err
	}
	doc, err := s.c.landRegistration(ctx, v)
	if err != nil {
		return err
	}
	s.partial(it, doc)
	// Written at once: the next one may replace and hide it.
	s.docs = append(s.docs, pendingDoc{it, doc})
	return s.write(ctx)
}

// maxRegistration is the largest document of a registration in bytes. It takes
// effect in several writes, none of which may fail for its size.
const maxRegistration = 4 << 20

// tombstones writes those of the group's delete messages, before any document.
func (s *settlement) tombstones(ctx context.Context) error {
	b := s.c.batch()
	for _, it := range s.items {
		if it.verified == nil || it.verified.Deletion() == nil {
			continue
		}
		if err := b.add(ctx, tombOps(*it.verified)...); err != nil {
			return err
		}
	}
	return b.commit(ctx)
}

// expand makes the documents of records and organizations, and notes what
// becomes of everything else.
func (s *settlement) expand(ctx context.Context) error {
	tombs, err := s.c.tombsOf(ctx, s.items)
	if err != nil {
		return err
	}
	for _, it := range s.items {
		switch {
		case it.rejected != nil:
			s.reject(it, *it.rejected)
		case it.waiting != nil:
			s.wait(it, it.why, *it.waiting)
		case it.verified == nil:
			return fmt.Errorf("indexer: %s has no outcome", it.node.ID)
		case tombs[it.node.ID] && it.plain():
			if err := s.deleted(ctx, it); err != nil {
				return err
			}
		default:
			if err := s.document(ctx, it); err != nil {
				return err
			}
		}
	}
	return s.write(ctx)
}

// document expands one record or organization.
func (s *settlement) document(ctx context.Context, it *item) error {
	if !it.plain() {
		return nil
	}
	v := *it.verified
	ref, ok, err := s.c.ref(ctx, v.Creator())
	if err != nil {
		return err
	}
	if !ok {
		s.waitForCreator(it)
		return nil
	}
	set := oip.Setting{Creator: ref, IndexedAt: s.c.opt.Now()}
	if set.Templates, err = s.c.templates(ctx, v.TemplateIDs()); err != nil {
		return err
	}
	if v.Subject() == oip.SubjectOrganization {
		if set.OwnHandle, err = s.c.claim(ctx, organizations, v, v.OrganizationHandle()); err != nil {
			return err
		}
	}
	doc, err := oip.Expand(v, set)
	var rejected *oip.Refusal
	switch {
	case errors.Is(err, oip.ErrNothing):
		s.wait(it, "none of its templates is known", needs(v.TemplateIDs())...)
		return nil
	case errors.As(err, &rejected):
		s.reject(it, rejected.Rejected)
		return nil
	case err != nil:
		return fmt.Errorf("expand %s: %w", it.node.ID, err)
	}
	s.partial(it, doc)
	s.docs = append(s.docs, pendingDoc{it, doc})
	if s.size() >= records.MaxWriteBytes/2 {
		return s.write(ctx)
	}
	return nil
}

// partial notes whether a document is complete: then its entry goes once it is
// durable. If not, an entry that waits for the missing templates comes first.
func (s *settlement) partial(it *item, doc oip.Document) {
	if len(doc.Missing()) == 0 {
		s.done = append(s.done, it.node.ID)
		return
	}
	old := s.entries[it.node.ID]
	s.note(it.node.ID, waiting(old, s.c.opt.Now(), it.node.Height, EntryPartial, missingTemplates, needs(doc.Missing())...))
}

// missingTemplates is why a document is partial.
const missingTemplates = "some templates are not known"

func needs(templates []string) []oip.Dependency {
	deps := make([]oip.Dependency, 0, len(templates))
	for _, id := range templates {
		deps = append(deps, oip.Dependency{Need: oip.NeedTemplate, ID: id})
	}
	return deps
}

func (s *settlement) size() (n int) {
	for _, d := range s.docs {
		n += len(d.doc.JSON())
	}
	return n
}

// note plans a new entry for an id.
func (s *settlement) note(id string, e *Entry) {
	s.changes = append(s.changes, change{id, s.entries[id], e})
}

// reject keeps a rejection with its reason.
func (s *settlement) reject(it *item, r oip.Rejected) {
	s.c.count(func(n *Counts) { n.Rejected++ })
	var asked []string
	for _, gw := range s.c.opt.Pool.All() {
		asked = append(asked, gatewayName(gw))
	}
	s.note(it.node.ID, &Entry{
		State: EntryRejected, Height: it.node.Height, Since: s.c.opt.Now(),
		Reason: r.Reason, Detail: clipped(r.Detail), Gateways: it.gateways, Rules: s.c.rules,
		Asked: asked, Recheck: s.c.opt.Now().Add(recheckPause),
	})
}

// recheckPause is how long a rejection rests that some gateway could not be asked
// about.
const recheckPause = time.Hour

// wait puts a transaction into the retry ledger.
func (s *settlement) wait(it *item, why string, deps ...oip.Dependency) {
	s.c.count(func(n *Counts) { n.Waiting++ })
	s.note(it.node.ID, waiting(s.entries[it.node.ID], s.c.opt.Now(), it.node.Height, EntryWaiting, why, deps...))
}

// waitForCreator makes a verified transaction wait whose creator is not settled:
// its key was learnt from a registration that the store could not take.
func (s *settlement) waitForCreator(it *item) {
	s.wait(it, "its creator is not registered", oip.Dependency{Need: oip.NeedCreator, ID: it.verified.Creator()})
}

// deleted keeps that a transaction was deleted by its creator. An organization
// claims its handle all the same: who holds which handle must not depend on
// whether the delete message or its target was found first.
func (s *settlement) deleted(ctx context.Context, it *item) error {
	if base := it.verified.OrganizationHandle(); base != "" {
		if _, err := s.c.claim(ctx, organizations, *it.verified, base); err != nil {
			return err
		}
	}
	s.c.count(func(n *Counts) { n.Deleted++ })
	s.note(it.node.ID, deletedEntry(s.c.opt.Now(), it.node.Height))
	return nil
}

// write makes the planned entries durable, then the documents, and then reads
// their tombstones again.
func (s *settlement) write(ctx context.Context) error {
	if err := s.apply(ctx); err != nil {
		return err
	}
	if err := s.showTemplates(ctx); err != nil {
		return err
	}
	ops := make([]records.Op, len(s.docs))
	for i := range s.docs {
		ops[i].Put = &s.docs[i].doc
	}
	docs := s.docs
	s.docs = nil
	results, err := s.c.writeDocs(ctx, ops)
	if err != nil {
		return err
	}
	var written []*item
	for i, r := range results {
		if r.Status == records.Poison {
			it := docs[i].item
			s.reject(it, oip.Rejected{Reason: oip.ReasonUnstorable, Detail: r.Detail})
			s.keep(it.node.ID)
			continue
		}
		written = append(written, docs[i].item)
	}
	s.c.count(func(n *Counts) { n.Indexed += len(written) })
	if err := s.apply(ctx); err != nil {
		return err
	}
	if err := s.recheck(ctx, written); err != nil {
		return err
	}
	return s.confirmCreators(ctx, written)
}

// confirmCreators reads the creators of written documents again. Only a newer
// runner can have changed one, and may have relabelled before these documents
// came; then they are marked to be relabelled again, by whoever has the lease.
func (s *settlement) confirmCreators(ctx context.Context, written []*item) error {
	used := make(map[string]creatorState)
	var keys []state.Key
	for _, it := range written {
		address := it.verified.Creator()
		if _, seen := used[address]; seen {
			continue
		}
		if cr, ok := s.c.dir.creators.Get(address); ok {
			used[address] = cr
			keys = append(keys, creatorKey(address))
		}
	}
	for part := range chunks(keys, state.MaxGet) {
		items, err := s.c.opt.State.Get(ctx, part...)
		if err != nil {
			return fmt.Errorf("read creators: %w", err)
		}
		for _, item := range items {
			now, err := parseCreator(item)
			if err != nil {
				return err
			}
			if now == used[item.ID] {
				continue
			}
			s.c.dir.forget(item.ID)
			// Without the lease's guard, which would refuse it: the mark is harmless.
			if err := s.c.opt.State.Commit(ctx, state.Put(relabelKey(item.ID), []byte(now.Tx))); err != nil {
				return fmt.Errorf("mark documents of %s: %w", item.ID, err)
			}
		}
	}
	return nil
}

// apply makes the planned entries durable.
func (s *settlement) apply(ctx context.Context) error {
	changes := s.changes
	s.changes = nil
	if err := s.c.apply(ctx, changes); err != nil {
		return err
	}
	for _, ch := range changes {
		s.entries[ch.id] = ch.new
	}
	return nil
}

// keep takes an id off the list of entries to be removed.
func (s *settlement) keep(id string) {
	for i, d := range s.done {
		if d == id {
			s.done = append(s.done[:i], s.done[i+1:]...)
			return
		}
	}
}

// recheck reads the tombstones of written documents again: a delete that was
// processed meanwhile, by whomever, wins.
func (s *settlement) recheck(ctx context.Context, written []*item) error {
	found, err := s.c.tombsOf(ctx, written)
	if err != nil {
		return err
	}
	for _, it := range written {
		if !found[it.node.ID] {
			continue
		}
		if err := s.c.effect(ctx, oip.DID(it.node.ID), it.verified.Creator(), it.verified.Subject() == oip.SubjectTemplate); err != nil {
			return err
		}
		if it.plain() {
			s.keep(it.node.ID) // its entry says now that it is deleted
		}
	}
	return nil
}

// deletions carries out the delete messages and then stores the messages.
func (s *settlement) deletions(ctx context.Context) error {
	for _, it := range s.items {
		if it.verified == nil || it.verified.Deletion() == nil {
			continue
		}
		v := *it.verified
		d := v.Deletion()
		if err := s.c.effect(ctx, d.Target, v.Creator(), d.Template); err != nil {
			return err
		}
		ref, ok, err := s.c.ref(ctx, v.Creator())
		if err != nil {
			return err
		}
		if !ok {
			s.waitForCreator(it)
			continue
		}
		doc, err := oip.Expand(v, oip.Setting{Creator: ref, IndexedAt: s.c.opt.Now()})
		if err != nil {
			return fmt.Errorf("expand %s: %w", it.node.ID, err)
		}
		s.done = append(s.done, it.node.ID)
		s.docs = append(s.docs, pendingDoc{it, doc})
	}
	return s.write(ctx)
}

// clean removes the entries of what is now indexed and complete, unless they
// changed since the group was taken up (a delete message of the same group).
func (s *settlement) clean(ctx context.Context) error {
	var ids []string
	for _, id := range s.done {
		if s.entries[id] != nil {
			ids = append(ids, id)
		}
	}
	now, err := s.c.entriesOf(ctx, ids)
	if err != nil {
		return err
	}
	var changes []change
	for _, id := range ids {
		if e := now[id]; e != nil && e.version == s.entries[id].version {
			changes = append(changes, change{id: id, old: e})
		}
	}
	return s.c.apply(ctx, changes)
}

// showTemplates shows deleted templates again that records about to be written
// use. It comes before the records: a kill in between leaves a template shown
// whose record comes again.
func (s *settlement) showTemplates(ctx context.Context) error {
	shown := make(map[string]bool)
	for _, d := range s.docs {
		if d.item.verified.Subject() != oip.SubjectRecord {
			continue
		}
		for _, id := range d.doc.Templates() {
			t, err := s.c.dir.template(ctx, id)
			if err != nil {
				return err
			}
			if t == nil || !t.deleted || shown[id] {
				continue
			}
			shown[id] = true
			if err := s.c.hide(ctx, oip.DID(id), false); err != nil {
				return err
			}
		}
	}
	return nil
}
