# What the SDK and agent tests start and stop with; sourced. Sets `work`, a temporary directory, and `pids`, what is stopped at
# the end.
work=$(mktemp -d)
pids=()

finish() {
  local pid
  for pid in "${pids[@]}"; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap finish EXIT

# Waits up to 30 s for a command to succeed; shows the logs if it does not, or if what it waits for has ended.
wait_for() {
  local what=$1 pid=$2 tries=300
  shift 2
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    if [ "$tries" -le 0 ] || ! kill -0 "$pid" 2>/dev/null; then
      echo "$what did not start:" >&2
      cat "$work"/*.log >&2
      exit 1
    fi
    sleep 0.1
  done
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
