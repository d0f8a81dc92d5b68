package opensearch_test

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// recompute signs fresh as sent says that it was signed, over the given hash of a body,
// and compares the signatures.
func recompute(sent, fresh *http.Request, hash string) bool {
	at, err := time.Parse("20060102T150405Z", sent.Header.Get("X-Amz-Date"))
	if err != nil {
		return false
	}
	_, list, _ := strings.Cut(sent.Header.Get("Authorization"), "SignedHeaders=")
	list, _, _ = strings.Cut(list, ",")
	for name := range strings.SplitSeq(list, ";") {
		if name != "host" && name != "x-amz-date" && name != "content-length" {
			fresh.Header.Set(name, sent.Header.Get(name))
		}
	}
	keys := aws.Credentials{AccessKeyID: "key", SecretAccessKey: "secret"}
	if err := v4.NewSigner().SignHTTP(context.Background(), keys, fresh, hash, "es", "us-east-1", at); err != nil {
		return false
	}
	return fresh.Header.Get("Authorization") == sent.Header.Get("Authorization")
}
