package opensearch

import (
	"encoding/json"
	"fmt"

	"github.com/valyala/fastjson"

	"oipnode/shared/oip"
)

// An answer to a search is nearly all documents, each as two long strings full of
// escapes. Reading one of twenty documents with encoding/json takes half a millisecond of
// a processor, which is a third of what the engine takes to find them; with fastjson, a
// tenth of that. It has another copy of the answer for this, so large answers, for which
// Options.MaxPage bounds the memory, are read as ever.

// maxQuick is the longest answer, in bytes, that is read the quick way.
const maxQuick = 1 << 20

// parsers are parsers with their memory, some times maxQuick each, for as long as the
// next collection leaves them.
var parsers fastjson.ParserPool

// readSearched reads an answer.
func readSearched(text []byte) (*searched, error) {
	if len(text) > maxQuick {
		a := &searched{}
		return a, json.Unmarshal(text, a)
	}
	p := parsers.Get()
	defer parsers.Put(p)
	v, err := p.ParseBytes(text)
	if err != nil {
		return nil, err
	}
	var r quick
	a := r.searched(v)
	return a, r.err
}

// quick takes values out of an answer and keeps the first error. What is not there, or
// null, is zero, as in encoding/json. Nothing that it returns is part of the parser.
type quick struct{ err error }

func (r *quick) searched(v *fastjson.Value) *searched {
	a := &searched{TimedOut: r.bool(v, "timed_out"), PIT: r.text(v, "pit_id")}
	r.is(v, fastjson.TypeObject)
	a.Shards.Failed = int(r.number(v, "_shards", "failed"))
	a.Hits.Total.Value = r.number(v, "hits", "total", "value")
	if list := r.list(v, "hits", "hits"); list != nil {
		a.Hits.Hits = make([]hit, len(list))
		for i, h := range list {
			a.Hits.Hits[i] = r.hit(h)
		}
	}
	r.aggregations(v.Get("aggregations"), &a.Aggregations)
	return a
}

func (r *quick) aggregations(v *fastjson.Value, a *aggregations) {
	if !r.is(v, fastjson.TypeObject) {
		return
	}
	if list := r.list(v, "values", "buckets"); list != nil {
		a.Values.Buckets = make([]bucket, len(list))
		for i, b := range list {
			a.Values.Buckets[i].Key.V, a.Values.Buckets[i].Count = r.text(b, "key", "v"), r.number(b, "doc_count")
		}
	}
	a.Values.AfterKey = raw(v.Get("values", "after_key"))
	if n := v.Get("names"); r.is(n, fastjson.TypeObject) {
		a.Names = &names{Left: r.number(n, "sum_other_doc_count")}
	}
	if n := v.Get("number"); r.is(n, fastjson.TypeObject) {
		a.Number = &number{Count: r.number(n, "count")}
	}
}

func (r *quick) hit(v *fastjson.Value) hit {
	r.is(v, fastjson.TypeObject)
	h := hit{ID: r.text(v, "_id"), SeqNo: r.number(v, "_seq_no"), Version: r.number(v, "_version")}
	h.Source.Kind = oip.Kind(r.text(v, "_source", "k"))
	h.Source.Fence = uint64(r.number(v, "_source", "w"))
	h.Source.Data, h.Source.Envelope = r.text(v, "_source", "d"), r.text(v, "_source", "e")
	h.Source.Fields.Refs = r.texts(v, "_source", "f", "ref")
	for _, value := range r.list(v, "sort") {
		h.Sort = append(h.Sort, raw(value))
	}
	if fields := v.Get("fields"); r.is(fields, fastjson.TypeObject) {
		h.Fields = make(map[string][]string)
		fields.GetObject().Visit(func(name []byte, _ *fastjson.Value) {
			h.Fields[string(name)] = r.texts(fields, string(name))
		})
	}
	return h
}

// raw is a value as it stands in the answer, nil for none. Nothing within it may have been
// looked at before: fastjson writes a text that it has decoded in another form.
func raw(v *fastjson.Value) json.RawMessage {
	if v == nil {
		return nil
	}
	return v.MarshalTo(nil)
}

// is reports whether a value is there; another type than this one is an error.
func (r *quick) is(v *fastjson.Value, want fastjson.Type) bool {
	if v == nil || v.Type() == fastjson.TypeNull {
		return false
	}
	if v.Type() != want && r.err == nil {
		r.err = fmt.Errorf("a value is of the type %s, not %s", v.Type(), want)
	}
	return v.Type() == want
}

func (r *quick) bool(v *fastjson.Value, path ...string) bool {
	value := v.Get(path...)
	if value != nil && value.Type() == fastjson.TypeTrue {
		return true
	}
	r.is(value, fastjson.TypeFalse)
	return false
}

func (r *quick) text(v *fastjson.Value, path ...string) string {
	if value := v.Get(path...); r.is(value, fastjson.TypeString) {
		return string(value.GetStringBytes())
	}
	return ""
}

func (r *quick) number(v *fastjson.Value, path ...string) int64 {
	value := v.Get(path...)
	if !r.is(value, fastjson.TypeNumber) {
		return 0
	}
	n, err := value.Int64()
	if err != nil && r.err == nil {
		r.err = err
	}
	return n
}

func (r *quick) list(v *fastjson.Value, path ...string) []*fastjson.Value {
	if value := v.Get(path...); r.is(value, fastjson.TypeArray) {
		return value.GetArray()
	}
	return nil
}

func (r *quick) texts(v *fastjson.Value, path ...string) []string {
	list := r.list(v, path...)
	if list == nil {
		return nil
	}
	texts := make([]string, len(list))
	for i, value := range list {
		if r.is(value, fastjson.TypeString) {
			texts[i] = string(value.GetStringBytes())
		}
	}
	return texts
}
