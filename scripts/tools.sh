#!/usr/bin/env bash
# Installs the pinned tools that tests and lint use, through the Go module proxy.
# usage: tools.sh <golangci-lint version> <nats-server version>
set -euo pipefail
bin=$(go env GOPATH)/bin
have() { command -v "$1" >/dev/null 2>&1 && "$1" "$2" 2>&1 | grep -qF "${3#v}"; }
export PATH="$bin:$PATH"
have golangci-lint version "$1" || go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$1"
have nats-server --version "$2" || go install "github.com/nats-io/nats-server/v2@$2"
