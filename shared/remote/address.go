package remote

import (
	"context"
	"fmt"
	"net/netip"
	"syscall"
)

// special is a range of addresses that belongs to nobody whom a stranger may name,
// and what it is for, as the IANA registries of special-purpose addresses say.
type special struct {
	prefix netip.Prefix
	use    string
}

// specials are looked through in this order. Of IPv6 all that is not in global is
// refused anyway; what stands here from there only has a better name in the log.
var specials = []special{
	{netip.MustParsePrefix("0.0.0.0/8"), "this network"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private"},
	{netip.MustParsePrefix("100.64.0.0/10"), "carrier's own"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("168.63.129.16/32"), "a cloud's own"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private"},
	{netip.MustParsePrefix("192.0.0.0/24"), "protocol assignments"},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation"},
	{netip.MustParsePrefix("192.88.99.0/24"), "6to4 relay"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking"},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"}, // and broadcast

	{netip.MustParsePrefix("::/128"), "unspecified"},
	{netip.MustParsePrefix("::1/128"), "loopback"},
	{netip.MustParsePrefix("::ffff:0:0/96"), "IPv4 mapped"},
	{netip.MustParsePrefix("::/96"), "IPv4 compatible"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "local NAT64"},
	{netip.MustParsePrefix("2001::/32"), "Teredo"},
	{netip.MustParsePrefix("2001::/23"), "protocol assignments"},
	{netip.MustParsePrefix("2001:db8::/32"), "documentation"},
	{netip.MustParsePrefix("2002::/16"), "6to4"},
	{netip.MustParsePrefix("3fff::/20"), "documentation"},
	{netip.MustParsePrefix("fc00::/7"), "unique local"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("fec0::/10"), "site-local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}

var (
	// global is all that is given out of IPv6 to be reached from everywhere.
	global = netip.MustParsePrefix("2000::/3")
	// nat64 is where a gateway of an IPv6 network shows IPv4's hosts (RFC 6052); the
	// last four bytes are the address that it connects to.
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
)

// Address says why no stranger may send us to an address: in a word or two for the
// log, "" when he may. An IPv6 address that holds one of IPv4 is refused, since
// nobody needs it to name a public host, but for that of NAT64, which is how a
// network without IPv4 reaches one: there the IPv4 address decides.
func Address(a netip.Addr) string {
	if a.Zone() != "" {
		return "zone" // it names one of this machine's interfaces
	}
	if nat64.Contains(a) {
		b := a.As16()
		if why := Address(netip.AddrFrom4([4]byte(b[12:]))); why != "" {
			return "NAT64 of " + why
		}
		return ""
	}
	for _, s := range specials {
		if s.prefix.Contains(a) {
			return s.use
		}
	}
	if !a.IsValid() || a.Is6() && !global.Contains(a) {
		return "not assigned"
	}
	return ""
}

// admit is called by the dialer with the address that it is about to connect to,
// and lets it when it is no refused one.
func (c *Client) admit(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %q is no address", ErrAddress, address)
	}
	if why := c.opts.refuse(to.Addr()); why != "" {
		return fmt.Errorf("%w: %s is %s", ErrAddress, to.Addr(), why)
	}
	return nil
}
