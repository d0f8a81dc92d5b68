package api

import (
	"testing"
	"time"

	"oipnode/shared/epoch"
)

// TestWhole: the number of all records that a caller may read is kept for a second, by
// the condition that holds the caller's rule, and never beyond its epoch.
func TestWhole(t *testing.T) {
	k, searches := newKeeping(t)
	k.publish(post("one", startHeight), post("two", startHeight+1), restricted("three", "post", startHeight+5, fields{0: "private", 1: "owner"}))
	owner := token(t, "owner")
	k.ok(owner, "/api/creators") // the organizations are read
	n := 0
	expect := func(what, tok string, wantSearches int64, total, latest string, params ...string) {
		t.Helper()
		// A query that was not asked before, so that its answer is not kept, and whose
		// page is not the beginning of the whole.
		n++
		before := searches.n.Load()
		answer := k.ok(tok, "/api/records", append([]string{"dateEnd", "2000000000", "inArweaveBlock", "1000", "tagPage", string(number(int64(n)))}, params...)...)
		if got := searches.n.Load() - before; got != wantSearches {
			t.Errorf("%s: %d searches, want %d", what, got, wantSearches)
		}
		k.expect(answer, "totalRecords", total, "latestArweaveBlockInDB", latest)
	}
	expect("the first", "", 2, "2", "1001")
	expect("the second", "", 1, "2", "1001")
	expect("another caller", owner, 2, "3", "1005")
	expect("that one again", owner, 1, "3", "1005")
	expect("with delete messages", "", 2, "2", "1001", "includeDeleteMessages", "true")
	expect("the first again", "", 1, "2", "1001")

	k.publish(post("four", startHeight+9)) // as another process would, unnoticed as yet
	expect("within the second", "", 1, "2", "1001")
	expect("past every cache", "", 2, "3", "1009", "forceRefresh", "true")
	expect("behind that, which is kept for nobody", "", 1, "2", "1001")
	k.publish(post("five", startHeight+10))
	k.gone.Add(int64(wholeLife))
	expect("a second later", "", 2, "4", "1010")

	if err := k.opt.State.Commit(t.Context(), epoch.Op()); err != nil {
		t.Fatal(err)
	}
	k.publish(post("six", startHeight+11))
	k.gone.Add(int64(time.Second))
	expect("another epoch", "", 2, "5", "1011")
	expect("while it is not settled", "", 2, "5", "1011")
	k.gone.Add(int64(10 * time.Second))
	expect("settled", "", 2, "5", "1011")
	expect("settled, again", "", 1, "5", "1011")
}
