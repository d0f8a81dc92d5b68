package indexer

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"testing"

	"go.uber.org/goleak"

	"oipnode/shared/gatewaysim"
	"oipnode/shared/oip/oiptest"
)

// serveEnv makes the test binary a gateway over so many records instead: the
// benchmarks run it as a process of its own, so that their heap is the node's.
const serveEnv = "OIPNODE_TEST_SERVE_RECORDS"

func TestMain(m *testing.M) {
	if n, err := strconv.Atoi(os.Getenv(serveEnv)); err == nil {
		if err := serveRecords(n); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// benchBlocks is how many blocks the benchmark's records are spread over.
const benchBlocks = 2000

// serveRecords serves n records, signed with 4096-bit keys, until its input ends.
func serveRecords(n int) error {
	chain := gatewaysim.NewChain(worldStart + benchBlocks)
	if err := fillChain(chain, n, 4096); err != nil {
		return err
	}
	sim := gatewaysim.NewServer(chain, gatewaysim.Options{IndexesBundles: true})
	if err := sim.Start(); err != nil {
		return err
	}
	fmt.Println(sim.URL())
	_, _ = io.Copy(io.Discard, os.Stdin)
	return sim.Close()
}

// benchText makes a record about 2 KB with its envelope, as real ones are.
const benchText = "A plain account of an ordinary day, with the amounts and the times that somebody will want to look up later. "

// fillChain puts a creator, a template and n records on a chain.
func fillChain(chain *gatewaysim.Chain, n, bits int) error {
	signer := oiptest.NewSigner("bench", bits)
	reg := signer.Registration("bench", "")
	tpl := signer.Template("basic", []byte(definitions[0].def))
	add := func(height int64, tx gatewaysim.Item) error { return chain.Add(height, tx) }
	if err := add(worldStart, gatewaysim.Item{ID: reg.ID, Tags: reg.Tags, Data: reg.Data}); err != nil {
		return err
	}
	if err := add(worldStart, gatewaysim.Item{ID: tpl.ID, Tags: tpl.Tags, Data: tpl.Data}); err != nil {
		return err
	}
	for i := range n {
		tx := signer.Record("post", oiptest.Object{Template: tpl.ID, Values: map[int]any{
			0: fmt.Sprintf("Record number %d", i), 1: benchText[i%7:] + benchText, 2: 1700000000 + i, 8: []string{"bench", fmt.Sprint("tag", i%50)},
		}})
		height := worldStart + 1 + int64(i)*(benchBlocks-40)/int64(n)
		if err := add(height, gatewaysim.Item{ID: tx.ID, Tags: tx.Tags, Data: tx.Data}); err != nil {
			return err
		}
	}
	return nil
}
