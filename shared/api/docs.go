package api

import (
	"context"
	"crypto/sha256"
	_ "embed" // for the description
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
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
func docRows() []row {
	return []row{
		{http.MethodGet, "/api/openapi.json", described(openapiFile), aboutOpenAPI},
		{http.MethodGet, "/api/docs", described(docsFile), aboutDocs},
	}
}

// file is a part of the description as it is served.
type file struct {
	mediaType string
	text      string
	// packed is the text compressed: about a tenth of it, made once.
	packed []byte
	tag    string
	// policy is the Content-Security-Policy; empty for what no browser renders.
	policy string
}

var openapiFile = sync.OnceValue(func() file {
	return file{mediaType: "application/json; charset=utf-8", text: openapiJSON, packed: packedText(openapiJSON), tag: tagOf(openapiJSON)}
})

// docsFile has its style in itself, and nothing else that a browser would load or run:
// the policy names the hash of that one style.
var docsFile = sync.OnceValue(func() file {
	_, rest, _ := strings.Cut(docsHTML, "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	return file{mediaType: "text/html; charset=utf-8", text: docsHTML, packed: packedText(docsHTML), tag: tagOf(docsHTML),
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}
})

func packedText(text string) []byte { return newPacker().pack(context.Background(), []byte(text)) }

func tagOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:tagBytes/2])
}

// described serves a part of the description. It changes with the node only, so that
// browsers ask each time and mostly get 304.
func described(of func() file) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, h := of(), w.Header()
		zipped := acceptsGzip(r.Header)
		h.Set("Cache-Control", "no-cache")
		h.Set("Vary", "Accept-Encoding")
		if tag := held(r, f.tag, zipped); tag != "" {
			h.Set("ETag", tag)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		body := []byte(f.text)
		h.Set("ETag", `"`+f.tag+`"`)
		if zipped {
			body = f.packed
			h.Set("Content-Encoding", "gzip")
			h.Set("ETag", `"`+f.tag+gzipTag+`"`)
		}
		if f.policy != "" {
			h.Set("Content-Security-Policy", f.policy)
		}
		h.Set("Content-Type", f.mediaType)
		h.Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(http.StatusOK)
		if r.Method != http.MethodHead {
			// An error here is the caller's connection; the access log has the bytes.
			_, _ = w.Write(body)
		}
	})
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
