package media

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// The bounds of the two parts of a name.
const (
	maxKind = 32
	minLeaf = 2
	maxLeaf = 128
)

// maxVersion is the longest version that any store gives out.
const maxVersion = 128

// ContentName is the name of an object by its content.
func ContentName(kind string, sum [32]byte) string { return kind + "/" + hex.EncodeToString(sum[:]) }

// ContentSum returns the SHA-256 that a name promises; ok is false for a name that
// was not made from a content.
func ContentSum(name string) (sum [32]byte, ok bool) {
	_, leaf, _ := strings.Cut(name, "/")
	if len(leaf) != hex.EncodedLen(len(sum)) || strings.ToLower(leaf) != leaf {
		return sum, false
	}
	_, err := hex.Decode(sum[:], []byte(leaf))
	return sum, err == nil
}

// CheckName says whether this can be the name of an object: ErrInvalid when not.
func CheckName(name string) error {
	kind, leaf, found := strings.Cut(name, "/")
	if !found {
		return fmt.Errorf(`%w: the name %q is not of the form "kind/leaf"`, ErrInvalid, shorten(name))
	}
	if err := CheckKind(kind); err != nil {
		return err
	}
	if len(leaf) < minLeaf || len(leaf) > maxLeaf {
		return fmt.Errorf("%w: the leaf of the name %q has %d characters, %d to %d are allowed",
			ErrInvalid, shorten(name), len(leaf), minLeaf, maxLeaf)
	}
	for i := range len(leaf) {
		edge := i < minLeaf || i == len(leaf)-1
		if c := leaf[i]; !alphanumeric(c) && (edge || !strings.ContainsRune("._-", rune(c))) {
			return fmt.Errorf(`%w: the leaf of the name %q has %q as character %d; a to z, 0 to 9 and, not among the first two or as the last, ".", "_", "-" are allowed`,
				ErrInvalid, shorten(name), c, i+1)
		}
	}
	return nil
}

// CheckKind says whether this can be the kind of an object: ErrInvalid when not.
func CheckKind(kind string) error {
	if len(kind) < 1 || len(kind) > maxKind {
		return fmt.Errorf("%w: the kind %q has %d characters, 1 to %d are allowed", ErrInvalid, shorten(kind), len(kind), maxKind)
	}
	for i := range len(kind) {
		if c := kind[i]; !alphanumeric(c) && c != '-' || i == 0 && (c < 'a' || c > 'z') {
			return fmt.Errorf(`%w: the kind %q has %q as character %d; a to z and, behind the first, 0 to 9 and "-" are allowed`,
				ErrInvalid, shorten(kind), c, i+1)
		}
	}
	return nil
}

func alphanumeric(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

// shorten keeps a stranger's text short in an error.
func shorten(text string) string {
	const most = 160
	if len(text) <= most {
		return text
	}
	return text[:most] + "…"
}

// CheckUpload says whether a body could be put like this: ErrInvalid when not. It
// returns the limit that counts.
func CheckUpload(u Upload) (limit int64, err error) {
	switch {
	case u.Body == nil:
		return 0, fmt.Errorf("%w: there is no body", ErrInvalid)
	case u.Limit < 0 || u.Limit > MaxSize:
		return 0, fmt.Errorf("%w: a limit of %d bytes, 1 to %d are allowed", ErrInvalid, u.Limit, int64(MaxSize))
	case u.ByContent && u.IfAbsent:
		return 0, fmt.Errorf("%w: IfAbsent does not go with ByContent", ErrInvalid)
	case u.ByContent:
		err = CheckKind(u.Name)
	default:
		err = CheckName(u.Name)
		if _, promised := ContentSum(u.Name); err == nil && promised {
			err = fmt.Errorf("%w: the name %q is that of a content; put it with ByContent", ErrInvalid, u.Name)
		}
	}
	if u.Limit == 0 {
		return MaxSize, err
	}
	return u.Limit, err
}

// CheckOpen says whether a range of this name could be opened: ErrInvalid when not.
func CheckOpen(name string, r Range) error {
	if r.Offset < 0 || r.Length < 0 {
		return fmt.Errorf("%w: a range of %d bytes from %d, neither may be negative", ErrInvalid, r.Length, r.Offset)
	}
	if len(r.Version) > maxVersion || !printable(r.Version) {
		return fmt.Errorf("%w: the version %q is none that a store gives out", ErrInvalid, shorten(r.Version))
	}
	return CheckName(name)
}

// Within returns how many bytes of an object of this size a range has: ErrRange
// when its offset is not inside.
func (r Range) Within(size int64) (int64, error) {
	if r.Offset >= size && (r.Offset > 0 || size > 0) {
		return 0, fmt.Errorf("%w: offset %d of %d bytes", ErrRange, r.Offset, size)
	}
	if rest := size - r.Offset; r.Length == 0 || r.Length > rest {
		return rest, nil
	}
	return r.Length, nil
}

// CheckLink says whether a URL could be made like this: ErrInvalid when not.
func CheckLink(name string, l Link) error {
	if l.Life < time.Second || l.Life > MaxLink {
		return fmt.Errorf("%w: a URL that lives %v, 1s to %v are allowed", ErrInvalid, l.Life, MaxLink)
	}
	for _, h := range []struct{ name, value string }{{"type", l.Type}, {"disposition", l.Disposition}} {
		if len(h.value) > MaxHeader || !printable(h.value) {
			return fmt.Errorf("%w: the %s %q of a URL, printable ASCII of at most %d bytes is allowed",
				ErrInvalid, h.name, shorten(h.value), MaxHeader)
		}
	}
	return CheckName(name)
}

// CheckList says whether this page could be listed: ErrInvalid when not. It returns
// the limit that counts.
func CheckList(kind, after string, limit int) (int, error) {
	if limit < 1 {
		return 0, fmt.Errorf("%w: a list with limit %d, at least 1 is allowed", ErrInvalid, limit)
	}
	if err := CheckKind(kind); err != nil {
		return 0, err
	}
	if after != "" {
		if err := CheckName(after); err != nil {
			return 0, err
		}
		if !strings.HasPrefix(after, kind+"/") {
			return 0, fmt.Errorf("%w: a list of kind %q cannot go on behind %q", ErrInvalid, kind, after)
		}
	}
	return min(limit, MaxList), nil
}

// printable reports whether a text is ASCII without control characters.
func printable(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}
