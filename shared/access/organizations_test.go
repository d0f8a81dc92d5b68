package access

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

func member(key string) Viewer { return Viewer{Authenticated: true, PublicKey: key} }

func of(t *testing.T, o *Organizations, v Viewer) []string {
	t.Helper()
	dids, err := o.Of(context.Background(), v)
	if err != nil {
		t.Fatal(err)
	}
	return dids
}

func TestMembership(t *testing.T) {
	s := &shelf{}
	for i, org := range []struct{ policy, admins any }{
		{"Invite Only", []any{"anna", "anna"}},                            // 0
		{"invite-only", "anna"},                                           // 1
		{"Token-Gated Membership", []any{"ben", nil, 3, "", "anna"}},      // 2
		{"open-join", []any{"ben"}},                                       // 3
		{"Auto-Enroll App Users", nil},                                    // 4
		{"OPEN JOIN", []any{}},                                            // 5: an unknown word admits nobody
		{nil, object{"0": "anna"}},                                        // 6: no list
		{0, []any{[]any{"anna"}}},                                         // 7: no keys in it
		{[]any{"Open Join"}, []any{"did:arweave:org0", "soul:0123"}},      // 8: no keys either
		{"Open Join", append(make([]any, MaxAdmins), "too late", "anna")}, // 9
		{"Invite Only", append(make([]any, MaxAdmins), "too late")},       // 10
	} {
		s.add(t, oip.KindOrganization, organizationDocument(fmt.Sprintf("did:arweave:org%02d", i), org.policy, org.admins))
	}
	hidden := organizationDocument("did:arweave:orghidden", "Open Join", "anna")
	hidden["oip"].(object)["hidden"] = true
	s.add(t, oip.KindOrganization, hidden)
	private := organizationDocument("did:arweave:orgprivate", "Open Join", "anna")
	private["data"].(object)["accessControl"] = object{"access_level": "private"}
	s.add(t, oip.KindOrganization, private)
	s.add(t, oip.KindRecord, organizationDocument("did:arweave:norg", "Open Join", "anna"))
	s.add(t, oip.KindOrganization, object{"data": "none", "oip": object{"did": "did:arweave:orgtext"}})

	o := NewOrganizations(s, nil, nil)
	open := []string{"did:arweave:org03", "did:arweave:org04", "did:arweave:org09"}
	for name, c := range map[string]struct {
		viewer Viewer
		want   []string
	}{
		"anonymous":            {Viewer{}, nil},
		"a key without token":  {Viewer{PublicKey: "anna"}, nil},
		"no key":               {member(""), open},
		"stranger":             {member("dora"), open},
		"a late administrator": {member("too late"), open},
		"a DID as key":         {member("did:arweave:org0"), open},
		"anna":                 {member("anna"), slices.Sorted(slices.Values(append([]string{"did:arweave:org00", "did:arweave:org01", "did:arweave:org02"}, open...)))},
		"ben":                  {member("ben"), append([]string{"did:arweave:org02"}, open...)},
	} {
		if got := of(t, o, c.viewer); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if s.searches != 1 {
		t.Errorf("%d searches for one list", s.searches)
	}
}

// TestMembershipPages: many organizations are read page by page, and a store
// that refuses their pages for size gets them one by one.
func TestMembershipPages(t *testing.T) {
	for _, tooLarge := range []bool{false, true} {
		s := &shelf{tooLarge: tooLarge}
		for i := range 3*organizationsPage + 1 {
			s.add(t, oip.KindOrganization, organizationDocument(fmt.Sprintf("did:arweave:org%04d", i), "Invite Only", "anna"))
		}
		if got := of(t, NewOrganizations(s, nil, nil), member("anna")); len(got) != 3*organizationsPage+1 {
			t.Errorf("too large %v: %d organizations", tooLarge, len(got))
		}
	}
}

// TestMembershipCut: only the first thousand count, and the log says so once.
func TestMembershipCut(t *testing.T) {
	s := &shelf{}
	for i := range MaxOrganizations + 1 {
		s.add(t, oip.KindOrganization, organizationDocument(fmt.Sprintf("did:arweave:org%04d", i), "Open Join", nil))
	}
	var log bytes.Buffer
	clock := now
	o := NewOrganizations(s, func() time.Time { return clock }, slog.New(slog.NewTextHandler(&log, nil)))
	for range 3 {
		got := of(t, o, member("anna"))
		if len(got) != MaxOrganizations || got[MaxOrganizations-1] != "did:arweave:org0999" {
			t.Fatalf("%d organizations", len(got))
		}
		if err := records.CheckCond(Rule(member("anna"), got...)); err != nil {
			t.Fatalf("no store takes the rule: %v", err)
		}
		clock = clock.Add(membersTTL)
	}
	if n := strings.Count(log.String(), "more organizations"); n != 1 {
		t.Errorf("%d warnings:\n%s", n, log.String())
	}
}

// TestMembershipExpires: a list is used for membersTTL and then read again; a
// store that fails gives an error, not the old list and not an empty one.
func TestMembershipExpires(t *testing.T) {
	s := &shelf{}
	clock := now
	o := NewOrganizations(s, func() time.Time { return clock }, nil)
	if got := of(t, o, member("anna")); got != nil {
		t.Fatalf("%v", got)
	}
	s.add(t, oip.KindOrganization, organizationDocument("did:arweave:org", "Open Join", nil))
	clock = clock.Add(membersTTL - 1)
	if got := of(t, o, member("anna")); got != nil {
		t.Errorf("before its time: %v", got)
	}
	clock = clock.Add(1)
	s.fail = records.ErrUnavailable
	if _, err := o.Of(context.Background(), member("anna")); !errors.Is(err, records.ErrUnavailable) {
		t.Errorf("error %v, want %v", err, records.ErrUnavailable)
	}
	s.fail = nil
	if got := of(t, o, member("anna")); len(got) != 1 {
		t.Errorf("after its time: %v", got)
	}
}

// gate holds every Search up until it is opened.
type gate struct {
	shelf   *shelf
	entered chan struct{}
	open    chan struct{}
}

func (g *gate) Search(ctx context.Context, q records.Query) (records.Page, error) {
	g.entered <- struct{}{}
	select {
	case <-g.open:
		return g.shelf.Search(ctx, q)
	case <-ctx.Done():
		return records.Page{}, ctx.Err()
	}
}

// TestMembershipWaits: while one caller reads the list the others wait for it,
// read nothing themselves, and give up when their own context ends.
func TestMembershipWaits(t *testing.T) {
	g := &gate{shelf: &shelf{}, entered: make(chan struct{}, 16), open: make(chan struct{})}
	g.shelf.add(t, oip.KindOrganization, organizationDocument("did:arweave:org", "Open Join", nil))
	o := NewOrganizations(g, nil, nil)
	var callers sync.WaitGroup
	ask := func() {
		callers.Go(func() {
			if got, err := o.Of(context.Background(), member("anna")); err != nil || len(got) != 1 {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	ask()
	<-g.entered
	for range 8 {
		ask()
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := o.Of(ctx, member("ben")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	close(g.open)
	callers.Wait()
	if g.shelf.searches != 1 {
		t.Errorf("%d searches", g.shelf.searches)
	}
}
