#!/usr/bin/env bash
# The admin API against its own OpenAPI document, by schemathesis: bounded, with a fixed seed.
#
#   tests/admin/run.sh [path to the weighbridge binary; default: target/release/weighbridge]
#
# Makes its own Python environment in a temporary directory and stops only what it started.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
binary=${1:-${CARGO_TARGET_DIR:-$root/target}/release/weighbridge}
binary=$(realpath "$binary")
work=$(mktemp -d)
running=

finish() {
  if [ -n "$running" ]; then
    kill "$running" 2>/dev/null || true
    wait "$running" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap finish EXIT

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

echo "== tools"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"

echo "== gateway"
admin=127.0.0.1:$(free_port)
token=schemathesis-admin-token
cat >"$work/weighbridge.yaml" <<YAML
server: { listen: [{ address: "127.0.0.1:$(free_port)" }] }
admin: { listen: "$admin", token: $token }
state: { dir: "$work/state" }
providers: { openai: { kind: openai, base_url: "http://127.0.0.1:9/v1" } }
models: { fast: { targets: [{ provider: openai, model: gpt-4o-mini, price_as: gpt-4o-mini }] } }
teams: { search: {} }
keys: [{ name: search-ci, team: search, hash: "sha256:$(printf '0%.0s' {1..64})" }]
YAML
"$binary" run -c "$work/weighbridge.yaml" >"$work/gateway.log" 2>&1 &
running=$!
tries=300
until curl -fsS "http://$admin/readyz" >/dev/null 2>&1; do
  tries=$((tries - 1))
  if [ "$tries" -le 0 ] || ! kill -0 "$running" 2>/dev/null; then
    cat "$work/gateway.log" >&2
    exit 1
  fi
  sleep 0.1
done

# Not the live tail, which does not end: tests/it/records.rs has it.
echo "== schemathesis"
cd "$work"
"$work/venv/bin/schemathesis" --config-file "$here/schemathesis.toml" run "http://$admin/admin/v1/openapi.json" \
  --header "Authorization: Bearer $token" --exclude-path /requests/tail \
  --phases examples,coverage,fuzzing --max-examples "${WEIGHBRIDGE_EXAMPLES:-40}" --seed 20261127 \
  --generation-database none --no-color

echo "== audit log"
"$binary" audit verify --state "$work/state"
