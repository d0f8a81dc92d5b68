package state

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// The spaces that leases keep their items in; nothing else may write there.
const (
	// LeaseSpace holds one item per lease that is held, its ID the lease's name,
	// its Value the holder's, its Expires the moment it runs out.
	LeaseSpace = "lease"
	// fenceSpace holds one item per lease that was ever acquired. It is never
	// removed and only acquisitions write it, so its version is the fence.
	fenceSpace = "lease-fence"
)

var (
	// ErrHeld is returned by Acquire while another holder has the lease.
	ErrHeld = errors.New("state: lease is held")
	// ErrLost is returned to a holder whose lease somebody acquired since, or
	// that released it.
	ErrLost = errors.New("state: lease is lost")
)

// Lease is the right of one holder to do a job that two must not do at once,
// until it runs out.
//
// A lease alone cannot keep two writers apart: a holder may sleep through its
// end and go on writing. So invariant 5 of the design rests on the fence: every
// acquisition gets a number that no acquisition of that name had before, and a
// Commit that includes Guard fails once there is a newer one. A holder whose
// writes all carry Guard cannot undo what a later holder did.
//
// For the same reason clocks matter for liveness only. A process whose clock is
// ahead may take a lease early, and the holder's next guarded Commit fails; one
// whose clock is behind waits longer. Neither corrupts anything.
//
// No goroutine renews a lease: its owner calls RenewIfOlder between two pieces
// of work, so that a stuck owner loses it. All methods are safe for concurrent
// use; a Renew during a Release may leave the lease held until it runs out.
type Lease struct {
	store        Store
	name, holder string
	ttl          time.Duration
	now          func() time.Time
	fence        uint64
	// renewed is when the lease was last acquired or renewed, in nanoseconds
	// since 1970.
	renewed  atomic.Int64
	released atomic.Bool
}

// acquireAttempts bounds the tries of one Acquire. A second try is needed only
// when somebody wrote between its read and its commit.
const acquireAttempts = 4

// Acquire takes the lease of that name for ttl, at least one second. It returns
// ErrHeld while another holder's lease has not run out.
//
// The same holder may acquire again at any time, as it does after a crash: the
// new Lease has a new fence, and the old one is lost. Processes that run at the
// same time therefore need different holder names. now is the clock that the
// end of the lease is reckoned by; the store's own clock decides when that is
// reached.
func Acquire(ctx context.Context, s Store, name, holder string, ttl time.Duration, now func() time.Time) (*Lease, error) {
	if holder == "" || ttl < time.Second {
		return nil, fmt.Errorf("%w: lease for holder %q over %v", ErrInvalid, holder, ttl)
	}
	for range acquireAttempts {
		l := &Lease{store: s, name: name, holder: holder, ttl: ttl, now: now}
		err := l.acquire(ctx)
		if errors.Is(err, ErrConflict) {
			continue // the next read tells who was faster
		}
		if err != nil {
			return nil, fmt.Errorf("acquire lease %q: %w", name, err)
		}
		return l, nil
	}
	return nil, fmt.Errorf("acquire lease %q: %w: others were faster %d times", name, ErrHeld, acquireAttempts)
}

// acquire reads who has the lease and takes it if it may. Both writes depend on
// what was read: the fence so that of two acquisitions one fails, the lease so
// that the renewal of a holder that was late is not overrun.
func (l *Lease) acquire(ctx context.Context) error {
	items, err := l.store.Get(ctx, l.leaseKey(), l.fenceKey())
	if err != nil {
		return err
	}
	start := l.now()
	l.fence = 1
	writeLease := Create(l.leaseKey(), []byte(l.holder))
	writeFence := Create(l.fenceKey(), []byte(l.holder))
	for _, item := range items {
		switch {
		case item.Space == fenceSpace:
			l.fence = item.Version + 1
			writeFence = Update(item.Key, []byte(l.holder), item.Version)
		case string(item.Value) != l.holder:
			return fmt.Errorf("%w by %q until %s", ErrHeld, item.Value, item.Expires.Format(time.RFC3339))
		default:
			writeLease = Update(item.Key, []byte(l.holder), item.Version)
		}
	}
	if err := l.store.Commit(ctx, writeFence, writeLease.Until(start.Add(l.ttl))); err != nil {
		return err
	}
	l.renewed.Store(start.UnixNano())
	return nil
}

// Fence is the number of this acquisition: larger than that of every earlier
// acquisition of the same name in this store, also after releases and expiry.
func (l *Lease) Fence() uint64 { return l.fence }

// Guard makes a Commit fail with ErrConflict once the lease was acquired again,
// by whomever; Renew tells then whether it was the guard that failed. The Guard
// stays good after the end of the lease, as long as nobody took it.
func (l *Lease) Guard() Op { return Check(l.fenceKey(), l.fence) }

// Renew gives the lease its full time again, counted from now. It returns
// ErrLost when the lease was released or acquired since. A lease that ran out
// and that nobody took is renewed: no one has worked in between.
func (l *Lease) Renew(ctx context.Context) error {
	if l.released.Load() {
		return fmt.Errorf("renew lease %q: %w: it was released", l.name, ErrLost)
	}
	start := l.now()
	put := Put(l.leaseKey(), []byte(l.holder)).Until(start.Add(l.ttl))
	if err := l.commit(ctx, put); err != nil {
		return fmt.Errorf("renew lease %q: %w", l.name, err)
	}
	l.renewed.Store(start.UnixNano())
	return nil
}

// RenewIfOlder renews when the last renewal is at least that long ago, so that
// it may be called between any two pieces of work, however small. A third of the
// ttl is a good age.
func (l *Lease) RenewIfOlder(ctx context.Context, age time.Duration) error {
	if l.now().Sub(time.Unix(0, l.renewed.Load())) < age {
		return nil
	}
	return l.Renew(ctx)
}

// Release gives the lease up, so that others need not wait for its end. It
// returns ErrLost when somebody acquired it since, and leaves theirs alone.
// Once it succeeded, doing it again does nothing. Its context should outlive
// the work's: a cancelled run still has a lease to give up.
//
// What else is to be written last, without conditions, may go with it in one Commit: all of it is
// done, or none and the lease is still held.
func (l *Lease) Release(ctx context.Context, also ...Op) error {
	if l.released.Load() {
		return nil
	}
	if err := l.commit(ctx, append(also, Delete(l.leaseKey()))...); err != nil {
		return fmt.Errorf("release lease %q: %w", l.name, err)
	}
	l.released.Store(true)
	return nil
}

// commit does operations as long as the lease is ours; none of them has a condition.
func (l *Lease) commit(ctx context.Context, ops ...Op) error {
	err := l.store.Commit(ctx, append(ops, l.Guard())...)
	if errors.Is(err, ErrConflict) {
		// The guard is the only condition. ErrLost does not wrap the conflict, or
		// a caller's loop over conflicts would try for ever.
		return ErrLost
	}
	return err
}

func (l *Lease) leaseKey() Key { return Key{Space: LeaseSpace, ID: l.name} }
func (l *Lease) fenceKey() Key { return Key{Space: fenceSpace, ID: l.name} }
