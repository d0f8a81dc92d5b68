// Package storetest is the suite that every implementation of records.Store
// passes: the contract of package records, as tests. It publishes and verifies
// its documents with package oiptest, as the pipeline would, so it can only
// store what a real store may hold.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, storetest.Harness{Open: open, Reopen: reopen})
//	}
//
// Where the right answer follows from what a document holds, the suite compares
// the store with a plain model: a filter and a sort over a Go slice, over what
// records.Project says of the envelope and of access, and what is read of the data by
// encoding/json alone. So it checks package records' words, leaves and likenesses too.
package storetest

import (
	"testing"

	"oipnode/shared/records"
)

// Harness is how the suite gets at an implementation.
type Harness struct {
	// Open returns an empty store; the harness closes it at the end of the test.
	Open func(t *testing.T) records.Store
	// Reopen closes the store and opens it again with everything in it. It is
	// nil for a store whose documents do not outlive it.
	Reopen func(t *testing.T, s records.Store) records.Store
}

// Run runs the suite; each case has a store of its own.
func Run(t *testing.T, h Harness) {
	cases := []struct {
		name string
		run  func(t *testing.T, s *subject)
	}{
		{"Empty", testEmpty},
		{"PutGet", testPutGet},
		{"PutTwice", testPutTwice},
		{"PutReplaces", testPutReplaces},
		{"GetOrder", testGetOrder},
		{"BytesSurvive", testBytesSurvive},
		{"EnvelopeOnly", testEnvelopeOnly},
		{"MixedBatch", testMixedBatch},
		{"OneDocumentTwice", testOneDocumentTwice},
		{"Fence", testFence},
		{"Delete", testDelete},
		{"PatchHeight", testPatchHeight},
		{"PatchCreator", testPatchCreator},
		{"PatchHidden", testPatchHidden},
		{"PatchOwnHandle", testPatchOwnHandle},
		{"WriteLimits", testWriteLimits},
		{"LargeDocument", testLargeDocument},
		{"Conditions", testConditions},
		{"ExactTerms", testExactTerms},
		{"LongTerms", testLongTerms},
		{"FoldedTerms", testFoldedTerms},
		{"Ranges", testRanges},
		{"Leaves", testLeaves},
		{"LeafKinds", testLeafKinds},
		{"Paths", testPaths},
		{"Refs", testRefs},
		{"Cut", testCut},
		{"Words", testWords},
		{"ManyNear", testManyNear},
		{"Like", testLike},
		{"LongLike", testLongLike},
		{"Access", testAccess},
		{"QueryLimits", testQueryLimits},
		{"EverySort", testEverySort},
		{"OffsetPages", testOffsetPages},
		{"CursorPages", testCursorPages},
		{"CursorAmongChanges", testCursorAmongChanges},
		{"ForeignCursors", testForeignCursors},
		{"Score", testScore},
		{"ScoreCursors", testScoreCursors},
		{"Distinct", testDistinct},
		{"DistinctMany", testDistinctMany},
		{"CountBy", testCountBy},
		{"RefsOnly", testRefsOnly},
		{"Count", testCount},
		{"CountManyValues", testCountManyValues},
		{"Random", testRandom},
		{"Generated", testGenerated},
		{"Cancelled", testCancelled},
		{"Concurrent", testConcurrent},
		{"Reopen", testReopen},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.run(t, &subject{T: t, Store: h.Open(t), harness: h, model: make(model)})
		})
	}
}
