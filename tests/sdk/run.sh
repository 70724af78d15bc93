#!/usr/bin/env bash
# The official SDKs against a gateway in front of the simulated provider.
#
#   tests/sdk/run.sh [path to the weighbridge binary; default: target/release/weighbridge]
#
# Makes its own Python environment and node_modules in a temporary directory, prints "N passed, M failed", and ends
# with a status other than 0 if anything failed. Stops only what it started.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
binary=${1:-${CARGO_TARGET_DIR:-$root/target}/release/weighbridge}
. "$here/scaffold.sh"

echo "== tools"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/python/requirements.txt"
cp "$here"/node/package.json "$here"/node/package-lock.json "$here"/node/*.test.js "$work/"
(cd "$work" && npm ci --no-audit --no-fund --loglevel=error)

echo "== gateway and simulated provider"
"$binary" simulate --listen 127.0.0.1:0 >"$work/simulate.log" 2>&1 &
simulate=$!
pids+=("$simulate")
wait_for "the simulated provider" "$simulate" grep -q "simulated provider on" "$work/simulate.log"
SIMULATOR=$(sed -n 's/.*simulated provider on //p' "$work/simulate.log" | head -n 1)
listen=127.0.0.1:$(free_port)
admin=127.0.0.1:$(free_port)
KEY=wb-sdk-tests-0123456789abcdef
NARROW_KEY=wb-sdk-tests-narrow-0123456789
# An account at Google with a key of its own: the gateway gets its tokens from the simulated provider.
"$work/venv/bin/python" "$here/python/service_account.py" "$SIMULATOR/token" >"$work/account.json"
hash_of() { printf %s "$1" | sha256sum | cut -d' ' -f1; }
sed -e "s|@LISTEN@|$listen|; s|@ADMIN@|$admin|; s|@STATE@|$work/state|; s|@WORK@|$work|; s|@SIMULATOR@|$SIMULATOR|g" \
  -e "s|@HASH@|$(hash_of "$KEY")|; s|@NARROW_HASH@|$(hash_of "$NARROW_KEY")|" \
  "$here/weighbridge.template.yaml" >"$work/weighbridge.yaml"
"$binary" check -c "$work/weighbridge.yaml" >"$work/check.log" || { cat "$work/check.log" >&2; exit 1; }
"$binary" run -c "$work/weighbridge.yaml" >"$work/gateway.log" 2>&1 &
gateway=$!
pids+=("$gateway")
wait_for "the gateway" "$gateway" curl -fsS "http://$admin/readyz"
export GATEWAY=http://$listen SIMULATOR KEY NARROW_KEY
unset OPENAI_API_KEY OPENAI_BASE_URL ANTHROPIC_API_KEY ANTHROPIC_BASE_URL ANTHROPIC_AUTH_TOKEN

failed=0
echo "== python"
"$work/venv/bin/python" "$here/python/test_sdk.py" 2>&1 | tee "$work/python.out" || failed=1
echo "== node"
(cd "$work" && node --test --test-reporter=tap --test-concurrency=1 ./*.test.js) 2>&1 | tee "$work/node.out" || failed=1

echo "== ledger"
"$binary" ledger verify -c "$work/weighbridge.yaml" || failed=1
kill -0 "$gateway" || { echo "the gateway has ended" >&2; failed=1; }

count() { sed -n "$1" "$2" | tail -n 1; }
python_passed=$(count 's/^\([0-9]*\) passed, .*/\1/p' "$work/python.out")
python_failed=$(count 's/^[0-9]* passed, \([0-9]*\) failed/\1/p' "$work/python.out")
node_passed=$(count 's/^# pass \([0-9]*\)/\1/p' "$work/node.out")
node_failed=$(count 's/^# fail \([0-9]*\)/\1/p' "$work/node.out")
if [ -z "$python_passed" ] || [ -z "$node_passed" ]; then
  echo "a suite did not run to its end" >&2
  failed=1
fi
if [ "$failed" -ne 0 ]; then
  echo "== the gateway's log, its end"
  tail -n 40 "$work/gateway.log"
fi
echo "$((${python_passed:-0} + ${node_passed:-0})) passed, $((${python_failed:-0} + ${node_failed:-0})) failed"
exit "$failed"
