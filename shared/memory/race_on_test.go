//go:build race

package memory

// raceEnabled says that the race detector is on: it has memory of its own for each byte that
// is touched.
const raceEnabled = true
