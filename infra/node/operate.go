package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"oipnode/shared/indexer"
	"oipnode/shared/maintenance"
)

// checkSlice is for how long a check keeps index cycles waiting at a time.
const checkSlice = 20 * time.Second

// operate does an operator's task over the node's own stores: that of a running node for
// a command, or that of the command itself when no node runs.
func (n *node) operate(ctx context.Context, q maintenance.Request, emit func(any) error) (any, error) {
	m := maintenance.Maintenance{
		Records: n.records, State: n.state, Media: n.media.library, RefreshCycles: n.config.Index.RefreshCycles, Memory: n.memory,
		Indexer: func() (*indexer.Indexer, error) {
			o := n.indexing()
			o.Progress = nil // it is the display's, and that is of the cycles
			return indexer.New(o), nil
		},
		Files: n.media.files, Where: n.mediaPath,
		Secret: func(context.Context) ([]byte, error) { return n.config.HTTP.JWTSecret.Reveal(), nil },
		Holder: holder, Now: time.Now, Emit: emit, Turn: n.turn, Slice: checkSlice,
	}
	return m.Run(ctx, q)
}

// mediaPath is the file of an object of the media store.
func (n *node) mediaPath(name string) string {
	kind, leaf, _ := strings.Cut(name, "/")
	return filepath.Join(n.dir, "media", kind, leaf[:2], leaf)
}

// turn waits until nobody in this process works as the only writer. All of them have the
// same name in the lease of the cycles, so that one could not keep another out.
func (n *node) turn(ctx context.Context) (done func(), err error) {
	select {
	case n.turns <- struct{}{}:
		return func() { <-n.turns }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the turn: %w", ctx.Err())
	}
}

// orderlyIndex is the indexer, whose cycles wait for their turn.
type orderlyIndex struct {
	cycler
	turn func(ctx context.Context) (done func(), err error)
}

func (o orderlyIndex) Run(ctx context.Context) (indexer.Report, error) {
	done, err := o.turn(ctx)
	if err != nil {
		return indexer.Report{}, err
	}
	defer done()
	return o.cycler.Run(ctx)
}
