package guntest

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"oipnode/shared/oip/canon"
)

// Bounds of the interface.
const (
	maxPut       = 8 << 20 // bytes of a body
	maxSoul      = 1024    // bytes
	defaultLimit = 50
	maxLimit     = 100
)

// readNode is what a get answers of a soul, ok is false for nothing.
func (p *Peer) readNode(soul string) (members []member, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.graph[soul]
	if n != nil {
		p.reads[soul]++
		return p.render(p.graph, soul, n), true
	}
	floods := p.floods
	p.mu.Unlock() // making a record takes long
	g := flooded(floods, soul)
	p.mu.Lock()
	if n = g[soul]; n == nil {
		return nil, false
	}
	return p.render(g, soul, n), true
}

// render shows a node as this peer does. p.mu is held.
func (p *Peer) render(g graph, soul string, n *node) []member {
	index := strings.HasPrefix(soul, IndexSoul(p.opts.Root, ""))
	inline := p.opts.Inline && ofRecord(soul) || index && !p.opts.LinkedIndex
	out := make([]member, 0, len(n.members)+1)
	if p.opts.Metadata {
		out = append(out, p.metadata(soul, n))
	}
	for _, m := range n.members {
		child := g[m.child]
		switch {
		case inline && child != nil:
			m.text = string(appendNode(nil, child.members))
		case p.opts.Parsed && (m.key == "data" || m.key == "oip"):
			if v, err := canon.Parse([]byte(n.text(m.key))); err == nil {
				m.text = string(canon.Append(nil, v))
			}
		}
		out = append(out, m)
	}
	return out
}

// metadata is GUN's own member of a node: its soul, and when each key was written.
func (p *Peer) metadata(soul string, n *node) member {
	states := make([]member, 0, len(n.members))
	for _, m := range n.members {
		states = append(states, member{key: m.key, text: strconv.FormatInt(p.clock, 10)})
	}
	return member{key: "_", text: `{"#":` + quote(soul) + `,">":` + string(appendNode(nil, states)) + `}`}
}

// serveGet answers the node of a soul.
func (p *Peer) serveGet(w http.ResponseWriter, r *http.Request) {
	p.gets.Add(1)
	soul := r.URL.Query().Get("soul")
	d := p.opts.Faults.draw("get " + soul)
	if p.misbehave(w, r, d, `{"success":true,"data":{`, soul) {
		return
	}
	if soul == "" || len(soul) > maxSoul {
		p.fail(w, r, d, http.StatusBadRequest, "A soul is needed")
		return
	}
	members, ok := p.readNode(soul)
	hidden := ok && (d.hits(NotFound) || ofRecord(soul) && d.lasts(Vanished))
	index := strings.HasPrefix(soul, IndexSoul(p.opts.Root, ""))
	long := p.long(soul, d)
	if !hidden {
		members = p.spoil(d, soul, members)
	}
	if hidden || !ok && members == nil && long == nil {
		p.notFound(w, r, d)
		return
	}
	if index && long != nil {
		p.stream(w, r, d, members, long)
		return
	}
	body := append([]byte(`{"success":true,"data":`), d.encode(members)...)
	p.send(w, r, d, http.StatusOK, append(body, '}'))
}

// notFound answers 404 after the peer's usual time.
func (p *Peer) notFound(w http.ResponseWriter, r *http.Request, d draw) {
	wait := time.NewTimer(p.opts.NotFoundAfter)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-r.Context().Done():
		panic(http.ErrAbortHandler)
	}
	p.fail(w, r, d, http.StatusNotFound, "Not found")
}

// servePut unites an object with a node.
func (p *Peer) servePut(w http.ResponseWriter, r *http.Request) {
	p.puts.Add(1)
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPut))
	if err != nil {
		p.fail(w, r, draw{}, http.StatusBadRequest, "The body cannot be read")
		return
	}
	body, err := canon.Parse(text)
	field, _ := body.Get("soul")
	soul := strings.Clone(field.Text())
	d := p.opts.Faults.draw("put " + soul)
	if p.misbehave(w, r, d, `{"success":true,"soul":"`, soul) {
		return
	}
	data, _ := body.Get("data")
	if err != nil || soul == "" || len(soul) > maxSoul || data.Kind() != canon.Object {
		p.fail(w, r, d, http.StatusBadRequest, "A soul and an object as data are needed")
		return
	}
	p.mu.Lock()
	err = p.put(Put{soul, string(data.Raw())})
	p.mu.Unlock()
	if err != nil {
		p.fail(w, r, d, http.StatusInternalServerError, "The data cannot be stored")
		return
	}
	if d.hits(PutUnanswered) {
		panic(http.ErrAbortHandler)
	}
	p.send(w, r, d, http.StatusOK, []byte(`{"success":true,"soul":`+quote(soul)+`}`))
}

// serveList answers the records that were stored here, in the order of their
// first writing.
func (p *Peer) serveList(w http.ResponseWriter, r *http.Request) {
	p.lists.Add(1)
	q := r.URL.Query()
	d := p.opts.Faults.draw("list " + r.URL.RawQuery)
	if p.misbehave(w, r, d, `{"success":true,"records":[`, "") {
		return
	}
	limit, okLimit := number(q.Get("limit"), defaultLimit)
	offset, okOffset := number(q.Get("offset"), 0)
	if !okLimit || !okOffset || limit < 1 {
		p.fail(w, r, d, http.StatusBadRequest, "limit and offset must be numbers")
		return
	}
	body := []byte(`{"success":true,"records":[`)
	for i, record := range p.listed(q.Get("publisherHash"), q.Get("recordType"), min(limit, maxLimit), offset) {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, record...)
	}
	p.send(w, r, d, http.StatusOK, append(body, `]}`...))
}

// number reads a number that is not negative; a missing one is the fallback.
func number(text string, fallback int) (n int, ok bool) {
	if text == "" {
		return fallback, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 0
}

// listed are entries of a list; an empty publisher or type asks nothing.
func (p *Peer) listed(publisher, recordType string, limit, offset int) [][]byte {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var out [][]byte
	for _, soul := range p.order {
		n := p.graph[soul]
		envelope, err := canon.Parse([]byte(n.text("oip")))
		if err != nil || publisher != "" && !strings.HasPrefix(soul, publisher+":") {
			continue
		}
		field, _ := envelope.Get("recordType")
		if recordType != "" && field.Text() != recordType {
			continue
		}
		if offset > 0 {
			offset--
			continue
		}
		if len(out) == limit {
			break
		}
		out = append(out, slices.Concat([]byte(`{"soul":`+quote(soul)+`,"data":`), appendNode(nil, p.render(p.graph, soul, n)),
			[]byte(`,"recordType":`+quote(field.Text())+`,"storedAt":`+strconv.FormatInt(p.written[soul], 10)+`}`)))
	}
	return out
}
