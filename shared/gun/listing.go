package gun

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/oip/canon"
	"oipnode/shared/state"
)

// An index of a million souls that has not changed must cost no million look-ups. So
// what is kept of an index is a digest, for each of 256 parts that its souls fall into
// by their hash, of the entries that were processed, and until when nothing of that part
// is due. A part whose digest is the same, and of which nothing is due, is not looked
// at. The digest does not depend on the order of the entries.

const (
	parts = 256
	// keptEntries and keptBytes bound the entries that are kept while an index is read
	// for its digests. A longer index is read a second time.
	keptEntries = 2000
	keptBytes   = 1 << 20
	// renewEvery is after how many entries the lease is looked after.
	renewEvery = 1000
	// longestAbsence is the longest pause before an index is asked for that the peer
	// did not have, and deletionAbsence that for its deletions, which nobody should
	// have to wait for.
	longestAbsence  = 15 * time.Minute
	deletionAbsence = 2 * time.Minute
)

// forever is the time until which a soul need not be looked at whose case is closed.
var forever = time.Unix(1<<36, 0)

// entry is a soul as an index or a list names it.
type entry struct {
	soul      string
	node      string // who registered it, empty when the entry does not tell
	timestamp int64  // of the registration, 0 when it does not tell
	own       bool   // from the list of the node's own relay
}

// digest is a sum over entries.
type digest struct{ a, b uint64 }

func (d *digest) add(e entry) {
	h := sha256.New()
	for _, text := range []string{e.soul, e.node, strconv.FormatInt(e.timestamp, 10)} {
		_ = binary.Write(h, binary.BigEndian, uint32(len(text)))
		_, _ = h.Write([]byte(text))
	}
	sum := h.Sum(nil)
	d.a += binary.BigEndian.Uint64(sum)
	d.b += binary.BigEndian.Uint64(sum[8:])
}

func (d digest) String() string {
	return strconv.FormatUint(d.a, 36) + "." + strconv.FormatUint(d.b, 36)
}

// partOf is the part that a soul falls into.
func partOf(soul string) int { return int(sha256.Sum256([]byte(soul))[0]) }

// part is what is known of one part of an index.
type part struct {
	Digest  string `json:"d"`
	Entries int    `json:"n"`
	// Until is the second from which some soul of it is due.
	Until int64 `json:"u"`
}

// listing is what is kept of an index.
type listing struct {
	Parts map[int]part `json:"parts,omitempty"`
	// Absent is how often in a row the peer did not have it, and Due when it is asked
	// again.
	Absent int       `json:"absent,omitempty"`
	Due    time.Time `json:"due,omitzero"`
	slice

	version uint64
}

// index is one index while it is worked on.
type index struct {
	r     *run
	what  string // for keys and the log
	soul  string
	parse func(key string, value canon.Value) (entry, bool)
	take  func(ctx, until context.Context, x *index, entries []entry) (bool, error)
	kept  listing

	wait sync.WaitGroup // for the jobs of this index
	mu   sync.Mutex
	// open are the parts that are looked at, with the earliest time at which one of
	// their souls is due; the zero time when one of them was cut off.
	open map[int]time.Time
}

// settled notes until when a soul need not be looked at.
func (x *index) settled(soul string, until time.Time) {
	p := partOf(soul)
	x.mu.Lock()
	defer x.mu.Unlock()
	if until.Before(x.open[p]) {
		x.open[p] = until
	}
}

// push hands a soul to the workers.
func (x *index) push(until context.Context, e entry, f *failure, deletion bool) bool {
	x.wait.Add(1)
	return x.r.push(until, job{entry: e, failure: f, deletion: deletion, done: func(until time.Time) {
		x.settled(e.soul, until)
		x.wait.Done()
	}})
}

// read works through an index. It reports whether all of it is processed. What a peer
// does wrong is counted; the error is one of our own stores.
func (x *index) read(ctx, until context.Context) (whole bool, err error) {
	whole, err = x.look(ctx, until)
	if errors.Is(err, ErrAbsent) {
		return true, x.absent(ctx)
	}
	x.r.sum(x.kept)
	return whole, err
}

// look is read; its error may also be ErrAbsent.
func (x *index) look(ctx, until context.Context) (whole bool, err error) {
	if item, ok := x.r.listings[listKey(x.r.peer.id, x.what)]; ok {
		if err := decode(item, &x.kept); err != nil {
			return false, err
		}
		x.kept.version = item.Version
	}
	if until.Err() != nil {
		return false, nil
	}
	if x.r.opt.Now().Before(x.kept.Due) {
		return true, nil
	}
	if len(x.kept.Parts) == 0 {
		// Nothing is known, so everything has to be looked at: one reading is enough.
		return x.slices(ctx, until, all(), nil)
	}
	sums, entries, err := x.survey(ctx, until)
	switch {
	case err != nil && until.Err() != nil:
		// It takes too long to be read twice: next time it is processed as it comes.
		x.r.cutOff()
		x.kept.Parts = nil
		return false, x.save(ctx)
	case errors.Is(err, errOurs):
		return false, err
	case errors.Is(err, ErrAbsent):
		return true, err
	case err != nil:
		// What came is processed all the same: it may never come whole.
		x.openOnly(slices.Collect(maps.Keys(all())))
		return x.process(ctx, until, entries)
	}
	now := x.r.opt.Now().Unix()
	due := make(map[int]bool)
	for p, s := range sums {
		if k, ok := x.kept.Parts[p]; !ok || k.Digest != s.String() || k.Until <= now {
			due[p] = true
		}
	}
	return x.slices(ctx, until, due, entries)
}

// all are all parts.
func all() map[int]bool {
	due := make(map[int]bool, parts)
	for p := range parts {
		due[p] = true
	}
	return due
}

// openOnly says which parts are looked at.
func (x *index) openOnly(now []int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.open = make(map[int]time.Time, len(now))
	for _, p := range now {
		x.open[p] = forever
	}
}

// errOurs marks an error of our own stores that ended the reading of an index.
var errOurs = errors.New("gun: our own store")

type ourError struct{ error }

func (e ourError) Is(target error) bool { return target == errOurs }
func (e ourError) Unwrap() error        { return e.error }

// ours marks an error of our own stores, and leaves nil alone.
func ours(err error) error {
	if err == nil {
		return nil
	}
	return ourError{err}
}

// survey reads the index for its digests. The entries are returned as well when they
// are few.
func (x *index) survey(ctx, until context.Context) (sums map[int]*digest, entries []entry, err error) {
	sums = make(map[int]*digest)
	size, n := 0, 0
	entries = make([]entry, 0, 64)
	_, err = x.r.peer.index(until, x.soul, func(key string, value canon.Value) error {
		if n++; n%renewEvery == 0 {
			if err := x.r.renew(ctx); err != nil {
				return ours(err)
			}
		}
		e, ok := x.parse(key, value)
		if !ok {
			return nil
		}
		add(sums, e)
		if entries != nil {
			entries = append(entries, e)
			if size += len(e.soul) + len(e.node) + 64; len(entries) > keptEntries || size > keptBytes {
				entries = nil
			}
		}
		return nil
	})
	if err != nil && errors.Is(err, errOurs) {
		return nil, nil, err
	}
	x.r.answered(until, err)
	if err != nil && until.Err() == nil && !errors.Is(err, ErrAbsent) {
		x.r.failed(until, x.what, err)
	}
	return sums, entries, err
}

func add(sums map[int]*digest, e entry) {
	p := partOf(e.soul)
	if sums[p] == nil {
		sums[p] = &digest{}
	}
	sums[p].add(e)
}

// errStop ends the reading of an index because the peer's turn is over.
var errStop = errors.New("gun: the turn is over")

// process looks at the souls of the open parts: those that are given, or else those
// that another reading yields as it goes.
func (x *index) process(ctx, until context.Context, entries []entry) (whole bool, err error) {
	sums, counts := make(map[int]*digest), make(map[int]int)
	batch := make([]entry, 0, lookups)
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := x.r.renew(ctx); err != nil {
			return ours(err)
		}
		more, err := x.take(ctx, until, x, batch)
		batch = batch[:0]
		if err != nil {
			return ours(err)
		}
		if !more {
			return errStop
		}
		return nil
	}
	visit := func(e entry) error {
		p := partOf(e.soul)
		x.mu.Lock()
		_, open := x.open[p]
		x.mu.Unlock()
		if !open {
			return nil
		}
		add(sums, e)
		counts[p]++
		if batch = append(batch, e); len(batch) == cap(batch) {
			return flush()
		}
		return nil
	}
	if entries != nil {
		for _, e := range entries {
			if err = visit(e); err != nil {
				break
			}
		}
	} else {
		_, err = x.r.peer.index(until, x.soul, func(key string, value canon.Value) error {
			if e, ok := x.parse(key, value); ok {
				return visit(e)
			}
			return nil
		})
		if !errors.Is(err, errOurs) && !errors.Is(err, errStop) {
			x.r.answered(until, err)
		}
	}
	if e := flush(); e != nil && (err == nil || errors.Is(e, errOurs)) {
		err = e
	}
	x.wait.Wait()
	switch {
	case errors.Is(err, errOurs), errors.Is(err, ErrAbsent):
		return false, err
	case errors.Is(err, errStop):
		return false, nil
	case err != nil:
		x.r.failed(until, x.what, err)
		return false, nil
	}
	return x.finish(ctx, sums, counts)
}

// absent notes that the peer does not have the index. Most peers do not have most types,
// and each question costs them three seconds. Of one that was there before, nothing
// follows: the peer was slow.
func (x *index) absent(ctx context.Context) error {
	if len(x.kept.Parts) > 0 {
		return nil
	}
	x.kept.Absent++
	longest := longestAbsence
	if x.soul == DeletedIndexSoul() {
		longest = deletionAbsence
	}
	x.kept.Due = x.r.opt.Now().Add(growing(x.r.opt.Interval, x.kept.Absent, longest)).UTC()
	return x.save(ctx)
}

// finish keeps what is settled of an index that was read to its end.
func (x *index) finish(ctx context.Context, sums map[int]*digest, counts map[int]int) (whole bool, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.kept.Parts == nil {
		x.kept.Parts = make(map[int]part)
	}
	x.kept.Absent, x.kept.Due = 0, time.Time{}
	whole = true
	for p, s := range sums {
		if x.open[p].IsZero() {
			whole = false
			delete(x.kept.Parts, p)
			continue
		}
		x.kept.Parts[p] = part{Digest: s.String(), Entries: counts[p], Until: x.open[p].Unix()}
	}
	return whole, x.save(ctx)
}

// save keeps the listing, unless somebody has cleared it meanwhile: then the next cycle
// is to look at everything.
func (x *index) save(ctx context.Context) error {
	value, err := json.Marshal(x.kept)
	if err != nil {
		return fmt.Errorf("encode a listing: %w", err)
	}
	op := state.Create(listKey(x.r.peer.id, x.what), value)
	if x.kept.version > 0 {
		op = state.Update(listKey(x.r.peer.id, x.what), value, x.kept.version)
	}
	err = x.r.commit(ctx, op, state.Check(keyCleared, x.r.cleared))
	if errors.Is(err, state.ErrConflict) {
		return nil
	}
	if err == nil {
		x.kept.version++
	}
	return err
}

// sum adds a listing to what the health page shows.
func (c *cycle) sum(l listing) {
	c.sums.Lock()
	defer c.sums.Unlock()
	for _, p := range l.Parts {
		c.processed += int64(p.Entries)
		end := time.Unix(p.Until, 0).UTC()
		if end.Before(forever) && (c.nextExpiry.IsZero() || end.Before(c.nextExpiry)) {
			c.nextExpiry = end
		}
	}
}

// loadListings reads what is kept of the peer's indexes, many in one call.
func (r *run) loadListings(ctx context.Context, types []string) error {
	keys := []state.Key{listKey(r.peer.id, whatDeleted)}
	for _, t := range types {
		keys = append(keys, listKey(r.peer.id, whatType(t)))
	}
	r.listings = make(map[state.Key]state.Item)
	for part := range slices.Chunk(keys, state.MaxGet) {
		items, err := r.opt.State.Get(ctx, part...)
		if err != nil {
			return fmt.Errorf("read what is kept of indexes: %w", err)
		}
		for _, item := range items {
			r.listings[item.Key] = item
		}
	}
	return nil
}

// The names of the indexes, in keys and in the log.
const whatDeleted = "deleted"

func whatType(recordType string) string { return "type " + recordType }

// readRegistry works through the registry index of a record type.
func (r *run) readRegistry(ctx, until context.Context, recordType string) (whole bool, err error) {
	x := &index{r: r, what: whatType(recordType), soul: IndexSoul(r.opt.Root, recordType), parse: r.registered, take: r.take}
	return x.read(ctx, until)
}

// farFuture is how far a registry's time may be ahead of ours: beyond, it tells nothing.
const farFuture = 24 * time.Hour

// registered reads an entry of a registry: {soul,nodeId,timestamp}, or a link or
// anything else, which tells no more than the key.
func (r *run) registered(key string, value canon.Value) (entry, bool) {
	e := entry{soul: key}
	if !oip.ValidSoul(key) {
		return e, false
	}
	for name, m := range value.Members() {
		switch name {
		case "nodeId":
			e.node = m.Text()
		case "timestamp":
			if e.timestamp = moment(m); e.timestamp > r.opt.Now().Add(farFuture).UnixMilli() {
				e.timestamp = 0
			}
		}
	}
	return e, true
}

// take looks souls of a registry up and hands those to the workers that are due. It
// reports false when the peer's turn is over.
func (r *run) take(ctx, until context.Context, x *index, entries []entry) (more bool, err error) {
	souls := make([]string, len(entries))
	for i, e := range entries {
		souls[i] = e.soul
	}
	known, err := r.lookUp(ctx, r.peer.id, souls)
	if err != nil {
		return false, err
	}
	var deleted []string
	for i, k := range known {
		if k.deleted {
			deleted = append(deleted, souls[i])
		}
	}
	if len(deleted) > 0 {
		counts := Counts{Skipped: len(deleted), Reasons: map[Reason]int{ReasonDeleted: len(deleted)}}
		if err := r.heal(ctx, deleted, &counts); err != nil {
			return false, err
		}
		r.count(func(n *Counts) { n.add(counts) })
	}
	now := r.opt.Now()
	for i, k := range known {
		e := entries[i]
		switch {
		case k.deleted:
			x.settled(e.soul, forever)
		case e.node != "" && len(r.trusted) > 0 && !r.trusted[e.node]:
			r.count(func(n *Counts) { n.Skipped++; n.because(ReasonUntrusted, 1) })
			x.settled(e.soul, forever)
		case k.failure != nil && now.Before(k.failure.Due) && e.timestamp <= k.failure.Timestamp:
			x.settled(e.soul, k.failure.Due)
		case k.failure == nil && k.seen != nil && e.timestamp <= k.seen.Timestamp:
			x.settled(e.soul, k.until)
		default:
			if !x.push(until, e, k.failure, false) {
				// What is left of the batch was not looked at.
				for _, rest := range entries[i+1:] {
					x.settled(rest.soul, time.Time{})
				}
				return false, nil
			}
		}
	}
	return true, nil
}
