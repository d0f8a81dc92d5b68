package guntest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"oipnode/shared/gun/guntest"
)

// BenchmarkFlood reads records of a flood, each made and signed when it is asked for;
// no network.
func BenchmarkFlood(b *testing.B) {
	for name, unsigned := range map[string]bool{"signed": false, "unsigned": true} {
		b.Run(name, func(b *testing.B) {
			flood := guntest.Flood{Signer: alice, Type: "post", Count: 1 << 30, Unsigned: unsigned}
			p := guntest.NewPeer(guntest.Options{})
			p.Flood(flood)
			for i := 0; b.Loop(); i++ {
				w := httptest.NewRecorder()
				p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/gun-relay/get?soul="+flood.Soul(i), nil))
				if w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}
