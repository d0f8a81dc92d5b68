package tsc

import (
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The compiler accepts what is right, and names what is not: a check with one that
// accepts all would be none.
func TestStrict(t *testing.T) {
	if out := Strict(t, map[string]string{"right.ts": "export interface A { a?: string }\nexport const a: A = { a: 'x' };\n"}); out != "" {
		t.Errorf("refused: %s", out)
	}
	out := Strict(t, map[string]string{
		"right.ts": "export const n: number = 1;\n",
		"null.ts":  "export const s: string = null;\n",
		"any.ts":   "export function f(x) { return x; }\n",
	})
	for _, want := range []string{"null.ts(1,14): error TS2322", "any.ts(1,19): error TS7006"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in: %s", want, out)
		}
	}
	if strings.Contains(out, "right.ts") {
		t.Errorf("what is right was refused: %s", out)
	}
	if out := Strict(t, map[string]string{"broken.ts": "export interface A {\n"}); !strings.Contains(out, "broken.ts(2,1): error TS1005") {
		t.Errorf("half an interface: %s", out)
	}
}
