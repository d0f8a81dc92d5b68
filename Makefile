# Everything a developer does here is a target of this file; make without a
# target lists them. CI calls the same ones through .ci/run.

SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS   += --no-builtin-rules

GO       ?= go
FUZZTIME ?= 10s
BENCH    ?= .

# The same source gives the same bytes, on any machine and in any folder.
BUILDFLAGS := -trimpath -buildvcs=false -ldflags '-s -w -buildid='

# In CI a skipped test is a failure: there, everything that tests need is present.
STRICT := $(if $(CI),-strict)

.PHONY: help
help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: build
build: ## build the local node as build/oipnode
	CGO_ENABLED=0 $(GO) build $(BUILDFLAGS) -o build/oipnode ./infra/node

# The functions as they ship: arm64, without cgo, without the RPC server of the managed Go
# runtime, and without gRPC's trace pages: these use templates, which call methods by name,
# so that the linker would keep every method of every type, and the files were 14 MB larger.
FUNCTIONS   := $(notdir $(patsubst %/main.go,%,$(wildcard functions/*/main.go)))
LAMBDABUILD := CGO_ENABLED=0 GOOS=linux $(GO) build -tags lambda.norpc,grpcnotrace $(BUILDFLAGS)

.PHONY: build-lambda
build-lambda: ## build each function as build/lambda/NAME.zip, for arm64
	@for f in $(FUNCTIONS); do GOARCH=arm64 $(LAMBDABUILD) -o build/lambda/$$f/bootstrap ./functions/$$f; done
	@$(GO) run ./infra/pack $(addprefix build/lambda/,$(FUNCTIONS))

# With an empty build cache, in a copy of the tree at another path.
.PHONY: reproducible
reproducible: build-lambda # the functions are the same bytes when they are built again
	@again=$$(mktemp -d); trap 'chmod -R u+w "$$again"; rm -rf "$$again"' EXIT; \
	mkdir "$$again/tree"; cp -r go.mod go.sum functions shared "$$again/tree"; \
	for f in $(FUNCTIONS); do \
	  (cd "$$again/tree" && GOCACHE="$$again/cache" GOARCH=arm64 $(LAMBDABUILD) -o "$$again/$$f" ./functions/$$f); \
	  cmp build/lambda/$$f/bootstrap "$$again/$$f"; echo "$$f: the same bytes twice"; \
	done

# The targets that sam build calls, one for each function of the template.
.PHONY: build-ApiFunction build-KeepdbFunction build-CacherefreshFunction build-ExpiryFunction build-GunsyncFunction build-MediafetchFunction build-MaintenanceFunction
build-ApiFunction build-KeepdbFunction build-CacherefreshFunction build-ExpiryFunction build-GunsyncFunction build-MediafetchFunction build-MaintenanceFunction:
	name=$$(echo $(@:build-%Function=%) | tr A-Z a-z); \
	GOARCH=arm64 $(LAMBDABUILD) -o "$(ARTIFACTS_DIR)/bootstrap" ./functions/$$name

# GATEWAY=... on the command line goes before ARWEAVE_GATEWAYS of the environment.
.PHONY: run
run: build ## start the local node; GATEWAY=https://… or the sample chain
	@ARWEAVE_GATEWAYS="$${GATEWAY:-$${ARWEAVE_GATEWAYS:-sample}}" exec build/oipnode

# For cron and scripts: one line, and the exit code is not 0 when the node is not well.
# The README has the same line without make.
URL ?= http://127.0.0.1:3005
.PHONY: health
health: ## ask the node at URL how it is; fails when it is not well (curl, jq)
	@curl -sS --max-time 20 '$(URL:/=)/api/health' '$(URL:/=)/api/health/memory' '$(URL:/=)/api/health/keepdb' | jq -rs '(.[0].status == "OK" and .[1].status == "ok" and .[2].status != "failing") as $$well | "stores \(.[0].status), memory \(.[1].status) at \(.[1].heap.utilization), index \(.[2].status), \(.[0].index.lagBlocks) blocks behind" | if $$well then . else . + "\n" | halt_error(1) end'

# A function as it ships, but for this machine, over real engines and beside a gateway
# that serves the sample chain: make invoke FUNCTION=keepdb EVENT=events/keepdb.json.
# GATEWAY=https://… takes a live one. What it indexes stays until make engines-stop.
# REPEAT=2 hands the event over twice: the second time the process is warm.
FUNCTION ?= keepdb
EVENT    ?= events/$(FUNCTION).json
REPEAT   ?= 1
LISTEN   ?= 127.0.0.1:3000
STACK     = $(ENGINES) run build/awslocal -gateways '$(GATEWAY)' -env build/stack.env --
LOCAL     = -template template.yaml -env build/stack.env

.PHONY: build-local
build-local: # the functions and the tools that run them, for this machine
	@for f in $(FUNCTIONS); do $(LAMBDABUILD) -o build/local/$$f/bootstrap ./functions/$$f; done
	@$(GO) build -o build/lambdalocal ./infra/lambdalocal
	@$(GO) build -o build/awslocal ./infra/awslocal

.PHONY: invoke
invoke: build-local engines ## run FUNCTION on EVENT, without AWS and without containers
	@$(STACK) build/lambdalocal invoke $(LOCAL) -name $(FUNCTION) -binary build/local/$(FUNCTION)/bootstrap -event $(EVENT) -repeat $(REPEAT)

.PHONY: invoke-api
invoke-api: build-local engines ## serve HTTP at LISTEN through the function api
	@$(STACK) build/lambdalocal serve $(LOCAL) -name api -binary build/local/api/bootstrap -listen $(LISTEN)

# The servers that tests need: those that run are used, the others run as long as the
# command does. What this machine cannot have leads to skips, and in CI to an error.
ENGINES := infra/engines/engines

.PHONY: engines
engines: ## start OpenSearch, DynamoDB, S3 and SQS for the tests
	@$(ENGINES) start

.PHONY: engines-stop
engines-stop: ## stop what make engines has started
	@$(ENGINES) stop

.PHONY: test
test: ## run all tests in shuffled order, and list the skipped ones
	$(ENGINES) run $(GO) run ./infra/gotest $(STRICT) -- -shuffle=on -timeout 20m ./...

.PHONY: check
check: format vet staticcheck errorlint bodyclose tidy generated race ## everything that CI checks

.PHONY: format
format: # no file that gofmt would change
	@unformatted=$$("$$($(GO) env GOROOT)/bin/gofmt" -l .); \
	if [ -n "$$unformatted" ]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi

.PHONY: vet
vet:
	$(GO) vet ./...

# The versions of these three are pinned by the tool block of go.mod.
.PHONY: staticcheck
staticcheck:
	$(GO) tool staticcheck ./...

.PHONY: errorlint
errorlint:
	$(GO) tool go-errorlint ./...

.PHONY: bodyclose
bodyclose:
	$(GO) vet -vettool="$$($(GO) tool -n bodyclose)" ./...

.PHONY: tidy
tidy: # go.mod and go.sum hold what the code needs, and nothing else
	$(GO) mod tidy -diff

.PHONY: generate
generate: ## write the generated files again
	$(GO) generate ./...

# Every file is summed before and after, so this works in an unclean working tree
# and without git. A file that was out of date is right afterwards.
SUMS = find . \( -path ./.git -o -path ./build -o -path ./data \) -prune -o -type f -exec cksum {} + | sort -k 3
.PHONY: generated
generated: # generating again changes nothing
	@mkdir -p build
	@$(SUMS) >build/sums.before
	$(GO) generate ./...
	@$(SUMS) >build/sums.after
	@diff build/sums.before build/sums.after || { echo "make generate changed the files above: commit them"; exit 1; }

# -race needs cgo, and with it a C compiler.
.PHONY: race
race: # the tests again, with the race detector
	CGO_ENABLED=1 $(ENGINES) run $(GO) run ./infra/gotest $(STRICT) -- -race -shuffle=on -timeout 20m ./...

.PHONY: validate
validate: ## check template.yaml with SAM, cfn-lint and checkov
	@infra/samtools/samtools validate

.PHONY: smoke
smoke: build ## start the node on the sample chain, ask it, stop it
	.ci/smoke

# About a hundred seconds on two cores; EXAMPLES=500 asks for longer, SEED=2 for others.
.PHONY: schemathesis
schemathesis: build ## let schemathesis ask the local node whatever its description allows
	infra/schemathesis/run

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (default 10s)
	@$(GO) test -list '^Fuzz' ./... | \
	awk '/^Fuzz/ { names[n++] = $$1 } /^ok/ { for (i = 0; i < n; i++) print $$2, names[i]; n = 0 }' | \
	while read -r package name; do \
	  echo "$$package $$name"; \
	  $(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "$$package" </dev/null; \
	done

.PHONY: bench
bench: ## run the benchmarks, or those that BENCH names, beside openssl's RSA
	@$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./... | sed -E '/^(PASS|ok|\?|goos:|goarch:)/d'
	@if command -v openssl >/dev/null; then openssl speed -seconds 3 rsa4096 2>/dev/null | tail -n 2; fi

# The store beside the raw bulks and pages of the same documents, and keepdb as it ships.
.PHONY: bench-aws
bench-aws: ## measure the deployment's parts over real engines
	@$(ENGINES) run bash -c '$(GO) test -run "^$$" -bench "Bulk" -benchtime 3x ./shared/records/opensearch; \
	$(GO) test -run "^$$" -bench "EnginePage" -benchtime 1000x ./shared/api; \
	$(GO) test -run "^$$" -bench IdleRequests -benchtime 20x ./shared/indexer; \
	$(GO) test -run "^$$" -bench . -benchtime 1x -timeout 30m ./infra/awslocal; \
	$(GO) test -run "^$$" -bench . -benchtime 200x ./shared/state/dynamo' | sed -E '/^(PASS|ok|goos:|goarch:|SDK)/d'

# The README's table: four loads by the month, each by the functions as they ship.
.PHONY: sizes
sizes: ## measure memory, time and cost of the four loads of the README's table
	@$(ENGINES) run $(GO) test -run '^$$' -bench '^BenchmarkSizes$$' -benchtime 1x -timeout 60m ./infra/awslocal -sizes | sed -E '/^(PASS|ok|goos:|goarch:|SDK)/d'

# Twenty minutes are what infra/soak has the results of; other lengths go into build/soak.
SOAK_MINUTES ?= 20
.PHONY: soak
soak: build ## run the local node under load for SOAK_MINUTES (20), and see whether anything grows
	@$(GO) build -o build/soak.bin ./infra/soak
	@build/soak.bin -minutes $(SOAK_MINUTES) -out $(if $(filter 20,$(SOAK_MINUTES)),infra/soak,build/soak)

# A file of MEDIA_SIZE bytes from a process of its own, into the files and into S3,
# each beside a plain copy; three times that of disk is needed. The S3 server is one for
# large files, unless AWS_ENDPOINT_URL_S3 names another.
MEDIA_SIZE   ?= 5368709120
MEDIA_ROUNDS ?= 3
.PHONY: bench-media
bench-media: ## measure memory and speed of a media fetch, of MEDIA_SIZE bytes
	@export ENGINES_STATE=build/engines-media ENGINES_S3_LARGE=true; trap '$(ENGINES) stop s3 >/dev/null' EXIT; \
	$(ENGINES) start s3 || true; eval "$$($(ENGINES) env)"; \
	$(GO) test -run '^$$' -bench '^BenchmarkFetch$$' -benchtime $(MEDIA_ROUNDS)x -timeout 60m ./shared/remote -media-size $(MEDIA_SIZE) | \
	sed -E '/^(PASS|ok|goos:|goarch:|SDK)/d'

# The records are made once for each number of them and kept in build/benchapi; in
# OpenSearch they last as long as the engine (make engines). infra/benchapi has the results
# for 100,000; others go into build/benchapi.
BENCH_RECORDS ?= 100000
.PHONY: bench-api
bench-api: ## measure /api/records on BENCH_RECORDS (100,000) over both stores, beside the engines alone
	@$(GO) build -o build/benchapi.bin ./infra/benchapi
	@$(ENGINES) run build/benchapi.bin -records $(BENCH_RECORDS) -out $(if $(filter 100000,$(BENCH_RECORDS)),infra/benchapi,build/benchapi)

.PHONY: clean
clean: ## stop the engines, remove what was built; never the data
	@$(ENGINES) stop >/dev/null
	rm -rf build
