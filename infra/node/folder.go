package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"oipnode/infra/sample"
	"oipnode/shared/config"
	jobfile "oipnode/shared/jobs/local"
	"oipnode/shared/records/embedded"
	"oipnode/shared/state/bolt"
)

// folderFormat is the version of the layout below a data folder:
//
//	format.json   what the folder holds
//	state.db      the state store; its lock is what makes the folder this node's
//	records/      the record store
//	media/        the files that were fetched
//	jobs.db       the fetches that wait
//	operate.json  while a node runs: where its commands find it (desk.go)
const folderFormat = 1

// formatFile says what the folder holds.
const formatFile = "format.json"

// Names of the networks, and of their folders below DATA_DIR.
const (
	networkSample = "sample"
	networkLive   = "arweave"
	folderSample  = "sample"
	folderLive    = "live"
)

// errFolder is the cause of every refusal to use a data folder. The texts around
// it are for the operator and name what to change.
var errFolder = errors.New("the data folder cannot be used")

// errInUse is errFolder for a folder that another process has.
var errInUse = fmt.Errorf("%w", errFolder)

// layout is format.json. It is written before anything else comes into the folder,
// so stores without it are none of ours.
type layout struct {
	Format  int    `json:"format"`
	Network string `json:"network"`
	// Edition is the sample's; ids of another edition are others.
	Edition string `json:"edition,omitempty"`
	// StartHeight is START_HEIGHT of the first start: nothing below it was ever
	// read by the windows.
	StartHeight int64 `json:"startHeight"`
}

// dataFolder returns the folder of the chosen network.
func dataFolder(c config.Config) (string, error) {
	name := folderLive
	if c.Chain.Sample {
		name = folderSample
	}
	dir, err := filepath.Abs(filepath.Join(c.Node.DataDir, name))
	if err != nil {
		return "", fmt.Errorf("%w: DATA_DIR: %w", errFolder, err)
	}
	return dir, nil
}

// prepareFolder makes the folder, or checks that what it holds is of this version,
// this network and, for the sample, this edition. It is safe to repeat, and safe
// to be killed at any moment.
func prepareFolder(dir string, c config.Config) (layout, error) {
	want := layout{Format: folderFormat, Network: networkLive, StartHeight: c.Chain.StartHeight}
	if c.Chain.Sample {
		want.Network, want.Edition = networkSample, sample.Digest()
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return layout{}, fmt.Errorf("%w: DATA_DIR: %w", errFolder, err)
	}
	path := filepath.Join(dir, formatFile)
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return want, beginFolder(dir, path, want)
	case err != nil:
		return layout{}, fmt.Errorf("%w: DATA_DIR: %w", errFolder, err)
	}
	var got layout
	if err := json.Unmarshal(text, &got); err != nil {
		return layout{}, fmt.Errorf("%w: %s is damaged (%w); set DATA_DIR to another folder, where the index is built anew", errFolder, path, err)
	}
	return got, got.check(dir, want, c.Chain.ColdRescan > 0)
}

// check compares what a folder holds with what this node needs.
func (got layout) check(dir string, want layout, cold bool) error {
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s %s", errFolder, dir, fmt.Sprintf(format, args...))
	}
	switch {
	case got.Format < want.Format:
		return refuse("was made by an older version (format %d, this one has %d); set DATA_DIR to another folder, where the index is built anew", got.Format, want.Format)
	case got.Format > want.Format:
		return refuse("was made by a newer version (format %d, this one has %d); use that version, or set DATA_DIR to another folder", got.Format, want.Format)
	case got.Network != want.Network:
		return refuse("holds the network %q, not %q; set DATA_DIR to another folder, or ARWEAVE_GATEWAYS to that network", got.Network, want.Network)
	case got.Edition != want.Edition:
		return refuse("holds another edition of the sample chain; remove it, and it is built anew in seconds")
	case want.StartHeight < got.StartHeight && !cold:
		return refuse("begins at block %d, and START_HEIGHT is %d: with COLD_RESCAN=0 the blocks between would never be read; turn COLD_RESCAN on, or set DATA_DIR to another folder", got.StartHeight, want.StartHeight)
	}
	return nil
}

// beginFolder writes format.json into a folder without stores.
func beginFolder(dir, path string, l layout) error {
	for _, name := range []string{"state.db", "records"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return fmt.Errorf("%w: %s has a %s but no format.json, so it was made by an older version or by something else; set DATA_DIR to another folder", errFolder, dir, name)
		}
	}
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	if err := writeFile(path, append(text, '\n')); err != nil {
		return fmt.Errorf("%w: DATA_DIR: %w", errFolder, err)
	}
	return nil
}

// writeFile makes a file appear whole or not at all, also after a power cut.
func writeFile(path string, text []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes the entries of a folder durable.
func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// storeError words the refusals of the stores for the operator.
func storeError(dir string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bolt.ErrLocked), errors.Is(err, embedded.ErrLocked), errors.Is(err, jobfile.ErrLocked):
		return fmt.Errorf("%w: %s is in use by another process; stop that node, or set DATA_DIR to another folder", errInUse, dir)
	case errors.Is(err, bolt.ErrFormat), errors.Is(err, embedded.ErrFormat), errors.Is(err, jobfile.ErrFormat):
		return fmt.Errorf("%w: %s was made by another version (%w); set DATA_DIR to another folder, where the index is built anew", errFolder, dir, err)
	case errors.Is(err, bolt.ErrCorrupt), errors.Is(err, embedded.ErrCorrupt), errors.Is(err, jobfile.ErrCorrupt):
		return fmt.Errorf("%w: %s is damaged (%w); set DATA_DIR to another folder, where the index is built anew", errFolder, dir, err)
	}
	return fmt.Errorf("%w: DATA_DIR: %w", errFolder, err)
}
