#!/bin/sh
# The fuzz targets of tests/it/fuzz for longer than CI runs them: `run.sh [CASES]`, 20,000 of each by default.
set -eu
cd "$(dirname "$0")/../.."
PROPTEST_CASES="${1:-20000}" cargo test --release --test it -- fuzz::
