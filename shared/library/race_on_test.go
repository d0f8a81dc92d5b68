//go:build race

package library_test

// raceDetector says that every access to memory is watched, which takes its time.
const raceDetector = true
