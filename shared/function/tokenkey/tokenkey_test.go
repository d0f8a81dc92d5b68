package tokenkey

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// store is SSM at an address, for who has these keys.
func store(t *testing.T, address string) aws.Config {
	t.Helper()
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	return aws.Config{
		Region: "eu-central-1", BaseEndpoint: &address, HTTPClient: &http.Client{Transport: transport},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "id", SecretAccessKey: "secret"}, nil
		}),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// TestParameter: the key is read decrypted; an empty one and whatever goes wrong is an
// error that has none of AWS's own words.
func TestParameter(t *testing.T) {
	const words = "the-session-token"
	for _, c := range []struct {
		name   string
		status int
		answer string
		key    string
		says   []string
	}{
		{"a key", 200, `{"Parameter":{"Name":"/oipnode/jwt","Value":"a key of thirty-two letters or so"}}`, "a key of thirty-two letters or so", nil},
		{"an empty one", 200, `{"Parameter":{"Name":"/oipnode/jwt","Value":""}}`, "", []string{"empty"}},
		{"no parameter in the answer", 200, `{}`, "", []string{"empty"}},
		{"an absent one", 400, `{"__type":"ParameterNotFound","message":"` + words + `"}`, "", []string{"GetParameter", "ParameterNotFound", "400", "request-1"}},
		{"not allowed", 400, `{"__type":"AccessDeniedException","message":"` + words + `"}`, "", []string{"GetParameter", "AccessDeniedException"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var in struct {
					Name           string
					WithDecryption bool
				}
				if body, err := io.ReadAll(r.Body); err != nil || json.Unmarshal(body, &in) != nil || in.Name != "/oipnode/jwt" || !in.WithDecryption {
					t.Errorf("asked for %+v, %v", in, err)
				}
				w.Header().Set("Content-Type", "application/x-amz-json-1.1")
				w.Header().Set("X-Amzn-Requestid", "request-1")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.answer)
			}))
			defer server.Close()
			key, err := parameter(t.Context(), store(t, server.URL), "/oipnode/jwt")
			if string(key) != c.key || (err == nil) != (c.says == nil) {
				t.Fatalf("%q, %v", key, err)
			}
			for _, want := range c.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %q", want, err)
				}
			}
			if err != nil && strings.Contains(err.Error(), words) {
				t.Errorf("AWS's words are in %q", err)
			}
		})
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if _, err := parameter(t.Context(), store(t, "http://"+l.Addr().String()), "/oipnode/jwt"); err == nil || !strings.Contains(err.Error(), "no answer") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody there: %v", err)
	}
}
