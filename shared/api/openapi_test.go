package api

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi/datamodel"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"oipnode/shared/openapi"
	"oipnode/shared/openapi/page"
)

var update = flag.Bool("update", false, "write the description of the API instead of comparing it")

// TestDescription: what is checked in and served is what the tables say, and a contract
// that has changed has a new version.
func TestDescription(t *testing.T) {
	d := describeAPI(allRows())
	text, err := d.JSON()
	if err != nil {
		t.Fatal(err)
	}
	html, err := page.Render(d)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile("openapi.versions")
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	versions, err := withVersion(string(kept), apiVersion, fingerprint(t, text))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		name string
		want []byte
	}{{"openapi.json", text}, {"docs.html", html}, {"openapi.versions", []byte(versions)}} {
		if *update {
			if err := os.WriteFile(f.name, f.want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(f.name)
		if err != nil || !bytes.Equal(got, f.want) {
			t.Errorf("%s is not what the tables say: run make generate and commit it (%v)", f.name, err)
		}
	}
}

// withVersion adds a version to the text of openapi.versions, which has a line for each:
// the version and the fingerprint of its contract.
func withVersion(text, version, print string) (string, error) {
	for line := range strings.Lines(text) {
		name, known, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name != version {
			continue
		}
		if known != print {
			return "", fmt.Errorf("the API has changed and its version is still %s: raise apiVersion in about.go (the first number when a client may break, the second when a client can do more) and run make generate", version)
		}
		return text, nil
	}
	return text + version + " " + print + "\n", nil
}

// fingerprint is the hash of a contract: the document without its version, and without
// texts that are for people only.
func fingerprint(t *testing.T, document []byte) string {
	t.Helper()
	var d object
	if err := json.Unmarshal(document, &d); err != nil {
		t.Fatal(err)
	}
	delete(d["info"].(object), "version")
	delete(d, "tags")
	text, err := json.Marshal(withoutTexts(d))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func withoutTexts(v any) any {
	switch v := v.(type) {
	case object:
		for name, value := range v {
			_, isText := value.(string)
			if isText && slices.Contains([]string{"description", "summary", "x-callers", "x-curl"}, name) || name == "example" {
				delete(v, name)
				continue
			}
			v[name] = withoutTexts(value)
		}
	case []any:
		for i := range v {
			v[i] = withoutTexts(v[i])
		}
	}
	return v
}

// TestVersions: a change of the contract asks for a new version, and a change of its
// words does not.
func TestVersions(t *testing.T) {
	base, err := describeAPI(allRows()).JSON()
	if err != nil {
		t.Fatal(err)
	}
	print := fingerprint(t, base)
	history := "0.9.0 abc\n1.0.0 " + print + "\n"
	for name, c := range map[string]struct {
		change func(*openapi.Document)
		same   bool
	}{
		"nothing":     {func(*openapi.Document) {}, true},
		"the version": {func(d *openapi.Document) { d.Info.Version = "7.0.0" }, true},
		"words":       {func(d *openapi.Document) { d.Paths[0].Value[0].Value.Summary, d.Tags[0].Description = "x", "x" }, true},
		"an example":  {func(d *openapi.Document) { d.Paths[0].Value[0].Value.Curl = "x" }, true},
		"a default":   {func(d *openapi.Document) { d.Paths[0].Value[0].Value.Parameters[0].Schema.Default = "x" }, false},
		"a parameter": {func(d *openapi.Document) {
			o := d.Paths[0].Value[0].Value
			o.Parameters = o.Parameters[1:]
		}, false},
		"a route":  {func(d *openapi.Document) { d.Paths = d.Paths[1:] }, false},
		"a member": {func(d *openapi.Document) { s, _ := d.Components.Schemas.Get("Records"); s.Required = s.Required[1:] }, false},
	} {
		d := describeAPI(allRows())
		c.change(d)
		text, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		changed := fingerprint(t, text)
		if (changed == print) != c.same {
			t.Errorf("%s: the fingerprint is the same: %t", name, changed == print)
		}
		got, err := withVersion(history, "1.0.0", changed)
		if c.same && (err != nil || got != history) || !c.same && (err == nil || !strings.Contains(err.Error(), "raise apiVersion")) {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := withVersion(history, "1.1.0", changed); err != nil || got != history+"1.1.0 "+changed+"\n" {
			t.Errorf("%s in a new version: %v", name, err)
		}
	}
}

// TestMetaSchema: the document is valid by the schema of OpenAPI 3.1 itself.
func TestMetaSchema(t *testing.T) {
	meta, err := jsonschema.UnmarshalJSON(strings.NewReader(datamodel.OpenAPI31SchemaData))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("urn:openapi:3.1", meta); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("urn:openapi:3.1")
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(theContract().document); err != nil {
		t.Errorf("the document: %v", err)
	}
	var wrong any
	if err := json.Unmarshal([]byte(strings.Replace(openapiJSON, `"in": "query"`, `"in": "body"`, 1)), &wrong); err != nil {
		t.Fatal(err)
	}
	if schema.Validate(wrong) == nil {
		t.Error("a wrong document is valid as well")
	}
}

// TestSchemasAreValid compiles each schema of the document.
func TestSchemasAreValid(t *testing.T) {
	c := theContract()
	for name := range c.document["components"].(object)["schemas"].(object) {
		if _, err := c.schema("components", "schemas", name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for path, methods := range c.document["paths"].(object) {
		for method, o := range methods.(object) {
			parameters, _ := o.(object)["parameters"].([]any)
			for i, p := range parameters {
				at := []string{"schema"}
				if p.(object)["schema"] == nil {
					at = []string{"content", jsonMedia, "schema"}
				}
				if _, err := c.schema(append([]string{"paths", path, method, "parameters", fmt.Sprint(i)}, at...)...); err != nil {
					t.Errorf("%s %s, parameter %d: %v", method, path, i, err)
				}
			}
		}
	}
}

// TestRoutesAreDescribed: no route is without a description, and none is there twice.
func TestRoutesAreDescribed(t *testing.T) {
	var ids []string
	for _, r := range allRows() {
		if r.about == nil {
			t.Errorf("%s %s has no description: give its row one (about.go)", r.method, r.path)
			continue
		}
		a := r.about(openapi.NewSchemas(closedTexts()))
		name := r.method + " " + r.path
		if a.id == "" || a.group == "" || a.summary == "" || a.text == "" || a.curl == "" || len(a.answers) == 0 || slices.Contains(ids, a.id) {
			t.Errorf("%s: the description lacks something, or its id %q is taken: %+v", name, a.id, a)
		}
		ids = append(ids, a.id)
		path := r.path
		if a.path != "" {
			path = a.path
		}
		if got, want := len(a.inPath), strings.Count(path, "{"); got != want {
			t.Errorf("%s: %d parameters of the path, want %d", name, got, want)
		}
		for _, p := range a.inPath {
			if !strings.Contains(path, "{"+p.name+"}") {
				t.Errorf("%s: the path has no %s", name, p.name)
			}
		}
		for _, p := range a.params {
			if p.kind.schema == nil {
				t.Errorf("%s: the parameter %s has no schema: its constructor must set kind.schema beside allowed (kinds.go)", name, p.name)
			}
		}
	}
}

// TestKindsAgree: what a parameter's schema allows is taken, and what is taken is shown
// in queryParams by the schema.
func TestKindsAgree(t *testing.T) {
	values := []string{"a", "true", "false", "TRUE", "0", "1", "20", "1000", "1001", "-1", "1.5", "9007199254740992", "9007199254740993", "bad", "BAD", "all", "GUN", "OR", "and",
		"partial", "exact", "did:arweave:x", "did:arweave:", "did:gun:abc:def.g", "did:web:x", "did:arweave:a:b", "did%3Aarweave%3Ax", strings.Repeat("x", 600), "a,b", " a , b ,", ",", "x y",
		"date", "date:asc", "date:ASC", "date:", ":", "date:up", "date:asc:x", "2024-04-19", "2024-02-30", "2024-04-19T10:00:00Z", "2024-04-19T10:00:00.5+02:00", "2024-04-19T10:00",
		"2024-04-19T10:00:00", "2024-02-30T10:00", "0000-00-00T00:00", "2024-04-31T10:00", "2024-04-19T24:00", "2024-02-29T10:00", "2023-12-31T23:59:59.5", "reason/id", "/", "a/b/c", "recipe", "data.recipe.ingredient,a.b", "a..b", "data.", ".a", `{"data.basic.language":"en"}`, `{"oip.inArweaveBlock":5}`, `{"oip.inArweaveBlock":"5"}`, `{"oip.did":"x"}`, `{"oip.other":"x"}`, `{"data.":1}`, `{"":1}`, `{"a":null}`, "{}", "{", "ü", "99999999", "100000000"}
	for _, r := range allRows() {
		for i, p := range r.about(openapi.NewSchemas(closedTexts())).params {
			_, accepted := agree(t, r, i, p, values)
			if accepted == 0 {
				t.Errorf("%s %s: none of the values is one of %s", r.method, r.path, p.name)
			}
		}
	}
}

func agree(t *testing.T, r row, i int, p param, values []string) (matched, accepted int) {
	t.Helper()
	own := p.kind.schema()
	text, err := json.Marshal(own)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	name := fmt.Sprintf("urn:%s:%s:%d", r.method, r.path, i)
	if err := c.AddResource(name, parsed); err != nil {
		t.Fatal(err)
	}
	schema := c.MustCompile(name)
	for _, value := range values {
		shown, ok := p.kind.set(value)
		if ok {
			accepted++
			text, err := json.Marshal(shown)
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(parsed); err != nil {
				t.Errorf("%s %s: %s=%s is taken and shown as %s, which is against its schema: %v", r.method, r.path, p.name, value, text, err)
			}
		}
		var sent []any
		for _, as := range readings(value, own) {
			if schema.Validate(as) == nil {
				sent = append(sent, as)
			}
		}
		if len(sent) > 0 {
			if matched++; !ok {
				t.Errorf("%s %s: the schema of %s allows %q, which is refused", r.method, r.path, p.name, value)
			}
		}
	}
	return matched, accepted
}

// readings are the values that a text of a query can stand for.
func readings(text string, s openapi.Schema) []any {
	if s.Type == openapi.Object {
		if v, err := jsonschema.UnmarshalJSON(strings.NewReader(text)); err == nil {
			return []any{v}
		}
		return nil
	}
	if s.Type == openapi.Array {
		var list []any
		for _, part := range strings.Split(text, ",") {
			list = append(list, part)
		}
		return []any{list}
	}
	all := []any{text}
	if n, err := jsonschema.UnmarshalJSON(strings.NewReader(text)); err == nil && (text == "true" || text == "false" || strings.Trim(text, "-0123456789") == "") {
		all = append(all, n)
	}
	return all
}

// TestServed: both forms are served, kept by their ETag, and the page cannot load or run
// anything.
func TestServed(t *testing.T) {
	w := newWorld(t)
	for path, want := range map[string]struct{ mediaType, text string }{
		"/api/openapi.json": {"application/json; charset=utf-8", openapiJSON},
		"/api/docs":         {"text/html; charset=utf-8", docsHTML},
	} {
		res := w.call(path)
		if res.Code != http.StatusOK || res.Body.String() != want.text || res.Header().Get("Content-Type") != want.mediaType {
			t.Errorf("%s: %d %s", path, res.Code, res.Header())
		}
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("If-None-Match", res.Header().Get("ETag"))
		if again := w.do(r); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("%s again: %d", path, again.Code)
		}
		r = httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Accept-Encoding", "gzip")
		packed := w.do(r)
		z, err := gzip.NewReader(packed.Body)
		if err != nil {
			t.Fatalf("%s compressed: %d %v", path, packed.Code, err)
		}
		if text, err := io.ReadAll(z); err != nil || string(text) != want.text || packed.Header().Get("ETag") == res.Header().Get("ETag") {
			t.Errorf("%s compressed: %s, %v", path, packed.Header(), err)
		}
		r.Header.Set("If-None-Match", packed.Header().Get("ETag"))
		if again := w.do(r); again.Code != http.StatusNotModified || again.Header().Get("ETag") != packed.Header().Get("ETag") {
			t.Errorf("%s compressed again: %d", path, again.Code)
		}
		head := w.do(httptest.NewRequest(http.MethodHead, path, nil))
		if head.Code != http.StatusOK || head.Body.Len() > 0 || head.Header().Get("Content-Length") != fmt.Sprint(len(want.text)) {
			t.Errorf("HEAD %s: %d %s", path, head.Code, head.Header())
		}
	}
	for path, text := range map[string]string{"/api/openapi.json": openapiJSON, "/api/docs": docsHTML} {
		resp := w.behind(path, nil)
		if resp.StatusCode != http.StatusOK || resp.IsBase64Encoded || resp.Body != text {
			t.Errorf("%s behind API Gateway: %d, base64 %t", path, resp.StatusCode, resp.IsBase64Encoded)
		}
	}
	policy := w.call("/api/docs").Header().Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || strings.Contains(policy, "unsafe") {
		t.Errorf("the page's policy is %q", policy)
	}
	for _, bad := range []string{"<script", "src=", "@import", "url(", "<link", "style=", "onclick", "<iframe"} {
		if strings.Contains(docsHTML, bad) {
			t.Errorf("the page has %s", bad)
		}
	}
	if n := strings.Count(docsHTML, "<style>"); n != 1 {
		t.Errorf("the page has %d styles", n)
	}
}

// TestEnumsBecomeNames: generators of clients write the values of an enum as names in one
// case; two values that differ in case only end them (openapi-python-client: "Duplicate
// key OK in enum checked_status").
func TestEnumsBecomeNames(t *testing.T) {
	lists := 0
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case object:
			values, _ := v["enum"].([]any)
			names := map[string]any{}
			for _, value := range values {
				text, _ := value.(string)
				if other, twice := names[strings.ToUpper(text)]; twice {
					t.Errorf("%s: %v and %v become one name", path, other, value)
				}
				names[strings.ToUpper(text)] = value
			}
			if len(values) > 1 {
				lists++
			}
			for key, member := range v {
				walk(path+"/"+key, member)
			}
		case []any:
			for i, member := range v {
				walk(fmt.Sprintf("%s/%d", path, i), member)
			}
		}
	}
	text, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var document object
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	walk("", document)
	if lists < 10 {
		t.Errorf("%d lists of values were seen", lists)
	}
}
