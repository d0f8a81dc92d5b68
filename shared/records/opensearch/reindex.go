package opensearch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// origin says what an index is a copy of, and how it was made: a copy that was begun
// otherwise is of no use any more.
type origin struct {
	From      string `json:"from"`
	Shards    int    `json:"shards"`
	Replicas  int    `json:"replicas"`
	MaxFields int    `json:"fields"`
}

// Reindex builds the index anew beside the one in use, from the documents alone, and
// moves the aliases to it in one step. Readers notice nothing.
//
// When its context's deadline comes first, the answer says Again and is no error: what
// was copied is kept, the index in use takes writes again, and the next Reindex compares
// the two and copies what is missing or has changed since (compare). So does one that
// ended because the engine was away. Any other failure removes the copy.
//
// While it works the old index takes no writes (they end as records.Retry or
// records.ErrUnavailable), so that no write can be lost between the copy and the move.
// The caller must hold the lease of the writers, and between is called from time to time
// so that it can be renewed; its error ends the Reindex. Behind a kill, and when between
// fails to the last, because the lease is lost, the block is left to whoever holds the
// lease next: see Reopen.
func (s *Store) Reindex(ctx context.Context, between func(context.Context) error) (records.Reindexed, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return records.Reindexed{}, err
	}
	defer leave()
	old, err := s.current(ctx)
	if err != nil {
		return records.Reindexed{}, fmt.Errorf("re-index: %w", err)
	}
	b := rebuild{s: s, old: old, between: between}
	b.copy = copier{s: s, from: old, between: between}
	if err = b.run(ctx); err == nil {
		return records.Reindexed{Done: true, Documents: b.documents, Copied: b.copy.done}, nil
	}
	// What follows must happen although the time is over.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opt.Timeout)
	defer cancel()
	again := errors.Is(ctx.Err(), context.DeadlineExceeded)
	if e := b.giveUp(last, again || errors.Is(err, records.ErrUnavailable)); e != nil {
		err, again = errors.Join(err, e), false
	}
	if again {
		return records.Reindexed{Copied: b.copy.done, Again: true}, nil
	}
	return records.Reindexed{}, fmt.Errorf("re-index %s: %w", old, err)
}

// rebuild is one call of Reindex.
type rebuild struct {
	s           *Store
	old, target string
	between     func(context.Context) error
	copy        copier
	documents   int64
}

func (b *rebuild) run(ctx context.Context) error {
	s := b.s
	if err := b.between(ctx); err != nil {
		return err
	}
	known, err := b.begin(ctx)
	if err != nil {
		return err
	}
	for _, index := range []string{b.old, b.target} {
		if err := s.json(ctx, request{method: http.MethodPost, path: "/" + index + "/_refresh"}, nil); err != nil {
			return err
		}
	}
	if err := b.copyTemplates(ctx, known); err != nil {
		return err
	}
	if b.documents, err = b.compare(ctx); err != nil {
		return err
	}
	if err := s.checkCopy(ctx, b.target, b.documents); err != nil {
		return err
	}
	// A runner that was frozen past its lease is not the only one any more.
	if err := b.between(ctx); err != nil {
		return err
	}
	if blocked, err := s.blockedIndex(ctx); err != nil || blocked != b.old {
		return errors.Join(err, fmt.Errorf("%w: the block of %s was lifted meanwhile", records.ErrUnavailable, b.old))
	}
	if err := b.move(ctx); err != nil {
		return err
	}
	s.typed.take(known)
	return nil
}

// begin ends the writes to the old index, and finds the copy that an earlier Reindex has
// begun, or makes one. It returns what is known of the copy's mapping.
//
// If the old index takes no writes already, the earlier one was killed, and may only be
// frozen. It must not find the copy again: the move fails without it.
func (b *rebuild) begin(ctx context.Context) (*typed, error) {
	s := b.s
	blocked, err := s.blockedIndex(ctx)
	if err != nil {
		return nil, err
	}
	unfinished, err := s.unfinished(ctx)
	if err != nil {
		return nil, err
	}
	known, want := &typed{}, meta{Version: mappingVersion, Copy: s.origin(b.old)}
	for name, ix := range unfinished {
		of := ix.Mappings.Meta
		if blocked == "" && b.target == "" && of.Version == want.Version && of.Copy != nil && *of.Copy == *want.Copy {
			b.target = name
			known.load(name, ix)
			continue
		}
		if err := s.remove(ctx, name, b.old); err != nil {
			return nil, err
		}
	}
	// From here on the old index changes no more; what is under way is waited for.
	if err := s.block(ctx, b.old); err != nil {
		return nil, err
	}
	if b.target != "" {
		return known, nil
	}
	// A name that no frozen Reindex can know.
	number, _ := strconv.ParseInt(b.old[strings.LastIndexByte(b.old, '-')+1:], 10, 62) // another name begins at 1
	b.target = s.indexName(mappingVersion, max(number+1, time.Now().Unix()))
	body, err := s.indexBody(b.target, want.Copy)
	if err != nil {
		return nil, err
	}
	err = s.json(ctx, request{method: http.MethodPut, path: "/" + b.target, body: body}, nil)
	var f *failure
	if errors.As(err, &f) && f.kind == alreadyExists {
		err = nil // the first attempt made it, and nobody heard
	}
	known.load(b.target, found{})
	known.meta = want
	return known, err
}

// origin is what a copy of an index is marked with.
func (s *Store) origin(old string) *origin {
	return &origin{From: old, Shards: s.opt.Shards, Replicas: s.opt.Replicas, MaxFields: s.opt.MaxFields}
}

// copyTemplates gives the copy the mappings of all templates, before their records come.
func (b *rebuild) copyTemplates(ctx context.Context, known *typed) error {
	templates := object{"term": object{engineField(records.FieldKind): string(oip.KindTemplate)}}
	w := walk{rebuild: b, index: b.old, where: templates}
	for {
		t, err := w.head(ctx)
		if err != nil || t == nil {
			return err
		}
		w.next()
		if err := b.between(ctx); err != nil {
			return err
		}
		docs, err := b.s.mgetFrom(ctx, b.old, []wanted{{t.did, allParts}}, b.s.single())
		if err != nil {
			return fmt.Errorf("%s: %w", t.did, err)
		}
		if !docs[0].Found {
			return vanished(t.did)
		}
		if err := b.s.addTemplate(ctx, known, docs[0].Source.document()); err != nil {
			return err
		}
	}
}

// move lets the copy take the old index's place, in one step that fails as a whole when
// either is gone. When the answer was lost and the step is done, the repeated one fails.
func (b *rebuild) move(ctx context.Context) error {
	body, err := json.Marshal(object{"actions": []any{
		object{"remove_index": object{"index": b.old}},
		object{"add": object{"index": b.target, "alias": b.s.readAlias()}},
		object{"add": object{"index": b.target, "alias": b.s.writeAlias(), "is_write_index": true}},
	}})
	if err != nil {
		return err
	}
	err = b.s.json(ctx, request{method: http.MethodPost, path: "/_aliases", body: body}, nil)
	if err == nil {
		return nil
	}
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.s.opt.Timeout)
	defer cancel()
	if now, e := b.s.current(look); e == nil && now == b.target {
		return nil
	}
	return err
}

// giveUp ends a Reindex that did not come to its end: the old index takes writes again,
// and a copy that is of no use is removed. It does nothing once the lease is lost: then
// the block may be another one's.
func (b *rebuild) giveUp(ctx context.Context, keep bool) error {
	if err := b.between(ctx); err != nil {
		return fmt.Errorf("%s is left without writes: %w", b.old, err)
	}
	if b.target != "" && !keep {
		if err := b.s.remove(ctx, b.target, b.old); err != nil {
			return err
		}
	}
	return b.s.unblock(ctx, b.old)
}

// current is the one index behind the alias that is written.
func (s *Store) current(ctx context.Context) (string, error) {
	indexes, err := s.describe(ctx, s.writeAlias())
	if err != nil {
		return "", err
	}
	if len(indexes) != 1 {
		return "", fmt.Errorf("%w: the alias %s names %d indexes", ErrEngine, s.writeAlias(), len(indexes))
	}
	for name := range indexes {
		return name, nil
	}
	return "", nil
}

// ours reports whether a name is that of an index of this prefix, and not of one that
// only begins like it: oip-v2-v1-000001 is of the prefix oip-v2.
func (s *Store) ours(index string) bool {
	rest, ok := strings.CutPrefix(index, s.opt.Prefix)
	return ok && ownName.MatchString(rest)
}

var ownName = regexp.MustCompile(`^-v[0-9]+-[0-9]{6,}$`)

// unfinished are the indexes of this prefix that are not in use: copies that a Reindex
// has begun.
func (s *Store) unfinished(ctx context.Context) (map[string]found, error) {
	indexes, err := s.describe(ctx, s.opt.Prefix+"-v*")
	if err != nil {
		return nil, err
	}
	for name, ix := range indexes {
		_, read := ix.Aliases[s.readAlias()]
		_, written := ix.Aliases[s.writeAlias()]
		if read || written || ix.Mappings.Meta.Version == 0 || !s.ours(name) {
			delete(indexes, name)
		}
	}
	return indexes, nil
}

// remove deletes an unfinished copy while another index is the one in use: a Reindex
// that moves the aliases at this moment makes it fail.
func (s *Store) remove(ctx context.Context, index, inUse string) error {
	// As an action on aliases, so that no role has to be allowed to delete.
	body, err := json.Marshal(object{"actions": []any{
		object{"remove_index": object{"index": index}},
		object{"add": object{"index": inUse, "alias": door(inUse)}}, // it has that one: only its absence counts
	}})
	if err != nil {
		return err
	}
	err = s.json(ctx, request{method: http.MethodPost, path: "/_aliases", body: body}, nil)
	if err != nil {
		if left, e := s.describe(ctx, index); e == nil && len(left) == 0 {
			return nil // the first attempt did it, and nobody heard
		}
	}
	return err
}

// block ends the writes to an index, and waits for those under way. A block that is
// there already, from a Reindex that was killed, or from an attempt whose answer was
// lost, would not say that they have ended.
func (s *Store) block(ctx context.Context, index string) error {
	for n := 1; ; n++ {
		err := s.unblock(ctx, index)
		if err == nil {
			err = s.blockOnce(ctx, index)
		}
		if err == nil || !errors.Is(err, records.ErrUnavailable) || n == maxAsks {
			return err
		}
		if e := sleep(ctx, pauseBefore(n)); e != nil {
			return s.ended(ctx)
		}
	}
}

func (s *Store) blockOnce(ctx context.Context, index string) error {
	var answer struct {
		Shards bool `json:"shards_acknowledged"`
	}
	err := s.json(ctx, request{method: http.MethodPut, path: "/" + index + "/_block/write", attempts: 1}, &answer)
	if err == nil && !answer.Shards {
		err = fmt.Errorf("%w: not every shard of %s has ended its writes", records.ErrUnavailable, index)
	}
	return err
}

func (s *Store) unblock(ctx context.Context, index string) error {
	return s.json(ctx, request{method: http.MethodPut, path: "/" + index + "/_settings", body: []byte(`{"index.blocks.write":null}`)}, nil)
}

// blockedIndex is the index in use if it takes no writes, and empty if it does.
func (s *Store) blockedIndex(ctx context.Context) (string, error) {
	var answer map[string]struct {
		Settings map[string]string `json:"settings"`
	}
	err := s.json(ctx, request{method: http.MethodGet, path: "/" + s.writeAlias() + "/_settings/index.blocks.write?flat_settings=true"}, &answer)
	for name, ix := range answer {
		if ix.Settings["index.blocks.write"] == "true" {
			return name, err
		}
	}
	return "", err
}

// Reopen lets the index in use take writes again that a Reindex has left without, because
// it was killed or lost its lease. The caller must hold the lease of the writers. A
// Reindex that was only frozen cannot move the aliases any more once it wakes up, over
// the heads of those who have written since: its copy is removed before the block is.
func (s *Store) Reopen(ctx context.Context) error {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	index, err := s.blockedIndex(ctx)
	if err != nil || index == "" {
		return err
	}
	unfinished, err := s.unfinished(ctx)
	if err != nil {
		return err
	}
	for name := range unfinished {
		if err := s.remove(ctx, name, index); err != nil {
			return fmt.Errorf("reopen %s: %w", index, err)
		}
	}
	if err := s.unblock(ctx, index); err != nil {
		return fmt.Errorf("reopen %s: %w", index, err)
	}
	s.opt.Log.Warn("the index took no writes, as a re-index that was killed leaves it; it does again", "index", index)
	return nil
}
