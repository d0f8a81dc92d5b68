package gateway_test

import (
	"fmt"
	"testing"

	"oipnode/shared/gateway"
	"oipnode/shared/gatewaysim"
	"oipnode/shared/oip"
)

// TestLookupUnderRowLimit reads more ids than the gateway wants to match at once.
func TestLookupUnderRowLimit(t *testing.T) {
	chain := gatewaysim.NewChain(100)
	var ids []string
	for i := range 90 {
		id := gatewaysim.IDFor(fmt.Sprint(i))
		ids = append(ids, id)
		if err := chain.Add(50, gatewaysim.Item{ID: id, Tags: []oip.Tag{{Name: "a", Value: "b"}}}); err != nil {
			t.Fatal(err)
		}
	}
	sim := gatewaysim.NewServer(chain, gatewaysim.Options{RowLimit: 20})
	if err := sim.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sim.Close() }()
	gw, err := gateway.Dial(sim.URL(), gateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer gw.Close()
	nodes, err := gw.Lookup(t.Context(), ids)
	if err != nil || len(nodes) != len(ids) {
		t.Errorf("%d of %d, %v", len(nodes), len(ids), err)
	}
}
