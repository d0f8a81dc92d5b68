package main

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"oipnode/shared/access"
	"oipnode/shared/function"
	"oipnode/shared/function/tokenkey"
)

const (
	// keyLife is how long a key that was read of SSM is used before it is read again: a
	// process can live for hours, and a key is replaced because somebody else has it.
	keyLife = 5 * time.Minute
	// keyPause is how long SSM is left alone when it did not answer.
	keyPause = time.Minute
	// keyWait is what a request waits at most for the key to be read again: with the
	// longest that it may take itself, there must be time left to answer.
	keyWait = time.Second
)

// keyring tells who sends a request, by the key that is in force.
type keyring struct {
	*access.Authenticator
	read func(context.Context) ([]byte, error) // nil for a key that cannot change
	now  func() time.Time
	log  *slog.Logger

	mu sync.Mutex
	// next is when the key is read again, by the clock on the wall: the other one may
	// stand still while Lambda has frozen the process.
	next time.Time
}

// authenticator makes the keyring of a process. Without a key every request is anonymous.
func authenticator(ctx context.Context, p *function.Parts) (*keyring, error) {
	secret, err := tokenkey.Read(ctx, p)
	if err != nil {
		return nil, err
	}
	auth, err := access.NewAuthenticator(access.Settings{
		Secret: secret, PublicBaseURL: p.Config.HTTP.PublicBaseURL, ServerAddress: p.Config.HTTP.ServerAddress, Log: p.Log,
	})
	if err != nil {
		return nil, err
	}
	k := &keyring{Authenticator: auth, now: time.Now, log: p.Log, next: time.Now().Round(0).Add(keyLife)}
	if p.Config.HTTP.JWTSecretParameter != "" {
		k.read = func(ctx context.Context) ([]byte, error) { return tokenkey.Read(ctx, p) }
	}
	return k, nil
}

// renew reads the key again when that is due and the request has a token, which is to be
// judged by it. While SSM does not answer, the key that is known goes on; a request that
// comes while another one asks does not wait.
func (k *keyring) renew(r *http.Request) {
	if k.read == nil || r.Header.Get("Authorization") == "" || !k.mu.TryLock() {
		return
	}
	defer k.mu.Unlock()
	if k.now().Before(k.next) {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), keyWait)
	defer cancel()
	secret, err := k.read(ctx)
	if err != nil {
		k.next = k.now().Round(0).Add(keyPause)
		k.log.WarnContext(r.Context(), "the key of the tokens could not be read again, the one before goes on", "error", err)
		return
	}
	k.next = k.now().Round(0).Add(keyLife)
	k.Renew(secret)
}
