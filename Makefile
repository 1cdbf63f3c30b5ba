# One target a task; "make help" lists them. Everything runs on a fresh Debian as
# root: scripts/require.sh installs the tools that a target needs, or names them.
SHELL      := bash
.SHELLFLAGS := -euo pipefail -c
MODULE     := github.com/sathiyaseelank-dot/grpccontroller
VERSION    ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT     ?= $(shell git rev-parse --verify -q HEAD 2>/dev/null)
LDFLAGS    := -s -w -X $(MODULE)/internal/cli.version=$(VERSION) -X $(MODULE)/internal/cli.commit=$(COMMIT)
# Programs for another architecture than this machine's are in a directory below.
HOSTARCH   := $(shell go env GOHOSTARCH 2>/dev/null)
ARCH       ?= $(or $(GOARCH),$(HOSTARCH))
BIN        ?= bin$(if $(filter-out $(HOSTARCH),$(ARCH)),/$(ARCH))
# grpcnotrace leaves out a debugging page of gRPC. Its templates call methods by name,
# for which the linker would keep every method there is: 3 MB of program and of memory.
GO_BUILD   := CGO_ENABLED=0 GOARCH=$(ARCH) go build -trimpath -tags grpcnotrace -ldflags '$(LDFLAGS)'
TOOLS      := internal/tools/go.mod
GOLANGCI   := go tool -modfile=$(TOOLS) golangci-lint
# proto/ is a directory below, so its path to the tools begins with "..".
BUF        := cd proto && go tool -modfile=../$(TOOLS) buf
# Where scripts/require.sh puts Node.js if that of the system is too old. Nothing is
# there otherwise.
NODE_BIN   := $(or $(XDG_CACHE_HOME),$(or $(HOME),/root)/.cache)/grpccontroller/node/node_modules/.bin
export PATH := $(NODE_BIN):$(PATH)
UNIT        = $$(go list ./... | grep -v /internal/e2e)
# go test, whose results also go to a file of this name.
GOTESTSUM  := go tool -modfile=$(CURDIR)/internal/tools/gotestsum.mod gotestsum
RESULTS    := $(CURDIR)/bin/results
TESTSUM     = mkdir -p $(RESULTS) && $(GOTESTSUM) --format standard-quiet --hide-summary skipped --jsonfile $(RESULTS)/$@$(1).json --
# Our code is watched for races, and not SQLite, which is C that was translated to Go: it
# has its own locks, and instrumented it takes six times as long.
RACE       := -race -gcflags=modernc.org/sqlite/lib=-race=false -gcflags=modernc.org/libc=-race=false
# End-to-end packages do little but wait: two run side by side, each in a network
# namespace of its own, the longest first. Those that need both cores run after them.
# The tests of hosts that are absent for six minutes run beside all of these.
E2E_FIRST  := ./internal/e2e ./internal/e2e/rotation ./internal/e2e/observability
E2E_CORES  := /(dashboard|flood|herd|tunnelbench)$$
APART      := $(CURDIR)/internal/e2e/apart.sh
E2E_APART   = $(E2E_FIRST) $$(go list ./internal/e2e/... | grep -vE '$(E2E_CORES)|/hosts(/|$$)')
E2E_ALONE   = $$(go list ./internal/e2e/... | grep -E '$(E2E_CORES)')

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ui host-programs ## Build bin/grpccontroller, bin/grpcconnector, bin/grpctunneler and bin/host-agent (static)
	$(GO_BUILD) -o $(BIN)/grpccontroller ./controller

# What runs on a host.
.PHONY: host-programs
host-programs:
	@mkdir -p $(BIN)
	$(GO_BUILD) -o $(BIN)/grpcconnector ./connector
	$(GO_BUILD) -o $(BIN)/grpctunneler ./tunneler
	$(GO_BUILD) -o $(BIN)/host-agent ./spire/hostagent/host-agent

# npm keeps its own list of what it installed; vite writes index.html last of all.
UI_INSTALLED := webadmin/ui/node_modules/.package-lock.json
UI_BUILT     := webadmin/ui/dist/index.html
UI_SOURCES   := $(addprefix webadmin/ui/,index.html package.json tsconfig.json vite.config.ts) \
                $(shell find webadmin/ui/src webadmin/ui/public -type f)

.PHONY: ui
ui: $(UI_BUILT) ## Build the dashboard into webadmin/ui/dist, if its sources changed

$(UI_INSTALLED): webadmin/ui/package-lock.json webadmin/ui/.npmrc
	@scripts/require.sh node
	cd webadmin/ui && npm ci --no-progress
	@touch $@

$(UI_BUILT): $(UI_INSTALLED) $(UI_SOURCES)
	cd webadmin/ui && npm run --silent build
	@touch $@

.PHONY: ui-types
ui-types: $(UI_INSTALLED) ## Write the dashboard's types from webadmin/api/openapi.json
	cd webadmin/ui && npm run --silent types

.PHONY: ui-lint
ui-lint: $(UI_INSTALLED) ## Check the types (also that they are the API's), the style and the format of the dashboard
	cd webadmin/ui && npm run --silent check

# The linter reads a file: no telemetry, and no look for a newer one.
API_LINT := webadmin/openapi/lint
$(API_LINT)/node_modules/.package-lock.json: $(API_LINT)/package-lock.json $(API_LINT)/.npmrc
	@scripts/require.sh node
	cd $(API_LINT) && npm ci --no-progress --ignore-scripts
	@touch $@

.PHONY: openapi-lint
openapi-lint: $(API_LINT)/node_modules/.package-lock.json ## Lint webadmin/api/openapi.json
	cd $(API_LINT) && REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true npm run --silent lint

.PHONY: ui-test
ui-test: $(UI_INSTALLED) ## Run the dashboard's unit tests, which need no browser
	cd webadmin/ui && npm run --silent test -- --project unit

.PHONY: ui-pages
ui-pages: ui ## Test every page and dialog of the dashboard in a browser: keyboard, axe, narrow windows
	@scripts/require.sh chromium
	cd webadmin/ui && npm run --silent test -- --project pages

.PHONY: spire
spire: ## Build bin/spire-server and bin/spire-agent, the pinned release (5 min the first time)
	@scripts/require.sh cc
	GOARCH=$(ARCH) spire/release/build.sh $(BIN)

# Beside our server in a test.
.PHONY: spire-previous
spire-previous: ## Build bin/previous/spire-agent, the release of SPIRE before ours
	GOARCH=$(ARCH) spire/release/build.sh --previous $(BIN)/previous spire-agent

.PHONY: generate
generate: ## Generate the Go code of proto/
	$(BUF) generate

.PHONY: generate-check
generate-check: ## Fail if the generated code is not what proto/ generates
	out=$$(mktemp -d); trap 'rm -rf "$$out"' EXIT; \
	  ( $(BUF) generate -o "$$out" ) && \
	  { diff -r -x '*.proto' "$$out/zerotrust" proto/zerotrust || { echo 'generated code is stale: run make generate' >&2; exit 1; }; }

.PHONY: schema
schema: ## Write controller/store/schema.sql from the migrations
	go test ./controller/store -run Schema -update

.PHONY: openapi
openapi: ## Write webadmin/api/openapi.json and the list in docs/api.md from the table of operations
	go test ./webadmin/api -run OpenAPIDocument -update
	go test ./webadmin/api -run OpenAPIDocument

.PHONY: scripts
scripts: ## Write scripts/tunneler-setup.sh, which is scripts/setup.sh with another ROLE
	sed 's/^ROLE=connector$$/ROLE=tunneler/' scripts/setup.sh > scripts/tunneler-setup.sh

.PHONY: scripts-check
scripts-check: ## Fail if scripts/tunneler-setup.sh is not what scripts/setup.sh makes
	@sed 's/^ROLE=connector$$/ROLE=tunneler/' scripts/setup.sh | cmp - scripts/tunneler-setup.sh || \
	  { echo 'scripts/tunneler-setup.sh is stale: run make scripts' >&2; exit 1; }

.PHONY: fmt
fmt: $(UI_INSTALLED) ## Format Go, proto and TypeScript files
	$(GOLANGCI) fmt
	$(BUF) format -w
	cd webadmin/ui && npm run --silent format

.PHONY: lint
lint: generate-check scripts-check ui-lint openapi-lint ## Lint Go, proto, shell and TypeScript, and check the generated code
	@scripts/require.sh shellcheck
	$(GOLANGCI) config verify
	$(GOLANGCI) run
	$(BUF) lint
	cd internal/e2e/containers && go tool -modfile=$(CURDIR)/$(TOOLS) golangci-lint run && go test -count 1 -run '^TestThe(Containerfile|ComposeFile|Manifests)' ./...
	find . -name '*.sh' -not -path '*/node_modules/*' -print0 | xargs -0 shellcheck .ci/run .ci/newcomer
	@for p in internal/e2e/adversary/testdata/mutants/*.patch; do \
	  git apply --check "$$p" || { echo "$$p no longer applies: make it again for the code as it is now" >&2; exit 1; }; \
	done

.PHONY: vet
vet:
	go vet ./...

.PHONY: test
test: vet test-unit test-e2e ## Run vet, the unit tests and the end-to-end tests on real SPIRE
	@echo 'The ten slowest tests:' && cat $(RESULTS)/test-unit.json $(RESULTS)/test-e2e*.json | $(GOTESTSUM) tool slowest --num 10

.PHONY: test-unit
test-unit: ui ui-test spire bin/sdk ## Run the unit tests with the race detector, on real SPIRE and the built dashboard too
	@scripts/require.sh cc node npm curl openssl
	$(TESTSUM) $(RACE) -timeout 10m $(UNIT)

# The OpenID provider of tests. Whoever needs it installs it, but a test in a network
# namespace of its own cannot.
PROVIDER := controller/auth/oidctest/provider
$(PROVIDER)/node_modules/.package-lock.json: $(PROVIDER)/package-lock.json
	@scripts/require.sh node npm
	cd $(PROVIDER) && npm ci --no-audit --no-fund --no-progress --ignore-scripts
	@touch $@

# A program of a module of its own, by a client that is generated from openapi.json.
SDK := internal/e2e/sdk
bin/sdk: webadmin/api/openapi.json $(addprefix $(SDK)/,main.go config.yaml go.mod)
	@mkdir -p bin
	cd $(SDK) && go tool oapi-codegen -config config.yaml ../../../webadmin/api/openapi.json
	cd $(SDK) && go vet . && go build -o ../../../$@ .

# The ACME server of a test, with its DNS server. What they are made of is in pebble.mod.
PEBBLE := bin/pebble bin/pebble-challtestsrv
$(PEBBLE) &: internal/tools/pebble.mod internal/tools/pebble.sum
	@mkdir -p bin
	CGO_ENABLED=0 go build -modfile=internal/tools/pebble.mod -trimpath -ldflags '-s -w' -o bin/ github.com/letsencrypt/pebble/v2/cmd/pebble github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv
	@touch $(PEBBLE)

.PHONY: pebble
pebble: $(PEBBLE) ## Build bin/pebble and bin/pebble-challtestsrv, the ACME server of a test

# What flows are tested with. None is installed.
SERVERS := git ssh scp ssh-keygen sshd rsync nc.openbsd postgres initdb psql redis-cli redis-server nginx haproxy stunnel iperf3

.PHONY: test-e2e
test-e2e: build spire spire-previous $(PEBBLE) $(PROVIDER)/node_modules/.package-lock.json ## Run the end-to-end tests: real programs, real SPIRE (as root: network namespaces)
	@scripts/require.sh ip node npm curl chromium prometheus promtool $(SERVERS)
	@$(MAKE) --no-print-directory -j 2 test-e2e-absent test-e2e-present

.PHONY: test-e2e-absent test-e2e-present
test-e2e-absent:
	$(TESTSUM) -exec $(APART) -timeout 25m -run Absent ./internal/e2e
test-e2e-present:
	$(call TESTSUM,-apart) -p 2 -exec $(APART) -timeout 25m -skip Absent $(E2E_APART)
	$(call TESTSUM,-alone) -p 1 -exec $(APART) -timeout 25m $(E2E_ALONE)

.PHONY: screenshots
screenshots: ui ## Write a picture of every page, state and dialog of the dashboard into dist/screenshots, and renew those of the documents
	@scripts/require.sh chromium
	cd webadmin/ui && npm run --silent look -- $(CURDIR)/dist/screenshots
	cd docs/screenshots && for picture in *.png; do cp $(CURDIR)/dist/screenshots/$$picture $$picture; done

.PHONY: test-long
test-long: e2e-rotation ## Ten live CA rotations, and every fuzz test for two seconds (10 min)
	scripts/fuzz.sh 54

.PHONY: soak
soak: build spire spire-previous ui-pages e2e-clients ## What takes hours and is not in CI: long fuzzing, everything again and again, the rest of the mutants' tests
	@scripts/require.sh node npm chromium
	scripts/mutants.sh --all
	scripts/fuzz.sh 3600
	go test -count 10 -timeout 3h ./internal/e2e
	go test -count 5 -v -timeout 1h -run TenRotations ./internal/e2e/rotation -full
	go test -count 3 -v -timeout 1h -run Outage ./internal/e2e/dashboard -full

# The install tree has the programs of hosts of either architecture.
.PHONY: tree-programs
tree-programs:
	$(MAKE) host-programs ARCH=amd64
	$(MAKE) host-programs ARCH=arm64
	$(foreach a,amd64 arm64,GOARCH=$a spire/release/build.sh bin$(if $(filter-out $(HOSTARCH),$a),/$a) spire-agent &&) true

# Manual pages and completions come from programs that run here.
.PHONY: packages
packages: build spire tree-programs ## Build dist/*.deb and dist/*.rpm, with ARCH=arm64 for arm64; the same commit gives the same bytes
	$(if $(filter-out $(HOSTARCH),$(ARCH)),$(MAKE) build ARCH=$(HOSTARCH))
	ARCH=$(ARCH) scripts/packages.sh dist

.PHONY: images
images: build spire ## Build the container images by podman or docker ($ENGINE), or what they are made of in dist/image
	ARCH=$(ARCH) scripts/images.sh dist/image

.PHONY: test-hosts
test-hosts: packages ## Boot Debian hosts with systemd, install the packages on them, break them (as root)
	@scripts/require.sh systemd-nspawn mmdebstrap ip nft rpm man zsh fish qemu-aarch64-static lintian rpmlint
	go test -count 1 -timeout 20m ./internal/e2e/hosts/...

.PHONY: test-containers
test-containers: build spire ## Lint the container recipes, build the images, play the manifests (as root, with podman)
	@scripts/require.sh podman iptables
	cd internal/e2e/containers && go vet ./... && go test -count 1 ./...

.PHONY: demo
demo: build spire ## Start the whole system on this machine and keep it running, with a curl that goes through it
	@scripts/require.sh curl
	go run ./internal/e2e/demo

.PHONY: demo-check
demo-check: build spire ## Start the whole system, check it from outside, stop it
	@scripts/require.sh curl
	go run ./internal/e2e/demo -check

.PHONY: bench-enroll
bench-enroll: build spire ## Measure enroll to ONLINE beside bare SPIRE's own floor
	go run ./internal/e2e/benchenroll

.PHONY: bench-admin
bench-admin: ## Measure the lists of the admin API on 10,000 connectors, beside a reply without them
	go test -count 1 -run NoTest -bench BenchmarkAdmin -benchtime 3s ./webadmin/api

.PHONY: e2e-rotation
e2e-rotation: build spire ## Ten live CA rotations under a hundred sessions, on real SPIRE (5 min)
	go test -count 1 -v -timeout 20m -run TenRotations ./internal/e2e/rotation -full

.PHONY: e2e-clients
e2e-clients: build spire ## Ten CA rotations under iperf3 at a fixed rate, 1 GB through curl both ways, faults of flows (10 min, as root)
	@scripts/require.sh ip node npm curl $(SERVERS)
	go test -count 1 -v -timeout 20m -exec $(APART) -run FixedRate ./internal/e2e/clients -full
	go test -count 1 -v -timeout 20m -exec $(APART) -skip FixedRate ./internal/e2e/clients -full

.PHONY: e2e-outage
e2e-outage: build spire ## Stop, kill and upgrade the controller under every page of the dashboard (10 min)
	@scripts/require.sh node npm chromium
	go test -count 1 -v -timeout 30m -run Outage ./internal/e2e/dashboard -full

.PHONY: bench-revoke
bench-revoke: build spire ## Measure a revocation, from the API call to the peer's socket closed
	go test -count 1 -v -run . ./internal/e2e/revocation -full

.PHONY: bench-flood
bench-flood: build spire ## Flood a running controller from this machine and measure what is left for the others (2 min)
	go test -count 1 -v -timeout 10m ./internal/e2e/flood -full

.PHONY: bench-core
bench-core: build spire ## Measure what a change costs at 1,000, 10,000 and 50,000 members, beside bare gRPC (20 min)
	@mkdir -p bin/results
	go test -count 1 -v -timeout 2h -run TheCore ./internal/e2e/core -full -args -json $(CURDIR)/bin/results/bench-core.json

.PHONY: bench-tunnel
bench-tunnel: build spire ## Measure flows beside a raw relay, ssh -L, stunnel, haproxy and nginx (10 min, as root)
	@scripts/require.sh ip $(SERVERS)
	go test -count 1 -v -timeout 1h -exec $(APART) -run TunnelAndItsPeers ./internal/e2e/tunnelbench -full

.PHONY: bench-hostile
bench-hostile: build spire ## Measure a flow beside 2,000 idle and 50 hostile ones, and alone (3 min, as root)
	@scripts/require.sh ip
	go test -count 1 -v -timeout 15m -exec $(APART) -run BesideIdleAndHostileOnes ./internal/e2e/tunnelbench -full

.PHONY: bench-against
bench-against: ui spire ## Measure this commit and BASE=COMMIT in turn: BENCHES="admin enroll revoke rotation" (35 min)
	ROUNDS=$(or $(ROUNDS),2) scripts/bench-against.sh $(or $(BASE),$(error say make bench-against BASE=COMMIT)) $(BENCHES)

.PHONY: bench-footprint
bench-footprint: build spire ## Measure memory, CPU and wake-ups of an idle connector and tunneler (3 min)
	go test -count 1 -v -timeout 10m -run Idle ./internal/e2e/footprint -full

.PHONY: mutants
mutants: ## Remove each defence in turn and require that its test fails (15 min; SHARE=1/3: each third one)
	@scripts/require.sh git
	scripts/mutants.sh $(if $(SHARE),--share $(SHARE))

.PHONY: clean
clean: ## Remove what make built, except for SPIRE
	rm -rf bin/grpccontroller bin/grpcconnector bin/grpctunneler bin/host-agent bin/sdk bin/pebble* bin/results dist
