package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"oipnode/infra/soak/chart"
)

// write writes the three files of a result.
func (r *result) write(dir string) error {
	text, err := r.text()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "soak.json"), text, 0o644),
		os.WriteFile(filepath.Join(dir, "soak.md"), r.markdown(), 0o644),
		os.WriteFile(filepath.Join(dir, "soak.svg"), r.plot(), 0o644),
	)
}

// text is the result as JSON, with a line for each sample.
func (r *result) text() ([]byte, error) {
	head := *r
	head.Samples = nil
	text, err := json.MarshalIndent(head, "", "  ")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Write(bytes.TrimSuffix(text, []byte("null\n}")))
	b.WriteString("[")
	for i, s := range r.Samples {
		line, err := json.Marshal(s)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString("\n    ")
		b.Write(line)
	}
	b.WriteString("\n  ]\n}\n")
	return b.Bytes(), nil
}

func (r *result) verdict() string {
	if r.Passed {
		return "passed"
	}
	return "FAILED"
}

// markdown is the result for people.
func (r *result) markdown() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Soak: %s\n\nWritten by `make soak` on %s: %s minutes of load on %s. ",
		r.verdict(), r.Started.Format("2006-01-02"), short(r.Minutes), r.Machine)
	fmt.Fprintf(&b, "Lines are fitted through %d samples, those behind a warm-up of %s seconds; the growth is that of the line over the measured time, ± half of the interval in which it lies with 95 %%. ",
		r.measured(), short(r.WarmUp))
	b.WriteString("A series fails when it grows by more than that half and by more than is allowed. [The plot](soak.svg), [the samples](soak.json).\n\n")
	b.WriteString("| series | mean | most | growth | allowed | |\n|---|---|---|---|---|---|\n")
	for _, o := range r.Outcomes {
		state, allowed := "flat", short(o.Allowed)
		switch {
		case o.Grows:
			state = "**grows**"
		case !o.Judged:
			state, allowed = "", ""
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s ± %s | %s | %s |\n", cell(o.Name), unit(o.Mean, o.Unit), unit(o.Most, o.Unit), signed(o.Growth), unit(o.Uncertainty, o.Unit), allowed, state)
	}
	b.WriteString("\n| at rest | heap after collection | private memory | goroutines | open files |\n|---|---|---|---|---|\n")
	for i, name := range []string{"before the load", "after it"} {
		s := r.Rest[i]
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %d |\n", name, unit(float64(s.Heap)/mebibyte, "MiB"), unit(float64(s.Private)/mebibyte, "MiB"), s.Goroutines, s.Files)
	}
	b.WriteString("\n| check | | |\n|---|---|---|\n")
	for _, c := range r.Checks {
		state := "ok"
		if !c.OK {
			state = "**failed**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", cell(c.Name), state, cell(c.Said))
	}
	return b.Bytes()
}

// measured counts the samples that lines were fitted through.
func (r *result) measured() int {
	if len(r.Outcomes) == 0 {
		return 0
	}
	return r.Outcomes[0].line.Points
}

// cell keeps a text inside of its cell.
func cell(s string) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' {
			return ' '
		}
		return c
	}, s)
	return strings.ReplaceAll(s, "|", "\\|")
}

// short is a number with three digits that count.
func short(v float64) string {
	if v >= 1000 || v <= -1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

func unit(v float64, u string) string { return strings.TrimSpace(short(v) + " " + u) }

func signed(v float64) string {
	if v > 0 {
		return "+" + short(v)
	}
	return short(v)
}

// plot draws each series with its line.
func (r *result) plot() []byte {
	var panels []chart.Panel
	for i, s := range rows {
		p := chart.Panel{Title: s.Name, From: r.WarmUp}
		if s.Unit != "" {
			p.Unit = " " + s.Unit
		}
		for _, sample := range r.Samples {
			p.X, p.Y = append(p.X, sample.Second), append(p.Y, s.of(sample))
		}
		if i < len(r.Outcomes) {
			o := r.Outcomes[i]
			p.Line, p.Intercept, p.Slope, p.Bad = true, o.line.Intercept, o.line.Slope, o.Grows
			p.Note = fmt.Sprintf("mean %s, growth %s ± %s", unit(o.Mean, o.Unit), signed(o.Growth), unit(o.Uncertainty, o.Unit))
		}
		panels = append(panels, p)
	}
	title := fmt.Sprintf("The local node under load for %s minutes: %s (%s)", short(r.Minutes), r.verdict(), r.Started.Format("2006-01-02"))
	return chart.SVG(title, panels)
}
