#!/usr/bin/env bash
# See README.md. Arguments and variables: load-tests/measure/run.sh.
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/../measure/run.sh" "$@" bodies
