#!/usr/bin/env bash
# One of two targets falls sick and is well again, under load. See README.md.
#
#   load-tests/failover/run.sh [--quick]
#
# Variables: PROFILE (release), RATE (50 requests a second), OUT (a file for the table; default: standard output only).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
export BIN=${CARGO_TARGET_DIR:-$root/target}/${PROFILE:-release} RATE=${RATE:-50}
if [ -n "${OUT:-}" ]; then
  python3 "$here/failover.py" "$@" | tee "$OUT"
  exit
fi
exec python3 "$here/failover.py" "$@"
