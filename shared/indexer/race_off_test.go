//go:build !race

package indexer

// defaultSeeds is how many random worlds the tests try unless told otherwise.
const defaultSeeds = 200

// raceEnabled says so to the tests outside of this package.
const raceEnabled = false
