// Package config is the only place that knows environment variables. It reads
// them once, through a lookup that the caller passes in, checks all of them,
// and gives the program one typed Config. Nothing else in this module reads the
// environment, so a test of any package sets what it needs in a struct.
//
// One table (table.go) says everything about a variable: its name, the older
// names it also answers to, its default, what is allowed, and what it means. The
// same table parses the values, words the faults and is printed into the README,
// so that the three cannot disagree.
//
// Load checks the variables that belong to later stages of the project too:
// an operator's existing settings are understood, or refused with a reason, from
// the first day on.
package config

import (
	"log/slog"
	"time"
)

// Config is everything that an operator may choose. It is made by Load and not
// changed afterwards. Sizes are in bytes, heights and gaps in blocks.
type Config struct {
	Chain  Chain
	Index  Index
	Gun    Gun
	HTTP   HTTP
	Media  Media
	Voice  Voice
	Memory Memory
	Node   Node
	Log    Log
	AWS    AWS

	// Hints are sentences for the operator about settings that are allowed but
	// probably not what was meant. They never hold the value of a variable that
	// is not in the table.
	Hints []string
}

// Chain says where the records come from and which blocks are read again.
type Chain struct {
	// Gateways are base URLs in the order of preference, without a trailing
	// slash. It is empty exactly when Sample is set.
	Gateways []string
	// Sample asks for the sample chain that is bundled with the local node.
	Sample bool
	// StartHeight is the first block of interest.
	StartHeight int64
	// Confirmations is the fork depth: the last so many blocks are read every cycle.
	Confirmations int64
	// WarmBlocks is the overlap that is read again every WarmInterval.
	WarmBlocks   int64
	WarmInterval time.Duration
	// ColdRescan is how long one pass over all history takes; 0 turns it off.
	ColdRescan time.Duration
	// MaxBlockGapForFallback is how far a fall-back gateway may be ahead.
	MaxBlockGapForFallback int64
	// BootstrapCreators are ids of registrations that are fetched by id.
	BootstrapCreators []string
	// MaxRecordBytes is the largest transaction that is read.
	MaxRecordBytes int64
}

// Index says when the index is brought up to date, and what goes into it.
type Index struct {
	// Interval is the pause between two cycles of the local node.
	Interval time.Duration
	// FirstDelay is the wait before a new node's first cycle.
	FirstDelay time.Duration
	// RefreshCycles is the number of cycles between two refreshes of the summary.
	RefreshCycles int
	// MaxTransactions ends a cycle cleanly; the next one goes on.
	MaxTransactions int
	// CacheTTL and CacheBytes bound the records cache; 0 turns it off.
	CacheTTL   time.Duration
	CacheBytes int64
	// Mode, Whitelist and Blacklist say which record types are indexed. The
	// list that does not belong to the mode has no effect.
	Mode      IndexMode
	Whitelist []string
	Blacklist []string
}

// IndexMode is the rule by which record types are chosen.
type IndexMode string

// The modes of RECORD_TYPE_INDEX_MODE.
const (
	IndexAll       IndexMode = "all"
	IndexWhitelist IndexMode = "whitelist"
	IndexBlacklist IndexMode = "blacklist"
)

// Gun says how records are synchronized with GUN peers.
type Gun struct {
	Enabled  bool
	Interval time.Duration
	// CacheMaxAge is the life of a processed id.
	CacheMaxAge time.Duration
	// Peers and RelayURL have the scheme ws, wss, http or https.
	Peers    []string
	RelayURL string
	// TrustedNodes are node ids; empty means that every node is accepted.
	TrustedNodes []string
	// PrivateRecords says whether encrypted records are taken too.
	PrivateRecords bool
	RegistryRoot   string
	// NodeID replaces the id that the node gives itself; empty means no override.
	NodeID string
	// RelayProxy says whether the API passes requests through to RelayURL.
	RelayProxy bool
}

// HTTP is the API's own part: who it trusts and how it names itself.
type HTTP struct {
	// JWTSecret is the key of the tokens; when it is not set and no parameter is
	// named, every request is anonymous.
	JWTSecret Secret
	// JWTSecretParameter names an SSM parameter that holds the key instead.
	JWTSecretParameter string
	Operations         Operations
	// PublicBaseURL has no trailing slash; empty means that the node has no
	// public name.
	PublicBaseURL string
	// ServerAddress is the address of the server's own wallet.
	ServerAddress string
	// Origins are the origins whose pages may use the API, as browsers write them; none
	// means any. On AWS API Gateway has them instead.
	Origins []string
}

// Operations says who may clear caches and force cycles.
type Operations string

// The values of OPERATIONS_ACCESS.
const (
	OperationsLoopback Operations = "loopback"
	OperationsAdmin    Operations = "admin"
	OperationsOpen     Operations = "open"
)

// Media bounds what a media fetch may take.
type Media struct {
	MaxBytes int64
	Timeout  time.Duration
	// Ports are those that the URL of a file may have.
	Ports []int
	// Workers is how many files the local node fetches at the same time.
	Workers int
	// AllowPrivate lets a fetch reach private addresses; for tests only.
	AllowPrivate bool
}

// Voice is about voice dialogues.
type Voice struct {
	// DialogueTimeout is the time without activity after which one is gone.
	DialogueTimeout time.Duration
}

// Memory holds the bounds that the health pages warn about.
type Memory struct {
	// WarningPercent is less than CriticalPercent; both are percent of the limit
	// that ends the process.
	WarningPercent  int
	CriticalPercent int
	MaxGoroutines   int
}

// Node is about the local node alone.
type Node struct {
	// Listen is host:port. An empty host means every interface, port 0 a free one.
	Listen  string
	DataDir string
}

// Log says how the program writes its log.
type Log struct {
	Level  slog.Level
	Format LogFormat
}

// LogFormat is the form of a log line.
type LogFormat string

// The formats; LogAuto is text on a terminal and JSON everywhere else.
const (
	LogAuto LogFormat = ""
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// AWS names what the deployed functions use. Empty means not deployed on AWS.
type AWS struct {
	OpenSearchEndpoint string
	// OpenSearchIndex is how the names of the indexes begin. Shards and replicas
	// are those of an index when it is made.
	OpenSearchIndex    string
	OpenSearchShards   int
	OpenSearchReplicas int
	StateTable         string
	MediaBucket        string
	MediaQueueURL      string
	// GunQueueURL is where the function gunsync sends itself messages, and the API its
	// wishes for a pass.
	GunQueueURL string
	// MediaDeadLettersURL is the queue of the jobs that failed for good.
	MediaDeadLettersURL string
	// FunctionMemory is the memory of the Lambda function in bytes, 0 elsewhere.
	FunctionMemory int64
}
