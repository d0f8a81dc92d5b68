package template

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"oipnode/infra/engines"
	"oipnode/shared/access"
	"oipnode/shared/api"
	"oipnode/shared/library"
	"oipnode/shared/maintenance"
	"oipnode/shared/media/files"
	"oipnode/shared/state/bolt"
	"oipnode/shared/state/dynamo"
	"oipnode/shared/voice"
)

// TestStateTable makes the table as the template says, and the state store opens it.
func TestStateTable(t *testing.T) {
	transport := &http.Transport{}
	cfg := engines.DynamoDB.AWS(t)
	cfg.HTTPClient = &http.Client{Transport: transport}
	client := dynamodb.NewFromConfig(cfg)
	properties := load(t).resource("StateTable", "Properties")
	name := "template-" + strings.ToLower(rand.Text()[:10])
	in := &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingMode(text(at(properties, "BillingMode")))}
	for _, a := range list(at(properties, "AttributeDefinitions")) {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{
			AttributeName: aws.String(text(at(a, "AttributeName"))), AttributeType: types.ScalarAttributeType(text(at(a, "AttributeType"))),
		})
	}
	for _, k := range list(at(properties, "KeySchema")) {
		in.KeySchema = append(in.KeySchema, types.KeySchemaElement{
			AttributeName: aws.String(text(at(k, "AttributeName"))), KeyType: types.KeyType(text(at(k, "KeyType"))),
		})
	}
	in.StreamSpecification = &types.StreamSpecification{
		StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewType(text(at(properties, "StreamSpecification", "StreamViewType"))),
	}
	if _, err := client.CreateTable(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &name}); err != nil {
			t.Error(err)
		}
		transport.CloseIdleConnections()
	})
	if err := dynamodb.NewTableExistsWaiter(client).Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: &name}, waiting); err != nil {
		t.Fatal(err)
	}
	_, err := client.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{TableName: &name,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{
			AttributeName: aws.String(text(at(properties, "TimeToLiveSpecification", "AttributeName"))), Enabled: aws.Bool(true),
		}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := dynamo.Open(t.Context(), dynamo.Options{Client: client, Table: name})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// routes are paths of the API that have, together, every method of it.
var routes = []string{
	"/api/records", "/api/health", "/api/voice/dialogues", "/api/voice/dialogues/x", "/api/voice/dialogues/x/events",
	"/api/voice/active-dialogues", "/api/voice/open-stream", "/api/records/deleteRecord", "/gun-relay/get", "/gun-relay/put",
	"/api/health/gun-sync", "/api/health/gun-sync/force", "/api/health/memory/clear-cache",
	"/api/media", "/api/media/fetch", "/api/media/jobs/x", "/api/media/x", "/api/media/x/info",
}

// preflights asks the handler what pages of other origins may do: the headers of its
// answers, each with the values of all routes. At a single route it allows that one's
// methods; API Gateway has one list for all.
func preflights(t *testing.T) http.Header {
	t.Helper()
	auth, err := access.NewAuthenticator(access.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	store, err := bolt.Open(filepath.Join(t.TempDir(), "state.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	dialogues, err := voice.New(voice.Options{State: store})
	if err != nil {
		t.Fatal(err)
	}
	objects, err := files.Open(filepath.Join(t.TempDir(), "media"), files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	media, err := library.New(library.Options{State: store, Media: objects})
	if err != nil {
		t.Fatal(err)
	}
	handler := api.New(api.Options{Auth: auth, Voice: dialogues, Media: media})
	all := make(http.Header)
	for _, path := range routes {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodOptions, path, nil))
		if w.Code != http.StatusNoContent {
			t.Fatalf("OPTIONS %s: %d %s", path, w.Code, w.Body)
		}
		for name := range w.Header() {
			for value := range strings.SplitSeq(w.Header().Get(name), ",") {
				if value = strings.TrimSpace(value); !slices.Contains(all.Values(name), value) {
					all.Add(name, value)
				}
			}
		}
	}
	return all
}

// TestCORS: API Gateway answers a browser's preflight request in place of the handler,
// and replaces the handler's own headers. By default both must say the same.
func TestCORS(t *testing.T) {
	handler := preflights(t)
	tp := load(t)
	cors := tp.resource("Api", "Properties", "CorsConfiguration")
	if cors == nil {
		t.Fatal("the API has no CORS")
	}
	for header, name := range map[string]string{
		"Access-Control-Allow-Methods": "AllowMethods", "Access-Control-Allow-Headers": "AllowHeaders",
		"Access-Control-Expose-Headers": "ExposeHeaders",
	} {
		var theirs []string
		for _, v := range list(at(cors, name)) {
			theirs = append(theirs, text(v))
		}
		ours := handler.Values(header)
		slices.Sort(theirs)
		slices.Sort(ours)
		if !slices.Equal(ours, theirs) {
			t.Errorf("%s: the handler says %q, API Gateway %q", header, ours, theirs)
		}
	}
	if age, _ := json.Marshal(at(cors, "MaxAge")); string(age) != strings.Join(handler.Values("Access-Control-Max-Age"), ",") {
		t.Errorf("MaxAge: the handler says %s, API Gateway %s", handler.Values("Access-Control-Max-Age"), age)
	}
	// The transform puts the parameter's text in, which is no list before it is split.
	split := list(at(cors, "AllowOrigins", "Fn::Split"))
	if len(split) != 2 || split[0] != "," || ref(split[1]) != "CorsOrigins" {
		t.Errorf("AllowOrigins is %v, must be !Split of CorsOrigins", at(cors, "AllowOrigins"))
	}
	if d := at(tp.section("Parameters")["CorsOrigins"], "Default"); d != strings.Join(handler.Values("Access-Control-Allow-Origin"), ",") {
		t.Errorf("by default API Gateway allows %v, the handler %s", d, handler.Values("Access-Control-Allow-Origin"))
	}
}

// TestEvents: the samples are what the triggers of the template really send.
func TestEvents(t *testing.T) {
	read := func(name string, into any) {
		t.Helper()
		text, err := os.ReadFile(root + "/events/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	scheduled := 0
	for _, e := range load(t).events() {
		if e.kind != "ScheduleV2" {
			continue
		}
		scheduled++
		var sample, input map[string]string
		if err := json.Unmarshal([]byte(text(at(e.properties, "Input"))), &input); err != nil {
			t.Fatal(err)
		}
		file := e.function.Name
		if task := input["task"]; task != "" { // a function of several has a sample of each
			file += "-" + task
		}
		read(file+".json", &sample)
		if got, want := slices.Sorted(maps.Keys(sample)), slices.Sorted(maps.Keys(input)); !slices.Equal(got, want) {
			t.Errorf("events/%s.json has %q, the schedule sends %q", file, got, want)
		}
		for key, sent := range input {
			if !strings.HasPrefix(sent, "<") && sample[key] != sent {
				t.Errorf("events/%s.json: %s is %q, the schedule sends %q", file, key, sample[key], sent)
			}
		}
	}
	if scheduled != 4 {
		t.Errorf("%d schedules", scheduled)
	}
	for name, task := range map[string]string{
		"maintenance-stats.json": maintenance.TaskStats, "maintenance-rescan.json": maintenance.TaskRescan,
		"maintenance-reindex.json": maintenance.TaskReindex, "maintenance-media-repair.json": maintenance.TaskMediaRepair,
	} {
		var q maintenance.Request
		read(name, &q)
		if err := q.Check(); err != nil || q.Task != task {
			t.Errorf("%s: %+v, %v", name, q, err)
		}
	}
}

// TestSamconfig: sam builds with the Makefile in this tree, never from an old cache, and
// nothing in the file belongs to one operator.
func TestSamconfig(t *testing.T) {
	file, err := os.ReadFile(root + "/samconfig.toml")
	if err != nil {
		t.Fatal(err)
	}
	settings := make(map[string]string)
	section := ""
	for line := range strings.Lines(string(file)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			section = strings.Trim(line, "[]") + "."
		default:
			name, value, ok := strings.Cut(line, " = ")
			if !ok {
				t.Errorf("not a setting: %s", line)
			}
			settings[section+name] = value
		}
	}
	for name, want := range map[string]string{
		"version":                                       "0.1",
		"default.build.parameters.cached":               "false",
		"default.build.parameters.parallel":             "true",
		"default.validate.parameters.lint":              "true",
		"default.deploy.parameters.capabilities":        `"CAPABILITY_IAM"`,
		"default.deploy.parameters.resolve_s3":          "true",
		"default.sync.parameters.watch":                 "false",
		"default.build.parameters.build_in_source":      "true",
		"default.deploy.parameters.confirm_changeset":   "true",
		"default.global.parameters.template_file":       `"template.yaml"`,
		"default.deploy.parameters.parameter_overrides": "",
		"default.deploy.parameters.region":              "",
		"default.deploy.parameters.profile":             "",
		"default.deploy.parameters.s3_bucket":           "",
		"default.deploy.parameters.disable_rollback":    "",
	} {
		if settings[name] != want {
			t.Errorf("%s is %q, want %q", name, settings[name], want)
		}
	}
}

// TestInvokeWaits: a command of the README that invokes a function waits as long as that
// may take. The AWS CLI gives up after a minute by default, and then calls again.
func TestInvokeWaits(t *testing.T) {
	readme, err := os.ReadFile(root + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile("aws lambda invoke --function-name[^\n`]*").FindAllString(string(readme), -1)
	if len(commands) < 5 {
		t.Errorf("only %d commands: %q", len(commands), commands)
	}
	for _, command := range commands {
		if !strings.Contains(command, " --cli-read-timeout 0 ") {
			t.Errorf("it gives up after a minute: %s", command)
		}
	}
}
