package main

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed console
var consoleFiles embed.FS

// consolePolicy lets the page load its own files and ask this node, and nothing
// else: no inline scripts or styles, no other hosts, no frames around it.
const consolePolicy = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"

// console serves the page at / and its files below /console/: what is in the
// folder console, and 404 for everything else. Files are small and change with the
// node only, so browsers ask each time and get 304 by the hash.
func console() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/console/")
		if r.URL.Path == "/" {
			name = "index.html"
		}
		if !fs.ValidPath(name) {
			http.NotFound(w, r)
			return
		}
		text, err := consoleFiles.ReadFile(path.Join("console", name))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		sum := sha256.Sum256(text)
		h := w.Header()
		h.Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
		h.Set("Content-Security-Policy", consolePolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(text))
	})
}
