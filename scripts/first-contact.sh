#!/usr/bin/env bash
# Does what a person does first, from a fresh clone with empty caches and an empty home: make run, say something in
# the workspace, and let an assistant be told of it and answer. Prints how long each step took.
set -euo pipefail
cd "$(dirname "$0")/.."
origin=$(git rev-parse --show-toplevel)
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill -- "-$server" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
export LC_ALL=C # EPOCHREALTIME has a comma in some languages, which awk does not read
export HOME="$work/home" GOMODCACHE="$work/modules" GOCACHE="$work/cache" GOFLAGS=-modcacherw
export DATA_DIR="$work/data" HOST=127.0.0.1 PORT="${PORT:-3900}"
mkdir -p "$HOME"

began=$EPOCHREALTIME last=$EPOCHREALTIME
step() { # prints a step's name and how long it took
  local now=$EPOCHREALTIME
  printf '%-42s %8s s\n' "$1" "$(awk -v a="$last" -v b="$now" 'BEGIN { printf "%.2f", b - a }')"
  last=$now
}
until_line() { # reads what the server prints until a line has the words
  local line lines=()
  while IFS= read -r line <&3; do
    [[ $line == *"$1"* ]] && return
    lines+=("$line")
    [ ${#lines[@]} -le 20 ] || lines=("${lines[@]:1}")
  done
  printf 'make run ended without saying "%s"; the last that it said:\n' "$1" >&2
  [ ${#lines[@]} -eq 0 ] || printf '  %s\n' "${lines[@]}" >&2
  exit 1
}

git clone --quiet "file://$origin" "$work/clone"
cd "$work/clone"
step "git clone"

set -m # the server and what started it are one group, which the trap ends
mkfifo "$work/said"
make run >"$work/said" 2>&1 &
server=$!
set +m
exec 3<"$work/said"
until_line "No .env here"
step "make run: modules, build"
until_line "receives"
step "make run: the server starts"
cat <&3 >/dev/null &
# The token goes to curl in a file: everybody on the machine sees the arguments of a process.
(umask 077 && printf 'Authorization: Bearer %s\n' "$(cat "$DATA_DIR/mcp-token")" >"$work/auth")

session=
call() { # posts a JSON-RPC message to the MCP endpoint and prints the answer
  curl -sS --fail-with-body --max-time 60 ${session:+-H "Mcp-Session-Id: $session"} -H @"$work/auth" \
    -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' -d "$1" "${@:2}" "http://$HOST:$PORT/mcp"
}
tool() { call "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\",\"params\":{\"name\":\"$1\",\"arguments\":$2}}"; }
field() { grep -o "\"$1\":\"[^\"]*\"" | head -n 1 | cut -d'"' -f4; }

call '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"first-contact","version":"1"}}}' \
  -D "$work/headers" -o /dev/null
session=$(grep -i '^mcp-session-id:' "$work/headers" | tr -d '\r' | cut -d' ' -f2)
call '{"jsonrpc":"2.0","method":"notifications/initialized"}' >/dev/null
cursor=$(tool slack_wait_for_event '{"timeout_seconds":1}' | field next_cursor)
step "an assistant connects, and has waited 1 s"

bin/slack-webhook-server sandbox say --as alice --in general "when is the next release?" >/dev/null
step "alice says something"
event=$(tool slack_wait_for_event "{\"channel\":\"#general\",\"timeout_seconds\":20,\"cursor\":\"$cursor\"}" | field event_id)
step "the assistant is told of it"
channel=$(tool slack_reply_to_event "{\"event_id\":\"$event\",\"text\":\"On Thursday at 14:00.\"}" | tee "$work/reply" | field channel)
step "it answers"
said=$(tool slack_read_thread_messages "{\"channel\":\"$channel\",\"thread_ts\":\"$(field thread_ts <"$work/reply")\"}")
[[ $said == *"On Thursday at 14:00."* ]] ||
  { echo "the answer is not in the workspace: $(cat "$work/reply")" >&2; exit 1; }
step "the answer stands in the workspace"
last=$began
step "in all"
