package opensearch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// maxRounds bounds how often the documents of one Write are read and decided again
// because others were faster or the engine was busy.
const maxRounds = 8

// subject is one document of a Write: what is asked of it, what it is, what it becomes.
type subject struct {
	did string
	ops []int // positions in the Write, in order

	// What was read: from which index, whether the document is there, where it stands.
	index     string
	exists    bool
	seq, term int64
	fence     uint64
	kind      oip.Kind
	json      []byte // nil when it is not needed
	// same is set when it was already what an earlier round decided, unreadable when it
	// is larger than any document may be.
	same, unreadable bool

	// What was decided.
	decided bool
	after   state
	results []records.Result // one for each of ops
}

// state is what a document becomes.
type state struct {
	exists bool
	fence  uint64
	kind   oip.Kind
	json   []byte
}

// Write implements records.Store.
func (s *Store) Write(ctx context.Context, ops []records.Op) ([]records.Result, error) {
	if err := records.CheckWrite(ops); err != nil {
		return nil, err
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	results := make([]records.Result, len(ops))
	for open := s.subjects(ops); len(open) > 0; {
		n, err := s.settle(ctx, open[:part(open, ops)], ops, results)
		if err != nil {
			return nil, err
		}
		clear(open[:n]) // what was read for them is of no more use
		open = open[n:]
	}
	return results, nil
}

// part is how many documents are read, decided and written at a time: as many as come
// before the one with which there would be more than maxWhole to be read whole.
func part(open []*subject, ops []records.Op) (n int) {
	for whole := 0; n < len(open); n++ {
		if patches(open[n], ops) {
			if whole++; whole > maxWhole {
				break
			}
		}
	}
	return n
}

// settle does the operations of as many of the documents as can be in memory, at least
// one, and fills in their results. It returns how many those were.
func (s *Store) settle(ctx context.Context, open []*subject, ops []records.Op, results []records.Result) (settled int, err error) {
	busy := 0
	for round := 1; len(open) > 0; round++ {
		n := 0
		if round == 1 {
			n = s.presume(open, ops)
		}
		presumed := n > 0
		if !presumed {
			if n, err = s.read(ctx, open, ops); err != nil {
				return 0, err
			}
			s.learn(open[:n], ops)
		}
		if round == 1 {
			open, settled = open[:n], n
		}
		var changed, again []*subject
		open, again = open[:n], open[n:]
		for _, d := range open {
			if d.same {
				continue // an earlier round did it, although nobody heard
			}
			if s.decide(d, ops) {
				changed = append(changed, d)
			}
		}
		for _, d := range changed {
			if d.after.exists && d.after.kind == oip.KindTemplate && d.json == nil {
				if err := s.mapTemplate(ctx, d); err != nil {
					return 0, err
				}
			}
		}
		lost, overloaded, err := s.bulk(ctx, changed)
		if err != nil {
			return 0, err
		}
		if presumed && len(lost) > len(open)/4 {
			s.rewrites.Store(true)
		}
		for _, d := range open {
			for i, op := range d.ops {
				results[op] = d.results[i]
			}
		}
		open = append(lost, again...)
		if len(open) > 0 && round == maxRounds {
			for _, d := range open {
				for _, op := range d.ops {
					results[op] = records.Result{Status: records.Retry, Detail: "others wrote it at the same time, or the engine is overloaded"}
				}
			}
			break
		}
		if overloaded {
			busy++
			if err := sleep(ctx, pauseBefore(busy)); err != nil {
				return 0, s.ended(ctx)
			}
		}
	}
	return settled, nil
}

// presume takes documents that are only put to be new, as they are in a first sync, and
// returns how many: all or none. What is created needs no reading before, which would
// be a request more; the engine refuses to create what is there, and
// that is then read and decided like everything else. Where many were there, the next
// ones are read first, until again most of them are new. Templates are always read: their
// mapping goes to the index that is written now, before they do.
func (s *Store) presume(open []*subject, ops []records.Op) int {
	index := s.typed.current()
	if index == "" || s.rewrites.Load() || !putsOnly(open, ops) {
		return 0
	}
	for _, d := range open {
		d.index = index
	}
	return len(open)
}

// learn notes whether documents that are only put are new, from what was read of them.
func (s *Store) learn(read []*subject, ops []records.Op) {
	if !s.rewrites.Load() || !putsOnly(read, ops) {
		return
	}
	there := 0
	for _, d := range read {
		if d.exists {
			there++
		}
	}
	s.rewrites.Store(there > len(read)/4)
}

func putsOnly(list []*subject, ops []records.Op) bool {
	for _, d := range list {
		for _, at := range d.ops {
			if ops[at].Put == nil || ops[at].Put.Kind() == oip.KindTemplate {
				return false
			}
		}
	}
	return true
}

// mapTemplate gives the template of a document its mapping in the index that the document
// is about to be written to. What is known of another index, from before a move, is of
// no use there.
func (s *Store) mapTemplate(ctx context.Context, d *subject) error {
	if !s.typed.of(d.index) {
		if _, err := s.findIndex(ctx); err != nil {
			return err
		}
	}
	err := s.addTemplate(ctx, &s.typed, d.after.json)
	var f *failure
	if errors.As(err, &f) && f.status == http.StatusNotFound {
		return fmt.Errorf("%w: %w", errMoved, err)
	}
	return err
}

// pauseBefore is the wait before something is tried again for the n-th time.
func pauseBefore(n int) time.Duration { return pause(n+1, 0) }

// subjects gathers the operations by document, in the order of their first.
func (s *Store) subjects(ops []records.Op) []*subject {
	var list []*subject
	byDID := make(map[string]*subject, len(ops))
	for i, op := range ops {
		did := op.Delete
		switch {
		case op.Put != nil:
			did = op.Put.DID()
		case op.Patch != nil:
			did = op.Patch.DID
		}
		d := byDID[did]
		if d == nil {
			d = &subject{did: did}
			byDID[did], list = d, append(list, d)
		}
		d.ops = append(d.ops, i)
	}
	return list
}

// as reports whether the document, as it was read, is already in a state.
func (d *subject) as(want state) bool {
	if !d.exists || !want.exists {
		return d.exists == want.exists
	}
	return d.fence == want.fence && d.kind == want.kind && bytes.Equal(d.json, want.json)
}

// decide does the operations on what was read, and reports whether the document has to
// be written.
func (s *Store) decide(d *subject, ops []records.Op) (write bool) {
	now := state{d.exists, d.fence, d.kind, d.json}
	d.results = make([]records.Result, len(d.ops))
	d.decided = true
	for i, at := range d.ops {
		op := ops[at]
		if now.exists && op.Fence < now.fence {
			d.results[i] = records.Result{Status: records.Conflict, Detail: fmt.Sprintf("written with fence %d, this write has %d", now.fence, op.Fence)}
			continue
		}
		switch {
		case op.Put != nil:
			next := state{true, op.Fence, op.Put.Kind(), op.Put.JSON()}
			if detail := s.unfit(d.did, next.json, s.opt.MaxDocument-patchRoom(s.opt.MaxDocument)); detail != "" {
				d.results[i] = records.Result{Status: records.Poison, Detail: detail}
				continue
			}
			now, write = next, true
		case op.Patch != nil && !now.exists:
			d.results[i] = records.Result{Status: records.Missing}
		case op.Patch != nil && d.unreadable:
			d.results[i] = records.Result{Status: records.Poison, Detail: fmt.Sprintf("the stored document is over %d bytes", s.opt.MaxDocument)}
		case op.Patch != nil:
			text, err := op.Patch.Apply(now.json)
			if err != nil {
				d.results[i] = records.Result{Status: records.Poison, Detail: err.Error()}
				continue
			}
			if detail := s.unfit(d.did, text, s.opt.MaxDocument); detail != "" {
				d.results[i] = records.Result{Status: records.Poison, Detail: detail}
				continue
			}
			now, write = state{true, op.Fence, now.kind, text}, true
		default:
			write = write || now.exists
			now = state{}
		}
	}
	d.after = now
	if !d.exists && !now.exists {
		return false
	}
	return write && (d.json == nil || !d.as(now))
}

// patchRoom is how many bytes a Put leaves free of the largest document, so that later
// Patches of its envelope do not fail for their size.
func patchRoom(largest int) int { return min(4<<10, largest/8) }

// unfit says why a document can never be stored; empty when it can.
func (s *Store) unfit(did string, doc []byte, largest int) string {
	switch {
	case did == "" || len(did) > oip.MaxDID:
		return fmt.Sprintf("a DID of %d bytes, at most %d", len(did), oip.MaxDID)
	case len(doc) > largest:
		return fmt.Sprintf("a document of %d bytes, at most %d", len(doc), largest)
	}
	return ""
}

// poison ends all operations that would have made a document what it cannot be.
func (d *subject) poison(detail string) {
	for i := range d.results {
		if d.results[i].Status == records.OK {
			d.results[i] = records.Result{Status: records.Poison, Detail: detail}
		}
	}
	d.after = state{d.exists, d.fence, d.kind, d.json}
}

// bulk writes what was decided. It returns those to be decided again, and whether that
// is because the engine has too much to do. Its error means that nothing is known. While
// one part is under way, the next one is made: at most two of MaxBulk are in memory.
func (s *Store) bulk(ctx context.Context, changed []*subject) (again []*subject, overloaded bool, err error) {
	left := changed
	for next := s.cut(&left); len(next.docs) > 0; {
		now, sent := next, make(chan struct{})
		var more []*subject
		var busy bool
		go func() {
			defer close(sent)
			more, busy, err = s.sendBulk(ctx, now.docs, now.body)
		}()
		next = s.cut(&left)
		<-sent
		if err != nil {
			return nil, false, err
		}
		again, overloaded = append(again, more...), overloaded || busy
	}
	return again, overloaded, nil
}

// bulkPart is what one bulk writes, all in one index.
type bulkPart struct {
	docs []*subject
	body []byte
}

// lineRoom is about what a document's lines have besides a multiple of the document, in
// bytes.
const lineRoom = 1 << 10

// cut takes the next part off the documents that are left. What has no form is poison.
func (s *Store) cut(left *[]*subject) (part bulkPart) {
	room := 0 // about what the part will have
	for _, d := range *left {
		if room += expected(len(d.after.json)); room >= s.opt.MaxBulk {
			room = s.opt.MaxBulk + s.opt.MaxBulk/8
			break
		}
	}
	part.body = make([]byte, 0, room)
	for len(*left) > 0 {
		d := (*left)[0]
		if len(part.docs) > 0 && part.docs[0].index != d.index {
			return part
		}
		before := len(part.body)
		body, err := s.appendAction(part.body, d)
		if err != nil {
			d.poison(err.Error())
			part.body, *left = body, (*left)[1:]
			continue
		}
		if before > 0 && len(body) > s.opt.MaxBulk {
			part.body = body[:before] // it comes first in the next part
			return part
		}
		part.docs, part.body, *left = append(part.docs, d), body, (*left)[1:]
	}
	return part
}

// sendBulk sends one bulk; halves of it when the engine refuses it as a whole.
func (s *Store) sendBulk(ctx context.Context, part []*subject, body []byte) (again []*subject, overloaded bool, err error) {
	items, err := s.bulkRequest(ctx, door(part[0].index), body)
	// Behind the answer, also a lost one: counted before, the Write would seem visible
	// to a reader whose refresh was done while the bulk was still on its way.
	s.written.Add(1)
	var f *failure
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, false, err
	case errors.As(err, &f) && f.ofBody():
		if len(part) == 1 {
			part[0].poison(f.Error())
			return nil, false, nil
		}
		for _, half := range [][]*subject{part[:len(part)/2], part[len(part)/2:]} {
			more, busy, err := s.bulk(ctx, half)
			if err != nil {
				return nil, false, err
			}
			again, overloaded = append(again, more...), overloaded || busy
		}
		return again, overloaded, nil
	default:
		return nil, false, err
	}
	if len(items) != len(part) {
		return nil, false, fmt.Errorf("%w: a bulk of %d items was answered with %d", ErrEngine, len(part), len(items))
	}
	for i, d := range part {
		switch item := items[i]; {
		case item.status < 300 || item.status == 404 && !d.after.exists && item.kind == "":
		case item.status == 409 || item.status == 404:
			again = append(again, d)
		case item.status == 429 || item.status >= 500 || item.kind == blocked:
			again, overloaded = append(again, d), true
		case item.status != http.StatusBadRequest && item.status != http.StatusRequestEntityTooLarge:
			return nil, false, fmt.Errorf("opensearch: write %s: %w", d.did, &failure{status: item.status, kind: item.kind, reason: item.reason})
		default:
			d.poison((&failure{status: item.status, kind: item.kind, reason: item.reason}).Error())
		}
	}
	return slices.Clip(again), overloaded, nil
}
