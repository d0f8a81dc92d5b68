// Package layout holds the rules of the house that no compiler or linter checks:
// which entries the top level has, how long a file may be, who may read the
// environment and who may end the process. They are tests, so that breaking one
// is noticed by whoever does it.
package layout
