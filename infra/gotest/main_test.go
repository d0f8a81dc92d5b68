package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// module writes a small module, makes it the working folder, and runs gotest in it.
func module(t *testing.T, strict bool, files map[string]string) (code int, out string) {
	t.Helper()
	dir := t.TempDir()
	files["go.mod"] = "module example\n\ngo 1.26\n"
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	var stdout, stderr bytes.Buffer
	code, err := run(t.Context(), &stdout, &stderr, strict, []string{"-shuffle=7", "./..."})
	if err != nil {
		t.Errorf("run: %v", err)
	}
	return code, stdout.String() + stderr.String()
}

const head = "package p\n\nimport \"testing\"\n\n"

func TestRun(t *testing.T) {
	passing := head + `func TestGood(t *testing.T) { t.Log("quiet") }` + "\n"
	skipping := head + `func TestAbsent(t *testing.T) { t.Run("sub", func(t *testing.T) { t.Skip("no engine here") }) }` + "\n"
	failing := head + `func TestBad(t *testing.T) { t.Error("one is not two") }` + "\n"
	panicking := head + `func TestWild(t *testing.T) { panic("wild") }` + "\n"
	broken := head + `func TestBroken(t *testing.T) { undefined() }` + "\n"

	for _, c := range []struct {
		name   string
		strict bool
		files  map[string]string
		code   int
		has    []string
		hasNot []string
	}{
		{"all pass", true, map[string]string{"a/a_test.go": passing, "b/b.go": "package b\n"}, 0,
			[]string{"ok  \texample/a", "?   \texample/b\t[no test files]", "\nok  \t1 packages, 1 tests passed, 0 failed, 0 skipped\n"},
			[]string{"quiet", "=== RUN", "SKIP", "-test.shuffle"}},
		{"a skip fails when strict", true, map[string]string{"b/b_test.go": skipping}, 1,
			[]string{"ok  \texample/b", "SKIP\texample/b\tTestAbsent/sub\t", "no engine here", "FAIL\t1 packages, 1 tests passed, 0 failed, 1 skipped\n"},
			[]string{"--- SKIP"}},
		{"every failure is shown", false, map[string]string{
			"a/a_test.go": failing, "b/b_test.go": passing, "c/c_test.go": panicking, "d/d_test.go": broken, "e/e_test.go": skipping}, 1,
			[]string{"-test.shuffle 7\n", "--- FAIL: TestBad", "one is not two", "FAIL\texample/a", "ok  \texample/b", "panic: wild", "FAIL\texample/c",
				"undefined: undefined", "FAIL\texample/d [build failed]", "SKIP\texample/e\tTestAbsent/sub\t", "\nFAIL\t5 packages, 2 tests passed, 2 failed, 1 skipped\n"},
			[]string{"quiet"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out := module(t, c.strict, c.files)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, want := range c.has {
				if !strings.Contains(out, want) {
					t.Errorf("%q is not in the output", want)
				}
			}
			for _, unwanted := range c.hasNot {
				if strings.Contains(out, unwanted) {
					t.Errorf("%q is in the output", unwanted)
				}
			}
			if t.Failed() {
				t.Logf("output:\n%s", out)
			}
		})
	}
}

// A package that does not exist, or a flag that go test does not know, must not
// look like a success.
func TestRunWithoutTests(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, argument := range []string{"./nowhere", "-no-such-flag"} {
		var out, errOut bytes.Buffer
		if code, _ := run(t.Context(), &out, &errOut, false, []string{argument}); code == 0 {
			t.Errorf("go test %s: exit code 0; output %s%s", argument, &out, &errOut)
		}
	}
}

// Lines of any length and text that is no event come through, and the output of a
// test that has passed is not kept.
func TestReport(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	var out bytes.Buffer
	r := newReport(&out)
	events := "not an event\n" + `{"Action":"output","Package":"p","Test":"T","Output":"` + long + `"}` + "\n"
	if err := r.read(strings.NewReader(events)); err != nil {
		t.Fatal(err)
	}
	if len(r.held) != 1 || out.String() != "not an event\n" {
		t.Errorf("%d tests held, output %q", len(r.held), out.String())
	}
	if err := r.read(strings.NewReader(`{"Action":"pass","Package":"p","Test":"T"}`)); err != nil {
		t.Fatal(err)
	}
	if len(r.held) != 0 || r.passed != 1 {
		t.Errorf("%d tests held and %d passed, want 0 and 1", len(r.held), r.passed)
	}
	r.close(false)
	if !regexp.MustCompile(`(?m)^ok  \t0 packages, 1 tests passed`).MatchString(out.String()) {
		t.Errorf("output %q", out.String())
	}
	if err := r.read(brokenPipe{}); err == nil {
		t.Error("an error of the input was lost")
	}
}

type brokenPipe struct{}

func (brokenPipe) Read([]byte) (int, error) { return 0, fmt.Errorf("broken") }
