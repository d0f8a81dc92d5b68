package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"oipnode/infra/sample"
	"oipnode/shared/config"
	"oipnode/shared/records/embedded"
	"oipnode/shared/state/bolt"
)

// liveConfig is a configuration for live gateways with a data folder.
func liveConfig(dir string) config.Config {
	var c config.Config
	c.Node.DataDir = dir
	c.Chain.StartHeight = 1579570
	c.Chain.ColdRescan = time.Hour
	return c
}

func TestDataFolders(t *testing.T) {
	c := liveConfig(t.TempDir())
	live, err := dataFolder(c)
	if err != nil {
		t.Fatal(err)
	}
	c.Chain.Sample = true
	bundled, err := dataFolder(c)
	if err != nil {
		t.Fatal(err)
	}
	if live == bundled || filepath.Dir(live) != c.Node.DataDir || filepath.Dir(bundled) != c.Node.DataDir {
		t.Errorf("%s for live gateways, %s for the sample; want two folders of %s", live, bundled, c.Node.DataDir)
	}
}

func TestPrepareFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	c := liveConfig(dir)
	for range 2 {
		got, err := prepareFolder(dir, c)
		if want := (layout{Format: folderFormat, Network: networkLive, StartHeight: 1579570}); err != nil || got != want {
			t.Fatalf("prepareFolder = %+v, %v, want %+v", got, err, want)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "format.json" {
		t.Errorf("the folder has %v, %v, want format.json alone", entries, err)
	}

	c.Chain.StartHeight = 2000000
	if got, err := prepareFolder(dir, c); err != nil || got.StartHeight != 1579570 {
		t.Errorf("with a later START_HEIGHT: %+v, %v; the folder still begins where it began", got, err)
	}
}

func TestPrepareSampleFolder(t *testing.T) {
	dir := t.TempDir()
	c := liveConfig(dir)
	c.Chain.Sample = true
	got, err := prepareFolder(dir, c)
	if err != nil || got.Network != networkSample || got.Edition != sample.Digest() {
		t.Errorf("prepareFolder = %+v, %v", got, err)
	}
}

// Every refusal is one line that names the folder or the variable to change.
func TestFolderRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		files  map[string]string
		change func(*config.Config)
		want   []string
	}{
		"an older version": {files: map[string]string{"format.json": `{"format":0}`}, want: []string{"older version", "DATA_DIR"}},
		"a newer version":  {files: map[string]string{"format.json": `{"format":99}`}, want: []string{"newer version", "DATA_DIR"}},
		"damaged":          {files: map[string]string{"format.json": `{"for`}, want: []string{"damaged", "DATA_DIR"}},
		"empty":            {files: map[string]string{"format.json": ``}, want: []string{"damaged", "DATA_DIR"}},
		"another network": {files: map[string]string{"format.json": `{"format":1,"network":"sample"}`},
			want: []string{"sample", "ARWEAVE_GATEWAYS"}},
		"another edition": {files: map[string]string{"format.json": `{"format":1,"network":"sample","edition":"old"}`},
			change: func(c *config.Config) { c.Chain.Sample = true }, want: []string{"another edition", "remove it"}},
		"state without format":   {files: map[string]string{"state.db": "x"}, want: []string{"state.db", "no format.json", "DATA_DIR"}},
		"records without format": {files: map[string]string{"records": "x"}, want: []string{"records", "no format.json", "DATA_DIR"}},
		"a gap that is never read": {files: map[string]string{"format.json": `{"format":1,"network":"arweave","startHeight":1600000}`},
			change: func(c *config.Config) { c.Chain.ColdRescan = 0 }, want: []string{"START_HEIGHT", "COLD_RESCAN"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range tt.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			c := liveConfig(dir)
			if tt.change != nil {
				tt.change(&c)
			}
			_, err := prepareFolder(dir, c)
			checkRefusal(t, err, append(tt.want, dir)...)
		})
	}
}

func checkRefusal(t *testing.T, err error, want ...string) {
	t.Helper()
	if !errors.Is(err, errFolder) {
		t.Fatalf("the error is %v, want one that is %q", err, errFolder)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("%q is more than one line", err)
	}
}

func TestLowerStartHeightIsReadByTheColdPass(t *testing.T) {
	dir := t.TempDir()
	c := liveConfig(dir)
	if _, err := prepareFolder(dir, c); err != nil {
		t.Fatal(err)
	}
	c.Chain.StartHeight = 1000
	if got, err := prepareFolder(dir, c); err != nil || got.StartHeight <= 1000 {
		t.Errorf("prepareFolder = %+v, %v", got, err)
	}
}

func TestFolderBelowAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(file, "data")
	_, err := prepareFolder(dir, liveConfig(dir))
	checkRefusal(t, err, "DATA_DIR", file)
}

func TestWriteFileLeavesNothingBehindOnFailure(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "format.json")
	if err := os.MkdirAll(filepath.Join(path, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(path, []byte("text")); err == nil {
		t.Fatal("a file was written over a folder")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the folder has %v, %v", entries, err)
	}
}

func TestStoreErrors(t *testing.T) {
	if err := storeError("dir", nil); err != nil {
		t.Errorf("no error became %v", err)
	}
	for cause, want := range map[error]string{
		bolt.ErrLocked:      "in use by another process",
		embedded.ErrLocked:  "in use by another process",
		bolt.ErrFormat:      "another version",
		embedded.ErrFormat:  "another version",
		bolt.ErrCorrupt:     "damaged",
		embedded.ErrCorrupt: "damaged",
		os.ErrPermission:    os.ErrPermission.Error(),
	} {
		checkRefusal(t, storeError("/data/live", fmt.Errorf("open: %w", cause)), want, "DATA_DIR")
	}
}
