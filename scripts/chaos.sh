#!/usr/bin/env bash
# Failures in their long form, part by part:
#
#   scripts/chaos.sh            every part
#   scripts/chaos.sh queue      some
#
# A part is a function below; tests print its figures in lines with "chaos: | … |", which
# are printed as rows of a table at the end. KILLS and PAUSE say how often and how long.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$(go env GOPATH)/bin:/usr/sbin:$PATH" REQUIRE_ALL=1
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# queue: redis-server and nats-server are killed with kill -9 and started again, and
# stopped for a while, under load: single ones, a Redis Cluster of three masters, a
# Sentinel failover and a NATS cluster of three.
part_queue() {
  head='| database | what | acknowledged | refused, sent again | lost | handled again | first acknowledgement | first event handled |
|---|---|---:|---:|---:|---:|---:|---:|'
  go test -count=1 -timeout 60m -v -run 'Kill|Pause|TestClusterLosesOne|Sentinel' \
    ./store/redis ./store/nats -kills "${KILLS:-20}" -pause "${PAUSE:-10s}"
}

# server: the server itself is killed with kill -9 on its sqlite store while senders post
# and a rule forwards. SERVER_KILLS and SERVER_EVENTS say how often and how many.
part_server() {
  head='| kills | acknowledged | lost | stored twice | handled again after a kill | handled again without one |
|---:|---:|---:|---:|---:|---:|'
  KILLS="${SERVER_KILLS:-200}" KILL_EVENTS="${SERVER_EVENTS:-1000000}" CONSERVATION_ROUNDS=20 \
    go test -count=1 -timeout 90m -v -run 'TestKill|TestConservation' ./test/e2e
}

parts=("$@")
[ "${#parts[@]}" -gt 0 ] || mapfile -t parts < <(declare -F | sed -n 's/^declare -f part_//p')
status=0
for part in "${parts[@]}"; do
  declare -F "part_$part" >/dev/null || { echo "no part $part in $0" >&2; exit 2; }
  printf '\n== %s\n' "$part"
  head=''
  "part_$part" >"$log" 2>&1 || status=$?
  grep -E '^(ok|FAIL|panic:|--- )' "$log" || true
  [ "$status" -eq 0 ] || { cat "$log"; exit "$status"; }
  printf '\n%s\n' "$head"
  sed -n 's/^.*chaos: //p' "$log" | sort
done
