package gatewaysim_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"oipnode/shared/gatewaysim"
)

func TestRequestsAreCounted(t *testing.T) {
	chain := gatewaysim.NewChain(100)
	it := record("a")
	add(t, chain, 50, it)
	s := start(t, chain, gatewaysim.Options{})
	do(t, http.MethodGet, s.URL()+"/info", "")
	transactions(t, s, `first:1`)
	transactions(t, s, `first:1`)
	do(t, http.MethodGet, s.URL()+"/raw/"+it.ID, "")
	do(t, http.MethodGet, s.URL()+"/"+it.ID, "")
	do(t, http.MethodGet, s.URL()+"/raw/"+gatewaysim.IDFor("none"), "")
	if got, want := s.Requests(), (gatewaysim.Counts{Info: 1, GraphQL: 2, Data: 3}); got != want || got.Total() != 6 {
		t.Errorf("%+v, want %+v", got, want)
	}
	if a, none := s.DataReads(it.ID), s.DataReads(gatewaysim.IDFor("none")); a != 2 || none != 0 {
		t.Errorf("reads %d and %d", a, none)
	}
}

func TestUserAgentIsNeeded(t *testing.T) {
	s := gatewaysim.NewServer(gatewaysim.NewChain(1), gatewaysim.Options{})
	for agent, want := range map[string]int{"": http.StatusNotFound, "x": http.StatusOK} {
		req := httptest.NewRequest(http.MethodGet, "/info", nil)
		req.Header.Set("User-Agent", agent)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, req)
		if w.Code != want {
			t.Errorf("agent %q: %d", agent, w.Code)
		}
	}
}

func TestStartAndClose(t *testing.T) {
	s := gatewaysim.NewServer(gatewaysim.NewChain(1), gatewaysim.Options{})
	if s.URL() != "" {
		t.Errorf("URL before Start: %q", s.URL())
	}
	if _, err := s.DialContext(t.Context(), "tcp", "x:1"); err == nil {
		t.Error("DialContext before Start succeeds")
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close before Start: %v", err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err == nil {
		t.Error("a second Start succeeds")
	}
	url := s.URL()
	if a := do(t, http.MethodGet, url+"/info", ""); a.status != http.StatusOK {
		t.Errorf("status %d", a.status)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if _, err := try(t, http.MethodGet, url+"/info", ""); err == nil {
		t.Error("it answers after Close")
	}
}

// Close must not wait for a body that dribbles for an hour, even when the rest
// of the request is still unread.
func TestCloseEndsSlowResponses(t *testing.T) {
	for name, body := range map[string]string{"read": `{"query":"{__typename}"}`, "unread": strings.Repeat(" ", 8<<20)} {
		t.Run(name, func(t *testing.T) {
			faults := gatewaysim.NewFaults(1, gatewaysim.Mix{gatewaysim.SlowBody: 1})
			faults.SlowDelay = time.Hour
			s := start(t, gatewaysim.NewChain(1), gatewaysim.Options{Faults: faults})
			failed := make(chan error, 1)
			go func() {
				a, err := try(t, http.MethodPost, s.URL()+"/graphql", body)
				failed <- errors.Join(err, a.err)
			}()
			for faults.Fired(gatewaysim.SlowBody) == 0 {
				time.Sleep(time.Millisecond)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if err := <-failed; err == nil {
				t.Error("the request was answered")
			}
		})
	}
}
