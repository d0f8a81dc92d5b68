package gatewaysim

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"oipnode/shared/upstream"
)

//go:embed schema.graphql
var schemaText string

var schema = gqlparser.MustLoadSchema(&ast.Source{Name: "schema.graphql", Input: schemaText})

// Bounds of a GraphQL request.
const (
	maxQueryBytes  = 1 << 20
	maxQueryTokens = 50_000
	maxCachedQuery = 8 << 10 // bytes of a query text that is worth keeping
)

// document is a query that the schema allows, or what is wrong with it. It is
// shared by requests and only read.
type document struct {
	query *ast.QueryDocument
	errs  gqlerror.List
}

// graphRequest is the body of a POST to /graphql.
type graphRequest struct {
	Query         string         `json:"query"`
	OperationName string         `json:"operationName"`
	Variables     map[string]any `json:"variables"`
}

// serveGraphQL answers a query: 400 for what is not one of the schema, else 200.
func (s *Server) serveGraphQL(w http.ResponseWriter, r *http.Request) {
	s.graphql.Add(1)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxQueryBytes))
	tip, step, _ := s.chain.clocks()
	d := s.opts.Faults.draw(upstream.Hash(string(body)), step)
	if s.misbehave(w, r, d, true) {
		return
	}
	reply := func(status int, v []byte) { s.send(w, r, d, status, "application/json; charset=utf-8", v) }
	if err != nil {
		reply(http.StatusBadRequest, failure(gqlerror.List{gqlerror.Errorf("The body cannot be read or is too large.")}))
		return
	}
	var req graphRequest
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(&req); err != nil {
		reply(http.StatusBadRequest, failure(gqlerror.List{gqlerror.Errorf("The body is not a GraphQL request.")}))
		return
	}
	doc := s.prepare(req.Query)
	if doc.errs != nil {
		reply(http.StatusBadRequest, failure(doc.errs))
		return
	}
	op, vars, errs := bind(doc.query, req)
	if errs != nil {
		reply(http.StatusBadRequest, failure(errs))
		return
	}
	if d.hits(GraphQLErrors) {
		reply(http.StatusOK, failure(gqlerror.List{gqlerror.Errorf("Internal server error")}))
		return
	}
	x := &execution{server: s, draw: d, tip: tip, vars: vars}
	reply(http.StatusOK, x.run(op))
}

// prepare parses and validates a query text, or remembers that it did.
func (s *Server) prepare(text string) *document {
	if doc, ok := s.queries.Get(text); ok {
		return doc
	}
	doc := parse(text)
	if len(text) <= maxCachedQuery {
		s.queries.Add(text, doc)
	}
	return doc
}

func parse(text string) *document {
	q, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, maxQueryTokens)
	if err != nil {
		return &document{errs: asList(err)}
	}
	if errs := validator.ValidateWithRules(schema, q, rules.NewDefaultRules()); len(errs) > 0 {
		return &document{errs: errs}
	}
	return &document{query: q}
}

// bind chooses the operation that a request names and checks its variables.
func bind(q *ast.QueryDocument, req graphRequest) (*ast.OperationDefinition, map[string]any, gqlerror.List) {
	op := q.Operations.ForName(req.OperationName)
	switch {
	case op == nil:
		return nil, nil, gqlerror.List{gqlerror.Errorf("Unknown or ambiguous operation.")}
	case op.Operation != ast.Query:
		return nil, nil, gqlerror.List{gqlerror.Errorf("Only queries are supported.")}
	}
	vars, err := validator.VariableValues(schema, op, req.Variables)
	if err != nil {
		return nil, nil, asList(err)
	}
	return op, vars, nil
}

// asList makes an error of the parser what a response carries.
func asList(err error) gqlerror.List {
	var one *gqlerror.Error
	if errors.As(err, &one) {
		return gqlerror.List{one}
	}
	return gqlerror.List{gqlerror.Wrap(err)}
}

// failure is the response of a request that brought nothing.
func failure(errs gqlerror.List) []byte {
	return append(appendErrors([]byte("{"), errs), '}')
}

// appendErrors appends the member "errors".
func appendErrors(dst []byte, errs gqlerror.List) []byte {
	text, err := json.Marshal(errs)
	if err != nil {
		// Only a value of ours in Extensions could do that.
		text = []byte(`[{"message":"Internal server error"}]`)
	}
	return append(append(dst, `"errors":`...), text...)
}
