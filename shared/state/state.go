// Package state is the small, strongly consistent store of the node: what the
// pipeline must remember between two runs and must agree on between two runners.
// It holds the checkpoint, the retry ledger, kept outcomes, tombstones, handle
// claims, counters and leases; never a document, and nothing that could be found
// again in the record store.
//
// Two implementations keep the same contract, proven by one suite (statetest):
// an embedded one on bbolt, and a DynamoDB table. So nothing here assumes more
// than a key-value store with ordered ranges inside a space, conditional writes
// and transactions over a few items.
package state

import (
	"context"
	"errors"
	"time"
)

// Limits that every implementation keeps. They are the smaller of what bbolt and
// DynamoDB (400 KB per item, 100 items and 4 MB per transaction) can do, with
// room left for the implementation's own attributes. CheckGet, CheckCommit and
// CheckRange enforce them for every implementation alike.
const (
	// MaxValue is the largest Value in bytes that a write accepts.
	MaxValue = 300 << 10
	// MaxKey is the longest Space or ID in bytes.
	MaxKey = 512
	// MaxOps is the most operations one Commit accepts.
	MaxOps = 50
	// MaxCommit is the most bytes, keys and values together, one Commit accepts.
	MaxCommit = 3 << 20
	// MaxGet is the most keys one Get accepts.
	MaxGet = 100
	// MaxRange is the most items one Range returns, whatever limit was asked.
	MaxRange = 1000
)

var (
	// ErrConflict is returned by Commit when a condition of one of its
	// operations does not hold; nothing of the Commit was done.
	ErrConflict = errors.New("state: condition failed")
	// ErrTooLarge is returned when a key, a value or a call is over its limit.
	ErrTooLarge = errors.New("state: over the size limit")
	// ErrInvalid is returned for an operation that no store could do: a key that
	// is empty or not UTF-8, two operations on one key in a Commit, an update to
	// version 0, an Add to what is not a counter or beyond the range of int64.
	ErrInvalid = errors.New("state: invalid operation")
	// ErrUnavailable is returned when the store cannot be reached or is
	// overloaded, for longer than it is willing to wait: nothing is known of the
	// call. A read may be repeated. A Commit may have happened, so read first what
	// it would have changed; one whose operations are all conditional tells by
	// itself.
	ErrUnavailable = errors.New("state: store unavailable")
	// ErrClosed is returned by every call on a store after its Close.
	ErrClosed = errors.New("state: store is closed")
)

// Key names an item. Items of one Space are ordered by the bytes of their ID.
// Both parts are non-empty, valid UTF-8 (DynamoDB's string keys hold nothing
// else; U+0000 is fine), and at most MaxKey bytes long.
type Key struct{ Space, ID string }

// Item is a stored value.
type Item struct {
	Key
	// Value is opaque to the store, at most MaxValue bytes. Nil and empty are
	// the same value: compare the length. A Value that was read is the caller's
	// own copy; a Value that is written must not change until Commit returns.
	Value []byte
	// Version is set by the store: 1 for a key that did not exist, one more for
	// each later write of it. A write after a delete or an expiry starts at 1.
	Version uint64
	// Expires is the moment from which no reader sees the item any more; the
	// zero time means never. Precision is one second, rounded up. Every write
	// sets it: one without an expiry takes an earlier expiry away.
	Expires time.Time
}

// Store is the seam. Every method is safe for concurrent use, honours its
// context, and treats an expired item as absent from the very second on.
type Store interface {
	// Get returns those of the keys that exist, in the order they were asked
	// for, duplicates once. It is strongly consistent. At most MaxGet keys,
	// counted before duplicates are dropped.
	Get(ctx context.Context, keys ...Key) ([]Item, error)
	// Commit does all operations or none, and is durable when it returns.
	// It returns ErrConflict when a condition does not hold. A Commit that was
	// cancelled or failed otherwise may or may not have happened. Each key may
	// appear once. At most MaxOps operations and MaxCommit bytes; none is fine.
	Commit(ctx context.Context, ops ...Op) error
	// Range returns the items of a space with from <= ID < to in ascending byte
	// order, at most limit (1 to MaxRange; a larger limit means MaxRange). Fewer
	// than that means that the range has no more: expired items do not count.
	// An empty "to" means to the end of the space, and a "to" at or before from
	// an empty range; PrefixEnd gives the "to" of a prefix. To go on, pass the
	// last ID + "\x00" as from: pages made so never overlap, nor skip an item
	// that was there all the time. An answer holds up to limit values in memory,
	// so ask for fewer where values are large.
	Range(ctx context.Context, space, from, to string, limit int) ([]Item, error)
	// Close releases the store; calls under way fail.
	Close() error
}

// OpKind says what an Op does.
type OpKind int

// The kinds of operation.
const (
	// OpPut writes the item whatever is there.
	OpPut OpKind = iota + 1
	// OpCreate writes the item if the key does not exist, else ErrConflict.
	OpCreate
	// OpUpdate writes the item if its stored version is Item.Version, else ErrConflict.
	OpUpdate
	// OpDelete removes the key; an absent key is fine.
	OpDelete
	// OpDeleteIf removes the key if its stored version is Item.Version, else ErrConflict.
	OpDeleteIf
	// OpCheck changes nothing; the stored version must be Item.Version
	// (0 = the key must not exist), else ErrConflict.
	OpCheck
	// OpAdd adds Delta to a counter, a key of its own kind; absent counts as 0.
	// A counter's Value is its decimal text. It is never conditional, so it does
	// not fail with ErrConflict. It is a write like any other: the version goes
	// up by one and the expiry is the operation's. On a key that another kind of
	// write made, or when the sum leaves int64, it is ErrInvalid and the Commit
	// does nothing. A Put or Update makes a counter an ordinary item.
	OpAdd
)

// Op is one operation of a Commit; make it with the functions below.
type Op struct {
	Kind  OpKind
	Item  Item
	Delta int64
}

// Put writes an item unconditionally.
func Put(k Key, value []byte) Op { return Op{Kind: OpPut, Item: Item{Key: k, Value: value}} }

// Create writes an item if its key is absent.
func Create(k Key, value []byte) Op { return Op{Kind: OpCreate, Item: Item{Key: k, Value: value}} }

// Update writes an item if its version is still the given one, which is at least 1.
func Update(k Key, value []byte, version uint64) Op {
	return Op{Kind: OpUpdate, Item: Item{Key: k, Value: value, Version: version}}
}

// Delete removes a key unconditionally.
func Delete(k Key) Op { return Op{Kind: OpDelete, Item: Item{Key: k}} }

// DeleteIf removes a key if its version is still the given one, which is at least 1.
func DeleteIf(k Key, version uint64) Op {
	return Op{Kind: OpDeleteIf, Item: Item{Key: k, Version: version}}
}

// Check makes the Commit depend on a key's version (0: on its absence).
func Check(k Key, version uint64) Op { return Op{Kind: OpCheck, Item: Item{Key: k, Version: version}} }

// Add adds to a counter.
func Add(k Key, delta int64) Op { return Op{Kind: OpAdd, Item: Item{Key: k}, Delta: delta} }

// Until returns the operation with an expiry, which only writes use. A moment
// that is past is allowed: the item is then absent from the start.
func (o Op) Until(t time.Time) Op { o.Item.Expires = t; return o }
