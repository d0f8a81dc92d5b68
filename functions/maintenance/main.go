// Command maintenance is the Lambda function of an operator's tools, invoked by hand
// with one task (package maintenance).
package main

import (
	"os"

	"oipnode/shared/function"
)

func main() { os.Exit(function.Run("maintenance", newHandler)) }
