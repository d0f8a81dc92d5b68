package embedded

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"oipnode/shared/oip"
)

// The buckets of the documents file.
var (
	// bucketDocuments maps a number to a document, see encodeStored. Numbers are
	// given in the order in which documents come: new ones fill the last pages of
	// the file, where DIDs, which are random, would rewrite a page for each.
	bucketDocuments = []byte("documents")
	// bucketNumbers maps a DID to the number of its document, 8 bytes.
	bucketNumbers = []byte("numbers")
	// bucketBefore maps each DID that the last transaction changed to what was
	// stored before, absent if nothing was.
	bucketBefore = []byte("before")
	// bucketMeta holds the keys below.
	bucketMeta = []byte("meta")
)

var (
	keyFormat   = []byte("format")   // format, one byte
	keyIdentity = []byte("identity") // 16 random bytes, so that an index of another store is not taken for ours
	keySequence = []byte("sequence") // 8 bytes, the number of the last transaction
)

// absent stands in bucketBefore for a document that did not exist.
var absent = []byte{0}

// format is the version of the documents file. What is indexed of a document has
// a version of its own, indexFormat, because an index can simply be rebuilt.
const format = 1

// openDocuments opens or makes the documents file and checks that it is whole
// as far as that can be seen at once.
func openDocuments(dir string, wait time.Duration) (*bolt.DB, error) {
	path := filepath.Join(dir, documentsFile)
	if err := checkLost(path, filepath.Join(dir, indexFolder)); err != nil {
		return nil, err
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: wait, FreelistType: bolt.FreelistMapType})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("%w: %s", ErrLocked, path)
	case errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, fmt.Errorf("%w: %s", ErrFormat, path)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrInvalidMapping):
		return nil, fmt.Errorf("%w: %s: %w", ErrCorrupt, path, err)
	case err != nil:
		return nil, fmt.Errorf("embedded: open documents: %w", err)
	}
	if err := prepareDocuments(db, path); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// checkLost refuses an empty documents file beside an index: opening it would
// silently begin anew where documents have been.
func checkLost(path, index string) error {
	info, err := os.Stat(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("embedded: open documents: %w", err)
	}
	if err == nil && info.Size() > 0 {
		return nil
	}
	if _, err := os.Stat(index); err == nil {
		return fmt.Errorf("%w: there is an index, but %s is missing or empty", ErrCorrupt, path)
	}
	return nil
}

// prepareDocuments checks size and format of the file, or begins a new one.
func prepareDocuments(db *bolt.DB, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("embedded: open documents: %w", err)
	}
	return db.Update(func(tx *bolt.Tx) error {
		if info.Size() < tx.Size() {
			return fmt.Errorf("%w: %s has %d bytes of %d", ErrCorrupt, path, info.Size(), tx.Size())
		}
		if meta := tx.Bucket(bucketMeta); meta != nil {
			return checkDocuments(tx, meta)
		}
		for _, name := range [][]byte{bucketDocuments, bucketNumbers, bucketBefore, bucketMeta} {
			if _, err := tx.CreateBucket(name); err != nil {
				return fmt.Errorf("embedded: prepare documents: %w", err)
			}
		}
		identity := make([]byte, 16)
		rand.Read(identity)
		meta := tx.Bucket(bucketMeta)
		return errors.Join(meta.Put(keyFormat, []byte{format}), meta.Put(keyIdentity, identity), putSequence(tx, 0))
	})
}

// checkDocuments checks what an existing file holds.
func checkDocuments(tx *bolt.Tx, meta *bolt.Bucket) error {
	if f := meta.Get(keyFormat); len(f) != 1 || f[0] != format {
		return fmt.Errorf("%w: format %v, this version writes %d", ErrFormat, f, format)
	}
	if len(meta.Get(keyIdentity)) != 16 || len(meta.Get(keySequence)) != 8 ||
		tx.Bucket(bucketDocuments) == nil || tx.Bucket(bucketNumbers) == nil || tx.Bucket(bucketBefore) == nil {
		return fmt.Errorf("%w: the documents file lacks a part", ErrCorrupt)
	}
	return nil
}

func sequence(tx *bolt.Tx) uint64 {
	return binary.BigEndian.Uint64(tx.Bucket(bucketMeta).Get(keySequence))
}

func putSequence(tx *bolt.Tx, n uint64) error {
	return tx.Bucket(bucketMeta).Put(keySequence, binary.BigEndian.AppendUint64(nil, n))
}

// lookup returns the stored document of a DID, nil if there is none. It is valid
// until the transaction ends.
func lookup(tx *bolt.Tx, did string) []byte {
	number := tx.Bucket(bucketNumbers).Get([]byte(did))
	if number == nil {
		return nil
	}
	return tx.Bucket(bucketDocuments).Get(number)
}

// stored is a document as the file holds it, with the fence of its last writer.
type stored struct {
	fence uint64
	kind  oip.Kind
	did   string
	json  []byte
}

// storedHeader is the length of what has a fixed length: 8 bytes of fence, one
// of the kind's length, two of the DID's.
const storedHeader = 11

// encodeStored writes the header, the kind, the DID and the JSON.
func encodeStored(d stored) []byte {
	b := make([]byte, 0, storedHeader+len(d.kind)+len(d.did)+len(d.json))
	b = binary.BigEndian.AppendUint64(b, d.fence)
	b = append(b, byte(len(d.kind)))
	b = binary.BigEndian.AppendUint16(b, uint16(len(d.did)))
	b = append(b, d.kind...)
	b = append(b, d.did...)
	return append(b, d.json...)
}

// decodeStored reads what encodeStored wrote; the JSON is a part of b.
func decodeStored(b []byte) (stored, error) {
	if len(b) < storedHeader {
		return stored{}, fmt.Errorf("%w: a document of %d bytes", ErrCorrupt, len(b))
	}
	kindEnd := storedHeader + int(b[8])
	didEnd := kindEnd + int(binary.BigEndian.Uint16(b[9:]))
	if len(b) < didEnd {
		return stored{}, fmt.Errorf("%w: a document of %d bytes", ErrCorrupt, len(b))
	}
	return stored{
		fence: binary.BigEndian.Uint64(b),
		kind:  oip.Kind(b[storedHeader:kindEnd]),
		did:   string(b[kindEnd:didEnd]),
		json:  b[didEnd:],
	}, nil
}
