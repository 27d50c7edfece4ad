#!/usr/bin/env bash
# Fuzzes what parses bytes from outside, for the given time each: every target of the
# module, or the ones that are named. FUZZ_JOBS of them run at once, each with its part of
# the processors.
# usage: fuzz.sh <duration> [<package>:<target>...]
set -euo pipefail
duration=${1:-30s}
shift || true
jobs=${FUZZ_JOBS:-1}
parallel=$(($(nproc) / jobs))
[ "$parallel" -gt 0 ] || parallel=1
export duration parallel
one() {
  package=./${1%%:*} target=${1##*:} status=0
  out=$(go test -run '^$' -fuzz "^$target\$" -fuzztime "$duration" -parallel "$parallel" "$package" 2>&1 </dev/null) || status=$?
  printf 'fuzz %s %s %s\n%s\n' "$package" "$target" "$duration" "$(grep -vE '^fuzz: elapsed' <<<"$out")"
  return "$status"
}
export -f one
all() {
  git grep -lE '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u | while read -r dir; do
    grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | sed "s|^func |$dir:|"
  done
}
if [ $# -gt 0 ]; then printf '%s\n' "$@"; else all; fi | xargs -P "$jobs" -I{} bash -c 'one {}'
