package files

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"oipnode/shared/media"
)

const (
	// shardLen is how many characters of a leaf name its folder.
	shardLen = 2
	// chunk is how many names of a folder are read at a time.
	chunk = 256
)

// List implements media.Store. Since the folders xx are in the order of the names,
// it reads one after the other until the page is full.
func (s *Store) List(ctx context.Context, kind, after string, limit int) ([]media.Object, error) {
	limit, err := media.CheckList(kind, after, limit)
	if err != nil {
		return nil, err
	}
	from := strings.TrimPrefix(after, kind+"/") // the leaf that was last
	shards, err := s.shards(ctx, kind, from)
	if err != nil {
		return nil, fault("list "+kind, err)
	}
	var page []media.Object
	for _, shard := range shards {
		for leaf := from; ; {
			leaves, err := s.leaves(ctx, kind, shard, leaf, limit-len(page))
			if err != nil {
				return nil, err
			}
			if page, err = s.stat(ctx, page, kind, leaves); err != nil {
				return nil, err
			}
			if len(page) == limit {
				return page, nil
			}
			if len(leaves) == 0 {
				break
			}
			leaf = leaves[len(leaves)-1] // some of them were deleted meanwhile, or were the last
		}
	}
	return page, nil
}

// stat appends the objects of these leaves that are still there.
func (s *Store) stat(ctx context.Context, page []media.Object, kind string, leaves []string) ([]media.Object, error) {
	for _, leaf := range leaves {
		o, err := s.Stat(ctx, kind+"/"+leaf)
		switch {
		case err == nil:
			page = append(page, o)
		case !errors.Is(err, media.ErrNotFound):
			return nil, err
		}
	}
	return page, nil
}

// shards are the folders of a kind that can hold leaves behind the given one, in
// order. Their number is bounded by the characters that a leaf may begin with.
func (s *Store) shards(ctx context.Context, kind, from string) ([]string, error) {
	var shards []string
	err := eachName(ctx, filepath.Join(s.root, kind), func(name string) {
		if len(name) == shardLen && media.CheckName(kind+"/"+name) == nil && name >= from[:min(len(from), shardLen)] {
			shards = append(shards, name)
		}
	})
	slices.Sort(shards)
	return shards, err
}

// leaves are the first names of a shard behind the given one, in order.
func (s *Store) leaves(ctx context.Context, kind, shard, from string, limit int) ([]string, error) {
	var first largest
	err := eachName(ctx, filepath.Join(s.root, kind, shard), func(leaf string) {
		switch {
		case leaf <= from || !strings.HasPrefix(leaf, shard) || media.CheckName(kind+"/"+leaf) != nil:
		case len(first) < limit:
			heap.Push(&first, leaf)
		case leaf < first[0]:
			first[0] = leaf
			heap.Fix(&first, 0)
		}
	})
	if err != nil {
		return nil, fault("list "+kind, err)
	}
	slices.Sort(first)
	return first, nil
}

// largest is a heap whose first element is the largest.
type largest []string

func (l largest) Len() int           { return len(l) }
func (l largest) Less(i, j int) bool { return l[i] > l[j] }
func (l largest) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l *largest) Push(x any)        { *l = append(*l, x.(string)) }
func (l *largest) Pop() any {
	last := (*l)[len(*l)-1]
	*l = (*l)[:len(*l)-1]
	return last
}

// eachName visits the names in a folder, a chunk at a time and in no order. An
// absent folder has none.
func eachName(ctx context.Context, dir string, visit func(name string)) (err error) {
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		names, err := f.Readdirnames(chunk)
		for _, name := range names {
			visit(name)
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// Sweep removes what Puts left behind that were killed: temporary files that nobody
// wrote to for the given time, which must be longer than a body may pause. It
// returns how many it removed.
func (s *Store) Sweep(ctx context.Context, age time.Duration) (removed int, err error) {
	dir := filepath.Join(s.root, tempDir)
	end := s.now().Add(-age)
	var faults []error
	err = eachName(ctx, dir, func(name string) {
		path := filepath.Join(dir, name)
		info, err := os.Lstat(path)
		if err == nil && info.Mode().IsRegular() && info.ModTime().Before(end) {
			if err = os.Remove(path); err == nil {
				removed++
			}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			faults = append(faults[:min(len(faults), 1)], err)
		}
	})
	if err = cmp.Or(err, errors.Join(faults...)); err != nil && ctx.Err() == nil {
		return removed, fault("sweep", err)
	}
	return removed, err
}
