#!/usr/bin/env bash
# Builds what deploy/lambda/template.yaml packs. usage: lambda.sh <tags> <ldflags> [<directory>]
set -euo pipefail
out=${3:-dist/lambda}
mkdir -p "$out"
CGO_ENABLED=0 GOOS=linux GOARCH="${LAMBDA_ARCH:-arm64}" go build -trimpath -tags "$1" -ldflags "$2" -o "$out/slack-webhook-server" ./cmd/slack-webhook-server
install -m 0755 deploy/lambda/bootstrap "$out/bootstrap"
