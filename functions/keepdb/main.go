// Command keepdb is the Lambda function of the index cycle: a schedule starts it every
// few minutes, it brings the index up to date and stops in time (handler.go).
package main

import (
	"os"

	"oipnode/shared/function"
)

func main() { os.Exit(function.Run("keepdb", newHandler)) }
