package gatewaysim_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"oipnode/shared/gatewaysim"
)

// BenchmarkPage reads pages of 100 rows with cursors in the query text, as the
// gateway client does, out of a chain of 40,000 items; no network.
func BenchmarkPage(b *testing.B) {
	chain := gatewaysim.NewChain(1000)
	fill(b, chain, 1, 800, 50)
	s := gatewaysim.NewServer(chain, gatewaysim.Options{})
	const args = `first:100 sort:HEIGHT_ASC block:{min:1,max:1000} ` + oipTags
	b.ReportAllocs()
	after := ""
	for b.Loop() {
		query := `{transactions(` + args + ` after:` + strconv.Quote(after) + `){` + fullSelection + `}}`
		req := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(`{"query":`+strconv.Quote(query)+`}`))
		req.Header.Set("User-Agent", "bench")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, req)
		body := w.Body.String()
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, body)
		}
		const mark = `"cursor":"`
		if i := strings.LastIndex(body, mark); i < 0 {
			after = ""
		} else {
			after, _, _ = strings.Cut(body[i+len(mark):], `"`)
		}
	}
}

// BenchmarkRareTag asks for the rows of one creator among 40,000 items: a
// filter that no earlier query had.
func BenchmarkRareTag(b *testing.B) {
	chain := gatewaysim.NewChain(1000)
	fill(b, chain, 1, 800, 50)
	s := gatewaysim.NewServer(chain, gatewaysim.Options{})
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		sig := fmt.Sprintf("a+b/%d/%d+=", 1+i/50%800, i%50)
		query := `{transactions(tags:[{name:"Index-Method",values:["OIP"]},{name:"CreatorSig",values:["` + sig + `"]}]){` + fullSelection + `}}`
		req := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(`{"query":`+strconv.Quote(query)+`}`))
		req.Header.Set("User-Agent", "bench")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, req)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
}
