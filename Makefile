# One line a target; the logic lives in Go and in scripts/.
SHELL := /bin/bash
.DEFAULT_GOAL := help

GOLANGCI_VERSION := v2.15.0
NATS_VERSION     := v2.15.2
BIN              := bin/slack-webhook-server
VERSION          ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS          := -s -w -X main.version=$(VERSION)
# Without the runtime of Lambda that AWS retired, and the net/rpc that it needs: 12 MiB.
TAGS             := lambda.norpc
TESTFLAGS        ?=

PREFIX           ?= /usr/local

.PHONY: help build install release run test race lint fmt check docs bench kills flood lockout first-contact replicas fanout followers subscribers people soak startup growth tokens visibility roads chaos conformance clients sender-fixtures fuzz image lambda deploy-test tools ci clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'
	@echo; echo "How to add to it, and what each proof takes: CONTRIBUTING.md"

build: ## Build the binary into bin/
	@[ -e $(BIN) ] || echo "Building $(BIN): the first time takes some minutes: two or three on two cores." >&2
	@CGO_ENABLED=0 go build -trimpath -tags '$(TAGS)' -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/slack-webhook-server

install: build ## Install the binary into PREFIX/bin, /usr/local/bin unless you say so
	@install -D -m 0755 $(BIN) $(DESTDIR)$(PREFIX)/bin/slack-webhook-server

release: ## Build the archives of a release into dist/release: six platforms, checksums, list of modules
	@scripts/release.sh '$(VERSION)' '$(TAGS)' '$(LDFLAGS)'

run: build ## Run the integrated server: with your .env when there is one, else in the sandbox
	@scripts/run.sh $(BIN)

test: ## Run every test; what needs another program says so and skips
	@go test -count=1 -timeout 30m $(TESTFLAGS) ./...

race: ## Run every test under the race detector
	@go test -race -count=1 -timeout 30m $(TESTFLAGS) ./...

lint: ## Lint with the pinned golangci-lint
	@golangci-lint run ./...

fmt: ## Format
	@golangci-lint fmt ./...

docs: ## Write the generated documents anew
	@go generate ./...

check: lint test ## What a change must pass before it is committed

bench: build ## Measure receiving and tool calls beside their floors; writes docs/performance.md's tables; BEFORE=binary compares with another build, SUBSCRIPTIONS=1000 with that many that match nothing
	@go run ./test/bench -server $(BIN) $(if $(BEFORE),-before $(BEFORE),$(if $(SUBSCRIPTIONS),-subscriptions $(SUBSCRIPTIONS),-write docs/performance.md))

kills: build ## Kill the server 200 times while 1,000,000 events come in (long; a part of chaos)
	@scripts/chaos.sh server

chaos: build ## Kill and pause Redis and NATS under load, also clusters of them (long); PARTS="queue" for some
	@scripts/chaos.sh $(PARTS)

replicas: ## Run three replicas behind nginx with 100,000 events and 24 kills, on Redis and NATS (long)
	@REPLICA_EVENTS=100000 REPLICA_KILLS=24 REPLICA_KILL_MS=5000 go test -count=1 -timeout 60m -v -run TestReplicas ./test/e2e

flood: ## Attack a server on one processor, from another, with 500 slow senders and 10,000 unsigned posts (long)
	@FLOOD_CPU=1 FLOOD_ROUNDS=5 FLOOD_SLOW=500 FLOOD_POSTS=10000 taskset -c 0 go test -v -count=1 -timeout 20m -run TestFlood ./test/e2e

lockout: ## Try to lock a signed sender out: junk at full rate, 8,192 connections of each kind, with and without proxies (long)
	@LOCKOUT_SECONDS=10 LOCKOUT_MOST=8192 LOCKOUT_WORKERS=1200 go test -v -count=1 -timeout 20m -run 'TestSignedEventsGetInUnderJunk|TestNobodyTakesAllConnections' ./test/e2e

fanout: build ## Time how quickly events reach 1,000 followers (long)
	@go run ./test/fanout -server $(BIN)

followers: build ## Time how quickly 50 events a second reach 10,000 followers, each with a channel of its own (long)
	@go run ./test/fanout -server $(BIN) -sessions 10000 -rate 50 -duration 60s -memory 1024 -idle 0 -only 'each a channel of its own'

soak: build ## Run twice ten minutes under load, release and -race, and see that nothing grows (long)
	@go build -race -o $(BIN)-race ./cmd/slack-webhook-server
	@go run ./test/soak -server $(BIN)
	@go run ./test/soak -server $(BIN)-race -race

subscribers: ## Post 50 events a second to 100 webhook subscribers, of whom three misbehave, and time each
	@PUSH_RATE=50 PUSH_EVENTS=1500 go test -count=1 -timeout 10m -run 'TestSubscribers$$' -v ./test/e2e

people: ## Sign 5,000 people in within five minutes on each durable store, and refresh their tokens (long)
	@PEOPLE=5000 PEOPLE_RATE=16.7 PEOPLE_REFRESHES=20000 go test -v -count=1 -timeout 40m -run TestPeopleUnderLoad ./test/e2e

visibility: ## Count the calls and minutes until it is known who may see what among 5,000 people, what a day costs, and what time tells of the hidden
	@VISIBILITY_LONG=1 go test -v -count=1 -run 'TestCost' -bench See ./mcp/visibility
	@go test -count=1 -run '^$$' -bench Hidden ./mcp/sight

tokens: build ## Count the tokens that tools and results cost a model; writes docs/performance.md's table
	@cd test/tokens && go run . -server ../../$(BIN) -write ../../docs/performance.md

startup: build ## Time the start beside a large workspace; writes docs/performance.md's table
	@go run ./test/startup -server $(BIN) -write docs/performance.md

growth: build ## Time reads and acknowledgements at 10,000 to 1,000,000 stored events; writes docs/performance.md's table
	@go run ./test/growth -server $(BIN) -write docs/performance.md

roads: ## Count the files and functions that one request visits; writes docs/roads.md
	@go run ./test/roads -write docs/roads.md

conformance: ## Run the public MCP conformance suites (needs npm)
	@test/conformance.sh
	@go test -count=1 -v -run TestAuthorization ./test/conformance

# npm ci refuses the lock: optional packages for other platforms are missing in it. npm install takes the versions of the lock too, and
# refuses a package whose hash is not the lock's; --no-save leaves package.json and the lock as they are. Only what the lock does not
# name, on another platform, comes by the registry's hash.
clients: ## Install the programs that people use as MCP clients (npm, 1.4 GB) and let each connect as client-config says
	@cd test/mcp-clients/programs && npm install --no-save --no-audit --no-fund --ignore-scripts --silent && npm rebuild --silent node opencode-ai @anthropic-ai/claude-code
	@go test -tags programs -count=1 -v -run TestClientPrograms ./test/e2e

first-contact: ## From a fresh clone with empty caches to an assistant's reply in the workspace, each step's time (needs curl)
	@scripts/first-contact.sh

sender-fixtures: ## Make webhook/testdata/senders anew with the senders' own libraries (needs npm and openssl)
	@npm install --prefix scripts/senders --no-audit --no-fund --no-package-lock --ignore-scripts --silent
	@cd scripts/senders && node make.mjs ../../webhook/testdata/senders

fuzz: ## Fuzz each parser of outside bytes for 30 s
	@scripts/fuzz.sh 30s

image: ## Build the container image (needs docker)
	@docker build -f deploy/Dockerfile --build-arg VERSION=$(VERSION) -t slack-webhook-server .

lambda: ## Build what deploy/lambda packs, into dist/lambda
	@scripts/lambda.sh '$(TAGS)' '$(LDFLAGS)'

deploy-test: ## Check everything in deploy/ (a module of its own)
	@cd test/deploy && go test $(TESTFLAGS) ./...

tools: ## Install the pinned tools (Go proxy)
	@scripts/tools.sh $(GOLANGCI_VERSION) $(NATS_VERSION)

ci: ## What CI runs
	@.ci/run

clean: ## Remove what was built
	@rm -rf bin
