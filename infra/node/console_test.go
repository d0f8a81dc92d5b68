package main

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// checkPage checks that a page keeps its own policy: everything it loads is its
// own file, and nothing in it is inline.
func checkPage(t *testing.T, page string, header http.Header, load func(path string) int) {
	t.Helper()
	policy := header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'self';") || strings.Contains(policy, "unsafe") {
		t.Errorf("Content-Security-Policy: %q", policy)
	}
	for what, pattern := range map[string]string{
		"an inline script":  `<script(?:\s+(?:type|defer|async)(?:="[^"]*")?)*\s*>`,
		"an inline style":   `<style|\sstyle=`,
		"an event handler":  `\son[a-z]+=`,
		"a javascript: URL": `javascript:`,
		"another host":      `(?:src|href)="(?:https?:)?//`,
	} {
		if found := regexp.MustCompile(pattern).FindString(page); found != "" {
			t.Errorf("the page has %s: %q", what, found)
		}
	}
	loaded := regexp.MustCompile(`<(?:link|script)[^>]*(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(loaded) < 3 {
		t.Errorf("the page loads %v", loaded)
	}
	for _, l := range loaded {
		if status := load(l[1]); status != http.StatusOK {
			t.Errorf("%s has the status %d", l[1], status)
		}
	}
}

func TestConsolePage(t *testing.T) {
	h := console()
	w := get(t, h, "/")
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		t.Fatalf("status %d, type %s", w.Code, w.Header().Get("Content-Type"))
	}
	checkPage(t, w.Body.String(), w.Header(), func(path string) int { return get(t, h, path).Code })
}

// Every id that the script asks for is on the page.
func TestConsoleIDs(t *testing.T) {
	page := get(t, console(), "/").Body.String()
	script := get(t, console(), "/console/console.js").Body.String()
	ids := regexp.MustCompile(`byId\("([a-z-]+)"\)`).FindAllStringSubmatch(script, -1)
	if len(ids) < 20 {
		t.Fatalf("the script asks for %d ids", len(ids))
	}
	for _, id := range ids {
		if !strings.Contains(page, `id="`+id[1]+`"`) {
			t.Errorf("the page has no %s", id[1])
		}
	}
}

// What comes from records must not become markup or code.
func TestConsoleScriptsWriteTextOnly(t *testing.T) {
	err := fs.WalkDir(consoleFiles, "console", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".js") {
			return err
		}
		text, err := consoleFiles.ReadFile(path)
		for _, risky := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("} {
			if strings.Contains(string(text), risky) {
				t.Errorf("%s uses %s", path, risky)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestConsoleTypes(t *testing.T) {
	for path, want := range map[string]string{
		"/console/console.js": "text/javascript", "/console/console.css": "text/css", "/console/icon.svg": "image/svg+xml",
	} {
		w := get(t, console(), path)
		if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, want) || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s has the type %q, want %q", path, got, want)
		}
	}
}

func TestConsoleIsNotLoadedTwice(t *testing.T) {
	etag := get(t, console(), "/").Header().Get("ETag")
	if w := get(t, console(), "/", "If-None-Match", etag); etag == "" || w.Code != http.StatusNotModified || w.Body.Len() > 0 {
		t.Errorf("status %d for the same version %s", w.Code, etag)
	}
	if w := get(t, console(), "/console/console.js", "If-None-Match", etag); w.Code != http.StatusOK {
		t.Errorf("status %d for another file's version", w.Code)
	}
}

func TestConsoleHasNothingElse(t *testing.T) {
	for _, path := range []string{"/console/", "/console/none.js", "/console/../main.go", "/console//etc/passwd", "/other"} {
		if w := get(t, console(), path); w.Code != http.StatusNotFound {
			t.Errorf("%s has the status %d", path, w.Code)
		}
	}
}

// TestConsoleFollows: a list that could not be read, because the node was starting or had
// no memory for it, is asked for again by the next poll. The page said that the node is up
// to date, above a table that stayed empty until the next block.
func TestConsoleFollows(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("the console's script is run by node, which is not here")
	}
	script, err := consoleFiles.ReadFile("console/follow.js")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	const steps = `import { Follower } from "./follow.mjs";
const f = new Follower(), said = [];
const poll = (now) => said.push(f.news(now));
poll("a"); poll("a"); poll("b"); f.failed(); poll("b"); poll("b"); f.failed(); f.failed(); poll("c"); poll("c");
const early = new Follower();
early.failed();
said.push(early.news("a"), early.news("a"));
console.log(JSON.stringify(said));`
	for name, text := range map[string]string{"follow.mjs": string(script), "steps.mjs": steps} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const first, changed, missing = `{"first":true,"must":false}`, `{"first":false,"must":false}`, `{"first":false,"must":true}`
	want := "[" + strings.Join([]string{first, "null", changed, missing, "null", missing, "null", `{"first":true,"must":true}`, "null"}, ",") + "]"
	got, err := exec.CommandContext(t.Context(), "node", filepath.Join(dir, "steps.mjs")).CombinedOutput()
	if err != nil || strings.TrimSpace(string(got)) != want {
		t.Errorf("%v\n%s, want\n%s", err, got, want)
	}
}

// Every file that a script of the console imports is there.
func TestConsoleImports(t *testing.T) {
	script := get(t, console(), "/console/console.js").Body.String()
	imports := regexp.MustCompile(`from "\./([a-z.]+)"`).FindAllStringSubmatch(script, -1)
	if len(imports) < 2 {
		t.Fatalf("the script imports %v", imports)
	}
	for _, i := range imports {
		if w := get(t, console(), "/console/"+i[1]); w.Code != http.StatusOK {
			t.Errorf("%s has the status %d", i[1], w.Code)
		}
	}
}
