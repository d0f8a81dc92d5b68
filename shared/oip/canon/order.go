package canon

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"slices"
)

// fewMembers is up to how many members it is cheaper to compare each with each
// than to fill a hash table.
const fewMembers = 8

// orderer puts members into JavaScript's order. It keeps its hash table for the
// next object.
type orderer struct {
	seed  maphash.Seed
	slots []uint32 // a member's number plus one, or 0
	work  int      // keys compared and slots looked at, for the tests of linearity
}

// order removes repeated keys and sorts, in place. keys is the buffer that the
// key offsets are about, which must ascend. changed is false if the members were
// in order already.
func (o *orderer) order(members []member, keys []byte) (ordered []member, changed bool) {
	ordered = o.unique(members, keys)
	changed = len(ordered) < len(members)
	compare := func(a, b member) int {
		o.work++
		return compareMembers(a, b, keys)
	}
	if !slices.IsSortedFunc(ordered, compare) {
		slices.SortFunc(ordered, compare)
		changed = true
	}
	return ordered, changed
}

// compareMembers puts array indexes first, by number, and the rest by the offset
// of their keys, which is the order of first appearance.
func compareMembers(a, b member, keys []byte) int {
	x, y := keys[a.key:a.keyEnd], keys[b.key:b.keyEnd]
	switch xIndex, yIndex := isIndex(x), isIndex(y); {
	case xIndex && yIndex:
		// Without leading zeros, the longer number is the larger one.
		return cmp.Or(cmp.Compare(len(x), len(y)), bytes.Compare(x, y))
	case xIndex:
		return -1
	case yIndex:
		return 1
	}
	return cmp.Compare(a.key, b.key)
}

// isIndex reports whether a key is an array index of ECMAScript: the decimal
// form of an integer from 0 to 2^32-2.
func isIndex(key []byte) bool {
	const largest = "4294967294"
	if len(key) == 0 || len(key) > len(largest) || key[0] == '0' && len(key) > 1 {
		return false
	}
	for _, c := range key {
		if !isDigit(c) {
			return false
		}
	}
	return len(key) < len(largest) || string(key) <= largest
}

// unique gives the first member of each key the place of the last one's value,
// and removes the others, in expected linear time: the hash is seeded at random,
// so that no text can be made to collide.
func (o *orderer) unique(members []member, keys []byte) []member {
	n := 0
	if len(members) > fewMembers {
		o.reset(len(members))
	}
	for _, m := range members {
		first := n
		if len(members) > fewMembers {
			first = o.find(members[:n], m, keys)
		} else {
			o.work += n
			if i := slices.IndexFunc(members[:n], func(x member) bool { return sameKey(x, m, keys) }); i >= 0 {
				first = i
			}
		}
		if first < n {
			members[first].start, members[first].end = m.start, m.end
			continue
		}
		members[n] = m
		n++
	}
	return members[:n]
}

func sameKey(a, b member, keys []byte) bool {
	return bytes.Equal(keys[a.key:a.keyEnd], keys[b.key:b.keyEnd])
}

// reset empties the hash table and makes it at least twice as large as n.
func (o *orderer) reset(n int) {
	size := 1
	for size < 2*n {
		size *= 2
	}
	if o.slots == nil {
		o.seed = maphash.MakeSeed()
	}
	if cap(o.slots) < size {
		o.slots = make([]uint32, size)
		return
	}
	o.slots = o.slots[:size]
	clear(o.slots)
}

// find returns the number of the member with the same key as m, or, after noting
// it in the hash table, the number that m will get.
func (o *orderer) find(members []member, m member, keys []byte) int {
	mask := uint64(len(o.slots) - 1)
	for h := maphash.Bytes(o.seed, keys[m.key:m.keyEnd]); ; h++ {
		o.work++
		slot := &o.slots[h&mask]
		if *slot == 0 {
			*slot = uint32(len(members) + 1)
			return len(members)
		}
		if i := int(*slot - 1); sameKey(members[i], m, keys) {
			return i
		}
	}
}
