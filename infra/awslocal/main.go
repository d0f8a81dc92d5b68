// Command awslocal runs another command beside a deployment on this machine: the table
// in DynamoDB Local, indexes in OpenSearch, a bucket and queues, and a gateway that serves
// the sample chain (package stack). The environment that the functions would have on AWS is
// written into a file for lambdalocal.
//
//	awslocal -env build/stack.env -- build/lambdalocal invoke -env build/stack.env …
//	awslocal -delete                     removes what is stored
//
// The engines are found by OPENSEARCH_ENDPOINT, AWS_ENDPOINT_URL_DYNAMODB and
// AWS_ENDPOINT_URL_SQS, and the one of the media by AWS_ENDPOINT_URL_S3 (make engines). The
// exit code is that of the command.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/config"

	"oipnode/infra/awslocal/stack"
	"oipnode/shared/awsclient"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, getenv func(string) string, stderr io.Writer) int {
	flags := flag.NewFlagSet("awslocal", flag.ContinueOnError)
	flags.SetOutput(stderr)
	o := stack.Options{
		OpenSearch: getenv("OPENSEARCH_ENDPOINT"), DynamoDB: getenv("AWS_ENDPOINT_URL_DYNAMODB"),
		S3: getenv("AWS_ENDPOINT_URL_S3"), SQS: getenv("AWS_ENDPOINT_URL_SQS"),
	}
	flags.StringVar(&o.Name, "name", "oipnode-local", "`beginning` of the names of what is stored")
	flags.StringVar(&o.Gateways, "gateways", "", "live gateways, comma-separated, in place of the sample chain")
	flags.StringVar(&o.Listen, "sample", "127.0.0.1:0", "`address` at which the sample chain is served")
	env := flags.String("env", "", "`file` that gets the functions' environment")
	remove := flags.Bool("delete", false, "remove what is stored, and run nothing")
	if err := flags.Parse(args); err != nil {
		return exitUsage
	}
	switch {
	case o.OpenSearch == "" || o.DynamoDB == "" || o.SQS == "":
		fmt.Fprintln(stderr, "awslocal: OPENSEARCH_ENDPOINT, AWS_ENDPOINT_URL_DYNAMODB and AWS_ENDPOINT_URL_SQS must be set: make engines starts all, and build/engines/env has them")
		return exitUsage
	case strings.Trim(o.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || o.Name == "":
		fmt.Fprintf(stderr, "awslocal: -name is %q; allowed: lower-case letters, digits and dashes\n", o.Name)
		return exitUsage
	case !*remove && flags.NArg() == 0:
		fmt.Fprintln(stderr, "awslocal: no command behind --")
		return exitUsage
	}
	code, err := work(ctx, o, *env, *remove, flags.Args())
	if err != nil {
		fmt.Fprintln(stderr, "awslocal:", err)
		return exitFailed
	}
	return code
}

func work(ctx context.Context, o stack.Options, envFile string, remove bool, command []string) (code int, err error) {
	if o.AWS, err = config.LoadDefaultConfig(ctx); err != nil {
		return 0, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	o.AWS.HTTPClient = awsclient.HTTP(&http.Client{Transport: transport})
	if remove {
		return 0, stack.Delete(ctx, o)
	}
	s, err := stack.New(ctx, o)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	environ, err := s.Environ(ctx)
	if err != nil {
		return 0, err
	}
	if envFile != "" {
		if err := os.WriteFile(envFile, []byte(strings.Join(environ, "\n")+"\n"), 0o600); err != nil {
			return 0, err
		}
	}
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Env = append(os.Environ(), environ...)
	// A terminal's signal reaches the command by itself; one that was sent to this
	// process alone is passed on, so that the command can end in order.
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	err = c.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(exit.ExitCode(), exitFailed), nil
	}
	return 0, err
}
