package sample

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"oipnode/shared/gatewaysim"
	"oipnode/shared/oip"
)

// maxLine is the longest line of a chain file in bytes. The longest one holds the
// template of the languages, 18 KB.
const maxLine = 1 << 20

// ErrFormat is returned for a file that is not a chain.
var ErrFormat = errors.New("sample: not a chain file")

// line is one transaction of the file. Data is text: everything that OIP signs is
// JSON, so that the file can be read and searched as it is.
type line struct {
	ID        string    `json:"id"`
	Height    int64     `json:"height"`
	Bundled   bool      `json:"bundled,omitempty"`
	VisibleAt int64     `json:"visibleAt,omitempty"`
	Owner     string    `json:"owner"`
	Tags      []oip.Tag `json:"tags"`
	Data      string    `json:"data"`
}

// Encode writes items as a chain file, one line each. Data that is not UTF-8
// cannot be written so and is ErrFormat.
func Encode(w io.Writer, items []gatewaysim.Item) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, it := range items {
		if !utf8.Valid(it.Data) {
			return fmt.Errorf("%w: the data of %s is not UTF-8", ErrFormat, it.ID)
		}
		l := line{it.ID, it.Height, it.Bundled, it.VisibleAt, it.Owner, it.Tags, string(it.Data)}
		if err := enc.Encode(l); err != nil {
			return fmt.Errorf("sample: write %s: %w", it.ID, err)
		}
	}
	return nil
}

// Decode reads a chain file, in its order. Whatever it cannot read is ErrFormat
// with the number of the line; an empty file is an empty chain.
func Decode(r io.Reader) ([]gatewaysim.Item, error) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxLine)
	var items []gatewaysim.Item
	for n := 1; scanner.Scan(); n++ {
		var l line
		if err := json.Unmarshal(scanner.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrFormat, n, err)
		}
		if !oip.ValidID(l.ID) || l.Height <= 0 || l.VisibleAt < 0 {
			return nil, fmt.Errorf("%w: line %d: id %.60q at height %d", ErrFormat, n, l.ID, l.Height)
		}
		items = append(items, gatewaysim.Item{
			ID: l.ID, Tags: l.Tags, Data: []byte(l.Data), Owner: l.Owner,
			Height: l.Height, Bundled: l.Bundled, VisibleAt: l.VisibleAt,
		})
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return items, nil
}
