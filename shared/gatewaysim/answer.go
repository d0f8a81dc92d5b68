package gatewaysim

import (
	"errors"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"oipnode/shared/oip/canon"
)

// execution is one query being answered. The methods that append write JSON.
type execution struct {
	server *Server
	draw   draw
	tip    int64
	vars   map[string]any
}

// run answers an operation. One failed root field leaves no data at all, as in
// the gateways, whose connections are not nullable.
func (x *execution) run(op *ast.OperationDefinition) []byte {
	fields, ok := plan(op, x.vars)
	if !ok {
		return failure(gqlerror.List{gqlerror.Errorf("The query is too complex.")})
	}
	body := make([]byte, 0, 16<<10)
	body = append(body, `{"data":{`...)
	for i, f := range fields {
		body = appendKey(body, i, f.key)
		var err *gqlerror.Error
		if body, err = x.root(body, f); err != nil {
			err.Path = ast.Path{ast.PathName(f.key)}
			return append(appendErrors([]byte(`{"data":null,`), gqlerror.List{err}), '}')
		}
	}
	body = append(body, '}')
	if x.draw.hits(ErrorsBesideData) {
		body = appendErrors(append(body, ','), gqlerror.List{gqlerror.Errorf("A shard did not answer in time.")})
	}
	if x.draw.hits(Warnings) {
		body = append(body, []string{
			`,"warnings":[{"message":"Results may be incomplete."}]`,
			`,"extensions":{"warnings":["Results may be incomplete."]}`,
		}[x.draw.pick(Warnings, 2)]...)
	}
	return append(body, '}')
}

// root appends the value of a field of Query.
func (x *execution) root(dst []byte, f selection) ([]byte, *gqlerror.Error) {
	switch f.field.Name {
	case "transactions":
		return x.transactions(dst, f)
	case "transaction":
		return x.transaction(dst, f)
	case "blocks":
		return x.blockConnection(dst, f)
	case "block":
		id, err := argument(f.field, "id", x.vars)
		if err != nil {
			return dst, gqlerror.Wrap(err)
		}
		height, ok := x.tip, true // without an id: the newest
		if text, given := id.(string); given {
			height, ok = x.server.chain.heightOf(text)
		}
		if !ok {
			return append(dst, "null"...), nil
		}
		return x.block(dst, f.fields, height), nil
	case "__typename":
		return canon.AppendString(dst, "Query"), nil
	}
	return dst, gqlerror.Errorf("Introspection is switched off.")
}

// rowLimitError says that a query was too large, in the dialect of this gateway.
func (x *execution) rowLimitError() *gqlerror.Error {
	switch x.server.opts.Seed % 3 {
	case 0:
		return &gqlerror.Error{
			Message:    "The query matches too many rows.",
			Extensions: map[string]any{"code": "TOO_MANY_ROWS"},
		}
	case 1:
		return gqlerror.Errorf("Limit for rows (controlled by 'max_rows_to_read' setting) exceeded")
	}
	return &gqlerror.Error{
		Message:    "The database refused the query.",
		Extensions: map[string]any{"code": 158},
	}
}

func (x *execution) transactions(dst []byte, f selection) ([]byte, *gqlerror.Error) {
	q, err := readQuestion(f.field, "block", x.vars)
	if err != nil {
		return dst, gqlerror.Wrap(err)
	}
	p, err := x.page(q)
	if errors.Is(err, errRowLimit) {
		return dst, x.rowLimitError()
	}
	if err != nil {
		return dst, gqlerror.Wrap(err)
	}
	if field := fragile(f.fields); field != "" && len(p.edges) > 0 && x.draw.hits(NullField) {
		return dst, gqlerror.Errorf("Cannot return null for non-nullable field Transaction.%s.", field)
	}
	return x.connection(dst, f.fields, "Transaction", p), nil
}

func (x *execution) transaction(dst []byte, f selection) ([]byte, *gqlerror.Error) {
	id, err := argument(f.field, "id", x.vars)
	if err != nil || id == nil {
		return dst, gqlerror.Errorf("The id is not one.")
	}
	r := x.server.rows(filter{ids: texts(id)})
	switch {
	case len(r.mined) > 0:
		return x.row(dst, f.fields, r.mined[0]), nil
	case len(r.pending) > 0:
		return x.row(dst, f.fields, r.pending[0]), nil
	}
	return append(dst, "null"...), nil
}
