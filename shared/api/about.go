package api

import (
	"net/http"

	"oipnode/shared/errs"
	"oipnode/shared/openapi"
)

// apiVersion is the version of the contract, not of the node: an operator can update a
// node without any client noticing. A client that breaks needs a new first number, and
// one that can do more a new second one. openapi.versions remembers what each was.
const apiVersion = "1.0.1"

// row is a route: a method and a path, what serves it, and what the description of the
// API says of it. The description is made by the tests (make generate) and served as it
// was checked in, so that about is never called in a running node.
type row struct {
	method, path string
	handler      http.Handler
	about        func(*openapi.Schemas) about
}

// about describes a route.
type about struct {
	// id names the operation in generated clients, and the anchor of the page.
	id string
	// path is the path as callers see it, where the row's is another one.
	path    string
	group   string
	summary string
	text    string
	caller  callers
	// inPath, inHeader and params are what a request has, body what it carries.
	inPath   []given
	inHeader []given
	params   []param
	body     *content
	answers  []told
	// errors are those of them that have an answer of their form.
	errors []*errs.Kind
	// curl is an example: what follows the word curl, with the address of a local node.
	curl string
}

// callers is who may call a route.
type callers int

const (
	anyone   callers = iota // a token shows its holder more
	noMatter                // a token is not looked at
	users                   // a token is needed
	talkers                 // a token or the secret of a dialogue
	starters                // the same, and the secret may be in the body
	readers                 // the same, or the key of a dialogue's stream
	operators
)

// given is a parameter that is no row of a table of parse.
type given struct {
	name   string
	schema openapi.Schema
	doc    string
}

// content is a body of a request.
type content struct {
	doc      string
	required bool
	schema   openapi.Schema
	example  string // JSON
}

// told is an answer that is no error, or an error in another form.
type told struct {
	status int
	doc    string
	schema openapi.Schema
	// media is the media type, JSON by default; none means that there is no body.
	media   string
	headers []string // names of the description's headers
	// next are the calls that go on from here, each with its parameter and the member of
	// this answer that it takes.
	next []next
}

// next is a call that goes on from an answer.
type next struct{ id, parameter, member string }

const (
	jsonMedia = "application/json"
	noMedia   = "none"
)

// The groups of routes, in the order of the description.
const (
	groupRecords    = "Records"
	groupNetwork    = "Templates and registrations"
	groupMedia      = "Media"
	groupVoice      = "Voice dialogues"
	groupRelay      = "GUN relay"
	groupHealth     = "Health"
	groupOperations = "Operations"
	groupAbout      = "Description"
)

// address is where the examples find a node: the local one, as make run starts it.
const address = "http://127.0.0.1:3005"

// always are the errors that every answer can be.
var always = []*errs.Kind{errs.Internal, errs.Unavailable, errs.Timeout}

// kinds are the errors of a route: these and the ones that every answer can be.
func kinds(more ...*errs.Kind) []*errs.Kind { return append(more, always...) }

// keptAnswer are the answers of a route that the caller may keep with an ETag.
func keptAnswer(doc string, schema openapi.Schema) []told {
	return []told{
		{status: http.StatusOK, doc: doc, schema: schema, headers: []string{"ETag"}},
		{status: http.StatusNotModified, doc: "What If-None-Match names still holds.", media: noMedia, headers: []string{"ETag"}},
	}
}

// ifNoneMatch is the header that goes with keptAnswer.
var ifNoneMatch = given{"If-None-Match", openapi.Text(0), "the ETag of an earlier answer: 304 if it still holds"}
