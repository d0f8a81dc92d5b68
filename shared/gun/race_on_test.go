//go:build race

package gun

// raceEnabled says that the race detector is on, which makes everything slower.
const raceEnabled = true

const defaultSeeds = 2
