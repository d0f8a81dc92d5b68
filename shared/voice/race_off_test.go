//go:build !race

package voice

// raceDetector says that every access to memory is watched, which takes its time.
const raceDetector = false
