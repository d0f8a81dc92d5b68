package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"oipnode/shared/api"
	"oipnode/shared/apigw"
	"oipnode/shared/assembly"
	"oipnode/shared/config"
	"oipnode/shared/function"
	"oipnode/shared/library"
	"oipnode/shared/pace"
	"oipnode/shared/relay"
	"oipnode/shared/voice"
)

// maxAnswer is the largest list that is answered, in bytes. A response is JSON that
// holds the body as a string, so that the quotes of a body cost two bytes each; six
// megabytes of it are what API Gateway takes.
const maxAnswer = 4_400_000

func newHandler(p *function.Parts) (any, error) {
	l := &lazy{parts: p}
	var err error
	if l.relay, err = assembly.Relaying(p.Config.Gun, p.Log); err != nil {
		return nil, err
	}
	if url := p.Config.AWS.GunQueueURL; url != "" {
		queue, err := p.Queue(url, "")
		if err != nil {
			return nil, fmt.Errorf("GUN_QUEUE_URL: %w", err)
		}
		l.queue = queue
	}
	return apigw.Lambda(l, apigw.Options{Log: p.Log}), nil
}

// lazy is the API, made when the first request comes. While its parts cannot be
// opened, every request is answered with 503 and tries again.
type lazy struct {
	parts *function.Parts
	relay *relay.Relay // nil without one
	queue pace.Sender  // that of the function gunsync; nil without GUN_QUEUE_URL

	mu   sync.Mutex
	api  http.Handler
	keys *keyring // as soon as api is there
}

func (l *lazy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h, err := l.handler(r.Context())
	if err != nil {
		api.Down(err, l.parts.Metrics, l.parts.Log).ServeHTTP(w, r)
		return
	}
	l.keys.renew(r)
	h.ServeHTTP(w, r)
}

func (l *lazy) handler(ctx context.Context) (http.Handler, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.api != nil {
		return l.api, nil
	}
	stores, err := l.parts.Stores(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := authenticator(ctx, l.parts)
	if err != nil {
		return nil, err
	}
	c := l.parts.Config
	// A gateway hands answers on when they are whole: a stream ends with its first
	// events, or before the gateway gives up, and its reader comes again.
	dialogues, err := voice.New(voice.Options{State: stores.State, Timeout: c.Voice.DialogueTimeout, Buffered: true, Log: l.parts.Log})
	if err != nil {
		return nil, err
	}
	var media *library.Library
	if l.parts.HasMedia() {
		if media, err = l.parts.Library(stores.State, stores.Records); err != nil {
			return nil, err
		}
	}
	l.keys = keys
	l.api = api.New(api.Options{
		Records: stores.Records, State: stores.State, Auth: keys.Authenticator, Voice: dialogues, Media: media, Version: assembly.Version,
		GunSync: l.gunSync(stores), Relay: l.relay, Operations: operations(c.HTTP.Operations),
		StartHeight: c.Chain.StartHeight, RefreshCycles: c.Index.RefreshCycles, MaxAnswer: maxAnswer,
		CacheBytes: c.Index.CacheBytes, CacheLife: c.Index.CacheTTL,
		Metrics: l.parts.Metrics, Memory: l.parts.Memory, Log: l.parts.Log,
	})
	return l.api, nil
}

// operations is who may do operations. Behind a gateway nobody calls from this machine,
// whatever an event says.
func operations(o config.Operations) config.Operations {
	if o == config.OperationsLoopback {
		return config.OperationsAdmin
	}
	return o
}

// gunSync is the sync, which another function runs; a message starts it. It is nil where
// there is nothing to synchronize with.
func (l *lazy) gunSync(stores function.Stores) *api.GunSync {
	c := l.parts.Config
	if !assembly.Syncs(c.Gun) {
		return nil
	}
	return &api.GunSync{Settings: assembly.Syncing(c, stores.Records, stores.State), Force: l.force}
}

func (l *lazy) force(ctx context.Context) error {
	if l.queue == nil {
		return errors.New("GUN_QUEUE_URL is not set")
	}
	return pace.Force(ctx, l.queue)
}
