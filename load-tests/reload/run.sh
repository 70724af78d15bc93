#!/usr/bin/env bash
# 1,000 reloads under load: is a request lost, does memory grow? See README.md.
#
#   load-tests/reload/run.sh
#
# Variables: PROFILE (release), RELOADS (1000), CLIENTS (8), OUT (a file for the table; default: standard output only).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
profile=${PROFILE:-release}
dir=$profile
if [ "$profile" = dev ]; then dir=debug; fi
export BIN=${CARGO_TARGET_DIR:-$root/target}/$dir RELOADS=${RELOADS:-1000} CLIENTS=${CLIENTS:-8}
MACHINE="$(cd "$root" && git describe --always --dirty), $profile; $(uname -sr); $(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg)"
export MACHINE
if [ -n "${OUT:-}" ]; then
  python3 "$here/reload.py" | tee "$OUT"
  exit
fi
exec python3 "$here/reload.py"
