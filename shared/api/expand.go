package api

import (
	"slices"

	"oipnode/shared/oip/canon"
)

// expand writes the records of the page with all references replaced. Everything is gone
// through twice, and the first time only counted: a record may stand in an answer any
// number of times, and of one that is too large nothing is made. Counting ends where the
// bound is passed, so what it costs is bounded by the answer as well.
func (g *graph) expand() ([][]byte, error) {
	e := expansion{graph: g, texts: make(map[*ref][]byte)}
	ends := make([]int, len(g.page))
	for i, d := range g.page {
		if e.root(d); e.over() {
			return nil, errReferences()
		}
		ends[i] = e.size
	}
	documents, begun := make([][]byte, len(g.page)), 0
	for i, d := range g.page {
		if documents[i] = d.json; len(d.refs) > 0 {
			e.dst = make([]byte, 0, ends[i]-begun)
			e.root(d)
			documents[i] = e.dst
		}
		begun = ends[i]
	}
	return documents, nil
}

// expansion is on its way through the documents of a graph.
type expansion struct {
	*graph
	// dst gets what is written; as long as it is nil, bytes are counted only.
	dst  []byte
	size int
	way  [maxResolveDepth + 1]*node // to the document where it is, by levels
	// texts are the names with their comments, each made once, however often its recipe
	// stands in the answer. Each is counted when it is made, so that together they are
	// hardly more than an answer.
	texts map[*ref][]byte
}

// over reports whether there is more than an answer may have.
func (e *expansion) over() bool { return e.dst == nil && e.size > e.max }

func (e *expansion) put(parts ...[]byte) {
	for _, p := range parts {
		if e.dst == nil {
			e.size += len(p)
		} else {
			e.dst = append(e.dst, p...)
		}
	}
}

// root goes through a record of the page.
func (e *expansion) root(d document) {
	e.way[0] = d.self
	e.document(d, 0)
}

// document goes through a record that stands so many references away from the page.
func (e *expansion) document(d document, level int) {
	from := 0
	if level < e.depth {
		for i := range d.refs {
			r := &d.refs[i]
			if e.over() {
				return
			}
			if e.leaves(r, level+1) {
				continue
			}
			e.put(d.json[from:r.at])
			e.reference(d, r, level+1)
			from = int(r.end)
		}
	}
	e.put(d.json[from:])
}

// named reports whether there are names at a level.
func (e *expansion) named(level int) bool { return e.namesOnly && level == e.depth }

// leaves reports whether a reference at a level stays as it is.
func (e *expansion) leaves(r *ref, level int) bool {
	if e.named(level) {
		return r.to != nil && r.to.name == nil
	}
	return r.to == nil || r.to.json == nil
}

// reference writes what stands for a reference at a level.
func (e *expansion) reference(d document, r *ref, level int) {
	switch {
	case e.named(level):
		e.put(e.name(d, r))
	case slices.Contains(e.way[:level], r.to):
		e.put([]byte(`{"oip":`), r.to.envelope, []byte(`,"data":{"basic":`), r.to.basic, []byte(`},"_circular":true}`))
	default:
		e.way[level] = r.to
		e.document(r.to.document, level)
	}
}

// name is what is written for a reference in place of a record.
func (e *expansion) name(d document, r *ref) []byte {
	name := d.json[r.at:r.end]
	if r.to != nil {
		name = r.to.name
	}
	comment, ok := d.comments[r.at]
	if !ok {
		return name
	}
	text, ok := e.texts[r]
	if !ok {
		text = canon.AppendString(nil, withComment(string(decoded(name)), comment))
		e.texts[r] = text
	}
	return text
}
