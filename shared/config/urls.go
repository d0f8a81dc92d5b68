package config

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// link takes a URL with one of the schemes and a host, and without credentials,
// query or fragment. A slash at its end is dropped.
func link(dst *string, schemes ...string) kind {
	allowed := fmt.Sprintf("an %s URL of at most 2048 bytes without credentials, query or fragment", oneOf(schemes))
	return kind{allowed: allowed, set: func(text string) string {
		u, err := url.Parse(text)
		if err != nil || len(text) > 2048 || strings.ContainsAny(text, "?#") || u.User != nil ||
			u.Hostname() == "" || !validHost(u.Hostname()) || !validPort(u.Port(), true) {
			return scrub(text)
		}
		for _, s := range schemes {
			if u.Scheme == s {
				*dst = strings.TrimRight(u.String(), "/")
				return ""
			}
		}
		return scrub(text)
	}}
}

// origin takes where a page comes from, as browsers write it: a scheme and a host, and a
// port if it is not the scheme's own.
func origin(dst *string) kind {
	var entry string
	url := link(&entry, "http", "https")
	return kind{allowed: "an origin such as https://app.example or http://localhost:8080", set: func(text string) string {
		text = strings.ToLower(strings.TrimSuffix(text, "/"))
		if rejected := url.set(text); rejected != "" {
			return rejected
		}
		if _, host, _ := strings.Cut(text, "://"); strings.Contains(host, "/") {
			return text
		}
		*dst = text
		return ""
	}}
}

// scrub takes out of a rejected URL what may be a password or a token: what
// stands before an @, after a ? or #, and the whole host of a URL that cannot be
// parsed, since a comma in a password cuts it in the middle.
func scrub(text string) string {
	scheme, rest := "", text
	if i := strings.Index(text, "://"); i >= 0 && strings.IndexFunc(text[:i], notAlphanumeric) < 0 {
		scheme, rest = text[:i+3], text[i+3:]
	}
	if _, err := url.Parse(text); err != nil {
		return scheme + redacted
	}
	if i := strings.LastIndex(rest, "@"); i >= 0 {
		rest = redacted + rest[i:]
	}
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		rest = rest[:i+1] + redacted
	}
	return scheme + rest
}

// address takes host:port, portOnly a port of this machine's loopback.
func address(dst *string) kind {
	return kind{allowed: "host:port with a port from 0 (any free one) to 65535", set: func(text string) string {
		host, port, err := net.SplitHostPort(text)
		if err != nil || !validPort(port, false) || !validHost(host) {
			return text
		}
		*dst = text
		return ""
	}}
}

func portOnly(dst *string) kind {
	return kind{allowed: "a port number from 0 (any free one) to 65535", set: func(text string) string {
		if !validPort(text, false) {
			return text
		}
		*dst = net.JoinHostPort("127.0.0.1", text)
		return ""
	}}
}

func validPort(text string, optional bool) bool {
	if text == "" {
		return optional
	}
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

// validHost accepts nothing (every interface), an address, or a host's name.
func validHost(host string) bool {
	if len(host) > 253 {
		return false
	}
	for _, r := range host {
		if notAlphanumeric(r) && !strings.ContainsRune(".-_:%", r) {
			return false
		}
	}
	return true
}

// samePort reports whether a host:port address has the port.
func samePort(address, port string) bool {
	_, own, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	a, errA := strconv.ParseUint(own, 10, 16)
	b, errB := strconv.ParseUint(port, 10, 16)
	return errA == nil && errB == nil && a == b
}
