package files_test

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"oipnode/shared/media"
	"oipnode/shared/media/files"
	"oipnode/shared/media/mediatest"
)

// TestKill starts the test binary again with this flag, to kill it.
var putInto = flag.String("put-into", "", "put into this media folder until killed")

func TestMain(m *testing.M) {
	flag.Parse()
	if *putInto == "" {
		goleak.VerifyTestMain(m)
		return
	}
	if err := putUntilKilled(*putInto, bufio.NewWriter(os.Stdout)); err != nil {
		fmt.Println("child failed:", err)
	}
}

func TestStore(t *testing.T) {
	roots := map[media.Store]string{}
	open := func(t *testing.T, root string) media.Store {
		s := openStore(t, root, files.Options{})
		roots[s] = root
		return s
	}
	mediatest.Run(t, mediatest.Harness{
		Open: func(t *testing.T) media.Store {
			s := open(t, t.TempDir())
			t.Cleanup(func() { wantTemps(t, roots[s], 0) }) // no call leaves anything
			return s
		},
		Another: func(t *testing.T, s media.Store) media.Store { return open(t, roots[s]) },
		NoURL:   true,
	})
}

func openStore(t testing.TB, root string, opts files.Options) *files.Store {
	t.Helper()
	s, err := files.Open(root, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wantTemps checks how many temporary files there are.
func wantTemps(t testing.TB, root string, want int) {
	t.Helper()
	temps, err := os.ReadDir(root + "/_temp")
	if err != nil {
		t.Fatal(err)
	}
	if len(temps) != want {
		t.Errorf("%d temporary files, want %d", len(temps), want)
	}
}

// never is an age that no temporary file has.
const never = 1000 * time.Hour

// objectPath is where the package promises that the object of a name lies.
func objectPath(root, name string) string {
	kind, leaf, _ := strings.Cut(name, "/")
	return filepath.Join(root, kind, leaf[:2], leaf)
}
