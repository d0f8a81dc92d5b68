//go:build race

package indexer

// defaultSeeds is smaller under the race detector, which is five times slower;
// without it every seed runs.
const defaultSeeds = 24

// raceEnabled says so to the tests outside of this package.
const raceEnabled = true
