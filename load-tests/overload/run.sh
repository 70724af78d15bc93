#!/usr/bin/env bash
# What is served, and how fast the rest is refused, at three times of what the gateway can do. See README.md.
#
#   load-tests/overload/run.sh [--quick]
#
# Variables: SCENARIOS ("places processor"), SECONDS_EACH (20), PROFILE (release), BUILT (a directory with the programs: nothing is built), OUT (load-tests/results/VERSION),
# PROXY_CPU (0), LOAD_CPU (1), FIRST_PORT (19200). Everything is bounded; only processes started here are ended.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"

SCENARIOS=${SCENARIOS:-places processor}
SECONDS_EACH=${SECONDS_EACH:-20}
PROFILE=${PROFILE:-release}
PROXY_CPU=${PROXY_CPU:-0}
LOAD_CPU=${LOAD_CPU:-1}
FIRST_PORT=${FIRST_PORT:-19200}
[ "${1:-}" = --quick ] && SECONDS_EACH=4

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
OUT=${OUT:-load-tests/results/$version}
mkdir -p "$OUT"
raw=$OUT/overload.jsonl
: >"$raw"
work=$(mktemp -d)
pids=()
cleanup() {
  trap - EXIT
  for one in "${pids[@]}"; do kill -TERM "$one" 2>/dev/null || true; done
  for _ in $(seq 50); do
    local left=0
    for one in "${pids[@]}"; do kill -0 "$one" 2>/dev/null && left=1; done
    [ $left = 0 ] && break
    sleep 0.1
  done
  for one in "${pids[@]}"; do kill -KILL "$one" 2>/dev/null || true; done
  pids=()
}
trap 'cleanup; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

fail() {
  echo "overload: $*" >&2
  for log in "$work"/*.log; do [ -s "$log" ] && { echo "--- $log" >&2; tail -5 "$log" >&2; }; done
  exit 1
}

if [ -n "${BUILT:-}" ]; then
  built=$BUILT
else
  echo "building ($PROFILE)" >&2
  cargo build --profile "$PROFILE" --bin weighbridge --example load_generator
  built=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
  case $PROFILE in dev) built=$built/debug ;; *) built=$built/$PROFILE ;; esac
fi

declare -A key
for name in loud quiet high low; do
  key[$name]=load-$name-$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')
  export "HASH_$name=$(printf %s "${key[$name]}" | sha256sum | cut -d' ' -f1)"
done
export PROVIDER_PORT=$FIRST_PORT GATEWAY_PORT=$((FIRST_PORT + 1)) ADMIN_PORT=$((FIRST_PORT + 2))

open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# start NAME CPU PORT COMMAND…: starts it pinned to one core, and waits until its port is open, at most 20 s.
start() {
  local name=$1 cpu=$2 at=$3
  shift 3
  open "$at" && fail "port $at is taken"
  taskset -c "$cpu" "$@" >"$work/$name.log" 2>&1 &
  pids+=($!)
  for _ in $(seq 200); do
    kill -0 "${pids[-1]}" 2>/dev/null || fail "$name ended"
    open "$at" && return
    sleep 0.1
  done
  fail "$name does not listen on $at"
}

# load KEY ARGUMENTS…: one run of the generator.
load() {
  local name=$1
  shift
  GENERATOR_KEY=${key[$name]} timeout 120 taskset -c "$LOAD_CPU" "$built/examples/load_generator" \
    --target "127.0.0.1:$GATEWAY_PORT" --body short --text-bytes "$text" --refused 503 --requests 10000000 "$@"
}
field() { sed "s/.*\"$1\":\([0-9.]*\).*/\1/"; }

# phase NAME RATE KEY=SHARE…: all keys at once, each with its share (in percent) of the rate.
phase() {
  local name=$1 rate=$2 one
  shift 2
  local running=()
  for one in "$@"; do
    local own=$((rate * ${one#*=} / 100))
    load "${one%=*}" --rate $((own > 0 ? own : 1)) --connections "$connections" --seconds "$SECONDS_EACH" \
      >"$work/$name-${one%=*}.json" 2>"$work/$name-${one%=*}.err" &
    running+=($!)
  done
  for one in "${running[@]}"; do wait "$one" || fail "$name: $(cat "$work/$name"-*.err)"; done
  for one in "$@"; do
    printf '{"scenario":"%s","phase":"%s","key":"%s","share":%s,"rate":%s,"capacity":%s,"load":%s}\n' "$scenario" "$name" \
      "${one%=*}" "${one#*=}" "$rate" "$capacity" "$(cat "$work/$name-${one%=*}.json")" >>"$raw"
  done
}

for scenario in $SCENARIOS; do
  export STATE_DIR=$work/state-$scenario ACCESS_LOG=$work/access-$scenario.jsonl
  mkdir -p "$STATE_DIR"
  case $scenario in
    places) export PLACES=64 FIRST_TOKEN=100ms; text=0 connections=192 ;;
    processor) export PLACES=20000 FIRST_TOKEN=20ms; text=16384 connections=256 ;;
    *) fail "no scenario $scenario" ;;
  esac
  start "provider-$scenario" "$LOAD_CPU" "$PROVIDER_PORT" \
    "$built/weighbridge" simulate --listen "127.0.0.1:$PROVIDER_PORT" --output-tokens 16 --record 1
  # What it can do: each again as soon as it is answered. Without shedding: a refusal that comes back at once is no work.
  SHED_LAG=0s start "capacity-$scenario" "$PROXY_CPU" "$GATEWAY_PORT" "$built/weighbridge" run -c "$here/weighbridge.yaml"
  load loud --connections 64 --seconds 2 >/dev/null
  capacity=$(load loud --connections 64 --seconds "$((SECONDS_EACH / 2))" | field rps | cut -d. -f1)
  echo "$scenario: $capacity requests a second" >&2
  kill -TERM "${pids[-1]}" && wait "${pids[-1]}" || true
  unset 'pids[-1]'
  SHED_LAG=10ms start "weighbridge-$scenario" "$PROXY_CPU" "$GATEWAY_PORT" "$built/weighbridge" run -c "$here/weighbridge.yaml"
  phase quiet $((capacity / 3)) loud=50 quiet=10 high=10 low=30
  phase overload $((capacity * 3)) loud=50 quiet=10 high=10 low=30
  exec 3<>"/dev/tcp/127.0.0.1/$ADMIN_PORT"
  printf 'GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n' >&3
  grep -a -E '^weighbridge_proxy_(overload|queue|lag|admitted|in_flight|buffered)' <&3 >"$OUT/overload-$scenario.metrics" || true
  exec 3>&-
  cleanup
done

python3 "$here/report.py" "$raw" >"$OUT/overload.md"
cat "$OUT/overload.md"
