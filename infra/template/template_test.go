package template

import (
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// root is the top of the repository, seen from this package.
const root = "../.."

// load reads the template that is deployed.
func load(t testing.TB) *Template {
	t.Helper()
	tp, err := Load(root + "/template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return tp
}

func TestParse(t *testing.T) {
	got, err := Parse([]byte(`
Version: 2012-10-17
A: !Ref B
B: !GetAtt C.D.E
C: !GetAtt [F, G]
D: !If [H, !Sub "${I}", !Ref "AWS::NoValue"]
E: { n: 7, t: true, none: , quoted: "7", plain: a:b }
`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"Version": "2012-10-17",
		"A":       map[string]any{"Ref": "B"},
		"B":       map[string]any{"Fn::GetAtt": []any{"C", "D.E"}},
		"C":       map[string]any{"Fn::GetAtt": []any{"F", "G"}},
		"D": map[string]any{"Fn::If": []any{"H", map[string]any{"Fn::Sub": "${I}"},
			map[string]any{"Ref": "AWS::NoValue"}}},
		"E": map[string]any{"n": 7, "t": true, "none": nil, "quoted": "7", "plain": "a:b"},
	}
	if !reflect.DeepEqual(got.root, want) {
		t.Errorf("got %#v", got.root)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, says string }{
		{"nothing", "", "empty"},
		{"a list", "[1]", "not a mapping"},
		{"no YAML", "a: [", "yaml"},
		{"a key twice", "a:\n  b: 1\n  b: 2\n", `line 3: "b" is there twice`},
		{"an alias", "a: &x 1\nb: *x\n", "no aliases"},
		{"a deep one", "a: " + strings.Repeat("[", 120) + strings.Repeat("]", 120), "deeper than"},
		{"a long one", "a: " + strings.Repeat("x", maxTemplate), "CloudFormation takes"},
	} {
		_, err := Parse([]byte(c.text))
		if !errors.Is(err, ErrTemplate) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
	if _, err := Load("testdata/absent.yaml"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an absent file: %v", err)
	}
}

// FuzzParse: any text is a template or refused, and never more than that.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"a: !Ref b", "Resources: {F: {Type: AWS::Serverless::Function}}", "a: &x [*x]", "? [a]\n: b", "!Sub a",
		"Resources: {R: {Type: AWS::IAM::Role, Properties: {Policies: [{PolicyDocument: {Statement: !If [a]}}]}}}"} {
		f.Add([]byte(seed))
	}
	repository := os.DirFS(root)
	f.Fuzz(func(t *testing.T, text []byte) {
		tp, err := Parse(text)
		if err != nil {
			if !errors.Is(err, ErrTemplate) {
				t.Errorf("%v", err)
			}
			return
		}
		if len(tp.faults(repository)) == 0 {
			t.Error("nothing is wrong with it")
		}
		tp.Actions()
	})
}

func TestFunctions(t *testing.T) {
	functions := load(t).Functions()
	type setting struct {
		timeout time.Duration
		memory  int
	}
	got := make(map[string]setting)
	for _, f := range functions {
		got[f.Name] = setting{f.Timeout, f.Memory}
		if ref(f.Environment["STATE_TABLE"]) != "StateTable" {
			t.Errorf("%s: what Globals says is not in its environment", f.ID)
		}
	}
	want := map[string]setting{
		"api": {29 * time.Second, 256}, "cacherefresh": {2 * time.Minute, 256}, "expiry": {5 * time.Minute, 256}, "gunsync": {50 * time.Second, 256},
		"keepdb": {270 * time.Second, 512}, "maintenance": {15 * time.Minute, 512},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if functions[0].Environment["JWT_SECRET_PARAMETER"] == nil || functions[2].Environment["JWT_SECRET_PARAMETER"] != nil || functions[3].Environment["JWT_SECRET_PARAMETER"] != nil {
		t.Error("the key of the tokens is for the API, and for nobody else")
	}
}

func TestActions(t *testing.T) {
	actions := load(t).Actions()
	if len(actions) != 6 {
		t.Fatalf("%d functions", len(actions))
	}
	for name, own := range actions {
		if !slices.IsSorted(own) {
			t.Errorf("%s: %q is not in order", name, own)
		}
		for _, a := range []string{"dynamodb:GetItem", "dynamodb:DescribeTable", "es:ESHttpPost"} {
			if slices.Contains(own, a) == (name == "expiry" && a == "es:ESHttpPost") { // it has no business with records

				t.Errorf("%s: whether it may %s is wrong", name, a)
			}
		}
		for _, a := range own {
			if strings.HasPrefix(a, "logs:") || strings.HasPrefix(a, "xray:") || a == "kms:Decrypt" {
				t.Errorf("%s: %s is asked for by Lambda and not by the code", name, a)
			}
		}
	}
	if !slices.Contains(actions["api"], "ssm:GetParameter") || slices.Contains(actions["keepdb"], "ssm:GetParameter") {
		t.Errorf("the key of the tokens: api %q, keepdb %q", actions["api"], actions["keepdb"])
	}
	for _, a := range []string{"dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem", "es:ESHttpPut"} {
		if slices.Contains(actions["api"], a) {
			t.Errorf("the API, which writes dialogues and nothing else, may %s", a)
		}
	}
	for _, a := range []string{"dynamodb:PutItem", "dynamodb:UpdateItem"} {
		if slices.Contains(actions["expiry"], a) {
			t.Errorf("expiry, which only removes, may %s", a)
		}
	}
}
