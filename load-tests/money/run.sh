#!/usr/bin/env bash
# Whether limits bite, budgets hold and the ledger keeps up: a race, kills, ten million rows, the cost of a request. See
# README.md.
#
#   load-tests/money/run.sh [--quick]
#
# Variables: PARTS ("race kill rows cost refusals"), ROWS (10000000), KILLS (200), KILL_REQUESTS (400), PROVIDERS
# ("simulate llmock"), BUILT (1: the release build is there), FILLED (a state
# directory that fill_ledger has filled before, with its output in FILLED.out), OUT (load-tests/results/VERSION), FIRST_PORT (19200), WORK (a new directory under TMPDIR; the rows
# need some 8 GB there). Parts that are run replace their lines of money.jsonl, and leave those of the others. Everything
# is bounded; only processes started here are ended, and all files outside OUT are removed.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"

PARTS=${PARTS:-race kill rows cost refusals}
ROWS=${ROWS:-10000000} KILLS=${KILLS:-200} KILL_REQUESTS=${KILL_REQUESTS:-400}
PROVIDERS=${PROVIDERS:-simulate llmock}
FIRST_PORT=${FIRST_PORT:-19200}
LLMOCK=0.2.2 RACE=1000 REFUSALS=60000 PACED=1000 PACED_SECONDS=20
if [ "${1:-}" = --quick ]; then
  ROWS=100000 KILLS=10 RACE=200 REFUSALS=5000 PACED_SECONDS=2
  QUICK=1
fi

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
OUT=${OUT:-load-tests/results/$version}
mkdir -p "$OUT"
raw=$OUT/money.jsonl
touch "$raw"

work=$(mktemp -d ${WORK:+-p "$WORK"})
pids=()
end() {
  local one
  for one in "$@"; do kill -TERM "$one" 2>/dev/null || true; done
  for _ in $(seq 100); do
    local left=0
    for one in "$@"; do kill -0 "$one" 2>/dev/null && left=1; done
    [ $left = 0 ] && return
    sleep 0.1
  done
  for one in "$@"; do kill -KILL "$one" 2>/dev/null || true; done
}
cleanup() {
  trap - EXIT
  end "${pids[@]}"
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

missed=0
miss() {
  echo "money: $*" >&2
  missed=1
}
fail() {
  echo "money: $*" >&2
  for log in "$work"/*.log; do [ -s "$log" ] && { echo "--- $log" >&2; tail -5 "$log" >&2; }; done
  exit 1
}

if [ -z "${BUILT:-}" ]; then
  echo "building (release)" >&2
  cargo build --release --bin weighbridge --example load_generator --example fill_ledger
fi
built=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release
binary=$built/weighbridge

export GATEWAY_PORT=$((FIRST_PORT + 1)) ADMIN_PORT=$((FIRST_PORT + 2)) PROVIDER_PORT=$FIRST_PORT
export ACCESS_LOG=$work/access.jsonl STATE_DIR=$work/state BUDGET_USD=1
secret() { echo "load-$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')"; }
hash_of() { printf %s "$1" | sha256sum | cut -d' ' -f1; }
key=$(secret) broke=$(secret) slow=$(secret)
KEY_HASH=$(hash_of "$key") BROKE_HASH=$(hash_of "$broke") SLOW_HASH=$(hash_of "$slow")
export KEY_HASH BROKE_HASH SLOW_HASH
ulimit -n "$(ulimit -Hn)"

open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
# start NAME PORT COMMAND…: starts it and waits until its port is open, at most 60 s. `started` is its id.
start() {
  local name=$1 at=$2
  shift 2
  open "$at" && fail "port $at is taken"
  "$@" >"$work/$name.log" 2>&1 &
  started=$!
  pids+=("$started")
  for _ in $(seq 600); do
    kill -0 "$started" 2>/dev/null || fail "$name ended"
    open "$at" && return
    sleep 0.1
  done
  fail "$name does not listen on $at"
}
# keep PART: takes lines from its input, in place of the ones that PART had.
keep() {
  local kept
  kept=$(grep -v "\"part\":\"$1\"" "$raw" || true)
  { [ -z "$kept" ] || echo "$kept"; sed "s/^{/{\"part\":\"$1\",\"load\":\"$(cut -d' ' -f1 /proc/loadavg)\",/"; } >"$work/kept"
  mv "$work/kept" "$raw"
}

part_race() {
  local kind provider gateway cost cap
  for kind in $PROVIDERS; do
    case $kind in
      simulate) start provider "$PROVIDER_PORT" "$binary" simulate --listen "127.0.0.1:$PROVIDER_PORT" --output-tokens 100 --record 1 ;;
      llmock)
        python3 -m venv "$work/venv"
        "$work/venv/bin/pip" -q --disable-pip-version-check install "llmock==$LLMOCK"
        start provider "$PROVIDER_PORT" "$work/venv/bin/llmock" serve --host 127.0.0.1 --port "$PROVIDER_PORT" --log-level warning
        ;;
      *) fail "no provider $kind" ;;
    esac
    provider=$started
    read -r cost cap < <(python3 "$here/race.py" probe --provider "127.0.0.1:$PROVIDER_PORT") || fail "the provider is not to be used"
    rm -rf "$STATE_DIR"
    BUDGET_USD=$(printf '%d.%09d' $((cost * 100 / 1000000000)) $((cost * 100 % 1000000000)))
    start gateway "$GATEWAY_PORT" "$binary" run -c "$here/weighbridge.yaml"
    gateway=$started
    GENERATOR_KEY=$key timeout 300 python3 "$here/race.py" race --gateway "127.0.0.1:$GATEWAY_PORT" --admin "127.0.0.1:$ADMIN_PORT" \
      --provider "127.0.0.1:$PROVIDER_PORT" --kind "$kind" --cost "$cost" --limit $((cost * 100)) --cap "$cap" --requests "$RACE" \
      >>"$work/race" || miss "the race against $kind"
    end "$gateway"
    "$binary" ledger verify --state "$STATE_DIR" >&2 || miss "the ledger after the race against $kind is not whole"
    end "$provider"
  done
  keep race <"$work/race"
}

part_kill() {
  WEIGHBRIDGE_KILL_ROUNDS=$KILLS WEIGHBRIDGE_KILL_REQUESTS=$KILL_REQUESTS WEIGHBRIDGE_BINARY=$binary \
    timeout 1800 cargo test --test it kill:: -- --nocapture >"$work/kill.log" 2>&1 || { miss "the kills"; tail -20 "$work/kill.log" >&2; }
  # The test harness writes its own word before it, on the same line.
  sed -n 's/.*\({"kills".*}\).*/\1/p' "$work/kill.log" | keep kill
}

part_rows() {
  rm -rf "$STATE_DIR"
  if [ -n "${FILLED:-}" ]; then
    STATE_DIR=$FILLED
    cp "$FILLED.out" "$work/rows"
  else
    timeout 3600 "$built/examples/fill_ledger" --state "$STATE_DIR" --rows "$ROWS" >"$work/rows"
  fi
  # The first start adds up the days that are over, in the background.
  start gateway "$GATEWAY_PORT" "$binary" run -c "$here/weighbridge.yaml"
  local before=-1 now=0 began=$SECONDS
  while [ "$before" != "$now" ] && [ $((SECONDS - began)) -lt 600 ]; do
    sleep 5
    before=$now
    now=$(sqlite_value "SELECT value FROM fact WHERE name = 'longer_upto'")
  done
  end "$started"
  printf '{"scenario":"store","longer_rollups_seconds":%s,"journal_bytes":%s,"store_bytes":%s,"hours":%s,"longer":%s}\n' \
    "$([ -n "${FILLED:-}" ] && echo null || echo $((SECONDS - began)))" "$(du -sb "$STATE_DIR/journal" | cut -f1)" "$(stat -c %s "$STATE_DIR/ledger.sqlite")" \
    "$(sqlite_value 'SELECT count(*) FROM rollup')" "$(sqlite_value 'SELECT count(*) FROM longer_rollup')" >>"$work/rows"
  python3 "$here/timing.py" starts --binary "$binary" --config "$here/weighbridge.yaml" --admin "127.0.0.1:$ADMIN_PORT" >>"$work/rows"
  local since by
  for since in 7d 400d; do
    for by in team key,model day; do
      python3 "$here/timing.py" usage --binary "$binary" --state "$STATE_DIR" --since $since --by $by >>"$work/rows"
    done
  done
  keep rows <"$work/rows"
  STATE_DIR=$work/state
  rm -rf "$STATE_DIR"
}
# Python's own SQLite: no other package is needed. Empty counts as 0.
sqlite_value() {
  python3 -c 'import sqlite3, sys
row = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True).execute(sys.argv[2]).fetchone()
print(row[0] if row else 0)' "$STATE_DIR/ledger.sqlite" "$1"
}

part_cost() {
  local bench
  for bench in limits budget; do
    timeout 900 cargo bench --bench $bench -- ${QUICK:+--quick} >"$work/bench-$bench.log" 2>&1 || fail "bench $bench"
    # Criterion: a name, on its own line if it is long, then `time: [low mid high]`.
    awk -v bench=$bench '
      /^[a-z_]+\/[a-z_0-9]+/ { name = $1 }
      /time:/ { match($0, /\[.*\]/); print "{\"scenario\":\"bench\",\"name\":\"" name "\",\"time\":\"" substr($0, RSTART + 1, RLENGTH - 2) "\"}" }
    ' "$work/bench-$bench.log" >>"$work/cost"
  done
  keep cost <"$work/cost"
}

part_refusals() {
  rm -rf "$STATE_DIR"
  BUDGET_USD=1
  start provider "$PROVIDER_PORT" "$binary" simulate --listen "127.0.0.1:$PROVIDER_PORT" --record 1
  local provider=$started status secret answer
  start gateway "$GATEWAY_PORT" "$binary" run -c "$here/weighbridge.yaml"
  local gateway=$started
  local ask=("$built/examples/load_generator" --target "127.0.0.1:$GATEWAY_PORT" --model race)
  # What may be asked once a day is asked once.
  GENERATOR_KEY=$slow "${ask[@]}" --requests 1 --connections 1 >/dev/null || fail "the first request is not answered"
  for status in 402 429; do
    [ $status = 402 ] && secret=$broke || secret=$slow
    GENERATOR_KEY=$secret "${ask[@]}" --connections 64 --requests 2000 --expect $status >/dev/null || fail "no $status"
    answer=$(GENERATOR_KEY=$secret "${ask[@]}" --connections 64 --requests "$REFUSALS" --expect $status)
    printf '{"scenario":"closed","status":%s,"load_result":%s}\n' $status "$answer" >>"$work/refusals"
    answer=$(GENERATOR_KEY=$secret "${ask[@]}" --connections 64 --rate "$PACED" --requests $((PACED * PACED_SECONDS)) --expect $status)
    printf '{"scenario":"paced","status":%s,"load_result":%s}\n' $status "$answer" >>"$work/refusals"
  done
  end "$gateway" "$provider"
  keep refusals <"$work/refusals"
}

for part in $PARTS; do
  echo "$part" >&2
  "part_$part"
done

{
  echo "# Money"
  echo
  python3 "$here/report.py" "$raw" || missed=1
  echo
  echo "| machine | |"
  echo "|---|---|"
  echo "| date | $(date -u +%Y-%m-%dT%H:%MZ) |"
  echo "| commit | $(git describe --always --dirty) |"
  echo "| version, profile | $version, release; the test of \`kill\` itself: dev |"
  echo "| processor | $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) cores |"
  echo "| memory | $(awk '/MemTotal/ { print int($2 / 1024) " MiB" }' /proc/meminfo) |"
  echo "| kernel | $(uname -sr) |"
  echo "| rustc | $(rustc --version) |"
  echo "| load at the end | $(cut -d' ' -f1-3 /proc/loadavg) |"
} >"$work/money.md"
mv "$work/money.md" "$OUT/money.md"
cat "$OUT/money.md"
exit $missed
