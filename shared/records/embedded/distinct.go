package embedded

import (
	"hash/maphash"
	"math/bits"

	"github.com/RoaringBitmap/roaring/v2"

	"oipnode/shared/records"
)

// distinctGroup is about how many documents are compared at a time to find the first of
// each name; their names and sort keys are in memory then.
const distinctGroup = 8192

// distinct returns, of all matches with the same FieldDistinct, only the first in the
// order. Memory is a few bytes for each match: most names come once, and these are told
// by a hash; the others are compared in parts of about size documents, each with all
// documents of its names.
func (m *matcher) distinct(matches *roaring.Bitmap, order []records.Sort, given *scores, size int) (*roaring.Bitmap, error) {
	parts, err := m.repeated(matches, size)
	if err != nil {
		return nil, err
	}
	first := matches.Clone()
	for _, docs := range parts {
		kept, err := m.firstOfEach(docs, order, given)
		if err != nil {
			return nil, err
		}
		first.AndNot(docs)
		first.Or(kept)
	}
	return first, nil
}

// eachName calls visit with the hash of the FieldDistinct of each document, in ascending
// order.
func (m *matcher) eachName(docs *roaring.Bitmap, seed maphash.Seed, visit func(doc uint32, hash uint64)) error {
	names, err := newColumn(m.reader, records.FieldDistinct)
	if err != nil {
		return err
	}
	var doc uint32
	hashed := func(name []byte) { visit(doc, maphash.Bytes(seed, name)) }
	for it := docs.Iterator(); it.HasNext(); {
		if err := m.step(); err != nil {
			return err
		}
		doc = it.Next()
		if err := names.visit(doc, hashed); err != nil {
			return err
		}
	}
	return nil
}

// repeated returns the matches whose name may come twice, in parts: all with the same
// name are in the same one.
func (m *matcher) repeated(matches *roaring.Bitmap, size int) ([]*roaring.Bitmap, error) {
	// Eight places or more for each match: of the names that come once one in eight is taken
	// for a repeated one, which costs a comparison and nothing else.
	mask := uint64(1)<<bits.Len64(8*matches.GetCardinality()|64) - 1
	seen, again := make([]uint64, mask/64+1), make([]uint64, mask/64+1)
	seed := maphash.MakeSeed()
	repeats := 0
	err := m.eachName(matches, seed, func(_ uint32, hash uint64) {
		word, bit := (hash&mask)/64, uint64(1)<<(hash%64)
		if seen[word]&bit != 0 {
			again[word] |= bit
			repeats++
		}
		seen[word] |= bit
	})
	if err != nil || repeats == 0 {
		return nil, err
	}
	parts := make([]*roaring.Bitmap, 1+2*repeats/size)
	for i := range parts {
		parts[i] = roaring.New()
	}
	err = m.eachName(matches, seed, func(doc uint32, hash uint64) {
		if again[(hash&mask)/64]&(1<<(hash%64)) != 0 {
			parts[bits.Reverse64(hash)%uint64(len(parts))].Add(doc)
		}
	})
	return parts, err
}

// firstOfEach returns the first document of each name.
func (m *matcher) firstOfEach(docs *roaring.Bitmap, order []records.Sort, given *scores) (*roaring.Bitmap, error) {
	names, err := newColumn(m.reader, records.FieldDistinct)
	if err != nil {
		return nil, err
	}
	all, err := newRanking(m.reader, order, given, nil, 1)
	if err != nil {
		return nil, err
	}
	best := make(map[string]*ranking)
	var group *ranking
	find := func(name []byte) {
		if group = best[string(name)]; group == nil {
			group = &ranking{order: order, levels: all.levels, size: 1}
			best[string(name)] = group
		}
	}
	for it := docs.Iterator(); it.HasNext(); {
		if err := m.step(); err != nil {
			return nil, err
		}
		doc := it.Next()
		if err := names.visit(doc, find); err != nil {
			return nil, err
		}
		if err := group.offer(doc); err != nil {
			return nil, err
		}
	}
	kept := roaring.New()
	for _, r := range best {
		kept.Add(r.hits[0].doc)
	}
	return kept, nil
}
