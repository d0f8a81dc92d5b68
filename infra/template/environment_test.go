package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"

	"oipnode/shared/config"
)

// maxEnvironment is what Lambda takes of all names and values of a function, in bytes.
const maxEnvironment = 4 << 10

// maxParameter is the longest value of a parameter that CloudFormation takes.
const maxParameter = 4 << 10

// notOnAWS are the variables of the configuration that no function gets, and why.
var notOnAWS = map[string]string{
	"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "Lambda sets it",
	"JWT_SECRET":                      "a secret is in SSM, not in an environment that is shown: JWT_SECRET_PARAMETER",
	"KEEP_DB_DELAY":                   "the schedule starts a cycle",
	"KEEP_DB_INTERVAL":                "the schedule's own parameter, KeepdbMinutes",
	"LOG_FORMAT":                      "there is no terminal, so it is JSON",
	"LISTEN":                          "API Gateway listens",
	"CORS_ORIGINS":                    "API Gateway answers browsers: the parameter CorsOrigins",
	"DATA_DIR":                        "nothing is kept in files",
	"MEDIA_ALLOW_PRIVATE":             "for tests only",
	"MEDIA_WORKERS":                   "the event source's own parameter, MediaConcurrency",
}

var firstCell = regexp.MustCompile("(?m)^\\| `([A-Z0-9_]+)`")

// known are the variables of the configuration table.
var known = sync.OnceValue(func() []string {
	var names []string
	for _, m := range firstCell.FindAllStringSubmatch(config.Table(), -1) {
		names = append(names, m[1])
	}
	return names
})

// environment: the functions get the variables that the program knows, all that they
// can use, and no value that it would refuse.
func (c *checker) environment() {
	variables, table := c.Variables(), known()
	for _, name := range variables {
		if !slices.Contains(table, name) {
			c.fault("%s is no variable of the configuration", name)
		}
		if why, not := notOnAWS[name]; not {
			c.fault("%s is set, although it does nothing: %s", name, why)
		}
	}
	for _, name := range table {
		if _, not := notOnAWS[name]; !not && !slices.Contains(variables, name) {
			c.fault("%s: no function gets it", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(notOnAWS)) {
		if !slices.Contains(table, name) {
			c.fault("%s, which no function gets, is no variable of the configuration", name)
		}
	}
	checked := make(map[string]string) // what Globals gives to all need not be looked at for each
	for _, f := range c.Functions() {
		c.size(f)
		for name, v := range f.Environment {
			if p := ref(v); c.section("Parameters")[p] != nil && checked[name] != p {
				checked[name] = p
				c.accepted(name, p)
			}
		}
	}
}

// outcome is what a program makes of its environment.
type outcome struct {
	config config.Config
	err    error
}

// loads keeps outcomes: the same few are asked for by every test.
var loads sync.Map // variable=value -> outcome

// loaded is the configuration of a program that finds one variable in its environment.
func loaded(variable string, v any) (config.Config, error) {
	value := fmt.Sprint(v)
	kept, ok := loads.Load(variable + "=" + value)
	if !ok {
		c, err := config.Load(func(name string) (string, bool) {
			if name != variable {
				return "", false
			}
			return value, true
		})
		kept, _ = loads.LoadOrStore(variable+"="+value, outcome{c, err})
	}
	o := kept.(outcome)
	return o.config, o.err
}

// accepted: the program takes whatever the parameter of a variable allows, as far as it
// can be listed, and both have the same default.
func (c *checker) accepted(variable, parameter string) {
	p := c.section("Parameters")[parameter]
	values := list(at(p, "AllowedValues"))
	for _, name := range []string{"Default", "MinValue", "MaxValue"} {
		if v := at(p, name); v != nil {
			values = append(values, v)
		}
	}
	for _, v := range values {
		_, err := loaded(variable, v)
		var refused *config.Error
		if !errors.As(err, &refused) {
			continue
		}
		for _, f := range refused.Faults {
			if f.Variable == variable {
				c.fault("%s: %v is allowed, but %s must be %s", parameter, v, variable, f.Allowed)
			}
		}
	}
	preset, err := loaded("", nil)
	given, errGiven := loaded(variable, at(p, "Default"))
	if err == nil && errGiven == nil && !reflect.DeepEqual(preset, given) {
		c.fault("%s: its default %v is not that of %s", parameter, at(p, "Default"), variable)
	}
}

// size: the longest values that the parameters allow still fit into an environment.
func (c *checker) size(f Function) {
	bytes := 0
	for name, v := range f.Environment {
		bytes += len(name) + c.longest(v)
	}
	if bytes > maxEnvironment {
		c.fault("%s: its environment can have %d bytes, Lambda takes %d", f.ID, bytes, maxEnvironment)
	}
}

// longest is the most bytes that a value can have; what is no parameter is the name or
// the address of something, for which 256 are enough.
func (c *checker) longest(v any) int {
	const reserve = 256
	p := c.section("Parameters")[ref(v)]
	if p == nil {
		if text, ok := v.(string); ok {
			return len(text)
		}
		return reserve
	}
	if n, ok := at(p, "MaxLength").(int); ok {
		return n
	}
	most := 0
	for _, v := range append(list(at(p, "AllowedValues")), at(p, "MaxValue")) {
		if v != nil {
			most = max(most, len(fmt.Sprint(v)))
		}
	}
	if most == 0 {
		return maxParameter
	}
	return most
}

// parameters: each says what it is for and what is allowed, and has a default, so that
// a stack can be made with none given.
func (c *checker) parameters() {
	for _, name := range slices.Sorted(maps.Keys(c.section("Parameters"))) {
		p := c.section("Parameters")[name]
		if d, _ := at(p, "Description").(string); !strings.HasSuffix(d, ".") {
			c.fault("%s: Description is no sentence", name)
		}
		if at(p, "Default") == nil {
			c.fault("%s: it has no default", name)
		}
		bounded := at(p, "MinValue") != nil && at(p, "MaxValue") != nil
		if at(p, "AllowedValues") == nil && at(p, "AllowedPattern") == nil && !bounded {
			c.fault("%s: it says nowhere what is allowed", name)
		}
		pattern, ok := at(p, "AllowedPattern").(string)
		if !ok {
			continue
		}
		if at(p, "ConstraintDescription") == nil {
			c.fault("%s: nobody can read a pattern; ConstraintDescription is missing", name)
		}
		whole, err := regexp.Compile(`^(?:` + pattern + `)$`)
		if err != nil {
			c.fault("%s: AllowedPattern: %v", name, err)
		} else if d := fmt.Sprint(at(p, "Default")); !whole.MatchString(d) {
			c.fault("%s: its default %q is not allowed", name, d)
		}
	}
}

// impersonal are the variables of the access log, none of which tells more of a caller
// than the address. A path or a query would: they say who reads what, and a query can hold
// the key of a stream.
var (
	variable   = regexp.MustCompile(`\$[A-Za-z.]*`)
	impersonal = []string{
		"$context.requestId", "$context.requestTime", "$context.identity.sourceIp", "$context.httpMethod", "$context.status",
		"$context.responseLength", "$context.responseLatency", "$context.integration.status", "$context.error.messageString",
	}
)

// gateway: each API is throttled and logs what it answers, and not to whom more than
// the address.
func (c *checker) gateway() {
	apis := c.ofKind("AWS::Serverless::HttpApi")
	if len(apis) != 1 {
		c.fault("there are %d HTTP APIs, must be one", len(apis))
	}
	for _, id := range apis {
		p := c.resource(id, "Properties")
		for _, name := range []string{"ThrottlingBurstLimit", "ThrottlingRateLimit"} {
			if n, ok := c.number(at(p, "DefaultRouteSettings", name)); !ok || n < 1 {
				c.fault("%s: %s is not set", id, name)
			}
		}
		if c.kind(attribute(at(p, "AccessLogSettings", "DestinationArn"), "Arn")) != logKind {
			c.fault("%s: its access log has no group of the template", id)
		}
		format, _ := at(p, "AccessLogSettings", "Format").(string)
		var line map[string]any
		if err := json.Unmarshal([]byte(format), &line); err != nil {
			c.fault("%s: a line of the access log is no JSON: %v", id, err)
		}
		for _, found := range variable.FindAllString(format, -1) {
			if !slices.Contains(impersonal, found) {
				c.fault("%s: the access log has %s", id, found)
			}
		}
	}
}
