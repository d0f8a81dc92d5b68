package config

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"
)

// environment makes a Lookup of "NAME=value" lines.
func environment(lines ...string) Lookup {
	values := make(map[string]string)
	for _, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		values[name] = value
	}
	return func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	}
}

func mustLoad(t *testing.T, lines ...string) Config {
	t.Helper()
	c, err := Load(environment(lines...))
	if err != nil {
		t.Fatalf("Load(%q): %v", lines, err)
	}
	return c
}

// faultsOf loads what must be refused and returns the faults.
func faultsOf(t *testing.T, lines ...string) []Fault {
	t.Helper()
	c, err := Load(environment(lines...))
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("Load(%q) gave the error %v, want an *Error", lines, err)
	}
	if !reflect.DeepEqual(c, Config{}) {
		t.Errorf("Load(%q) returned a configuration beside its error", lines)
	}
	return e.Faults
}

func TestDefaults(t *testing.T) {
	want := Config{
		Chain: Chain{
			Gateways:    []string{"https://arweave.net"},
			StartHeight: 1579570, Confirmations: 18,
			WarmBlocks: 720, WarmInterval: time.Hour, ColdRescan: 168 * time.Hour,
			MaxBlockGapForFallback: 1000,
			BootstrapCreators:      []string{"eqUwpy6et2egkGlkvS7c5GKi0aBsCXT6Dhlydf3GA3Y"},
			MaxRecordBytes:         10485760,
		},
		Index: Index{
			Interval: 5 * time.Minute, FirstDelay: 10 * time.Second, RefreshCycles: 10, MaxTransactions: 20000,
			CacheTTL: 5 * time.Minute, CacheBytes: 16 << 20, Mode: IndexAll,
		},
		Gun: Gun{
			Enabled: true, Interval: 30 * time.Second, CacheMaxAge: time.Hour, PrivateRecords: true,
			RegistryRoot: "oip:registry", RelayProxy: true,
		},
		HTTP:   HTTP{Operations: OperationsLoopback},
		Media:  Media{MaxBytes: 5 << 30, Timeout: 15 * time.Minute, Ports: []int{80, 443}, Workers: 3},
		Voice:  Voice{DialogueTimeout: 30 * time.Minute},
		Memory: Memory{WarningPercent: 80, CriticalPercent: 90, MaxGoroutines: 10000},
		Node:   Node{Listen: "127.0.0.1:3005", DataDir: "./data"},
		Log:    Log{Level: slog.LevelInfo, Format: LogAuto},
		AWS:    AWS{OpenSearchIndex: "oip", OpenSearchShards: 1},
	}
	if got := mustLoad(t); !reflect.DeepEqual(got, want) {
		t.Errorf("defaults:\n got %+v\nwant %+v", got, want)
	}
	// Clients and service managers often export a variable without a value.
	var empty []string
	for _, v := range table(&Config{}) {
		empty = append(empty, v.name+"=", v.older+"=")
		if !v.secret {
			empty = append(empty, v.name+"= \t")
		}
	}
	if got := mustLoad(t, empty...); !reflect.DeepEqual(got, want) {
		t.Errorf("with every variable empty:\n got %+v\nwant %+v", got, want)
	}
}

func TestValues(t *testing.T) {
	id := strings.Repeat("a", 42) + "_"
	long := "https://gateway.example/" + strings.Repeat("p", 2048)
	covered := make(map[string]bool)
	for _, c := range []struct {
		name string
		got  func(Config) any
		good map[string]any
		bad  []string
	}{
		{"ARWEAVE_GATEWAYS", func(c Config) any { return c.Chain.Gateways }, map[string]any{
			"http://localhost:1984":                 []string{"http://localhost:1984"},
			" https://a.example/ , http://b/pre/":   []string{"https://a.example", "http://b/pre"},
			"https://a.example,,https://a.example/": []string{"https://a.example"},
			"HTTPS://a.example":                     []string{"https://a.example"},
			"http://[::1]:80":                       []string{"http://[::1]:80"},
		}, []string{",", "a.example", "ftp://a.example", "https://", "https:///x", "https://u:p@a.example", "https://a.example?x=1",
			"https://a.example?", "https://a.example#x", "https://a.example:99999", "https://a.example:x", "https://a.example/\x7f",
			long, "sample,https://a.example", manyEntries("https://h%d.example", 33)}},
		{"START_HEIGHT", func(c Config) any { return c.Chain.StartHeight }, map[string]any{
			"0": int64(0), "1000000000": int64(1e9), " 5 ": int64(5)}, []string{"-1", "1000000001", "1e6", "x", "5.0", "99999999999999999999"}},
		{"CONFIRMATIONS", func(c Config) any { return c.Chain.Confirmations }, map[string]any{
			"1": int64(1), "100": int64(100)}, []string{"0", "101"}},
		{"WARM_BLOCKS", func(c Config) any { return c.Chain.WarmBlocks }, map[string]any{
			"0": int64(0), "1000000": int64(1e6)}, []string{"-1", "1000001"}},
		{"WARM_INTERVAL", func(c Config) any { return c.Chain.WarmInterval }, map[string]any{
			"100ms": 100 * time.Millisecond, "720h": 720 * time.Hour}, []string{"99ms", "0", "3600", "721h", "1 h", "-1h"}},
		{"COLD_RESCAN", func(c Config) any { return c.Chain.ColdRescan }, map[string]any{
			"0": time.Duration(0), "0s": time.Duration(0), "1s": time.Second, "87600h": 10 * year}, []string{"1ms", "-1s", "87601h", "weekly"}},
		{"MAX_BLOCK_GAP_FOR_FALLBACK", func(c Config) any { return c.Chain.MaxBlockGapForFallback }, map[string]any{
			"0": int64(0), "1000000000": int64(1e9)}, []string{"-1", "1000000001"}},
		{"BOOTSTRAP_CREATORS", func(c Config) any { return c.Chain.BootstrapCreators }, map[string]any{
			id + ", " + id + ",": []string{id}}, []string{",", id + "x", id[1:], id[:42] + "+", manyEntries(id[:39]+"%04d", 101)}},
		{"MAX_RECORD_BYTES", func(c Config) any { return c.Chain.MaxRecordBytes }, map[string]any{
			"1024": int64(1024), "1KiB": int64(1024), "100 MiB": int64(100 << 20), "2MiB": int64(2 << 20)},
			[]string{"1023", "0", "101MiB", "1GiB", "10MB", "10M", "-1MiB", "1.5MiB", "MiB", "9223372036854775807GiB", "99999999999999999999"}},
		{"MAX_TRANSACTIONS_PER_CYCLE", func(c Config) any { return c.Index.MaxTransactions }, map[string]any{
			"1": 1, "1000000": 1000000}, []string{"0", "1000001"}},
		{"KEEP_DB_INTERVAL", func(c Config) any { return c.Index.Interval }, map[string]any{
			"1m30s": 90 * time.Second}, []string{"5", "0", "25h"}},
		{"KEEP_DB_DELAY", func(c Config) any { return c.Index.FirstDelay }, map[string]any{
			"0": time.Duration(0), "86400": day}, []string{"10s", "-1", "86401"}},
		{"KEEP_DB_REFRESH", func(c Config) any { return c.Index.RefreshCycles }, map[string]any{
			"1": 1, "100000": 100000}, []string{"0", "100001", "10m"}},
		{"RECORDS_CACHE_TTL", func(c Config) any { return c.Index.CacheTTL }, map[string]any{
			"0": time.Duration(0), "1s": time.Second, "24h": day}, []string{"300", "25h", "1ms"}},
		{"RECORDS_CACHE_BYTES", func(c Config) any { return c.Index.CacheBytes }, map[string]any{
			"0": int64(0), "1024": int64(1024), "4GiB": int64(4 << 30)}, []string{"1023", "5GiB", "-1"}},
		{"RECORD_TYPE_INDEX_MODE", func(c Config) any { return c.Index.Mode }, map[string]any{
			"ALL": IndexAll, "blacklist": IndexBlacklist}, []string{"none", "white list"}},
		{"RECORD_TYPE_INDEX_WHITELIST", func(c Config) any { return c.Index.Whitelist }, map[string]any{
			"recipe,workoutSchedule": []string{"recipe", "workoutSchedule"}, ",": []string(nil)}, []string{"two words", strings.Repeat("x", 65), "a;b", manyEntries("t%d", 1001)}},
		{"RECORD_TYPE_INDEX_BLACKLIST", func(c Config) any { return c.Index.Blacklist }, map[string]any{
			"post": []string{"post"}}, []string{"po.st"}},

		{"GUN_SYNC_ENABLED", func(c Config) any { return c.Gun.Enabled }, map[string]any{
			"false": false, "FALSE": false, "0": false, "true": true, "1": true}, []string{"off", "2"}},
		{"GUN_SYNC_INTERVAL", func(c Config) any { return c.Gun.Interval }, map[string]any{
			"1000": time.Second, "86400000": day}, []string{"999", "30s", "86400001"}},
		{"GUN_CACHE_MAX_AGE", func(c Config) any { return c.Gun.CacheMaxAge }, map[string]any{
			"1000": time.Second, "31536000000": year}, []string{"999", "1h", "31536000001"}},
		{"GUN_EXTERNAL_PEERS", func(c Config) any { return c.Gun.Peers }, map[string]any{
			"wss://a.example/gun, http://b:8765/gun-relay/": []string{"wss://a.example/gun", "http://b:8765/gun-relay"}},
			[]string{"a.example/gun", "tcp://a.example", "ws://u@a.example/gun", manyEntries("ws://h%d/gun", 101)}},
		{"GUN_PEERS", func(c Config) any { return c.Gun.Peers }, map[string]any{
			"ws://localhost:8765/gun": []string{"ws://localhost:8765/gun"}}, []string{"localhost:8765"}},
		{"GUN_SYNC_TRUSTED_NODES", func(c Config) any { return c.Gun.TrustedNodes }, map[string]any{
			"node-1,AbC/+=": []string{"node-1", "AbC/+="}}, []string{"node 1", strings.Repeat("n", 1025)}},
		{"GUN_SYNC_PRIVATE_RECORDS", func(c Config) any { return c.Gun.PrivateRecords }, map[string]any{
			"false": false}, []string{"no"}},
		{"GUN_REGISTRY_ROOT", func(c Config) any { return c.Gun.RegistryRoot }, map[string]any{
			"oip:test": "oip:test"}, []string{"oip registry", strings.Repeat("r", 257)}},
		{"GUN_NODE_ID_OVERRIDE", func(c Config) any { return c.Gun.NodeID }, map[string]any{
			"node-production-1": "node-production-1"}, []string{"node\n1"}},
		{"GUN_RELAY_URL", func(c Config) any { return c.Gun.RelayURL }, map[string]any{
			"http://gun-relay:8765/": "http://gun-relay:8765", "ws://r/gun": "ws://r/gun"}, []string{"gun-relay:8765", "http://a,http://b"}},
		{"DISABLE_GUN_RELAY_PROXY", func(c Config) any { return c.Gun.RelayProxy }, map[string]any{
			"true": false, "false": true}, []string{"yes"}},

		{"JWT_SECRET", func(c Config) any { return string(c.HTTP.JWTSecret.Reveal()) }, map[string]any{
			"0123456789abcdef": "0123456789abcdef", " leading and trailing ": " leading and trailing "},
			[]string{strings.Repeat("k", 4097)}},
		{"JWT_SECRET_PARAMETER", func(c Config) any { return c.HTTP.JWTSecretParameter }, map[string]any{
			"/oip/jwt-secret": "/oip/jwt-secret"}, []string{"a b", strings.Repeat("p", 1012)}},
		{"OPERATIONS_ACCESS", func(c Config) any { return c.HTTP.Operations }, map[string]any{
			"admin": OperationsAdmin, "Open": OperationsOpen, "loopback": OperationsLoopback}, []string{"none", "loopback,admin"}},
		{"PUBLIC_API_BASE_URL", func(c Config) any { return c.HTTP.PublicBaseURL }, map[string]any{
			"https://api.example.org/": "https://api.example.org"}, []string{"api.example.org", "wss://api.example.org"}},
		{"SERVER_ADDRESS", func(c Config) any { return c.HTTP.ServerAddress }, map[string]any{
			strings.Repeat("aZ9_-b", 7) + "c": strings.Repeat("aZ9_-b", 7) + "c"}, []string{"short", strings.Repeat("+", 43), strings.Repeat("a", 44)}},
		{"CORS_ORIGINS", func(c Config) any { return c.HTTP.Origins }, map[string]any{
			"*": []string(nil), "https://App.example/, http://localhost:8080": []string{"https://app.example", "http://localhost:8080"}},
			[]string{",", "app.example", "https://app.example/page", "https://*.example", "*,https://app.example", "null", "file://x", "https://a?b", manyEntries("https://a%d.example", 101)}},

		{"MEDIA_MAX_BYTES", func(c Config) any { return c.Media.MaxBytes }, map[string]any{
			"1024": int64(1024), "48GiB": int64(48 << 30)}, []string{"0", "49GiB"}},
		{"MEDIA_TIMEOUT", func(c Config) any { return c.Media.Timeout }, map[string]any{
			"1s": time.Second, "24h": day}, []string{"0", "25h", "900"}},
		{"MEDIA_PORTS", func(c Config) any { return c.Media.Ports }, map[string]any{
			"80": []int{80}, " 443, 8080,0443,": []int{443, 8080}, "1,65535": []int{1, 65535}},
			[]string{",", "0", "65536", "-1", "http", "80;443", "80-90", manyEntries("%d1", 101)}},
		{"MEDIA_WORKERS", func(c Config) any { return c.Media.Workers }, map[string]any{
			"1": 1, "100": 100}, []string{"0", "101", "x"}},
		{"MEDIA_ALLOW_PRIVATE", func(c Config) any { return c.Media.AllowPrivate }, map[string]any{
			"true": true}, []string{"maybe"}},
		{"DIALOGUE_TIMEOUT", func(c Config) any { return c.Voice.DialogueTimeout }, map[string]any{
			"1s": time.Second, "720h": 30 * day}, []string{"30", "721h"}},

		{"MEMORY_WARNING_THRESHOLD", func(c Config) any { return c.Memory.WarningPercent }, map[string]any{
			"1": 1, "89": 89}, []string{"0", "101", "80%"}},
		{"MEMORY_CRITICAL_THRESHOLD", func(c Config) any { return c.Memory.CriticalPercent }, map[string]any{
			"81": 81, "100": 100}, []string{"101", "ninety"}},
		{"MAX_GOROUTINES", func(c Config) any { return c.Memory.MaxGoroutines }, map[string]any{
			"1": 1, "10000000": 10000000}, []string{"0", "10000001"}},

		{"LISTEN", func(c Config) any { return c.Node.Listen }, map[string]any{
			":3005": ":3005", "[::1]:0": "[::1]:0", "localhost:80": "localhost:80", "0.0.0.0:65535": "0.0.0.0:65535"},
			[]string{"3005", "localhost", "localhost:", "localhost:65536", "localhost:http", "::1:80", "a b:80", strings.Repeat("h", 254) + ":1"}},
		{"PORT", func(c Config) any { return c.Node.Listen }, map[string]any{
			"0": "127.0.0.1:0", "8080": "127.0.0.1:8080"}, []string{"65536", "-1", ":8080", "http"}},
		{"DATA_DIR", func(c Config) any { return c.Node.DataDir }, map[string]any{
			"/var/lib/oip node": "/var/lib/oip node"}, []string{"a\x00b", strings.Repeat("d", 4097)}},
		{"LOG_LEVEL", func(c Config) any { return c.Log.Level }, map[string]any{
			"debug": slog.LevelDebug, "WARN": slog.LevelWarn, "error": slog.LevelError, "info": slog.LevelInfo}, []string{"trace", "INFO+1"}},
		{"LOG_FORMAT", func(c Config) any { return c.Log.Format }, map[string]any{
			"text": LogText, "JSON": LogJSON}, []string{"xml"}},

		{"OPENSEARCH_ENDPOINT", func(c Config) any { return c.AWS.OpenSearchEndpoint }, map[string]any{
			"http://127.0.0.1:9200": "http://127.0.0.1:9200"}, []string{"127.0.0.1:9200"}},
		{"OPENSEARCH_INDEX", func(c Config) any { return c.AWS.OpenSearchIndex }, map[string]any{
			"node-2_a": "node-2_a", strings.Repeat("a", 64): strings.Repeat("a", 64)}, []string{"Node", "a.b", "-a", "_a", strings.Repeat("a", 65), "a*"}},
		{"OPENSEARCH_SHARDS", func(c Config) any { return c.AWS.OpenSearchShards }, map[string]any{"1": 1, "100": 100}, []string{"0", "101", "x"}},
		{"OPENSEARCH_REPLICAS", func(c Config) any { return c.AWS.OpenSearchReplicas }, map[string]any{"0": 0, "10": 10}, []string{"-1", "11"}},
		{"STATE_TABLE", func(c Config) any { return c.AWS.StateTable }, map[string]any{
			"oip-state_1.x": "oip-state_1.x"}, []string{"ab", "a/b/c", strings.Repeat("t", 256)}},
		{"MEDIA_BUCKET", func(c Config) any { return c.AWS.MediaBucket }, map[string]any{
			"oip-media": "oip-media"}, []string{"ab", "oip_media", strings.Repeat("b", 64)}},
		{"MEDIA_QUEUE_URL", func(c Config) any { return c.AWS.MediaQueueURL }, map[string]any{
			"https://sqs.example/1/q": "https://sqs.example/1/q"}, []string{"arn:aws:sqs:x:1:q"}},
		{"GUN_QUEUE_URL", func(c Config) any { return c.AWS.GunQueueURL }, map[string]any{
			"https://sqs.example/1/q": "https://sqs.example/1/q"}, []string{"arn:aws:sqs:x:1:q"}},
		{"MEDIA_DEAD_LETTERS_URL", func(c Config) any { return c.AWS.MediaDeadLettersURL }, map[string]any{
			"https://sqs.example/1/q": "https://sqs.example/1/q"}, []string{"arn:aws:sqs:x:1:q"}},
		{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", func(c Config) any { return c.AWS.FunctionMemory }, map[string]any{
			"512": int64(512 << 20)}, []string{"63", "512MB", "65537"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for text, want := range c.good {
				if got := c.got(mustLoad(t, c.name+"="+text)); !reflect.DeepEqual(got, want) {
					t.Errorf("%q is read as %#v, want %#v", text, got, want)
				}
			}
			for _, text := range c.bad {
				faults := faultsOf(t, c.name+"="+text)
				if len(faults) != 1 || faults[0].Variable != c.name || faults[0].Allowed == "" {
					t.Errorf("%q: faults %v, want exactly one of this variable", text, faults)
				}
			}
		})
		covered[c.name] = true
	}
	for _, v := range table(&Config{}) {
		if !covered[v.name] || v.older != "" && !covered[v.older] {
			t.Errorf("%s has no test of its values", v.name)
		}
	}
}

// manyEntries repeats a pattern with a running number.
func manyEntries(pattern string, n int) string {
	entries := make([]string, n)
	for i := range entries {
		entries[i] = fmt.Sprintf(pattern, i)
	}
	return strings.Join(entries, ",")
}

// TestNeeded: what a program cannot do without is a fault beside all the others.
func TestNeeded(t *testing.T) {
	_, err := LoadEnviron([]string{"START_HEIGHT=x"}, "STATE_TABLE", "OPENSEARCH_ENDPOINT")
	var faults *Error
	if !errors.As(err, &faults) || len(faults.Faults) != 3 {
		t.Fatalf("%v", err)
	}
	for _, want := range []string{"START_HEIGHT", "OPENSEARCH_ENDPOINT", "STATE_TABLE", "cannot do without"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	c, err := LoadEnviron([]string{"STATE_TABLE=table"}, "STATE_TABLE")
	if err != nil || c.AWS.StateTable != "table" {
		t.Errorf("%+v, %v", c.AWS, err)
	}
}
