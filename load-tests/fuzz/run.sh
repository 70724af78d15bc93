#!/usr/bin/env bash
# The fuzz targets of tests/it/fuzz, longer than with all other tests:
#
#   run.sh [CASES]         so many cases of each (20,000), optimized
#   run.sh --cpu SECONDS   round after round, each by other chance, for so much processor time, with the binary of `cargo test`;
#                          the part of the gate is 120
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [ "${1:-}" != --cpu ]; then
  PROPTEST_CASES="${1:-20000}" exec cargo test --locked --release --test it -- fuzz::
fi
seconds=${2:?"usage: run.sh --cpu SECONDS"}

# Sets `used` to the processor seconds of all that this shell has run. A subshell would know of its own only.
times_file=$(mktemp)
trap 'rm -f "$times_file"' EXIT
measure() {
  times >"$times_file"
  used=$(awk 'NR == 2 { split($1, user, /[ms]/); split($2, kernel, /[ms]/)
    printf "%d", user[1] * 60 + user[2] + kernel[1] * 60 + kernel[2] }' "$times_file")
}

cargo test --locked --test it --no-run
measure
begun=$used
rounds=0
while [ $((used - begun)) -lt "$seconds" ]; do
  cargo test --locked --quiet --test it -- fuzz::
  rounds=$((rounds + 1))
  measure
done
echo "fuzzed for $((used - begun)) s of processor time in $rounds rounds"
