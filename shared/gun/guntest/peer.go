package guntest

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"oipnode/shared/upstream"
)

// Options are the lasting habits of one peer, as opposed to its Faults.
type Options struct {
	// Root is the root of the registry, DefaultRoot if empty.
	Root string
	// Inline answers the meta and the encrypted data of a record in their places,
	// which most relays do not: they answer links.
	Inline bool
	// LinkedIndex answers links in the place of a registry index's entries.
	LinkedIndex bool
	// Parsed answers data and oip as objects when they are JSON text.
	Parsed bool
	// Metadata answers GUN's own key _ with each node.
	Metadata bool
	// NotFoundAfter is how long the peer waits before it answers 404, as relays
	// do, which cannot tell what is slow from what is absent.
	NotFoundAfter time.Duration
	// Faults are misbehaviour in excess of the above; nil is none.
	Faults *Faults
}

// firstAt is where a peer's own clock begins (unix ms).
const firstAt = 1_700_000_000_000

// Peer is one GUN peer, an http.Handler. Its methods are safe for concurrent use,
// Start and Close excepted. Those that publish panic on what no publisher could
// write, as mistakes of the test.
type Peer struct {
	opts   Options
	mux    *http.ServeMux
	server upstream.Server

	gets, puts, lists atomic.Int64

	mu        sync.RWMutex
	graph     graph
	facts     map[string]fact     // what was published, by soul
	deletions map[string]Deletion // by DID
	order     []string            // souls of records, in the order of their first writing
	written   map[string]int64    // when they were written last, by soul
	reads     map[string]int64    // gets by soul, of souls in the graph
	floods    []Flood
	clock     int64
}

// fact is a record that was published here.
type fact struct {
	record Record
	at     int64
}

// NewPeer returns a peer without records. It can be used as a handler at once;
// Start gives it a port of its own.
func NewPeer(opts Options) *Peer {
	if opts.Root == "" {
		opts.Root = DefaultRoot
	}
	p := &Peer{
		opts: opts, mux: http.NewServeMux(), graph: graph{}, facts: map[string]fact{}, deletions: map[string]Deletion{},
		written: map[string]int64{}, reads: map[string]int64{}, clock: firstAt,
	}
	p.mux.HandleFunc("GET /gun-relay/get", p.serveGet)
	p.mux.HandleFunc("POST /gun-relay/put", p.servePut)
	p.mux.HandleFunc("GET /gun-relay/list", p.serveList)
	return p
}

// ServeHTTP answers one request. Like every handler that cuts connections, it may
// panic with http.ErrAbortHandler, which net/http's server takes care of.
func (p *Peer) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// Start listens on a free port of 127.0.0.1 and serves until Close.
func (p *Peer) Start() error {
	if err := p.server.Start(p); err != nil {
		return fmt.Errorf("guntest: %w", err)
	}
	return nil
}

// Close cuts all connections, and returns when nothing of the peer runs any more.
func (p *Peer) Close() error { return p.server.Close() }

// URL is the base of the interface of a started peer.
func (p *Peer) URL() string { return "http://" + p.server.Address() + "/gun-relay" }

// Socket is the same peer as operators name it: the address of GUN's own protocol.
func (p *Peer) Socket() string { return "ws://" + p.server.Address() + "/gun" }

// Calm ends the faults of the peer for good.
func (p *Peer) Calm() {
	if p.opts.Faults != nil {
		p.opts.Faults.Calm()
	}
}

// Counts are numbers of requests by route.
type Counts struct{ Get, Put, List int64 }

// Requests tells how many requests reached each route, failed ones included.
func (p *Peer) Requests() Counts {
	return Counts{Get: p.gets.Load(), Put: p.puts.Load(), List: p.lists.Load()}
}

// Reads tells how many of the gets were for this soul; gets of what is not in
// the graph, floods included, are not remembered.
func (p *Peer) Reads(soul string) int64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.reads[soul]
}

// Node is what the graph holds at a soul, as JSON with links in it.
func (p *Peer) Node(soul string) (text string, ok bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	n, ok := p.graph[soul]
	if !ok {
		return "", false
	}
	return string(appendNode(nil, n.members)), true
}

// Publish writes a record, and its registration if it has a node id; a soul that
// has one already is updated. It returns the soul.
func (p *Peer) Publish(r Record) string {
	soul := r.soul()
	p.mu.Lock()
	defer p.mu.Unlock()
	f := fact{record: r, at: r.At}
	if f.at == 0 {
		f.at = p.tick()
	}
	p.write(r.puts(p.opts.Root, f.at)...)
	p.facts[soul] = f
	return soul
}

// Update publishes other data for a record that the peer has.
func (p *Peer) Update(soul, data string) {
	p.mu.RLock()
	f, ok := p.facts[soul]
	p.mu.RUnlock()
	if !ok {
		panic("guntest: nothing was published at " + soul)
	}
	f.record.Soul, f.record.Data, f.record.At = soul, data, 0
	p.Publish(f.record)
}

// Withdraw forgets a record; the registry still lists it. A node that has it must
// keep it, so Expect no longer speaks of it.
func (p *Peer) Withdraw(soul string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, part := range []string{soul, soul + "/meta", soul + "/data"} {
		delete(p.graph, part)
	}
	delete(p.facts, soul)
	delete(p.written, soul)
	p.order = slices.DeleteFunc(p.order, func(s string) bool { return s == soul })
}

// Register lists a soul under a node's name, whatever there is at it.
func (p *Peer) Register(nodeID, soul, recordType, publicKey string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.write(registration(p.opts.Root, nodeID, soul, recordType, publicKey, p.tick())...)
}

// Delete writes an entry of the deletion registry: by is the public key, or the
// node id, of who says so. The record itself stays in the graph, as in GUN.
func (p *Peer) Delete(did, by string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := Deletion{DID: did, By: by, At: p.tick()}
	p.deletions[did] = d
	p.write(d.Puts()...)
}

// tick moves the peer's clock. p.mu is held.
func (p *Peer) tick() int64 {
	p.clock += 1000
	return p.clock
}

// write puts what the test itself has made. p.mu is held.
func (p *Peer) write(puts ...Put) {
	for _, put := range puts {
		if err := p.put(put); err != nil {
			panic("guntest: " + err.Error())
		}
	}
}

func (p *Peer) put(put Put) error {
	soul := put.Soul
	if err := p.graph.put(soul, parse(put.Data)); err != nil {
		return err
	}
	n := p.graph[soul]
	if ofRecord(soul) && n.text("oip") != "" {
		if _, known := p.written[soul]; !known {
			p.order = append(p.order, soul)
		}
		p.written[soul] = p.tick()
	}
	return nil
}
