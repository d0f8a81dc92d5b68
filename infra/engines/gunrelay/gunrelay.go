// Package gunrelay starts a real GUN relay for a test: npm's gun behind the HTTP
// interface of a peer (spec gun.md, section 1), in a process of its own, with an
// empty graph that ends with the test.
//
// It needs node and npm. The first start fetches gun and the one package that gun
// needs (6 MB, some 2 s), pinned in package-lock.json by their hashes, into the
// folder where the engines' artifacts lie (ENGINES_CACHE); no script of theirs runs
// at the fetch. Nothing of it is shipped. A test that cannot have the relay is
// skipped by name, and fails where CI is set.
package gunrelay

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	fetchTime = 2 * time.Minute
	startTime = 30 * time.Second
	endTime   = 5 * time.Second
)

//go:embed relay
var files embed.FS

// errAbsent is a relay that this machine cannot have.
var errAbsent = errors.New("not to be had")

// fetched is the folder of the relay with all that it needs.
var fetched = sync.OnceValues(func() (string, error) { return fetch(cacheFolder()) })

// Start starts a relay that ends with the test, and returns the base URL of its
// interface. Without one it ends the test: skipped, or failed where CI is set.
func Start(t testing.TB) string {
	t.Helper()
	folder, err := fetched()
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("GUN relay: %v", err)
	default:
		t.Skipf("GUN relay: %v", err)
	}
	port, err := start(t, folder)
	if err != nil {
		t.Fatalf("GUN relay: %v", err)
	}
	return "http://127.0.0.1:" + port + "/gun-relay"
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

// fetch puts the relay into a folder of the cache that is named by the hash of its
// files, unless it is there. The folder appears whole or not at all, so tests may
// fetch it side by side.
func fetch(cache string) (string, error) {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Errorf("%w: %s is not installed", errAbsent, tool)
		}
	}
	tree, err := fs.Sub(files, "relay")
	if err != nil {
		return "", err
	}
	sum, err := hash(tree)
	if err != nil {
		return "", err
	}
	folder := filepath.Join(cache, "gunrelay-"+sum)
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	fresh, err := os.MkdirTemp(cache, "gunrelay-fetch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh)
	if err := os.CopyFS(fresh, tree); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), fetchTime)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund")
	npm.Dir, npm.WaitDelay = fresh, endTime
	if out, err := npm.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: npm: %w: %s", errAbsent, err, out)
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

// start starts the relay and returns its port. It ends when its standard input
// does: with the test, and should the test be killed, with its process.
func start(t testing.TB, folder string) (port string, err error) {
	relay := exec.Command("node", filepath.Join(folder, "relay.js"))
	relay.Dir = t.TempDir()
	var complaints bytes.Buffer
	relay.Stderr = &complaints
	input, err := relay.StdinPipe()
	if err != nil {
		return "", err
	}
	output, err := relay.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := relay.Start(); err != nil {
		return "", err
	}
	late := time.AfterFunc(startTime, func() { _ = relay.Process.Kill() })
	line, err := bufio.NewReader(output).ReadString('\n')
	late.Stop()
	end := func() {
		_ = input.Close()
		kill := time.AfterFunc(endTime, func() { _ = relay.Process.Kill() })
		defer kill.Stop()
		if err := relay.Wait(); err != nil {
			t.Errorf("GUN relay: %v: %s", err, &complaints)
		}
	}
	if err != nil {
		end()
		return "", fmt.Errorf("it did not start: %w: %s", err, &complaints)
	}
	t.Cleanup(end)
	return strings.TrimSpace(line), nil
}
