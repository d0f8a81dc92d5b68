package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"oipnode/infra/lambdalocal/sandbox"
)

// TestStartsWithoutConfiguration: a function that lacks what it cannot do without does not
// start, and says so once, of all its variables together and by their names.
func TestStartsWithoutConfiguration(t *testing.T) {
	stores := []string{"OPENSEARCH_ENDPOINT", "STATE_TABLE"}
	for name, lacks := range map[string][]string{
		"api": stores, "keepdb": stores, "gunsync": stores, "cacherefresh": stores, "expiry": stores, "maintenance": stores,
		"mediafetch": append([]string{"MEDIA_BUCKET", "MEDIA_QUEUE_URL", "MEDIA_DEAD_LETTERS_URL"}, stores...),
	} {
		log := refuses(t, name)
		for _, variable := range lacks {
			if !strings.Contains(log, "  "+variable+` is ""; allowed: `) {
				t.Errorf("%s says nothing of %s: %s", name, variable, log)
			}
		}
		if n := strings.Count(log, "cannot do without it"); n != len(lacks) {
			t.Errorf("%s names %d variables, want %d: %s", name, n, len(lacks), log)
		}
	}
}

// TestStartsWithOneQueue: a queue that would be its own dead letters is refused by the
// names of both variables.
func TestStartsWithOneQueue(t *testing.T) {
	const queue = "http://127.0.0.1:9/queue"
	log := refuses(t, "mediafetch", "OPENSEARCH_ENDPOINT=http://127.0.0.1:9", "STATE_TABLE=table", "MEDIA_BUCKET=bucket",
		"MEDIA_QUEUE_URL="+queue, "MEDIA_DEAD_LETTERS_URL="+queue)
	if !strings.Contains(log, "MEDIA_QUEUE_URL and MEDIA_DEAD_LETTERS_URL") || !strings.Contains(log, "the queue itself") {
		t.Error(log)
	}
}

// refuses starts a function that must not start, and returns what it said.
func refuses(t *testing.T, name string, env ...string) string {
	t.Helper()
	var log journal
	s, err := sandbox.Start(t.Context(), sandbox.Function{
		Binary: binary(t, name, "./functions/"+name), Name: name, Timeout: time.Minute, Memory: 256, Env: env, Logs: &log,
	})
	if err == nil {
		s.Close()
	}
	var unable *sandbox.InitError
	if !errors.As(err, &unable) {
		t.Fatalf("%s starts: %v\n%s", name, err, &log)
	}
	return log.String()
}
