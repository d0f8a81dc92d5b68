package api

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// contract is the description as the tests hold answers against it: whatever a test of
// this package asks, the answer must be one that the description has.
type contract struct {
	document map[string]any
	compiler *jsonschema.Compiler

	mu      sync.Mutex
	schemas map[string]*jsonschema.Schema
}

// contractURL is the name of the document for the compiler.
const contractURL = "urn:oipnode:openapi"

var theContract = sync.OnceValue(func() *contract {
	text, err := describeAPI(allRows()).JSON()
	if err != nil {
		panic(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		panic(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource(contractURL, document); err != nil {
		panic(err)
	}
	return &contract{document: document.(map[string]any), compiler: c, schemas: make(map[string]*jsonschema.Schema)}
})

// escape is a name as a part of a JSON pointer.
func escape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(name)
}

// schema compiles the schema at a pointer into the document.
func (c *contract) schema(path ...string) (*jsonschema.Schema, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pointer := ""
	for _, name := range path {
		pointer += "/" + escape(name)
	}
	if s, ok := c.schemas[pointer]; ok {
		return s, nil
	}
	s, err := c.compiler.Compile(contractURL + "#" + pointer)
	if err != nil {
		return nil, err
	}
	c.schemas[pointer] = s
	return s, nil
}

// operation is the description of a request's route: its path as the document has it,
// and what there is at it.
func (c *contract) operation(r *http.Request) (path string, methods object, ok bool) {
	paths := c.document["paths"].(object)
	asked := strings.Split(r.URL.Path, "/")
	best := -1
	for name, m := range paths {
		parts := strings.Split(name, "/")
		if len(parts) != len(asked) {
			continue
		}
		fixed := 0
		if slices.EqualFunc(parts, asked, func(part, segment string) bool {
			if strings.HasPrefix(part, "{") {
				return true
			}
			fixed++
			return part == segment
		}) && fixed > best {
			path, methods, best = name, m.(object), fixed
		}
	}
	return path, methods, best >= 0
}

// check returns what is wrong with an answer by the description; nil is well.
func (c *contract) check(r *http.Request, status int, h http.Header, body []byte) error {
	path, methods, ok := c.operation(r)
	method := strings.ToLower(r.Method)
	if method == "head" {
		method = "get"
	}
	operation, described := methods[method].(object)
	if !ok || !described {
		return nil // there is nothing, or not by this method
	}
	responses := operation["responses"].(object)
	response, ok := responses[fmt.Sprint(status)].(object)
	if !ok {
		return fmt.Errorf("the status %d is not described", status)
	}
	at := []string{"paths", path, method, "responses", fmt.Sprint(status)}
	if ref, ok := response["$ref"].(string); ok {
		at = strings.Split(strings.TrimPrefix(ref, "#/"), "/")
		response = c.document["components"].(object)["responses"].(object)[at[len(at)-1]].(object)
	}
	content, hasBody := response["content"].(object)
	if r.Method == http.MethodHead || !hasBody {
		if len(body) > 0 {
			return fmt.Errorf("a body where there is none")
		}
		return nil
	}
	mediaType, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("content type %q: %w", h.Get("Content-Type"), err)
	}
	if content["*/*"] != nil {
		return nil
	}
	if content[mediaType] == nil {
		return fmt.Errorf("the content type %s is not described", mediaType)
	}
	if mediaType != jsonMedia {
		return nil
	}
	schema, err := c.schema(append(at, "content", mediaType, "schema")...)
	if err != nil {
		return err
	}
	text := io.Reader(bytes.NewReader(body))
	if h.Get("Content-Encoding") == "gzip" {
		if text, err = gzip.NewReader(text); err != nil {
			return err
		}
	}
	value, err := jsonschema.UnmarshalJSON(text)
	if err != nil {
		return err
	}
	return schema.Validate(value)
}
