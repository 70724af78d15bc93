#!/usr/bin/env bash
# CPU time of translated requests beside passed ones; see README.md.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}/release
rounds=${1:-3}
work=$(mktemp -d)
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
simulator=127.0.0.1:$(port) gateway=127.0.0.1:$(port) admin=127.0.0.1:$(port)
key=wb-translation-bench-0123456789
hash=$(printf %s "$key" | sha256sum | cut -d' ' -f1)
cat >"$work/weighbridge.yaml" <<YAML
server: { listen: [{ address: "$gateway" }], threads: 1 }
admin: { listen: "$admin" }
state: { dir: "$work/state" }
providers:
  openai: { kind: openai, base_url: "http://$simulator/v1", api_key: x, catalogue: openai }
  anthropic: { kind: anthropic, base_url: "http://$simulator", api_key: x, catalogue: anthropic }
  gemini: { kind: gemini, base_url: "http://$simulator", api_key: x, catalogue: gemini }
models:
  passed: { targets: [{ provider: openai, model: gpt-4o-mini }] }
  claude: { targets: [{ provider: anthropic, model: claude-haiku-4-5 }] }
  gemini: { targets: [{ provider: gemini, model: gemini-2.5-flash }] }
teams: { t: {} }
keys: [{ name: k, team: t, hash: "sha256:$hash" }]
records: { access_log: off }
YAML
"$target/weighbridge" simulate --listen "$simulator" >"$work/simulate.log" 2>&1 &
simulate=$!
"$target/weighbridge" run -c "$work/weighbridge.yaml" >"$work/gateway.log" 2>&1 &
run=$!
trap 'kill "$run" "$simulate"; wait "$run" "$simulate" 2>/dev/null || true; rm -rf "$work"' EXIT
for _ in $(seq 100); do curl -fs "http://$admin/readyz" >/dev/null && break; sleep 0.1; done
cpu() { awk '{ print $14 + $15 }' "/proc/$run/stat"; }
for round in $(seq "$rounds"); do
  for body in short stream; do
    requests=6000
    [ "$body" = stream ] && requests=1500
    for model in passed claude gemini; do
      before=$(cpu)
      GENERATOR_KEY=$key "$target/examples/load_generator" --target "$gateway" --model "$model" --body "$body" --events 100 \
        --connections 8 --requests "$requests" >"$work/out.json" || { cat "$work/out.json" "$work/gateway.log" >&2; exit 1; }
      echo "round $round, $body, $model: $((($(cpu) - before) * 10000 / requests)) us of CPU a request"
    done
  done
done
