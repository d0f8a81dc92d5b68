// Command pack makes the zip files of the functions, as Lambda takes them, and shows
// how large they are:
//
//	pack -limit 8388608 build/lambda/api build/lambda/keepdb …
//
// Each folder holds one file, bootstrap; its zip is written beside the folder, with a
// fixed time, so that the same binary gives the same bytes. A zip over the limit is an
// error.
package main

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// errTooLarge means that a zip is over the limit; all are written nevertheless.
var errTooLarge = errors.New("larger than the limit")

func main() {
	limit := flag.Int64("limit", 8<<20, "most `bytes` of one zip")
	flag.Parse()
	if err := run(os.Stdout, *limit, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, limit int64, folders []string) error {
	if len(folders) == 0 {
		return errors.New("no folder was named")
	}
	var errs []error
	for _, folder := range folders {
		binary, err := os.ReadFile(filepath.Join(folder, "bootstrap"))
		if err != nil {
			return err
		}
		packed, err := pack(binary)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Clean(folder)+".zip", packed, 0o644); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%-14s bootstrap %5.1f MB  zip %4.2f MB  sha256 %x\n", filepath.Base(folder),
			float64(len(binary))/1e6, float64(len(packed))/1e6, sha256.Sum256(packed)); err != nil {
			return err
		}
		if int64(len(packed)) > limit {
			errs = append(errs, fmt.Errorf("%s: the zip has %d bytes: %w of %d", folder, len(packed), errTooLarge, limit))
		}
	}
	return errors.Join(errs...)
}

// pack is the zip of one executable file. Its time is the earliest that a zip can have.
func pack(binary []byte) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	h := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
	h.SetMode(0o755)
	w, err := z.CreateHeader(h)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(binary); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
