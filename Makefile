# Le Stats Sportifs. `make help` lists the targets. `make run` and `make test` are all that
# a newcomer needs.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules
ifeq ($(filter oneshell,$(.FEATURES)),)
$(error This is make $(MAKE_VERSION); this Makefile needs GNU make 3.82 or newer (on macOS: brew install make, then gmake))
endif
# Ignore a go.work in a parent folder: it does not list this module.
export GOWORK := off

# Pinned versions of tools that only tests and checks need.
GOLANGCI_LINT_VERSION := v2.15.0
ACTIONLINT_VERSION := v1.7.12
MINIO_VERSION := v0.0.0-20260212201848-7aac2a2c5b7c
K6_VERSION := v1.8.1
SAM_VERSION := 1.170.0
SPDX_TOOLS_VERSION := 0.8.3
# Hypothesis makes Schemathesis' requests from the seed.
SCHEMATHESIS := schemathesis==4.32.5 hypothesis==6.170.17

TOOLS := .tools
VERSION := $(shell infra/version)
# How a Go plugin is built, here and by `lestats plugin build`. -buildvcs=false: its digest
# must depend only on the sources and the Go version.
GO_WASM := GOOS=wasip1 GOARCH=wasm CGO_ENABLED=0 go build -buildmode=c-shared -trimpath -buildvcs=false -ldflags='-s -w'
# Libraries' own tags, 1.4 MB together: aws-lambda-go without the RPC of the old go1.x runtime,
# arrow-go with encoding/json. Without them the program does the same.
TAGS := lambda.norpc,arrow_json_stdlib
# How the program is built, here and by infra/dist.
export GO_BUILD := CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags $(TAGS) -ldflags='-s -w -X main.version=$(VERSION)'
# The same flags as for the program, so that shared packages are compiled once.
GO_GEN := CGO_ENABLED=0 go run -trimpath -buildvcs=false -tags $(TAGS) ./data/gen
# What the browser's tests find beside them by these variables.
BROWSER = LESTATS_BINARY='$(CURDIR)/bin/lestats' LESTATS_AXE='$(abspath $(TOOLS))/axe/node_modules/axe-core/axe.min.js' LESTATS_PYTHON='$(abspath $(TOOLS))/snippets/bin/python3'
SERVE ?=
SAM ?=
ARCH ?= arm64

# --- everyday use -------------------------------------------------------------

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' 'BEGIN { split("Everyday|More tests and checks|Measurements|Cloud function", title, "|") } \
	  /^[a-z0-9-]+:.*## / { \
	    group = $$1 ~ /^(test-|fuzz$$|differential$$|mutants$$)/ ? 2 : $$1 ~ /^(bench|cost$$|load$$)/ ? 3 : $$1 ~ /^(images|sam-local|deploy|template|kubernetes)$$/ ? 4 : 1; \
	    lines[group] = lines[group] sprintf("  make %-16s %s\n", $$1, $$2) } \
	  END { for (g = 1; g in title; g++) print title[g] ":\n" lines[g] }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Build and serve the built-in sample on http://127.0.0.1:8080; SERVE="--flags" adds flags
	bin/lestats serve --local-shutdown $(SERVE)

.PHONY: build
build: bin/lestats ## Build bin/lestats, which embeds its plugin and its sample

.PHONY: examples
examples: ## Build the four example plugins into plugins/examples/built; installs clang, Debian's Rust and Node if missing
	infra/toolchains
	$(MAKE) -C plugins/examples

.PHONY: test
test: test-needs generate $(TOOLS)/minio $(TOOLS)/goaws ## Install what the tests need and run all tests; the first time takes 3 minutes more, to build MinIO
	go vet ./...
	go test -timeout 20m ./...

.PHONY: test-short
test-short: generate ## Run the tests without the long ones (1 minute); tests that lack a tool are skipped
	go test -short -p 4 ./...

.PHONY: test-needs
test-needs: go
	@missing=(); for need in curl nginx-light:nginx haproxy zsh fish; do \
	  PATH="$$PATH:/usr/sbin:/usr/local/sbin" command -v "$${need#*:}" >/dev/null || missing+=("$${need%:*}"); done; \
	[ $${#missing[@]} = 0 ] || infra/install "$${missing[@]}"

.PHONY: check
check: lint tidy generated ## Check format, lint, go.mod and generated files, as before a commit (under 2 minutes)

.PHONY: bench
bench: generate $(TOOLS)/minio $(TOOLS)/goaws ## Run all benchmarks: questions in the sandbox and natively, loading, parsing, start, store, HTTP
	go test -run '^$$' -bench . -benchmem -timeout 30m ./runtime/... ./plugins/... ./functions/...

.PHONY: bench-once
bench-once: generate $(TOOLS)/minio $(TOOLS)/goaws ## Run every benchmark once, the long ones shortened, to see that each works and checks its answers
	go test -short -run '^$$' -bench . -benchtime 1x -timeout 20m ./...

.PHONY: bench-sandbox
bench-sandbox: build ## Print the sandbox's performance table and fail if a target is missed (2 minutes; needs an idle machine)
	LESTATS_TEST_TARGETS=1 go test -count 1 -v -run '^TestTable$$' -timeout 20m ./runtime/sandbox
	go test -run '^$$' -bench BenchmarkMeter -benchtime 1x -timeout 20m ./runtime/sandbox/rewrite
	@echo 'Jobs over HTTP, submit and poll (target: 3300 jobs/s), on this disk:'
	LEAN=1 infra/load/run
	@if [ -w /dev/shm ]; then echo 'And in memory, where creating a file costs little:'; LEAN=1 STORE=/dev/shm infra/load/run; fi

.PHONY: bench-cold
bench-cold: build ## Measure 50 cold starts of bin/lestats as a Lambda function on all cores and on one, and peak memory in 128 MB; fail if a target is missed
	LESTATS_TEST_TARGETS=1 LESTATS_BINARY="$(CURDIR)/bin/lestats" go test -count 1 -v -run 'ColdStart|In128MB' -timeout 10m ./functions/lestats

.PHONY: bench-page
bench-page: build ## Measure the first contentful paint of / in Chromium on a slow phone, and what it transfers; fail if a target is missed
	@infra/browser/needs
	cd infra/browser && LESTATS_TEST_TARGETS=1 $(BROWSER) go test -count 1 -v -run '^TestFirstPaint$$' -timeout 5m ./...

.PHONY: bench-sdks
bench-sdks: generate ## Compare one plugin in C, Rust, AssemblyScript and Go: time per job, and from load to first answer
	infra/toolchains
	$(MAKE) -C plugins/sdk/means
	go test -tags examples -run '^$$' -bench SDKs -benchtime 1x -v ./plugins/sdk/means

.PHONY: bench-worker
bench-worker: generate $(TOOLS)/minio $(TOOLS)/goaws ## Compare two workers with one: 10,000 queued jobs, 1 % of them poisoned, a bucket 15 ms away (5 minutes)
	TMPDIR=$$([ -w /dev/shm ] && echo /dev/shm || echo /tmp) go test -count 1 -v -run '^TestWorkersScale$$' -timeout 20m ./functions/lestats -report

.PHONY: cost
cost: generate $(TOOLS)/minio ## Estimate what a million jobs cost on Lambda, from measurements here and public prices
	go test -count 1 -v -run '^TestCost$$' -timeout 5m ./functions/lestats -report

.PHONY: bench-csv
bench-csv: $(TOOLS)/python/bin/pandas-is-there ## Compare reading the CDC's CSV with pandas (installs pandas into .tools)
	$(TOOLS)/python/bin/python3 infra/bench/csv_vs_pandas.py

# --- the cloud function ------------------------------------------------------

.PHONY: images
images: $(TOOLS)/minio $(TOOLS)/goaws ## Build the Docker images lestats-function, lestats-server, lestats-minio and lestats-goaws
	infra/docker/build function server minio goaws

.PHONY: sam-local
sam-local: $(TOOLS)/sam/bin/sam $(TOOLS)/minio ## Run the function with SAM and MinIO on http://127.0.0.1:3000; SAM="--flags" adds flags
	infra/docker/build function minio
	infra/sam/run $(SAM)

.PHONY: deploy
deploy: $(TOOLS)/sam/bin/sam ## Build the function and deploy it to AWS with your credentials (sam deploy --guided); ARCH=arm64 or x86_64
	$(TOOLS)/sam/bin/sam build --parameter-overrides Architecture=$(ARCH)
	$(TOOLS)/sam/bin/sam deploy --guided --capabilities CAPABILITY_IAM --parameter-overrides Architecture=$(ARCH)

# --- build results -------------------------------------------------------------

PLUGIN := plugins/built/sportifs.wasm
SAMPLE := data/built/sample.arrow

# The go command decides whether anything must be rebuilt: it knows every file that is
# compiled or embedded, and the compiler.
.PHONY: always
always:

$(PLUGIN): always | go
	$(GO_WASM) -o $@ ./plugins/sportifs

$(SAMPLE): $(wildcard data/gen/*.go runtime/dataset/*.go runtime/dataset/internal/*/*.go) data/npao.yaml data/sample.sha256 | go
	rm -f data/sample.go # without its sample it does not compile, and the generator imports it
	$(GO_GEN) -o $@ -check

data/sample.go: $(SAMPLE)
	$(GO_GEN) -embed $@

bin/lestats: always $(PLUGIN) data/sample.go | go
	$(GO_BUILD) -o $@ ./functions/lestats

.PHONY: go
go: # Reports a missing or too old Go before anything is built.
	@infra/needs-go

.PHONY: generate
generate: $(PLUGIN) data/sample.go ## Build the embedded plugin and sample

# --- tests with special needs -------------------------------------------------

# Pure functions, which the race detector would slow down: wazero's compiler and our rewriter.
WAZEVO := github.com/tetratelabs/wazero/internal/engine/wazevo
PURE := $(WAZEVO)/ssa $(WAZEVO)/frontend $(WAZEVO)/backend/... github.com/le-stats-sportifs/lestats/runtime/sandbox/rewrite

.PHONY: test-race
test-race: generate $(TOOLS)/minio $(TOOLS)/goaws ## Run the tests of runtime and functions under the race detector
	go test -race $(PURE:%=-gcflags=%=-race=false) -timeout 40m $$(go list ./functions/... ./runtime/... | grep -v /sandbox/rewrite) # functions first: they take longest

.PHONY: mutants
mutants: go ## Break runtime/jobs in many ways, one after the other: its model test has to notice each (1 minute)
	go run ./infra/mutants

.PHONY: test-digest
test-digest: go ## Check that a clone, an archive and a changed tree build the same plugin digest
	.ci/digest

.PHONY: dist
dist: generate ## Build a release into dist/: archives for Linux and macOS, their bills of materials (SPDX), images, SHA256SUMS; PLATFORMS="linux/arm64 ..." chooses
	VERSION='$(VERSION)' infra/dist dist $(PLATFORMS)

.PHONY: test-dist
test-dist: generate $(TOOLS)/spdx/bin/pyspdxtools ## Build a release and check it: archives, images, bills of materials, a second build to the byte, go install (5 minutes)
	VERSION='$(VERSION)' SPDX='$(CURDIR)/$(TOOLS)/spdx/bin/pyspdxtools' .ci/dist

.PHONY: test-arm64
test-arm64: generate ## Run the program and the sandbox's proofs for arm64 under qemu, and compare with amd64; installs qemu and proot if missing (4 minutes)
	@missing=(); for need in qemu-user-static:qemu-aarch64-static proot:proot; do \
	  command -v "$${need#*:}" >/dev/null || missing+=("$${need%:*}"); done; \
	[ $${#missing[@]} = 0 ] || infra/install "$${missing[@]}"
	.ci/arm64

.PHONY: test-bare
test-bare: $(TOOLS)/minio $(TOOLS)/goaws ## Run `make run` and `make test` in a bare Debian as a normal user; must be started as root on Debian (10 minutes)
	.ci/bare

.PHONY: test-s3
test-s3: ## Run the store's conformance suite against your server: S3=http://key:secret@127.0.0.1:9000/bucket
	@[ -n "$(S3)" ] || { echo 'no server is named: make test-s3 S3=http://key:secret@127.0.0.1:9000/bucket'; exit 2; }
	LESTATS_TEST_S3='$(S3)' go test -count 1 -v -run Conformance ./runtime/results/s3

.PHONY: test-walkthrough
test-walkthrough: build ## Run the commands of plugins/README.md for all four languages (installs the compilers)
	infra/toolchains
	.ci/walkthrough

.PHONY: test-sdks
test-sdks: generate examples ## Run the SDKs' own tests, and the four examples in the sandbox; installs what make examples does
	$(MAKE) -C plugins/sdk/c test
	$(MAKE) -C plugins/sdk/rust test
	$(MAKE) -C plugins/sdk/assemblyscript test
	$(MAKE) -C plugins/sdk/means
	go vet -tags examples ./plugins/examples ./plugins/sdk/means ./functions/lestats
	go test -tags examples ./plugins/examples/... ./plugins/sdk/means
	go test -tags examples -timeout 20m -run 'TestMistakes|TestLibraries|TestBuildIgnoresWasmOpt' ./functions/lestats

FUZZTIME ?= 20s
.PHONY: test-columns
test-columns: $(TOOLS)/python/bin/writers-are-there ## Compare how Parquet and Arrow files of five writers are read with pyarrow (installs them into .tools)
	LESTATS_PYTHON="$(CURDIR)/$(TOOLS)/python/bin/python3" go test -count 1 -run TestColumnsOfFiveWriters -timeout 10m ./runtime/dataset/tabular

.PHONY: test-openapi
test-openapi: build $(TOOLS)/schemathesis/bin/schemathesis $(TOOLS)/redocly/node_modules ## Lint /openapi.json, and check with 10,000 requests that the server does what it says (installs both tools into .tools; 2 minutes)
	infra/openapi/test

.PHONY: test-mcp
test-mcp: generate $(TOOLS)/mcp/bin/client-is-there ## Ask every question as an assistant, with PyPI's client of the Model Context Protocol, over HTTP and standard input (installs it into .tools)
	LESTATS_TEST_MCP_PYTHON='$(CURDIR)/$(TOOLS)/mcp/bin/python3' go test -count 1 -v -run TestMCPOfAnotherMake -timeout 5m ./functions/lestats

.PHONY: test-browser
test-browser: build $(TOOLS)/axe/node_modules $(TOOLS)/snippets/bin/all-is-there ## Test the pages in Chromium: every place, light, dark, phone, print, keyboard, without scripts; screenshots are in infra/browser/screenshots (4 minutes)
	@infra/browser/needs
	cd infra/browser && $(BROWSER) go test -count 1 -v -timeout 10m ./...

.PHONY: test-typescript
test-typescript: build $(TOOLS)/typescript/node_modules ## Make types from /openapi.json, and check a TypeScript client with them and run it (installs both tools into .tools; 1 minute)
	infra/typescript/test

PROMETHEUS := $(TOOLS)/prometheus/usr/bin
.PHONY: test-prometheus
test-prometheus: generate $(PROMETHEUS)/prometheus ## Load the alert rules into a real Prometheus and cause the fault of each alert; check the dashboard's queries (2 minutes)
	cd infra/prometheus && "$(CURDIR)/$(PROMETHEUS)/promtool" check config prometheus.yaml && "$(CURDIR)/$(PROMETHEUS)/promtool" test rules rules_test.yaml
	LESTATS_TEST_PROMETHEUS="$(CURDIR)/$(PROMETHEUS)" go test -count 1 -v -run '^TestAlerts$$' -timeout 5m ./functions/lestats

.PHONY: fuzz
fuzz: generate ## Run every fuzz target for FUZZTIME (20s each)
	@infra/fuzz $(FUZZTIME)

DURATION ?= 1m
.PHONY: differential
differential: ## Compare rewritten, compiled modules with wazero's interpreter and V8 (if node is installed); DURATION=1m, SEED=n
	go test -count 1 -v -run 'TestDifferential$$' -timeout 0 ./runtime/sandbox/rewrite -differential=$(DURATION) -differential.seed=$(or $(SEED),$$(date +%s%N))

.PHONY: test-sam
test-sam: generate $(TOOLS)/sam/bin/sam $(TOOLS)/minio ## Test `sam build && sam local start-api` in a fresh clone, and the API's contract; installs SAM, and Docker if missing (12 minutes)
	@command -v busybox >/dev/null || infra/install busybox-static
	infra/docker/with-engine bash -c 'infra/sam/fresh && infra/sam/test'

.PHONY: test-docker
test-docker: generate ## Test two images, infra/Dockerfile's server and a release's: no flags, a read-only root, another user, a volume, PORT (3 minutes)
	@command -v busybox >/dev/null || infra/install busybox-static
	infra/docker/with-engine infra/docker/test

.PHONY: test-compose
test-compose: generate $(TOOLS)/minio $(TOOLS)/goaws ## Test infra/compose.yaml: the contract, and 400 jobs through a queue and two workers, one of them killed (3 minutes)
	@command -v busybox >/dev/null || infra/install busybox-static
	@command -v docker-compose >/dev/null || docker compose version >/dev/null 2>&1 || infra/install docker-compose
	infra/docker/with-engine infra/compose-test

.PHONY: load
load: build $(TOOLS)/k6 ## Measure submit and poll over HTTP with k6: jobs per second, p50 and p99
	infra/load/run

# --- checks ------------------------------------------------------------------

.PHONY: lint
lint: generate $(TOOLS)/golangci-lint $(TOOLS)/actionlint
	$(TOOLS)/golangci-lint fmt --diff
	$(TOOLS)/golangci-lint run
	$(TOOLS)/actionlint -no-color

.PHONY: template
template: $(TOOLS)/sam/bin/sam ## Check template.yaml and what SAM makes of it: roles, permissions, alarms
	SAM_CLI_TELEMETRY=0 $(TOOLS)/sam/bin/sam validate --lint --region us-east-1
	$(TOOLS)/sam/bin/python infra/sam/translated.py

.PHONY: kubernetes
kubernetes: go ## Check the manifests in infra/kubernetes with the types of Kubernetes's API
	cd infra/kubernetes && go test ./...

.PHONY: tidy
tidy:
	go mod tidy -diff
	go mod verify >/dev/null

.PHONY: generated
generated: $(PLUGIN)
	$(GO_GEN) -check
	if command -v wat2wasm >/dev/null; then runtime/sandbox/testdata/check.sh; else echo 'wat2wasm (Debian: wabt) is not installed: the .wasm fixtures were not compared with their .wat'; fi

.PHONY: fmt
fmt: $(TOOLS)/golangci-lint ## Format the Go code
	$(TOOLS)/golangci-lint fmt

# --- tools: built once, at a pinned version, into .tools ---------------------

$(TOOLS)/golangci-lint: | go
	GOBIN="$(CURDIR)/$(TOOLS)" go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)

$(TOOLS)/actionlint: | go
	GOBIN="$(CURDIR)/$(TOOLS)" go install github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT_VERSION)

GOAWS_FILES := $(wildcard infra/goaws/*)
$(TOOLS)/goaws: $(GOAWS_FILES) | go
	cd infra/goaws && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags="-s -w" -o ../../$@ .

$(TOOLS)/minio: | go
	GOBIN="$(CURDIR)/$(TOOLS)" CGO_ENABLED=0 go install github.com/minio/minio@$(MINIO_VERSION)

# Unpacked and not installed: Debian's package starts a service. infra/install updates apt's
# lists.
$(PROMETHEUS)/prometheus:
	mkdir -p $(TOOLS)/prometheus
	cd $(TOOLS)/prometheus && { apt-get download prometheus || { "$(CURDIR)/infra/install" ca-certificates && apt-get download prometheus; }; }
	cd $(TOOLS)/prometheus && dpkg -x prometheus_*.deb . && rm prometheus_*.deb
	touch $@

$(TOOLS)/k6: | go
	GOBIN="$(CURDIR)/$(TOOLS)" go install go.k6.io/k6@$(K6_VERSION)

# $(call venv,NAME): a virtual environment of Python in $(TOOLS)/NAME.
venv = python3 -m venv $(TOOLS)/$(1) || { echo 'python3 needs its venv module (Debian: python3-venv)'; exit 1; }

$(TOOLS)/python/bin/pandas-is-there:
	$(call venv,python)
	$(TOOLS)/python/bin/python3 -m pip install --quiet 'pandas>=2,<4'
	touch $@

$(TOOLS)/python/bin/writers-are-there: $(TOOLS)/python/bin/pandas-is-there
	$(TOOLS)/python/bin/pip install --quiet pyarrow==26.0.1 polars==2.1.0 duckdb==2.0.1 fastparquet==2026.9.0
	touch $@

$(TOOLS)/snippets/bin/all-is-there: infra/browser/snippets.txt
	$(call venv,snippets)
	$(TOOLS)/snippets/bin/pip install --quiet -r $<
	touch $@

$(TOOLS)/mcp/bin/client-is-there:
	$(call venv,mcp)
	$(TOOLS)/mcp/bin/pip install --quiet mcp==2.3.0
	touch $@

$(TOOLS)/sam/bin/sam:
	$(call venv,sam)
	$(TOOLS)/sam/bin/python3 -m pip install -q aws-sam-cli==$(SAM_VERSION)

$(TOOLS)/spdx/bin/pyspdxtools:
	$(call venv,spdx)
	$(TOOLS)/spdx/bin/python3 -m pip install -q spdx-tools==$(SPDX_TOOLS_VERSION)

$(TOOLS)/schemathesis/bin/schemathesis:
	$(call venv,schemathesis)
	$(TOOLS)/schemathesis/bin/python3 -m pip install -q $(SCHEMATHESIS)

# $(call npm,NAME,FOLDER): what FOLDER's package-lock.json lists, in $(TOOLS)/NAME.
define npm
$(TOOLS)/$(1)/node_modules: $(2)/package-lock.json
	@command -v npm >/dev/null || infra/install nodejs npm
	mkdir -p $(TOOLS)/$(1)
	cp $(2)/package.json $(2)/package-lock.json $(TOOLS)/$(1)
	cd $(TOOLS)/$(1) && npm ci --silent
	touch $$@
endef
$(eval $(call npm,redocly,infra/openapi))
$(eval $(call npm,axe,infra/browser))
$(eval $(call npm,typescript,infra/typescript))

.PHONY: clean
clean: ## Remove build results, except the tools in .tools
	rm -rf bin dist plugins/built/*.wasm data/built/*.arrow data/sample.go
