package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

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
	// closing is closed when the index is about to be, by stop.
	closing chan struct{}
	stop    func()

	mu     sync.Mutex
	said   time.Time // when an error of scorch's was logged last
	unsaid int       // how many have not been since
}

const (
	// retryPause is how long a goroutine of scorch waits behind an error. Without it
	// scorch tries again at once, thousands of times in a second for as long as a disk
	// is full.
	retryPause = time.Second
	// sayEvery is how often errors of scorch's are logged while they come again and again.
	sayEvery = time.Minute
)

// asyncCallback is the name of onAsyncError in scorch's registry, which is how
// scorch wants to be given a callback; open indexes are found by their path.
const asyncCallback = "oipnode"

var openIndexes sync.Map // path -> *searchIndex

func init() { scorch.RegistryAsyncErrorCallbacks[asyncCallback] = onAsyncError }

// onAsyncError takes an error of scorch's goroutines: a full disk, a damaged
// segment. Persisting and merging are tried again by scorch itself, as soon as this
// returns in the goroutine that failed; so it holds that one back for a while.
func onAsyncError(err error, path string) {
	v, ok := openIndexes.Load(path)
	if !ok {
		return
	}
	x := v.(*searchIndex)
	if errors.Is(err, scorch.ErrAsyncPanic) {
		x.log.Error("index error", "error", err)
		err = fmt.Errorf("%w: index: %w", ErrCorrupt, err)
		x.broken.Store(&err)
		return
	}
	x.say(err)
	timer := time.NewTimer(retryPause)
	defer timer.Stop()
	select {
	case <-x.closing:
	case <-timer.C:
	}
}

// say logs an error of scorch's that is tried again: the first, and then one in each
// sayEvery, with the number of those that were left out before it.
func (x *searchIndex) say(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.said.IsZero() && time.Since(x.said) < sayEvery {
		x.unsaid++
		return
	}
	x.log.Error("index error", "error", err, "unsaid", x.unsaid)
	x.said, x.unsaid = time.Now(), 0
}

// startIndex opens or makes the index in a folder.
func startIndex(path string, log *slog.Logger) (opened *searchIndex, err error) {
	x := &searchIndex{path: path, log: log, queue: index.NewAnalysisQueue(1), closing: make(chan struct{})}
	x.stop = sync.OnceFunc(func() { close(x.closing) })
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
	x.stop()
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
