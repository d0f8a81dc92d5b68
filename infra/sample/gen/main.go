// Command gen writes the sample chain: chain.ndjson and manifest.json of package
// sample.
//
//	go run ./infra/sample/gen [-o folder]
//
// The words are in the folder content. The keys are new ones on every run, real
// 4096-bit keys, and are forgotten when it ends: nobody can sign for the sample's
// creators afterwards. So all ids change, and the result is committed as data.
//
// The folder content is checked against the committed chain by a test; change
// both or neither.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"oipnode/infra/sample"
)

func main() {
	folder := flag.String("o", filepath.Join("infra", "sample"), "folder of chain.ndjson and manifest.json")
	flag.Parse()
	if err := run(*folder); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(folder string) error {
	words, err := readContent()
	if err != nil {
		return err
	}
	items, manifest, err := write(words, newKey)
	if err != nil {
		return err
	}
	var chain bytes.Buffer
	if err := sample.Encode(&chain, items); err != nil {
		return err
	}
	text, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "chain.ndjson"), chain.Bytes(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "manifest.json"), append(text, '\n'), 0o644)
}
