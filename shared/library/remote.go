package library

import (
	"context"
	"net/url"
	"strings"

	"oipnode/shared/oip"
	"oipnode/shared/remote"
)

// Remote reads files somewhere else; remote.Client is one.
type Remote interface {
	// CheckURL refuses what can be refused by its text alone.
	CheckURL(text string) (*url.URL, error)
	// Open begins to read. Its errors, and those of the stream, say by their class
	// whether the source is worth another try, and what may be told of them.
	Open(ctx context.Context, text string) (*remote.Stream, error)
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
