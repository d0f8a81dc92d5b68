package property

import (
	"slices"
	"strings"
)

// resolution are the features that replace references by what they name.
var resolution = []feature{
	{4, false, func(w *world, q *question) {
		r := &resolving{question: q, found: w.found, depth: 1 + w.rng.IntN(2)}
		if w.one(6) {
			r.depth = 3
		}
		q.set("resolveDepth", r.depth)
		if r.namesOnly = w.one(3); r.namesOnly {
			q.set("resolveNamesOnly", "true")
		}
		if w.one(3) {
			r.fields = w.some([]string{"data.post.more", "post.about", "data.recipe", "recipe.ingredient", "post", "workout.exercise", "basic"}, 3)
			if len(r.fields) > 0 {
				q.set("resolveFieldName", strings.Join(r.fields, ","))
			}
		}
		q.resolve = r.document
	}},
}

// resolving is how references are to be replaced.
type resolving struct {
	*question
	found     map[string]int
	depth     int
	namesOnly bool
	fields    []string
}

// document is a record of the page with its references replaced.
func (r *resolving) document(s *sight, f *fact, doc object) {
	doc["data"] = r.value(s, doc, doc["data"], nil, []string{f.did})
}

// value replaces the references in a value of a record; names lead to it from data, and
// way are the records that lead to this one, itself included.
func (r *resolving) value(s *sight, doc object, v any, names, way []string) any {
	switch v := v.(type) {
	case object:
		o := make(object, len(v))
		for name, value := range v {
			o[name] = r.value(s, doc, value, append(slices.Clone(names), name), way)
		}
		return o
	case []any:
		list := make([]any, len(v))
		for i, value := range v {
			list[i] = r.value(s, doc, value, names, way)
			if name, ok := list[i].(string); ok && name != value && strings.Join(names, ".") == "recipe.ingredient" {
				if comments, _ := at(doc, "data", "recipe", "ingredient_comment").([]any); i < len(comments) && comments[i] != "" {
					list[i] = name + ", " + comments[i].(string)
				}
			}
		}
		return list
	case string:
		if target := s.byDID[v]; target != nil && r.wanted(names) && (r.deletions || !set(at(target.json, "oip", "deleteMessage"))) {
			return r.target(s, v, target, way)
		} else if f := s.model.facts[v]; target == nil && f != nil && f.kind == aRecord {
			r.found["references to what is hidden"]++
		}
	}
	return v
}

// wanted reports whether references in a field are to be replaced.
func (r *resolving) wanted(names []string) bool {
	return len(r.fields) == 0 || slices.ContainsFunc(r.fields, func(field string) bool {
		field = strings.TrimPrefix(field, "data.")
		return strings.HasPrefix(strings.Join(names, ".")+".", field+".")
	})
}

// target is what stands for a reference to a record.
func (r *resolving) target(s *sight, did string, target *fact, way []string) any {
	if r.namesOnly && len(way) == r.depth {
		if name := text(target.json, "data", "basic", "name"); name != "" {
			r.found["names of references"]++
			return name
		}
		return did
	}
	doc := clone(target.json).(object)
	for _, change := range r.last {
		doc = change(doc)
	}
	if slices.Contains(way, did) {
		r.found["circles"]++
		basic, _ := at(doc, "data", "basic").(object)
		if basic == nil {
			basic = object{}
		}
		return object{"oip": doc["oip"], "data": object{"basic": basic}, "_circular": true}
	}
	r.found["references"]++
	if len(way) < r.depth {
		doc["data"] = r.value(s, doc, doc["data"], nil, append(slices.Clone(way), did))
	}
	return doc
}
