package memory

import "golang.org/x/sys/unix"

// systemMemory is the machine's memory, 0 when the system does not tell.
func systemMemory() int64 {
	n, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return 0
	}
	return int64(n)
}
