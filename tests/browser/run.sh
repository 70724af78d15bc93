#!/usr/bin/env bash
# The dashboard in a real browser: Debian's chromium, driven by Playwright, looked over by axe-core.
#
#   tests/browser/run.sh [path to the weighbridge binary; default: target/release/weighbridge] [directory for screenshots]
#
# Makes its own environment in a temporary directory and stops only what it started.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
binary=${1:-${CARGO_TARGET_DIR:-$root/target}/release/weighbridge}
binary=$(realpath "$binary")
shots=$(realpath -m "${2:-${CARGO_TARGET_DIR:-$root/target}/screenshots}")
work=$(mktemp -d)
running=

finish() {
  if [ -n "$running" ]; then
    kill "$running" 2>/dev/null || true
    wait "$running" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap finish EXIT

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

echo "== tools"
if ! command -v chromium >/dev/null; then
  as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update
  "${as_root[@]}" apt-get install -y --no-install-recommends chromium fonts-dejavu-core
fi
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
npm install --silent --no-audit --no-fund --prefix "$work" axe-core@4

echo "== gateway"
"$binary" demo --listen "127.0.0.1:$(free_port)" --admin-listen "127.0.0.1:$(free_port)" --state "$work/state" \
  >"$work/gateway.log" 2>&1 &
running=$!
tries=600
until grep -q 'sign in with' "$work/gateway.log"; do
  tries=$((tries - 1))
  if [ "$tries" -le 0 ] || ! kill -0 "$running" 2>/dev/null; then
    cat "$work/gateway.log" >&2
    exit 1
  fi
  sleep 0.1
done

echo "== browser"
mkdir -p "$shots"
word() { sed -n "s/^ *$1 *\([^ ]*\).*/\1/p" "$work/gateway.log" | head -n 1; }
"$work/venv/bin/python" "$here/walk.py" "$(word dashboard)" "$(sed -n 's/.*sign in with \([^ ]*\).*/\1/p' "$work/gateway.log" | head -n 1)" \
  "$(word 'base URL')" "$(word key)" "$work/node_modules/axe-core/axe.min.js" "$shots"
"$work/venv/bin/python" "$here/sign_in.py" "$binary" "$work" "$shots"
echo "screenshots:"
find "$shots" -name '*.png' | sort
