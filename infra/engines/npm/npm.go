// Package npm fetches what a test needs from npm: a folder with a package.json and a
// package-lock.json, which pins every package by its hash and names no registry.
//
// It needs node and npm. The first test fetches, into the folder where the engines'
// artifacts lie (ENGINES_CACHE); no script of any package runs at the fetch, and
// nothing of it is shipped. A test that cannot have the packages is skipped by name,
// and fails where CI is set.
package npm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

const (
	fetchTime = 2 * time.Minute
	endTime   = 5 * time.Second
)

// ErrAbsent is what this machine cannot have.
var ErrAbsent = errors.New("not to be had")

// Package is a folder of files, with the packages that they need.
type Package struct {
	// Title is how a skip calls it, Name is that of its folder in the cache.
	Title, Name string
	// Files are what the folder begins with.
	Files fs.FS

	once   sync.Once
	folder string
	err    error
}

// Folder returns the folder with all that the package needs, which must not be
// changed. Where that cannot be had it ends the test: skipped, or failed where CI is
// set.
func (p *Package) Folder(t testing.TB) string {
	t.Helper()
	p.once.Do(func() { p.folder, p.err = p.Fetch(cacheFolder()) })
	switch {
	case p.err == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("%s: %v", p.Title, p.err)
	default:
		t.Skipf("%s: %v", p.Title, p.err)
	}
	return p.folder
}

// cacheFolder is where the scripts of infra/engines keep what they fetch.
func cacheFolder() string {
	if folder := os.Getenv("ENGINES_CACHE"); folder != "" {
		return folder
	}
	if os.Getuid() == 0 {
		return "/var/cache/oipnode-engines"
	}
	folder, err := os.UserCacheDir()
	if err != nil {
		folder = os.TempDir()
	}
	return filepath.Join(folder, "oipnode-engines")
}

// Fetch puts the package into a folder of the cache that is named by the hash of its
// files, unless it is there. The folder appears whole or not at all, so tests may
// fetch it side by side. An error is ErrAbsent where tools or network are missing.
func (p *Package) Fetch(cache string) (string, error) {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Errorf("%w: %s is not installed", ErrAbsent, tool)
		}
	}
	sum, err := hash(p.Files)
	if err != nil {
		return "", err
	}
	folder := filepath.Join(cache, p.Name+"-"+sum)
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	fresh, err := os.MkdirTemp(cache, p.Name+"-fetch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh)
	if err := os.CopyFS(fresh, p.Files); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), fetchTime)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund")
	npm.Dir, npm.WaitDelay = fresh, endTime
	if out, err := npm.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: npm: %w: %s", ErrAbsent, err, out)
	}
	if err := os.Rename(fresh, folder); err != nil {
		if _, there := os.Stat(folder); there == nil {
			return folder, nil // another test was faster
		}
		return "", err
	}
	return folder, nil
}

// hash names the files by their content.
func hash(tree fs.FS) (string, error) {
	h := sha256.New()
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(tree, name)
		fmt.Fprintf(h, "%s %d\n%s", name, len(text), text)
		return err
	})
	return hex.EncodeToString(h.Sum(nil))[:16], err
}
