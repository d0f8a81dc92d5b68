// Command api is the Lambda function behind API Gateway: the HTTP contract of package
// api, through the adapter apigw (handler.go).
package main

import (
	"os"

	"oipnode/shared/function"
)

func main() { os.Exit(function.Run("api", newHandler)) }
