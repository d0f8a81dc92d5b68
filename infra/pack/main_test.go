package main

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRun(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "api")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	text := []byte(strings.Repeat("not really a program ", 1000))
	if err := os.WriteFile(filepath.Join(folder, "bootstrap"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(&out, 1_000_000, []string{folder}); err != nil || !strings.Contains(out.String(), "api") {
		t.Fatalf("%v: %s", err, &out)
	}
	first := read(t, folder+".zip")
	if err := run(io.Discard, 1_000_000, []string{folder}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, read(t, folder+".zip")) {
		t.Error("the same binary gives another zip")
	}
	z, err := zip.NewReader(bytes.NewReader(first), int64(len(first)))
	if err != nil || len(z.File) != 1 || z.File[0].Name != "bootstrap" || z.File[0].Mode() != 0o755 {
		t.Fatalf("%v, %+v", err, z)
	}
	f, err := z.Open("bootstrap")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, text) {
		t.Errorf("unpacked %d bytes, %v", len(got), err)
	}
	if err := run(io.Discard, 10, []string{folder}); !errors.Is(err, errTooLarge) {
		t.Errorf("over the limit: %v", err)
	}
	if err := run(io.Discard, 10, []string{dir}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a bootstrap: %v", err)
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
