package layout

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// root is the top of the repository, seen from this package.
const root = "../.."

// topLevel is all that may lie there besides names that begin with a dot. build
// and data are ignored by git: the binary, and the local node's stores.
var topLevel = []string{
	"functions", "shared", "infra", "events", "template.yaml", "samconfig.toml",
	"go.mod", "go.sum", "Makefile", "README.md", "LICENSE", "build", "data",
}

const maxLines = 700

// longer are the files that may be longer, with their bounds. CloudFormation takes one file
// without parts, and each resource of it reads by itself. The README is the one page that
// an operator searches, a good part of it generated tables.
var longer = map[string]int{"template.yaml": 1500, "README.md": 850}

// A reader of the repository finds the same few entries for ever.
func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(topLevel, e.Name()) {
			t.Errorf("%s does not belong to the top level", e.Name())
		}
	}
}

// TestFileSize: what does not fit into 700 lines is more than one thing, in general.
func TestFileSize(t *testing.T) {
	walk(t, func(name string, text []byte) {
		most := max(maxLines, longer[name])
		if n := bytes.Count(text, []byte("\n")); n > most {
			t.Errorf("%s has %d lines, more than %d", name, n, most)
		}
	})
}

// TestCode parses every Go file once and applies the rules about code.
func TestCode(t *testing.T) {
	documented := make(map[string]bool)
	files := token.NewFileSet()
	walk(t, func(name string, text []byte) {
		if path.Ext(name) != ".go" {
			return
		}
		file, err := parser.ParseFile(files, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			return
		}
		isTest := strings.HasSuffix(name, "_test.go")
		if pkg := path.Dir(name); !isTest {
			documented[pkg] = documented[pkg] || file.Doc != nil
		}
		main := file.Name.Name == "main"
		for _, c := range calls(file) {
			at := files.Position(c.pos)
			switch c.name {
			case "os.Getenv", "os.LookupEnv", "os.Environ":
				if !isTest && !main && !strings.HasPrefix(name, "shared/start/") && !strings.HasPrefix(name, "infra/engines/") {
					t.Errorf("%s: %s: settings come through shared/config", at, c.name)
				}
			case "os.Exit", "log.Fatal", "log.Fatalf", "log.Fatalln":
				if !isTest && !main {
					t.Errorf("%s: %s: only a main ends the process", at, c.name)
				}
			case "t.Skip", "t.SkipNow":
				if c.arguments == 0 {
					t.Errorf("%s: a test is skipped without a reason", at)
				}
			}
		}
	})
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("package %s has no doc comment", pkg)
		}
	}
}

// call is a call of a function or method of a named package or variable.
type call struct {
	name      string
	arguments int
	pos       token.Pos
}

func calls(file *ast.File) []call {
	var found []call
	ast.Inspect(file, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok {
			if f, ok := c.Fun.(*ast.SelectorExpr); ok {
				if x, ok := f.X.(*ast.Ident); ok {
					found = append(found, call{x.Name + "." + f.Sel.Name, len(c.Args), c.Pos()})
				}
			}
		}
		return true
	})
	return found
}

// TestLeaks: every package that has tests fails when one of them leaves a goroutine
// behind, so that a process that runs for months has none that nobody ends.
func TestLeaks(t *testing.T) {
	looks := make(map[string]bool) // package -> whether its TestMain looks for goroutines
	files := token.NewFileSet()
	walk(t, func(name string, text []byte) {
		if !strings.HasSuffix(name, "_test.go") {
			return
		}
		file, err := parser.ParseFile(files, name, text, parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			return
		}
		pkg := path.Dir(name)
		looks[pkg] = looks[pkg] || looksForLeaks(file)
	})
	for pkg, ok := range looks {
		if !ok {
			t.Errorf("package %s: its tests have no TestMain that calls goleak", pkg)
		}
	}
}

// looksForLeaks reports whether a file has a TestMain and calls goleak, there or in a
// function that it calls.
func looksForLeaks(file *ast.File) bool {
	has := slices.ContainsFunc(file.Decls, func(d ast.Decl) bool {
		f, ok := d.(*ast.FuncDecl)
		return ok && f.Recv == nil && f.Name.Name == "TestMain"
	})
	return has && slices.ContainsFunc(calls(file), func(c call) bool {
		return c.name == "goleak.VerifyTestMain" || c.name == "goleak.Find"
	})
}

func TestLooksForLeaks(t *testing.T) {
	for text, want := range map[string]bool{
		"package x\nfunc TestMain(m *testing.M) { goleak.VerifyTestMain(m) }":                            true,
		"package x\nfunc TestMain(m *testing.M) { run(m) }\nfunc run(m *testing.M) { goleak.Find() }":    true,
		"package x\nfunc TestMain(m *testing.M) { os.Exit(m.Run()) }":                                    false,
		"package x\nfunc TestX(t *testing.T) { goleak.VerifyNone(t) }\nfunc f() { goleak.Find() }":       false,
		"package x\nfunc TestMain(m *testing.M) {}\nfunc TestX(t *testing.T) { goleak.IgnoreCurrent() }": false,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "x_test.go", text, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := looksForLeaks(file); got != want {
			t.Errorf("%v, want %v: %s", got, want, text)
		}
	}
}

// The rules would be void if calls found nothing.
func TestCalls(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\nfunc f() { defer os.Exit(1); t.Skip(); g() }", 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range calls(file) {
		got = append(got, c.name+" "+strconv.Itoa(c.arguments))
	}
	if want := []string{"os.Exit 1", "t.Skip 0"}; !slices.Equal(got, want) {
		t.Errorf("calls %q, want %q", got, want)
	}
}

// written reports whether a file is one that people write and read; the others
// are data.
func written(name string) bool {
	return slices.Contains([]string{".go", ".sh", ".py", ".yaml", ".yml", ".toml", ".md"}, path.Ext(name)) ||
		name == "Makefile" || path.Dir(name) == ".ci"
}

// walk gives every written file of the repository, with its path from the top,
// except what git and the builds keep for themselves, and test data.
func walk(t *testing.T, visit func(name string, text []byte)) {
	t.Helper()
	tree := os.DirFS(root)
	seen := 0
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", ".aws-sam", "build", "data"}, name) || d.Name() == "testdata" {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || !written(name) {
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		seen++
		visit(name, text)
		return nil
	})
	if err != nil || seen == 0 {
		t.Fatalf("%d files were read, error %v", seen, err)
	}
}

// TestFunctionsAreLight: what belongs to the local node alone is not linked into the
// functions.
func TestFunctionsAreLight(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "./functions/...")
	list.Dir = root
	text, err := list.Output()
	if err != nil || !strings.Contains(string(text), "oipnode/shared/maintenance\n") {
		t.Fatalf("%v: %.300s", err, text)
	}
	for name := range strings.Lines(string(text)) {
		for _, local := range []string{"github.com/spf13/", "go.etcd.io/bbolt", "github.com/blevesearch/", "oipnode/infra/"} {
			if strings.HasPrefix(name, local) {
				t.Errorf("the functions link %s", name)
			}
		}
	}
}
