package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"oipnode/infra/lambdalocal/sandbox"
	"oipnode/infra/sample"
	"oipnode/shared/apigw/apigwsim"
)

// contractSecret signs the tokens of the contract suite on both sides.
const contractSecret = "a secret of the contract suite, long enough"

// TestContract asks the local node, and the api function behind a simulated API
// Gateway over real engines, the same requests. The answers must be the same, byte for
// byte, but for times, ids of requests, and the names of engines and gateways.
func TestContract(t *testing.T) {
	d := deploy(t, "JWT_SECRET="+contractSecret)
	keepdb := d.start("keepdb")
	d.invoke(keepdb, []byte(`{}`), nil)
	d.invoke(keepdb, []byte(`{}`), nil)
	pool := sandbox.NewPool(d.function("api"), 3)
	t.Cleanup(pool.Close)
	gateway := httptest.NewServer(apigwsim.Gateway{}.Handler(func(ctx context.Context, event []byte) ([]byte, error) {
		r, err := pool.Invoke(ctx, event)
		if err == nil && r.Status != sandbox.StatusOK {
			err = fmt.Errorf("%s: %s", r.Status, r.Payload)
		}
		return r.Payload, err
	}))
	t.Cleanup(gateway.Close)
	node := startNode(t)

	requests := contractRequests(t, node)
	if len(requests) < 100 {
		t.Fatalf("only %d requests", len(requests))
	}
	different := 0
	for _, q := range requests {
		local, behind := q.send(t, node), q.send(t, gateway.URL)
		if local != behind {
			if different++; different <= 5 {
				t.Errorf("%s\nlocal node: %s\nAPI Gateway: %s", q, local, behind)
			}
		}
		if strings.HasPrefix(local, "5") {
			t.Errorf("%s: %s", q, local)
		}
	}
	if different > 0 {
		t.Errorf("%d of %d answers differ", different, len(requests))
	}
	compareTalk(t, node, gateway.URL)
	for _, base := range []string{node, gateway.URL} {
		checkSample(t, base)
	}
}

// startNode runs the local node on the sample chain until it has indexed all of it.
func startNode(t *testing.T) string {
	t.Helper()
	log := &journal{}
	c := exec.Command(binary(t, "node", "./infra/node"))
	c.Env = []string{"ARWEAVE_GATEWAYS=sample", "LISTEN=127.0.0.1:0", "DATA_DIR=" + t.TempDir(), "KEEP_DB_INTERVAL=100ms",
		"JWT_SECRET=" + contractSecret, "PATH=" + os.Getenv("PATH")}
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		if err := c.Wait(); err != nil {
			t.Errorf("the local node: %v\n%s", err, log)
		}
	})
	url := ""
	for range 600 {
		if url = log.serving(); url == "" {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		var page struct {
			Checkpoint int64
			Cycles     int64
			Ledger     map[string]int64
		}
		res, err := http.Get(url + "/api/health/keepdb")
		if err == nil {
			err = json.NewDecoder(res.Body).Decode(&page)
			_ = res.Body.Close()
		}
		if err == nil && page.Checkpoint == sample.Tip && page.Cycles > 2 && page.Ledger["waiting:creator"] == 0 {
			return url
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("the local node has not indexed the sample chain: %s", log)
	return ""
}

// request is one request of the suite.
type request struct {
	method, path, token string
	header              http.Header
	body                string
}

func (q request) String() string {
	return fmt.Sprintf("%s %s (token %v, %v, %d bytes)", q.method, q.path, q.token != "", q.header, len(q.body))
}

// send gives the answer as text: status, the headers that belong to the contract, and
// the body.
func (q request) send(t *testing.T, base string) string {
	t.Helper()
	method := q.method
	if method == "" {
		method = http.MethodGet
	}
	r, err := http.NewRequestWithContext(t.Context(), method, base+q.path, strings.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range q.header {
		r.Header[name] = values
	}
	if q.token != "" {
		r.Header.Set("Authorization", "Bearer "+q.token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	var b bytes.Buffer
	fmt.Fprintln(&b, res.StatusCode)
	for _, name := range []string{"Content-Type", "Cache-Control", "Allow", "Retry-After", "Etag", "Vary", "Access-Control-Allow-Origin",
		"Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Expose-Headers", "Access-Control-Max-Age", "X-Content-Type-Options"} {
		fmt.Fprintf(&b, "%s: %q\n", name, res.Header.Values(name))
	}
	// An ETag follows from the body, in which moments differ; HEAD has none to compare with.
	head := b.String()
	if tag := strings.Trim(res.Header.Get("Etag"), `"`); tag != "" {
		sum := sha256.Sum256(body)
		want := hex.EncodeToString(sum[:16])
		if res.Uncompressed { // the client has asked for gzip, and undone it
			want += "-gzip"
		}
		if tag != want && r.Method != http.MethodHead {
			t.Errorf("%s: the ETag %s is not that of the body", q, tag)
		}
		head = strings.Replace(head, tag, "…", 1)
	}
	return head + string(normal(q.path, body))
}

var (
	indexedAt = regexp.MustCompile(`"indexedAt":"[^"]*"`)
	moments   = regexp.MustCompile(`"(timestamp|at|started|duration|checkpointAt|lastGoodCycle|since|engine|gateway|asked)":\s*("[^"]*"|null)`)
	numbers   = regexp.MustCompile(`"(cycles|cyclesUntilCacheRefresh|cycle|indexed|waiting|rejected|deleted|moved|vanished|gone)":\s*\d+`)
)

// normal takes out what may differ: when something happened, and what of the engines
// and of the cycles that were run the health pages tell.
func normal(path string, body []byte) []byte {
	body = indexedAt.ReplaceAll(body, []byte(`"indexedAt":""`))
	if !strings.HasPrefix(path, "/api/health") {
		return body
	}
	body = moments.ReplaceAll(body, []byte(`"$1":""`))
	body = numbers.ReplaceAll(body, []byte(`"$1":0`))
	if i := bytes.Index(body, []byte(`"summary":`)); i >= 0 { // there or not: it depends on the number of cycles
		body = body[:i]
	}
	return body
}

// contractRequests are requests to every route, in every form that clients use, and
// many that are wrong.
func contractRequests(t *testing.T, node string) []request {
	t.Helper()
	var list []request
	get := func(paths ...string) {
		for _, p := range paths {
			list = append(list, request{path: p})
		}
	}
	get(slices.Concat(
		with("/api/records", "", "limit=1", "limit=20&page=3", "limit=0", "limit=x", "limit=1001", "page=0", "page=99999", "limit=5&limit=6",
			"sortBy=inArweaveBlock:asc", "sortBy=inArweaveBlock:desc", "sortBy=date:asc", "sortBy=date:desc", "sortBy=recordType:asc", "sortBy=storage:asc",
			"sortBy=creatorHandle:desc", "sortBy=ver:asc", "sortBy=nothing:asc", "sortBy=date:sideways",
			"recordType=post", "recordType=recipe", "recordType=RECIPE", "recordType=no-such-type", "recordType=", "recordType=recipe&limit=2&page=2",
			"recordType=post&recordType=recipe", "search=bread", "search=sour%20dough", "search=bread&searchMatchMode=or", "search=%E2%9C%93", "search=+",
			"tags=bread", "tags=bread,vegan", "tags=bread,vegan&tagsMatchMode=AND", "tags=", "creatorHandle=ann", "creatorHandle=%22", "creatorName=ann",
			"template=basic", "template=recipe", "template=,,", "inArweaveBlock=1579575", "inArweaveBlock=bestGuess", "inArweaveBlockMin=1600000&inArweaveBlockMax=1650000",
			"inArweaveBlockMin=9&inArweaveBlockMax=3", "dateStart=2020-01-01&dateEnd=2030-01-01", "dateStart=yesterday", "hasAudio=true", "hasAudio=maybe",
			"includeSigs=false", "includePubKeys=false", "includeSigs=false&includePubKeys=false&limit=3", "hideNullValues=true&hideDateReadable=true",
			"includeDeleteMessages=true", "noDuplicates=true", "summarizeTags=true&tagCount=5", "resolveDepth=1&recordType=recipe", "resolveDepth=9",
			"summarizeRecipe=true&recordType=recipe&limit=50", "summarizeRecipe=true&limit=30", "summarizeRecipe=maybe", "summarizeRecipe=",
			"summarizeRecipe=true&recordType=recipe&hideNullValues=true&includeSigs=false",
			"storage=arweave", "storage=gun", "source=all", "source=moon", "didTx=did:arweave:nothing", "did=did%3Aarweave%3Anothing", "did=nonsense",
			"cursor=nonsense", "unknownParameter=1", "q=%zz", "a=b;c=d", "%00=1", "search="+strings.Repeat("long+", 400)),
		with("/api/records/recordTypes", "", "x=1"),
		with("/api/templates", "", "limit=1", "limit=2&page=2", "templateName=rec", "templateName=BASIC", "sortBy=inArweaveBlock:asc", "sortBy=inArweaveBlock:desc",
			"sortBy=x", "creatorDidAddress=did:arweave:nobody", "didTx=did:arweave:nothing", "selectedOnly=true", "selectedOnly=1",
			"typeScriptTypes=true", "typeScriptTypes=true&selectedOnly=true", "typeScriptTypes=true&limit=3&page=2", "typeScriptTypes=true&templateName=nothing",
			"typeScriptTypes=true&sortBy=inArweaveBlock:asc", "typeScriptTypes=yes"),
		with("/api/creators", "", "limit=1", "limit=1&page=2", "x=1"), with("/api/organizations", "", "limit=1", "limit=x"),
		with("/api/health", "", "x"), with("/api/health/keepdb", "", "rejectedLimit=1", "rejectedLimit=0", "rejectedAfter=nonsense"),
		[]string{"/api", "/api/", "/api/records/", "/api/records/x", "/api//records", "/api/nothing?x=1", "/%61pi/records?limit=1", "/api/records%2Fx", "/api/../api/records?limit=1"},
	)...)
	for _, method := range []string{"HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"} {
		for _, path := range []string{"/api/records", "/api/health", "/api/nothing"} {
			list = append(list, request{method: method, path: path, body: map[bool]string{true: `{"a":1}`}[method == "POST"]})
		}
	}
	id := strings.Repeat("0a", 32)
	get("/api/media", "/api/media?limit=0", "/api/media/"+id, "/api/media/"+id+"/info", "/api/media/x", "/api/media/x/info", "/api/media/x/other", "/api/media/jobs/x", "/api/media/fetch")
	known := token(t, "a key of somebody")
	list = append(list, request{path: "/api/media", token: known}, request{path: "/api/media?cursor=x", token: known}, request{path: "/api/media?limit=200", token: known},
		request{path: "/api/media/" + id, token: known}, request{path: "/api/media/jobs/" + id[:32], token: known}, request{method: "POST", path: "/api/media/fetch", body: `{"url":"http://a.example/"}`})
	for _, body := range []string{"", "[]", "{}", `{"url":"file:///x"}`, `{"url":"http://127.0.0.1/"}`, `{"url":"http://a.example:81/"}`, `{"url":"http://a.example/","did":"did:arweave:x"}`,
		`{"did":"did:arweave:nothing"}`, `{"did":"x"}`, `{"url":"http://a.example/","accessLevel":"x"}`} {
		list = append(list, request{method: "POST", path: "/api/media/fetch", body: body, token: known})
	}
	for _, path := range []string{"/api/media", "/api/media/fetch", "/api/media/x", "/api/media/x/info", "/api/media/jobs/x"} {
		list = append(list, request{method: "OPTIONS", path: path}, request{method: "DELETE", path: path})
	}
	list = append(list, request{path: "/api/records?limit=1", header: http.Header{"Origin": {"https://app.example"}}},
		request{method: "OPTIONS", path: "/api/records", header: http.Header{"Origin": {"https://app.example"}, "Access-Control-Request-Method": {"GET"}}},
		request{path: "/api/records?limit=1", header: http.Header{"Accept-Encoding": {"gzip"}}})

	var page struct {
		Records []struct {
			OIP struct {
				DID     string
				Creator struct{ PublicKey, DIDAddress string }
			}
		}
		NextCursor string
	}
	res, err := http.Get(node + "/api/records?limit=10&sortBy=inArweaveBlock:desc")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(res.Body).Decode(&page); err != nil || len(page.Records) != 10 {
		t.Fatalf("%d records, %v", len(page.Records), err)
	}
	get("/api/records?limit=10&sortBy=inArweaveBlock:desc&cursor="+page.NextCursor, "/api/records?limit=10&sortBy=date:desc&cursor="+page.NextCursor)
	for _, r := range page.Records {
		get("/api/records?did="+r.OIP.DID, "/api/records?creatorDidAddress="+r.OIP.Creator.DIDAddress+"&limit=2")
		token := token(t, r.OIP.Creator.PublicKey)
		for _, p := range []string{"/api/records?limit=3", "/api/records/recordTypes", "/api/records?limit=50&recordType=post", "/api/organizations"} {
			list = append(list, request{path: p, token: token})
		}
	}
	return append(list, request{path: "/api/records?limit=1", token: "nonsense"}, request{path: "/api/records?limit=1", token: token(t, "a key of nobody")})
}

// with puts queries behind a path.
func with(path string, queries ...string) []string {
	var list []string
	for _, q := range queries {
		if q != "" {
			q = "?" + q
		}
		list = append(list, path+q)
	}
	return list
}

// token is one that both sides accept.
func token(t testing.TB, publicKey string) string {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"publicKey": publicKey, "userId": "u", "email": "u@example.com", "exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString([]byte(contractSecret))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
