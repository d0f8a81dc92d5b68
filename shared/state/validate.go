package state

import (
	"fmt"
	"time"
	"unicode/utf8"
)

// CheckGet says whether Get may be asked for these keys: ErrTooLarge or
// ErrInvalid when not. Implementations call it before anything else.
func CheckGet(keys []Key) error {
	if len(keys) > MaxGet {
		return fmt.Errorf("%w: get of %d keys, at most %d", ErrTooLarge, len(keys), MaxGet)
	}
	for _, k := range keys {
		if err := checkKey(k); err != nil {
			return err
		}
	}
	return nil
}

// CheckCommit says whether these operations could be one Commit, whatever is in
// the store: ErrTooLarge or ErrInvalid when not. Implementations call it before
// anything else.
func CheckCommit(ops []Op) error {
	if len(ops) > MaxOps {
		return fmt.Errorf("%w: commit of %d operations, at most %d", ErrTooLarge, len(ops), MaxOps)
	}
	seen := make(map[Key]struct{}, len(ops))
	size := 0
	for _, op := range ops {
		if err := checkOp(op); err != nil {
			return err
		}
		if _, twice := seen[op.Item.Key]; twice {
			return fmt.Errorf("%w: two operations on %q %q", ErrInvalid, op.Item.Space, op.Item.ID)
		}
		seen[op.Item.Key] = struct{}{}
		size += op.Size()
	}
	if size > MaxCommit {
		return fmt.Errorf("%w: commit of %d bytes, at most %d", ErrTooLarge, size, MaxCommit)
	}
	return nil
}

// CheckRange says whether Range may be asked for this: ErrTooLarge or ErrInvalid
// when not. The bounds may be one byte longer than an ID, since a page goes on
// from the last ID + "\x00".
func CheckRange(space, from, to string, limit int) error {
	if err := checkPart("space", space); err != nil {
		return err
	}
	if limit < 1 {
		return fmt.Errorf("%w: range with limit %d", ErrInvalid, limit)
	}
	for _, bound := range []string{from, to} {
		if len(bound) > MaxKey+1 {
			return fmt.Errorf("%w: range bound of %d bytes, at most %d", ErrTooLarge, len(bound), MaxKey+1)
		}
		if !utf8.ValidString(bound) {
			return fmt.Errorf("%w: range bound %q is not UTF-8", ErrInvalid, bound)
		}
	}
	return nil
}

// Size is what the operation counts towards MaxCommit, in bytes.
func (o Op) Size() int { return len(o.Item.Space) + len(o.Item.ID) + len(o.Item.Value) }

// Seconds returns a moment as whole seconds since 1970, rounded up: the form in
// which every implementation stores an expiry. 0 stands for the zero time, and
// any other moment gives at least 1, so that a moment before 1970 is still past.
func Seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	s := t.Unix()
	if t.Nanosecond() > 0 {
		s++
	}
	return max(s, 1)
}

func checkOp(op Op) error {
	if err := checkKey(op.Item.Key); err != nil {
		return err
	}
	if len(op.Item.Value) > MaxValue {
		return fmt.Errorf("%w: value of %d bytes, at most %d", ErrTooLarge, len(op.Item.Value), MaxValue)
	}
	switch op.Kind {
	case OpPut, OpCreate, OpDelete, OpCheck, OpAdd:
	case OpUpdate, OpDeleteIf:
		// No stored item has version 0, so the caller never read what it wants to
		// replace: a mistake, which as a conflict would be retried for ever.
		if op.Item.Version == 0 {
			return fmt.Errorf("%w: condition on version 0 of %q %q", ErrInvalid, op.Item.Space, op.Item.ID)
		}
	default:
		return fmt.Errorf("%w: kind %d", ErrInvalid, op.Kind)
	}
	return nil
}

func checkKey(k Key) error {
	if err := checkPart("space", k.Space); err != nil {
		return err
	}
	return checkPart("id", k.ID)
}

func checkPart(name, s string) error {
	switch {
	case s == "":
		return fmt.Errorf("%w: empty %s", ErrInvalid, name)
	case len(s) > MaxKey:
		return fmt.Errorf("%w: %s of %d bytes, at most %d", ErrTooLarge, name, len(s), MaxKey)
	case !utf8.ValidString(s):
		return fmt.Errorf("%w: %s %q is not UTF-8", ErrInvalid, name, s)
	}
	return nil
}
