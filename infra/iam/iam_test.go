package iam

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestCompare(t *testing.T) {
	r := NewRecorder()
	r.note("DynamoDB_20120810.GetItem", []string{"dynamodb:GetItem"})
	r.note("PUT /oip", []string{"es:ESHttpPut"})
	r.note("PUT /other", []string{"es:ESHttpPut"})
	r.note("GET /b?lifecycle", nil)
	got := Compare("keepdb", []string{"dynamodb:GetItem", "sqs:SendMessage", "sqs:SendMessage"}, r)
	want := []string{
		"keepdb: es:ESHttpPut is missing: its role does not allow what it does (PUT /oip)",
		"keepdb: sqs:SendMessage is unused: its role allows it, and it was never done",
		"keepdb: nobody knows which action GET /b?lifecycle needs",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestCompareFindsNothing(t *testing.T) {
	r := NewRecorder()
	if got := Compare("api", nil, r); len(got) != 0 {
		t.Errorf("nothing allowed, nothing done: %q", got)
	}
	r.note("a", []string{"es:ESHttpGet", "es:ESHttpPost"})
	if got := Compare("api", []string{"es:ESHttpPost", "es:ESHttpGet"}, r); len(got) != 0 {
		t.Errorf("all done, all allowed: %q", got)
	}
}

// A client that invents names is noticed, and cannot fill the memory.
func TestRecorderIsBounded(t *testing.T) {
	r := NewRecorder()
	for i := range 2 * maxKinds {
		r.note(fmt.Sprint(i), nil)
	}
	if n := len(r.Unknown()); n != maxKinds {
		t.Errorf("%d kinds are kept", n)
	}
	if got := Compare("api", nil, r); !strings.Contains(got[len(got)-1], "the rest is not known") {
		t.Errorf("nobody says that something was left out: %q", got[len(got)-1])
	}
}

func TestRecorderIsSafe(t *testing.T) {
	r := NewRecorder()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 100 {
				r.note("x", []string{fmt.Sprintf("es:%d", i)})
				r.note(fmt.Sprint(i), nil)
				r.Actions()
				r.Unknown()
				Compare("api", nil, r)
			}
		})
	}
	all.Wait()
	if len(r.Actions()) != 8 || len(r.Unknown()) != 8 {
		t.Errorf("%q, %q", r.Actions(), r.Unknown())
	}
}
