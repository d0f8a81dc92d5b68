package template

import (
	"slices"
	"strings"

	"oipnode/shared/maintenance"
)

// Whole lists what a role may do with every resource: actions that have none.
var whole = []string{"xray:PutTelemetryRecords", "xray:PutTraceSegments"}

// forService are the actions that Lambda itself, or another service in the function's
// name, asks for.
var forService = []string{
	"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams",
	"kms:Decrypt", "logs:CreateLogStream", "logs:PutLogEvents", "s3:ListBucket",
	"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage",
	"xray:PutTelemetryRecords", "xray:PutTraceSegments",
}

// roles: each function has one of its own, written by hand, with nothing in it that it
// does not say in full.
func (c *checker) roles() {
	statements := c.statements()
	user := make(map[string]string)
	for _, f := range c.Functions() {
		role := attribute(f.properties["Role"], "Arn")
		if c.kind(role) != roleKind {
			c.fault("%s: it has no role of the template", f.ID)
			continue
		}
		if other := user[role]; other != "" {
			c.fault("%s and %s share the role %s", other, f.ID, role)
		}
		user[role] = f.ID
		if f.properties["Policies"] != nil {
			c.fault("%s: Policies has no effect beside a role", f.ID)
		}
		c.functionRole(f, role, statements)
	}
	for _, role := range c.ofKind(roleKind) {
		c.trust(role, user[role] != "")
		if c.resource(role, "Properties", "ManagedPolicyArns") != nil {
			c.fault("%s: managed policies allow more than is needed", role)
		}
	}
	for _, s := range statements {
		c.statement(s)
	}
}

// functionRole: the function can write its log and its traces, and what failed reaches
// the queue that it names.
func (c *checker) functionRole(f Function, role string, statements []Statement) {
	group := ref(at(f.properties["LoggingConfig"], "LogGroup"))
	needs := map[string]string{"logs:CreateLogStream": group, "logs:PutLogEvents": group}
	places := []any{f.properties["EventInvokeConfig"]}
	for _, e := range c.events() {
		if e.kind == streamEvent && e.function.ID == f.ID {
			places = append(places, e.properties)
		}
	}
	for _, place := range places {
		if queue := attribute(at(place, "DestinationConfig", "OnFailure", "Destination"), "Arn"); queue != "" {
			needs["sqs:SendMessage"] = queue
		}
	}
	for action, target := range needs {
		var targets []any
		for _, s := range statements {
			if s.Role == role && s.ForService() && slices.Contains(s.Actions, action) {
				targets = append(targets, s.Resources...)
			}
		}
		if len(targets) != 1 || attribute(targets[0], "Arn") != target {
			c.fault("%s: %s must be allowed on %s, and on nothing else", role, action, target)
		}
	}
	for _, action := range whole {
		if !slices.ContainsFunc(statements, func(s Statement) bool {
			return s.Role == role && slices.Contains(s.Actions, action)
		}) {
			c.fault("%s: %s is not allowed, so there are no traces", role, action)
		}
	}
}

// trust: nobody takes the role but the one service that it is for.
func (c *checker) trust(role string, function bool) {
	trusted := "scheduler.amazonaws.com"
	if function {
		trusted = principals[0]
	}
	statements := list(c.resource(role, "Properties", "AssumeRolePolicyDocument", "Statement"))
	if len(statements) != 1 || at(statements[0], "Principal", "Service") != trusted || at(statements[0], "Action") != "sts:AssumeRole" {
		c.fault("%s: it must be trusted to %s alone", role, trusted)
		return
	}
	if !function && ref(at(statements[0], "Condition", "StringEquals", "aws:SourceAccount")) != "AWS::AccountId" {
		c.fault("%s: the scheduler of any account can take it", role)
	}
}

// statement: it names its actions and its resources.
func (c *checker) statement(s Statement) {
	where := s.Role + ", " + s.Sid
	if s.Sid == "" || s.effect != "Allow" || len(s.Actions) == 0 {
		c.fault("%s: a statement has a Sid, the Effect Allow, and actions", where)
	}
	if len(s.Resources) == 0 {
		c.fault("%s: it has no resource", where)
	}
	for _, action := range s.Actions {
		if strings.ContainsAny(action, "*?") {
			c.fault("%s: %s is more than one action", where, action)
		}
		if s.ForService() && !slices.Contains(forService, action) {
			c.fault("%s: %s is not for Lambda itself", where, action)
		}
	}
	for _, r := range s.Resources {
		if r == "*" && slices.ContainsFunc(s.Actions, func(a string) bool { return !slices.Contains(whole, a) }) {
			c.fault("%s: its actions have resources, and it allows all of them", where)
		}
		for _, text := range texts(r) {
			if strings.Contains(text, "*") && text != "*" && !c.mayEndOpen(text, s) {
				c.fault("%s: %q is more than one resource", where, text)
			}
		}
	}
}

// mayEndOpen: what is read in a domain is at many paths, but what is changed there is
// below the node's own names; objects are many, of the two kinds that there are; the streams of a table have names that nobody knows before;
// and a key is told by what it encrypts.
func (c *checker) mayEndOpen(resource string, s Statement) bool {
	path, ok := strings.CutSuffix(resource, "*")
	if !ok || strings.Contains(path, "*") {
		return false
	}
	reads := func(a string) bool { return a == "es:ESHttpGet" || a == "es:ESHttpPost" }
	switch {
	case strings.HasSuffix(path, "Bucket.Arn}/content/"), strings.HasSuffix(path, "Bucket.Arn}/_temp/"),
		strings.HasSuffix(path, "Bucket.Arn}/"+maintenance.ProfileKind+"/"):
		return !slices.ContainsFunc(s.Actions, func(a string) bool {
			return !slices.Contains([]string{"s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"}, a)
		})
	case strings.HasSuffix(path, ".Arn}/stream/"):
		return slices.Equal(s.Actions, []string{"dynamodb:ListStreams"})
	case strings.HasSuffix(path, ":key/"):
		return slices.Equal(s.Actions, []string{"kms:Decrypt"}) && s.conditions
	case strings.HasSuffix(path, "/${OpenSearchIndex}-"):
		return slices.Equal(s.Actions, []string{"es:ESHttpPut"})
	case strings.HasSuffix(path, "/"):
		return !slices.ContainsFunc(s.Actions, func(a string) bool { return !reads(a) })
	default:
		return false
	}
}

// texts are all texts in a value.
func texts(v any) []string {
	var found []string
	walk(v, func(v any) {
		if text, ok := v.(string); ok {
			found = append(found, text)
		}
	})
	return found
}

// domain: the stack's own OpenSearch is encrypted everywhere, and open to the roles of
// the functions that may use it, and to nobody else.
func (c *checker) domain() {
	for _, id := range c.ofKind("AWS::OpenSearchService::Domain") {
		p := c.resource(id, "Properties")
		for _, path := range [][]string{
			{"EncryptionAtRestOptions", "Enabled"}, {"NodeToNodeEncryptionOptions", "Enabled"}, {"DomainEndpointOptions", "EnforceHTTPS"},
		} {
			if at(p, path...) != true {
				c.fault("%s: %s.%s is not on", id, path[0], path[1])
			}
		}
		if policy, _ := at(p, "DomainEndpointOptions", "TLSSecurityPolicy").(string); !strings.HasPrefix(policy, "Policy-Min-TLS-1-2") {
			c.fault("%s: TLSSecurityPolicy is %q, must be of TLS 1.2 or later", id, policy)
		}
		var admitted []string
		for _, s := range list(at(p, "AccessPolicies", "Statement")) {
			if at(s, "Effect") != "Deny" || at(s, "Principal", "AWS") != "*" || at(s, "Action") != "es:ESHttp*" {
				continue
			}
			for _, v := range list(at(s, "Condition", "ArnNotEquals", "aws:PrincipalArn")) {
				admitted = append(admitted, attribute(v, "Arn"))
			}
		}
		var users []string
		allowed := c.Actions()
		for _, f := range c.Functions() {
			if slices.ContainsFunc(allowed[f.Name], func(a string) bool { return strings.HasPrefix(a, "es:") }) {
				users = append(users, attribute(f.properties["Role"], "Arn"))
			}
		}
		slices.Sort(admitted)
		slices.Sort(users)
		if !slices.Equal(admitted, users) {
			c.fault("%s: it is open to %q, and must be to %q", id, admitted, users)
		}
	}
}
