package maintenance

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"oipnode/shared/errs"
	"oipnode/shared/indexer"
	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/trend"
)

// The tasks.
const (
	TaskCleanup     = "cleanup"
	TaskMonitor     = "monitor"
	TaskStats       = "stats"
	TaskDiagnose    = "diagnose"
	TaskDelete      = "delete"
	TaskRescan      = "rescan"
	TaskRemap       = "remap"
	TaskRetry       = "retry"
	TaskRejected    = "rejected"
	TaskVerify      = "verify"
	TaskExport      = "export"
	TaskToken       = "token"
	TaskReindex     = "reindex"
	TaskMediaRepair = "media-repair"
)

// Tasks are all of them.
var Tasks = []string{TaskCleanup, TaskMonitor, TaskStats, TaskDiagnose, TaskDelete, TaskRescan, TaskRemap, TaskRetry,
	TaskRejected, TaskVerify, TaskExport, TaskToken, TaskReindex, TaskMediaRepair}

// The modes of a diagnosis.
const (
	ModeQuick    = "quick"
	ModeSnapshot = "snapshot"
	ModeMonitor  = "monitor"
)

// Request is one task with what it needs. A field belongs to the tasks of the table
// below, and is refused with any other.
type Request struct {
	Task string `json:"task"`
	// From and To are the first and the last block of a rescan.
	From *int64 `json:"from,omitempty"`
	To   *int64 `json:"to,omitempty"`
	// GraceMinutes is how old a file without a manifest must be before a media repair
	// removes it; a day without it. 0 disturbs fetches that are under way, which are then
	// tried again.
	GraceMinutes *int64 `json:"graceMinutes,omitempty"`
	// Seconds is how long the memory is watched.
	Seconds int64 `json:"seconds,omitempty"`
	// Mode is quick, which is also the default, snapshot or monitor; Interval and
	// Duration, in seconds, are those of monitor.
	Mode     string `json:"mode,omitempty"`
	Interval int64  `json:"interval,omitempty"`
	Duration int64  `json:"duration,omitempty"`
	// DID is the record that is deleted.
	DID string `json:"did,omitempty"`
	// Type is a record type, in any case: the one that is remapped, or the only one that
	// is exported.
	Type string `json:"type,omitempty"`
	// Reason is which entries of the ledger are tried again, all without it.
	Reason string `json:"reason,omitempty"`
	// ID is the rejected transaction that is shown, by its id or its DID. Without it
	// rejections are listed, Limit of them behind the position After.
	ID    string `json:"id,omitempty"`
	After string `json:"after,omitempty"`
	Limit int64  `json:"limit,omitempty"`
	// Repair mends what a verification finds, Fresh begins a verification or a remapping
	// anew.
	Repair bool `json:"repair,omitempty"`
	Fresh  bool `json:"fresh,omitempty"`
	// Cursor goes on with an export.
	Cursor string `json:"cursor,omitempty"`
	// UserID, Email, PublicKey and Admin are claims of a token that is good for Minutes,
	// an hour without it.
	UserID    string `json:"userId,omitempty"`
	Email     string `json:"email,omitempty"`
	PublicKey string `json:"publicKey,omitempty"`
	Admin     bool   `json:"admin,omitempty"`
	Minutes   int64  `json:"minutes,omitempty"`
}

// fields are those of each task.
var fields = map[string][]string{
	TaskMonitor:     {"seconds"},
	TaskDiagnose:    {"mode", "interval", "duration"},
	TaskDelete:      {"did"},
	TaskRescan:      {"from", "to"},
	TaskRemap:       {"type", "fresh"},
	TaskRetry:       {"reason"},
	TaskRejected:    {"id", "after", "limit"},
	TaskVerify:      {"repair", "fresh"},
	TaskExport:      {"type", "cursor", "limit"},
	TaskToken:       {"userId", "email", "publicKey", "admin", "minutes"},
	TaskMediaRepair: {"graceMinutes"},
}

// Bounds of what a request may ask for.
const (
	// maxGrace is the longest grace of a media repair, in minutes: a month.
	maxGrace = 30 * 24 * 60
	// maxWatch is how long the memory may be watched, in seconds, maxSamples how often.
	maxWatch, maxSamples = 24 * 60 * 60, 10_000
	// maxText is the longest text, in bytes; a public key is the longest of them.
	maxText = 4096
	// maxReason is the longest reason.
	maxReason = 100
	// maxMinutes is how long a token is good at most: a month.
	maxMinutes = 30 * 24 * 60
)

func invalid(format string, args ...any) error {
	return errs.E(errs.Invalid, fmt.Sprintf(format, args...), nil)
}

// Check returns errs.Invalid, with the field and what is allowed, for a request that
// no task takes.
func (q Request) Check() error {
	if !slices.Contains(Tasks, q.Task) {
		return invalid("task is %q; allowed: %s", clip(q.Task), strings.Join(Tasks, ", "))
	}
	if err := q.checkFields(); err != nil {
		return err
	}
	for name, text := range map[string]string{"mode": q.Mode, "did": q.DID, "type": q.Type, "reason": q.Reason, "id": q.ID, "after": q.After,
		"cursor": q.Cursor, "userId": q.UserID, "email": q.Email, "publicKey": q.PublicKey} {
		if len(text) > maxText || !utf8.ValidString(text) {
			return invalid("%s is longer than %d bytes, or no text", name, maxText)
		}
	}
	return q.checkValues()
}

// checkFields refuses what belongs to another task.
func (q Request) checkFields() error {
	text, err := json.Marshal(q)
	if err != nil {
		return err
	}
	var set map[string]any
	if err := json.Unmarshal(text, &set); err != nil {
		return err
	}
	delete(set, "task")
	for name := range set {
		if slices.Contains(fields[q.Task], name) {
			continue
		}
		var owners []string
		for _, task := range Tasks {
			if slices.Contains(fields[task], name) {
				owners = append(owners, task)
			}
		}
		return invalid("%s belongs to the task %s", name, strings.Join(owners, " or "))
	}
	return nil
}

// checkValues checks what the task has.
func (q Request) checkValues() error {
	switch q.Task {
	case TaskRescan:
		if q.From == nil || q.To == nil || *q.From < 0 || *q.To < *q.From || *q.To > indexer.MaxHeight {
			return invalid("rescan needs from and to, blocks with 0 <= from <= to <= %d", indexer.MaxHeight)
		}
	case TaskMediaRepair:
		if q.GraceMinutes != nil && (*q.GraceMinutes < 0 || *q.GraceMinutes > maxGrace) {
			return invalid("graceMinutes is 0 to %d", maxGrace)
		}
	case TaskMonitor:
		if q.Seconds < 1 || q.Seconds > maxWatch {
			return invalid("monitor needs seconds, 1 to %d", maxWatch)
		}
	case TaskDiagnose:
		return q.checkDiagnosis()
	case TaskDelete:
		if !oip.ValidDID(q.DID) {
			return invalid("delete needs the did of a record, such as did:arweave:<id>")
		}
	case TaskRemap:
		if q.Type == "" {
			return invalid("remap needs the type of the records, such as post")
		}
	case TaskRetry:
		if len(q.Reason) > maxReason {
			return invalid("reason is at most %d bytes long, such as waiting:data, partial, parked or rejected:bad_signature", maxReason)
		}
	case TaskRejected:
		if q.ID != "" && (transaction(q.ID) == "" || q.After != "" || q.Limit != 0) {
			return invalid("id must be the id of a transaction or its DID, without after and limit")
		}
		return checkLimit(q.Limit)
	case TaskExport:
		return checkLimit(q.Limit)
	case TaskToken:
		if q.Minutes < 0 || q.Minutes > maxMinutes {
			return invalid("minutes is 1 to %d", maxMinutes)
		}
	}
	return nil
}

func checkLimit(n int64) error {
	if n < 0 || n > records.MaxLimit {
		return invalid("limit is 1 to %d", records.MaxLimit)
	}
	return nil
}

func (q Request) checkDiagnosis() error {
	watched := q.Interval != 0 || q.Duration != 0
	switch q.Mode {
	case "", ModeQuick, ModeSnapshot:
		if watched {
			return invalid("interval and duration belong to the mode monitor")
		}
	case ModeMonitor:
		if q.Interval < 1 || q.Duration < q.Interval*(trend.MinPoints-1) || q.Duration > maxWatch || q.Duration/q.Interval > maxSamples {
			return invalid("monitor needs interval and duration in seconds: a duration of %d intervals at least, and %d seconds and %d intervals at most",
				trend.MinPoints-1, maxWatch, maxSamples)
		}
	default:
		return invalid("mode is quick, snapshot or monitor")
	}
	return nil
}

// transaction is the id of a transaction that is named by it or by its DID; "" for
// anything else.
func transaction(name string) string {
	if oip.ValidID(name) {
		return name
	}
	if id, ok := oip.TxID(name); ok {
		return id
	}
	return ""
}

// clip shortens what a message repeats.
func clip(s string) string {
	const most = 40
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}
