package gatewaysim

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"oipnode/shared/upstream"
)

// cursor is a position after a row. Gateways with an even seed hand out the
// row's place in the order (entry), those with an odd one its offset.
type cursor struct {
	entry   *entry // height and id of a row, without its item; nil for an offset
	offset  int
	pending bool // the row was pending
}

// appendCursor appends the opaque text of a row's position. A block has no id.
func (s *Server) appendCursor(dst []byte, e *entry, offset int) []byte {
	var raw [96]byte
	b := strconv.AppendUint(raw[:0], s.opts.Seed, 36)
	if s.opts.Seed%2 == 0 || e.ID == "" {
		b = append(b, " k "...)
		b = strconv.AppendInt(b, e.Height, 10)
		b = append(b, ' ')
		b = append(b, e.ID...)
	} else {
		b = append(b, " o "...)
		b = strconv.AppendInt(b, int64(offset), 10)
		b = append(b, ' ')
		if e.Height == 0 {
			b = append(b, 'p')
		}
	}
	return base64.RawURLEncoding.AppendEncode(dst, b)
}

// readCursor understands the cursors of this gateway only.
func (s *Server) readCursor(text string) (cursor, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return cursor{}, errCursor
	}
	part := strings.Split(string(raw), " ")
	if len(part) != 4 || part[0] != strconv.FormatUint(s.opts.Seed, 36) {
		return cursor{}, fmt.Errorf("%w: of another gateway", errCursor)
	}
	n, err := strconv.ParseInt(part[2], 10, 32)
	if err != nil || n < 0 {
		return cursor{}, errCursor
	}
	if part[1] == "o" {
		return cursor{offset: int(n), pending: part[3] == "p"}, nil
	}
	e := &entry{Item: Item{ID: part[3], Height: n}, hash: upstream.Hash(part[3])}
	return cursor{entry: e, pending: n == 0}, nil
}
