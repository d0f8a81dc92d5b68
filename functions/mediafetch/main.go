// Command mediafetch is the Lambda function of the media jobs: SQS hands it one message
// at a time, and it streams that source into the media store (handler.go, package
// library).
package main

import (
	"os"

	"oipnode/shared/function"
)

func main() {
	// Without its dead letters it would seem to work until the first job fails for good.
	os.Exit(function.Run("mediafetch", newHandler, "MEDIA_BUCKET", "MEDIA_QUEUE_URL", "MEDIA_DEAD_LETTERS_URL"))
}
