package embedded

import (
	"math"

	"github.com/RoaringBitmap/roaring/v2"

	"oipnode/shared/records"
)

// scoreBlock is how many documents are added up at a time.
const scoreBlock = 1 << 16

// scores are the sums of a Query's Score. They are added up for a block of document
// numbers when one of it is asked for: documents are ranked in the order of their
// numbers, so each block is added up once, and memory is that of a block.
type scores struct {
	parts []scoredPart
	block uint32 // the one that sums has
	sums  []int64
}

type scoredPart struct {
	docs   *roaring.Bitmap
	points int64
}

// score evaluates the parts of a score for the matches.
func (m *matcher) score(parts []records.Scored, matches *roaring.Bitmap) (*scores, error) {
	s := &scores{block: math.MaxUint32}
	for _, part := range parts {
		docs, err := m.match(part.Where, matches)
		if err != nil {
			return nil, err
		}
		if !docs.IsEmpty() {
			s.parts = append(s.parts, scoredPart{docs, part.Points})
		}
	}
	return s, nil
}

// of is the score of one of the matches.
func (s *scores) of(doc uint32) int64 {
	if block := doc / scoreBlock; block != s.block {
		s.add(block)
	}
	return s.sums[doc%scoreBlock]
}

// add adds up a block.
func (s *scores) add(block uint32) {
	if s.sums == nil {
		s.sums = make([]int64, scoreBlock)
	}
	clear(s.sums)
	s.block = block
	for _, part := range s.parts {
		docs := part.docs.Iterator()
		docs.AdvanceIfNeeded(block * scoreBlock)
		for docs.HasNext() {
			doc := docs.Next()
			if doc/scoreBlock != block {
				break
			}
			s.sums[doc%scoreBlock] += part.points
		}
	}
}
