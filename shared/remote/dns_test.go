package remote

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
)

// zone is a DNS server with names of the test. Each look-up of a name answers with
// its next list of addresses, the last one again and again.
type zone struct {
	mu    sync.Mutex
	hosts map[string][][]netip.Addr
	asked map[string]int
	conn  net.PacketConn
}

// serveDNS starts a server, and returns a resolver that asks it.
func serveDNS(t *testing.T, hosts map[string][][]netip.Addr) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	z := &zone{hosts: hosts, asked: map[string]int{}, conn: conn}
	done := make(chan struct{})
	go func() {
		defer close(done)
		z.run()
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func (z *zone) run() {
	packet := make([]byte, 1500)
	for {
		n, from, err := z.conn.ReadFrom(packet)
		if err != nil {
			return
		}
		if answer := z.answer(packet[:n]); answer != nil {
			_, _ = z.conn.WriteTo(answer, from)
		}
	}
}

// Types of records, and a code of an answer.
const (
	typeA     = 1
	typeAAAA  = 28
	noSuchAny = 3
)

// answer makes the answer to a query with one question.
func (z *zone) answer(query []byte) []byte {
	const header = 12
	if len(query) < header {
		return nil
	}
	var labels []string
	at := header
	for at < len(query) && query[at] != 0 {
		end := at + 1 + int(query[at])
		if end > len(query) {
			return nil
		}
		labels = append(labels, string(query[at+1:end]))
		at = end
	}
	end := at + 5
	if end > len(query) {
		return nil
	}
	kind := binary.BigEndian.Uint16(query[at+1:])
	name := strings.ToLower(strings.Join(labels, "."))
	addresses, known := z.look(name, kind)
	out := append([]byte(nil), query[:end]...)
	binary.BigEndian.PutUint16(out[2:], 0x8180) // an answer, with recursion
	if !known {
		out[3] |= noSuchAny
	}
	binary.BigEndian.PutUint16(out[6:], uint16(len(addresses)))
	clear(out[8:header])
	for _, a := range addresses {
		b := a.AsSlice()
		out = append(out, 0xc0, header, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(b)))
		out = append(out, b...)
	}
	return out
}

// look returns the addresses of one kind. Both kinds of a look-up get the same list.
func (z *zone) look(name string, kind uint16) (found []netip.Addr, known bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	lists, known := z.hosts[name]
	if !known {
		return nil, false
	}
	n := z.asked[name] / 2
	z.asked[name]++
	for _, a := range lists[min(n, len(lists)-1)] {
		if kind == typeA && a.Is4() || kind == typeAAAA && a.Is6() {
			found = append(found, a)
		}
	}
	return found, true
}

// hasIPv6 reports whether this machine has sockets of IPv6 at all; without, the
// dialer ends before it knows an address.
func hasIPv6() bool {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}
