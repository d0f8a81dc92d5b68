package template

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// checker collects what is wrong with a template.
type checker struct {
	*Template
	// repository is the tree that the template lies on top of.
	repository fs.FS
	faults     []string
}

// fault notes a sentence once.
func (c *checker) fault(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(c.faults, text) {
		c.faults = append(c.faults, text)
	}
}

func TestTemplate(t *testing.T) {
	for _, fault := range load(t).faults(os.DirFS(root)) {
		t.Error(fault)
	}
}

// faults returns a sentence for everything that is wrong with the template in that
// repository, in order; nothing is fine. It looks at what linters cannot know; they
// have to run as well.
func (t *Template) faults(repository fs.FS) []string {
	c := &checker{Template: t, repository: repository}
	c.builds()
	c.logs()
	c.time()
	c.schedules()
	c.streams()
	c.jobs()
	c.queues()
	c.messages()
	c.table()
	c.bucket()
	c.domain()
	c.gateway()
	c.roles()
	c.parameters()
	c.environment()
	c.places()
	c.alarms()
	c.dashboard()
	slices.Sort(c.faults)
	return c.faults
}

// Regions, accounts and partitions belong to the stack, not into its template.
var (
	region  = regexp.MustCompile(`\b(af|ap|ca|cn|eu|il|me|mx|sa|us)(-gov|-iso[a-z]*)?-(central|north|south|east|west|northeast|northwest|southeast|southwest)-[0-9]\b`)
	account = regexp.MustCompile(`\b[0-9]{12}\b`)
	arn     = regexp.MustCompile(`\barn:aws`)
	host    = regexp.MustCompile(`\b[a-z.]*amazonaws\.com`)
)

// principals are the names of services in a trust policy, in the records of a table's
// stream or in the policy of a topic, which are the same in every partition.
var principals = []string{"lambda.amazonaws.com", "scheduler.amazonaws.com", "dynamodb.amazonaws.com", "cloudwatch.amazonaws.com"}

// places finds what ties the template to one region, account or partition.
func (c *checker) places() {
	for i, line := range strings.Split(c.text, "\n") {
		line, _, _ = strings.Cut(line, " #")
		if !strings.ContainsAny(line, "0123456789") && !strings.Contains(line, "aws") {
			continue // none of the patterns can be in it
		}
		for what, pattern := range map[string]*regexp.Regexp{
			"a region (AWS::Region)": region, "an account (AWS::AccountId)": account, "a partition (AWS::Partition)": arn,
		} {
			if found := pattern.FindString(line); found != "" {
				c.fault("line %d: %q is %s of its own", i+1, found, what)
			}
		}
		for _, found := range host.FindAllString(line, -1) {
			if !slices.Contains(principals, found) {
				c.fault("line %d: %q holds in one partition only (AWS::URLSuffix)", i+1, found)
			}
		}
	}
}

// builds: the code of each function is there, and what builds it; each folder of
// functions is deployed.
func (c *checker) builds() {
	makefile, err := fs.ReadFile(c.repository, "Makefile")
	if err != nil {
		c.fault("Makefile: %v", err)
	}
	deployed := make(map[string]bool)
	for _, f := range c.Functions() {
		deployed[f.Name] = true
		if !strings.HasSuffix(f.ID, "Function") {
			c.fault("%s: the name of a function ends with Function", f.ID)
		}
		if _, err := fs.Stat(c.repository, "functions/"+f.Name+"/main.go"); err != nil {
			c.fault("%s: functions/%s/main.go is not there", f.ID, f.Name)
		}
		if uri, _ := f.properties["CodeUri"].(string); uri != "." {
			c.fault("%s: CodeUri is %q; the Makefile's folder is needed", f.ID, uri)
		}
		if c.resource(f.ID, "Metadata", "BuildMethod") != "makefile" {
			c.fault("%s: BuildMethod is not makefile", f.ID)
		}
		// A target may be one of several of a rule.
		target := regexp.MustCompile(`(?m)^([a-zA-Z-]+ )*build-` + regexp.QuoteMeta(f.ID) + `( [a-zA-Z-]+)*:`)
		if !target.Match(makefile) {
			c.fault("%s: the Makefile has no target build-%s", f.ID, f.ID)
		}
		for name, want := range map[string]any{
			"Runtime": "provided.al2023", "Handler": "bootstrap", "Tracing": "Active",
		} {
			if f.properties[name] != want {
				c.fault("%s: %s is %v, must be %v", f.ID, name, f.properties[name], want)
			}
		}
		if a := list(f.properties["Architectures"]); len(a) != 1 || a[0] != "arm64" {
			c.fault("%s: Architectures is %v, must be arm64", f.ID, a)
		}
	}
	folders, err := fs.Glob(c.repository, "functions/*/main.go")
	if err != nil || len(folders) == 0 {
		c.fault("the repository has no functions")
	}
	for _, folder := range folders {
		if name := strings.Split(folder, "/")[1]; !deployed[name] {
			c.fault("functions/%s is not in the template", name)
		}
	}
}

const logKind = "AWS::Logs::LogGroup"

// logs: every function writes into a group of its own, and every group forgets.
func (c *checker) logs() {
	writer := make(map[string]string)
	for _, f := range c.Functions() {
		group := ref(at(f.properties["LoggingConfig"], "LogGroup"))
		if c.kind(group) != logKind {
			c.fault("%s: it has no log group of the template", f.ID)
			continue
		}
		if other := writer[group]; other != "" {
			c.fault("%s and %s share the log group %s", other, f.ID, group)
		}
		writer[group] = f.ID
	}
	for _, group := range c.ofKind(logKind) {
		if days, ok := c.number(c.resource(group, "Properties", "RetentionInDays")); !ok || days <= 0 {
			c.fault("%s: it keeps its lines for ever", group)
		}
	}
}

// event is a trigger of a function.
type event struct {
	function Function
	name     string
	kind     string
	// properties may be nil.
	properties any
}

// events are all triggers of all functions, in order.
func (t *Template) events() []event {
	var all []event
	for _, f := range t.Functions() {
		events, _ := f.properties["Events"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(events)) {
			kind, _ := at(events[name], "Type").(string)
			all = append(all, event{f, name, kind, at(events[name], "Properties")})
		}
	}
	return all
}

// walk visits a value and all values in it.
func walk(v any, visit func(v any)) {
	visit(v)
	switch v := v.(type) {
	case map[string]any:
		for _, inner := range v {
			walk(inner, visit)
		}
	case []any:
		for _, inner := range v {
			walk(inner, visit)
		}
	}
}
