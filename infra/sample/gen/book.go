package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"oipnode/infra/sample"
	"oipnode/shared/gatewaysim"
	"oipnode/shared/oip"
	"oipnode/shared/oip/canon"
	"oipnode/shared/oip/oiptest"
)

// book collects what is published. Its methods keep the first error and do
// nothing after it, so that a long publication needs one check, at its end.
type book struct {
	signers   map[string]*oiptest.Signer
	templates map[string]schema
	// known are the records so far, by recordType and name.
	known map[string]publication
	items []gatewaysim.Item
	err   error
}

// publication is a record that others may refer to.
type publication struct {
	id     string
	height int64
}

func (p publication) did() string { return oip.DID(p.id) }

// schema is what publishing needs to know of a template: the index of each field.
type schema struct {
	id    string
	index map[string]int
}

// part is what a record says under one template, by field name.
type part struct {
	template string
	fields   map[string]any
}

// fail keeps the first error.
func (b *book) fail(err error) {
	b.err = errors.Join(b.err, err)
}

// heightAt is the height at a share of the sample's range: 0 its first block, 1
// its tip.
func heightAt(share float64) int64 {
	return sample.FirstHeight + int64(share*float64(sample.Tip-sample.FirstHeight))
}

// slot is the height of the i-th of n records that are spread over a part of the
// range, moved a little by its name, so that they are not evenly spaced.
func slot(from, to float64, i, n int, name string) int64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // a hash takes everything
	jitter := float64(h.Sum32()%1000) / 1000
	return heightAt(from + (to-from)*(float64(i)+jitter)/float64(n))
}

// Blocks come about every 131 seconds; the simulated gateway dates them alike.
const (
	genesis      = 1528500720 // unix seconds
	blockSeconds = 131
)

// written is when a record that is mined at a height was written: a few minutes
// earlier. Unix seconds.
func written(height int64) int64 { return genesis + height*blockSeconds - 420 }

// before is the height that is mined some days before a date.
func (b *book) before(date string, days int) (height int64, at time.Time) {
	at, err := time.Parse(time.DateOnly, date)
	if err != nil {
		b.fail(err)
	}
	return (at.AddDate(0, 0, -days).Unix() - genesis) / blockSeconds, at
}

// define publishes a template. A later one of the same name takes its place.
func (b *book) define(by string, height int64, t template) publication {
	tx := b.signers[by].Template(t.Name, t.Definition)
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(t.Definition, &keys); err != nil {
		b.fail(err)
	}
	s := schema{id: tx.ID, index: map[string]int{}}
	for key, value := range keys {
		if field, ok := strings.CutPrefix(key, "index_"); ok {
			var n int
			if err := json.Unmarshal(value, &n); err != nil {
				b.fail(err)
			}
			s.index[field] = n
		}
	}
	b.templates[t.Name] = s
	return b.append(tx, gatewaysim.Item{Height: height})
}

// defineLater publishes the later template of a name.
func (b *book) defineLater(by, name string, height int64, all []template) publication {
	i := slices.IndexFunc(all, func(t template) bool { return t.Later && t.Name == name })
	if i < 0 {
		b.fail(fmt.Errorf("no later template %s", name))
		return publication{}
	}
	return b.define(by, height, all[i])
}

// object turns a part into the form of the chain: values by index. Empty texts and
// lists are left out.
func (b *book) object(p part) oiptest.Object {
	s, ok := b.templates[p.template]
	if !ok {
		b.fail(fmt.Errorf("no template %q", p.template))
	}
	values := make(map[int]any, len(p.fields))
	for name, v := range p.fields {
		index, ok := s.index[name]
		if !ok {
			b.fail(fmt.Errorf("template %s has no field %s", p.template, name))
		}
		switch v := v.(type) {
		case string:
			if v != "" {
				values[index] = v
			}
		case []string:
			if len(v) > 0 {
				values[index] = v
			}
		default:
			values[index] = v
		}
	}
	return oiptest.Object{Template: s.id, Values: values}
}

// sign makes the transaction of a record without publishing it.
func (b *book) sign(by *oiptest.Signer, recordType string, parts ...part) oip.Transaction {
	objects := make([]oiptest.Object, 0, len(parts))
	for _, p := range parts {
		objects = append(objects, b.object(p))
	}
	return by.RawRecord(recordType, b.data(objects))
}

// data is the text of a record as a publisher in JavaScript would send it.
func (b *book) data(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		b.fail(err)
		return nil
	}
	value, err := canon.Parse(text)
	if err != nil {
		b.fail(err)
	}
	return canon.Append(nil, value)
}

// record publishes a record and remembers it under its name.
func (b *book) record(by, recordType, name string, height int64, parts ...part) publication {
	p := b.append(b.sign(b.signers[by], recordType, parts...), gatewaysim.Item{Height: height, Bundled: true})
	key := recordType + "/" + name
	if _, twice := b.known[key]; twice {
		b.fail(fmt.Errorf("two records %s", key))
	}
	b.known[key] = p
	return p
}

// append puts a transaction on the chain; place says where.
func (b *book) append(tx oip.Transaction, place gatewaysim.Item) publication {
	place.ID, place.Tags, place.Data = tx.ID, tx.Tags, tx.Data
	for _, t := range tx.Tags {
		if t.Name == "Creator" {
			place.Owner = t.Value
		}
	}
	if place.Height > sample.Tip {
		b.fail(fmt.Errorf("height %d is above the tip", place.Height))
	}
	b.items = append(b.items, place)
	return publication{tx.ID, place.Height}
}

// find returns earlier records of a type, as references, and the first height at
// which all of them are there.
func (b *book) find(recordType string, names ...string) (dids []string, height int64) {
	for _, name := range names {
		p, ok := b.known[recordType+"/"+name]
		if !ok {
			b.fail(fmt.Errorf("no %s %q before it is referred to", recordType, name))
		}
		dids = append(dids, p.did())
		height = max(height, p.height+1)
	}
	return dids, height
}

// english is the position of English in the basic template's list of languages.
const english = 37

// basic is the part that every record has.
func basic(name, description string, height int64, tags ...string) part {
	return part{"basic", map[string]any{
		"name": name, "description": description, "date": written(height), "language": english, "nsfw": false, "tagItems": tags,
	}}
}
