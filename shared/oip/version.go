package oip

import (
	"strconv"
	"strings"
)

// version is a semantic version, as far as its order matters here.
type version struct {
	major, minor, patch uint64
	pre                 bool // a pre-release is below its release
}

// oldestVersion is the oldest that is indexed (spec section 2).
var oldestVersion = version{major: 0, minor: 8, patch: 0}

// parseVersion reads MAJOR.MINOR.PATCH with an optional -pre and +build.
func parseVersion(s string) (version, bool) {
	if len(s) > 64 {
		return version{}, false
	}
	s, build, hasBuild := strings.Cut(s, "+")
	s, pre, hasPre := strings.Cut(s, "-")
	if hasBuild && build == "" || hasPre && pre == "" {
		return version{}, false
	}
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return version{}, false
	}
	var n [3]uint64
	for i, p := range parts {
		if p == "" || len(p) > 1 && p[0] == '0' {
			return version{}, false
		}
		var err error
		if n[i], err = strconv.ParseUint(p, 10, 32); err != nil {
			return version{}, false
		}
	}
	return version{n[0], n[1], n[2], hasPre}, true
}

// less reports whether v is older than w.
func (v version) less(w version) bool {
	switch {
	case v.major != w.major:
		return v.major < w.major
	case v.minor != w.minor:
		return v.minor < w.minor
	case v.patch != w.patch:
		return v.patch < w.patch
	}
	return v.pre && !w.pre
}
