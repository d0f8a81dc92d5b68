// Package records is the record store's seam: the documents of the index, found
// by DID and by a typed query that every engine can answer alike. The embedded
// implementation is bleve for the index and bbolt for the documents; the other
// one is OpenSearch. One suite (storetest) runs over both.
//
// Only documents that passed oip.Verify can be written: Put takes an
// oip.Document, which no other package can make.
package records

import (
	"context"
	"encoding/json"
	"errors"

	"oipnode/shared/oip"
)

// Limits that every implementation keeps.
const (
	// MaxOps is the most operations one Write accepts.
	MaxOps = 5000
	// MaxWriteBytes is the most bytes of documents one Write accepts (5 MiB, the
	// largest bulk that is sent to an engine), unless it is a single document.
	MaxWriteBytes = 5 << 20
	// MaxGet is the most DIDs one Get accepts.
	MaxGet = 1000
	// MaxLimit is the largest page of a Search.
	MaxLimit = 1000
	// MaxWindow is how far Offset+Limit may reach; beyond it use After.
	MaxWindow = 10000
	// MaxBuckets is the most buckets a Count returns.
	MaxBuckets = 1000
)

var (
	// ErrInvalid is returned for a call that is over a limit or malformed.
	ErrInvalid = errors.New("records: invalid call")
	// ErrUnavailable is returned when the engine cannot be reached or is
	// overloaded: nothing is known about the call, it can be repeated.
	ErrUnavailable = errors.New("records: store unavailable")
	// ErrCursor is returned by Search for a cursor that is not of this query.
	ErrCursor = errors.New("records: foreign cursor")
)

// Op is one write: exactly one of Put, Patch and Delete is set.
type Op struct {
	// Put writes a whole document under its DID.
	Put *oip.Document
	// Patch changes fields of the envelope of a stored document.
	Patch *oip.Patch
	// Delete removes the document with this DID; an absent one is fine.
	Delete string
	// Fence is the writer's fencing number (state.Lease). A document remembers
	// the largest fence that wrote it, and a write with a smaller one ends as
	// Conflict: a writer whose lease expired cannot undo a newer one.
	Fence uint64
}

// Status is how one operation of a Write ended.
type Status int

// The outcomes of one operation.
const (
	// OK: durable. A later Get sees it; a Search sees it after the Write returned.
	OK Status = iota
	// Conflict: a newer writer has written this document; it stays as it is.
	Conflict
	// Missing: a Patch whose document does not exist.
	Missing
	// Retry: not done, for a reason that passes (overload).
	Retry
	// Poison: this document can never be stored; Detail says why.
	Poison
)

// Result is the outcome of the operation at the same position of a Write.
type Result struct {
	Status Status
	Detail string
}

// Stored is a document as it was read.
type Stored struct {
	DID  string
	Kind oip.Kind
	// JSON is the whole document, {"data":…,"oip":…}, or with Query.EnvelopeOnly
	// only {"oip":…}, or nil with Query.RefsOnly. It belongs to the caller.
	JSON json.RawMessage
	// Refs are the values of FieldRef, with Query.RefsOnly only.
	Refs []string
}

// Store is the seam. Every method is safe for concurrent use and honours its
// context; errors are ErrInvalid, ErrUnavailable, ErrCursor, a context's error,
// or one of the engine's wrapped with the call.
type Store interface {
	// Write does the operations in order and returns one Result for each.
	// An error means that nothing is known of any of them; repeating a Write is
	// harmless. When it returned, the operations that are OK are durable and
	// visible to every method.
	Write(ctx context.Context, ops []Op) ([]Result, error)
	// Get returns those of the DIDs that exist, in the order asked, whole or
	// envelope only. It applies no access rule: callers that serve users search.
	// Like Search it refuses, with ErrInvalid, an answer of more bytes than the
	// implementation is configured for; ask for fewer documents then.
	Get(ctx context.Context, dids []string, envelopeOnly bool) ([]Stored, error)
	// Search returns a page of the documents that match, in order.
	Search(ctx context.Context, q Query) (Page, error)
	// Count returns the number of matches and, for a field, the number per value
	// (a document counts once for each of its values), largest first, then by value.
	Count(ctx context.Context, where Cond, by Field) (Counts, error)
	// Health tells whether the store can serve, and how much it holds.
	Health(ctx context.Context) (Health, error)
	// Close releases the store; it is safe to kill the process instead.
	Close() error
}

// Page is an answer to a Search.
type Page struct {
	// Total is the number of all matches, not of this page.
	Total int64
	Hits  []Stored
	// Next continues after the last hit; empty when there is none left.
	Next Cursor
	// Counts are those of Query.CountBy.
	Counts Counts
}

// Cursor is an opaque position in the results of one query (same Where, Score, Sort and
// Distinct).
type Cursor string

// Counts is an answer to a Count.
type Counts struct {
	Total   int64
	Buckets []Bucket
	// Other is the number of values that did not fit into MaxBuckets.
	Other int64
}

// Bucket is one value of a field and the number of documents that have it.
type Bucket struct {
	Value string
	Count int64
}

// Reindexed tells how far a store has come that builds its index anew.
type Reindexed struct {
	// Done says that the new index is in use, with so many Documents.
	Done      bool  `json:"reindexed"`
	Documents int64 `json:"documents,omitempty"`
	// Copied is how many documents this call has brought up to date in the new index.
	Copied int64 `json:"copied"`
	// Again says that the time was over: what was copied is kept, and the next call
	// goes on.
	Again bool `json:"again,omitempty"`
}

// Health describes a store.
type Health struct {
	Engine    string `json:"engine"`
	Documents int64  `json:"documents"`
	// Detail is a short text for the operator, such as an OpenSearch status.
	Detail string `json:"detail,omitempty"`
}
