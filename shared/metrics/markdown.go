package metrics

import (
	"fmt"
	"strings"
)

// Table is the table of all metrics in Markdown, for the README. It ends with a line
// break.
func Table() string {
	var b strings.Builder
	b.WriteString("| metric | unit | kind | dimensions | meaning |\n|---|---|---|---|---|\n")
	for _, d := range Definitions() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | `%s` | %s |\n", d.Name, d.Unit, d.Kind, Dimension, d.Meaning)
	}
	return b.String()
}
