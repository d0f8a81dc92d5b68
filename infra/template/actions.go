package template

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	roleKind   = "AWS::IAM::Role"
	policyKind = "AWS::IAM::RolePolicy"
)

// service begins the Sid of a statement that serves Lambda itself: its log, its traces,
// what it does with an event that failed. No code of ours asks for those actions.
const service = "Service"

// Statement is one statement of a role's policies.
type Statement struct {
	// Role is the role's name in the template, Sid the statement's own.
	Role, Sid string
	Actions   []string
	// Resources are as they stand in the template.
	Resources []any
	effect    string
	// conditions is set where the statement itself has conditions, and partitions are those
	// of a table that one of them names.
	conditions bool
	partitions []any
}

// ForService reports whether the statement serves Lambda itself and not the code.
func (s Statement) ForService() bool { return strings.HasPrefix(s.Sid, service) }

// Actions returns for each function, by its Name, what its role allows its code to do,
// in order: IAM actions such as dynamodb:GetItem. Statements for Lambda itself are left
// out; those that only some stacks have are in.
func (t *Template) Actions() map[string][]string {
	statements := t.statements()
	allowed := make(map[string][]string)
	for _, f := range t.Functions() {
		role := attribute(f.properties["Role"], "Arn")
		actions := make(map[string]bool)
		for _, s := range statements {
			if s.Role != role || s.ForService() {
				continue
			}
			for _, a := range s.Actions {
				actions[a] = true
			}
		}
		allowed[f.Name] = slices.Sorted(maps.Keys(actions))
	}
	return allowed
}

// statements are those of all roles, with the policies that are resources themselves.
func (t *Template) statements() []Statement {
	var all []Statement
	for _, role := range t.ofKind(roleKind) {
		for _, policy := range list(t.resource(role, "Properties", "Policies")) {
			all = append(all, statements(role, at(policy, "PolicyDocument"))...)
		}
	}
	for _, id := range t.ofKind(policyKind) {
		role := ref(t.resource(id, "Properties", "RoleName"))
		all = append(all, statements(role, t.resource(id, "Properties", "PolicyDocument"))...)
	}
	return all
}

// statements are those of one document.
func statements(role string, document any) []Statement {
	var all []Statement
	for _, v := range list(at(document, "Statement")) {
		if branches, ok := at(v, "Fn::If").([]any); ok && len(branches) == 3 {
			// One branch is the statement, the other nothing.
			if v = branches[1]; ref(v) == "AWS::NoValue" {
				v = branches[2]
			}
		}
		s := Statement{Role: role, Resources: list(at(v, "Resource")), conditions: at(v, "Condition") != nil}
		s.partitions = list(at(v, "Condition", "ForAllValues:StringEquals", "dynamodb:LeadingKeys"))
		s.Sid, _ = at(v, "Sid").(string)
		s.effect, _ = at(v, "Effect").(string)
		for _, a := range list(at(v, "Action")) {
			s.Actions = append(s.Actions, fmt.Sprint(a))
		}
		all = append(all, s)
	}
	return all
}
