#!/usr/bin/env bash
# Claude Code and Codex against a gateway in front of the simulated provider.
#
#   tests/sdk/agents/run.sh [path to the weighbridge binary; default: target/release/weighbridge]
#
# Installs both by npm into a temporary directory (or takes those of AGENTS_DIR, a directory with node_modules), runs them
# with homes of their own and without telemetry, and stops only what it started.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
binary=${1:-${CARGO_TARGET_DIR:-$root/target}/release/weighbridge}
. "$here/../scaffold.sh"

if [ -z "${AGENTS_DIR:-}" ]; then
  echo "== agents"
  AGENTS_DIR=$work/agents
  mkdir "$AGENTS_DIR"
  cp "$here/package.json" "$here/package-lock.json" "$AGENTS_DIR/"
  (cd "$AGENTS_DIR" && npm ci --no-audit --no-fund --loglevel=error)
  # It links the program for this machine; npm may be set not to run it.
  (cd "$AGENTS_DIR/node_modules/@anthropic-ai/claude-code" && node install.cjs)
fi
export AGENTS=$AGENTS_DIR/node_modules/.bin

echo "== gateway and simulated provider"
"$binary" simulate --listen 127.0.0.1:0 >"$work/simulate.log" 2>&1 &
simulate=$!
pids+=("$simulate")
wait_for "the simulated provider" "$simulate" grep -q "simulated provider on" "$work/simulate.log"
SIMULATOR=$(sed -n 's/.*simulated provider on //p' "$work/simulate.log" | head -n 1)
listen=127.0.0.1:$(free_port)
admin=127.0.0.1:$(free_port)
KEY=wb-agent-tests-0123456789abcdef
hash=$(printf %s "$KEY" | sha256sum | cut -d' ' -f1)
sed -e "s|@LISTEN@|$listen|; s|@ADMIN@|$admin|; s|@STATE@|$work/state|; s|@SIMULATOR@|$SIMULATOR|; s|@HASH@|$hash|" \
  "$here/weighbridge.template.yaml" >"$work/weighbridge.yaml"
"$binary" run -c "$work/weighbridge.yaml" >"$work/gateway.log" 2>&1 &
gateway=$!
pids+=("$gateway")
wait_for "the gateway" "$gateway" curl -fsS "http://$admin/readyz"
export GATEWAY=http://$listen SIMULATOR KEY

echo "== agents at work"
status=0
# Homes of agents go with everything else.
TMPDIR=$work node --test --test-reporter=tap --test-concurrency=1 "$here/agents.test.js" || status=$?
if [ "$status" -ne 0 ]; then
  echo "== the gateway's log, its end"
  tail -n 60 "$work/gateway.log"
fi
"$binary" ledger verify -c "$work/weighbridge.yaml" || status=1
exit "$status"
