package main

import (
	"context"

	"oipnode/shared/access"
	"oipnode/shared/function"
	"oipnode/shared/function/tokenkey"
)

// authenticator tells who sends a request. Without a key every request is anonymous.
func authenticator(ctx context.Context, p *function.Parts) (*access.Authenticator, error) {
	secret, err := tokenkey.Read(ctx, p)
	if err != nil {
		return nil, err
	}
	return access.NewAuthenticator(access.Settings{
		Secret: secret, PublicBaseURL: p.Config.HTTP.PublicBaseURL, ServerAddress: p.Config.HTTP.ServerAddress, Log: p.Log,
	})
}
