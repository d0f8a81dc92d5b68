//go:build !race

package remote_test

// raceDetector says that every access to memory is watched, which takes memory.
const raceDetector = false
