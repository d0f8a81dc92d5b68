package canon

import "iter"

// Members are the keys and values of an object in JavaScript's order; other
// kinds have none. Keys that are array indexes (0 to 4294967294 in decimal
// without leading zeros) come first, ascending, then the others in the order in
// which the text first has them. Of a key that the text repeats the last value
// counts, at the place of the first. __proto__ is a key like any other. Keys are
// decoded as Text does, and compared as decoded.
//
// Memory is linear: 16 bytes a member, the text of the keys, and a hash table of
// eight to sixteen bytes a member if there are more than a few. The keys of one
// object share their memory: who keeps one for long clones it.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		members, keys := v.list()
		for _, m := range members {
			if !yield(keys[m.key:m.keyEnd], Value{v.raw[m.start:m.end]}) {
				return
			}
		}
	}
}

// Get returns the value that JavaScript finds under a key of an object: the last
// one. It reads the object once and keeps nothing; ok is false if there is no
// such key, and for other kinds. The key is WTF-8.
func (v Value) Get(key string) (value Value, ok bool) {
	value, _, ok = v.Find(key)
	return value, ok
}

// Find is Get that also tells where in v.Raw the value begins, for those who copy the
// text around it.
func (v Value) Find(key string) (value Value, at int, ok bool) {
	var scratch []byte
	for m := range v.pairs() {
		scratch = decode(scratch[:0], v.raw[m.key:m.keyEnd])
		if string(scratch) == key {
			value, at, ok = Value{v.raw[m.start:m.end]}, int(m.start), true
		}
	}
	return value, at, ok
}

// member says where a member of an object lies. MaxLength keeps every offset
// below 2^32, also those into canonical text, which is at most six times as long.
type member struct {
	key, keyEnd uint32 // the key, in one buffer
	start, end  uint32 // the value (or the member as a whole), in the same or another
}

// pairs are the members as they stand in the text, repeated keys repeated; the
// key is the body of its literal, not decoded, and all offsets are into v.raw.
func (v Value) pairs() iter.Seq[member] {
	return func(yield func(member) bool) {
		if v.Kind() != Object {
			return
		}
		for i := skipSpace(v.raw, 1); v.raw[i] != '}'; {
			keyEnd := skipString(v.raw, i)
			start := skipSpace(v.raw, skipSpace(v.raw, keyEnd)+1)
			end := skipValue(v.raw, start)
			if !yield(member{uint32(i + 1), uint32(keyEnd - 1), uint32(start), uint32(end)}) {
				return
			}
			i = skipComma(v.raw, end)
		}
	}
}

// list returns the members in order, and the text that holds their keys.
func (v Value) list() ([]member, string) {
	count := 0
	for range v.pairs() {
		count++
	}
	members := make([]member, 0, count)
	var keys []byte
	for m := range v.pairs() {
		key := len(keys)
		keys = decode(keys, v.raw[m.key:m.keyEnd])
		members = append(members, member{uint32(key), uint32(len(keys)), m.start, m.end})
	}
	var o orderer
	members, _ = o.order(members, keys)
	return members, string(keys)
}
