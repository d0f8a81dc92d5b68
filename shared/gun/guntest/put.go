package guntest

import (
	"fmt"
	"time"
)

// Put is one call of a relay's put: the soul of a node, and its data as JSON.
type Put struct{ Soul, Data string }

// Body is the body of the call.
func (p Put) Body() string { return `{"soul":` + quote(p.Soul) + `,"data":` + p.Data + `}` }

// Puts are the calls that publish the record at a relay whose registry has this
// root: the record, and its registration if it has a node id. Without At it is
// registered at a time that is always the same.
func (r Record) Puts(root string) []Put {
	if r.At == 0 {
		r.At = firstAt
	}
	return r.puts(root, r.At)
}

func (r Record) puts(root string, at int64) []Put {
	soul := r.soul()
	puts := []Put{{soul, r.node()}}
	if r.NodeID != "" {
		puts = append(puts, registration(root, r.NodeID, soul, r.Type, r.publicKey(), at)...)
	}
	return puts
}

// registration lists a soul in a registry.
func registration(root, nodeID, soul, recordType, publicKey string, at int64) []Put {
	return []Put{
		{IndexSoul(root, recordType), fmt.Sprintf(`{%s:{"soul":%s,"nodeId":%s,"timestamp":%d}}`, quote(soul), quote(soul), quote(nodeID), at)},
		{NodeSoul(root, nodeID, soul), fmt.Sprintf(
			`{"did":%s,"soul":%s,"recordType":%s,"creatorPubKey":%s,"nodeId":%s,"timestamp":%d,"oipVersion":"0.8.0"}`,
			quote(DID(soul)), quote(soul), quote(recordType), quote(publicKey), quote(nodeID), at)},
	}
}

// Deletion is an entry of the deletion registry.
type Deletion struct {
	DID string
	// By is the public key, or the node id, of who deleted it.
	By string
	At int64 // unix ms
}

// Puts are the calls that publish the deletion.
func (d Deletion) Puts() []Put {
	return []Put{{DeletedIndex, `{` + quote(d.DID) + `:true}`}, {DeletedSoul(d.DID), d.node()}}
}

// node is the entry as it is put into the graph.
func (d Deletion) node() string {
	return fmt.Sprintf(`{"did":%s,"deletedAt":%s,"deletedBy":%s,"timestamp":%d}`, quote(d.DID),
		quote(time.UnixMilli(d.At).UTC().Format("2006-01-02T15:04:05.000Z")), quote(d.By), d.At)
}
