package library

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"oipnode/shared/access"
	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

const (
	// maxGrantRecords is how many records are asked whether one of them admits a caller.
	// A medium that more records name is read by whom the first of them admit.
	maxGrantRecords = 100
	// MaxPage is the most media that one List returns.
	MaxPage = 100
)

// Find returns a manifest that admits the viewer: the viewer's own, else a public one,
// else that of a record that the viewer may read. ErrNotFound, ErrUnauthorized or
// ErrForbidden.
func (l *Library) Find(ctx context.Context, v access.Viewer, id string) (Manifest, error) {
	m, err := l.find(ctx, v, id)
	if err != nil {
		return Manifest{}, fmt.Errorf("find a medium: %w", err)
	}
	return m, nil
}

func (l *Library) find(ctx context.Context, v access.Viewer, id string) (Manifest, error) {
	if !validMedia(id) {
		return Manifest{}, ErrNotFound
	}
	viewer := OwnerOf(v)
	keys := []state.Key{headKey(id)}
	if viewer != "" {
		keys = append(keys, grantKey(id, ownGrant(viewer)), grantKey(id, publicPrefix+string(viewer)))
	}
	rows, err := l.opt.State.Get(ctx, keys...)
	if err != nil {
		return Manifest{}, err
	}
	if len(rows) == 0 || rows[0].Key != keys[0] {
		return Manifest{}, ErrNotFound
	}
	if rows = rows[1:]; len(rows) == 0 {
		if rows, err = l.opt.State.Range(ctx, mediaPrefix+id, publicPrefix, state.PrefixEnd(publicPrefix), 1); err != nil {
			return Manifest{}, err
		}
	}
	var g grant
	if len(rows) > 0 {
		if err := decode(rows[0], &g); err != nil {
			return Manifest{}, err
		}
		return l.shown(g, viewer), nil
	}
	g, found, err := l.byRecord(ctx, v, id)
	switch {
	case err != nil:
		return Manifest{}, err
	case found:
		return l.shown(g, viewer), nil
	case v.Authenticated:
		return Manifest{}, ErrForbidden
	}
	return Manifest{}, ErrUnauthorized
}

// byRecord finds a grant of a record that the viewer may read.
func (l *Library) byRecord(ctx context.Context, v access.Viewer, id string) (g grant, found bool, err error) {
	var grants []grant
	var dids []string
	for from := recordPrefix; len(grants) < maxGrantRecords; {
		rows, err := l.opt.State.Range(ctx, mediaPrefix+id, from, state.PrefixEnd(recordPrefix), 1)
		if err != nil {
			return grant{}, false, err
		}
		if len(rows) == 0 {
			break
		}
		var g grant
		if err := decode(rows[0], &g); err != nil {
			return grant{}, false, err
		}
		grants, dids = append(grants, g), append(dids, g.Record)
		from = state.PrefixEnd(recordGrants(g.Record)) // the others of this record admit the same
	}
	readable, err := l.readable(ctx, v, dids)
	if err != nil {
		return grant{}, false, err
	}
	for _, g := range grants {
		if readable[g.Record] {
			return g, true, nil
		}
	}
	return grant{}, false, nil
}

// readable tells which of these records, at most records.MaxTerms, a viewer may read.
func (l *Library) readable(ctx context.Context, v access.Viewer, dids []string) (map[string]bool, error) {
	if len(dids) == 0 || l.opt.Records == nil {
		return nil, nil
	}
	hits, err := l.records(ctx, v, true, dids...)
	if err != nil {
		return nil, err
	}
	may := make(map[string]bool, len(hits))
	for _, hit := range hits {
		may[hit.DID] = true
	}
	return may, nil
}

// records finds those of the records that a viewer may read, whole or as envelopes.
func (l *Library) records(ctx context.Context, v access.Viewer, envelopes bool, dids ...string) ([]records.Stored, error) {
	organizations, err := l.organizations.Of(ctx, v)
	if err != nil {
		return nil, err
	}
	page, err := l.opt.Records.Search(ctx, records.Query{
		Where: records.All{access.Rule(v, organizations...), records.Is(records.FieldKind, string(oip.KindRecord)), records.Is(records.FieldDID, dids...)},
		Limit: len(dids), EnvelopeOnly: envelopes,
	})
	return page.Hits, err
}

// Page is a part of an owner's media.
type Page struct {
	Media []Manifest
	// Next continues behind this page; empty when there is nothing more.
	Next string
}

// List returns the viewer's media, those that were fetched last at the front: at most
// limit, 1 to MaxPage. after is the Next of an earlier page, or empty. What was fetched
// for a record that the viewer may not read any more is left out. ErrUnauthorized for
// whom the token does not name; a *FieldError for an after that is none.
func (l *Library) List(ctx context.Context, v access.Viewer, after string, limit int) (Page, error) {
	p, err := l.list(ctx, v, after, min(max(limit, 1), MaxPage))
	if err != nil {
		return Page{}, fmt.Errorf("list media: %w", err)
	}
	return p, nil
}

func (l *Library) list(ctx context.Context, v access.Viewer, after string, limit int) (Page, error) {
	owner := OwnerOf(v)
	if owner == "" {
		return Page{}, ErrUnauthorized
	}
	from := entryPrefix
	if after != "" {
		text, err := base64.RawURLEncoding.DecodeString(after)
		from = string(text) + "\x00"
		if err != nil || !strings.HasPrefix(from, entryPrefix) || len(from) > state.MaxKey || !printable(string(text)) {
			return Page{}, &FieldError{Field: "cursor", Must: "the nextCursor of an earlier answer"}
		}
	}
	rows, err := l.opt.State.Range(ctx, ownerPrefix+string(owner), from, state.PrefixEnd(entryPrefix), limit)
	if err != nil {
		return Page{}, err
	}
	p := Page{Media: []Manifest{}}
	if len(rows) == limit {
		p.Next = base64.RawURLEncoding.EncodeToString([]byte(rows[limit-1].ID))
	}
	grants, err := l.grants(ctx, rows)
	if err != nil {
		return Page{}, err
	}
	var dids []string
	for _, g := range grants {
		if g.Record != "" {
			dids = append(dids, g.Record)
		}
	}
	readable, err := l.readable(ctx, v, dids)
	if err != nil {
		return Page{}, err
	}
	for _, g := range grants {
		if g.Record == "" || readable[g.Record] {
			p.Media = append(p.Media, l.shown(g, owner))
		}
	}
	return p, nil
}

// grants are those that the rows of an owner's list name, in their order.
func (l *Library) grants(ctx context.Context, entries []state.Item) ([]grant, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	keys := make([]state.Key, len(entries))
	for i, row := range entries {
		var e entry
		if err := decode(row, &e); err != nil {
			return nil, err
		}
		keys[i] = grantKey(e.MediaID, e.Grant)
	}
	rows, err := l.opt.State.Get(ctx, keys...)
	if err != nil {
		return nil, err
	}
	grants := make([]grant, len(rows))
	for i, row := range rows {
		if err := decode(row, &grants[i]); err != nil {
			return nil, err
		}
	}
	return grants, nil
}
