// Command expiry is the Lambda function on the stream of the state table: it is told
// what the table's time to live has removed, counts it, and removes what belonged to it
// (handler.go, package expiry).
package main

import (
	"os"

	"oipnode/shared/function"
)

func main() { os.Exit(function.Run("expiry", newHandler)) }
