package api

import (
	"context"
	"strings"

	"oipnode/shared/errs"
	"oipnode/shared/openapi"
	"oipnode/shared/records"
)

// maxResolveDepth is how many levels of references can be asked for.
const maxResolveDepth = 5

// resolving is the part of a request that says which references are replaced by what they
// name (spec records-api section 2, "Resolving references").
//
// A reference is a text anywhere in a record's data that is a DID and nothing else. It is
// replaced by the record that the caller would find by this DID; where he would find none,
// be it that there is none or that he may not read it, it stays a DID. Registrations and
// templates are no records, so what names them stays too.
type resolving struct {
	depth     int
	namesOnly bool
	fields    fieldPaths
}

func (r *resolving) params() []param {
	return []param{
		{"resolveDepth", count(&r.depth, 0, 0, maxResolveDepth, ""), "how many levels of references are replaced by the records that they name"},
		{"resolveNamesOnly", truth(&r.namesOnly), "whether the deepest level is the names of the records instead"},
		{"resolveFieldName", fieldPathList(&r.fields),
			"only references in these fields are replaced, at every level: the name of a template, or with the name of a field behind a dot"},
	}
}

// fieldPaths are the names of members below data, joined by dots; nil stands for all.
type fieldPaths map[string]bool

// fieldPathList takes a comma list of paths, with data in front or without.
func fieldPathList(dst *fieldPaths) kind {
	var list []string
	whole := commaList(&list)
	schema := func() openapi.Schema {
		s := listSchema(maxListed)
		s.Items.Pattern = `^[^.,\s][^.,]*(\.[^.,]+)*$`
		return s
	}
	return kind{allowed: whole.allowed + " such as recipe or data.recipe.ingredient", schema: schema, set: func(s string) (any, bool) {
		if _, ok := whole.set(s); !ok {
			return nil, false
		}
		paths := make(fieldPaths, len(list))
		for _, path := range list {
			path = strings.TrimPrefix(path, "data.")
			if strings.Contains("."+path+".", "..") {
				return nil, false
			}
			paths[path] = true
		}
		*dst = paths
		return list, true
	}}
}

// resolved gives the records of a page with their references replaced: documents, which
// are the hits as they are shown otherwise. base is what the caller can find by a query.
//
// A level is read at once for the whole page. The answer is written when it is known to
// be within Options.MaxAnswer, however often it shows the same records.
func (s *server) resolved(ctx context.Context, base records.All, q *recordsRequest, hits []records.Stored, documents [][]byte) ([][]byte, error) {
	if q.resolve.depth == 0 {
		return documents, nil
	}
	g := newGraph(q.resolve, q.shape, s.opt.MaxAnswer)
	if err := g.begin(hits, documents); err != nil {
		return nil, err
	}
	err := g.load(func(dids []string, visit func(records.Stored) error) error { return s.targets(ctx, base, dids, visit) })
	if err != nil {
		return nil, err
	}
	return g.expand()
}

// errReferences is the error for a page that refers to more than an answer can show.
func errReferences() error {
	return errs.E(errs.TooLarge, "the answer would be too large with the records that it refers to: ask for less "+
		"with a smaller resolveDepth or limit, or for some references only with resolveFieldName", nil)
}
