# Le Stats Sportifs. `make help` lists what there is; `make run` and `make test`
# are all that a newcomer needs.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules
ifeq ($(filter oneshell,$(.FEATURES)),)
$(error This is make $(MAKE_VERSION); it takes GNU make 3.82 or newer (on macOS: brew install make, then gmake))
endif
# A go.work in a folder above does not know this module.
export GOWORK := off

# Tools that the build does not need, only tests and checks; each at one version.
GOLANGCI_LINT_VERSION := v2.15.0
MINIO_VERSION := v0.0.0-20260212201848-7aac2a2c5b7c
K6_VERSION := v1.8.1
SAM_VERSION := 1.170.0

TOOLS := .tools
VERSION := $(shell infra/version)
# How a plugin in Go is built, here and by `lestats plugin build`: without the state of
# the git tree, so that its digest depends on the sources and on Go alone.
GO_WASM := GOOS=wasip1 GOARCH=wasm CGO_ENABLED=0 go build -buildmode=c-shared -trimpath -buildvcs=false -ldflags='-s -w'
# As the program is built, so that what both are made of is compiled once.
GO_GEN := CGO_ENABLED=0 go run -trimpath -buildvcs=false ./data/gen
SERVE ?=
SAM ?=
ARCH ?= arm64

# --- what a user wants -------------------------------------------------------

.PHONY: help
help: ## Show this list
	@echo "make TARGET, where TARGET is one of:"
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Build, and serve the built-in sample on http://127.0.0.1:8080 (SERVE="--flags" are passed on)
	bin/lestats serve --local-shutdown $(SERVE)

.PHONY: build
build: bin/lestats ## Build bin/lestats, with its plugin and its sample inside

.PHONY: examples
examples: ## Build the four example plugins into plugins/examples/built; installs clang, Debian's Rust and Node where they are missing
	infra/toolchains
	$(MAKE) -C plugins/examples

.PHONY: test
test: test-needs generate $(TOOLS)/minio $(TOOLS)/goaws ## Install what the tests need and run them all (3 minutes more the first time: it builds MinIO)
	go vet ./...
	go test -timeout 20m ./...

.PHONY: test-needs
test-needs: go
	@missing=(); for need in curl nginx-light:nginx haproxy; do \
	  PATH="$$PATH:/usr/sbin:/usr/local/sbin" command -v "$${need#*:}" >/dev/null || missing+=("$${need%:*}"); done; \
	[ $${#missing[@]} = 0 ] || infra/install "$${missing[@]}"

.PHONY: check
check: lint tidy generated ## Format, lint, go.mod, generated files: what must hold before a commit (under 2 minutes)

.PHONY: bench
bench: generate $(TOOLS)/minio $(TOOLS)/goaws ## Measure: each question in the sandbox and natively, loading, parsing, start, the store, HTTP
	go test -run '^$$' -bench . -benchmem -timeout 30m ./runtime/... ./plugins/... ./functions/...

.PHONY: bench-once
bench-once: generate $(TOOLS)/minio $(TOOLS)/goaws ## Every benchmark once, the long ones shortened: that each still runs and checks its answers, not how fast
	go test -short -run '^$$' -bench . -benchtime 1x -timeout 20m ./...

.PHONY: bench-sandbox
bench-sandbox: build ## The sandbox's performance table, ratios in one run: a quiet machine, 2 minutes
	go test -run '^$$' -bench Table -benchtime 1x -timeout 20m ./runtime/sandbox
	go test -run '^$$' -bench BenchmarkMeter -benchtime 1x -timeout 20m ./runtime/sandbox/rewrite
	@echo 'Jobs over HTTP, submit and poll; the target is 3300 jobs/s. On this disk:'
	LEAN=1 infra/load/run
	@if [ -w /dev/shm ]; then echo 'and in memory, where creating a file costs little:'; LEAN=1 STORE=/dev/shm infra/load/run; fi

.PHONY: bench-cold
bench-cold: build ## Lambda: 50 cold starts of bin/lestats, piece by piece, a warm answer, and the peak in 128 MB
	LESTATS_BINARY="$(CURDIR)/bin/lestats" go test -count 1 -v -run In128MB -bench ColdStart -benchtime 50x -timeout 10m ./functions/lestats

.PHONY: bench-sdks
bench-sdks: generate ## The same plugin in C, Rust, AssemblyScript and Go: a job's time, and from a module to its first answer
	infra/toolchains
	$(MAKE) -C plugins/sdk/means
	go test -tags examples -run '^$$' -bench SDKs -benchtime 1x -v ./plugins/sdk/means

.PHONY: bench-worker
bench-worker: generate $(TOOLS)/minio $(TOOLS)/goaws ## Two workers beside one on a queue of 10,000 jobs, 1 % of them poisoned, and a bucket 15 ms away (5 minutes)
	TMPDIR=$$([ -w /dev/shm ] && echo /dev/shm || echo /tmp) go test -count 1 -v -run '^$$' -bench Workers -benchtime 1x -timeout 20m ./functions/lestats

.PHONY: cost
cost: generate $(TOOLS)/minio ## Lambda: what a million jobs costs, from what a job needs here and public prices
	go test -count 1 -v -run '^$$' -bench Cost -benchtime 1000x -timeout 5m ./functions/lestats

.PHONY: bench-csv
bench-csv: $(TOOLS)/python/bin/pandas-is-there ## Reading the CDC's CSV, beside pandas on the same file (installs pandas into .tools)
	$(TOOLS)/python/bin/python3 infra/bench/csv_vs_pandas.py

# --- the cloud function ------------------------------------------------------

.PHONY: images
images: $(TOOLS)/minio $(TOOLS)/goaws ## Build the Docker images lestats-function, lestats-server, lestats-minio and lestats-goaws
	infra/docker/build function server minio goaws

.PHONY: sam-local
sam-local: $(TOOLS)/sam/bin/sam $(TOOLS)/minio ## Run the function here with SAM, and MinIO beside it: http://127.0.0.1:3000 (SAM="--warm-containers EAGER" is passed on)
	infra/docker/build function minio
	infra/sam/run $(SAM)

.PHONY: deploy
deploy: $(TOOLS)/sam/bin/sam ## Build the function and deploy it to AWS with your credentials: sam build, sam deploy --guided (ARCH=arm64)
	$(TOOLS)/sam/bin/sam build --parameter-overrides Architecture=$(ARCH)
	$(TOOLS)/sam/bin/sam deploy --guided --capabilities CAPABILITY_IAM --parameter-overrides Architecture=$(ARCH)

# --- what the build makes ----------------------------------------------------

PLUGIN := plugins/built/sportifs.wasm
SAMPLE := data/built/sample.arrow

# Whether there is something to do is the go command's to say: it knows every file that
# is compiled or embedded, and the compiler too.
.PHONY: always
always:

$(PLUGIN): always | go
	$(GO_WASM) -o $@ ./plugins/sportifs

$(SAMPLE): $(wildcard data/gen/*.go runtime/dataset/*.go) data/npao.yaml data/sample.sha256 | go
	$(GO_GEN) -o $@ -check

bin/lestats: always $(PLUGIN) $(SAMPLE) | go
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags='-s -w -X main.version=$(VERSION)' -o $@ ./functions/lestats

.PHONY: go
go: # What is missing or too old is told before anything is built.
	@infra/needs-go

.PHONY: generate
generate: $(PLUGIN) $(SAMPLE) ## Build the plugin and the sample that are embedded

# --- tests that want something special ---------------------------------------

.PHONY: test-race
test-race: generate $(TOOLS)/minio $(TOOLS)/goaws ## The tests of the packages that share memory, under the race detector
	go test -race -timeout 30m $$(go list ./runtime/... ./functions/... | grep -v /sandbox/rewrite) # which is one pure function

.PHONY: test-digest
test-digest: go ## The built-in plugin's digest is the same from a clone, an archive and a changed tree
	.ci/digest

.PHONY: test-bare
test-bare: $(TOOLS)/minio $(TOOLS)/goaws ## `make run` and `make test` in a bare Debian, not as root, in a folder with a space in its name; as root on Debian (10 minutes)
	.ci/bare

.PHONY: test-s3
test-s3: ## The store's conformance suite against your own server: make test-s3 S3=http://key:secret@127.0.0.1:9000/bucket
	@[ -n "$(S3)" ] || { echo 'say which server: make test-s3 S3=http://key:secret@127.0.0.1:9000/bucket'; exit 2; }
	LESTATS_TEST_S3='$(S3)' go test -count 1 -v -run Conformance ./runtime/results/s3

.PHONY: test-walkthrough
test-walkthrough: build ## What plugins/README.md says, typed for all four languages, beside one server (installs the compilers)
	infra/toolchains
	.ci/walkthrough

.PHONY: test-sdks
test-sdks: generate examples ## The SDKs' own tests and the four examples in the sandbox; installs what make examples does
	$(MAKE) -C plugins/sdk/c test
	$(MAKE) -C plugins/sdk/rust test
	$(MAKE) -C plugins/sdk/assemblyscript test
	$(MAKE) -C plugins/sdk/means
	go vet -tags examples ./plugins/examples ./plugins/sdk/means
	go test -tags examples ./plugins/examples/... ./plugins/sdk/means

FUZZTIME ?= 20s
.PHONY: test-columns
test-columns: $(TOOLS)/python/bin/writers-are-there ## Compare Parquet and Arrow files of five writers with pyarrow's reading, by value (installs them into .tools)
	LESTATS_PYTHON="$(CURDIR)/$(TOOLS)/python/bin/python3" go test -count 1 -run TestColumnsOfFiveWriters -timeout 10m ./runtime/dataset

.PHONY: fuzz
fuzz: generate ## Run every fuzz target for FUZZTIME (20s)
	@for pkg in $$(grep -rl --include='*_test.go' '^func Fuzz' data functions plugins runtime | xargs -n1 dirname | sort -u); do \
	  for target in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$pkg/*_test.go | cut -c6-); do \
	    echo "== $$pkg $$target"; go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x ./$$pkg; done; done

DURATION ?= 1m
.PHONY: differential
differential: ## Compare generated modules, rewritten and compiled, with wazero's interpreter and V8 (where node is) for DURATION (1m), from SEED (of the clock)
	go test -count 1 -v -run 'TestDifferential$$' -timeout 0 ./runtime/sandbox/rewrite -differential=$(DURATION) -differential.seed=$(or $(SEED),$$(date +%s%N))

.PHONY: test-sam
test-sam: generate $(TOOLS)/sam/bin/sam $(TOOLS)/minio ## `sam build && sam local start-api` in a fresh clone, and the API's contract with MinIO; installs SAM, and a Docker engine where none is (12 minutes)
	@command -v busybox >/dev/null || infra/install busybox-static
	infra/docker/with-engine bash -c 'infra/sam/fresh && infra/sam/test'

.PHONY: test-docker
test-docker: go ## The image lestats-server through docker run: no flags, a read-only root, another user, a volume, PORT (4 minutes)
	@command -v busybox >/dev/null || infra/install busybox-static
	infra/docker/with-engine infra/docker/test

.PHONY: test-compose
test-compose: generate $(TOOLS)/minio $(TOOLS)/goaws ## infra/compose.yaml: the contract, and 400 jobs through a queue and two workers, one of which is killed (3 minutes)
	@command -v busybox >/dev/null || infra/install busybox-static
	@command -v docker-compose >/dev/null || docker compose version >/dev/null 2>&1 || infra/install docker-compose
	infra/docker/with-engine infra/compose-test

.PHONY: load
load: build $(TOOLS)/k6 ## Submit and poll over HTTP with k6: jobs a second, p50 and p99
	infra/load/run

# --- checks ------------------------------------------------------------------

.PHONY: lint
lint: generate $(TOOLS)/golangci-lint
	$(TOOLS)/golangci-lint fmt --diff
	$(TOOLS)/golangci-lint run

.PHONY: template
template: $(TOOLS)/sam/bin/sam ## Check template.yaml, and what SAM makes of it: roles, who may call, alarms
	SAM_CLI_TELEMETRY=0 $(TOOLS)/sam/bin/sam validate --lint --region us-east-1
	$(TOOLS)/sam/bin/python infra/sam/translated.py

.PHONY: tidy
tidy:
	go mod tidy -diff
	go mod verify >/dev/null

.PHONY: generated
generated: $(PLUGIN)
	$(GO_GEN) -check
	if command -v wat2wasm >/dev/null; then runtime/sandbox/testdata/check.sh; else echo 'no wat2wasm (Debian: wabt): the .wasm fixtures were not compared with their .wat'; fi

.PHONY: fmt
fmt: $(TOOLS)/golangci-lint ## Format the Go code
	$(TOOLS)/golangci-lint fmt

# --- tools: built once, at a pinned version, into .tools ---------------------

$(TOOLS)/golangci-lint: | go
	GOBIN="$(CURDIR)/$(TOOLS)" go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)

GOAWS_FILES := $(wildcard infra/goaws/*)
$(TOOLS)/goaws: $(GOAWS_FILES) | go
	cd infra/goaws && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags="-s -w" -o ../../$@ .

$(TOOLS)/minio: | go
	GOBIN="$(CURDIR)/$(TOOLS)" CGO_ENABLED=0 go install github.com/minio/minio@$(MINIO_VERSION)

$(TOOLS)/k6: | go
	GOBIN="$(CURDIR)/$(TOOLS)" go install go.k6.io/k6@$(K6_VERSION)

$(TOOLS)/python/bin/pandas-is-there:
	python3 -m venv $(TOOLS)/python || { echo 'python3 needs its venv module (Debian: python3-venv)'; exit 1; }
	$(TOOLS)/python/bin/python3 -m pip install --quiet 'pandas>=2,<4'
	touch $@

$(TOOLS)/python/bin/writers-are-there: $(TOOLS)/python/bin/pandas-is-there
	$(TOOLS)/python/bin/pip install --quiet pyarrow==26.0.1 polars==2.1.0 duckdb==2.0.1 fastparquet==2026.9.0
	touch $@

$(TOOLS)/sam/bin/sam:
	python3 -m venv $(TOOLS)/sam || { echo 'python3 needs its venv module (Debian: python3-venv)'; exit 1; }
	$(TOOLS)/sam/bin/python3 -m pip install -q aws-sam-cli==$(SAM_VERSION)

.PHONY: clean
clean: ## Remove what the build made (not the tools in .tools)
	rm -rf bin plugins/built/*.wasm data/built/*.arrow
