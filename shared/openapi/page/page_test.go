package page_test

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"oipnode/shared/openapi"
	"oipnode/shared/openapi/page"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hostile is a text that would leave its place in a page that trusts it.
const hostile = `"><script>alert(1)</script>`

func document() *openapi.Document {
	d := &openapi.Document{
		OpenAPI: openapi.Version,
		Info:    openapi.Info{Title: "A node", Version: "1.2.3", Summary: "A summary.", Description: "About " + hostile},
		Tags:    []openapi.Tag{{Name: "Two words", Description: "A group."}},
	}
	body := openapi.Open([]string{"did"}, openapi.With("did", openapi.Text(0).About("which one")))
	whole := openapi.Whole(1, 9)
	whole.Default = 4
	words := openapi.Text(0).About("a " + hostile + " text")
	named := openapi.Matching("^" + hostile + "$")
	result := openapi.Ref("Result")
	o := &openapi.Operation{
		ID: "getThings", Tags: []string{"Two words"}, Summary: "Get things", Description: "First.\n\nSecond " + hostile, Callers: "Everybody & all.", Curl: "curl 'http://x/" + hostile + "'",
		Security:   []openapi.Ordered[[]string]{{}, {{Name: "token", Value: []string{}}}},
		Parameters: []openapi.Parameter{{Name: "limit", In: "query", Description: "How many.", Schema: &whole}, {Name: "words", In: "query", Description: "Words.", Schema: &words}, {Name: "id", In: "path", Required: true, Description: hostile, Schema: &named}},
		Body:       &openapi.Body{Content: openapi.Ordered[openapi.Media]{{Name: "application/json", Value: openapi.Media{Schema: &body}}}},
		Responses: openapi.Ordered[*openapi.Response]{
			{Name: "200", Value: &openapi.Response{Description: "Things.", Content: openapi.Ordered[openapi.Media]{{Name: "application/json", Value: openapi.Media{Schema: &result}}}}},
			{Name: "404", Value: &openapi.Response{Ref: "#/components/responses/NotFound"}},
		},
	}
	d.Paths.Set("/things/{id}", openapi.Ordered[*openapi.Operation]{{Name: "get", Value: o}})
	d.Components.Responses.Set("NotFound", &openapi.Response{Description: "There is no such thing."})
	list := openapi.ListOf(openapi.Either(openapi.Words("on", "off"), openapi.Schema{Type: openapi.Null}), 3)
	closed := openapi.Closed([]string{"list"}, openapi.With("list", list), openapi.With("more", openapi.Schema{}))
	d.Components.Schemas.Set("Result", &closed)
	return d
}

func TestRender(t *testing.T) {
	html, err := page.Render(document())
	if err != nil {
		t.Fatal(err)
	}
	text := string(html)
	for _, want := range []string{
		`<h2 id="group-two-words">Two words</h2>`, `<a href="#group-two-words">`, `<a href="#getThings">`, `<section id="getThings">`, `<section id="Result">`,
		"<p>First.</p>", "Everybody &amp; all.", "whole number, 1 to 9", "<code>4</code>", `<code>limit</code></td>`, "<small>path</small> <small>needed</small>",
		"Body, may be absent", "which one", `<td class="name s4">404</td><td>There is no such thing.</td>`, `<a href="#Result">Result</a>`,
		"<td>a &#34;&gt;&lt;script&gt;", "list of <code>on</code>, <code>off</code> or <code>null</code>, at most 3", "any JSON",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(text, "<script") {
		t.Error("a text of the document became a script")
	}
	// Every link within the page leads somewhere, and every id is there once.
	ids := make(map[string]int)
	for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(text, -1) {
		ids[m[1]]++
	}
	for id, n := range ids {
		if n != 1 || strings.ContainsAny(id, " <>") {
			t.Errorf("the id %q is there %d times", id, n)
		}
	}
	for _, m := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(text, -1) {
		if ids[m[1]] == 0 {
			t.Errorf("the link #%s leads nowhere", m[1])
		}
	}
	wellFormed(t, text)
}

// wellFormed: each element is closed where it must be.
func wellFormed(t *testing.T, text string) {
	t.Helper()
	dec := xml.NewDecoder(strings.NewReader(text))
	dec.Strict, dec.AutoClose, dec.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var open []string
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			open = append(open, e.Name.Local)
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1] != e.Name.Local {
				t.Fatalf("</%s> closes %v", e.Name.Local, open)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("not closed: %v", open)
	}
}
