package gatewaysim_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"oipnode/shared/gatewaysim"
	"oipnode/shared/oip"
)

// One record, visible in GraphQL and as data at a gateway of its own port.
func Example() {
	chain := gatewaysim.NewChain(1_600_000)
	item := gatewaysim.Item{
		ID:   gatewaysim.IDFor("a record"),
		Tags: []oip.Tag{{Name: "Index-Method", Value: "OIP"}, {Name: "Ver", Value: "0.8.0"}},
		Data: []byte(`[{"0":"hello","t":"basic"}]`),
	}
	if err := chain.Add(1_599_990, item); err != nil {
		fmt.Println(err)
		return
	}
	gateway := gatewaysim.NewServer(chain, gatewaysim.Options{})
	if err := gateway.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer gateway.Close()

	const query = `{"query":"{transactions(tags:[{name:\"Index-Method\",values:[\"OIP\"]}]){edges{node{block{height}}}}}"}`
	show(http.Post(gateway.URL()+"/graphql", "application/json", strings.NewReader(query)))
	show(http.Get(gateway.URL() + "/raw/" + item.ID))
	http.DefaultClient.CloseIdleConnections()
	fmt.Println(gateway.Requests().Total(), "requests")
	// Output:
	// {"data":{"transactions":{"edges":[{"node":{"block":{"height":1599990}}}]}}}
	// [{"0":"hello","t":"basic"}]
	// 2 requests
}

func show(resp *http.Response, err error) {
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(body))
}
