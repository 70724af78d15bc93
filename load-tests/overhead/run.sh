#!/usr/bin/env bash
# What the gateway costs beside a bare pass-through Pingora, nginx and no proxy at all. See README.md.
#
#   load-tests/overhead/run.sh [--quick]
#
# Variables: ROUNDS (5), SUBJECTS ("direct bare weighbridge nginx"), PROFILE (release), OUT (load-tests/results/VERSION),
# PROXY_CPU (0), LOAD_CPU (1), FIRST_PORT (19100). Everything is bounded; only processes started here are ended.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"

ROUNDS=${ROUNDS:-5}
SUBJECTS=${SUBJECTS:-direct bare weighbridge nginx}
PROFILE=${PROFILE:-release}
PROXY_CPU=${PROXY_CPU:-0}
LOAD_CPU=${LOAD_CPU:-1}
FIRST_PORT=${FIRST_PORT:-19100}
SHORT=20000 STREAMS=400 LARGE=400 RATE=350 RATE_SECONDS=10 WARM=2000
if [ "${1:-}" = --quick ]; then
  ROUNDS=1 SHORT=1000 STREAMS=40 LARGE=20 RATE_SECONDS=2 WARM=100
fi

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
OUT=${OUT:-load-tests/results/$version}
mkdir -p "$OUT"
raw=$OUT/overhead.jsonl
: >"$raw"

work=$(mktemp -d)
declare -A pid port
cleanup() {
  trap - EXIT
  local one
  for one in "${pid[@]}"; do kill -TERM "$one" 2>/dev/null || true; done
  for _ in $(seq 50); do
    local left=0
    for one in "${pid[@]}"; do kill -0 "$one" 2>/dev/null && left=1; done
    [ $left = 0 ] && break
    sleep 0.1
  done
  for one in "${pid[@]}"; do kill -KILL "$one" 2>/dev/null || true; done
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

fail() {
  echo "overhead: $*" >&2
  for log in "$work"/*.log; do [ -s "$log" ] && { echo "--- $log" >&2; tail -5 "$log" >&2; }; done
  exit 1
}

echo "building ($PROFILE)" >&2
cargo build --profile "$PROFILE" --bin weighbridge --example bare_passthrough --example load_generator
built=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
case $PROFILE in dev) built=$built/debug ;; *) built=$built/$PROFILE ;; esac
generator=$built/examples/load_generator

# --- subjects ---------------------------------------------------------------------------------------------------------
export PROVIDER_PORT=$FIRST_PORT GATEWAY_PORT=$((FIRST_PORT + 1)) ADMIN_PORT=$((FIRST_PORT + 2))
export STATE_DIR=$work/state ACCESS_LOG=$work/access.jsonl
NGINX_PORT=$((FIRST_PORT + 3))
port=([direct]=$PROVIDER_PORT [weighbridge]=$GATEWAY_PORT [nginx]=$NGINX_PORT [bare]=$((FIRST_PORT + 4)))
mkdir -p "$STATE_DIR"
GENERATOR_KEY=load-$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')
KEY_HASH=$(printf %s "$GENERATOR_KEY" | sha256sum | cut -d' ' -f1)
export GENERATOR_KEY KEY_HASH

open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# start NAME CPU PORT COMMAND…: starts it pinned to one core, and waits until its port is open, at most 20 s.
start() {
  local name=$1 cpu=$2 at=$3
  shift 3
  open "$at" && fail "port $at is taken"
  taskset -c "$cpu" "$@" >"$work/$name.log" 2>&1 &
  pid[$name]=$!
  for _ in $(seq 200); do
    kill -0 "${pid[$name]}" 2>/dev/null || fail "$name ended"
    open "$at" && return
    sleep 0.1
  done
  fail "$name does not listen on $at"
}

start provider "$LOAD_CPU" "$PROVIDER_PORT" \
  "$built/weighbridge" simulate --listen "127.0.0.1:$PROVIDER_PORT" --output-tokens 100 --record 1
for subject in $SUBJECTS; do
  case $subject in
    direct) ;;
    bare)
      start bare "$PROXY_CPU" "${port[bare]}" "$built/examples/bare_passthrough" \
        --listen "127.0.0.1:${port[bare]}" --upstream "127.0.0.1:$PROVIDER_PORT" --threads 1
      ;;
    weighbridge)
      start weighbridge "$PROXY_CPU" "$GATEWAY_PORT" "$built/weighbridge" run -c "$here/weighbridge.yaml"
      ;;
    nginx)
      nginx=$(PATH=$PATH:/usr/sbin command -v nginx) || fail "nginx is missing: apt-get install nginx-light, or leave it out of SUBJECTS"
      sed -e "s|@DIR@|$work|g" -e "s|@PROVIDER_PORT@|$PROVIDER_PORT|" -e "s|@NGINX_PORT@|$NGINX_PORT|" \
        "$here/nginx.conf.in" >"$work/nginx.conf"
      start nginx "$PROXY_CPU" "$NGINX_PORT" "$nginx" -c "$work/nginx.conf" -p "$work" -g "daemon off;"
      ;;
    *) fail "no subject $subject" ;;
  esac
done

# --- measuring --------------------------------------------------------------------------------------------------------
# User and system time of a subject and its children, in clock ticks. The name in field 2 may hold spaces: cut it off.
ticks() {
  [ "$1" = direct ] && { echo 0; return; }
  local sum=0 one
  for one in "${pid[$1]}" $(cat "/proc/${pid[$1]}/task/${pid[$1]}/children" 2>/dev/null); do
    sum=$((sum + $(sed 's/.*) //' "/proc/$one/stat" | awk '{ print $12 + $13 }')))
  done
  echo $sum
}
memory() { [ "$1" = direct ] && echo 0 || awk '/VmRSS/ { print $2 }' "/proc/${pid[$1]}/status"; }

# load SUBJECT ARGUMENTS…: one run of the generator.
load() {
  local subject=$1
  shift
  timeout 300 taskset -c "$LOAD_CPU" "$generator" --target "127.0.0.1:${port[$subject]}" "$@"
}

# measure ROUND SUBJECT SCENARIO ARGUMENTS…: one run, and what it cost.
measure() {
  local round=$1 subject=$2 scenario=$3 before after answer
  shift 3
  before=$(ticks "$subject")
  answer=$(load "$subject" "$@") || fail "$subject $scenario: $answer"
  after=$(ticks "$subject")
  printf '{"round":%s,"subject":"%s","scenario":"%s","cpu_us":%s,"rss_kib":%s,"load":%s}\n' "$round" "$subject" \
    "$scenario" "$(((after - before) * 1000000 / hertz))" "$(memory "$subject")" "$answer" >>"$raw"
}

hertz=$(getconf CLK_TCK)
for subject in $SUBJECTS; do load "$subject" --requests "$WARM" >/dev/null || fail "$subject does not answer"; done
order=($SUBJECTS)
for round in $(seq "$ROUNDS"); do
  echo "round $round of $ROUNDS: ${order[*]}" >&2
  for subject in "${order[@]}"; do
    measure "$round" "$subject" short --requests "$SHORT" --connections 32
  done
  for subject in "${order[@]}"; do
    measure "$round" "$subject" paced --rate "$RATE" --requests $((RATE * RATE_SECONDS)) --connections 64
  done
  for subject in "${order[@]}"; do
    measure "$round" "$subject" burst --body stream --events 100 --requests "$STREAMS" --connections 32
  done
  for subject in "${order[@]}"; do
    # The provider paces its events by the model's name: 2 ms from one to the next, so that each is a read of its own.
    model="simulated-model?tps=500"
    [ "$subject" = weighbridge ] && model=load-paced
    measure "$round" "$subject" stream --body stream --model "$model" --events 100 --requests "$STREAMS" --connections 32
  done
  for subject in "${order[@]}"; do
    measure "$round" "$subject" large --body large --requests "$LARGE" --connections 4
  done
  order=("${order[@]:1}" "${order[0]}") # another one is first in each round
done

{
  echo "# Machine"
  echo
  echo "| | |"
  echo "|---|---|"
  echo "| date | $(date -u +%Y-%m-%dT%H:%MZ) |"
  echo "| commit | $(git describe --always --dirty) |"
  echo "| version, profile | $version, $PROFILE |"
  echo "| processor | $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) cores |"
  echo "| memory | $(awk '/MemTotal/ { print int($2 / 1024) " MiB" }' /proc/meminfo) |"
  echo "| kernel | $(uname -sr) |"
  echo "| rustc | $(rustc --version) |"
  echo "| nginx | $("${nginx:-true}" -v 2>&1 | sed 's/.*: //') |"
  echo "| load at the end | $(cut -d' ' -f1-3 /proc/loadavg) |"
} >"$OUT/machine.md"
status=0
python3 "$here/report.py" "$raw" >"$OUT/overhead.md" || status=1
cat "$OUT/overhead.md"
exit $status
