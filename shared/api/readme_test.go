package api

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestReadme: the README has every parameter of GET /api/records in a row of its table,
// nothing else in the table's first column, and for each row an example that .ci/smoke
// runs.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "<!-- parameters of GET /api/records")
	table, _, end := strings.Cut(rest, "<!-- end of the parameters -->")
	if !ok || !end {
		t.Fatal("the README has no table of the parameters of GET /api/records")
	}
	var examples []string
	run := false
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.HasPrefix(line, "```"):
			run = strings.TrimSpace(line) == "```sh run"
		case run && strings.Contains(line, "/api/records"):
			examples = append(examples, line)
		}
	}
	name := regexp.MustCompile("`([^`]+)`")
	var listed []string
	for line := range strings.Lines(table) {
		cell, ok := strings.CutPrefix(line, "| `")
		if !ok {
			continue
		}
		cell, _, _ = strings.Cut("`"+cell, "|")
		var group []string
		for _, m := range name.FindAllStringSubmatch(cell, -1) {
			group = append(group, m[1])
		}
		listed = append(listed, group...)
		if !slices.ContainsFunc(examples, func(example string) bool {
			return slices.ContainsFunc(group, func(p string) bool {
				return regexp.MustCompile(`[?&' ]` + regexp.QuoteMeta(p) + "=").MatchString(example)
			})
		}) {
			t.Errorf("the README has no example with one of %s: add a curl to a block that is fenced with ```sh run", strings.Join(group, ", "))
		}
	}
	for _, p := range new(recordsRequest).params() {
		if !slices.Contains(listed, p.name) {
			t.Errorf("the README's table lacks %s: %s", p.name, p.doc)
		}
	}
	for _, p := range listed {
		if !slices.ContainsFunc(new(recordsRequest).params(), func(row param) bool { return row.name == p }) {
			t.Errorf("the README's table has %s, which is no parameter", p)
		}
	}
}
