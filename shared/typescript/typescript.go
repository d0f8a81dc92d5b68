// Package typescript writes templates as TypeScript, for the clients of the API (spec
// records-api section 1, typeScriptTypes=true): an exported interface for each
// template, with the fields as answers show them.
//
//	export interface MealPlan {
//	  /* template "mealPlan", did:arweave:… */
//	  meal_date?: number;
//	  breakfast?: string[];
//	}
//
// Every field is optional, since a record has those that its publisher gave. Numbers
// of any size are number. An enum is the union of its values' names, which is what
// answers hold, and number where the template does not say which values there are. A
// dref is the string of a DID, as it is without resolveDepth. What is repeated is an
// array. A type that the protocol does not know is unknown.
//
// An interface is called like its template, in PascalCase and without what is no
// letter or digit of ASCII: my-template is MyTemplate. Of several that would be called
// the same, such as the versions of a template, the newest has the name and the others
// have a part of their id behind it. So no name that a publisher chooses takes
// another's, and the code is accepted by tsc --strict whatever templates say: names
// that are no identifiers are quoted, and comments cannot be ended from within.
package typescript

import (
	"cmp"
	"slices"
	"strings"

	"oipnode/shared/oip"
	"oipnode/shared/oip/canon"
)

const (
	// maxName is the longest name of an interface in bytes, without an id.
	maxName = 100
	// shortID is how much of its id tells a template from others of its name.
	shortID = 8
)

// Code collects interfaces. The zero Code is empty and ready for use.
type Code struct {
	templates []declaration
	size      int
}

// declaration is an interface that has no name yet.
type declaration struct {
	base, id string
	height   int64
	body     string
}

// Add adds a template, of which height tells how new it is.
func (c *Code) Add(t *oip.Template, height int64) {
	d := declaration{interfaceName(t.Name), identifier(t.ID), height, body(t)}
	c.templates = append(c.templates, d)
	c.size += len(d.body) + len(d.base) + len(d.id) + len("export interface _ ")
}

// Size is at least the length of the code in bytes.
func (c *Code) Size() int { return c.size }

// String is the code: the interfaces in the order in which they were added. It is a
// module even when there are none.
func (c *Code) String() string {
	if len(c.templates) == 0 {
		return "export {};\n"
	}
	names := c.names()
	var b strings.Builder
	b.Grow(c.size)
	for i, d := range c.templates {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString("export interface " + names[i] + " " + d.body)
	}
	return b.String()
}

// names are the names of the interfaces, all different. Those of templates have no
// underscore, so one with an id behind it is none of them.
func (c *Code) names() []string {
	order := make([]int, len(c.templates))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		a, b := c.templates[i], c.templates[j]
		return cmp.Or(cmp.Compare(b.height, a.height), cmp.Compare(a.id, b.id), cmp.Compare(i, j))
	})
	names := make([]string, len(c.templates))
	taken := make(map[string]bool)
	for _, i := range order {
		d := c.templates[i]
		names[i] = d.base
		if taken[names[i]] {
			names[i] = d.base + "_" + d.id[:min(shortID, len(d.id))]
		}
		if taken[names[i]] {
			names[i] = d.base + "_" + d.id
		}
		taken[names[i]] = true
	}
	return names
}

// interfaceName makes a template's name that of an interface. It begins with an upper
// case letter, so it is no word that the language keeps for itself.
func interfaceName(name string) string {
	var b strings.Builder
	upper := true
	for i := 0; i < len(name) && b.Len() < maxName; i++ {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z':
			if upper {
				c -= 'a' - 'A'
			}
			b.WriteByte(c)
			upper = false
		case 'A' <= c && c <= 'Z':
			b.WriteByte(c)
			upper = false
		case '0' <= c && c <= '9':
			if b.Len() == 0 {
				b.WriteByte('T')
			}
			b.WriteByte(c)
			upper = false
		case c == '-' || c == '_' || c <= ' ':
			upper = true
		}
	}
	if b.Len() == 0 {
		return "Template"
	}
	return b.String()
}

// identifier makes an id part of one: base64url has a minus besides what is allowed.
func identifier(id string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '-':
			return '$'
		case r == '_', '0' <= r && r <= '9', 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z':
			return r
		}
		return -1
	}, id)
}

// body is an interface behind its name.
func body(t *oip.Template) string {
	b := []byte("{\n  /* template ")
	// A slash may be escaped in a string of JSON, which keeps the comment open.
	b = append(b, strings.ReplaceAll(literal(t.Name), "*/", `*\/`)...)
	b = append(b, ", did:arweave:"+strings.ReplaceAll(t.ID, "*/", "")+" */\n"...)
	for _, f := range t.Fields {
		name := literal(f.Name)
		if isIdentifier(f.Name) {
			name = f.Name
		}
		b = append(b, "  "+name+"?:"+fieldType(f)+";\n"...)
	}
	return string(append(b, "}\n"...))
}

// fieldType is the type of a field's values, behind the space that it begins with.
func fieldType(f oip.Field) string {
	t := " unknown"
	switch f.Type {
	case "string", "dref":
		t = " string"
	case "long", "uint64", "uint32", "int32", "float", "double":
		t = " number"
	case "bool":
		t = " boolean"
	case "enum":
		if f.Enum != nil {
			return enumType(f)
		}
		t = " number"
	}
	if f.Repeated {
		t += "[]"
	}
	return t
}

// enumType is the union of an enum's names, one on each line. A value with neither
// name nor code is null in records.
func enumType(f oip.Field) string {
	var members []string
	seen := make(map[string]bool)
	for _, e := range f.Enum {
		member := "null"
		switch {
		case e.Name != "" || e.Plain:
			member = literal(e.Name)
		case e.Code != "":
			member = literal(e.Code)
		}
		if !seen[member] {
			seen[member] = true
			members = append(members, member)
		}
	}
	if len(members) == 0 {
		members = []string{"null"}
	}
	union := "\n    | " + strings.Join(members, "\n    | ")
	if f.Repeated {
		return " (" + union + "\n  )[]"
	}
	return union
}

// literal is a text as a string literal. JSON's are TypeScript's, but for two
// characters that end a line in older versions of the language.
func literal(text string) string {
	out := string(canon.AppendString(nil, text))
	return strings.NewReplacer("\u2028", `\u2028`, "\u2029", `\u2029`).Replace(out)
}

// isIdentifier reports whether a name needs no quotes as that of a property.
func isIdentifier(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c == '_' || c == '$' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
