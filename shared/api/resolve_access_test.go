package api

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// hashes are the sums that GUN records carry in their envelopes.
var hashes = regexp.MustCompile(`"hash":"[^"]*"`)

// TestResolveHidden: what a caller may not read is to him as what there is not, at every
// depth, by name, in a circle, and in how large an answer is.
func TestResolveHidden(t *testing.T) {
	w := newWorld(t)
	closed := guild(w, "Invite Only", "admin")
	control := func(level, more string) string {
		return fmt.Sprintf(`"accessControl":{"access_level":%q%s}`, level, more)
	}
	for id, access := range map[string]string{
		"private":   control("private", ""),
		"shared":    control("shared", `,"shared_with":["reader"]`),
		"guild":     control("organization", fmt.Sprintf(`,"shared_with":[%q]`, closed)),
		"odd":       control("friends", ""),
		"legacy":    `"accessControl":{"private":true}`,
		"encrypted": `"encrypted":"x","iv":"x","tag":"x"`,
	} {
		root := gunDID("to-" + id)
		// The hidden one is large, names the public one back, and another hidden one.
		w.put(gunRecord(t, id, "post", fmt.Sprintf(`{"basic":{"name":"secret %s","description":%q},"links":{"to":[%q,%q]},%s}`,
			id, strings.Repeat("secret ", 1000), root, gunDID("private"), access)))
		w.weave("to-"+id+":"+id+" "+id, "far-"+id+":to-"+id)
	}
	w.weave("to-nothing:nothing nothing", "far-nothing:to-nothing")
	for who, c := range map[string]struct{ token, sees string }{
		"anonymous":       {"", ""},
		"a user":          {token(t, "somebody"), ""},
		"a reader":        {token(t, "reader"), "shared"},
		"a guild's admin": {token(t, "admin"), "guild"},
		"the owner":       {token(t, weaver), "private shared guild odd legacy encrypted"},
	} {
		for id := range strings.FieldsSeq("private shared guild odd legacy encrypted") {
			for _, params := range [][]string{{"resolveDepth", "1"}, {"resolveDepth", "3"}, {"resolveDepth", "5", "resolveNamesOnly", "true"},
				{"resolveDepth", "1", "resolveNamesOnly", "true"}, {"resolveDepth", "2", "resolveFieldName", "links.to"}} {
				for _, from := range []string{"to-", "far-"} {
					res := w.as(c.token, "/api/records", append(params, "did", gunDID(from+id))...)
					told := strings.Contains(res.Body.String(), "secret")
					if sees := strings.Contains(c.sees, id); res.Code != http.StatusOK || told != (sees && (from == "to-" || params[1] != "1")) {
						t.Errorf("%s, %s%s, %v: %d %.2000s", who, from, id, params, res.Code, res.Body)
					} else if !sees {
						nothing := w.as(c.token, "/api/records", append(params, "did", gunDID(from+"nothing"))...)
						got, want := hashes.ReplaceAllString(res.Body.String(), ""), hashes.ReplaceAllString(nothing.Body.String(), "")
						if want = strings.ReplaceAll(want, "nothing", id); got != want {
							t.Errorf("%s, %s%s, %v:\n got %s\nwant %s", who, from, id, params, got, want)
						}
					}
				}
			}
		}
	}
	// The owner's own circle through a hidden record.
	if got := pictures(t, w.ok(token(t, weaver), "/api/records", "did", gunDID("to-odd"), "resolveDepth", "2")); got !=
		"to-odd(secret odd(friends to-odd! secret private(private #to-private #private)) secret odd(friends to-odd! secret private(private #to-private #private)))" {
		t.Error(got)
	}
}

// TestResolveDeleted: what a query would not show is not shown as a reference either.
func TestResolveDeleted(t *testing.T) {
	w := newWorld(t)
	p := published()
	goes := w.publish(post("goes", startHeight))[0]
	message := w.put(p.expand(0, p.signers[0].Delete("did:arweave:"+strings.Repeat("x", 43)), startHeight, false))[0]
	template := w.put(p.expand(0, p.signers[0].Template("shown", []byte(`{"a":"string","index_a":0}`)), startHeight, false))[0]
	creator := w.put(p.expand(1, p.signers[1].Registration("somebody", ""), startHeight, false))[0]
	organization := guild(w, "Open Join")
	w.put(gunRecord(t, "root", "post", fmt.Sprintf(`{"basic":{"name":"root"},"links":{"to":[%q,%q,%q,%q,%q]}}`, goes, message, template, creator, organization)))
	ask := func(params ...string) []any {
		t.Helper()
		answer := w.ok("", "/api/records", append(params, "did", gunDID("root"))...)
		return at(list(t, answer, "records")[0], "data", "links", "to").([]any)
	}
	to := ask("resolveDepth", "2")
	if at(to[0], "data", "basic", "name") != "goes" || fmt.Sprint(to[1:]) != fmt.Sprint([]string{message, template, creator, organization}) {
		t.Errorf("%v", to)
	}
	to = ask("resolveDepth", "2", "includeDeleteMessages", "true")
	if at(to[1], "oip", "did") != message || fmt.Sprint(to[2:]) != fmt.Sprint([]string{template, creator, organization}) {
		t.Errorf("with delete messages: %v", to)
	}
	if res := w.delete(token(t, p.signers[0].Modulus), naming(goes)); res.Code != http.StatusOK {
		t.Fatalf("%d %s", res.Code, res.Body)
	}
	if to := ask("resolveDepth", "2"); to[0] != goes {
		t.Errorf("behind the deletion: %v", to)
	}
}

// TestResolveIsKeptByCaller: answers that are kept do not carry one caller's references
// to another.
func TestResolveIsKeptByCaller(t *testing.T) {
	k, _ := newKeeping(t)
	k.put(gunRecord(t, "hidden", "post", `{"basic":{"name":"hidden"},"accessControl":{"access_level":"private"}}`))
	k.weave("root:hidden")
	for range 2 {
		for tok, want := range map[string]string{token(t, weaver): "root(hidden(private))", "": "root(#hidden)"} {
			if got := pictures(t, k.ok(tok, "/api/records", "did", gunDID("root"), "resolveDepth", "1")); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
	}
}

// TestResolvePage: records of a page that name each other, some of them twice on it.
func TestResolvePage(t *testing.T) {
	w := newWorld(t)
	w.weave("a:b", "b:c a", "c:c a")
	got := pictures(t, w.ok("", "/api/records", "resolveDepth", "2", "sortBy", "name:asc"))
	if want := "a(b(c(#c #a) a!)), b(c(c! a(#b)) a(b!)), c(c! a(b(#c #a)))"; got != want {
		t.Errorf(" got %s\nwant %s", got, want)
	}
}
