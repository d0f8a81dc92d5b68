package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"oipnode/shared/upstream"
)

// shelfFiles is how many different files there are. They are fetched again and again:
// what has the same content is stored once, so the disk does not fill.
const shelfFiles = 24

// smallest is the size of the smallest file, in bytes.
const smallest = 1_000_000

// shelf is where the media come from: an HTTP server with files that take no memory.
type shelf struct {
	largest int64
	// noise is what the files are made of, each from another place on.
	noise  []byte
	server upstream.Server
}

// openShelf serves files of 1 MB to largest on a port of its own.
func openShelf(largest int64) (*shelf, error) {
	s := &shelf{largest: max(largest, smallest), noise: make([]byte, mebibyte)}
	_, _ = rand.NewChaCha8([32]byte{1}).Read(s.noise) // never fails
	if err := s.server.Start(s); err != nil {
		return nil, fmt.Errorf("serve the media: %w", err)
	}
	return s, nil
}

// port is the only one that the node may fetch from.
func (s *shelf) port() string {
	_, port, _ := net.SplitHostPort(s.server.Address())
	return port
}

// url is the address of file i.
func (s *shelf) url(i int) string {
	return fmt.Sprintf("http://%s/file/%d", s.server.Address(), i%shelfFiles)
}

// size is that of file i.
func (s *shelf) size(i int) int64 {
	return smallest + (s.largest-smallest)*int64(i%shelfFiles)/(shelfFiles-1)
}

// open opens file i, which begins with its number.
func (s *shelf) open(i int) io.ReadSeeker {
	return io.NewSectionReader(&content{uint64(i % shelfFiles), s.noise}, 0, s.size(i))
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(r.URL.Path, "/file/")
	i, err := strconv.Atoi(name)
	if !ok || err != nil || i < 0 || i >= shelfFiles {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "video/mp4")
	w.Header().Set("ETag", fmt.Sprintf(`"file-%d"`, i))
	http.ServeContent(w, r, "", time.Time{}, s.open(i))
}

// content is the bytes of a file: its number, and noise for ever.
type content struct {
	number uint64
	noise  []byte
}

func (c *content) ReadAt(b []byte, offset int64) (int, error) {
	head := binary.BigEndian.AppendUint64(nil, c.number)
	for n := 0; n < len(b); {
		at := offset + int64(n)
		if at < int64(len(head)) {
			n += copy(b[n:], head[at:])
			continue
		}
		n += copy(b[n:], c.noise[(at+int64(c.number)*7919)%int64(len(c.noise)):])
	}
	return len(b), nil
}
