package library

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"oipnode/shared/access"
	"oipnode/shared/errs"
	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// mediaTemplates are the templates whose data is a file somewhere.
var mediaTemplates = []string{"image", "audio", "video", "text"}

// references are the fields of a template that name records with files. They are
// followed once: a post has images, and their own references are not its media.
var references = map[string][]string{
	"post":  {"featuredImage", "articleText", "imageItems", "videoItems", "audioItems"},
	"audio": {"thumbnails"},
	"video": {"thumbnails"},
}

const (
	// maxReferences is how many referenced records are looked at, and referencePage how
	// many of them are in memory at a time.
	maxReferences = 50
	referencePage = 5
	// maxClipped is how much is kept of an address that is refused, in bytes.
	maxClipped = 200
)

// file is what a template of mediaTemplates says. Its author is a stranger: a member of
// another type counts as absent. Files of IPFS and BitTorrent have no place here where
// they could be had.
type file struct {
	WebURL, Arweave, Name, Type string
}

// fill finds the sources of a record, and of the records that it refers to, as far as
// the viewer may read them.
func (l *Library) fill(ctx context.Context, v access.Viewer, w Wanted, r *row) error {
	if l.opt.Records == nil {
		return ErrNotFound
	}
	hits, err := l.records(ctx, v, false, w.DID)
	if err != nil {
		return err
	}
	if len(hits) == 0 {
		return ErrNotFound
	}
	refs := referenced(hits[0].JSON)
	for {
		for _, hit := range hits {
			if err := l.add(r, hit, w.Level == Private); err != nil {
				return err
			}
		}
		if len(refs) == 0 {
			break
		}
		n := min(len(refs), referencePage)
		if hits, err = l.referred(ctx, v, refs[:n]); err != nil {
			return err
		}
		refs = refs[n:]
	}
	switch {
	case len(r.Items) == 0:
		return &FieldError{Field: "did", Must: "that of a record with a media URL or an Arweave address (image, audio, video or text, or a post with such)"}
	case r.over(): // all of them were refused by their text
		return &FieldError{Field: "did", Must: "that of a record with a media URL that may be fetched: " + r.Items[0].Reason}
	}
	return nil
}

// referred finds those of the records that the viewer may read, in the order in which
// they are named. Records that are together too large for one page are read alone.
func (l *Library) referred(ctx context.Context, v access.Viewer, dids []string) ([]records.Stored, error) {
	hits, err := l.records(ctx, v, false, dids...)
	if errors.Is(err, records.ErrInvalid) && len(dids) > 1 {
		hits, err = nil, nil
		for _, did := range dids {
			one, err := l.records(ctx, v, false, did)
			if err != nil {
				return nil, err
			}
			hits = append(hits, one...)
		}
	}
	slices.SortFunc(hits, func(a, b records.Stored) int { return slices.Index(dids, a.DID) - slices.Index(dids, b.DID) })
	return hits, err
}

// add adds the sources of a record to a job, each once.
func (l *Library) add(r *row, hit records.Stored, private bool) error {
	did, level := hit.DID, ""
	if private {
		did = ""
	} else {
		p, err := records.Project(hit.Kind, hit.JSON)
		if err != nil {
			return fmt.Errorf("library: %s: %w", hit.DID, err)
		}
		if levels := p.Text(records.FieldAccess); len(levels) > 0 {
			level = levels[0]
		}
	}
	for _, f := range files(hit.JSON) {
		for _, source := range f.sources() {
			if slices.ContainsFunc(r.Items, func(it item) bool { return it.Source == source }) {
				continue
			}
			if len(r.Items) == l.opt.MaxItems {
				r.LeftOut++
				continue
			}
			it := item{Item: Item{Source: source, Status: Queued}, Name: f.Name, Type: f.Type, Record: did, Level: level}
			if checked, err := l.source(source); err != nil {
				it.Source = clip(source, maxClipped)
				it.fail(errs.E(errs.Invalid, err.Error(), err))
			} else {
				it.Source = checked
			}
			r.Items = append(r.Items, it)
		}
	}
	return nil
}

// sources are the addresses of a file as sources.
func (f file) sources() []string {
	var list []string
	for _, text := range []string{f.Arweave, f.WebURL} {
		text = strings.TrimSpace(text)
		switch id, _ := strings.CutPrefix(text, arweaveScheme); {
		case text == "":
		case oip.ValidID(id):
			list = append(list, arweaveScheme+id)
		default:
			list = append(list, text)
		}
	}
	return list
}

// parts are the data of a record by template: one object, or a list of them.
func parts(document []byte) map[string]json.RawMessage {
	var doc struct {
		Data map[string]json.RawMessage `json:"data"`
	}
	if json.Unmarshal(document, &doc) != nil {
		return nil
	}
	return doc.Data
}

// objects are the objects of a part.
func objects(part json.RawMessage) []map[string]json.RawMessage {
	var one map[string]json.RawMessage
	if json.Unmarshal(part, &one) == nil {
		return []map[string]json.RawMessage{one}
	}
	var many []map[string]json.RawMessage
	if json.Unmarshal(part, &many) != nil {
		return nil
	}
	return many
}

// files are those that a record describes.
func files(document []byte) []file {
	var list []file
	data := parts(document)
	for _, template := range mediaTemplates {
		for _, o := range objects(data[template]) {
			list = append(list, file{text(o["webUrl"]), text(o["arweaveAddress"]), text(o["filename"]), text(o["contentType"])})
		}
	}
	return list
}

// referenced are the DIDs of the records with files that a record refers to.
func referenced(document []byte) []string {
	var dids []string
	data := parts(document)
	for _, template := range []string{"post", "audio", "video"} {
		for _, o := range objects(data[template]) {
			for _, field := range references[template] {
				for _, did := range texts(o[field]) {
					if oip.ValidDID(did) && !slices.Contains(dids, did) && len(dids) < maxReferences {
						dids = append(dids, did)
					}
				}
			}
		}
	}
	return dids
}

// text is a member that is a text; empty otherwise.
func text(member json.RawMessage) string {
	var s string
	if json.Unmarshal(member, &s) != nil {
		return ""
	}
	return s
}

// texts is a member that is a text or a list of them.
func texts(member json.RawMessage) []string {
	var list []json.RawMessage
	if json.Unmarshal(member, &list) != nil {
		list = []json.RawMessage{member}
	}
	var found []string
	for _, m := range list {
		if s := text(m); s != "" {
			found = append(found, s)
		}
	}
	return found
}

// clip shortens a stranger's text.
func clip(s string, most int) string {
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "")
}
