//go:build !race

package gun

// raceEnabled says that the race detector is on, which makes everything slower.
const raceEnabled = false

const defaultSeeds = 10
