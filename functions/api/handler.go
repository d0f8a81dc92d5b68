package main

import (
	"context"
	"net/http"
	"sync"

	"oipnode/shared/api"
	"oipnode/shared/apigw"
	"oipnode/shared/assembly"
	"oipnode/shared/function"
	"oipnode/shared/pace"
	"oipnode/shared/voice"
)

// maxAnswer is the largest list that is answered, in bytes. A response is JSON that
// holds the body as a string, so that the quotes of a body cost two bytes each; six
// megabytes of it are what API Gateway takes.
const maxAnswer = 4_400_000

func newHandler(p *function.Parts) (any, error) {
	return apigw.Handler(&lazy{parts: p}, apigw.Options{Log: p.Log}), nil
}

// lazy is the API, made when the first request comes. While its parts cannot be
// opened, every request is answered with 503 and tries again.
type lazy struct {
	parts *function.Parts

	mu  sync.Mutex
	api http.Handler
}

func (l *lazy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h, err := l.handler(r.Context())
	if err != nil {
		api.Down(err, l.parts.Metrics, l.parts.Log).ServeHTTP(w, r)
		return
	}
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
	auth, err := l.parts.Authenticator(ctx)
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
	sync, err := l.gunSync(stores)
	if err != nil {
		return nil, err
	}
	l.api = api.New(api.Options{
		Records: stores.Records, State: stores.State, Auth: auth, Voice: dialogues, GunSync: sync, Version: assembly.Version,
		StartHeight: c.Chain.StartHeight, RefreshCycles: c.Index.RefreshCycles, MaxAnswer: maxAnswer,
		Metrics: l.parts.Metrics, Log: l.parts.Log,
	})
	return l.api, nil
}

// gunSync is the sync that the function gunsync runs; nil when there is none. A wish for
// a pass is a message to that function.
func (l *lazy) gunSync(stores function.Stores) (*api.GunSync, error) {
	c := l.parts.Config
	if !assembly.Syncs(c.Gun) || c.AWS.GunQueueURL == "" {
		return nil, nil
	}
	queue, err := l.parts.Queue(c.AWS.GunQueueURL)
	if err != nil {
		return nil, err
	}
	return &api.GunSync{
		Settings: assembly.Syncing(c, stores.Records, stores.State),
		Force:    func(ctx context.Context) error { return pace.Force(ctx, queue) },
	}, nil
}
