package samtools

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// samtools runs the script and returns its exit code and all output.
func samtools(t *testing.T, arguments ...string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", append([]string{"./samtools"}, arguments...)...)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("samtools %q: %v\n%s", arguments, err, out)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// needTools skips a test where the tools have not been fetched; in CI they are there.
func needTools(t *testing.T) {
	t.Helper()
	switch code, out := samtools(t, "folder"); {
	case code == 0:
	case os.Getenv("CI") != "":
		t.Fatalf("the tools are not there (make validate fetches them): %s", out)
	default:
		t.Skipf("the tools are not there (make validate fetches them): %s", out)
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		arguments, want string
		code            int
	}{
		{"", "a command is missing", 2},
		{"lint", `no command is called "lint"`, 2},
		{"fetch sam", "fetch takes no arguments", 2},
		{"validate a.yaml b.yaml", "validate takes one template", 2},
		{"validate testdata/absent.yaml", "there is no testdata/absent.yaml", 1},
	} {
		code, out := samtools(t, strings.Fields(c.arguments)...)
		if code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("samtools %s: exit code %d, want %d and %q:\n%s", c.arguments, code, c.code, c.want, out)
		}
	}
}

// Each reading of the template has faults that no other one sees.
func TestValidate(t *testing.T) {
	needTools(t)
	for _, c := range []struct {
		template string
		has      []string
		hasNot   []string
	}{
		{"testdata/faulty.yaml", []string{
			"FAIL  sam validate --lint\n",
			"FAIL  cfn-lint, as written\n", "Duplicate found 'MemorySize'",
			"ok    translation\n",
			"FAIL  cfn-lint, translated\n", "W2001",
			"FAIL  checkov, translated\n", "CKV_AWS_116",
			"testdata/faulty.yaml: 4 checks failed\n",
		}, nil},
		{"testdata/wrong.yaml", []string{
			"FAIL  sam validate --lint\n",
			"FAIL  cfn-lint, as written\n",
			"FAIL  translation\n", "Event Type is: Sundial.",
			"testdata/wrong.yaml: 3 checks failed\n",
		}, []string{"Traceback", "checkov"}},
	} {
		t.Run(c.template, func(t *testing.T) {
			code, out := samtools(t, "validate", c.template)
			if code != 1 {
				t.Errorf("exit code %d, want 1", code)
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
