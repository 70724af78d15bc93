#!/usr/bin/env bash
# All scenarios of this folder that are about speed and size, one after the other; see measure/README.md.
#
#   load-tests/all.sh [--quick]
#
# Quick: about twelve minutes behind the build, on two cores that have nothing else to do. Results: load-tests/results/VERSION.
# Variables: BUILT (a directory with the programs: nothing is built), OUT. What failed is told at the end; the rest is run anyway.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
quick=()
[ "${1:-}" = --quick ] && quick=(--quick)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
export OUT=${OUT:-load-tests/results/$version}
mkdir -p "$OUT"
failed=()
begun=$SECONDS
if [ -z "${BUILT:-}" ]; then
  cargo build --locked --release --bin weighbridge --example bare_passthrough --example load_generator --example stream_probe \
    --example fill_ledger
  export BUILT=${CARGO_TARGET_DIR:-target}/release
fi
echo "built in $((SECONDS - begun)) s" >&2
begun=$SECONDS
run() {
  local since=$SECONDS
  echo "=== $*" >&2
  "$@" || failed+=("$*")
  echo "=== $((SECONDS - since)) s" >&2
}

instructions() {
  {
    echo "# Instructions"
    echo
    echo "What each figure is: \`load-tests/instructions/README.md\`. Commit $(git describe --always --dirty), $(rustc --version)."
    echo
    python3 load-tests/instructions/count.py "$BUILT/weighbridge" --bare "$BUILT/examples/bare_passthrough" --out "$OUT/instructions.json" \
      --profile "$OUT/instructions-profile.txt"
  } >"$OUT/instructions.md.part" && mv "$OUT/instructions.md.part" "$OUT/instructions.md" && cat "$OUT/instructions.md"
}

run load-tests/measure/run.sh --out "$OUT" "${quick[@]}" steady features streams bodies churn failing curves
run instructions
run load-tests/overload/run.sh "${quick[@]}"
if [ "${#quick[@]}" -eq 0 ]; then
  run load-tests/overhead/run.sh
  run load-tests/idle_streams/run.sh
  run load-tests/soak/run.sh
fi
echo "all in $((SECONDS - begun)) s" >&2
if [ "${#failed[@]}" -gt 0 ]; then
  printf 'FAILED: %s\n' "${failed[@]}" >&2
  exit 1
fi
