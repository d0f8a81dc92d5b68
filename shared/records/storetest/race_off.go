//go:build !race

package storetest

// raced says that the race detector is on, which makes everything several times slower.
const raced = false
