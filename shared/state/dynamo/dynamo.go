// Package dynamo is the state store of a node on AWS, in one DynamoDB table.
//
// # The table
//
// An item has the string keys "space" (partition) and "id" (sort), whose order
// is that of their UTF-8 bytes, a "version" (number), either a "value" (binary)
// or, in a counter, a "count" (number), and "expires" (whole seconds since 1970,
// absent for never), which is the attribute of the table's time to live.
//
// A space is one partition key, so that Range is one Query. It is not spread
// over several: DynamoDB divides a busy item collection by its sort keys by
// itself, since the table has no local index, and the pipeline writes little
// (a record that is simply indexed writes nothing here). What a burst of
// rejections asks beyond the 1,000 units a second of one partition is throttled
// and repeated after a pause, not lost.
//
// # Expiry
//
// DynamoDB removes expired items within days. Until then they are there, and
// everything here treats them as absent by the clock of Options.Now: readers
// leave them out, conditions take them for absent, and a write starts them again
// at version 1. A write that finds an expired item where it expected none or a
// living one is sent a second time in another form; all others are one request.
//
// # Faults
//
// Requests that were throttled, met a conflict with another transaction, or
// whose answer was lost are repeated after growing pauses for Options.Patience;
// then the call ends with state.ErrUnavailable. Commits of several operations
// carry a token that makes the repetition harmless. A Commit of one operation
// has none, so it is not repeated once its answer is lost.
//
// # Permissions
//
// GetItem, Query, PutItem, UpdateItem, DeleteItem, ConditionCheckItem,
// DescribeTable and DescribeTimeToLive on the table; transactions need no others.
// CreateTable, which no function calls, needs CreateTable and UpdateTimeToLive.
//
// # The stream
//
// The table's stream tells of every change. ParseChange reads its records, and knows
// which of them are the work of the time to live.
package dynamo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"oipnode/shared/state"
)

var (
	// ErrTable is returned when there is no table of that name, or one with other
	// keys, or without its time to live. The text says which and what to set.
	ErrTable = errors.New("dynamo: the state table cannot be used")
	// ErrRefused is returned when the credentials are not accepted or do not
	// permit the request that the text names.
	ErrRefused = errors.New("dynamo: AWS refused the request")
	// ErrCorrupt is returned when an item is not what this package wrote.
	ErrCorrupt = errors.New("dynamo: a stored item is damaged")
)

// Options are the settings of a Store. Client and Table must be set.
type Options struct {
	// Client is not closed with the store. Its own retries are not used.
	Client *dynamodb.Client
	// Table is the table's name.
	Table string
	// Trusted says that somebody else looks after the table: it is opened without a
	// request, and a table that cannot be used fails the first call that meets it. One
	// without its time to live would go unnoticed.
	Trusted bool
	// Now is the clock that expiry is judged by; nil means time.Now.
	Now func() time.Time
	// Log hears of calls that had to be repeated often; nil means nobody.
	Log *slog.Logger
	// Patience is how long a call goes on repeating requests; 0 means 20 seconds.
	Patience time.Duration
	// Attempt is how long one request may take; 0 means 5 seconds.
	Attempt time.Duration
}

// Store is a state.Store in a DynamoDB table. Make it with Open.
type Store struct {
	client            *dynamodb.Client
	table             string
	now               func() time.Time
	log               *slog.Logger
	patience, attempt time.Duration

	// closed ends with Close, and all calls under way with it. Each holds use for
	// reading, so that Close can wait for them.
	closed context.Context
	close  context.CancelFunc
	use    sync.RWMutex
}

var _ state.Store = (*Store)(nil)

// Open returns the store in a table that is there, after two requests that prove
// that it has the right keys and its time to live (Options.Trusted). It returns ErrTable,
// ErrRefused, state.ErrUnavailable, or the context's error.
func Open(ctx context.Context, opts Options) (*Store, error) {
	s := &Store{
		client: opts.Client, table: opts.Table, now: opts.Now, log: opts.Log,
		patience: opts.Patience, attempt: opts.Attempt,
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.patience == 0 {
		s.patience = 20 * time.Second
	}
	if s.attempt == 0 {
		s.attempt = 5 * time.Second
	}
	s.closed, s.close = context.WithCancel(context.Background())
	if opts.Trusted {
		return s, nil
	}
	if err := s.verifyTable(ctx); err != nil {
		s.close()
		return nil, fmt.Errorf("open state table %q: %w", s.table, err)
	}
	return s, nil
}

// Close ends the calls under way and waits for them. Closing again does nothing.
func (s *Store) Close() error {
	s.close()
	s.use.Lock()
	defer s.use.Unlock()
	return nil
}

// enter begins a call: the context that it returns ends with the caller's and
// with the store. leave must be called when it returned no error.
func (s *Store) enter(ctx context.Context) (inner context.Context, leave func(), err error) {
	s.use.RLock()
	if err := s.ended(ctx); err != nil {
		s.use.RUnlock()
		return nil, nil, err
	}
	inner, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.closed, cancel)
	return inner, func() {
		stop()
		cancel()
		s.use.RUnlock()
	}, nil
}

// ended says why a call must not go on, nil if it may.
func (s *Store) ended(ctx context.Context) error {
	if s.closed.Err() != nil {
		return state.ErrClosed
	}
	return ctx.Err()
}
