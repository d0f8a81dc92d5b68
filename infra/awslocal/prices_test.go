package main

import "time"

// pricesOf says where the prices come from: AWS's own price pages could not be read where
// this was written.
const pricesOf = "us-east-1, looked up in November 2026 in articles of 2024 to 2026"

// Prices in US dollars, from the first unit on: what is free in a new account is not taken
// off. What is not here (OpenSearch, storage, traffic, S3, SQS, X-Ray) is no part of the
// sums: the README says so.
const (
	priceGBSecond   = 0.0000133334 // Lambda on arm64, the first 7.5 billion
	priceInvocation = 0.20 / 1e6
	priceRequest    = 1.00 / 1e6 // API Gateway, an HTTP API
	priceWriteUnit  = 0.625 / 1e6
	priceReadUnit   = 0.125 / 1e6
	priceLogGB      = 0.50
	priceMetric     = 0.30 // a month
	priceAlarm      = 0.10 // a month
)

// fullCore is the memory in MB at which a function has one whole processor; below it has
// a share in proportion.
const fullCore = 1769

// usage is what a number of invocations of a function took.
type usage struct {
	invocations int
	// wall is the time until the answers, processor what they computed meanwhile.
	wall, processor time.Duration
	// peak is the most resident memory in bytes.
	peak int64
	// reads and writes are units of DynamoDB.
	reads, writes float64
	logged        int
	times         []time.Duration
}

// seconds is how long one invocation would be billed for with so much memory: what it
// waits here it waits there, and what it computes takes as much longer as its share of a
// processor is smaller. Processors are taken to be as fast as the one that measured.
func (u usage) seconds(memory int) float64 {
	if u.invocations == 0 {
		return 0
	}
	slower := max(fullCore/float64(memory), 1)
	waits := max(u.wall-u.processor, 0)
	return (waits.Seconds() + u.processor.Seconds()*slower) / float64(u.invocations)
}

// costs is what so many invocations a month cost. With fewer records in each, a cycle
// costs its own time as well, which is counted by itself.
func (u usage) costs(memory int, invocations float64) float64 {
	if u.invocations == 0 {
		return 0
	}
	n := float64(u.invocations)
	return invocations * (priceInvocation + u.seconds(memory)*float64(memory)/1024*priceGBSecond +
		u.reads/n*priceReadUnit + u.writes/n*priceWriteUnit + float64(u.logged)/n/1e9*priceLogGB)
}
