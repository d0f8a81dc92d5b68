package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"oipnode/shared/errs"
	"oipnode/shared/library"
	"oipnode/shared/memory"
	"oipnode/shared/oip"
	"oipnode/shared/openapi"
	"oipnode/shared/voice"
)

// allRows are the routes of a node that has everything.
func allRows() []row {
	s := &server{opt: Options{Voice: new(voice.Dialogues), Media: new(library.Library), Prometheus: http.NotFoundHandler()}}
	return s.rows()
}

// closedTexts are the types of texts of which there are only a few.
func closedTexts() map[reflect.Type]openapi.Schema {
	return map[reflect.Type]openapi.Schema{
		reflect.TypeFor[voice.Status]():   openapi.Words(voice.Active, voice.Ended),
		reflect.TypeFor[library.Status](): openapi.Words(library.Queued, library.Running, library.Done, library.Failed),
		reflect.TypeFor[memory.Source]():  openapi.Words(memory.SourceFunction, memory.SourceContainer, memory.SourceMachine, memory.SourceUnknown),
		reflect.TypeFor[oip.Trust]():      openapi.Words(oip.TrustVerified, oip.TrustUnverified),
	}
}

// errorKinds are all kinds of errors that the API has, with the name of their answer.
var errorKinds = []struct {
	kind *errs.Kind
	name string
}{
	{errs.Invalid, "Invalid"}, {errs.Unauthorized, "Unauthorized"}, {errs.Forbidden, "Forbidden"}, {errs.NotFound, "NotFound"},
	{errs.MethodNotAllowed, "MethodNotAllowed"}, {errs.Conflict, "Conflict"}, {errs.TooLarge, "TooLarge"}, {errs.Unsatisfiable, "Unsatisfiable"},
	{errs.TooMany, "TooMany"}, {errs.Internal, "Internal"}, {errs.BadGateway, "BadGateway"}, {errs.Unavailable, "Unavailable"}, {errs.Timeout, "Timeout"},
}

func errorName(kind *errs.Kind) string {
	for _, k := range errorKinds {
		if k.kind == kind {
			return k.name
		}
	}
	panic("no name for " + kind.Error())
}

// describe makes the document out of the routes.
func describeAPI(rows []row) *openapi.Document {
	schemas := openapi.NewSchemas(closedTexts())
	d := &openapi.Document{
		OpenAPI: openapi.Version,
		Info: openapi.Info{Title: "OIP index node", Version: apiVersion, Summary: "Records of the Open Index Protocol: found on Arweave and in GUN, verified, and indexed.",
			Description: "Every answer is JSON unless it says otherwise, and every error has the form {\"error\", \"code\"}: a sentence for the caller, and a code that never changes. " +
				"A route of a part that the node does not have is answered with 404. A token shows what its holder may read besides what everybody may; a bad one is the same as none. GET is answered to HEAD as well, and to a method that a path does not have 405."},
		Servers: []openapi.Server{{URL: "/", Description: "the node that serves this description"}},
		Tags: []openapi.Tag{
			{Name: groupRecords, Description: "What was published, as far as the caller may read it."},
			{Name: groupNetwork, Description: "What records are made of, and who publishes them."},
			{Name: groupMedia, Description: "Files, fetched once and kept by their content."},
			{Name: groupVoice, Description: "Activity with an end: events that one side appends and others follow."},
			{Name: groupRelay, Description: "Two calls that are passed through to the node's own GUN relay."},
			{Name: groupHealth, Description: "How the node is."},
			{Name: groupOperations, Description: "For operators: on the local node for direct calls from its own machine, else with a token that has isAdmin. At most one of each per second."},
			{Name: groupAbout, Description: "This description."},
		},
	}
	addCommon(d, schemas)
	for _, r := range rows {
		path, operation := operationOf(r, r.about(schemas))
		methods, ok := d.Paths.Get(path)
		methods.Set(strings.ToLower(r.method), operation)
		if ok {
			i := slices.IndexFunc(d.Paths, func(m openapi.Member[openapi.Ordered[*openapi.Operation]]) bool { return m.Name == path })
			d.Paths[i].Value = methods
		} else {
			d.Paths.Set(path, methods)
		}
	}
	d.Components.Schemas = schemas.Components()
	return d
}

// addCommon adds what many operations refer to: errors, headers, ways to sign in.
func addCommon(d *openapi.Document, schemas *openapi.Schemas) {
	for _, k := range errorKinds {
		code := openapi.Only(k.kind.Error())
		members := []openapi.Member[*openapi.Schema]{openapi.With("error", openapi.Text(0).About("a sentence for the caller")), openapi.With("code", code)}
		if k.kind == errs.Invalid {
			members[1] = openapi.With("code", openapi.Words("invalid", "invalid_parameter"))
			members = append(members, openapi.With("parameter", openapi.Text(0).About("the parameter, header or member of the body that is wrong, with invalid_parameter")))
		}
		body := schemas.Add(k.name, openapi.Closed([]string{"error", "code"}, members...))
		answer := &openapi.Response{Description: sentence(errs.Public(k.kind)), Content: jsonContent(body)}
		if errs.IsTransient(k.kind) {
			answer.Headers = headers("Retry-After")
		}
		d.Components.Responses.Set(k.name, answer)
	}
	text := func(s string) *openapi.Schema { return &openapi.Schema{Type: openapi.String, Description: s} }
	for _, h := range []struct{ name, doc string }{
		{"ETag", "what If-None-Match names"}, {"Retry-After", "the seconds after which it may be worth trying again; not always there"},
		{"Accept-Ranges", "bytes"}, {"Content-Range", "which part of the file this is"}, {"Location", "a signed URL"},
	} {
		d.Components.Headers.Set(h.name, &openapi.Header{Description: h.doc, Schema: text("")})
	}
	d.Components.SecuritySchemes = openapi.Ordered[*openapi.Security]{
		{Name: "token", Value: &openapi.Security{Type: "http", Scheme: "bearer", BearerFormat: "JWT",
			Description: "A JWT, signed with the node's JWT_SECRET by HS256: exp, and userId, email or publicKey; isAdmin for operations."}},
		{Name: "secret", Value: &openapi.Security{Type: "apiKey", In: "header", Name: secretHeader,
			Description: fmt.Sprintf("The secret that a dialogue was started with: %d to %d visible ASCII characters.", voice.MinSecret, voice.MaxSecret)}},
		{Name: "streamKey", Value: &openapi.Security{Type: "apiKey", In: "query", Name: "streamKey", Description: "The key that the start of a dialogue was answered with."}},
	}
}

// sentence is a text with a capital letter and a full stop.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

func headers(names ...string) openapi.Ordered[*openapi.Header] {
	var o openapi.Ordered[*openapi.Header]
	for _, name := range names {
		o.Set(name, &openapi.Header{Ref: "#/components/headers/" + name})
	}
	return o
}

func jsonContent(s openapi.Schema) openapi.Ordered[openapi.Media] {
	return openapi.Ordered[openapi.Media]{{Name: jsonMedia, Value: openapi.Media{Schema: &s}}}
}

// security is who may call, as OpenAPI has it: one of several ways, the empty one among
// them where nobody needs to sign in.
func security(c callers) []openapi.Ordered[[]string] {
	none := openapi.Ordered[[]string]{}
	token := openapi.Ordered[[]string]{{Name: "token", Value: []string{}}}
	secret := openapi.Ordered[[]string]{{Name: "secret", Value: []string{}}}
	switch c {
	case anyone, operators:
		return []openapi.Ordered[[]string]{none, token}
	case users:
		return []openapi.Ordered[[]string]{token}
	case talkers:
		return []openapi.Ordered[[]string]{token, secret}
	case starters:
		return []openapi.Ordered[[]string]{token, secret, none}
	case readers:
		return []openapi.Ordered[[]string]{token, secret, {{Name: "streamKey", Value: []string{}}}}
	}
	return []openapi.Ordered[[]string]{}
}

// whoMay are the callers in words.
var whoMay = map[callers]string{
	anyone:    "Everybody; a token shows its holder more.",
	noMatter:  "Everybody; a token is not looked at.",
	users:     "Needs a token.",
	talkers:   "Needs a token, or the dialogue's secret in " + secretHeader + ".",
	starters:  "Needs a token, or a secret in " + secretHeader + " or in the body.",
	readers:   "Needs a token, the dialogue's secret in " + secretHeader + ", or the stream's key.",
	operators: "Operators: a direct call from the node's own machine, or a token with isAdmin.",
}

// operationOf is the description of one route.
func operationOf(r row, a about) (path string, o *openapi.Operation) {
	if path = r.path; a.path != "" {
		path = a.path
	}
	o = &openapi.Operation{ID: a.id, Tags: []string{a.group}, Summary: a.summary, Description: a.text, Security: security(a.caller), Callers: whoMay[a.caller], Curl: "curl " + a.curl}
	add := func(in string, list []given) {
		for _, g := range list {
			o.Parameters = append(o.Parameters, openapi.Parameter{Name: g.name, In: in, Description: g.doc, Required: in == "path", Schema: &g.schema})
		}
	}
	add("path", a.inPath)
	for _, p := range a.params {
		o.Parameters = append(o.Parameters, queryParameter(p))
	}
	add("header", a.inHeader)
	if a.body != nil {
		media := openapi.Media{Schema: &a.body.schema, Example: json.RawMessage(a.body.example)}
		o.Body = &openapi.Body{Description: a.body.doc, Required: a.body.required, Content: openapi.Ordered[openapi.Media]{{Name: jsonMedia, Value: media}}}
	}
	type answer struct {
		status   int
		response *openapi.Response
	}
	var answers []answer
	for _, t := range a.answers {
		answers = append(answers, answer{t.status, responseOf(t)})
	}
	for _, kind := range a.errors {
		answers = append(answers, answer{errs.Status(kind), &openapi.Response{Ref: "#/components/responses/" + errorName(kind)}})
	}
	slices.SortStableFunc(answers, func(a, b answer) int { return a.status - b.status })
	for _, a := range answers {
		o.Responses.Set(strconv.Itoa(a.status), a.response)
	}
	return path, o
}

func responseOf(t told) *openapi.Response {
	response := &openapi.Response{Description: t.doc, Headers: headers(t.headers...)}
	switch t.media {
	case noMedia:
	case "":
		response.Content = jsonContent(t.schema)
	default:
		response.Content = openapi.Ordered[openapi.Media]{{Name: t.media, Value: openapi.Media{Schema: &t.schema}}}
	}
	for _, n := range t.next {
		response.Links.Set(n.id, openapi.Link{OperationID: n.id, Parameters: openapi.Ordered[string]{{Name: n.parameter, Value: "$response.body#/" + n.member}}})
	}
	return response
}

// queryParameter is a row of a table. What a parameter takes is also said in the words of
// its errors, which tell more than a schema can.
func queryParameter(p param) openapi.Parameter {
	schema := p.kind.schema().About(p.kind.allowed)
	if p.kind.standard != "" {
		schema.Default = p.kind.standard
		if schema.Type == openapi.Integer {
			n, err := strconv.Atoi(p.kind.standard)
			if err != nil {
				panic(p.name + ": " + err.Error())
			}
			schema.Default = n
		}
		if schema.Type == openapi.Boolean {
			schema.Default = p.kind.standard == "true"
		}
	}
	q := openapi.Parameter{Name: p.name, In: "query", Required: p.kind.needed, Description: sentence(p.doc), Schema: &schema}
	yes, no := true, false
	switch {
	case schema.Type == openapi.Object:
		q.Schema, q.Content = nil, jsonContent(schema)
	case p.kind.many > 1:
		list := openapi.ListOf(schema, p.kind.many)
		q.Schema, q.Style, q.Explode = &list, "form", &yes
		q.Description += fmt.Sprintf(" It may be given %d times.", p.kind.many)
	case schema.Type == openapi.Array:
		q.Style, q.Explode = "form", &no
	}
	return q
}
