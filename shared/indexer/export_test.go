package indexer

import (
	"testing"
	"time"

	"oipnode/shared/records"
	"oipnode/shared/state"
)

// World is a world for the tests outside of this package, which import what imports
// this package.
type World struct{ *world }

// NewWorld makes a random chain of about size transactions that goes on for steps.
func NewWorld(t testing.TB, seed uint64, steps int64, size int) World {
	w := newWorld(t, seed, 1, false)
	w.populate(w.chain.Tip(), steps, size)
	return World{w}
}

// Step moves the chain on: late data, a higher tip, perhaps a fork.
func (w World) Step() { w.step() }

// Settings are those of a runner over these stores.
func (w World) Settings(rec records.Store, st state.Store) Options {
	return w.options(rec, st, "parity")
}

// Now is the world's clock, Advance moves it.
func (w World) Now() time.Time          { return w.clock.Now() }
func (w World) Advance(d time.Duration) { w.clock.Advance(d) }

// Race says that the race detector is on, which makes everything several times slower.
const Race = raceEnabled

// Start is the first height of interest of every world.
const Start = worldStart

// Spaces are all spaces of the state store that the pipeline writes.
func Spaces() []string {
	spaces := []string{spaceChain, spaceTx, spaceDue, spaceNeed, spaceRejected, spaceCount, spaceTomb, spaceRemoval, spaceCreator, spaceRelabel, spaceAudit}
	for _, ns := range []namespace{creators, organizations} {
		for _, s := range []string{spaceClaim, spaceClaimOf, spaceClaimBy, spaceHolder} {
			spaces = append(spaces, s+string(ns))
		}
	}
	return append(spaces, sweepKey(creators).Space)
}
