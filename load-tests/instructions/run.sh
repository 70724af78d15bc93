#!/usr/bin/env bash
# Instructions of a request and of a streamed event, held to a budget. See README.md; arguments go to count.py.
#
# Variables: BINARY (target/release/weighbridge).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
binary=${BINARY:-${CARGO_TARGET_DIR:-$here/../../target}/release/weighbridge}
exec python3 "$here/count.py" "$binary" --budget "$here/budget.json" "$@"
