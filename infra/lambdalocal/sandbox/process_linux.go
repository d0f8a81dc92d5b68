package sandbox

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// attributes put the process into a group of its own: Ctrl-C in a terminal then
// reaches only us, and we end it in order. If we are killed, the kernel kills it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// killGroup kills a process that leads a group, with all of the group.
func killGroup(p *os.Process) {
	_ = syscall.Kill(-p.Pid, syscall.SIGKILL) // it may have ended by itself
	_ = p.Kill()
}

// memory is the resident memory of a process, and the most that it has had, in bytes.
func memory(pid int) (now, peak int64, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, false
	}
	now, ok1 := kilobytes(text, "VmRSS:")
	peak, ok2 := kilobytes(text, "VmHWM:")
	return now, max(now, peak), ok1 && ok2
}

// kilobytes reads one line of the kernel's account, in bytes.
func kilobytes(text []byte, name string) (int64, bool) {
	_, after, ok := bytes.Cut(text, []byte(name))
	if !ok {
		return 0, false // a process that has ended has no memory
	}
	fields := bytes.Fields(after[:min(len(after), 40)])
	if len(fields) == 0 {
		return 0, false
	}
	n, err := strconv.ParseInt(string(fields[0]), 10, 64)
	return n << 10, err == nil
}
