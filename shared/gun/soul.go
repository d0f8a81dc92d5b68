package gun

import (
	"fmt"
	"net/url"
	"strings"
)

// DeletedRoot is the soul that the deletion registry's souls begin with; unlike the
// registry's it cannot be configured (spec gun section 2).
const DeletedRoot = "oip:deleted:records"

// IndexSoul is the soul of the registry index of a record type.
func IndexSoul(root, recordType string) string { return root + ":index:" + recordType }

// NodeSoul is the soul of what a node has registered of a record.
func NodeSoul(root, nodeID, soul string) string { return root + ":nodes:" + nodeID + ":" + soul }

// DeletedIndexSoul is the soul of the deletion registry's index.
func DeletedIndexSoul() string { return DeletedRoot + ":index" }

// DeletedSoul is the soul of the deletion of a DID.
func DeletedSoul(did string) string { return DeletedRoot + ":" + did }

// BaseURL is where a peer's calls are, without a slash at the end: ws and wss become
// http and https, a path /gun becomes /gun-relay, and one that already holds
// /gun-relay stays (spec gun section 1). The error is ErrURL.
func BaseURL(peer string) (string, error) {
	u, err := url.Parse(peer)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%w: not an absolute URL without credentials and query", ErrURL)
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "ws":
		u.Scheme = "http"
	case "https", "wss":
		u.Scheme = "https"
	default:
		return "", fmt.Errorf("%w: the scheme is not http, https, ws or wss", ErrURL)
	}
	u.Host = strings.ToLower(u.Host)
	path := strings.TrimRight(u.Path, "/")
	if !strings.Contains(path, "/gun-relay") {
		path = strings.TrimSuffix(path, "/gun") + "/gun-relay"
	}
	u.Path, u.RawPath = path, ""
	return u.String(), nil
}
