package config

import (
	"strings"
	"time"
)

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// variable is a row of the table.
type variable struct {
	name string
	kind kind
	// preset is the text that holds when nothing is given; "" leaves the zero value.
	preset string
	// older is another name for the same setting, read when name is not given.
	older string
	// olderKind is set where the older name takes another form.
	olderKind *kind
	// secret keeps the value out of every message.
	secret  bool
	meaning string
}

// read finds the variable's text under its own name, under the older one, or
// takes the default, and returns the name and the kind that go with it. What the
// operator has set is noted in given, under both names.
func (v variable) read(lookup Lookup, given map[string]string) (name, text string, k kind) {
	for _, n := range []string{v.name, v.older} {
		if n == "" {
			continue
		}
		value, _ := lookup(n)
		if !v.secret {
			value = strings.TrimSpace(value)
		}
		if value != "" {
			given[n] = value
		}
	}
	switch {
	case given[v.name] != "":
		return v.name, given[v.name], v.kind
	case v.older == "" || given[v.older] == "":
		return v.name, v.preset, v.kind
	case v.olderKind != nil:
		return v.older, given[v.older], *v.olderKind
	default:
		return v.older, given[v.older], v.kind
	}
}

// table is every variable of the program in the README's order, each bound to
// its field of c.
func table(c *Config) []variable {
	var entry string
	var anyOrigin bool // as no origins are
	peer := link(&entry, "http", "https", "ws", "wss")
	name := func(what string) kind { return pattern(&entry, what, "_-", 1, 64) }
	port := portOnly(&c.Node.Listen)

	return []variable{
		{name: "ARWEAVE_GATEWAYS", preset: "https://arweave.net",
			kind: orWord("sample", "for the sample chain that comes with the node", &c.Chain.Sample,
				list(&c.Chain.Gateways, 1, 32, &entry, link(&entry, "http", "https"))),
			meaning: "gateways in the order of preference"},
		{name: "START_HEIGHT", preset: "1579570", kind: whole(&c.Chain.StartHeight, 0, 1e9),
			meaning: "first block of interest"},
		{name: "CONFIRMATIONS", preset: "18", kind: whole(&c.Chain.Confirmations, 1, 100),
			meaning: "fork depth in blocks: the last so many are read again every cycle"},
		{name: "WARM_BLOCKS", preset: "720", kind: whole(&c.Chain.WarmBlocks, 0, 1e6),
			meaning: "overlap in blocks that is read again for late data"},
		{name: "WARM_INTERVAL", preset: "1h", kind: duration(&c.Chain.WarmInterval, 100*time.Millisecond, 30*day, false),
			meaning: "how often that overlap is read"},
		{name: "COLD_RESCAN", preset: "168h", kind: duration(&c.Chain.ColdRescan, time.Second, 10*year, true),
			meaning: "how long one id-only pass over all history takes"},
		{name: "MAX_BLOCK_GAP_FOR_FALLBACK", preset: "1000", kind: whole(&c.Chain.MaxBlockGapForFallback, 0, 1e9),
			meaning: "how many blocks a fall-back gateway may be ahead of the checkpoint"},
		{name: "BOOTSTRAP_CREATORS", preset: "eqUwpy6et2egkGlkvS7c5GKi0aBsCXT6Dhlydf3GA3Y",
			kind:    list(&c.Chain.BootstrapCreators, 1, 100, &entry, pattern(&entry, "a transaction id", "_-", 43, 43)),
			meaning: "registration transactions that are fetched by id"},
		{name: "MAX_RECORD_BYTES", preset: "10485760", kind: size(&c.Chain.MaxRecordBytes, 1<<10, 100<<20, false),
			meaning: "a larger transaction is rejected with this reason"},
		{name: "MAX_TRANSACTIONS_PER_CYCLE", preset: "20000", kind: whole(&c.Index.MaxTransactions, 1, 1e6),
			meaning: "a cycle then stops cleanly, and the next goes on"},
		{name: "KEEP_DB_INTERVAL", preset: "5m", kind: duration(&c.Index.Interval, 100*time.Millisecond, day, false),
			meaning: "local node: pause between two cycles (on AWS the schedule's parameter)"},
		{name: "KEEP_DB_DELAY", preset: "10", kind: units(&c.Index.FirstDelay, time.Second, "seconds", 0, 86400),
			meaning: "wait before a new node's first cycle"},
		{name: "KEEP_DB_REFRESH", preset: "10", kind: whole(&c.Index.RefreshCycles, 1, 1e5),
			meaning: "cycles between two refreshes of the shared summary"},
		{name: "RECORDS_CACHE_TTL", preset: "5m", kind: duration(&c.Index.CacheTTL, time.Second, day, true),
			meaning: "life of a cached answer, per process"},
		{name: "RECORDS_CACHE_BYTES", preset: "16 MiB", kind: size(&c.Index.CacheBytes, 1<<10, 4<<30, true),
			meaning: "memory of the cached answers, per process"},
		{name: "RECORD_TYPE_INDEX_MODE", preset: "all", kind: choice(&c.Index.Mode, IndexAll, IndexWhitelist, IndexBlacklist),
			meaning: "which record types are indexed"},
		{name: "RECORD_TYPE_INDEX_WHITELIST", kind: list(&c.Index.Whitelist, 0, 1000, &entry, name("a record type")),
			meaning: "the only types indexed in mode whitelist"},
		{name: "RECORD_TYPE_INDEX_BLACKLIST", kind: list(&c.Index.Blacklist, 0, 1000, &entry, name("a record type")),
			meaning: "the types left out in mode blacklist"},

		{name: "GUN_SYNC_ENABLED", preset: "true", kind: boolean(&c.Gun.Enabled, false),
			meaning: "whether records are synchronized from GUN peers"},
		{name: "GUN_SYNC_INTERVAL", preset: "30000",
			kind:    units(&c.Gun.Interval, time.Millisecond, "milliseconds", 1000, 86400000),
			meaning: "pause between two sync cycles"},
		{name: "GUN_CACHE_MAX_AGE", preset: "3600000",
			kind:    units(&c.Gun.CacheMaxAge, time.Millisecond, "milliseconds", 1000, 31536000000),
			meaning: "life of a processed id"},
		{name: "GUN_EXTERNAL_PEERS", older: "GUN_PEERS", kind: list(&c.Gun.Peers, 0, 100, &entry, peer),
			meaning: "peers to synchronize from"},
		{name: "GUN_SYNC_TRUSTED_NODES", kind: list(&c.Gun.TrustedNodes, 0, 1000, &entry, pattern(&entry, "a node id", "_-.:+/=", 1, 1024)),
			meaning: "node ids whose records are accepted; none = all"},
		{name: "GUN_SYNC_PRIVATE_RECORDS", preset: "true", kind: boolean(&c.Gun.PrivateRecords, false),
			meaning: "whether encrypted records are taken too"},
		{name: "GUN_REGISTRY_ROOT", preset: "oip:registry", kind: pattern(&c.Gun.RegistryRoot, "a soul", "_-.:/", 1, 256),
			meaning: "root of the registry's souls"},
		{name: "GUN_NODE_ID_OVERRIDE", kind: pattern(&c.Gun.NodeID, "a node id", "_-.:+/=", 1, 1024),
			meaning: "this node's id, in place of the one it gives itself"},
		{name: "GUN_RELAY_URL", kind: link(&c.Gun.RelayURL, "http", "https", "ws", "wss"),
			meaning: "the node's own relay"},
		{name: "DISABLE_GUN_RELAY_PROXY", preset: "false", kind: boolean(&c.Gun.RelayProxy, true),
			meaning: "true turns the pass-through to that relay off"},

		{name: "JWT_SECRET", secret: true, kind: secret(&c.HTTP.JWTSecret, 1, 4096),
			meaning: "key of the API's tokens (HS256); without one every request is anonymous"},
		{name: "JWT_SECRET_PARAMETER", kind: pattern(&c.HTTP.JWTSecretParameter, "the name of an SSM parameter", "_-./", 1, 1011),
			meaning: "where on AWS the key is kept, instead of JWT_SECRET"},
		{name: "OPERATIONS_ACCESS", preset: "loopback",
			kind:    choice(&c.HTTP.Operations, OperationsLoopback, OperationsAdmin, OperationsOpen),
			meaning: "who may clear caches and force cycles"},
		{name: "PUBLIC_API_BASE_URL", kind: link(&c.HTTP.PublicBaseURL, "http", "https"),
			meaning: "base of the links in answers, and the server's own domain"},
		{name: "SERVER_ADDRESS", kind: pattern(&c.HTTP.ServerAddress, "an Arweave address", "_-", 43, 43),
			meaning: "the server's own wallet: users with an e-mail of the server's domain own what it signed"},
		{name: "CORS_ORIGINS", preset: "*", kind: orWord("*", "for any", &anyOrigin, list(&c.HTTP.Origins, 1, 100, &entry, origin(&entry))),
			meaning: "local node: whose pages may use the API in a browser (on AWS the template's `CorsOrigins`)"},

		{name: "MEDIA_MAX_BYTES", preset: "5 GiB", kind: size(&c.Media.MaxBytes, 1<<10, 48<<30, false),
			meaning: "largest file that is fetched"},
		{name: "MEDIA_TIMEOUT", preset: "15m", kind: duration(&c.Media.Timeout, time.Second, day, false),
			meaning: "longest time that one fetch may take"},
		{name: "MEDIA_PORTS", preset: "80,443", kind: ports(&c.Media.Ports, 100),
			meaning: "ports that the URL of a fetched file may have"},
		{name: "MEDIA_WORKERS", preset: "3", kind: whole(&c.Media.Workers, 1, 100),
			meaning: "local node: files that are fetched at the same time (on AWS the template's MediaConcurrency)"},
		{name: "MEDIA_ALLOW_PRIVATE", preset: "false", kind: boolean(&c.Media.AllowPrivate, false),
			meaning: "for tests only: fetch from private addresses too"},
		{name: "DIALOGUE_TIMEOUT", preset: "30m", kind: duration(&c.Voice.DialogueTimeout, time.Second, 30*day, false),
			meaning: "time without activity after which a voice dialogue is gone"},

		{name: "MEMORY_WARNING_THRESHOLD", preset: "80", kind: whole(&c.Memory.WarningPercent, 1, 100),
			meaning: "percent of the memory limit; must be below the critical one"},
		{name: "MEMORY_CRITICAL_THRESHOLD", preset: "90", kind: whole(&c.Memory.CriticalPercent, 1, 100),
			meaning: "percent of the memory limit"},
		{name: "MAX_GOROUTINES", preset: "10000", kind: whole(&c.Memory.MaxGoroutines, 1, 1e7),
			meaning: "more of them add a warning to the health page"},

		{name: "LISTEN", preset: "127.0.0.1:3005", older: "PORT", olderKind: &port, kind: address(&c.Node.Listen),
			meaning: "local node: where it serves; `PORT` alone means that port of 127.0.0.1"},
		{name: "DATA_DIR", preset: "./data", kind: path(&c.Node.DataDir),
			meaning: "local node: folder of its stores"},
		{name: "LOG_LEVEL", preset: "info", kind: level(&c.Log.Level),
			meaning: "the least important line that is logged"},
		{name: "LOG_FORMAT", kind: choice(&c.Log.Format, LogText, LogJSON),
			meaning: "form of a log line; none = text on a terminal, else json"},

		{name: "OPENSEARCH_ENDPOINT", kind: link(&c.AWS.OpenSearchEndpoint, "http", "https"),
			meaning: "AWS: the record store, set by the template"},
		{name: "OPENSEARCH_INDEX", preset: "oip", kind: indexName(pattern(&c.AWS.OpenSearchIndex, "the beginning of an index's name, in lower case and with a letter or digit first,", "_-", 1, 64)),
			meaning: "AWS: how the names of the indexes begin; another one for each node that shares a domain"},
		{name: "OPENSEARCH_SHARDS", preset: "1", kind: whole(&c.AWS.OpenSearchShards, 1, 100),
			meaning: "AWS: primary shards of a new index"},
		{name: "OPENSEARCH_REPLICAS", preset: "0", kind: whole(&c.AWS.OpenSearchReplicas, 0, 10),
			meaning: "AWS: copies of each shard of a new index; at least 1 with more than one data node"},
		{name: "STATE_TABLE", kind: pattern(&c.AWS.StateTable, "the name of a DynamoDB table", "_-.", 3, 255),
			meaning: "AWS: the state, set by the template"},
		{name: "MEDIA_BUCKET", kind: pattern(&c.AWS.MediaBucket, "the name of an S3 bucket", "-.", 3, 63),
			meaning: "AWS: the media, set by the template"},
		{name: "MEDIA_QUEUE_URL", kind: link(&c.AWS.MediaQueueURL, "http", "https"),
			meaning: "AWS: the media jobs, set by the template"},
		{name: "GUN_QUEUE_URL", kind: link(&c.AWS.GunQueueURL, "http", "https"),
			meaning: "AWS: what starts a GUN sync besides its schedule, set by the template"},
		{name: "MEDIA_DEAD_LETTERS_URL", kind: link(&c.AWS.MediaDeadLettersURL, "http", "https"),
			meaning: "AWS: the media jobs that failed for good, set by the template"},
		{name: "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", kind: mebibytes(&c.AWS.FunctionMemory, 64, 65536),
			meaning: "AWS: the function's memory, set by Lambda; 80 % of it becomes the runtime's soft limit"},
	}
}
