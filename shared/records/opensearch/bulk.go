package opensearch

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"oipnode/shared/oip/canon"
)

// item is how one action of a bulk ended.
type item struct {
	status       int
	kind, reason string
}

// appendAction appends the lines of a bulk that make a document what was decided. The
// condition is that nobody has written it since it was read. After an error there is
// nothing appended.
func (s *Store) appendAction(b []byte, d *subject) ([]byte, error) {
	begin := len(b)
	switch {
	case !d.after.exists:
		b = append(canon.AppendString(append(b, `{"delete":{"_id":`...), d.did), condition(d)...)
		return append(b, "}}\n"...), nil
	case d.exists:
		b = append(canon.AppendString(append(b, `{"index":{"_id":`...), d.did), condition(d)...)
	default:
		b = canon.AppendString(append(b, `{"create":{"_id":`...), d.did)
	}
	b, err := s.appendDocument(append(b, "}}\n"...), d.after.kind, d.after.fence, d.after.json)
	if err != nil {
		return b[:begin], err
	}
	return append(b, '\n'), nil
}

func condition(d *subject) string {
	return fmt.Sprintf(`,"if_seq_no":%d,"if_primary_term":%d`, d.seq, d.term)
}

// bulkRequest sends the lines to an alias and returns how each action ended. Repeating it after a
// lost answer is harmless: each action has its condition, and what it meets then is
// read and decided again.
func (s *Store) bulkRequest(ctx context.Context, alias string, body []byte) ([]item, error) {
	var answer struct {
		Items []map[string]struct {
			Status int `json:"status"`
			Error  struct {
				Type   string `json:"type"`
				Reason string `json:"reason"`
			} `json:"error"`
		} `json:"items"`
	}
	// require_alias: or the engine would make an index of that name when the door is gone.
	_, text, err := s.send(ctx, request{method: http.MethodPost, body: body,
		path: "/" + alias + "/_bulk?require_alias=true&filter_path=items.*.status,items.*.error.type,items.*.error.reason"})
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("%w: bulk: %w", ErrEngine, err)
	}
	items := make([]item, 0, len(answer.Items))
	for _, one := range answer.Items {
		for _, it := range one { // one entry, named like the action
			items = append(items, item{it.Status, it.Error.Type, it.Error.Reason})
		}
	}
	return items, nil
}
