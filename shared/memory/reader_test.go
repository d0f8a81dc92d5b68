package memory

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

const machine = "MemTotal:        1048576 kB\nMemFree:  12 kB\n" // 1 GiB

func TestLimit(t *testing.T) {
	const v1max = "9223372036854771712\n"
	for _, c := range []struct {
		name     string
		function int64
		files    map[string]string
		want     int64
		by       Source
	}{
		{"nothing is told", 0, nil, 0, SourceUnknown},
		{"the machine", 0, map[string]string{"proc/meminfo": machine}, 1024 * mib, SourceMachine},
		{"a function, whatever is around it", 512 * mib, map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1048576\n"}, 512 * mib, SourceFunction},
		{"version 2", 0, map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "268435456\n"}, 256 * mib, SourceContainer},
		{"version 2, a parent has less", 0, map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "268435456\n",
			"sys/fs/cgroup/a/memory.max": "134217728\n", "sys/fs/cgroup/memory.max": "max\n"}, 128 * mib, SourceContainer},
		{"version 2, a parent alone has one", 0, map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n",
			"sys/fs/cgroup/a/memory.max": "134217728\n"}, 128 * mib, SourceContainer},
		{"version 2, no limit", 0, map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}, 1024 * mib, SourceMachine},
		{"version 2, the path of the host", 0, map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/system.slice/docker-1.scope\n", "sys/fs/cgroup/memory.max": "134217728\n"}, 128 * mib, SourceContainer},
		{"version 2, the path of another namespace", 0, map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/../../other\n", "sys/fs/cgroup/memory.max": "134217728\n"}, 128 * mib, SourceContainer},
		{"more than the machine has", 0, map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "2147483648\n"}, 1024 * mib, SourceMachine},
		{"no machine is told", 0, map[string]string{
			"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "2147483648\n"}, 2048 * mib, SourceContainer},
		{"version 1", 0, map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "5:cpu:/x\n4:memory:/docker/1\n0::/\n",
			"sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": "67108864\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": v1max}, 64 * mib, SourceContainer},
		{"version 1, the path of the host", 0, map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "4:cpu,memory:/docker/1\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "67108864\n"}, 64 * mib, SourceContainer},
		{"version 1, no limit", 0, map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": v1max}, 1024 * mib, SourceMachine},
		{"both versions", 0, map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "4:memory:/x\n0::/y\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes": v1max,
			"sys/fs/cgroup/unified/y/memory.max": "33554432\n"}, 32 * mib, SourceContainer},
		{"no numbers", 0, map[string]string{
			"proc/meminfo": "MemTotal: many kB\n", "proc/self/cgroup": "memory\n::\n0:::\n0::relative\n0::/\n", "sys/fs/cgroup/memory.max": "-1\n"}, 0, SourceUnknown},
	} {
		r := Reader{Function: c.function, Root: tree(t, c.files)}
		if got, by := r.limit(); got != c.want || by != c.by {
			t.Errorf("%s: %d by %s, want %d by %s", c.name, got, by, c.want, c.by)
		}
	}
}

// TestStatus: shared pages count, mapped files do not, and what is left of the process's
// own memory is external.
func TestStatus(t *testing.T) {
	root := tree(t, map[string]string{"proc/meminfo": machine,
		"proc/self/status": "Name:\tnode\nVmRSS:\t 1048576 kB\nRssAnon:\t  524288 kB\nRssFile:\t  516096 kB\nRssShmem:\t    8192 kB\nThreads:\t9\n"})
	s := Reader{Root: root, Now: func() time.Time { return noon }}.Read()
	if s.Used != 520*mib || s.Mapped != 504*mib || s.Resident != 1024*mib || s.Estimated || !s.At.Equal(noon) {
		t.Errorf("%+v", s)
	}
	if s.Percent() != 50.78 || s.Utilization() != "50.78%" {
		t.Errorf("%v, %s", s.Percent(), s.Utilization())
	}
	if sum := s.HeapTotal + s.Stacks + s.External; sum != s.Used {
		t.Errorf("the parts are %d, the whole %d", sum, s.Used)
	}
}

// Where the system tells nothing, the runtime does.
func TestEstimated(t *testing.T) {
	s := Reader{Root: t.TempDir()}.Read()
	if !s.Estimated || s.Used < mib || s.Mapped != 0 || s.Resident != s.Used || s.Percent() != 0 || s.Utilization() != "0.00%" || s.Goroutines < 2 {
		t.Errorf("%+v", s)
	}
}

// TestReadMemory: the parts are there and make the whole, and what is allocated is seen,
// in a process that nothing else runs in.
func TestReadMemory(t *testing.T) {
	p := startChild(t)
	before := p.grow(1)
	after := p.grow(96)
	for name, grown := range map[string]int64{"Used": after.Used - before.Used, "HeapUsed": after.HeapUsed - before.HeapUsed} {
		if grown < 90*mib || grown > 110*mib && !raceEnabled {
			t.Errorf("%s has grown by %d bytes for 96 MiB", name, grown)
		}
	}
	if after.HeapUsed > after.HeapTotal || after.Stacks <= 0 || after.External < 0 || after.Limit < after.Used {
		t.Errorf("%+v", after)
	}
	if runtime.GOOS == "linux" && (after.Estimated || after.Mapped < mib || after.Resident != after.Used+after.Mapped) {
		t.Errorf("%+v", after)
	}
}

// process is a child that reads its own memory.
type process struct {
	testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startChild(t testing.TB) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{TB: t, cmd: exec.Command(exe, "-memory-child")}
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.in.Close()
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("the process: %v", err)
		}
	})
	return p
}

// grow lets the process allocate and returns its sample.
func (p *process) grow(mebibytes int) (s Sample) {
	p.Helper()
	if _, err := fmt.Fprintln(p.in, mebibytes); err != nil {
		p.Fatal(err)
	}
	line, err := p.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &s)
	}
	if err != nil {
		p.Fatalf("%v in %q", err, line)
	}
	return s
}

// TestContainer puts a process into a control group of the system, where a test may make
// one: the process finds the limit that it got, and its utilization follows.
func TestContainer(t *testing.T) {
	const limit = 256 * mib
	for _, v := range []struct{ mount, file string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, {"/sys/fs/cgroup", "memory.max"},
	} {
		dir := filepath.Join(v.mount, fmt.Sprint("oipnode-test-", os.Getpid()))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Logf("no control group can be made here: %v", err)
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, v.file), []byte(strconv.Itoa(limit)), 0); err != nil {
			t.Logf("no limit can be set here: %v", err)
			_ = os.Remove(dir)
			continue
		}
		t.Cleanup(func() { // behind the end of the process
			if err := os.Remove(dir); err != nil {
				t.Error(err)
			}
		})
		p := startChild(t)
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(p.cmd.Process.Pid)), 0); err != nil {
			t.Fatal(err)
		}
		s := p.grow(100)
		if s.Limit != limit || s.LimitBy != SourceContainer || s.Percent() < 39 || s.Percent() > 60 && !raceEnabled {
			t.Errorf("%s: %+v, %s", dir, s, s.Utilization())
		}
		t.Logf("%s: %d of %d bytes, %s", dir, s.Used, s.Limit, s.Utilization())
		return
	}
}

// TestFiles counts what is open, sockets apart.
func TestFiles(t *testing.T) {
	before, ok := Reader{}.Files()
	if !ok {
		t.Logf("the system does not tell")
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	after, _ := Reader{}.Files()
	if after.Sockets != before.Sockets+1 || after.Others <= before.Others || after.Truncated {
		t.Errorf("%+v, before %+v", after, before)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, ok := (Reader{Root: t.TempDir()}).Files(); ok {
		t.Error("there are files in an empty folder")
	}
}

func TestGoroutines(t *testing.T) {
	end := make(chan struct{})
	defer close(end)
	for range 100 {
		go func() { <-end }()
	}
	runtime.Gosched()
	if s := ReadGoroutines(); s.Waiting+s.Runnable < 100 || s.Threads < 1 {
		t.Errorf("%+v", s)
	}
}

// Whatever the system's files hold, sizes are no nonsense.
func FuzzParse(f *testing.F) {
	f.Add("RssAnon:\t 12 kB\nRssFile: 1 kB\n", "0::/a/b\n", "max\n")
	f.Add("RssAnon: 99999999999999999999 kB\n", "1:memory:/../..\n", "9223372036854771712")
	f.Add("RssAnon: -5 kB\nRssShmem: 4503599627370496 kB", "0::"+strings.Repeat("/a", 100), "0x10")
	f.Fuzz(func(t *testing.T, status, groups, limit string) {
		own, mapped, _ := parseStatus(status)
		if own < 0 || mapped < 0 || own > math.MaxInt64/2 {
			t.Errorf("%q: %d, %d", status, own, mapped)
		}
		for _, g := range parseGroups(groups) {
			if !strings.HasPrefix(g.path, "/") || strings.Contains(g.path, "/../") || strings.HasSuffix(g.path, "/..") {
				t.Errorf("%q: path %q", groups, g.path)
			}
		}
		if n, ok := parseLimit(limit); ok && (n <= 0 || n >= unlimited) {
			t.Errorf("%q: %d", limit, n)
		}
	})
}
