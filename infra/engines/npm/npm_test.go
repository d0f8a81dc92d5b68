package npm

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What cannot be had is said by name, and leaves nothing behind.
func TestAbsent(t *testing.T) {
	p := &Package{Title: "nothing", Name: "nothing", Files: fstest.MapFS{"package.json": {Data: []byte("{}")}}}
	cache := t.TempDir()
	t.Setenv("PATH", t.TempDir())
	if _, err := p.Fetch(cache); !errors.Is(err, ErrAbsent) || !strings.Contains(err.Error(), "node is not installed") {
		t.Errorf("without node: %v", err)
	}
	bin := t.TempDir()
	for name, script := range map[string]string{"node": "exit 0", "npm": "echo no network; exit 7"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	if _, err := p.Fetch(cache); !errors.Is(err, ErrAbsent) || !strings.Contains(err.Error(), "no network") {
		t.Errorf("without a network: %v", err)
	}
	if left, err := os.ReadDir(cache); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// What was fetched is fetched once, and other files are another folder.
func TestOnce(t *testing.T) {
	bin, cache := t.TempDir(), t.TempDir()
	for _, name := range []string{"node", "npm"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\necho x >>fetched\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	folders := make(map[string]bool)
	for _, content := range []string{"{}", "{}", "[]"} {
		p := &Package{Title: "x", Name: "x", Files: fstest.MapFS{"package.json": {Data: []byte(content)}}}
		folder, err := p.Fetch(cache)
		if err != nil {
			t.Fatal(err)
		}
		folders[folder] = true
		if text, err := os.ReadFile(filepath.Join(folder, "fetched")); err != nil || string(text) != "x\n" {
			t.Errorf("%s was fetched as %q, %v", folder, text, err)
		}
	}
	if left, err := os.ReadDir(cache); err != nil || len(left) != 2 || len(folders) != 2 {
		t.Errorf("the cache holds %v, %v", left, err)
	}
}
