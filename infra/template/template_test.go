package template

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"oipnode/shared/memory"
	"oipnode/shared/state"
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
		"keepdb": {270 * time.Second, 512}, "maintenance": {15 * time.Minute, 512}, "mediafetch": {15 * time.Minute, 512},
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
	if len(actions) != 7 {
		t.Fatalf("%d functions", len(actions))
	}
	for name, own := range actions {
		if !slices.IsSorted(own) {
			t.Errorf("%s: %q is not in order", name, own)
		}
		for a, want := range map[string]bool{
			"dynamodb:GetItem": true,
			// Those that write the index look after the table too; the others trust them.
			"dynamodb:DescribeTable": name == "keepdb" || name == "gunsync" || name == "maintenance",
			"es:ESHttpPost":          name != "expiry" && name != "mediafetch", // they have no business with records
		} {
			if slices.Contains(own, a) != want {
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
	for _, a := range []string{"dynamodb:ConditionCheckItem", "es:ESHttpPut", "sqs:ReceiveMessage", "s3:PutObject", "s3:DeleteObject"} {
		if slices.Contains(actions["api"], a) {
			t.Errorf("the API, which has no lease, makes no index, stores no media and works no queue, may %s", a)
		}
	}
	if slices.Contains(actions["expiry"], "dynamodb:UpdateItem") {
		t.Error("expiry, which only removes, may dynamodb:UpdateItem")
	}
}

// TestExpiryPutsItsMemory: what expiry may put is the sample of its memory and no other
// row of the table.
func TestExpiryPutsItsMemory(t *testing.T) {
	all := load(t)
	var role string
	for _, f := range all.Functions() {
		if f.Name == "expiry" {
			role = attribute(f.properties["Role"], "Arn")
		}
	}
	puts := 0
	for _, s := range all.statements() {
		if s.Role != role || !slices.Contains(s.Actions, "dynamodb:PutItem") {
			continue
		}
		puts++
		if len(s.Actions) != 1 || len(s.partitions) != 1 || !memory.IsReport(state.Key{Space: fmt.Sprint(s.partitions[0]), ID: "expiry/1"}) {
			t.Errorf("%s allows %q in %q", s.Sid, s.Actions, s.partitions)
		}
	}
	if puts != 1 {
		t.Errorf("%d statements of expiry allow a put", puts)
	}
}
