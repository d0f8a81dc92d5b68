// Package chart draws rows of measurements as panels of one SVG file, with a line
// through each. It is as much as a soak test needs and no more.
package chart

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
)

// Panel is one diagram.
type Panel struct {
	Title string
	// Unit stands behind the numbers of the vertical axis.
	Unit string
	// X are the moments, in seconds and ascending, Y what was measured then. Values that
	// are no numbers are left out.
	X, Y []float64
	// From is the moment from which on the line was fitted; what lies before is shaded.
	From float64
	// Intercept and Slope are the line's; none is drawn without Line.
	Line             bool
	Intercept, Slope float64
	// Note stands below the title.
	Note string
	// Bad draws the line in the colour of a fault.
	Bad bool
}

// Sizes in pixels.
const (
	columns      = 2
	panelWidth   = 460
	panelHeight  = 190
	marginLeft   = 62
	marginRight  = 14
	marginTop    = 46
	marginBottom = 24
	headHeight   = 34
)

// Colours, readable on white for those who see red and green alike.
const (
	colourText  = "#24292f"
	colourFaint = "#6e7781"
	colourGrid  = "#d8dee4"
	colourShade = "#f3f5f7"
	colourData  = "#54a0d8"
	colourGood  = "#1b4f8a"
	colourBad   = "#c2410c"
)

// SVG draws the panels below a title.
func SVG(title string, panels []Panel) []byte {
	rows := (len(panels) + columns - 1) / columns
	width, height := columns*panelWidth, headHeight+rows*panelHeight+8
	d := &drawing{}
	d.add(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="11">`, width, height, width, height)
	d.add("\n<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n", width, height)
	d.text(14, 22, "start", colourText, "15", title)
	for i, p := range panels {
		d.panel(p, float64(i%columns*panelWidth), float64(headHeight+i/columns*panelHeight))
	}
	d.add("</svg>\n")
	return d.Bytes()
}

// drawing is an SVG text that grows.
type drawing struct{ bytes.Buffer }

func (d *drawing) add(format string, args ...any) { fmt.Fprintf(d, format, args...) }

func (d *drawing) text(x, y float64, anchor, colour, size, s string) {
	d.add(`<text x="%s" y="%s" text-anchor="%s" fill="%s" font-size="%s">`, pixel(x), pixel(y), anchor, colour, size)
	_ = xml.EscapeText(d, []byte(s)) // a buffer takes everything
	d.add("</text>\n")
}

// panel draws one diagram with its upper left corner at x, y.
func (d *drawing) panel(p Panel, x, y float64) {
	a := axesOf(p, x+marginLeft, y+marginTop, panelWidth-marginLeft-marginRight, panelHeight-marginTop-marginBottom)
	d.text(x+14, y+18, "start", colourText, "13", p.Title)
	d.text(x+14, y+34, "start", colourFaint, "11", p.Note)
	if p.Line && p.From > a.minX {
		d.add(`<rect x="%s" y="%s" width="%s" height="%s" fill="%s"/>`+"\n", pixel(a.x), pixel(a.y), pixel(a.atX(p.From)-a.x), pixel(a.height), colourShade)
	}
	for _, v := range ticks(a.minY, a.maxY, 4) {
		at := a.atY(v)
		d.add(`<line x1="%s" y1="%s" x2="%s" y2="%s" stroke="%s"/>`+"\n", pixel(a.x), pixel(at), pixel(a.x+a.width), pixel(at), colourGrid)
		d.text(a.x-6, at+4, "end", colourFaint, "11", number(v)+p.Unit)
	}
	for _, v := range ticks(a.minX/60, a.maxX/60, 6) {
		d.text(a.atX(v*60), a.y+a.height+16, "middle", colourFaint, "11", number(v)+" min")
	}
	var points bytes.Buffer
	for i := range min(len(p.X), len(p.Y)) {
		if finite(p.X[i]) && finite(p.Y[i]) {
			fmt.Fprintf(&points, "%s,%s ", pixel(a.atX(p.X[i])), pixel(a.atY(p.Y[i])))
		}
	}
	d.add(`<polyline fill="none" stroke="%s" stroke-width="1.2" stroke-linejoin="round" points="%s"/>`+"\n", colourData, bytes.TrimSpace(points.Bytes()))
	if p.Line {
		colour := colourGood
		if p.Bad {
			colour = colourBad
		}
		from := max(p.From, a.minX)
		d.add(`<line x1="%s" y1="%s" x2="%s" y2="%s" stroke="%s" stroke-width="2"/>`+"\n",
			pixel(a.atX(from)), pixel(a.atY(p.Intercept+p.Slope*from)), pixel(a.atX(a.maxX)), pixel(a.atY(p.Intercept+p.Slope*a.maxX)), colour)
	}
}

// axes turn numbers into places.
type axes struct{ x, y, width, height, minX, maxX, minY, maxY float64 }

// axesOf shows all measurements and the zero, so that a little noise does not look
// like a lot.
func axesOf(p Panel, x, y, width, height float64) axes {
	a := axes{x: x, y: y, width: width, height: height, minX: math.Inf(1), maxX: math.Inf(-1)}
	for i := range min(len(p.X), len(p.Y)) {
		if finite(p.X[i]) && finite(p.Y[i]) {
			a.minX, a.maxX = min(a.minX, p.X[i]), max(a.maxX, p.X[i])
			a.minY, a.maxY = min(a.minY, p.Y[i]), max(a.maxY, p.Y[i])
		}
	}
	if a.minX >= a.maxX { // nothing, or a single moment
		a.minX, a.maxX = 0, 1
	}
	if a.minY >= a.maxY {
		a.maxY = a.minY + 1
	}
	a.maxY += (a.maxY - a.minY) / 20
	return a
}

func (a axes) atX(v float64) float64 { return a.x + clamp((v-a.minX)/(a.maxX-a.minX))*a.width }
func (a axes) atY(v float64) float64 {
	return a.y + a.height - clamp((v-a.minY)/(a.maxY-a.minY))*a.height
}

// clamp keeps a line inside its panel.
func clamp(v float64) float64 { return min(max(v, 0), 1) }

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// ticks are about n round numbers between two.
func ticks(from, to float64, n int) []float64 {
	if !finite(to-from) || to <= from {
		return nil
	}
	step := math.Pow(10, math.Floor(math.Log10((to-from)/float64(n))))
	for _, factor := range []float64{1, 2, 5, 10} {
		if (to-from)/(step*factor) <= float64(n) {
			step *= factor
			break
		}
	}
	var list []float64
	for i := math.Ceil(from / step); i*step <= to && len(list) <= 2*n; i++ {
		list = append(list, i*step)
	}
	return list
}

// number is a number without digits that say nothing.
func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// pixel is a place, to a tenth.
func pixel(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }
