package library

import (
	"context"
	"io"
	"net/url"
	"strings"

	"oipnode/shared/oip"
)

// Remote reads files somewhere else. Its errors have an errs.Kind and a public message,
// which says nothing of addresses inside: the class decides whether the source is tried
// again.
type Remote interface {
	// CheckURL refuses what can be refused by its text alone.
	CheckURL(text string) (*url.URL, error)
	// Open begins to read. The context governs the reading as well. A file that does
	// not come whole ends with an error, never with an early io.EOF.
	Open(ctx context.Context, u *url.URL) (*Incoming, error)
}

// Incoming is a file that is being read.
type Incoming struct {
	io.ReadCloser
	// Name and Type are what the source calls the file; empty when it does not.
	Name, Type string
}

// arweaveScheme begins the source that is a transaction of Arweave and not a URL.
const arweaveScheme = "ar://"

// transaction is the id in a source that is a transaction.
func transaction(source string) (id string, ok bool) {
	id, ok = strings.CutPrefix(source, arweaveScheme)
	return id, ok && oip.ValidID(id)
}

// place is one address where a source can be had.
type place struct {
	remote Remote
	url    string
}

// places are where the source of an item can be had, in the order of preference.
func (l *Library) places(source string) []place {
	id, ok := transaction(source)
	if !ok {
		return []place{{l.opt.Remote, source}}
	}
	var all []place
	for _, base := range l.opt.Gateways {
		all = append(all, place{l.opt.GatewayRemote, strings.TrimRight(base, "/") + "/raw/" + id})
	}
	return all
}

// open begins to read at a place.
func (p place) open(ctx context.Context) (*Incoming, error) {
	u, err := p.remote.CheckURL(p.url)
	if err != nil {
		return nil, err
	}
	return p.remote.Open(ctx, u)
}
