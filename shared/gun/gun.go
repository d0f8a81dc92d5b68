// Package gun synchronizes records with GUN peers: one Run is one cycle, which reads
// the registries of the peers and brings the record store to what they say (spec gun).
// The flow of one record is
//
//	registry index -> soul -> seen? deleted? -> fetch -> oip.VerifyGun -> oip.Expand -> write -> seen
//
// Peers are named by the operator, and still nothing that they say is trusted: every
// answer has a bound, every peer has its own time, and only oip.VerifyGun lets a record
// in. What the package promises, tested by killing it between any two writes, is
//
//  1. memory is bounded by the configuration: registries are read as streams, and what
//     was processed is kept in the state store, with an end (seen.go, listing.go);
//  2. a peer that is slow, dead or hostile costs the others nothing (peer.go);
//  3. nothing is deleted because it was missing from an answer; only the deletion
//     registry removes, and only when the deleter may (deletions.go);
//  4. a deletion wins over its record whatever arrives first, and for ever: tombstones
//     have no end, and are looked up before and again after each write (settle.go);
//  5. of two versions of a record the better one stays, whatever the order in which
//     they come: an unverified one never replaces a verified one (version.go);
//  6. running any step twice changes nothing, and two cycles at once cannot undo each
//     other: every write carries the lease's fence.
package gun

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"oipnode/shared/records"
	"oipnode/shared/state"
)

// Options configure a Sync. Records and State are needed, and Peers or Relay for it to
// do anything; New fills in defaults for zero values.
type Options struct {
	Records records.Store
	State   state.Store
	// Peers are the URLs of the peers as an operator writes them: ws, wss, http or
	// https. Relay is that of the node's own relay; it is synchronized from as well,
	// and gets the node's registrations and deletions. Empty means none.
	Peers []string
	Relay string
	// Wanted tells whether records of a type are indexed; nil wants all. Types are
	// those that are asked for; nil asks for all types that are known (wanted.go).
	Wanted func(recordType string) bool
	Types  []string
	// TrustedNodes are the node ids whose records are accepted; none means all.
	TrustedNodes []string
	// Private says whether encrypted records are taken too.
	Private bool
	// Root is the soul of the registry. Default oip:registry.
	Root string
	// NodeID replaces the id that the node gives itself.
	NodeID string
	// Interval is the pause between two cycles, which the rule of health and the
	// pauses of failures are measured by. Default 30 seconds.
	Interval time.Duration
	// MaxAge is the life of a processed id. Default one hour.
	MaxAge time.Duration
	// MaxSoulBytes is the largest record that is fetched, with what it links to.
	// Default 1 MiB.
	MaxSoulBytes int64
	// MaxIndexBytes is how much of a registry index is read. Default 1 GiB.
	MaxIndexBytes int64
	// MaxRecords ends the work with one peer after so many fetched records; the next
	// cycle goes on. Default 20,000.
	MaxRecords int
	// CycleTime ends a cycle cleanly when its context has no earlier deadline.
	// Default ten minutes.
	CycleTime time.Duration
	// RequestTimeout bounds a request but that for an index. Default 15 seconds.
	RequestTimeout time.Duration
	// Fetchers is how many records are fetched at once, from all peers together;
	// PeersAtOnce how many peers are asked at once. Defaults 16 and 8.
	Fetchers, PeersAtOnce int
	// Holder names this process in the lease, LeaseTTL is how long it lasts without
	// renewal. Default two minutes.
	Holder   string
	LeaseTTL time.Duration
	// UserAgent is told to peers.
	UserAgent string
	// DialContext replaces the network's dialer when it is not nil.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)

	Log *slog.Logger
	Now func() time.Time
	// Sleep waits between two polls of one answer; tests replace it.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Sync runs cycles. It holds nothing of its own between them: a cycle may run in
// another process each time.
type Sync struct {
	opt   Options
	peers []*peer
}

var (
	// ErrBusy is returned by Run when another cycle is running; it is no fault.
	ErrBusy = errors.New("gun: another cycle is running")
	// ErrLeaseLost is returned by Run when another runner took over in the middle.
	// What was written stands, the rest is theirs.
	ErrLeaseLost = errors.New("gun: the lease was lost")
	// ErrURL is a peer's URL that cannot be one.
	ErrURL = errors.New("gun: not the URL of a peer")
)

// New checks the options and makes a Sync; it sends nothing yet.
func New(opt Options) (*Sync, error) {
	preset(&opt.Root, "oip:registry")
	preset(&opt.Interval, 30*time.Second)
	preset(&opt.MaxAge, time.Hour)
	preset(&opt.MaxSoulBytes, 1<<20)
	preset(&opt.MaxIndexBytes, 1<<30)
	preset(&opt.MaxRecords, 20000)
	preset(&opt.CycleTime, 10*time.Minute)
	preset(&opt.RequestTimeout, 15*time.Second)
	preset(&opt.Fetchers, 16)
	preset(&opt.PeersAtOnce, 8)
	preset(&opt.LeaseTTL, 2*time.Minute)
	preset(&opt.Holder, "oipnode")
	preset(&opt.UserAgent, "oipnode")
	if opt.Wanted == nil {
		opt.Wanted = func(string) bool { return true }
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Sleep == nil {
		opt.Sleep = sleep
	}
	s := &Sync{opt: opt}
	known := make(map[string]bool)
	urls := opt.Peers
	if opt.Relay != "" {
		urls = append([]string{opt.Relay}, urls...)
	}
	for i, url := range urls {
		p, err := newPeer(&s.opt, url)
		if err != nil {
			return nil, err
		}
		p.relay = opt.Relay != "" && i == 0
		if !known[p.base] {
			known[p.base] = true
			s.peers = append(s.peers, p)
		}
	}
	return s, nil
}

func preset[T comparable](v *T, standard T) {
	var zero T
	if *v == zero {
		*v = standard
	}
}

// sleep waits for d or until the context ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// margin is how long before its context's deadline a cycle stops by itself.
const margin = 10 * time.Second

// Run does one cycle: take the lease, read the deletions and the registries of all
// peers, fetch and index what is new or changed, publish what this node has to tell.
// It stops cleanly before the context's deadline, and the next Run goes on from there.
//
// The returned Report is also kept for the health page. An error means that the cycle
// itself could not go on; what was wrong with single peers is in the report alone.
func (s *Sync) Run(ctx context.Context) (Report, error) {
	start := s.opt.Now()
	lease, err := state.Acquire(ctx, s.opt.State, leaseName, s.opt.Holder, s.opt.LeaseTTL, s.opt.Now)
	if errors.Is(err, state.ErrHeld) {
		return Report{}, ErrBusy
	}
	if err != nil {
		return Report{}, fmt.Errorf("take the lease: %w", err)
	}
	c := newCycle(s, lease)
	err = c.run(ctx)
	report := c.report(start, err)
	// What follows must happen although the cycle's time may be over.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), margin/2)
	defer cancel()
	var ops []state.Op
	if !errors.Is(err, ErrLeaseLost) {
		var e error
		ops, e = c.status(last, report)
		err = errors.Join(err, e)
	}
	if e := lease.Release(last, ops...); e != nil && !errors.Is(e, state.ErrLost) {
		err = errors.Join(err, fmt.Errorf("save the status and release the lease: %w", e))
	}
	return report, err
}
