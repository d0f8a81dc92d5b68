package config

import (
	"fmt"
	"slices"
)

// misspelt gives a hint for each name in the environment that is nearly the name
// of a variable: one edit away, or two when it is at least eight bytes long.
// Names shorter than six bytes are left alone, they resemble too much.
func misspelt(environ map[string]string) []string {
	var known []string
	for _, v := range table(&Config{}) {
		known = append(known, v.name)
		if v.older != "" {
			known = append(known, v.older)
		}
	}
	var hints []string
	for name := range environ {
		if len(name) < 6 || slices.Contains(known, name) {
			continue
		}
		best, distance := "", 3
		if len(name) < 8 {
			distance = 2
		}
		for _, k := range known {
			if d := editDistance(name, k, distance); d < distance {
				best, distance = k, d
			}
		}
		if best != "" {
			hints = append(hints, fmt.Sprintf("%s is not a variable of this program: is %s meant?", name, best))
		}
	}
	slices.Sort(hints)
	return hints
}

// editDistance counts the insertions, deletions and substitutions of a byte
// that turn a into b. It stops at limit, so that it costs little for texts of
// different lengths.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	previous := make([]int, len(b)+1)
	current := make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := range len(a) {
		current[0] = i + 1
		for j := range len(b) {
			change := previous[j]
			if a[i] != b[j] {
				change++
			}
			current[j+1] = min(change, previous[j+1]+1, current[j]+1)
		}
		previous, current = current, previous
	}
	return min(previous[len(b)], limit)
}
