package config

import (
	"fmt"
	"strings"
)

// Table is the table of all variables in Markdown, for the README. It ends with
// a line break.
func Table() string {
	var b strings.Builder
	b.WriteString("| variable | default | allowed | meaning |\n|---|---|---|---|\n")
	for _, v := range table(&Config{}) {
		name := "`" + v.name + "`"
		if v.older != "" {
			name += " (or `" + v.older + "`)"
		}
		preset := ""
		if v.preset != "" {
			preset = "`" + v.preset + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, preset, v.kind.allowed, v.meaning)
	}
	return b.String()
}
