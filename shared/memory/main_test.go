package memory

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// child makes the test binary a process that reads its own memory: for each line of its
// standard input it allocates so many mebibytes and prints a sample.
var child = flag.Bool("memory-child", false, "read mebibytes from standard input, print samples")

func TestMain(m *testing.M) {
	flag.Parse()
	if *child {
		os.Exit(runChild())
	}
	goleak.VerifyTestMain(m)
}

func runChild() int {
	var held [][]byte
	out := json.NewEncoder(os.Stdout)
	for {
		var mebibytes int
		if _, err := fmt.Scan(&mebibytes); err != nil {
			return 0 // the pipe was closed
		}
		held = append(held, touched(mebibytes<<20))
		if out.Encode(Reader{}.Read()) != nil {
			return 1
		}
		runtime.KeepAlive(held)
	}
}

// touched is so many bytes that are really there.
func touched(n int) []byte {
	b := make([]byte, n)
	for i := 0; i < n; i += 4096 {
		b[i] = 1
	}
	return b
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const mib = 1 << 20

// tree is a folder with these files, for a Reader's root.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// sample is one with a utilization.
func sample(percent float64) Sample {
	return Sample{At: noon, Used: int64(percent * 1000), Limit: 100_000, LimitBy: SourceContainer, Goroutines: 7}
}
