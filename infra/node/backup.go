package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"oipnode/infra/node/archive"
	jobfile "oipnode/shared/jobs/local"
	"oipnode/shared/records/embedded"
	"oipnode/shared/snapshot"
	"oipnode/shared/state/bolt"
)

// writeBackup writes the archive of the data folder. Its three databases are copied as
// they are at one moment at which no cycle runs, the documents a moment before the state:
// then a removal in between is in the state, and the cycle behind the restore finishes
// it. Media are copied last; what is removed meanwhile is fetched again by the repair.
func (n *node) writeBackup(ctx context.Context, out io.Writer) (err error) {
	w, err := archive.NewWriter(out, time.Now())
	if err != nil {
		return err
	}
	defer w.Discard()
	format, err := os.ReadFile(filepath.Join(n.dir, formatFile))
	if err != nil {
		return err
	}
	if err := w.Add(ctx, archive.Text(formatFile, format)); err != nil {
		return err
	}
	copies, err := n.snapshots(ctx)
	defer func() {
		for _, c := range copies {
			c.snapshot.Close()
		}
	}()
	if err != nil {
		return err
	}
	for _, c := range copies {
		if err := w.Add(ctx, archive.Entry{Name: c.name, Size: c.snapshot.Size(), Body: c.snapshot}); err != nil {
			return err
		}
		c.snapshot.Close() // the file's pages can be used again
	}
	if err := w.Tree(ctx, filepath.Join(n.dir, "media"), "media"); err != nil {
		return err
	}
	return w.Close()
}

// copied is a database that is copied.
type copied struct {
	name     string
	snapshot *snapshot.Snapshot
}

// snapshots begins the copies, while no cycle runs.
func (n *node) snapshots(ctx context.Context) (list []copied, err error) {
	done, err := n.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	for _, c := range []struct {
		name  string
		begin func() (*snapshot.Snapshot, error)
	}{
		{"records/" + embedded.DocumentsFile, func() (*snapshot.Snapshot, error) { return n.records.Snapshot(ctx) }},
		{"state.db", n.state.Snapshot},
		{"jobs.db", n.media.queue.Snapshot},
	} {
		s, err := c.begin()
		if err != nil {
			return list, fmt.Errorf("%s: %w", c.name, err)
		}
		list = append(list, copied{c.name, s})
	}
	return list, nil
}

// backup serves the archive. One that is cut off has no sums at its end, so a failure
// needs no other sign than the end of the connection.
func (d *desk) backup(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	ctx, cancel := within(ctx, r)
	defer cancel()
	w.Header().Set("Content-Type", "application/x-tar")
	out := newPatientWriter(w)
	err := d.node.writeBackup(ctx, out)
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		d.node.log.WarnContext(ctx, "backup", "error", err)
		panic(http.ErrAbortHandler)
	}
	d.node.log.InfoContext(ctx, "backup done")
}

// Restored is what a restore came to.
type Restored struct {
	Folder    string `json:"folder"`
	Files     int64  `json:"files"`
	Bytes     int64  `json:"bytes"`
	Documents int64  `json:"documents"`
}

// restore makes the data folder out of an archive. The folder must be empty or absent. It
// appears whole, with every store opened once and the index built, or not at all.
func (n *node) restore(ctx context.Context, in io.Reader) (done Restored, err error) {
	dir, err := dataFolder(n.config)
	if err != nil {
		return done, err
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return done, fmt.Errorf("%w: %s is not empty; remove it, or set DATA_DIR to another folder", errFolder, dir)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return done, fmt.Errorf("%w: DATA_DIR: %w", errFolder, err)
	}
	temporary, err := os.MkdirTemp(filepath.Dir(dir), "restoring-*")
	if err != nil {
		return done, fmt.Errorf("%w: DATA_DIR: %w", errFolder, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temporary)) }()
	done.Folder = dir
	if done.Files, done.Bytes, err = archive.Unpack(ctx, in, temporary); err != nil {
		return done, err
	}
	if done.Documents, err = n.tryOut(ctx, temporary); err != nil {
		return done, err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return done, fmt.Errorf("%w: %w", errFolder, err)
	}
	if err := os.Rename(temporary, dir); err != nil {
		return done, fmt.Errorf("%w: %w", errFolder, err)
	}
	return done, syncFolder(filepath.Dir(dir))
}

// tryOut opens everything in a folder once, which also builds the index.
func (n *node) tryOut(ctx context.Context, dir string) (documents int64, err error) {
	if _, err := os.Stat(filepath.Join(dir, formatFile)); err != nil {
		return 0, fmt.Errorf("%w: it has no %s", archive.ErrArchive, formatFile)
	}
	if _, err := prepareFolder(dir, n.config); err != nil {
		return 0, err
	}
	st, err := bolt.Open(filepath.Join(dir, "state.db"), bolt.Options{})
	if err != nil {
		return 0, storeError(dir, err)
	}
	err = st.Verify(ctx)
	if err = errors.Join(err, st.Close()); err != nil {
		return 0, err
	}
	queue, err := jobfile.Open(filepath.Join(dir, "jobs.db"), jobfile.Options{})
	if err != nil {
		return 0, storeError(dir, err)
	}
	if err := queue.Close(); err != nil {
		return 0, err
	}
	rec, err := embedded.Open(ctx, filepath.Join(dir, "records"), embedded.Options{Logger: n.log})
	if err != nil {
		return 0, storeError(dir, err)
	}
	h, err := rec.Health(ctx)
	return h.Documents, errors.Join(err, rec.Close())
}
