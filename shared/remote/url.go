package remote

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// reserved are the ends of names that have no public host (RFC 6761, RFC 6762, RFC
// 7686, RFC 8375, and what is used in their place).
var reserved = []string{
	"localhost", "localdomain", "local", "internal", "intranet", "lan", "private", "corp", "home", "home.arpa", "onion", "invalid",
}

// CheckURL says whether a file could be fetched from a URL, as far as its text
// tells: ErrURL when not, ErrAddress when it names an address that is refused. What
// it returns is what Open asks for: in lower case where case means nothing, without
// the fragment and a port that goes without saying. It asks nothing of the network.
func (c *Client) CheckURL(text string) (*url.URL, error) {
	switch {
	case text == "":
		return nil, refuseURL("is missing")
	case len(text) > MaxURL:
		return nil, refuseURL("has %d bytes, at most %d are allowed", len(text), MaxURL)
	case !utf8.ValidString(text):
		return nil, refuseURL("is not valid UTF-8")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil: // its text repeats ours, which may hold a secret
		return nil, refuseURL("is not a valid URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, refuseURL("must begin with http:// or https://")
	case u.User != nil:
		return nil, refuseURL("must not hold credentials")
	case u.Opaque != "" || u.Host == "":
		return nil, refuseURL("has no host")
	}
	port, err := c.port(u)
	if err != nil {
		return nil, err
	}
	host := strings.ToLower(u.Hostname())
	if err := c.checkHost(host, strings.HasPrefix(u.Host, "[")); err != nil {
		return nil, err
	}
	u.Host = net.JoinHostPort(host, port)
	if port == standardPort[u.Scheme] {
		u.Host = strings.TrimSuffix(u.Host, ":"+port)
	}
	u.Fragment, u.RawFragment, u.ForceQuery = "", "", false
	u.RawQuery = escape(u.RawQuery)
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

func refuseURL(format string, args ...any) error {
	return fail(ErrURL, "the url "+fmt.Sprintf(format, args...), nil)
}

// standardPort is the port of a URL that names none.
var standardPort = map[string]string{"http": "80", "https": "443"}

// port is the port that a URL leads to, which must be one of the allowed.
func (c *Client) port(u *url.URL) (string, error) {
	text := u.Port()
	if text == "" {
		text = standardPort[u.Scheme]
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || !slices.Contains(c.opts.Ports, int(n)) {
		return "", refuseURL("has a port that is not allowed; allowed: %s", joined(c.opts.Ports))
	}
	return strconv.FormatUint(n, 10), nil
}

// joined lists ports for a message.
func joined(ports []int) string {
	texts := make([]string, len(ports))
	for i, p := range ports {
		texts[i] = strconv.Itoa(p)
	}
	return strings.Join(texts, ", ")
}

// checkHost checks the host of a URL: an address in its usual form, which must not
// be a refused one, or a name that may have a public address.
func (c *Client) checkHost(host string, bracketed bool) error {
	a, err := netip.ParseAddr(host)
	switch {
	case err == nil && a.Is4() == bracketed:
		return refuseURL("is not a valid URL")
	case err == nil:
		if why := c.opts.refuse(a); why != "" {
			return fail(ErrAddress, saysPrivate, errors.New(why))
		}
		return nil
	case bracketed:
		return refuseURL("is not a valid URL")
	}
	return c.checkName(host)
}

// checkName checks a host that is no address. Names in other alphabets are taken in
// their ASCII form only: there is more than one way to write them, and some lead to
// digits and dots.
func (c *Client) checkName(host string) error {
	if len(host) > 253 {
		return refuseURL("has a host of more than 253 bytes")
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		outside := func(r rune) bool { return r > 'z' || !alphanumeric(byte(r)) && r != '-' && r != '_' }
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, outside) {
			return refuseURL("must have a host of ASCII letters, digits, hyphens and dots, none at the end; other alphabets in the form xn--…")
		}
	}
	// 127.1, 0x7f000001 or 2130706433 are addresses to the older resolvers.
	if last := labels[len(labels)-1]; digits(last) || strings.HasPrefix(last, "0x") && digits(strings.Map(hexToZero, last[2:])) {
		return refuseURL("must have a host that is a name, or an address in its usual form")
	}
	if c.opts.AllowPrivate {
		return nil
	}
	if len(labels) == 1 {
		return refuseURL("must have a host with its whole name")
	}
	for _, end := range reserved {
		if strings.HasSuffix(host, "."+end) {
			return refuseURL("must not have a host below %q, which is never public", end)
		}
	}
	return nil
}

func alphanumeric(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

// digits reports whether a text is nothing but digits.
func digits(text string) bool { return strings.Trim(text, "0123456789") == "" }

func hexToZero(r rune) rune {
	if 'a' <= r && r <= 'f' {
		return '0'
	}
	return r
}

// escape writes what may not stand in a query as a request sends it the way browsers
// do; url.Parse leaves a query as it is.
func escape(query string) string {
	var b strings.Builder
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
