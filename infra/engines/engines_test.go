package engines

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// verdict is a test that only notes how it was ended.
type verdict struct {
	testing.TB
	skipped, failed string
}

func (v *verdict) Helper() {}

func (v *verdict) Skipf(format string, arguments ...any) {
	v.skipped = fmt.Sprintf(format, arguments...)
	runtime.Goexit()
}

func (v *verdict) Fatalf(format string, arguments ...any) {
	v.failed = fmt.Sprintf(format, arguments...)
	runtime.Goexit()
}

// judge runs f as a test would be run.
func judge(t *testing.T, f func(testing.TB)) *verdict {
	v := &verdict{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(v)
	}()
	<-done
	return v
}

// A test without its engine is skipped under a name that tells what to do, and
// nothing is skipped in CI.
func TestURL(t *testing.T) {
	for _, e := range All {
		for _, c := range []struct {
			name, value, ci       string
			url, skipped, failure string
		}{
			{"set", "http://127.0.0.1:1", "", "http://127.0.0.1:1", "", ""},
			{"with a slash, in CI", "http://127.0.0.1:1/", "true", "http://127.0.0.1:1", "", ""},
			{"absent", "", "", "", e.Name + " is not there: " + e.Variable + " is not set (make engines starts it)", ""},
			{"absent in CI", "", "true", "", "", e.Name + " is not there: " + e.Variable + " is not set, and in CI every engine must run (make engines)"},
		} {
			t.Run(e.Name+", "+c.name, func(t *testing.T) {
				t.Setenv(e.Variable, c.value)
				t.Setenv("CI", c.ci)
				var url string
				v := judge(t, func(tb testing.TB) { url = e.URL(tb) })
				if url != c.url || v.skipped != c.skipped || v.failed != c.failure {
					t.Errorf("url %q, skipped %q, failed %q; want %q, %q, %q", url, v.skipped, v.failed, c.url, c.skipped, c.failure)
				}
			})
		}
	}
}

// The configuration comes from the variables that the script writes, and from
// nothing else.
func TestAWS(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
	t.Setenv("AWS_REGION", "eu-west-3")
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	c := S3.AWS(t)
	keys, err := c.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c.Region != "eu-west-3" || keys.AccessKeyID != "key" || keys.SecretAccessKey != "secret" {
		t.Errorf("region %q, key %q", c.Region, keys.AccessKeyID)
	}
	if o := s3.NewFromConfig(c).Options(); o.BaseEndpoint == nil || !strings.HasSuffix(*o.BaseEndpoint, ":1") {
		t.Errorf("endpoint %v", o.BaseEndpoint)
	}
}
