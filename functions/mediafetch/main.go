// Command mediafetch is the Lambda function of the media jobs: SQS hands it one message
// at a time, and it streams that source into the media store (handler.go, package
// library).
package main

import (
	"os"

	"oipnode/shared/function"
)

func main() { os.Exit(function.Run("mediafetch", newHandler)) }
