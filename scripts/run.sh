#!/usr/bin/env bash
# Starts the integrated server: with the user's .env when there is one, else in the sandbox.
set -euo pipefail
binary=$1
if [ -f .env ]; then
  echo "Found .env: starting with your Slack workspace." >&2
  exec "$binary" --integrated
fi
echo "No .env here: starting in the sandbox, a Slack workspace of its own on this machine." >&2
exec "$binary" --integrated --sandbox --host "${HOST:-127.0.0.1}"
