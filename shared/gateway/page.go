package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"oipnode/shared/oip"
)

// Bounds of one page, whatever its length in bytes.
const (
	// maxEdges tolerates gateways that send more than they were asked for.
	maxEdges    = 1000
	maxTags     = 256
	maxTagBytes = 64 << 10
	maxCursor   = 4096
	// maxSize bounds a claimed data size: more is no size but nonsense.
	maxSize = 1 << 50
)

// edge is one row of a page, in the gateway's order.
type edge struct {
	cursor string
	node   Node
	// pending rows have no block; valid rows have an id of the right form.
	pending, valid bool
}

// page is one answer to a query.
type page struct {
	edges []edge
	more  bool // pageInfo.hasNextPage; see spec/gateways.md for what it is worth
}

// nodes returns the rows that have a valid id.
func (p page) nodes() []Node {
	nodes := make([]Node, 0, len(p.edges))
	for _, e := range p.edges {
		if e.valid {
			nodes = append(nodes, e.node)
		}
	}
	return nodes
}

// answer is the outer shape of every GraphQL answer.
type answer struct {
	Data       json.RawMessage `json:"data"`
	Errors     json.RawMessage `json:"errors"`
	Warnings   json.RawMessage `json:"warnings"`
	Extensions json.RawMessage `json:"extensions"`
}

// decodePage reads an answer. Errors, warnings and extensions fail it even with
// data beside them: what they speak of is missing from the data.
func decodePage(body []byte) (page, error) {
	if err := jsonObject(body); err != nil {
		return page{}, err
	}
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return page{}, unreadable(err)
	}
	if err := a.fault(); err != nil {
		return page{}, err
	}
	var data struct {
		Transactions *struct {
			PageInfo struct {
				HasNextPage bool `json:"hasNextPage"`
			} `json:"pageInfo"`
			Edges edgeList `json:"edges"`
		} `json:"transactions"`
	}
	if err := json.Unmarshal(a.Data, &data); err != nil {
		return page{}, unreadable(err)
	}
	if data.Transactions == nil || data.Transactions.Edges == nil {
		return page{}, fmt.Errorf("%w: no edges", ErrProtocol)
	}
	return page{edges: data.Transactions.Edges, more: data.Transactions.PageInfo.HasNextPage}, nil
}

// jsonObject tells a broken gateway from a broken page: a proxy's HTML or a bare
// text is ErrUnhealthy.
func jsonObject(body []byte) error {
	text := bytes.TrimLeft(body, " \t\r\n")
	if len(text) == 0 || text[0] != '{' {
		return ErrUnhealthy
	}
	return nil
}

// unreadable is a decoding error; its text may repeat a number of any length.
func unreadable(err error) error {
	return fmt.Errorf("%w: %s", ErrProtocol, excerpt([]byte(err.Error())))
}

// fault returns why an answer is a failed one, or nil.
func (a answer) fault() error {
	var failed error
	for _, part := range []json.RawMessage{a.Errors, a.Warnings, a.Extensions} {
		if isEmpty(part) {
			continue
		}
		if isRowLimit(part) {
			return ErrRowLimit
		}
		if failed == nil {
			failed = fmt.Errorf("%w: %s", ErrGraphQL, excerpt(part))
		}
	}
	return failed
}

// graphQLFault is the fault of a body that may not be GraphQL at all.
func graphQLFault(body []byte) error {
	var a answer
	if json.Unmarshal(body, &a) != nil {
		return nil
	}
	return a.fault()
}

// isEmpty reports whether a value says nothing.
func isEmpty(raw json.RawMessage) bool {
	text := bytes.TrimSpace(raw)
	if n := len(text); n >= 2 && (text[0] == '[' || text[0] == '{' || text[0] == '"') {
		return len(bytes.TrimSpace(text[1:n-1])) == 0
	}
	return len(text) == 0 || string(text) == "null" || string(text) == "false"
}

// maxFaultBytes bounds what is decoded of errors; a text is found in more.
const maxFaultBytes = 64 << 10

// isRowLimit recognises the error of a gateway whose store refuses to read that
// many rows: ClickHouse's TOO_MANY_ROWS, which has code 158.
func isRowLimit(raw json.RawMessage) bool {
	for _, text := range []string{"TOO_MANY_ROWS", "Limit for rows", "Code: 158", "code: 158"} {
		if bytes.Contains(raw, []byte(text)) {
			return true
		}
	}
	var faults []struct {
		Code       any `json:"code"`
		Extensions struct {
			Code any `json:"code"`
		} `json:"extensions"`
	}
	if len(raw) > maxFaultBytes || json.Unmarshal(raw, &faults) != nil {
		return false
	}
	for _, f := range faults {
		for _, code := range []any{f.Code, f.Extensions.Code} {
			if code == float64(158) || code == "158" {
				return true
			}
		}
	}
	return false
}

// edgeList decodes edges one by one, so that a page of a million tiny ones ends
// at the bound and not in memory.
type edgeList []edge

func (l *edgeList) UnmarshalJSON(raw []byte) error {
	if string(raw) == "null" {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return errors.New("edges are no list")
	}
	edges := make([]edge, 0, PageSize)
	for dec.More() {
		if len(edges) == maxEdges {
			return fmt.Errorf("more than %d edges", maxEdges)
		}
		var w wireEdge
		if err := dec.Decode(&w); err != nil {
			return err
		}
		e, err := w.edge()
		if err != nil {
			return err
		}
		edges = append(edges, e)
	}
	*l = edges
	return nil
}

// wireEdge is an edge as it is sent.
type wireEdge struct {
	Cursor string `json:"cursor"`
	Node   *struct {
		ID    string `json:"id"`
		Owner *struct {
			Address string `json:"address"`
		} `json:"owner"`
		Tags  tagList `json:"tags"`
		Block *struct {
			Height int64 `json:"height"`
		} `json:"block"`
		Data *struct {
			Size json.RawMessage `json:"size"`
		} `json:"data"`
	} `json:"node"`
}

// edge checks a row. A row that cannot be placed fails the page: it may be one
// that matters. A row whose id cannot exist is only marked.
func (w wireEdge) edge() (edge, error) {
	switch {
	case w.Node == nil:
		return edge{}, errors.New("an edge without a node")
	case len(w.Cursor) > maxCursor:
		return edge{}, errors.New("a cursor that is too long")
	}
	e := edge{cursor: w.Cursor, valid: oip.ValidID(w.Node.ID), pending: true}
	e.node = Node{ID: w.Node.ID, Tags: w.Node.Tags.tags, HasTags: w.Node.Tags.known, Size: -1}
	if b := w.Node.Block; b != nil {
		if b.Height < 0 || b.Height >= maxHeight {
			return edge{}, fmt.Errorf("a block of height %d", b.Height)
		}
		// Height 0 is the first block and holds nothing to look for; it would
		// read as pending everywhere else.
		e.node.Height, e.pending = b.Height, b.Height == 0
	}
	if o := w.Node.Owner; o != nil && oip.ValidID(o.Address) {
		e.node.Owner = o.Address
	}
	if d := w.Node.Data; d != nil {
		e.node.Size = parseSize(d.Size)
	}
	return e, nil
}

// parseSize reads a size, sent as a string or as a number; -1 if it is neither.
func parseSize(raw json.RawMessage) int64 {
	if n := len(raw); n > 2 && raw[0] == '"' && raw[n-1] == '"' {
		raw = raw[1 : n-1]
	}
	n, err := strconv.ParseUint(string(raw), 10, 63)
	if err != nil || n > maxSize {
		return -1
	}
	return int64(n)
}

// tagList decodes tags. A list that is over a bound, or that has a tag without
// name or value, is not known: a part of it would make a signature look wrong.
type tagList struct {
	tags  []oip.Tag
	known bool
}

func (l *tagList) UnmarshalJSON(raw []byte) error {
	*l = tagList{}
	if string(raw) == "null" {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return errors.New("tags are no list")
	}
	tags, size := []oip.Tag{}, 0
	for dec.More() {
		var t *struct{ Name, Value *text }
		if err := dec.Decode(&t); err != nil {
			return err
		}
		if t == nil || t.Name == nil || t.Value == nil {
			return nil
		}
		size += len(*t.Name) + len(*t.Value)
		if len(tags) == maxTags || size > maxTagBytes {
			return nil
		}
		tags = append(tags, oip.Tag{Name: string(*t.Name), Value: string(*t.Value)})
	}
	*l = tagList{tags: tags, known: true}
	return nil
}
