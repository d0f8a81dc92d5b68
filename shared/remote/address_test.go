package remote

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"oipnode/shared/errs"
)

// refusedTexts are URLs that lead, or led some client, to what is not public.
var refusedTexts = []string{
	// IPv4, in the usual form
	"http://127.0.0.1/", "http://127.255.255.254/", "http://0.0.0.0/", "http://0.1.2.3/", "http://10.0.0.1/", "http://10.255.255.255/",
	"http://100.64.0.1/", "http://100.100.100.200/latest/meta-data/", "http://100.127.255.255/", "http://168.63.129.16/metadata",
	"http://169.254.169.254/latest/meta-data/iam/security-credentials/", "http://169.254.170.2/v2/credentials", "http://169.254.0.1/",
	"http://172.16.0.1/", "http://172.31.255.255/", "http://192.0.0.1/", "http://192.0.0.192/opc/v2/", "http://192.0.2.1/", "http://192.88.99.1/",
	"http://192.168.0.1/", "http://192.168.255.255/", "http://198.18.0.1/", "http://198.19.255.255/", "http://198.51.100.1/",
	"http://203.0.113.1/", "http://224.0.0.1/", "http://239.255.255.250/", "http://240.0.0.1/", "http://255.255.255.255/",
	// IPv4, in other spellings
	"http://2130706433/", "http://017700000001/", "http://0x7f000001/", "http://0X7F000001/", "http://127.1/", "http://127.0.1/",
	"http://0177.0.0.1/", "http://0x7f.0.0.1/", "http://127.0.0.0x1/", "http://0/", "http://0x0/", "http://127.0.0.1./", "http://127.00.0.1/",
	"http://2852039166/latest/", "http://0xa9.0xfe.0xa9.0xfe/", "http://0251.0376.0251.0376/", "http://425.510.425.510/", "http://1.2.3.4.5/",
	"http://%31%32%37.0.0.1/", "http://127。0。0。1/", "http://１２７.0.0.1/", "http://①②⑦.⓪.⓪.①/", "http://127.0.0.1%00.example.org/",
	// IPv6
	"http://[::]/", "http://[::1]/", "http://[0:0:0:0:0:0:0:1]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/",
	"http://[::ffff:169.254.169.254]/", "http://[::ffff:8.8.8.8]/", "http://[::127.0.0.1]/", "http://[::8.8.8.8]/", "http://[::ffff:0:127.0.0.1]/",
	"http://[64:ff9b::127.0.0.1]/", "http://[64:ff9b::a9fe:a9fe]/", "http://[64:ff9b:1::8.8.8.8]/", "http://[2002:7f00:1::]/", "http://[2002:808:808::1]/",
	"http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/", "http://[2001::1]/", "http://[2001:2::1]/", "http://[2001:10::1]/", "http://[2001:db8::1]/",
	"http://[3fff::1]/", "http://[100::1]/", "http://[fc00::1]/", "http://[fd00:ec2::254]/latest/", "http://[fd20:ce::254]/", "http://[fe80::1]/",
	"http://[fe80::1%25eth0]/", "http://[2606:4700::1111%251]/", "http://[::1%25lo]/", "http://[fec0::1]/", "http://[ff02::1]/",
	"http://[5f00::1]/", "http://[4000::1]/", "http://[127.0.0.1]/", "http://::1/",
	// names
	"http://localhost/", "http://LOCALHOST/", "http://localhost./", "http://a.localhost/", "http://localhost.localdomain/", "http://metadata/",
	"http://instance-data/latest/", "http://metadata.google.internal/", "http://printer.local/", "http://router.lan/", "http://nas.home.arpa/",
	"http://hidden.onion/", "http://-/", "http://a..b/", "http://a.b./", "http://ex ample.org/", "http://exam_ple/", "http://b\u00fccher.example.org/",
}

func TestRefusedTexts(t *testing.T) {
	t.Logf("%d targets", len(refusedTexts))
	c := New(Options{})
	for _, text := range refusedTexts {
		u, err := c.CheckURL(text)
		if err == nil {
			t.Errorf("%s is taken for %s", text, u)
			continue
		}
		if errs.Status(err) != 400 {
			t.Errorf("%s: %v", text, err)
		}
		if s, err := c.Open(t.Context(), text); err == nil {
			t.Errorf("%s was opened: %+v", text, s.Info)
		}
	}
}

// refusedAddresses are those that a name may resolve to, whatever its text says.
var refusedAddresses = []string{
	"0.0.0.0", "0.255.255.255", "10.1.2.3", "100.64.0.0", "100.127.255.255", "127.0.0.1", "127.8.8.8", "168.63.129.16", "169.254.169.254", "169.254.170.2",
	"172.16.0.0", "172.31.255.255", "192.0.0.8", "192.0.0.170", "192.0.2.255", "192.88.99.2", "192.168.1.1", "198.18.0.0", "198.19.255.255",
	"198.51.100.7", "203.0.113.7", "224.0.0.251", "232.1.1.1", "239.1.1.1", "240.0.0.0", "254.1.1.1", "255.255.255.255",
	"::", "::1", "::2", "::7f00:1", "::ffff:7f00:1", "::ffff:10.0.0.1", "::ffff:0:7f00:1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b::a9fe:a9fe",
	"64:ff9b::c0a8:1", "64:ff9b::", "64:ff9b::ffff:ffff", "64:ff9b:1::808:808", "64:ff9b:1:ffff::1", "100::", "100:0:0:1::1", "2001::", "2001:0:1::1", "2001:2::", "2001:1f::1",
	"2001:20::1", "2001:1ff:ffff::", "2001:db8::", "2001:db8:ffff::", "2002::", "2002:a00:1::", "2002:808:808::", "3fff::", "3fff:fff:ffff::", "4000::", "5f00::1", "8000::",
	"fc00::", "fd00:ec2::254", "fdff::", "fe00::1", "fe80::1", "febf::1", "fec0::1", "feff::1", "ff00::", "ff02::1", "ff0e::1",
}

// publicAddresses are those beside the edges of the ranges, and some that are used.
var publicAddresses = []string{
	"1.0.0.0", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "168.63.129.15", "168.63.129.17",
	"169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0", "192.0.3.0", "192.88.98.255", "192.88.100.0",
	"192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255",
	"2000::1", "2001:200::1", "2001:4860:4860::8888", "2001:db7:ffff::", "2001:db9::", "2003::1", "2606:4700:4700::1111", "2a00:1450::1", "3ffe::1", "3fff:1000::",
	"64:ff9b::808:808", "64:ff9b::d8d:8d8",
}

func TestAddress(t *testing.T) {
	for _, text := range refusedAddresses {
		if why := Address(netip.MustParseAddr(text)); why == "" {
			t.Errorf("%s is public", text)
		}
	}
	for _, text := range publicAddresses {
		if why := Address(netip.MustParseAddr(text)); why != "" {
			t.Errorf("%s is refused: %s", text, why)
		}
	}
	for _, a := range []netip.Addr{{}, netip.MustParseAddr("2606:4700::1%eth0"), netip.MustParseAddr("64:ff9b::808:808%1")} {
		if Address(a) == "" {
			t.Errorf("%q is public", a)
		}
	}
}

// TestNames: what a name resolves to is looked at when it is dialled, also when only
// one of several addresses is a refused one and the others do not answer.
func TestNames(t *testing.T) {
	hosts := map[string][][]netip.Addr{}
	for i, text := range refusedAddresses {
		hosts[fmt.Sprintf("h%d.example.org", i)] = [][]netip.Addr{{netip.MustParseAddr(text)}}
	}
	c := New(Options{Resolver: serveDNS(t, hosts)})
	for i, text := range refusedAddresses {
		_, err := c.Open(t.Context(), fmt.Sprintf("http://h%d.example.org/", i))
		if a := netip.MustParseAddr(text); a.Is6() && !hasIPv6() {
			if err == nil {
				t.Errorf("%s was reached", text)
			}
			continue
		}
		want(t, err, ErrAddress, errs.Permanent)
	}
	_, err := c.Open(t.Context(), "http://absent.example.org/")
	want(t, err, ErrUnavailable, errs.Transient)
}

// One address of the test's machine counts as public, another does not.
var (
	public  = netip.MustParseAddr("127.0.0.1")
	private = netip.MustParseAddr("127.0.0.2")
)

// here is the rule about addresses on such a machine.
func here(a netip.Addr) string {
	if a == public {
		return ""
	}
	return Address(a)
}

// TestRebinding: a name that is public when it is looked up first, and private the
// second time, gets no further than the first connection, be it by a redirect or by
// a stream that is continued.
func TestRebinding(t *testing.T) {
	for name, first := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) },
		"resume":   cut(1000, whole),
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, first, whole)
			resolver := serveDNS(t, map[string][][]netip.Addr{
				"rebind.example.org": {{public}, {private}},
				"steady.example.org": {{public}},
			})
			c := client(t, Options{Resolver: resolver, refuse: here}, s)
			_, _, err := read(t, c, strings.Replace(s.file(), "127.0.0.1", "rebind.example.org", 1))
			want(t, err, ErrAddress, errs.Permanent)
			if n := len(s.requests()); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
			// The same way without a change succeeds.
			s = serve(t, first, whole)
			c = client(t, Options{Resolver: resolver, refuse: here}, s)
			got, _, err := read(t, c, strings.Replace(s.file(), "127.0.0.1", "steady.example.org", 1))
			if err != nil || string(got) != string(content) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}

// TestRedirectToRefused: a redirect is checked like the URL that was given.
func TestRedirectToRefused(t *testing.T) {
	resolver := serveDNS(t, map[string][][]netip.Addr{"inside.example.org": {{private}}})
	inside := serve(t, whole)
	targets := append([]string{
		strings.Replace(inside.file(), "127.0.0.1", "inside.example.org", 1), strings.Replace(inside.file(), "127.0.0.1", "127.0.0.2", 1),
		"//127.0.0.2/", "file:///etc/passwd", "gopher://127.0.0.1/", "ftp://example.org/", "http://u:p@example.org/", "http://example.org:22/", "javascript:1",
		"http:///", "http://" + strings.Repeat("a", MaxURL), "", ":", "http://example.org/\x00",
	}, refusedTexts...)
	for _, target := range targets {
		location := func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Location"] = []string{target}
			w.WriteHeader(http.StatusFound)
		}
		s := serve(t, location)
		c := client(t, Options{Ports: []int{80}, Resolver: resolver, refuse: here}, s, inside)
		if target == "http://127.0.0.1/" || strings.HasPrefix(target, "http://127.0.0.1%00") {
			continue // the one address that this test calls public
		}
		_, _, err := read(t, c, s.file())
		if errs.ClassOf(err) != errs.Permanent || len(s.requests()) != 1 {
			t.Errorf("a redirect to %q was answered with %v after %d requests", target, err, len(s.requests()))
		}
		s.Close()
	}
	if n := len(inside.requests()); n > 0 {
		t.Errorf("%d requests reached what was refused", n)
	}
}

// TestNoProxy: a proxy of the environment would dial for us.
func TestNoProxy(t *testing.T) {
	proxy, s := serve(t, whole), serve(t, whole)
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	resolver := serveDNS(t, map[string][][]netip.Addr{"file.example.org": {{public}}})
	c := client(t, Options{Resolver: resolver}, s)
	if _, _, err := read(t, c, strings.Replace(s.file(), "127.0.0.1", "file.example.org", 1)); err != nil {
		t.Error(err)
	}
	if len(proxy.requests()) > 0 || len(s.requests()) != 1 {
		t.Errorf("the proxy had %d requests, the source %d", len(proxy.requests()), len(s.requests()))
	}
}

// TestNothingIsSent: a refused address does not even see a connection.
func TestNothingIsSent(t *testing.T) {
	s := serve(t, whole)
	c := New(Options{Ports: []int{port(t, s.URL)}, Resolver: serveDNS(t, map[string][][]netip.Addr{
		"loop.example.org": {{public}}, "both.example.org": {{public, netip.IPv6Loopback()}},
	})})
	for _, host := range []string{"127.0.0.1", "localhost", "loop.example.org", "both.example.org"} {
		_, err := c.Open(t.Context(), strings.Replace(s.file(), "127.0.0.1", host, 1))
		if errs.ClassOf(err) != errs.Permanent {
			t.Errorf("%s: %v", host, err)
		}
	}
	if n := len(s.requests()); n > 0 {
		t.Errorf("%d requests", n)
	}
}
