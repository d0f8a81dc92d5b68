package records

import (
	"cmp"
	"slices"
)

// Top keeps the MaxBuckets largest of any number of buckets, for the engines' Counts. It
// holds at most twice as many at a time.
type Top struct {
	kept     []Bucket
	distinct int64
}

// Add takes a value, which must not come again, and the number of its documents.
func (t *Top) Add(value string, count int64) {
	t.distinct++
	t.kept = append(t.kept, Bucket{Value: value, Count: count})
	if len(t.kept) >= 2*MaxBuckets {
		t.sort()
	}
}

func (t *Top) sort() {
	slices.SortFunc(t.kept, func(a, b Bucket) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	t.kept = t.kept[:min(len(t.kept), MaxBuckets)]
}

// Counts are the largest buckets in the order that Store.Count has them in, of so many
// documents in all, and how many values more there are.
func (t *Top) Counts(total int64) Counts {
	t.sort()
	return Counts{Total: total, Buckets: t.kept, Other: t.distinct - int64(len(t.kept))}
}
