package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// element is an element of a drawing.
type element struct {
	name  string
	attrs map[string]string
	text  string
}

// parse reads a drawing as any viewer would.
func parse(t *testing.T, svg []byte) (list []element) {
	t.Helper()
	decoder := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatalf("%v in %s", err, svg)
		}
		switch token := token.(type) {
		case xml.StartElement:
			e := element{name: token.Name.Local, attrs: map[string]string{}}
			for _, a := range token.Attr {
				e.attrs[a.Name.Local] = a.Value
			}
			list = append(list, e)
		case xml.CharData:
			if len(list) > 0 {
				list[len(list)-1].text += string(token)
			}
		}
	}
}

func points(t *testing.T, e element) (list [][2]float64) {
	t.Helper()
	for _, pair := range strings.Fields(e.attrs["points"]) {
		x, y, _ := strings.Cut(pair, ",")
		px, errX := strconv.ParseFloat(x, 64)
		py, errY := strconv.ParseFloat(y, 64)
		if errX != nil || errY != nil {
			t.Fatalf("the point %q", pair)
		}
		list = append(list, [2]float64{px, py})
	}
	return list
}

// What is measured is drawn where it belongs, and the line through it too.
func TestPanel(t *testing.T) {
	p := Panel{Title: "Heap <live>", Unit: " MB", X: []float64{0, 60, 120}, Y: []float64{0, 50, 100}, From: 60, Line: true, Slope: 100.0 / 120, Note: "a & b"}
	list := parse(t, SVG("Soak", []Panel{p}))
	var data, line element
	var texts []string
	shades := 0
	for _, e := range list {
		switch {
		case e.name == "polyline":
			data = e
		case e.name == "line" && e.attrs["stroke"] == colourGood:
			line = e
		case e.name == "rect" && e.attrs["fill"] == colourShade:
			shades++
		case e.name == "text":
			texts = append(texts, strings.TrimSpace(e.text))
		}
	}
	bottom := float64(headHeight + panelHeight - marginBottom)
	inner := float64(panelHeight - marginTop - marginBottom)
	want := [][2]float64{{marginLeft, bottom}, {marginLeft + (panelWidth-marginLeft-marginRight)/2, 0}, {panelWidth - marginRight, 0}}
	got := points(t, data)
	if len(got) != 3 {
		t.Fatalf("points %v", got)
	}
	for i, share := range []float64{0, 50.0 / 105, 100.0 / 105} {
		want[i][1] = math.Round((bottom-share*inner)*10) / 10
		if got[i] != want[i] {
			t.Errorf("point %d is at %v, want %v", i, got[i], want[i])
		}
	}
	if line.attrs["x1"] != pixel(want[1][0]) || line.attrs["y1"] != pixel(want[1][1]) || line.attrs["x2"] != pixel(want[2][0]) || line.attrs["y2"] != pixel(want[2][1]) {
		t.Errorf("the line is %v", line.attrs)
	}
	for _, text := range []string{"Soak", "Heap <live>", "a & b", "100 MB", "0 MB", "2 min"} {
		if !slices.Contains(texts, text) {
			t.Errorf("no text %q in %q", text, texts)
		}
	}
	if shades != 1 {
		t.Errorf("%d shaded areas", shades)
	}
}

// Nothing that is measured breaks a drawing, and everything stays inside of it.
func TestOddPanels(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	panels := []Panel{
		{}, {Title: "one", X: []float64{3}, Y: []float64{5}},
		{Title: "constant", X: []float64{0, 1}, Y: []float64{7, 7}, Line: true, Intercept: 7},
		{Title: "gaps", X: []float64{0, 1, 2, nan, 4}, Y: []float64{1, nan, inf, 4, 5}},
		{Title: "negative", X: []float64{0, 1}, Y: []float64{-3, 2}, Line: true, Slope: 1e9, Bad: true},
		{Title: "uneven", X: []float64{0, 1, 2}, Y: []float64{1}},
	}
	list := parse(t, SVG("odd", panels))
	rows := (len(panels) + 1) / 2
	lines, bad := 0, 0
	for _, e := range list {
		if e.name == "polyline" {
			lines++
		}
		if e.attrs["stroke"] == colourBad {
			bad++
		}
		for name, value := range e.attrs {
			if strings.Contains(value, "NaN") || strings.Contains(value, "Inf") {
				t.Errorf("%s %s=%q", e.name, name, value)
			}
		}
		for _, p := range points(t, e) {
			if p[0] < 0 || p[0] > columns*panelWidth || p[1] < 0 || p[1] > float64(headHeight+rows*panelHeight) {
				t.Errorf("a point at %v", p)
			}
		}
	}
	if lines != len(panels) || bad != 1 {
		t.Errorf("%d panels, %d bad lines", lines, bad)
	}
	if len(parse(t, SVG("none", nil))) == 0 {
		t.Error("no drawing")
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		from, to float64
		n        int
		want     []float64
	}{
		{0, 100, 4, []float64{0, 50, 100}}, {0, 10, 6, []float64{0, 2, 4, 6, 8, 10}}, {-3, 2, 4, []float64{-2, 0, 2}},
		{0, 0, 4, nil}, {1, math.Inf(1), 4, nil}, {0, 0.35, 4, []float64{0, 0.1, 0.2, 0.3}},
	} {
		got := ticks(c.from, c.to, c.n)
		same := slices.EqualFunc(got, c.want, func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })
		if !same {
			t.Errorf("ticks(%v, %v, %d) = %v, want %v", c.from, c.to, c.n, got, c.want)
		}
	}
}
