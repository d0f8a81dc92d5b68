package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"oipnode/infra/engines/tsc"
	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
)

func TestTemplates(t *testing.T) {
	w := newWorld(t)
	p := published()
	var docs []*oip.Document
	for i, name := range []string{"Recipe", "recipeStep", "workout", "Über"} {
		definition := fmt.Sprintf(`{"f%d":"string","index_f%d":0}`, i, i)
		docs = append(docs, p.expand(i%2, p.signers[i%2].Template(name, []byte(definition)), startHeight+int64(i), false))
	}
	dids := w.put(docs...)
	creator := oip.DID(p.signers[1].Address)
	for _, c := range []struct{ params, want string }{
		{"", "Über workout recipeStep Recipe"},
		{"sortBy=inArweaveBlock:asc", "Recipe recipeStep workout Über"},
		{"sortBy=inArweaveBlock:desc", "Über workout recipeStep Recipe"},
		{"templateName=RECIPE", "recipeStep Recipe"},
		{"templateName=ecipes", "recipeStep"},
		{"templateName=%C3%9CB", "Über"},
		{"templateName=none", ""},
		{"creatorDidAddress=" + creator, "Über recipeStep"},
		{"creatorDidAddress=" + url.QueryEscape(url.QueryEscape(creator)), "Über recipeStep"},
		{"didTx=" + dids[2], "workout"},
		{"didTx=" + dids[2] + "&templateName=recipe", ""},
		{"limit=2&page=2", "recipeStep Recipe"},
	} {
		answer := w.do(httptest.NewRequest(http.MethodGet, "/api/templates?"+c.params, nil)).json
		var got []string
		for _, d := range list(t, answer, "templates") {
			got = append(got, fmt.Sprint(at(d, "data", "template")))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %q", c.params, got, c.want)
		}
		w.expect(answer, "totalTemplates", "4", "latestArweaveBlockInDB", "1003", "message", `"Templates retrieved successfully"`)
	}
	if got := w.ok("", "/api/templates", "sortBy", "name:asc")["warnings"]; got == nil {
		t.Error("no warning about an order that there is not")
	}
	if got := w.ok("", "/api/templates"); got["warnings"] != nil || len(got) != 5 {
		t.Errorf("members of a plain answer: %v", got)
	}
	document := list(t, w.ok("", "/api/templates", "didTx", dids[0]), "templates")[0]
	if at(document, "data", "fieldsInTemplateCount") == nil || at(document, "oip", "creator", "publicKey") != p.signers[0].Modulus {
		t.Errorf("template document %v", document)
	}
}

// TestSelectedTemplates: of each name the template that most records use, of those that
// the caller may read.
func TestSelectedTemplates(t *testing.T) {
	w := newWorld(t)
	p := published()
	var docs []*oip.Document
	var mine []*oip.Template
	for i, name := range []string{"shoe", "shoe", "shoe", "hat", "Hat", "coat"} {
		tx := p.signers[i%2].Template(name, fmt.Appendf(nil, `{"f%d":"string","index_f%d":0}`, i, i))
		mine = append(mine, p.signers[i%2].Verified(tx).Template())
		docs = append(docs, p.expand(i%2, tx, startHeight+int64(i), false))
	}
	dids := w.put(docs...)
	use := func(template int, access fields) {
		t.Helper()
		objects := []oiptest.Object{{Template: mine[template].ID, Values: fields{0: "x"}}}
		if access != nil {
			objects = append(objects, oiptest.Object{Template: p.templates[accessControl].ID, Values: access})
		}
		s := p.signers[0]
		tx := s.Record("post", objects...)
		tx.Height = startHeight
		doc, err := oip.Expand(s.Verified(tx), oip.Setting{Creator: s.Ref("w", oip.Transaction{ID: tx.ID}), IndexedAt: noon, Templates: oiptest.Templates(append(p.templates, mine...)...)})
		if err != nil {
			t.Fatal(err)
		}
		w.put(&doc)
	}
	use(0, nil)
	for range 2 {
		use(1, nil)
	}
	for range 3 {
		use(2, fields{0: "private", 1: "owner"})
	}
	use(3, nil)
	use(4, nil)
	for who, want := range map[string]string{"": dids[4] + dids[3] + dids[1], token(t, "owner"): dids[4] + dids[3] + dids[2]} {
		answer := w.ok(who, "/api/templates", "selectedOnly", "true")
		w.expect(answer, "totalTemplates", "6", "searchResults", "3")
		got := ""
		for _, d := range list(t, answer, "templates") {
			got += at(d, "oip", "did").(string)
		}
		if got != want {
			t.Errorf("selected are %s, want %s", got, want)
		}
		code := w.ok(who, "/api/templates", "selectedOnly", "true", "typeScriptTypes", "true")["typeScript"].(string)
		if strings.Count(code, "export interface ") != 3 || strings.Contains(code, "f0") || strings.Contains(code, "f5") {
			t.Errorf("selected as TypeScript: %s", code)
		}
	}
	w.expect(w.ok("", "/api/templates", "selectedOnly", "true", "templateName", "SHOE"), "searchResults", "1")
	w.expect(w.ok("", "/api/templates", "selectedOnly", "false"), "searchResults", "6")
	w.expect(w.ok("", "/api/templates", "selectedOnly", "true", "didTx", dids[0]), "searchResults", "0", "templates", "[]")
	w.refused("selectedOnly", "/api/templates", "selectedOnly", "maybe")
	w.refused("typeScriptTypes", "/api/templates", "typeScriptTypes", "1")
}

// TestSelectedOfNone: without records no template is in use, and none is found.
func TestSelectedOfNone(t *testing.T) {
	w := newWorld(t)
	p := published()
	w.put(p.expand(0, p.signers[0].Template("a", []byte(`{"f":"string","index_f":0}`)), startHeight, false))
	w.expect(w.ok("", "/api/templates", "selectedOnly", "true"), "totalTemplates", "1", "searchResults", "0", "templates", "[]")
	if got := w.call("/api/templates", "selectedOnly", "true", "typeScriptTypes", "true").Body.String(); got != `{"typeScript":"export {};\n"}` {
		t.Errorf("no types: %s", got)
	}
}

// TestTypeScript gives the real compiler what the route answers: for the published
// templates, versions of one, and names that are meant to break the code.
func TestTypeScript(t *testing.T) {
	w := newWorld(t)
	p := published()
	var docs []*oip.Document
	add := func(name, definition string) {
		t.Helper()
		docs = append(docs, p.expand(0, p.signers[0].Template(name, []byte(definition)), startHeight+int64(len(docs)), false))
	}
	text, err := os.ReadFile("../oip/testdata/templates.json")
	if err != nil {
		t.Fatal(err)
	}
	var definitions map[string]json.RawMessage
	if err := json.Unmarshal(text, &definitions); err != nil {
		t.Fatal(err)
	}
	for name, definition := range definitions {
		add(name, string(definition))
	}
	for i, name := range []string{"version", "version", "Version", "*/ }", "class", "any", "Array", "Promise", "3d", " ", "日本", "a\"b\nc", "__proto__", "constructor"} {
		add(name, fmt.Sprintf(`{"*/ x":"repeated dref","index_*/ x":%d,"class":"enum","classValues":["a\"","*/","\u2028",{"code":"c","name":"${x}"}],"index_class":1,
			"__proto__":"repeated bool","index___proto__":2,"\ud800":"dref","index_\ud800":3,"readonly a":"enum","index_readonly a":4,"odd":"mystery","index_odd":5}`, 10+i))
	}
	w.put(docs...)
	code := w.ok("", "/api/templates", "typeScriptTypes", "true")
	if len(code) != 1 {
		t.Errorf("members of the answer: %v", code)
	}
	all := code["typeScript"].(string)
	if n := strings.Count(all, "export interface "); n != len(docs) || !strings.HasPrefix(all, "export interface ") {
		t.Errorf("%d interfaces of %d templates: %.60s", n, len(docs), all)
	}
	// The newest comes first unless sortBy says otherwise; its name does not depend on that.
	ascending := w.ok("", "/api/templates", "typeScriptTypes", "true", "sortBy", "inArweaveBlock:asc")["typeScript"].(string)
	up, down := strings.Split(strings.TrimSuffix(ascending, "\n"), "\n\n"), strings.Split(strings.TrimSuffix(all, "\n"), "\n\n")
	if slices.Reverse(up); !slices.Equal(up, down) || !strings.HasPrefix(all, "export interface Constructor {") {
		t.Errorf("the oldest first: %.100s", ascending)
	}
	page := w.ok("", "/api/templates", "typeScriptTypes", "true", "limit", "2")
	if code := page["typeScript"].(string); strings.Count(code, "export interface ") != 2 || page["nextCursor"] == nil {
		t.Errorf("a page: %v", page)
	}
	one := w.ok("", "/api/templates", "typeScriptTypes", "true", "templateName", "musicWorkShare")["typeScript"].(string)
	if !strings.HasPrefix(one, "export interface MusicWorkShare {\n") || !strings.Contains(one, "\n  ownershipSharePercent?: number;\n") {
		t.Errorf("one: %s", one)
	}
	t.Run("compiler", func(t *testing.T) {
		if out := tsc.Strict(t, map[string]string{"all.ts": all, "ascending.ts": ascending, "one.ts": one, "client.ts": `import type { Version, Basic } from './all';
export const v: Version = { class: '${x}', odd: { any: 'thing' }, '*/ x': ['did:arweave:x'] };
export const b: Basic = { name: 'n' };
`}); out != "" {
			t.Errorf("refuses: %.2000s", out)
		}
	})
}

// TestTypeScriptBounds: a store that cannot give a page of templates at once is asked
// for fewer; code over the bound of an answer is a 413 that says what to do.
func TestTypeScriptBounds(t *testing.T) {
	store := &lookups{}
	w := newWorld(t, func(o *Options) { store.Store, o.Records, o.MaxAnswer = o.Records, store, 12_000 })
	p := published()
	var docs []*oip.Document
	for i := range 30 {
		docs = append(docs, p.expand(0, p.signers[0].Template(fmt.Sprint("t", i), fmt.Appendf(nil, `{"f%d":"string","index_f%d":0}`, i, i)), startHeight+int64(i), false))
	}
	w.put(docs...)
	store.most = 7
	if got := strings.Count(w.ok("", "/api/templates", "typeScriptTypes", "true")["typeScript"].(string), "export interface "); got != 30 {
		t.Errorf("%d interfaces", got)
	}
	store.most = 0
	large := `{"f":"string","index_f":0` + strings.Repeat(" ", 10)
	for i := range 500 {
		large += fmt.Sprintf(`,"field_%d":"string","index_field_%d":%d`, i, i, i+1)
	}
	w.put(p.expand(0, p.signers[0].Template("large", []byte(large+"}")), startHeight, false))
	res := w.call("/api/templates", "typeScriptTypes", "true")
	if res.Code != http.StatusRequestEntityTooLarge || !strings.Contains(res.Body.String(), "templateName") {
		t.Errorf("%d %s", res.Code, res.Body)
	}
	w.ok("", "/api/templates", "typeScriptTypes", "true", "templateName", "t1")
}
