package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"oipnode/infra/node/archive"
	"oipnode/shared/config"
	"oipnode/shared/errs"
	"oipnode/shared/maintenance"
)

var (
	// errUsage is what was asked for in a wrong way.
	errUsage = errors.New("usage")
	// errNoNode is a task about a running node, where there is none.
	errNoNode = errors.New("no node is running in this data folder")
)

// usageError is an error of the command line, as cobra tells it.
func usageError(err error) error { return errors.New(sentence(err)) }

// sentence is an error for a person.
func sentence(err error) string {
	var e *errs.Error
	if errors.As(err, &e) {
		return errs.Public(err)
	}
	return strings.TrimPrefix(err.Error(), errUsage.Error()+": ")
}

// exitCode is the exit code for an error.
func exitCode(err error) int {
	kind := errs.KindOf(err)
	switch {
	case errors.Is(err, errNoNode):
		return exitNoNode
	case errors.Is(err, errInUse), kind == errs.Conflict, kind == errs.TooMany:
		return exitBusy
	case kind == errs.NotFound:
		return exitAbsent
	case errors.Is(err, errUsage), errors.Is(err, errFolder), errors.Is(err, archive.ErrArchive), kind == errs.Invalid, kind == errs.Forbidden:
		return exitUsage
	}
	return 1
}

// kinds are those that a running node can answer with, by their codes.
var kinds = []*errs.Kind{errs.Invalid, errs.Forbidden, errs.NotFound, errs.Conflict, errs.TooMany, errs.Unavailable, errs.Timeout}

// reach is how a command gets to the node.
type reach struct {
	config config.Config
	log    *slog.Logger
}

// errNobody is a desk at which nobody sits: no node runs.
var errNobody = errors.New("nobody is at the desk")

// find reads where the running node is. A file that a killed node has left leads to
// nobody, or to a stranger who does not know the key.
func (r reach) find() (deskAddress, error) {
	dir, err := dataFolder(r.config)
	if err != nil {
		return deskAddress{}, err
	}
	text, err := os.ReadFile(filepath.Join(dir, deskFile))
	if errors.Is(err, os.ErrNotExist) {
		return deskAddress{}, errNobody
	}
	var a deskAddress
	if err == nil && (json.Unmarshal(text, &a) != nil || !loopback(a.Address)) {
		err = errNobody
	}
	return a, err
}

// ask sends a request to the running node. The error is errNobody when there is none.
func (r reach) ask(ctx context.Context, path string, body []byte) (*http.Response, error) {
	a, err := r.find()
	if err != nil {
		return nil, err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+a.Address+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Authorization", "Bearer "+a.Key)
	client := http.Client{Transport: &http.Transport{
		Proxy: nil, DisableKeepAlives: true, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
	}}
	resp, err := client.Do(q)
	if err != nil {
		if ctx.Err() == nil {
			err = errNobody
		}
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	_ = resp.Body.Close()
	if resp.StatusCode == http.StatusTooManyRequests {
		return nil, errs.E(errs.TooMany, "the node does as many tasks as it can; try again", nil)
	}
	return nil, errNobody
}

// maxLine is the longest line of an answer: the largest document, with room.
const maxLine = 64 << 20

// run does a task in the running node, or here when there is none. tell gets what is
// told meanwhile.
func (r reach) run(ctx context.Context, q maintenance.Request, tell func(json.RawMessage) error) (json.RawMessage, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	resp, err := r.ask(ctx, "/task", body)
	if errors.Is(err, errNobody) {
		return r.here(ctx, q, tell)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	for d := json.NewDecoder(&bounded{r: resp.Body}); ; {
		var line struct {
			Line, Result json.RawMessage
			Error        *deskError
		}
		if err := d.Decode(&line); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, fmt.Errorf("the node's answer ended early: %w", err)
		}
		switch {
		case line.Error != nil:
			for _, k := range kinds {
				if errs.Code(k) == line.Error.Code {
					return nil, errs.E(k, line.Error.Message, nil)
				}
			}
			return nil, errors.New(line.Error.Message)
		case line.Result != nil:
			return line.Result, nil
		}
		if err := tell(line.Line); err != nil {
			return nil, err
		}
	}
}

// bounded is a stream of lines, none of which is longer than maxLine.
type bounded struct {
	r io.Reader
	n int
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if i := bytes.LastIndexByte(p[:n], '\n'); i >= 0 {
		b.n = n - i - 1
	} else {
		b.n += n
	}
	if b.n > maxLine {
		return n, errors.New("a line of the answer is too long")
	}
	return n, err
}

// here does a task on the folder of a node that is stopped.
func (r reach) here(ctx context.Context, q maintenance.Request, tell func(json.RawMessage) error) (result json.RawMessage, err error) {
	if q.Task == maintenance.TaskMonitor || q.Task == maintenance.TaskDiagnose {
		return nil, fmt.Errorf("%w: start one, whose memory %s then shows, or %s", errNoNode, q.Task, r.elsewhere())
	}
	n := r.closed()
	if (maintenance.Needs{Secret: true}) != q.Needs() { // all but a token need what is in the folder
		if n, err = r.open(ctx); err != nil {
			return nil, err
		}
	}
	defer func() { err = errors.Join(err, n.close()) }()
	done, err := n.operate(ctx, q, func(v any) error {
		text, err := encodeLine(v)
		if err != nil {
			return err
		}
		return tell(text)
	})
	if err != nil {
		return nil, err
	}
	return encodeLine(done)
}

// exists refuses a folder in which no node has ever run. Opening it would make an empty
// one, so that a backup with another DATA_DIR than the node's would succeed, of nothing.
func (r reach) exists() error {
	dir, err := dataFolder(r.config)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, formatFile)); errors.Is(err, os.ErrNotExist) {
		return errs.E(errs.NotFound, fmt.Sprintf("no node has ever run in %s: %s", dir, r.elsewhere()), nil)
	}
	return nil // what else is wrong is told by who opens it
}

// elsewhere says what to set so that a command finds the node that it is meant for. Each
// network has a folder of its own, and make run takes the sample chain where a command
// without settings takes the live one: when only the other folder has data, it is named.
func (r reach) elsewhere() string {
	name, gateways := folderSample, "sample"
	if r.config.Chain.Sample {
		name, gateways = folderLive, "those of the node"
	}
	const settings = "set DATA_DIR and ARWEAVE_GATEWAYS as they are for the node"
	if _, err := os.Stat(filepath.Join(r.config.Node.DataDir, name, formatFile)); err != nil {
		return settings
	}
	return fmt.Sprintf("%s; there is data of the network %s, for which ARWEAVE_GATEWAYS is %s", settings, name, gateways)
}

// closed is a node whose data folder has not been opened.
func (r reach) closed() *node {
	n := newNode(r.config, &logDisplay{out: slog.New(fromWarn{r.log.Handler()})})
	n.media = new(shelf) // an empty one
	return n
}

// open opens the data folder without serving or indexing anything.
func (r reach) open(ctx context.Context) (*node, error) {
	if err := r.exists(); err != nil {
		return nil, err
	}
	n := r.closed()
	_, err := n.openState()
	if err == nil {
		err = n.openRest(ctx)
	}
	if err == nil {
		err = n.resume(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

// backup writes the archive of the data folder.
func (r reach) backup(ctx context.Context, w io.Writer) (err error) {
	resp, err := r.ask(ctx, "/backup", nil)
	if err == nil {
		_, err = io.Copy(w, resp.Body)
		return errors.Join(err, resp.Body.Close())
	}
	if !errors.Is(err, errNobody) {
		return err
	}
	n, err := r.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	return n.writeBackup(ctx, w)
}

func encodeLine(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}
