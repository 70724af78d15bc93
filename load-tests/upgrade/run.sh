#!/usr/bin/env bash
# Upgrades in a row under load with open streams: is a connection refused, a stream cut, a row lost? See README.md.
#
#   load-tests/upgrade/run.sh
#
# Variables: PROFILE (release), UPGRADES (20), STREAMS (1000), CLIENTS (16), SECONDS_EACH (30: how long a stream takes), PAUSE (2: seconds
# between two upgrades), OUT (a file for the table; default: standard output only).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
profile=${PROFILE:-release}
dir=$profile
if [ "$profile" = dev ]; then dir=debug; fi
# Two descriptors a stream in the gateway, one here.
ulimit -n "$(ulimit -Hn)"
export BIN=${CARGO_TARGET_DIR:-$root/target}/$dir UPGRADES=${UPGRADES:-20} STREAMS=${STREAMS:-1000} CLIENTS=${CLIENTS:-16}
export SECONDS_EACH=${SECONDS_EACH:-30} PAUSE=${PAUSE:-2}
MACHINE="$(cd "$root" && git describe --always --dirty), $profile; $(uname -sr); $(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg)"
export MACHINE
if [ -n "${OUT:-}" ]; then
  python3 "$here/upgrade.py" | tee "$OUT"
  exit
fi
exec python3 "$here/upgrade.py"
