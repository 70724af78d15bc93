#!/usr/bin/env bash
# Builds what is measured and runs scenarios. See README.md.
#
#   load-tests/measure/run.sh [--quick] [--rounds N] [--out DIR] SCENARIO...
#
# Variables: BUILT (a directory with the programs: nothing is built), PROFILE (release), PROXY_CPU (0), LOAD_CPU (1).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
ulimit -n "$(ulimit -Hn)"
if [ -z "${BUILT:-}" ]; then
  PROFILE=${PROFILE:-release}
  cargo build --locked --profile "$PROFILE" --bin weighbridge --example bare_passthrough --example load_generator \
    --example stream_probe --example fill_ledger
  BUILT=${CARGO_TARGET_DIR:-target}/$PROFILE
fi
exec python3 "$here/measure.py" --built "$BUILT" "$@"
