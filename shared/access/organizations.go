package access

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

const (
	// MaxOrganizations is how many organizations are considered, in the order of
	// their DIDs. It is also the most DIDs that one condition can name.
	MaxOrganizations = records.MaxTerms
	// MaxAdmins is how many administrators of one organization are considered.
	MaxAdmins = records.MaxValues
	// membersTTL is how old the list of organizations may be when it is used. A
	// membership that ends may be honoured so much longer.
	membersTTL = 10 * time.Second
	// organizationsPage is how many organizations are read at once.
	organizationsPage = 50
)

// Searcher is what Organizations needs of a record store.
type Searcher interface {
	Search(ctx context.Context, q records.Query) (records.Page, error)
}

// Organizations knows which organizations a viewer is a member of (spec
// records-api section 3): administrators are, and so is whoever the membership
// policy admits. Of the four policies two admit every authenticated user (open
// join, automatic enrolment of the app's users); invite-only admits
// administrators, and so does token-gated, because this node cannot check who
// holds a token. An unknown policy admits nobody else either.
//
// It reads all organizations at once and keeps only hashes of their keys, so its
// memory is bounded: MaxOrganizations of MaxAdmins keys of 32 bytes. It is safe
// for concurrent use.
type Organizations struct {
	store Searcher
	now   func() time.Time
	log   *slog.Logger
	// current is the last list; refreshing is held by whoever makes the next one.
	current    atomic.Pointer[members]
	refreshing chan struct{}
}

// members is the list of one moment. It is not changed once it is made.
type members struct {
	at    time.Time
	open  []string
	admin map[[sha256.Size]byte][]string
	cut   bool
}

// NewOrganizations reads organizations from a store. A nil clock means time.Now,
// a nil log discards.
func NewOrganizations(store Searcher, now func() time.Time, log *slog.Logger) *Organizations {
	if now == nil {
		now = time.Now
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Organizations{store: store, now: now, log: log, refreshing: make(chan struct{}, 1)}
}

// Of returns the DIDs of the viewer's organizations, sorted, each once; nil for
// an anonymous viewer. The list is shared and must not be changed. It fails as the store fails: a member must not silently
// be treated as a stranger.
func (o *Organizations) Of(ctx context.Context, v Viewer) ([]string, error) {
	if !v.Authenticated {
		return nil, nil
	}
	m, err := o.members(ctx)
	if err != nil {
		return nil, fmt.Errorf("access: organizations: %w", err)
	}
	dids := m.open
	if key := v.key(); key != "" {
		if administered := m.admin[sha256.Sum256([]byte(key))]; len(administered) > 0 {
			dids = slices.Concat(m.open, administered)
			slices.Sort(dids)
			dids = slices.Compact(dids)
		}
	}
	return dids, nil
}

// Forget makes the next caller read the organizations anew.
func (o *Organizations) Forget() { o.current.Store(nil) }

// members returns a list that is fresh enough; one caller makes it and the
// others wait for it, each as long as its own context allows.
func (o *Organizations) members(ctx context.Context) (*members, error) {
	if m := o.fresh(); m != nil {
		return m, nil
	}
	select {
	case o.refreshing <- struct{}{}:
		defer func() { <-o.refreshing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if m := o.fresh(); m != nil {
		return m, nil
	}
	m, err := o.read(ctx)
	if err != nil {
		return nil, err
	}
	// Once when it begins, not every ten seconds.
	if last := o.current.Load(); m.cut && (last == nil || !last.cut) {
		o.log.Warn("more organizations than are considered; members of the later ones do not see what is shared with them",
			"considered", MaxOrganizations)
	}
	o.current.Store(m)
	return m, nil
}

func (o *Organizations) fresh() *members {
	if m := o.current.Load(); m != nil && o.now().Sub(m.at) < membersTTL {
		return m
	}
	return nil
}

// read makes the list. Hidden organizations and those that are not public grant
// nothing.
func (o *Organizations) read(ctx context.Context) (*members, error) {
	m := &members{at: o.now(), admin: make(map[[sha256.Size]byte][]string)}
	q := records.Query{
		Where: records.All{records.Is(records.FieldKind, string(oip.KindOrganization)), Rule(Viewer{})},
		Sort:  []records.Sort{{Field: records.FieldDID}},
		Limit: organizationsPage,
	}
	for seen := 0; ; {
		page, err := o.store.Search(ctx, q)
		if errors.Is(err, records.ErrInvalid) && q.Limit > 1 {
			// Together too large for one page of this store; alone none is.
			q.Limit = 1
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, hit := range page.Hits {
			if seen++; seen > MaxOrganizations {
				m.cut = true
				return m, nil
			}
			m.add(hit)
		}
		if page.Next == "" {
			return m, nil
		}
		q.After, q.Limit = page.Next, organizationsPage
	}
}

// organization is what a document says about its members. Its author is a
// stranger: a member of another shape counts as absent.
type organization struct {
	Data struct {
		AdminPublicKeys  json.RawMessage `json:"adminPublicKeys"`
		MembershipPolicy json.RawMessage `json:"membershipPolicy"`
	} `json:"data"`
}

func (m *members) add(hit records.Stored) {
	var doc organization
	if json.Unmarshal(hit.JSON, &doc) != nil {
		return // the data is no object: there is nobody to admit
	}
	if admitsEveryone(doc.Data.MembershipPolicy) {
		m.open = append(m.open, hit.DID)
		return // every authenticated viewer is a member, administrators too
	}
	for _, key := range adminKeys(doc.Data.AdminPublicKeys) {
		sum := sha256.Sum256([]byte(key))
		if known := m.admin[sum]; !slices.Contains(known, hit.DID) {
			m.admin[sum] = append(known, hit.DID)
		}
	}
}

// admitsEveryone reads a policy by its code or its display name.
func admitsEveryone(raw json.RawMessage) bool {
	var policy string
	if json.Unmarshal(raw, &policy) != nil {
		return false
	}
	switch policy {
	case "open-join", "Open Join", "app-user-auto", "Auto-Enroll App Users":
		return true
	}
	return false
}

// adminKeys reads one key or a list of keys, the first MaxAdmins of them.
func adminKeys(raw json.RawMessage) []string {
	list := []json.RawMessage{raw}
	if len(raw) > 0 && raw[0] == '[' && json.Unmarshal(raw, &list) != nil {
		return nil
	}
	var keys []string
	for _, element := range list[:min(len(list), MaxAdmins)] {
		var key string
		if json.Unmarshal(element, &key) == nil && key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}
