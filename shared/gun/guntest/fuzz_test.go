package guntest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"oipnode/shared/gun/guntest"
)

// FuzzPut: whatever is put, the peer answers JSON, and what it stored can be read
// again as values and links, without lists.
func FuzzPut(f *testing.F) {
	for _, body := range []string{
		`{"soul":"a","data":{"b":1}}`, `{"soul":"a","data":{"b":[1,{"c":[]}],"o":{"p":{"#":"x"}}}}`, `{"soul":"a","data":[]}`,
		`{"soul":"aaaaaaaaaaaa:1","data":{"oip":"{}","data":"{\"x\":1}","_":{"#":"a"}}}`, `{"soul":"\ud800","data":{"\u0000":"\udfff"}}`, `{`, `[]`,
		`{"soul":"a","data":{"":{"":{"":null}}}}`, `{"soul":"a","data":{"n":1e999,"m":-0,"big":12345678901234567890}}`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		p := guntest.NewPeer(guntest.Options{Parsed: true, Inline: true})
		serve := func(method, target, body string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			p.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
			if !json.Valid(w.Body.Bytes()) {
				t.Fatalf("%s %s: not JSON: %q", method, target, w.Body)
			}
			return w
		}
		if w := serve(http.MethodPost, "/gun-relay/put", body); w.Code != http.StatusOK {
			if w.Code != http.StatusBadRequest {
				t.Fatalf("status %d", w.Code)
			}
			return
		}
		serve(http.MethodGet, "/gun-relay/list", "")
		var put struct{ Soul string }
		if err := json.Unmarshal([]byte(body), &put); err != nil || strings.ContainsRune(put.Soul, '\ufffd') {
			return // a text that encoding/json reads otherwise than JavaScript
		}
		node, ok := p.Node(put.Soul)
		var values map[string]any
		if !ok || json.Unmarshal([]byte(node), &values) != nil {
			t.Fatalf("stored %q", node)
		}
		for key, v := range values {
			switch v := v.(type) {
			case []any:
				t.Errorf("%q is a list", key)
			case map[string]any:
				if _, ok := v["#"].(string); !ok || len(v) != 1 {
					t.Errorf("%q is an object", key)
				}
			}
		}
		if w := serve(http.MethodGet, "/gun-relay/get?soul="+url.QueryEscape(put.Soul), ""); w.Code != http.StatusOK {
			t.Fatalf("get: %d", w.Code)
		}
	})
}
