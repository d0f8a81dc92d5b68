package api

import (
	"context"
	"crypto/sha256"
	_ "embed" // for the description
	"encoding/base64"
	"net/http"
	"strings"
	"sync"

	"oipnode/shared/errs"
	"oipnode/shared/openapi"
)

// The description of the API, for programs and for people. Both are made out of the
// tables of this package by make generate, and checked in, so that a change of the API
// shows in its commit and a running node has nothing to make. openapi.versions has the
// hash of each version's contract: without a new version a change fails the tests.

//go:generate go test -run ^TestDescription$ -update .

//go:embed openapi.json
var openapiJSON string

//go:embed docs.html
var docsHTML string

// docRows are the routes of the description.
func (s *server) docRows() []row {
	return []row{
		{http.MethodGet, "/api/openapi.json", s.described(openapiFile), aboutOpenAPI},
		{http.MethodGet, "/api/docs", s.described(docsFile), aboutDocs},
	}
}

// openapiFile and docsFile are the parts of the description as they are served:
// compressed to about a tenth, once.
var (
	openapiFile = sync.OnceValue(func() answer { return partOf(openapiJSON) })
	docsFile    = sync.OnceValue(func() answer {
		// It has its style in itself, and nothing else that a browser would load or run:
		// the policy names the hash of that one style.
		_, rest, _ := strings.Cut(docsHTML, "<style>")
		style, _, _ := strings.Cut(rest, "</style>")
		sum := sha256.Sum256([]byte(style))
		a := partOf(docsHTML)
		a.media = "text/html; charset=utf-8"
		a.policy = "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
		return a
	})
)

func partOf(text string) answer {
	body := []byte(text)
	return answer{status: http.StatusOK, body: body, packed: newPacker().pack(context.Background(), body), tried: true, tag: tagOf(body), common: true}
}

// described serves a part of the description. It changes with the node only, so that
// browsers ask each time and mostly get 304.
func (s *server) described(of func() answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.send(w, r, of()) })
}

// fileErrors are the errors of what needs no store.
var fileErrors = []*errs.Kind{errs.Internal}

func aboutOpenAPI(*openapi.Schemas) about {
	answers := keptAnswer("The document.", openapi.Open([]string{"openapi", "info", "paths"}))
	return about{
		id: "getOpenAPI", group: groupAbout, summary: "Read this description as OpenAPI 3.1", caller: noMatter,
		text:     "For generators of clients, for tests, and for whatever else reads OpenAPI.",
		inHeader: []given{ifNoneMatch}, answers: answers, errors: fileErrors,
		curl: "'" + address + "/api/openapi.json'",
	}
}

func aboutDocs(*openapi.Schemas) about {
	answers := keptAnswer("The page.", openapi.Text(0))
	answers[0].media = "text/html"
	return about{
		id: "getDocs", group: groupAbout, summary: "Read this description as a page", caller: noMatter,
		text:     "One page without scripts, and without anything from elsewhere.",
		inHeader: []given{ifNoneMatch}, answers: answers, errors: fileErrors,
		curl: "'" + address + "/api/docs'",
	}
}
