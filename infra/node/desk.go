package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"oipnode/shared/errs"
	"oipnode/shared/maintenance"
)

// The desk is where the commands of this machine reach the node that is running: its
// stores are locked, so it does their tasks itself. It is an address of its own, on
// loopback and of any port, and asks for a key. Both stand in operate.json of the data
// folder, for this user only: whoever can read that file could as well open the stores
// of a node that is stopped. So there is nothing to configure, whatever LISTEN is, and
// neither a page in a browser nor another user of the machine is let in.
//
//	POST /task     a maintenance.Request; answered by lines of JSON: {"line":…} for what is
//	               told meanwhile, and at the end {"result":…} or {"error":{…}}
//	POST /backup   the archive of the data folder (package archive)

// deskFile is the name of that file.
const deskFile = "operate.json"

// deskAddress is what it holds.
type deskAddress struct {
	Address string `json:"address"`
	Key     string `json:"key"`
}

const (
	// maxTasks is how many tasks may run at a time.
	maxTasks = 8
	// stallTime is how long a command may take to read a piece of an answer.
	stallTime = time.Minute
)

// desk serves the commands.
type desk struct {
	node     *node
	listener net.Listener
	path     string
	key      string
	tasks    chan struct{}
}

// openDesk takes an address and tells of it.
func (n *node) openDesk(ctx context.Context) (*desk, error) {
	l, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &desk{n, l, filepath.Join(n.dir, deskFile), rand.Text(), make(chan struct{}, maxTasks)}
	text, err := json.Marshal(deskAddress{l.Addr().String(), d.key})
	if err == nil {
		err = writeFile(d.path, text)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return d, nil
}

// serve answers commands until ctx ends; those under way are ended by that too.
func (d *desk) serve(ctx context.Context) error {
	pages := http.NewServeMux()
	pages.HandleFunc("POST /task", func(w http.ResponseWriter, r *http.Request) { d.task(ctx, w, r) })
	pages.HandleFunc("POST /backup", func(w http.ResponseWriter, r *http.Request) { d.backup(ctx, w, r) })
	err := serve(ctx, d.listener, d.guard(pages), func() {}, d.node.log)
	if gone := os.Remove(d.path); gone != nil && !errors.Is(gone, os.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}

// guard lets in who has the key, from this machine.
func (d *desk) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !local(r) || subtle.ConstantTimeCompare([]byte(key), []byte(d.key)) != 1 {
			http.Error(w, "this is for the commands of this node", http.StatusForbidden)
			return
		}
		select {
		case d.tasks <- struct{}{}:
			defer func() { <-d.tasks }()
			next.ServeHTTP(w, r)
		default:
			http.Error(w, "too many tasks are running", http.StatusTooManyRequests)
		}
	})
}

// within is the context of a request that the node's end ends too.
func within(ctx context.Context, r *http.Request) (context.Context, context.CancelFunc) {
	both, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(ctx, cancel)
	return both, func() { stop(); cancel() }
}

// deskLine is one line of an answer.
type deskLine struct {
	Line   any        `json:"line,omitempty"`
	Result any        `json:"result,omitempty"`
	Error  *deskError `json:"error,omitempty"`
}

// deskError is what went wrong, for the operator.
type deskError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (d *desk) task(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	ctx, cancel := within(ctx, r)
	defer cancel()
	text, err := io.ReadAll(io.LimitReader(r.Body, maintenance.MaxRequest+1))
	if err != nil {
		return // who asked has gone
	}
	q, err := maintenance.Parse(text)
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := newPatientWriter(w)
	answer := deskLine{}
	if err == nil {
		d.node.log.InfoContext(ctx, "task", "task", q.Task)
		answer.Result, err = d.node.operate(ctx, q, func(v any) error {
			if err := out.line(deskLine{Line: v}); err != nil {
				return err
			}
			if q.Task == maintenance.TaskExport { // many at once
				return nil
			}
			return out.Flush()
		})
	}
	if err != nil {
		answer = deskLine{Error: d.node.told(ctx, q.Task, err)}
	}
	_ = errors.Join(out.line(answer), out.Flush()) // who asked may have gone
}

// told is what the operator is told of a failure: all of it. The log has it too.
func (n *node) told(ctx context.Context, task string, err error) *deskError {
	e := &deskError{Code: errs.Code(err), Message: errs.Public(err)}
	if e.Code == errs.Code(errs.Internal) {
		e.Message = err.Error()
	}
	n.log.Log(ctx, slog.LevelInfo, "task failed", "task", task, "error", err)
	return e
}

// patientWriter writes to a command that has a time for each piece of the answer, and not
// one for all of it.
type patientWriter struct {
	*bufio.Writer
}

func newPatientWriter(w http.ResponseWriter) *patientWriter {
	return &patientWriter{bufio.NewWriterSize(&pieces{w, http.NewResponseController(w)}, 64<<10)}
}

// line writes a value as a line.
func (w *patientWriter) line(v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// pieces gives each write its time, and sends it at once.
type pieces struct {
	w       io.Writer
	control *http.ResponseController
}

func (p *pieces) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(stallTime)); err != nil {
		return 0, err
	}
	n, err := p.w.Write(b)
	if err == nil {
		err = p.control.Flush()
	}
	return n, err
}
