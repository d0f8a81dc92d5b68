// Package tsc is the real TypeScript compiler, npm's typescript, for the tests of code
// that this repository writes. Package npm says where it comes from.
package tsc

import (
	"embed"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"oipnode/infra/engines/npm"
)

//go:embed compiler
var files embed.FS

var compiler = npm.Package{Title: "TypeScript compiler", Name: "tsc", Files: sub()}

func sub() fs.FS {
	tree, err := fs.Sub(files, "compiler")
	if err != nil {
		panic(err) // the name is a constant
	}
	return tree
}

// Strict checks files, given as names and texts, in one run of tsc --strict, without
// anything but what the language brings. It returns what the compiler says; nothing
// is what it says when it accepts them. Without the compiler the test ends: skipped,
// or failed where CI is set.
func Strict(t testing.TB, code map[string]string) string {
	t.Helper()
	folder := compiler.Folder(t)
	work := t.TempDir()
	arguments := []string{filepath.Join(folder, "node_modules", "typescript", "bin", "tsc"),
		"--strict", "--exactOptionalPropertyTypes", "--noEmit", "--pretty", "false", "--isolatedModules", "--skipLibCheck", "--target", "es2020", "--lib", "es2020", "--module", "esnext"}
	for name, text := range code {
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		arguments = append(arguments, name)
	}
	run := exec.CommandContext(t.Context(), "node", arguments...)
	run.Dir = work
	out, err := run.CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Fatalf("tsc: %v", err)
	}
	return string(out)
}
