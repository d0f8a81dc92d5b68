package api

import (
	"net/http"

	"oipnode/shared/errs"
	"oipnode/shared/openapi"
)

// healthRows are the routes that say how the node is, and the operations on it.
func (s *server) healthRows() []row {
	list := []row{
		{http.MethodGet, "/api/health", s.json(s.health), aboutHealth},
		{http.MethodGet, "/api/health/keepdb", s.json(s.keepdb), aboutKeepdb},
		{http.MethodGet, "/api/health/gun-sync", s.json(s.gunSync), aboutGunSync},
		{http.MethodGet, "/api/health/memory", s.json(s.memory), aboutMemory},
		{http.MethodGet, "/api/health/memory/tracker", s.json(s.memoryTracker), aboutMemoryTracker},
		{http.MethodGet, "/api/health/memory/analyze", s.json(s.memoryAnalyze), aboutMemoryAnalyze},
		{http.MethodPost, "/api/health/memory/clear-cache", s.operation(s.clearCache), aboutClearCache},
		{http.MethodPost, "/api/health/gun-sync/force", s.operation(s.gunSyncForce), aboutGunSyncForce},
	}
	if s.opt.Prometheus != nil {
		list = append(list, row{http.MethodGet, "/metrics", s.forOperators(s.opt.Prometheus), aboutMetrics})
	}
	return list
}

// operationErrors are the errors of what only operators may do.
var operationErrors = kinds(errs.Unauthorized, errs.Forbidden, errs.TooMany)

func aboutHealth(s *openapi.Schemas) about {
	page := s.Of(healthAnswer{})
	return about{
		id: "getHealth", group: groupHealth, summary: "Ask whether the node is well", caller: noMatter,
		text: "For load balancers and for people in a hurry.",
		answers: []told{
			{status: http.StatusOK, doc: "Both stores answer.", schema: page},
			{status: http.StatusServiceUnavailable, doc: "A store cannot be reached; the page says which.", schema: openapi.Either(page, openapi.Ref("Unavailable"))},
		},
		errors: []*errs.Kind{errs.Internal, errs.Timeout},
		curl:   "'" + address + "/api/health'",
	}
}

func aboutKeepdb(s *openapi.Schemas) about {
	return about{
		id: "getKeepdbHealth", group: groupHealth, summary: "See how the index follows the chain", caller: noMatter,
		text:    "Checkpoint and lag, the last cycle, what is waiting or was rejected and why, and gateways that are left alone for a while.",
		params:  new(keepdbRequest).params(),
		answers: []told{{status: http.StatusOK, doc: "The pipeline's page.", schema: s.Of(keepdbAnswer{})}},
		errors:  queryErrors,
		curl:    "'" + address + "/api/health/keepdb?rejectedLimit=1'",
	}
}

// withoutSync is the answer of a node that synchronizes with nobody.
func withoutSync(s *openapi.Schemas) told {
	return told{status: http.StatusServiceUnavailable, doc: "The sync is turned off or has no peer, or the state cannot be read.",
		schema: openapi.Either(s.Of(noSyncAnswer{}), openapi.Ref("Unavailable"))}
}

func aboutGunSync(s *openapi.Schemas) about {
	return about{
		id: "getGunSyncHealth", group: groupHealth, summary: "See how the sync with GUN peers goes", caller: noMatter,
		text:    "Numbers of peers and no names of them. Times are in milliseconds.",
		answers: []told{{status: http.StatusOK, doc: "The sync's page.", schema: s.Of(gunSyncAnswer{})}, withoutSync(s)},
		errors:  []*errs.Kind{errs.Internal, errs.Timeout},
		curl:    "'" + address + "/api/health/gun-sync'",
	}
}

func aboutGunSyncForce(s *openapi.Schemas) about {
	return about{
		id: "forceGunSync", group: groupOperations, summary: "Start a cycle of the sync with GUN peers", caller: operators,
		text:    "A wish while a cycle is running is for another one right after it.",
		answers: []told{{status: http.StatusAccepted, doc: "A cycle begins, or comes next.", schema: s.Of(forcedAnswer{})}, withoutSync(s)},
		errors:  []*errs.Kind{errs.Unauthorized, errs.Forbidden, errs.TooMany, errs.Internal, errs.Timeout},
		curl:    "-X POST '" + address + "/api/health/gun-sync/force'",
	}
}

func aboutMemory(s *openapi.Schemas) about {
	return about{
		id: "getMemory", group: groupHealth, summary: "See how much memory is used", caller: noMatter,
		text:    "The memory of the process that answers, what of its limit is used up, and how all functions of the node are.",
		answers: []told{{status: http.StatusOK, doc: "The memory's page.", schema: s.Of(memoryAnswer{})}},
		errors:  always,
		curl:    "'" + address + "/api/health/memory'",
	}
}

func aboutMemoryTracker(s *openapi.Schemas) about {
	return about{
		id: "getMemoryTracker", group: groupHealth, summary: "See whether memory grows", caller: noMatter,
		text:    "The samples of the last hour, with a line through them.",
		answers: []told{{status: http.StatusOK, doc: "The samples of every process.", schema: s.Of(trackerAnswer{})}},
		errors:  always,
		curl:    "'" + address + "/api/health/memory/tracker'",
	}
}

func aboutMemoryAnalyze(s *openapi.Schemas) about {
	return about{
		id: "getMemoryAnalysis", group: groupHealth, summary: "See what memory is used for", caller: noMatter,
		text:    "What is large in the process that answers, goroutines, connections and caches, and what to do.",
		answers: []told{{status: http.StatusOK, doc: "The analysis.", schema: s.Of(analyzeAnswer{})}},
		errors:  always,
		curl:    "'" + address + "/api/health/memory/analyze'",
	}
}

func aboutClearCache(s *openapi.Schemas) about {
	return about{
		id: "clearCaches", group: groupOperations, summary: "Forget answers and processed GUN records", caller: operators,
		text:    "Besides the answers that are kept, the node forgets which GUN records it has processed, so that the next cycle looks at all of them again. What a call has no time for, the next one clears.",
		answers: []told{{status: http.StatusOK, doc: "How many entries there were and are.", schema: s.Of(clearedAnswer{})}},
		errors:  operationErrors,
		curl:    "-X POST '" + address + "/api/health/memory/clear-cache'",
	}
}

func aboutMetrics(*openapi.Schemas) about {
	return about{
		id: "getMetrics", group: groupOperations, summary: "Read the metrics of the local node", caller: operators,
		text:    "In the text format of Prometheus. The node on AWS writes its metrics into CloudWatch and has no such page.",
		answers: []told{{status: http.StatusOK, doc: "The metrics.", media: "text/plain", schema: openapi.Text(0)}},
		errors:  []*errs.Kind{errs.Unauthorized, errs.Forbidden, errs.NotFound, errs.Internal},
		curl:    "'" + address + "/metrics'",
	}
}
