// Package iam finds out which AWS permissions a function really needs, and compares them
// with what its role allows: nothing may be missing, and nothing unused.
//
// A Recorder stands in front of the engines (Proxy) while the suites of a function run,
// and notes the IAM action behind every request. The engines check no permissions, so
// every request is served, and what a role lacks shows only in Compare:
//
//	r := iam.NewRecorder()
//	handler, closeIdle, err := r.Proxy(iam.DynamoDB, engine)
//	proxy := httptest.NewServer(handler)
//	… run the function with AWS_ENDPOINT_URL_DYNAMODB set to proxy.URL …
//	for _, d := range iam.Compare("keepdb", allowed, r) { t.Error(d) }
//
// Requests go through unchanged, with the host that the client signed. Action names are
// those of the Service Authorization Reference; a transaction of DynamoDB needs those of
// its parts, a batch of SQS that of its single form.
package iam

import (
	"fmt"
	"maps"
	"slices"
	"sync"
)

// Service is an AWS service, by the prefix of its actions.
type Service string

// The services that a Recorder understands.
const (
	DynamoDB   Service = "dynamodb"
	SQS        Service = "sqs"
	SSM        Service = "ssm"
	S3         Service = "s3"
	OpenSearch Service = "es"
)

// maxKinds bounds how many different actions and unknown requests a Recorder keeps: a
// client that invents names cannot fill the memory.
const maxKinds = 1000

// Recorder notes the actions of requests. It is safe for concurrent use; make it with
// NewRecorder.
type Recorder struct {
	mu sync.Mutex
	// actions holds for each action the request that first needed it.
	actions map[string]string
	unknown map[string]bool
	// full is set when something was left out.
	full bool
}

// NewRecorder returns a Recorder that has seen nothing.
func NewRecorder() *Recorder {
	return &Recorder{actions: make(map[string]string), unknown: make(map[string]bool)}
}

// Actions are the IAM actions of all requests so far, in order.
func (r *Recorder) Actions() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.actions))
}

// Unknown are the requests whose actions are not known, in order. There must be none:
// nobody can say what a role would need for them.
func (r *Recorder) Unknown() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.unknown))
}

// note takes in a request and what it needs.
func (r *Recorder) note(request string, actions []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.actions)+len(r.unknown) >= maxKinds {
		r.full = true
		return
	}
	if len(actions) == 0 {
		r.unknown[request] = true
	}
	for _, a := range actions {
		if _, known := r.actions[a]; !known {
			r.actions[a] = request
		}
	}
}

// Compare returns a sentence for each difference between what the role of a function
// allows and what a Recorder has seen it do, in order; none is right. Both ways count:
// what is missing fails in production, and what is unused is open to whoever takes the
// function over. A suite that leaves a path out shows here as something unused.
func Compare(function string, allowed []string, seen *Recorder) []string {
	seen.mu.Lock()
	defer seen.mu.Unlock()
	var differences []string
	for _, action := range slices.Sorted(maps.Keys(seen.actions)) {
		if !slices.Contains(allowed, action) {
			differences = append(differences, fmt.Sprintf("%s: %s is missing: its role does not allow what it does (%s)",
				function, action, seen.actions[action]))
		}
	}
	for _, action := range slices.Compact(slices.Sorted(slices.Values(allowed))) {
		if _, done := seen.actions[action]; !done {
			differences = append(differences, fmt.Sprintf("%s: %s is unused: its role allows it, and it was never done", function, action))
		}
	}
	for _, request := range slices.Sorted(maps.Keys(seen.unknown)) {
		differences = append(differences, fmt.Sprintf("%s: nobody knows which action %s needs", function, request))
	}
	if seen.full {
		differences = append(differences, fmt.Sprintf("%s: more than %d different requests, the rest is not known", function, maxKinds))
	}
	return differences
}
