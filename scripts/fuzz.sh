#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time each.
# usage: fuzz.sh <duration>
set -euo pipefail
duration=${1:-30s}
grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r dir; do
  grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | sed 's/^func //' | while read -r target; do
    echo "fuzz $dir $target $duration"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$duration" "$dir" </dev/null
  done
done
