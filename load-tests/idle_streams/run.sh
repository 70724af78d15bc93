#!/usr/bin/env bash
# What an idle stream weighs in the gateway and in a bare pass-through Pingora. See README.md.
#
#   load-tests/idle_streams/run.sh [STREAMS]
#
# Variables: SUBJECTS ("stock bare weighbridge"), PROFILE (release), OUT (load-tests/results/VERSION), FIRST_PORT (19200), HOLD (35:
# seconds), EVERY (15: seconds between two chunks of a stream). Only processes started here are ended.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
SUBJECTS=${SUBJECTS:-stock bare weighbridge}
PROFILE=${PROFILE:-release}
FIRST_PORT=${FIRST_PORT:-19200}
HOLD=${HOLD:-35} EVERY=${EVERY:-15}

# Two descriptors a stream in the gateway, some for everything else.
ulimit -n "$(ulimit -Hn)"
most=$((($(ulimit -n) - 200) / 2))
STREAMS=${1:-10000}
[ "$STREAMS" -le "$most" ] || STREAMS=$most

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
OUT=${OUT:-load-tests/results/$version}
mkdir -p "$OUT"
raw=$OUT/idle-streams.jsonl

work=$(mktemp -d)
pids=()
cleanup() {
  trap - EXIT
  local one
  for one in "${pids[@]}"; do kill -TERM "$one" 2>/dev/null || true; done
  for one in "${pids[@]}"; do timeout 10 tail --pid="$one" -f /dev/null || kill -KILL "$one" 2>/dev/null || true; done
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

fail() {
  echo "idle_streams: $*" >&2
  for log in "$work"/*.log; do [ -s "$log" ] && { echo "--- $log" >&2; tail -5 "$log" >&2; }; done
  exit 1
}

cargo build --offline --profile "$PROFILE" --bin weighbridge --example bare_passthrough
built=$(cargo metadata --offline --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
case $PROFILE in dev) built=$built/debug ;; *) built=$built/$PROFILE ;; esac

export PROVIDER_PORT=$FIRST_PORT GATEWAY_PORT=$((FIRST_PORT + 1)) ADMIN_PORT=$((FIRST_PORT + 2))
bare_port=$((FIRST_PORT + 3))
export STATE_DIR=$work/state ACCESS_LOG=$work/access.jsonl
mkdir -p "$STATE_DIR"
IDLE_KEY=idle-$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')
KEY_HASH=$(printf %s "$IDLE_KEY" | sha256sum | cut -d' ' -f1)
export IDLE_KEY KEY_HASH

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

# A round at a subject: what the process PID weighs before, with and behind the streams.
round() {
  local subject=$1 at=$2 pid=$3 answer
  answer=$(timeout 600 python3 "$here/streams.py" clients "$at" "$STREAMS" "$pid" "$HOLD") || fail "$subject: $answer"
  printf '{"subject":"%s","measured":%s}\n' "$subject" "$answer" >>"$raw"
}

start provider "$PROVIDER_PORT" python3 "$here/streams.py" provider "$PROVIDER_PORT" "$EVERY"
: >"$raw"
for subject in $SUBJECTS; do
  echo "$subject: $STREAMS streams, twice" >&2
  case $subject in
    stock | bare)
      # Pingora's own read buffer, and the gateway's.
      buffer=4 && [ "$subject" = stock ] && buffer=64
      start "$subject" "$bare_port" "$built/examples/bare_passthrough" --read-buffer "$buffer" \
        --listen "127.0.0.1:$bare_port" --upstream "127.0.0.1:$PROVIDER_PORT" --threads 1
      round "$subject" "$bare_port" "${pids[-1]}"
      bare_port=$((bare_port + 1))
      ;;
    weighbridge)
      start weighbridge "$GATEWAY_PORT" "$built/weighbridge" run -c "$here/weighbridge.yaml"
      round weighbridge "$GATEWAY_PORT" "${pids[-1]}"
      ;;
    *) fail "no subject $subject" ;;
  esac
done

{
  echo "| | |"
  echo "|---|---|"
  echo "| date | $(date -u +%Y-%m-%dT%H:%MZ) |"
  echo "| commit | $(git describe --always --dirty) |"
  echo "| version, profile | $version, $PROFILE |"
  echo "| processor | $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) cores |"
  echo "| kernel, C library | $(uname -sr), $(ldd --version | head -1) |"
  echo "| rustc | $(rustc --version) |"
  echo "| descriptors | $(ulimit -n) |"
} >"$work/machine"
python3 "$here/report.py" "$raw" "$work/machine" | tee "$OUT/idle-streams-last.md"
