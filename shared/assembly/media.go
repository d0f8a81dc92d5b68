package assembly

import (
	"log/slog"
	"net/url"
	"slices"
	"strconv"

	"oipnode/shared/config"
	"oipnode/shared/library"
	"oipnode/shared/media"
	"oipnode/shared/remote"
	"oipnode/shared/state"
)

// Library are the settings of the library over these stores: what is fetched, from where,
// and how much of it. Queue, Records and, where the gateways are none of the network's,
// Gateways and GatewayRemote are the caller's to set.
func Library(c config.Config, s state.Store, m media.Store, log *slog.Logger) library.Options {
	return library.Options{
		State: s, Media: m, Log: log,
		Remote: Remote(c.Media, c.Media.Ports), Gateways: c.Chain.Gateways,
		GatewayRemote: Remote(c.Media, append(Ports(c.Chain.Gateways...), c.Media.Ports...)),
		BaseURL:       c.HTTP.PublicBaseURL, MaxBytes: c.Media.MaxBytes, Timeout: c.Media.Timeout,
	}
}

// Remote is the client that reads the sources of media, at these ports.
func Remote(c config.Media, ports []int) *remote.Client {
	return remote.New(remote.Options{
		Ports: ports, AllowPrivate: c.AllowPrivate, MaxBytes: c.MaxBytes, Timeout: c.Timeout, UserAgent: "oipnode/" + Version,
	})
}

// Ports are the ports of URLs that name one: those of the gateways are the operator's
// choice, other than those of a stranger's URL.
func Ports(urls ...string) []int {
	var ports []int
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil {
			continue
		}
		if n, err := strconv.Atoi(u.Port()); err == nil && !slices.Contains(ports, n) {
			ports = append(ports, n)
		}
	}
	return ports
}
