package sandbox

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
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

// tick is the unit in which the kernel tells the time of a processor, whatever its own is.
const tick = 10 * time.Millisecond

// processor is the time of processors that a process has used since its start.
func processor(pid int) (time.Duration, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	return processorTime(text)
}

// processorTime reads the kernel's line about a process: numbers behind its name, which
// stands in brackets and may have any bytes in it. The 12th and 13th are ticks.
func processorTime(text []byte) (time.Duration, bool) {
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0, false
	}
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil || n < 0 || n > int64(100*365*24*time.Hour/tick) {
			return 0, false
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, true
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
