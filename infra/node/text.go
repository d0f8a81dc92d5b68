package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"oipnode/shared/maintenance"
)

// do does a task and writes its answer: as text, or as JSON for scripts. It returns the
// exit code of what was found.
func (t *tool) do(ctx context.Context, r reach, q maintenance.Request) (int, error) {
	result, err := r.run(ctx, q, func(line json.RawMessage) error { return t.tell(q, line) })
	if err != nil {
		return 0, err
	}
	var found struct {
		Token      string
		NextCursor string
		Faults     map[string]int64
		Repaired   int64
		Unread     int64
		Complete   *bool
		Memory     struct{ Status string }
	}
	if err := json.Unmarshal(result, &found); err != nil {
		return 0, err
	}
	switch {
	case q.Task == maintenance.TaskExport: // standard output is the documents'
		if t.json || found.NextCursor != "" {
			_, err = fmt.Fprintf(t.err, "%s\n", result)
		}
	case q.Task == maintenance.TaskToken && !t.json:
		_, err = fmt.Fprintln(t.out, found.Token)
	default:
		err = t.answer(result)
	}
	faults := int64(0)
	for _, n := range found.Faults {
		faults += n
	}
	switch {
	case found.Complete != nil && (faults > found.Repaired || found.Unread > 0 || !*found.Complete):
		return exitFound, err
	case q.Task == maintenance.TaskDiagnose && found.Memory.Status == "critical":
		return exitFound, err
	}
	return 0, err
}

// tell writes what is told while a task runs: documents and samples to standard output,
// how far it is to standard error.
func (t *tool) tell(q maintenance.Request, line json.RawMessage) error {
	var err error
	switch {
	case q.Task == maintenance.TaskExport, t.json && q.Task != maintenance.TaskVerify && q.Task != maintenance.TaskRemap:
		_, err = fmt.Fprintf(t.out, "%s\n", line)
	case q.Task == maintenance.TaskVerify, q.Task == maintenance.TaskRemap:
		_, err = fmt.Fprintln(t.err, oneLine(line))
	default:
		_, err = fmt.Fprintln(t.out, oneLine(line))
	}
	return err
}

// answer writes an answer.
func (t *tool) answer(v any) error {
	text, err := encodeLine(v)
	if err != nil {
		return err
	}
	if t.json {
		_, err = fmt.Fprintf(t.out, "%s\n", text)
		return err
	}
	return writeText(t.out, text)
}

// oneLine is an object as name=value pairs.
func oneLine(text json.RawMessage) string {
	var b bytes.Buffer
	if err := writeText(&b, text); err != nil {
		return string(text)
	}
	var parts []string
	for line := range strings.Lines(b.String()) {
		parts = append(parts, strings.Join(strings.Fields(line), "="))
	}
	return strings.Join(parts, "  ")
}

// writeText writes a JSON value for a person: a line for each name, in the order of the
// object, indented by depth. Names and values stand as they are in the JSON, so that
// both are searched for alike; control characters, which a terminal would obey, are
// shown as escapes.
func writeText(w io.Writer, text json.RawMessage) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	p := printer{w: w, d: d}
	p.value(0, "")
	return p.err
}

// printer writes one value after the other.
type printer struct {
	w   io.Writer
	d   *json.Decoder
	err error
}

func (p *printer) token() json.Token {
	if p.err != nil {
		return nil
	}
	var t json.Token
	t, p.err = p.d.Token()
	return t
}

func (p *printer) line(depth int, name, value string) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.w, strings.TrimRight(fmt.Sprintf("%s%-*s %s", strings.Repeat("  ", depth), max(26-2*depth, 1), name, value), " "))
	}
}

// value writes the next value under a name.
func (p *printer) value(depth int, name string) {
	switch t := p.token().(type) {
	case json.Delim:
		if name != "" {
			if !p.d.More() {
				p.line(depth, name, "none")
			} else {
				p.line(depth, name, "")
				depth++
			}
		}
		for p.err == nil && p.d.More() {
			item := "-"
			if t == '{' {
				item, _ = p.token().(string)
			}
			p.value(depth, item)
		}
		p.token() // its end
	case string:
		if strings.ContainsFunc(t, unicode.IsControl) {
			t = strconv.Quote(t)
		}
		p.line(depth, name, t)
	case nil:
		p.line(depth, name, "none")
	default:
		if p.err == nil {
			p.line(depth, name, fmt.Sprint(t))
		}
	}
}
