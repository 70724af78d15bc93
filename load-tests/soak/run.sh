#!/usr/bin/env bash
# A compressed day of mixed traffic, and whether anything was left of it. See README.md.
#
#   MINUTES=60 load-tests/soak/run.sh
#
# Variables: MINUTES (60), THREADS (16), PROFILE (release), OUT (load-tests/results/VERSION), FIRST_PORT (19400). Only processes
# started here are ended.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
MINUTES=${MINUTES:-60} THREADS=${THREADS:-16} PROFILE=${PROFILE:-release} FIRST_PORT=${FIRST_PORT:-19400}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
OUT=${OUT:-load-tests/results/$version}
mkdir -p "$OUT"

work=$(mktemp -d)
pids=()
cleanup() {
  trap - EXIT
  local one
  for one in "${pids[@]}"; do kill -TERM "$one" 2>/dev/null || true; done
  for one in "${pids[@]}"; do timeout 20 tail --pid="$one" -f /dev/null || kill -KILL "$one" 2>/dev/null || true; done
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

fail() {
  echo "soak: $*" >&2
  for log in "$work"/*.log; do [ -s "$log" ] && { echo "--- $log" >&2; tail -5 "$log" >&2; }; done
  exit 1
}

cargo build --offline --profile "$PROFILE" --bin weighbridge
built=$(cargo metadata --offline --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
case $PROFILE in dev) built=$built/debug ;; *) built=$built/$PROFILE ;; esac

random() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
export PROVIDER_PORT=$FIRST_PORT GATEWAY_PORT=$((FIRST_PORT + 1)) ADMIN_PORT=$((FIRST_PORT + 2))
export STATE_DIR=$work/state ACCESS_LOG=$work/access.jsonl KEYS_PATH=/admin/v1/keys
SOAK_KEY=soak-$(random) ADMIN_TOKEN=$(random)
KEY_HASH=$(printf %s "$SOAK_KEY" | sha256sum | cut -d' ' -f1)
export SOAK_KEY ADMIN_TOKEN KEY_HASH
mkdir -p "$STATE_DIR"

open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# start NAME PORT COMMAND…: starts it, and waits until its port is open, at most 20 s.
start() {
  local name=$1 at=$2
  shift 2
  open "$at" && fail "port $at is taken"
  "$@" >"$work/$name.log" 2>&1 &
  pids+=($!)
  for _ in $(seq 200); do
    kill -0 "${pids[-1]}" 2>/dev/null || fail "$name ended"
    open "$at" && return
    sleep 0.1
  done
  fail "$name does not listen on $at"
}

start provider "$PROVIDER_PORT" "$built/weighbridge" simulate --listen "127.0.0.1:$PROVIDER_PORT" --record 1
start weighbridge "$GATEWAY_PORT" "$built/weighbridge" run -c "$here/weighbridge.yaml"
gateway=${pids[-1]}
python3 "$here/soak.py" "$GATEWAY_PORT" "$ADMIN_PORT" "$gateway" "$MINUTES" "$THREADS" >"$work/soak.json" || fail "the traffic ended"
kill -0 "$gateway" || fail "the gateway died"
kill -TERM "$gateway"
timeout 30 tail --pid="$gateway" -f /dev/null || fail "the gateway does not stop"
whole=0
"$built/weighbridge" ledger verify -c "$here/weighbridge.yaml" >"$work/verify.txt" 2>&1 || whole=1
grep -ci "panicked" "$work/weighbridge.log" >"$work/panics" || true
machine="$(git describe --always --dirty), $PROFILE; $(uname -sr); $(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg)"
python3 "$here/report.py" "$work/soak.json" "$work/verify.txt" "$whole" "$(cat "$work/panics")" "$machine" | tee "$OUT/soak.md"
exit "${PIPESTATUS[0]}"
