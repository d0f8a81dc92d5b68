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

	"oipnode/shared/oip"
	"oipnode/shared/oip/canon"
	"oipnode/shared/records"
)

// copyPage is how many documents one request of a Reindex reads at first.
const copyPage = 200

// Reindex builds the index anew beside the one in use, from the documents alone, and
// moves the aliases to it in one step. Readers notice nothing. It returns the number of
// documents.
//
// Meanwhile the old index takes no writes (they end as records.Retry or
// records.ErrUnavailable), so that no write can be lost between the copy and the move:
// the caller should hold the lease of the writers, and between is called from time to
// time so that it can be renewed; its error ends the Reindex. When it fails, the old
// index takes writes again. After a kill it does not, until Reindex is called once more.
func (s *Store) Reindex(ctx context.Context, between func(context.Context) error) (int64, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	old, err := s.current(ctx)
	if err != nil {
		return 0, fmt.Errorf("re-index: %w", err)
	}
	n, err := s.rebuild(ctx, old, between)
	if err != nil {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opt.Timeout)
		defer cancel()
		return 0, fmt.Errorf("re-index %s: %w", old, errors.Join(err, s.unblock(last, old)))
	}
	return n, nil
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

// block ends the writes to an index, and waits for those under way. A block that is
// there already, from a Reindex that was killed, would not say that they have ended.
func (s *Store) block(ctx context.Context, index string) error {
	if err := s.unblock(ctx, index); err != nil {
		return err
	}
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

func (s *Store) rebuild(ctx context.Context, old string, between func(context.Context) error) (int64, error) {
	if err := s.removeLeftovers(ctx); err != nil {
		return 0, err
	}
	// From here on the old index changes no more; what is under way is waited for.
	if err := s.block(ctx, old); err != nil {
		return 0, err
	}
	if err := s.json(ctx, request{method: http.MethodPost, path: "/" + old + "/_refresh"}, nil); err != nil {
		return 0, err
	}
	number, _ := strconv.Atoi(old[strings.LastIndexByte(old, '-')+1:]) // another name begins at 1
	target := s.indexName(mappingVersion, number+1)
	body, err := s.indexBody(target, false)
	if err != nil {
		return 0, err
	}
	if err := s.json(ctx, request{method: http.MethodPut, path: "/" + target, body: body}, nil); err != nil {
		return 0, err
	}
	fresh := &typed{}
	fresh.load(target, mappingVersion, nil)
	templates := object{"term": object{engineField(records.FieldKind): string(oip.KindTemplate)}}
	_, err = s.scan(ctx, old, templates, between, func(_ string, d source) error {
		return s.addTemplate(ctx, target, fresh, d.document())
	})
	if err != nil {
		return 0, err
	}
	c := copier{s: s, target: target}
	n, err := s.scan(ctx, old, everything, between, func(did string, d source) error { return c.add(ctx, did, d) })
	if err == nil {
		err = c.flush(ctx)
	}
	if err != nil {
		return 0, err
	}
	if err := s.checkCopy(ctx, target, n); err != nil {
		return 0, err
	}
	move, err := json.Marshal(object{"actions": []any{
		object{"remove_index": object{"index": old}},
		object{"add": object{"index": target, "alias": s.readAlias()}},
		object{"add": object{"index": target, "alias": s.writeAlias(), "is_write_index": true}},
	}})
	if err != nil {
		return 0, err
	}
	if err := s.json(ctx, request{method: http.MethodPost, path: "/_aliases", body: move}, nil); err != nil {
		return 0, err
	}
	s.typed.take(fresh)
	return n, nil
}

// ours reports whether a name is that of an index of this prefix, and not of one that
// only begins like it: oip-v2-v1-000001 is of the prefix oip-v2.
func (s *Store) ours(index string) bool {
	rest, ok := strings.CutPrefix(index, s.opt.Prefix)
	return ok && ownName.MatchString(rest)
}

var ownName = regexp.MustCompile(`^-v[0-9]+-[0-9]{6,}$`)

// removeLeftovers deletes indexes of this prefix that are not in use: those of a Reindex
// that was killed.
func (s *Store) removeLeftovers(ctx context.Context) error {
	indexes, err := s.describe(ctx, s.opt.Prefix+"-v*")
	if err != nil {
		return err
	}
	for name, ix := range indexes {
		_, read := ix.Aliases[s.readAlias()]
		_, written := ix.Aliases[s.writeAlias()]
		if read || written || ix.Mappings.Meta.Oipnode == 0 || !s.ours(name) {
			continue
		}
		// As an action on aliases, so that no role has to be allowed to delete.
		body, err := json.Marshal(object{"actions": []any{object{"remove_index": object{"index": name}}}})
		if err != nil {
			return err
		}
		if err := s.json(ctx, request{method: http.MethodPost, path: "/_aliases", body: body}, nil); err != nil {
			return err
		}
	}
	return nil
}

// scan reads the documents that match, in the order of their DIDs.
func (s *Store) scan(ctx context.Context, index string, where any, between func(context.Context) error, visit func(did string, d source) error) (n int64, err error) {
	size, after := copyPage, []any(nil)
	for {
		if err := between(ctx); err != nil {
			return 0, err
		}
		body := object{"query": where, "size": size, "sort": []any{object{engineField(records.FieldDID): "asc"}}, "track_total_hits": false}
		if after != nil {
			body["search_after"] = after
		}
		a, err := s.ask(ctx, "/"+index+"/_search", body, wire(max(s.opt.MaxPage, s.opt.MaxDocument)))
		if errors.Is(err, errAnswerTooLarge) && size > 1 {
			size /= 4
			continue
		}
		if err != nil {
			return 0, err
		}
		hits := a.Hits.Hits
		for _, h := range hits {
			if err := visit(h.ID, h.Source); err != nil {
				return 0, err
			}
		}
		if n += int64(len(hits)); len(hits) < size {
			return n, nil
		}
		after = []any{hits[len(hits)-1].Sort[0]}
	}
}

// copier writes documents into the new index in bulks.
type copier struct {
	s      *Store
	target string
	body   []byte
	count  int
}

func (c *copier) add(ctx context.Context, did string, d source) error {
	text, err := c.s.appendDocument(nil, d.Kind, d.Fence, d.document())
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, did, err)
	}
	if len(c.body) > 0 && len(c.body)+len(text) > c.s.opt.MaxBulk {
		if err := c.flush(ctx); err != nil {
			return err
		}
	}
	c.body = append(append(canon.AppendString(append(c.body, `{"index":{"_id":`...), did), "}}\n"...), text...)
	c.body = append(c.body, '\n')
	c.count++
	return nil
}

// flush sends what was gathered; every item must succeed, sooner or later.
func (c *copier) flush(ctx context.Context) error {
	if c.count == 0 {
		return nil
	}
	for round := 1; ; round++ {
		items, err := c.s.bulkRequest(ctx, door(c.target), c.body)
		if err != nil {
			return err
		}
		if len(items) != c.count {
			return fmt.Errorf("%w: a bulk of %d items was answered with %d", ErrEngine, c.count, len(items))
		}
		busy := false
		for _, it := range items {
			f := &failure{status: it.status, kind: it.kind, reason: it.reason}
			if it.status < 300 {
				continue
			}
			if !f.passes() || round == maxRounds {
				return f
			}
			busy = true
		}
		if !busy {
			c.body, c.count = c.body[:0], 0
			return nil
		}
		if err := sleep(ctx, pauseBefore(round)); err != nil {
			return c.s.ended(ctx)
		}
	}
}

// checkCopy refuses a copy that is not whole.
func (s *Store) checkCopy(ctx context.Context, target string, want int64) error {
	if err := s.json(ctx, request{method: http.MethodPost, path: "/" + target + "/_refresh"}, nil); err != nil {
		return err
	}
	var got struct{ Count int64 }
	if err := s.json(ctx, request{method: http.MethodGet, path: "/" + target + "/_count"}, &got); err != nil {
		return err
	}
	if got.Count != want {
		return fmt.Errorf("%w: %d documents were copied, %d are there", ErrEngine, want, got.Count)
	}
	return nil
}
