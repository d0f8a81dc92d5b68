package api

import (
	"bytes"
	"fmt"

	"oipnode/shared/oip/canon"
	"oipnode/shared/records"
)

// graph is the records of a page and what can be reached from there, each record once.
//
// The answer shows a record that is reached at least once, along the shortest way to it,
// or it is on the page. So what is held is no more than twice an answer that is within
// its bound, and load gives up where it is more.
type graph struct {
	resolving
	shape shape // of the records that are reached
	max   int   // the most bytes of an answer
	// longest is the length of the longest of the fields: a longer path is none of them, and
	// a publisher can put a name of any length in front of any number of members.
	longest int
	page    []document
	nodes   map[string]*node
	// wanted are the DIDs of the next level, and asked is how many came before.
	wanted []string
	asked  int
	held   int // bytes of what was reached
}

// document is a record as it is shown, with the places in it that may be replaced.
type document struct {
	self *node
	json []byte
	refs []ref
	// comments are those on the ingredients that begin at these places of a recipe.
	comments map[uint32]string
}

// ref is a text of a document with its quotes, json[at:end]: the DID of a node, or with
// no node an ingredient that has a comment.
type ref struct {
	at, end uint32
	to      *node
}

// node is what is known of a DID.
type node struct {
	asked bool
	// document has no JSON as long as there is nothing to be shown.
	document
	// envelope and basic are what is shown of the record on the way from itself.
	envelope, basic []byte
	// name is basic.name as it stands in JSON, nil if there is none.
	name []byte
}

// newGraph makes the graph for an answer of so many bytes at most.
func newGraph(r resolving, shown shape, most int) *graph {
	shown.hideDateReadable = true // the contract has it for the records of the page
	g := &graph{resolving: r, shape: shown, max: most, nodes: make(map[string]*node)}
	for path := range r.fields {
		g.longest = max(g.longest, len(path))
	}
	return g
}

// begin takes the records of the page, as they are stored and as they are shown.
func (g *graph) begin(hits []records.Stored, shown [][]byte) error {
	g.page = make([]document, len(hits))
	for i, hit := range hits {
		g.page[i].self = g.node([]byte(hit.DID))
		if err := g.read(&g.page[i], shown[i], hit.JSON, g.depth == 1); err != nil {
			return fmt.Errorf("api: %s: %w", hit.DID, err)
		}
	}
	return nil
}

// fetch hands those of the DIDs to visit that are there for the caller.
type fetch func(dids []string, visit func(records.Stored) error) error

// load reads what the page refers to, level by level.
func (g *graph) load(from fetch) error {
	for level := 1; level <= g.depth && len(g.wanted) > 0; level++ {
		dids := g.wanted
		g.wanted, g.asked = nil, g.asked+len(dids)
		err := from(dids, func(target records.Stored) error {
			if err := g.reached(target, level); err != nil {
				return fmt.Errorf("api: %s: %w", target.DID, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// reached takes a record of which the DID first stands one level above this.
func (g *graph) reached(target records.Stored, level int) error {
	n, ok := g.nodes[target.DID]
	if !ok {
		return nil // nobody asked for it
	}
	if g.namesOnly && level == g.depth {
		data, _, err := records.Parts(target.JSON)
		if err != nil {
			return err
		}
		_, name, err := basicOf(data)
		n.name = bytes.Clone(name)
		return g.hold(len(name), err)
	}
	shown, err := g.shape.apply(target.JSON, nil)
	if err := g.hold(len(shown), err); err != nil {
		return err
	}
	data, envelope, err := records.Parts(shown)
	if err != nil {
		return err
	}
	if n.basic, n.name, err = basicOf(data); err != nil {
		return err
	}
	if n.basic == nil {
		n.basic = []byte("{}")
	}
	n.self, n.envelope = n, envelope
	if level == g.depth {
		n.json = shown
		return nil
	}
	return g.read(&n.document, shown, target.JSON, true)
}

// hold counts bytes that are kept; an error is passed on.
func (g *graph) hold(n int, err error) error {
	if g.held += n; err == nil && g.held > 2*g.max {
		return errReferences()
	}
	return err
}

// basicOf returns basic and basic.name of a record's data, as they stand; the name is nil
// if it is no text or an empty one.
func basicOf(data []byte) (basic, name []byte, err error) {
	v, err := canon.Parse(data)
	if err != nil {
		return nil, nil, fmt.Errorf("stored data: %w", err)
	}
	b, _ := v.Get("basic")
	text, _ := b.Get("name")
	if text.Text() != "" {
		name = text.Raw()
	}
	return b.Raw(), name, nil
}

// read finds the references of a document. Beside its names, where they can stand, the
// ingredients of a recipe get their comments.
func (g *graph) read(d *document, shown, stored []byte, named bool) error {
	d.json = shown
	data, _, err := records.Parts(shown)
	if err != nil || data == nil {
		return err
	}
	if err := canon.Valid(data); err != nil {
		return fmt.Errorf("shown data: %w", err)
	}
	f := finder{graph: g, document: d}
	if g.namesOnly && named {
		if f.columns, err = commentsOf(stored, g.shape.hideNulls); err != nil {
			return err
		}
	}
	// data is a part of shown, so both end at the end of the same memory.
	f.value(cap(shown)-cap(data), g.fields == nil)
	if g.asked+len(g.wanted) > maxReferences {
		return errReferences()
	}
	return nil
}

// node returns the node of a DID.
func (g *graph) node(did []byte) *node {
	n, ok := g.nodes[string(did)]
	if !ok {
		n = &node{}
		g.nodes[string(did)] = n
	}
	return n
}

// refer returns the node of a DID that stands in a document, which is asked for once. It
// is nil when there were too many.
func (g *graph) refer(did []byte) *node {
	if g.asked+len(g.wanted) > maxReferences {
		return nil
	}
	n := g.node(did)
	if !n.asked {
		n.asked = true
		g.wanted = append(g.wanted, string(did))
	}
	return n
}
