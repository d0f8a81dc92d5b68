package library

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"

	"oipnode/shared/media"
	"oipnode/shared/state"
)

// Level says who may read what was fetched from a URL.
type Level string

// The levels. What was fetched for a record has the record's own rule instead.
const (
	Private Level = "private"
	Public  Level = "public"
)

// Manifest is what a caller is told about a medium.
type Manifest struct {
	MediaID      string `json:"mediaId"`
	OriginalName string `json:"originalName"`
	MimeType     string `json:"mimeType"`
	FileSize     int64  `json:"fileSize"`
	// HTTPURL is where the bytes are.
	HTTPURL string `json:"httpUrl"`
	// SourceURL is where they came from: a URL, or ar:// and a transaction's id. To
	// others than the owner of the grant it is told without its query, which may hold
	// a key.
	SourceURL string    `json:"sourceUrl"`
	CreatedAt time.Time `json:"createdAt"`
	// UserPublicKey is the key of the grant's owner; nobody else is told it for what
	// was fetched for a record.
	UserPublicKey string `json:"userPublicKey"`
	// AccessLevel is private or public, or the level that the record had when it was
	// asked.
	AccessLevel string `json:"accessLevel"`
	// Record is the DID of the record that says who may read this.
	Record string `json:"did,omitempty"`
}

// grant is the row of a grant: a manifest, and whose it is.
type grant struct {
	Manifest
	Owner Owner `json:"owner"`
}

// head is the row of a medium that has a grant.
type head struct {
	Size    int64     `json:"size"`
	Created time.Time `json:"created"`
	// Missing is set while the object is known to be gone.
	Missing *missing `json:"missing,omitempty"`
}

// missing is an object that is gone: since when it is known to be, and how often and when
// it was last asked for again.
type missing struct {
	Since time.Time `json:"since"`
	Tries int       `json:"tries"`
	Asked time.Time `json:"asked"`
}

// entry is a row of an owner's list of media.
type entry struct {
	MediaID string `json:"mediaId"`
	Grant   string `json:"grant"`
}

// The grants of a medium are ordered by whom they admit. Grants of one record are next
// to each other, so that they can be passed over at once.
const (
	ownPrefix    = "grant/own/"
	publicPrefix = "grant/public/"
	recordPrefix = "grant/record/"
	// entryPrefix begins the rows of an owner's list of media.
	entryPrefix = "media/"
)

func grantKey(media, id string) state.Key { return state.Key{Space: mediaPrefix + media, ID: id} }

func ownGrant(o Owner) string { return ownPrefix + string(o) }

// recordGrants is how the grants of a record begin.
func recordGrants(did string) string {
	sum := sha256.Sum256([]byte(did))
	return recordPrefix + hex.EncodeToString(sum[:]) + "/"
}

// id is that of a grant among those of its medium.
func (g grant) id() string {
	switch {
	case g.Record != "":
		return recordGrants(g.Record) + string(g.Owner)
	case g.AccessLevel == string(Public):
		return publicPrefix + string(g.Owner)
	}
	return ownGrant(g.Owner)
}

// entryKey is the place of a grant in its owner's list, the newest first.
func (g grant) entryKey() state.Key {
	return state.Key{Space: ownerPrefix + string(g.Owner), ID: fmt.Sprintf("%s%016x/%s/%s",
		entryPrefix, math.MaxInt64-g.CreatedAt.UnixNano(), g.MediaID, g.id())}
}

// admit makes the operations that give a grant, and none for one that there is. The
// first of an owner's fetches of the same content stays as it was.
func (l *Library) admit(ctx context.Context, g grant) ([]state.Op, error) {
	key := grantKey(g.MediaID, g.id())
	if _, exists, err := state.GetOne(ctx, l.opt.State, key); err != nil || exists {
		return nil, err
	}
	put, err := write(key, g, 0, time.Time{})
	if err != nil {
		return nil, err
	}
	list, err := write(g.entryKey(), entry{g.MediaID, g.id()}, 0, time.Time{})
	return []state.Op{put, list}, err
}

// present makes the operation that says that a medium's object is there, and none when
// that is known. It depends on nobody removing the object (collect.go).
func (l *Library) present(ctx context.Context, stored media.Stored) ([]state.Op, error) {
	id := hex.EncodeToString(stored.SHA256[:])
	free := state.Check(markKey(id), 0)
	var h head
	version, err := l.read(ctx, headKey(id), &h)
	if err != nil || version > 0 && h.Missing == nil {
		return []state.Op{free}, err
	}
	if version == 0 {
		h = head{Size: stored.Size, Created: l.opt.Now().UTC()}
	}
	h.Missing = nil
	put, err := write(headKey(id), h, version, time.Time{})
	return []state.Op{free, put}, err
}

// shown is the manifest of a grant as a caller is told it.
func (l *Library) shown(g grant, viewer Owner) Manifest {
	m := g.Manifest
	m.HTTPURL = l.opt.BaseURL + "/api/media/" + m.MediaID
	if viewer == g.Owner {
		return m
	}
	if m.Record != "" {
		m.UserPublicKey = ""
		return m // its source stands in the record
	}
	if _, ok := transaction(m.SourceURL); !ok {
		m.SourceURL = withoutQuery(m.SourceURL)
	}
	return m
}

// withoutQuery takes query and fragment away.
func withoutQuery(source string) string {
	u, err := url.Parse(source)
	if err != nil {
		source, _, _ = strings.Cut(source, "?")
		source, _, _ = strings.Cut(source, "#")
		return source
	}
	u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = "", false, "", ""
	return u.String()
}
