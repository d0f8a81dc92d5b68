package typescript

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"oipnode/infra/engines/tsc"
	"oipnode/shared/oip"
	"oipnode/shared/oip/canon"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// template reads a definition as it is stored.
func template(t testing.TB, id, name, definition string) *oip.Template {
	t.Helper()
	doc := append([]byte(`{"data":{"TxId":"`+id+`","template":`), canon.AppendString(nil, name)...)
	doc = canon.AppendString(append(doc, `,"fields":`...), definition)
	parsed, err := oip.ParseStoredTemplate(append(doc, "}}"...))
	if err != nil {
		t.Fatalf("%q: %v", name, err)
	}
	return parsed
}

func id(n int) string { return fmt.Sprintf("%043d", n) }

// TestCode is the code of every type of field.
func TestCode(t *testing.T) {
	var c Code
	c.Add(template(t, id(1), "all_types", `{"s":"string","index_s":0,"l":"long","index_l":1,"u":"uint64","index_u":2,"f":"float","index_f":3,"b":"bool","index_b":4,
		"e":"enum","eValues":[{"code":"a","name":"First \"one\""},{"code":"b"},"plain",{"code":"a","name":"First \"one\""},7],"index_e":5,
		"n":"enum","index_n":6,"d":"dref","index_d":7,"rs":"repeated string","index_rs":8,"rd":"repeated dref","index_rd":9,
		"re":"repeated enum","reValues":["x","y"],"index_re":10,"rx":"repeated enum","index_rx":11,"other":"money","index_other":12,"ro":"repeated money","index_ro":13,
		"no":"enum","noValues":[],"index_no":14,"index_reValues":18,"a b":"string","index_a b":15,"1":"int32","index_1":16,"class":"double","index_class":17}`), 5)
	const want = `export interface AllTypes {
  /* template "all_types", did:arweave:0000000000000000000000000000000000000000001 */
  "1"?: number;
  s?: string;
  l?: number;
  u?: number;
  f?: number;
  b?: boolean;
  e?:
    | "First \"one\""
    | "b"
    | "plain"
    | null;
  n?: number;
  d?: string;
  rs?: string[];
  rd?: string[];
  re?: (
    | "x"
    | "y"
  )[];
  reValues?: unknown;
  rx?: number[];
  other?: unknown;
  ro?: unknown[];
  no?:
    | null;
  "a b"?: string;
  class?: number;
}
`
	if got := c.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if len(want) > c.Size() {
		t.Errorf("size %d, but %d bytes", c.Size(), len(want))
	}
}

// TestNames: the newest template has the name, whatever the order; all are different.
func TestNames(t *testing.T) {
	type tpl struct {
		n      int
		name   string
		height int64
	}
	for _, c := range []struct {
		templates []tpl
		want      string
	}{
		{[]tpl{{1, "mealPlan", 1}, {2, "meal-plan", 1}, {3, "meal plan_v2", 1}, {4, "3d", 1}, {5, "", 1}, {6, "日本", 1}, {7, "über", 1}, {8, "any", 1}, {9, "éany", 1}},
			"MealPlan MealPlan_00000000 MealPlanV2 T3d Template Template_00000000 Ber Any Any_00000000"},
		{[]tpl{{1, "a", 1}, {2, "a", 3}, {3, "a", 2}}, "A_" + id(1) + " A A_00000000"},
		{[]tpl{{2, "a", 3}, {3, "a", 2}, {1, "a", 1}}, "A A_00000000 A_" + id(1)},
		{[]tpl{{1, strings.Repeat("x", 3000), 1}}, "X" + strings.Repeat("x", maxName-1)},
		{[]tpl{{1, "class", 1}, {2, "Array", 1}, {3, "__proto__", 1}, {4, "a\nb */ {", 1}}, "Class Array Proto AB"},
	} {
		var code Code
		for _, x := range c.templates {
			code.Add(template(t, id(x.n), x.name, `{}`), x.height)
		}
		if got := strings.Join(code.names(), " "); got != c.want {
			t.Errorf("%v: %s, want %s", c.templates, got, c.want)
		}
	}
	if got := new(Code).String(); got != "export {};\n" {
		t.Errorf("nothing: %q", got)
	}
}

// hostile are templates that try to leave the places where their texts stand.
func hostile(t testing.TB) *Code {
	t.Helper()
	texts := []string{"*/ } const x: string = 1; /*", "\"; }", "`${x}`", "\\", "\\u0022", "a\nb", "a\r\nb", "\u2028", "\u2029", "\ufeff", "\x00", "\xed\xa0\x80", "\xed\xb0\x80", "//", "/*", "<!--",
		"日本", "größe", "😀", "", " ", "1", "01", "1.5", "-1", "1e3", "[x]", "a?", "a: never; b", "readonly a", "get a", "__proto__", "constructor", "prototype", "toString",
		"class", "any", "unknown", "never", "string", "number", "boolean", "symbol", "object", "undefined", "null", "void", "bigint", "function", "new", "get", "set", "static",
		"async", "readonly", "declare", "type", "interface", "enum", "extends", "infer", "keyof", "typeof", "unique", "asserts", "is", "abstract", "accessor", "public", "private",
		"Array", "String", "Object", "Promise", "Function", "Record", "Symbol", "Number", "Boolean", "Date", "Error", "Map", "globalThis", "require", "exports", "module", "$", "_", "$a", "a$"}
	field := func(b []byte, name string, more ...string) []byte {
		n := len(b)
		b = append(canon.AppendString(b, name), ':')
		b = append(canon.AppendString(b, more[0]), ',')
		if len(more) > 1 {
			b = append(append(canon.AppendString(b, name+"Values"), ':'), more[1]...)
			b = append(canon.AppendString(append(b, ','), "index_"+name+"Values"), fmt.Sprintf(":%d,", len(b))...)
		}
		b = append(canon.AppendString(b, "index_"+name), ':')
		return append(b, fmt.Sprintf("%d,", n)...)
	}
	values := []byte("[")
	for i, text := range texts {
		values = canon.AppendString(append(values, fmt.Sprintf(`{"code":"%d","name":`, i)...), text)
		values = canon.AppendString(append(values, "},"...), text)
		values = append(values, ',')
	}
	values[len(values)-1] = ']'
	every, lists := []byte("{"), []byte("{")
	for _, text := range texts {
		every = field(every, text, "string")
		lists = field(lists, text, "repeated "+text)
	}
	every, lists = field(every, "one of them", "enum", string(values)), field(lists, "some of them", "repeated enum", string(values))
	every[len(every)-1], lists[len(lists)-1] = '}', '}'
	c := new(Code)
	for i, text := range texts {
		c.Add(template(t, id(i), text, `{"a":"string","index_a":0}`), 1)
	}
	c.Add(template(t, id(1000), "every name", string(every)), 1)
	c.Add(template(t, id(1001), "every type", string(lists)), 1)
	many := []byte(`[""`)
	for i := range oip.MaxEnumValues {
		many = append(many, fmt.Sprintf(`,"value %d"`, i)...)
	}
	c.Add(template(t, id(1002), "large", `{"e":"enum","eValues":`+string(many)+`],"index_e":0}`), 1)
	var fields []byte
	for i := range oip.MaxFields {
		fields = append(fields, fmt.Sprintf(`,"f%d":"repeated dref","index_f%d":%d`, i, i, i)...)
	}
	c.Add(template(t, id(1003), "wide", "{"+string(fields[1:])+"}"), 1)
	return c
}

// TestCompiler gives the real compiler the published templates, hostile ones, and a
// client's code that uses the interfaces rightly and wrongly.
func TestCompiler(t *testing.T) {
	text, err := os.ReadFile("../oip/testdata/templates.json")
	if err != nil {
		t.Fatal(err)
	}
	var definitions map[string]json.RawMessage
	if err := json.Unmarshal(text, &definitions); err != nil {
		t.Fatal(err)
	}
	var published Code
	for name, definition := range definitions {
		published.Add(template(t, id(len(name)), name, string(definition)), 1)
	}
	if len(published.templates) < 30 {
		t.Fatalf("only %d published templates", len(published.templates))
	}
	out := tsc.Strict(t, map[string]string{
		"published.ts": published.String(),
		"hostile.ts":   hostile(t).String(),
		"none.ts":      new(Code).String(),
		"client.ts": `import type { Basic, Post, ConversationSession, AccessControl } from './published';
import type * as hostile from './hostile';
export const basic: Basic = { name: 'n', date: 1713783811, language: 'English', tagItems: ['a'] };
export const post: Post = { featuredImage: 'did:arweave:x', imageItems: ['did:arweave:x'] };
export const session: ConversationSession = { is_archived: false, message_timestamps: [1, 2] };
export const level: AccessControl['access_level'] = 'Private Access';
export const many: hostile.Large = { e: 'value 16382' };
export const odd: [hostile.EveryName['*/ } const x: string = 1; /*'], hostile.EveryName['\ud800'], hostile.EveryName['class']] = ['x', 'y', 'z'];
export const list: [hostile.EveryType['string'], hostile.EveryType['number'], hostile.EveryType['some of them']] = [['a'], [{}], ['<!--', '\u2028']];
`,
	})
	if out != "" {
		t.Errorf("refused: %.3000s", out)
	}
	out = tsc.Strict(t, map[string]string{
		"published.ts": published.String(),
		"client.ts": `import type { Basic, Post } from './published';
export const name: Basic = { name: 1 };
export const language: Basic = { language: 'Klingon' };
export const tags: Basic = { tagItems: 'a' };
export const image: Post = { imageItems: [1] };
export const unknown: Post = { nothing: 1 };
`,
	})
	for line := range 5 {
		if want := fmt.Sprintf("client.ts(%d,", line+2); strings.Count(out, want) != 1 {
			t.Errorf("line %d is right to the compiler: %s", line+2, out)
		}
	}
}

// FuzzCode: whatever a template says, its texts stay in their literals. Each line of
// an interface is of one of a few forms.
func FuzzCode(f *testing.F) {
	f.Add("basic", "a", "string", "x", "y")
	f.Add("*/", "\"\n", "repeated enum", "\u2028", "\\")
	f.Add("\xed\xa0\x80", "$", "enum", "`", "${}")
	f.Fuzz(func(t *testing.T, name, field, fieldType, first, second string) {
		b := append(canon.AppendString([]byte("{"), field), ':')
		b = append(canon.AppendString(b, fieldType), ',')
		b = append(canon.AppendString(b, field+"Values"), ":["...)
		b = append(canon.AppendString(b, first), ',')
		b = append(canon.AppendString(b, second), "],"...)
		b = append(canon.AppendString(b, "index_"+field+"Values"), ":1,"...)
		b = append(canon.AppendString(b, "index_"+field), ":0}"...)
		doc := append(canon.AppendString([]byte(`{"data":{"TxId":"x","template":`), name), `,"fields":`...)
		doc = append(canon.AppendString(doc, string(b)), "}}"...)
		parsed, err := oip.ParseStoredTemplate(doc)
		if err != nil {
			return
		}
		var c Code
		c.Add(parsed, 1)
		code := c.String()
		if len(code) > c.Size() {
			t.Fatalf("size %d, but %d bytes", c.Size(), len(code))
		}
		lines := strings.Split(strings.TrimSuffix(code, "\n"), "\n")
		for i, line := range lines {
			inside, isField := strings.CutPrefix(line, "  ")
			switch member, isMember := strings.CutPrefix(inside, "  | "); {
			case i == 0 && strings.HasPrefix(line, "export interface ") && strings.HasSuffix(line, " {"):
			case i == len(lines)-1 && line == "}":
			case i == 1 && strings.HasPrefix(inside, `/* template "`) && strings.HasSuffix(line, `, did:arweave:x */`) && strings.Count(line, "*/") == 1:
			case isMember && quoted(strings.TrimSuffix(member, ";")):
			case isField && inside == ")[];":
			case isField && property(inside):
			default:
				t.Fatalf("line %d of\n%s", i+1, code)
			}
		}
	})
}

// property reports whether a line is a name, quoted or not, and a type.
func property(line string) bool {
	for _, end := range []string{"?: string;", "?: number;", "?: boolean;", "?: unknown;", "?: string[];", "?: number[];", "?: boolean[];", "?: unknown[];", "?:", "?: ("} {
		if name, ok := strings.CutSuffix(line, end); ok && (isIdentifier(name) || quoted(name)) {
			return true
		}
	}
	return false
}

// quoted reports whether a text is one string literal, or null.
func quoted(text string) bool {
	v, err := canon.Parse([]byte(text))
	return err == nil && (v.Kind() == canon.String || v.Kind() == canon.Null) && !strings.ContainsAny(text, "\u2028\u2029")
}
