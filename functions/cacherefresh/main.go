// Command cacherefresh is the Lambda function that makes the shared summary of the
// index anew (handler.go). It has the schedule of keepdb, and works once in
// KEEP_DB_REFRESH cycles of it.
package main

import (
	"os"

	"oipnode/shared/function"
)

func main() { os.Exit(function.Run("cacherefresh", newHandler)) }
