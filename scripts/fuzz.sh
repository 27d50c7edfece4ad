#!/usr/bin/env bash
# Fuzzes what parses bytes from outside, for the given time each: every target of the
# module, or the ones that are named.
# usage: fuzz.sh <duration> [<package>:<target>...]
set -euo pipefail
duration=${1:-30s}
shift || true
one() {
  echo "fuzz $1 $2 $duration"
  go test -run '^$' -fuzz "^$2\$" -fuzztime "$duration" "$1" </dev/null
}
if [ $# -gt 0 ]; then
  for each in "$@"; do one "./${each%%:*}" "${each##*:}"; done
  exit
fi
git grep -lE '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u | while read -r dir; do
  grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | sed 's/^func //' | while read -r target; do
    one "./$dir" "$target"
  done
done
