package media

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// ErrCorrupt is returned by Verify for an object that does not hold what its name
// promises.
var ErrCorrupt = errors.New("media: the object is damaged")

// Verify reads an object that was put by its content, and returns ErrCorrupt when
// it is not that content any more. ErrInvalid for a name that promises none. Its
// memory is constant.
func Verify(ctx context.Context, s Store, name string) (err error) {
	want, ok := ContentSum(name)
	if !ok {
		return fmt.Errorf("%w: the name %q promises no content", ErrInvalid, shorten(name))
	}
	r, err := s.Open(ctx, name, Range{})
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	hash := sha256.New()
	if _, err := io.Copy(hash, r); err != nil {
		return fmt.Errorf("verify %s: %w", name, err)
	}
	if got := [32]byte(hash.Sum(nil)); got != want {
		return fmt.Errorf("%w: %s holds %x", ErrCorrupt, name, got)
	}
	return nil
}
