package guntest

import (
	"bufio"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"strings"

	"oipnode/shared/oip/oiptest"
)

// Flood is a very large number of records that take no memory: each is made when
// it is asked for.
type Flood struct {
	Signer *oiptest.Signer
	Type   string
	Count  int
	NodeID string
	// Unsigned leaves the signatures out, which take most of the time of making
	// them. Absent leaves the records out: the index alone is there.
	Unsigned, Absent bool
	// Encrypted hides the data of all of them.
	Encrypted Encryption
}

// record is the i-th record.
func (f Flood) record(i int) Record {
	return Record{
		Signer: f.Signer, LocalID: fmt.Sprintf("flood-%s-%d", f.Type, i), Type: f.Type, NodeID: f.NodeID, Unsigned: f.Unsigned, Encrypted: f.Encrypted,
		Data: fmt.Sprintf(`{"basic":{"name":"Record %d of a flood","date":%d}}`, i, 1_700_000_000+i), At: firstAt,
	}
}

// Soul is the soul of the i-th record.
func (f Flood) Soul(i int) string { return f.record(i).soul() }

// Flood adds records that Expect does not speak of.
func (p *Peer) Flood(f Flood) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.floods = append(p.floods, f)
}

// flooded is a graph with the record of a flood that has this soul, or without any.
func flooded(floods []Flood, soul string) graph {
	base, _, _ := strings.Cut(soul, "/")
	_, local, _ := strings.Cut(base, ":")
	for _, f := range floods {
		digits, ok := strings.CutPrefix(local, "flood-"+f.Type+"-")
		i, err := strconv.Atoi(digits)
		if !ok || err != nil || i < 0 || i >= f.Count || f.Absent || f.Soul(i) != base {
			continue
		}
		return build(Put{base, f.record(i).node()})
	}
	return nil
}

// long are the members of an index that are not held in memory, as JSON; nil for
// none.
func (p *Peer) long(soul string, d draw) iter.Seq[[]byte] {
	recordType, ok := strings.CutPrefix(soul, IndexSoul(p.opts.Root, ""))
	if !ok {
		return nil
	}
	p.mu.RLock()
	var floods []Flood
	for _, f := range p.floods {
		if f.Type == recordType {
			floods = append(floods, f)
		}
	}
	p.mu.RUnlock()
	huge := d.hits(HugeIndex)
	if len(floods) == 0 && !huge {
		return nil
	}
	return func(yield func([]byte) bool) {
		for _, f := range floods {
			start := Prefix(f.Signer.Modulus) + ":flood-" + f.Type + "-"
			end := fmt.Sprintf(`,"nodeId":%s,"timestamp":%d}`, quote(f.NodeID), int64(firstAt))
			var entry []byte
			for i := range f.Count {
				key := quote(start + strconv.Itoa(i))
				entry = append(append(entry[:0], key...), ':')
				if p.opts.LinkedIndex {
					entry = append(entry, link(soul+"/"+start+strconv.Itoa(i))...)
				} else {
					entry = append(append(append(entry, `{"soul":`...), key...), end...)
				}
				if !yield(entry) {
					return
				}
			}
		}
		if huge {
			for i := range d.f.HugeEntries {
				if !yield(phantom(d.Attempt(), i, soul)) {
					return
				}
			}
		}
	}
}

// stream answers an index member by member, so that its length costs no memory.
// Of the faults of a body it knows Cut and PartialIndex.
func (p *Peer) stream(w http.ResponseWriter, r *http.Request, d draw, members []member, long iter.Seq[[]byte]) {
	w.Header().Set("Content-Type", "application/json")
	out := bufio.NewWriterSize(w, 32<<10)
	cutAt := -1
	if d.hits(Cut) {
		cutAt = d.pick(Cut, 1000)
	}
	partial := d.hits(PartialIndex)
	text := appendNode([]byte(`{"success":true,"data":`), members)
	_, _ = out.Write(text[:len(text)-1]) // the last is the closing brace
	first := len(members) == 0
	n := 0
	for entry := range long {
		if n == cutAt {
			_ = out.Flush()
			flush(w)
			panic(http.ErrAbortHandler)
		}
		n++
		if partial && d.drops(string(entry)) {
			continue
		}
		if !first {
			_ = out.WriteByte(',')
		}
		first = false
		if _, err := out.Write(entry); err != nil || r.Context().Err() != nil {
			return
		}
	}
	_, _ = out.WriteString("}}")
	_ = out.Flush()
}
