package gatewaysim

import (
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"oipnode/shared/oip/canon"
)

// blockSeconds is about how long Arweave takes for a block, and genesis the
// moment of its first one (unix seconds); heights become timestamps by them.
const (
	blockSeconds = 131
	genesis      = 1528500720
)

// blockID is the id of a block (64 characters). It begins with the height, so
// that a block is found by its id without a table.
func blockID(height int64, fork int) string {
	sum := sha512.Sum384(fmt.Appendf(nil, "block %d %d", height, fork))
	binary.BigEndian.PutUint64(sum[:], uint64(height))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// blockIDAt is the id of the block that is at this height now.
func (c *Chain) blockIDAt(height int64) string {
	c.mu.RLock()
	fork := c.forks[height]
	c.mu.RUnlock()
	return blockID(height, fork)
}

// heightOf finds the block with this id; ok is false for none of this chain.
func (c *Chain) heightOf(id string) (height int64, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil || len(raw) != sha512.Size384 {
		return 0, false
	}
	height = int64(binary.BigEndian.Uint64(raw))
	return height, height >= 0 && height <= c.Tip() && c.blockIDAt(height) == id
}

// blockConnection answers a blocks query.
func (x *execution) blockConnection(dst []byte, f selection) ([]byte, *gqlerror.Error) {
	q, err := readQuestion(f.field, "height", x.vars)
	if err != nil {
		return dst, gqlerror.Wrap(err)
	}
	p, err := x.blocks(q)
	if err != nil {
		return dst, gqlerror.Wrap(err)
	}
	return x.connection(dst, f.fields, "Block", p), nil
}

// blocks answers a blocks query; every height up to the tip has a block. A block
// is an entry without an id.
func (x *execution) blocks(q question) (page, error) {
	lo, hi := max(q.blocks.min, 0), min(q.blocks.max, x.tip)
	if q.after != "" {
		c, err := x.server.readCursor(q.after)
		if err != nil {
			return page{}, err
		}
		if c.entry == nil || c.entry.ID != "" {
			return page{}, fmt.Errorf("%w: not of a block", errCursor)
		}
		if q.desc {
			hi = min(hi, c.entry.Height-1)
		} else {
			lo = max(lo, c.entry.Height+1)
		}
	}
	first := min(q.first, maxFirst)
	var heights []int64
	if q.filter.ids == nil {
		for i := range min(hi-lo+1, first+1) { // one more tells whether there is a next page
			if q.desc {
				heights = append(heights, hi-i)
			} else {
				heights = append(heights, lo+i)
			}
		}
	} else {
		for _, id := range q.filter.ids {
			if h, ok := x.server.chain.heightOf(id); ok && h >= lo && h <= hi {
				heights = append(heights, h)
			}
		}
		slices.Sort(heights)
		if q.desc {
			slices.Reverse(heights)
		}
	}
	p := page{hasNext: int64(len(heights)) > first}
	if p.hasNext {
		heights = heights[:first]
	}
	for _, h := range heights {
		e := &entry{Item: Item{Height: h}}
		p.edges = append(p.edges, edge{row: e, cursor: e})
	}
	return p, nil
}

// block appends the Block at a height.
func (x *execution) block(dst []byte, fields []selection, height int64) []byte {
	return appendObject(dst, fields, func(dst []byte, name string) []byte {
		switch name {
		case "id":
			return canon.AppendString(dst, x.server.chain.blockIDAt(height))
		case "previous":
			return canon.AppendString(dst, x.server.chain.blockIDAt(max(0, height-1)))
		case "height":
			return strconv.AppendInt(dst, height, 10)
		case "timestamp":
			return strconv.AppendInt(dst, genesis+height*blockSeconds, 10)
		}
		return canon.AppendString(dst, "Block")
	})
}
