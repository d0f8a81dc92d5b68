package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"github.com/blevesearch/bleve/v2/index/scorch"
	index "github.com/blevesearch/bleve_index_api"
	bolt "go.etcd.io/bbolt"
)

// indexFormat is the version of what the index holds of a document: of
// records.Project, records.Key and newEntry. An index of another version is
// rebuilt.
const indexFormat = 2

// maxSegment is the most documents of one segment. scorch merges segments in
// memory, column by column, so this bounds the memory of a merge however large
// the index is, at the price of a look into each segment for a term: a million
// documents have about a hundred of them.
const maxSegment = 10000

// keyMarker is where a batch leaves the marker of its transaction in the index.
var keyMarker = []byte("oipnode")

// marker names a state of the documents: format, identity and sequence.
func marker(tx *bolt.Tx) []byte {
	meta := tx.Bucket(bucketMeta)
	m := append([]byte{indexFormat}, meta.Get(keyIdentity)...)
	return append(m, meta.Get(keySequence)...)
}

// searchIndex is bleve's index engine, scorch, without the layers above it:
// mapping, query language and scoring are not needed for exact terms.
type searchIndex struct {
	scorch index.Index
	queue  *index.AnalysisQueue
	path   string
	// broken is set when one of scorch's own goroutines ended by a panic; from
	// then on a batch might wait for it for ever.
	broken atomic.Pointer[error]
	log    *slog.Logger
}

// asyncCallback is the name of onAsyncError in scorch's registry, which is how
// scorch wants to be given a callback; open indexes are found by their path.
const asyncCallback = "oipnode"

var openIndexes sync.Map // path -> *searchIndex

func init() { scorch.RegistryAsyncErrorCallbacks[asyncCallback] = onAsyncError }

// onAsyncError takes an error of scorch's goroutines: a full disk, a damaged
// segment. Persisting and merging are tried again by scorch itself.
func onAsyncError(err error, path string) {
	v, ok := openIndexes.Load(path)
	if !ok {
		return
	}
	x := v.(*searchIndex)
	x.log.Error("index error", "error", err)
	if errors.Is(err, scorch.ErrAsyncPanic) {
		err = fmt.Errorf("%w: index: %w", ErrCorrupt, err)
		x.broken.Store(&err)
	}
}

// startIndex opens or makes the index in a folder.
func startIndex(path string, log *slog.Logger) (opened *searchIndex, err error) {
	x := &searchIndex{path: path, log: log, queue: index.NewAnalysisQueue(1)}
	openIndexes.Store(path, x)
	defer func() {
		if err != nil {
			x.forget()
		}
	}()
	defer guard(log, &err)()
	x.scorch, err = scorch.NewScorch(scorch.Name, map[string]any{
		"path": path,
		// Our own lock is held, so nobody has this file; never wait for it.
		"bolt_timeout":           "1s",
		"asyncErrorCallbackName": asyncCallback,
		"scorchMergePlanOptions": map[string]any{"MaxSegmentSize": maxSegment},
	}, x.queue)
	if err == nil {
		err = x.scorch.Open()
	}
	if err != nil {
		return nil, fmt.Errorf("embedded: open index: %w", err)
	}
	return x, nil
}

// forget releases what does not belong to scorch.
func (x *searchIndex) forget() {
	openIndexes.Delete(x.path)
	x.queue.Close()
}

func (x *searchIndex) close() error {
	defer x.forget()
	return x.scorch.Close()
}

// destroy closes the index and removes its folder.
func (x *searchIndex) destroy() error {
	return errors.Join(x.close(), os.RemoveAll(x.path))
}

// failure returns why the index does not work any more, or nil.
func (x *searchIndex) failure() error {
	if err := x.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// write changes the index, durably when it returns. A nil marker leaves the old
// one, of a rebuild in progress.
func (x *searchIndex) write(entries map[string]*entry, marker []byte) error {
	batch := index.NewBatch()
	for did, e := range entries {
		if e == nil {
			batch.Delete(did)
		} else {
			batch.Update(e)
		}
	}
	if marker != nil {
		batch.SetInternal(keyMarker, marker)
	}
	if err := x.scorch.Batch(batch); err != nil {
		return fmt.Errorf("embedded: index: %w", err)
	}
	return nil
}
