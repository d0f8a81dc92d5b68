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
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: build
build: ## build the local node as build/oipnode
	CGO_ENABLED=0 $(GO) build $(BUILDFLAGS) -o build/oipnode ./infra/node

# GATEWAY=... on the command line goes before ARWEAVE_GATEWAYS of the environment.
.PHONY: run
run: build ## start the local node; GATEWAY=https://… or the sample chain
	@ARWEAVE_GATEWAYS="$${GATEWAY:-$${ARWEAVE_GATEWAYS:-sample}}" exec build/oipnode

.PHONY: test
test: ## run all tests in shuffled order, and list the skipped ones
	$(GO) run ./infra/gotest $(STRICT) -- -shuffle=on ./...

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
	CGO_ENABLED=1 $(GO) run ./infra/gotest $(STRICT) -- -race -shuffle=on ./...

.PHONY: smoke
smoke: build ## start the node on the sample chain, ask it, stop it
	.ci/smoke

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

.PHONY: clean
clean: ## remove what make build and make check have left; never the data
	rm -rf build
