package main

import (
	"context"
	"fmt"
	"time"

	"oipnode/infra/sample"
	"oipnode/shared/gatewaysim"
	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
)

// recordsPerBlock is how many new records a block of the chain has.
const recordsPerBlock = 3

// source is the gateway that the node indexes: the sample chain, which then grows.
type source struct {
	chain  *gatewaysim.Chain
	server *gatewaysim.Server
	signer *oiptest.Signer
	// template is what the new records are made with.
	template  string
	bootstrap string
}

// openSource serves the chain on a port of its own.
func openSource() (*source, error) {
	chain, err := sample.Load()
	if err != nil {
		return nil, err
	}
	manifest, err := sample.ReadManifest()
	if err != nil {
		return nil, err
	}
	chain.Step() // the late bundle is there from the start
	s := &source{chain: chain, signer: oiptest.NewSigner("soak", 4096), bootstrap: manifest.Bootstrap}
	template := s.signer.Template("soak", []byte(`{"name":"string","index_name":0,"text":"string","index_text":1}`))
	s.template = template.ID
	if err := s.add(sample.Tip-100, s.signer.Registration("soak", "Test"), template); err != nil {
		return nil, err
	}
	s.server = gatewaysim.NewServer(chain, gatewaysim.Options{IndexesBundles: true})
	if err := s.server.Start(); err != nil {
		return nil, fmt.Errorf("serve the chain: %w", err)
	}
	return s, nil
}

func (s *source) add(height int64, txs ...oip.Transaction) error {
	for _, tx := range txs {
		if err := s.chain.Add(height, gatewaysim.Item{ID: tx.ID, Tags: tx.Tags, Data: tx.Data}); err != nil {
			return err
		}
	}
	return nil
}

// grow mines a block with new records.
func (s *source) grow(_ context.Context, i int, _ time.Time) error {
	height := s.chain.Tip() + 1
	for n := range recordsPerBlock {
		record := s.signer.Record("soak", oiptest.Object{Template: s.template, Values: map[int]any{
			0: fmt.Sprintf("record %d of block %d", n, i), 1: "written while the node is under load",
		}})
		if err := s.add(height, record); err != nil {
			return err
		}
	}
	s.chain.SetTip(height)
	return nil
}

// indexed waits until the node has everything up to the chain's end.
func (s *source) indexed(ctx context.Context, p *process) error {
	return until(ctx, "the node has not indexed the chain", patience, func() (bool, error) {
		var h struct {
			Checkpoint int64
			LastCycle  *struct{ Complete bool }
		}
		err := p.ask(ctx, "/api/health/keepdb", &h)
		return err == nil && h.LastCycle != nil && h.LastCycle.Complete && h.Checkpoint == s.chain.Tip(), err
	})
}
