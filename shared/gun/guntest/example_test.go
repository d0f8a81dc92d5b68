package guntest_test

import (
	"fmt"
	"io"
	"net/http"

	"oipnode/shared/gun/guntest"
)

// One registered record, as a peer lists it.
func Example() {
	peer := guntest.NewPeer(guntest.Options{})
	if err := peer.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer peer.Close()
	soul := peer.Publish(guntest.Record{
		PublicKey: "a key", LocalID: "1", Type: "post", Data: `{"basic":{"name":"Hello"}}`, NodeID: "node-a",
	})
	show(http.Get(peer.URL() + "/get?soul=oip:registry:index:post"))
	show(http.Get(peer.URL() + "/get?soul=" + soul + "/meta"))
	http.DefaultClient.CloseIdleConnections()
	fmt.Println(guntest.Expect(guntest.Policy{}, peer)[guntest.DID(soul)].Status)
	// Output:
	// {"success":true,"data":{"8fa3aab2faa9:1":{"soul":"8fa3aab2faa9:1","nodeId":"node-a","timestamp":1700000001000}}}
	// {"success":true,"data":{"encrypted":false}}
	// unverified
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
