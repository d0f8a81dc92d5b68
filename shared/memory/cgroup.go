package memory

import (
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// group is a control group that the process is in: where its hierarchy may be mounted,
// its path there, and the file that holds its limit.
type group struct {
	mounts []string
	path   string
	file   string
}

// container is the least memory limit of the control groups that the process is in, 0
// when there is none. A limit holds for everything below, so each level counts. Inside
// of a container the path may be the one that the host sees, of which nothing but the
// mount itself is there.
func (r Reader) container() int64 {
	least := int64(math.MaxInt64)
	for _, g := range parseGroups(r.text("proc/self/cgroup")) {
		for _, mount := range g.mounts {
			for at := g.path; ; at = path.Dir(at) {
				if limit, ok := parseLimit(r.text(path.Join(mount, at, g.file))); ok {
					least = min(least, limit)
				}
				if at == "/" {
					break
				}
			}
		}
	}
	if least == math.MaxInt64 {
		return 0
	}
	return least
}

// maxDepth is how many levels of control groups are looked at.
const maxDepth = 64

// parseGroups finds the groups of /proc/self/cgroup that can have a memory limit: lines
// are ID:controllers:path, and the one without controllers is of version 2.
func parseGroups(text string) []group {
	var groups []group
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimRight(line, "\n"), ":", 3)
		if len(parts) != 3 || !strings.HasPrefix(parts[2], "/") || strings.Count(parts[2], "/") > maxDepth {
			continue
		}
		at := path.Clean(parts[2]) // another namespace's path can begin with /..
		switch {
		case parts[1] == "":
			groups = append(groups, group{[]string{"sys/fs/cgroup", "sys/fs/cgroup/unified"}, at, "memory.max"})
		case slices.Contains(strings.Split(parts[1], ","), "memory"):
			groups = append(groups, group{[]string{"sys/fs/cgroup/memory"}, at, "memory.limit_in_bytes"})
		}
	}
	return groups
}

// unlimited is what no machine has. Version 1 writes a number near the largest one where
// there is no limit, version 2 the word max.
const unlimited = 1 << 60

func parseLimit(text string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	return n, err == nil && n > 0 && n < unlimited
}
