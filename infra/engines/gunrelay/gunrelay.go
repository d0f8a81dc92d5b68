// Package gunrelay starts a real GUN relay for a test: npm's gun behind the HTTP
// interface of a peer (spec gun.md, section 1), in a process of its own, with an
// empty graph that ends with the test.
//
// It needs node and npm. The first start fetches gun and the one package that gun
// needs (6 MB, some 2 s); package npm says how, and what happens to a test that cannot
// have them.
package gunrelay

import (
	"bufio"
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"oipnode/infra/engines/npm"
)

const (
	startTime = 30 * time.Second
	endTime   = 5 * time.Second
)

//go:embed relay
var files embed.FS

// peer is the relay with all that it needs.
var peer = npm.Package{Title: "GUN relay", Name: "gunrelay", Files: sub()}

func sub() fs.FS {
	tree, err := fs.Sub(files, "relay")
	if err != nil {
		panic(err) // the name is a constant
	}
	return tree
}

// Start starts a relay that ends with the test, and returns the base URL of its
// interface. Without one it ends the test: skipped, or failed where CI is set.
func Start(t testing.TB) string {
	t.Helper()
	port, err := start(t, peer.Folder(t))
	if err != nil {
		t.Fatalf("GUN relay: %v", err)
	}
	return "http://127.0.0.1:" + port + "/gun-relay"
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
