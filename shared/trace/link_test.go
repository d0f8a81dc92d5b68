package trace_test

import (
	"os/exec"
	"strings"
	"testing"
)

const (
	vendorSDK = "github.com/aws/aws-xray-sdk-go"
	tracer    = "oipnode/shared/trace/xray"
)

// list asks the go command about packages.
func list(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list %q: %v", args, err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// The local node has nothing of X-Ray in it, and nothing of AWS's SDK for the sake of
// this package.
func TestNodeIsWithoutXRay(t *testing.T) {
	deps := list(t, "-deps", "oipnode/infra/node")
	if len(deps) < 100 {
		t.Fatalf("only %d packages: this looks at nothing", len(deps))
	}
	for _, pkg := range deps {
		if strings.HasPrefix(pkg, vendorSDK) || pkg == tracer {
			t.Errorf("the local node links %s", pkg)
		}
	}
	for _, pkg := range list(t, "-deps", "oipnode/shared/trace") {
		if strings.Contains(pkg, "github.com/") {
			t.Errorf("this package links %s", pkg)
		}
	}
}

// Only one package knows the vendor's SDK, and only what Lambda mains are made of knows
// that package.
func TestWhoKnowsXRay(t *testing.T) {
	seen := false
	for _, line := range list(t, "-e", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "oipnode/...") {
		pkg, imports, _ := strings.Cut(line, " ")
		for _, imported := range strings.Fields(imports) {
			switch {
			case strings.HasPrefix(imported, vendorSDK):
				seen = seen || pkg == tracer
				if pkg != tracer {
					t.Errorf("%s imports %s", pkg, imported)
				}
			case imported == tracer && pkg != "oipnode/shared/function" && !strings.HasPrefix(pkg, "oipnode/functions/"):
				t.Errorf("%s imports %s", pkg, imported)
			}
		}
	}
	if !seen {
		t.Error("not even the package xray imports X-Ray: this looks at nothing")
	}
}
