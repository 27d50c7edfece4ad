#!/usr/bin/env bash
# Runs the public MCP conformance suites against the fixtures of
# mcp/transport/internal/conformance. No failure is expected: there is no baseline
# file. What a suite itself does not score (extensions) is run and reported.
#
# usage: test/conformance.sh [folder for the results]
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-$(mktemp -d)}
suites=$PWD/test/conformance

[ -d "$suites/node_modules" ] || (cd "$suites" && npm ci --no-audit --no-fund --ignore-scripts >/dev/null)
node=$(ls "$suites"/node_modules/node-*/bin/node 2>/dev/null | head -n 1 || true)
node=${node:-$(command -v node)} # on other machines: their own, which must be 22 or newer
"$node" -e 'process.exit(parseInt(process.versions.node) < 22 ? 1 : 0)' || { echo "the suites need Node 22 or newer" >&2; exit 1; }

work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
go build -o "$work/fixture" ./mcp/transport/internal/conformance
"$work/fixture" >"$work/url" 2>"$out/server.log" &
server=$!
for _ in $(seq 100); do [ -s "$work/url" ] && break; sleep 0.05; done
url=$(cat "$work/url")
[ -n "$url" ] || { cat "$out/server.log" >&2; exit 1; }

run() { # name, suite's package, arguments
  local name=$1 package=$2
  shift 2
  mkdir -p "$out/$name"
  "$node" "$suites/node_modules/$package/dist/index.js" server --url "$url" -o "$out/$name" "$@" >"$out/$name.log" 2>&1 || {
    cat "$out/$name.log"
    echo "conformance $name: FAILED" >&2
    return 1
  }
  echo "conformance $name: $(grep '^Total:' "$out/$name.log")"
}

status=0
run 0.1.16 @modelcontextprotocol/conformance --suite all || status=1
run 2025-11-25 conformance-next --requirements 2025-11-25 || status=1
run 2026-07-28 conformance-next --requirements 2026-07-28 || status=1
exit "$status"
