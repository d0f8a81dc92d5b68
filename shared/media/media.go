// Package media is the store of files: what a media fetch brings in, and the
// small manifests beside it. It knows bytes and names; what a file means, and who
// may read it, is decided above.
//
// Two implementations keep the same contract, proven by one suite (mediatest):
// files in a folder, and an S3 bucket. So nothing here assumes more than whole
// objects under flat names: an object appears complete or not at all, it is
// replaced as a whole, and it is never appended to.
//
// # Names
//
// A name is "kind/leaf", as in "content/9f86d081…" or "manifest/9f86d081….json".
// The kind has 1 to 32 characters, of a to z, 0 to 9 and "-", and begins with a
// letter. The leaf has 2 to 128 characters, of a to z, 0 to 9, ".", "_" and "-";
// its first two and its last are letters or digits. There are no other slashes,
// dots at the ends, or capitals, so that no name leaves its folder, no object is
// in the way of another, and the names mean the same in every file system.
//
// A leaf of exactly 64 hexadecimal digits is the SHA-256 of what the object holds.
// Only Put with ByContent makes such names, so such an object never changes.
//
// # Garbage
//
// A garbage check lists a kind, asks which objects nothing refers to, and deletes
// those whose Modified is older than a grace period. Put renews Modified also when
// the content was there already, so an object that was just put again, and whose
// manifest is about to be written, is young.
package media

import (
	"context"
	"errors"
	"io"
	"time"
)

// Limits that every implementation keeps. CheckUpload, CheckRange, CheckLink and
// CheckList enforce them for every implementation alike.
const (
	// MaxSize is the largest object in bytes: 10,000 parts, the most that S3 takes,
	// of 5 MiB, so that the memory of a Put does not grow with the object.
	MaxSize = 10_000 * (5 << 20)
	// MaxList is the most objects one List returns, whatever limit was asked.
	MaxList = 1000
	// MaxLink is the longest life of a signed URL.
	MaxLink = time.Hour
	// MaxHeader is the longest value in bytes that a signed URL may have answered.
	MaxHeader = 512
)

var (
	// ErrNotFound is returned for an object that is not there.
	ErrNotFound = errors.New("media: no such object")
	// ErrExists is returned by Put with IfAbsent when the name is taken.
	ErrExists = errors.New("media: the object exists")
	// ErrInvalid is returned for a name or an argument that no store accepts; the
	// text names the argument and what is allowed.
	ErrInvalid = errors.New("media: invalid argument")
	// ErrTooLarge is returned by Put when the body is longer than its limit.
	ErrTooLarge = errors.New("media: over the size limit")
	// ErrRange is returned by Open for a range that begins at or behind the end.
	ErrRange = errors.New("media: the range begins behind the end")
	// ErrChanged is returned when the object is not the version that was asked
	// for, by Open or in the middle of reading.
	ErrChanged = errors.New("media: the object was replaced")
	// ErrNoURL is returned by URL of a store whose objects have none: the caller
	// serves the bytes itself.
	ErrNoURL = errors.New("media: this store has no URLs")
	// ErrUnavailable is returned when the store cannot be reached, is overloaded or
	// full, for longer than it is willing to wait. A read may be repeated, and so
	// may a Put whose body can be had again.
	ErrUnavailable = errors.New("media: store unavailable")
)

// Object is what is known of a stored object without reading it.
type Object struct {
	Name string
	// Size is its length in bytes.
	Size int64
	// Modified is when it was last put.
	Modified time.Time
	// Version changes whenever other bytes are put under the name. It is opaque, at
	// most 128 printable ASCII characters without quotes, and serves as an ETag.
	Version string
}

// Upload is what Put stores.
type Upload struct {
	// Body is read once, to its end. Put does not return while a Read blocks, so a
	// body from a network must end with the context of the call.
	Body io.Reader
	// Name is the object's name, or, with ByContent, its kind alone.
	Name string
	// ByContent gives the object the name ContentName(Name, SHA-256 of the body).
	// The same content is one object, however often it is put.
	ByContent bool
	// IfAbsent makes Put fail with ErrExists when the name is taken. It goes with a
	// name only: with ByContent, who is first makes no difference.
	IfAbsent bool
	// Limit is the most bytes the body may have, 1 to MaxSize; 0 means MaxSize.
	Limit int64
}

// Stored is what Put stored.
type Stored struct {
	Name   string
	Size   int64
	SHA256 [32]byte
}

// Range is the part of an object that Open reads. The zero value is all of it.
type Range struct {
	// Offset is the first byte, from 0.
	Offset int64
	// Length is how many bytes are wanted; fewer come when the object ends before.
	// 0 means all to the end.
	Length int64
	// Version is the version that is wanted, "" for the present one.
	Version string
}

// Reader reads one version of an object, whatever happens to the name meanwhile.
// Close must be called; a Read behind it fails.
type Reader struct {
	io.ReadCloser
	// Object is the whole object, not the range.
	Object Object
	// Length is how many bytes the range has. A Read that cannot deliver all of
	// them ends with an error, never with an early io.EOF.
	Length int64
}

// Link says what a signed URL is like. Type and Disposition are answered as
// Content-Type and Content-Disposition when they are not empty; they are printable
// ASCII of at most MaxHeader bytes.
type Link struct {
	// Life is how long the URL is good for, a second to MaxLink.
	Life              time.Duration
	Type, Disposition string
}

// Store is the seam. Every method is safe for concurrent use and honours its
// context. No method's memory grows with the size or the number of objects.
type Store interface {
	// Put reads the body to its end and stores it, hashing on the way. The object is
	// visible only when it is complete, and durable when Put returns. If Put fails,
	// nothing is visible, and an object that was there is as it was; only after
	// ErrUnavailable or the context's error may it have come about all the same. What
	// an attempt leaves behind is found by the implementation's Sweep. An error of
	// the body is in the chain of the error that Put returns. An empty body is fine.
	Put(ctx context.Context, u Upload) (Stored, error)
	// Stat returns the object, or ErrNotFound.
	Stat(ctx context.Context, name string) (Object, error)
	// Open returns a reader of a range. ErrNotFound, ErrRange for an offset that is
	// not inside the object (0 is inside an empty one), ErrChanged. The context
	// governs the reading as well.
	Open(ctx context.Context, name string, r Range) (*Reader, error)
	// URL returns an address where anybody can GET the object, ranges too, until its
	// life is over. It does not look whether the object exists. ErrNoURL.
	URL(ctx context.Context, name string, l Link) (string, error)
	// List returns the objects of a kind in ascending byte order of their names,
	// those behind the name after, which need not exist; "" begins. At most limit
	// (1 to MaxList; a larger limit means MaxList). Fewer than that means that there
	// are no more. Pages never overlap, nor skip an object that was there all the
	// time.
	List(ctx context.Context, kind, after string, limit int) ([]Object, error)
	// Delete removes an object. An absent one is fine.
	Delete(ctx context.Context, name string) error
}
