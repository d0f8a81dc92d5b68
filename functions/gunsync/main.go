// Command gunsync is the Lambda function of the GUN sync: a schedule starts it every
// minute, and messages that it sends itself start it in between (handler.go). It brings
// the index up to what the GUN peers say, and stops in time.
package main

import (
	"os"

	"oipnode/shared/function"
)

func main() { os.Exit(function.Run("gunsync", newHandler)) }
