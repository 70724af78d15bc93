#!/bin/sh
# Installs Weighbridge on a machine with systemd, brings it up to date, or takes it off again. Run it as often as you like:
# what is right already is left as it is, and a configuration that is there is never touched.
set -eu

usage() {
  cat <<'USAGE'
Usage:
  install.sh [--binary FILE] [--sha256 SUM] [--root DIR] [--no-start]
  install.sh --remove [--root DIR]      takes program and unit off; configuration, ledger and logs stay
  install.sh --purge [--root DIR]       takes everything off, the ledger too

  --binary FILE   the program [default: weighbridge or target/release/weighbridge beside this directory]
  --sha256 SUM    what its SHA-256 must be; without it, that of a file SHA256SUMS beside the program, if there is one
  --root DIR      installs below DIR and calls no systemctl: for images, and for trying it out
  --no-start      installs, and neither starts nor restarts the service

Exit code 0: done; 1: nothing was changed, for the reason that is told; 2: not understood; 3: installed and not started,
because the configuration has mistakes.
USAGE
}

fail() {
  echo "install.sh: $1" >&2
  exit "${2:-1}"
}

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root= binary= sum= start=yes act=install
while [ $# -gt 0 ]; do
  case $1 in
    --binary | --sha256 | --root)
      [ $# -ge 2 ] || fail "$1 needs a value" 2
      case $1 in
        --binary) binary=$2 ;;
        --sha256) sum=$2 ;;
        --root) root=${2%/} ;;
      esac
      [ -n "$2" ] || fail "$1 needs a value" 2
      shift
      ;;
    --no-start) start=no ;;
    --remove) act=remove ;;
    --purge) act=purge ;;
    -h | --help)
      usage
      exit 0
      ;;
    *)
      usage >&2
      fail "there is no option $1" 2
      ;;
  esac
  shift
done
[ -n "$root" ] || [ "$(id -u)" -eq 0 ] || fail "must be run as root, or with --root"

etc=$root/etc/weighbridge
program=$root/usr/bin/weighbridge
unit=$root/etc/systemd/system/weighbridge.service
sysusers=$root/usr/lib/sysusers.d/weighbridge.conf
tmpfiles=$root/usr/lib/tmpfiles.d/weighbridge.conf
man=$root/usr/share/man/man1
bash_completion=$root/usr/share/bash-completion/completions/weighbridge
zsh_completion=$root/usr/share/zsh/vendor-completions/_weighbridge
fish_completion=$root/usr/share/fish/vendor_completions.d/weighbridge.fish

# On this machine, and with a systemd that runs.
live() {
  [ -z "$root" ] && [ -d /run/systemd/system ]
}

remove() {
  if live; then
    systemctl disable --now weighbridge.service 2>/dev/null || true
  fi
  rm -f -- "$program" "$unit" "$sysusers" "$tmpfiles" "$bash_completion" "$zsh_completion" "$fish_completion"
  rm -f -- "$man"/weighbridge.1 "$man"/weighbridge-*.1
  if live; then
    systemctl daemon-reload
  fi
}

if [ "$act" != install ]; then
  remove
  if [ "$act" = purge ]; then
    for dir in "$etc" "$root"/var/lib/weighbridge "$root"/var/lib/private/weighbridge \
      "$root"/var/log/weighbridge "$root"/var/log/private/weighbridge; do
      rm -rf -- "$dir"
    done
    echo "removed, with configuration, ledger and logs"
  else
    echo "removed; $etc and $root/var/lib/weighbridge stay (--purge takes them too)"
  fi
  exit 0
fi

if [ -z "$binary" ]; then
  for binary in "$here/../weighbridge" "$here/../target/release/weighbridge" ''; do
    [ ! -f "$binary" ] || break
  done
  [ -n "$binary" ] || fail "no program beside this directory; build it (cargo build --release) or name it with --binary"
fi
[ -f "$binary" ] || fail "there is no program $binary"

# From here on a copy that nobody else writes to: what was checked is what is installed.
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
cp -- "$binary" "$work/weighbridge"
chmod 0755 "$work/weighbridge"
sums=$(dirname -- "$binary")/SHA256SUMS
if [ -z "$sum" ] && [ -f "$sums" ]; then
  sum=$(awk '$2 == "weighbridge" || $2 == "*weighbridge" { print $1 }' "$sums")
  [ -n "$sum" ] || fail "$sums names no weighbridge"
fi
if [ -n "$sum" ]; then
  found=$(sha256sum "$work/weighbridge" | cut -d ' ' -f 1)
  [ "$(printf %s "$sum" | tr A-F a-f)" = "$found" ] || fail "$binary has the SHA-256 $found, and not $sum"
fi
"$work/weighbridge" --version >/dev/null || fail "$binary does not run on this machine"

# Reads the environment file as systemd does: NAME=value, nothing is evaluated.
check() {
  (
    if [ -f "$etc/weighbridge.env" ]; then
      while IFS= read -r line || [ -n "$line" ]; do
        case $line in
          [A-Za-z_]*=*)
            name=${line%%=*} value=${line#*=}
            case $name in *[!A-Za-z0-9_]*) continue ;; esac
            case $value in
              \"*\") value=${value#\"} value=${value%\"} ;;
              \'*\') value=${value#\'} value=${value%\'} ;;
            esac
            export "$name=$value"
            ;;
        esac
      done <"$etc/weighbridge.env"
    fi
    "$work/weighbridge" check -c "$1" >/dev/null
  )
}

# A configuration that this version does not take: what runs is left as it is.
if [ -f "$etc/weighbridge.yaml" ] && [ -f "$program" ] && ! check "$etc/weighbridge.yaml"; then
  fail "$etc/weighbridge.yaml has mistakes for this version; nothing was changed"
fi

# put MODE FROM TO: by a rename, so that a program that runs is replaced, and no half file is ever seen.
put() {
  if [ -f "$3" ] && cmp -s -- "$2" "$3" && [ "$(stat -c %a "$3")" = "$1" ]; then
    return 0
  fi
  mkdir -p -- "$(dirname -- "$3")"
  cp -- "$2" "$3.new"
  chmod "$1" "$3.new"
  mv -f -- "$3.new" "$3"
  echo "installed $3"
}

put 755 "$work/weighbridge" "$program"
put 644 "$here/weighbridge.service" "$unit"
put 644 "$here/sysusers.d/weighbridge.conf" "$sysusers"
put 644 "$here/tmpfiles.d/weighbridge.conf" "$tmpfiles"
"$work/weighbridge" man --out "$work/man"
for page in "$work"/man/*.1; do
  put 644 "$page" "$man/$(basename -- "$page")"
done
for shell in bash zsh fish; do
  "$work/weighbridge" completions "$shell" >"$work/$shell"
done
put 644 "$work/bash" "$bash_completion"
put 644 "$work/zsh" "$zsh_completion"
put 644 "$work/fish" "$fish_completion"
fresh=no
[ -f "$etc/weighbridge.yaml" ] || {
  fresh=yes
  put 644 "$here/../conf/weighbridge.yaml" "$etc/weighbridge.yaml"
}
[ -f "$etc/weighbridge.env" ] || put 600 "$here/weighbridge.env.example" "$etc/weighbridge.env"

if live; then
  systemd-sysusers "$sysusers"
  systemd-tmpfiles --create "$tmpfiles"
  systemctl daemon-reload
fi
if ! check "$etc/weighbridge.yaml"; then
  fail "installed, and not started: mend $etc/weighbridge.yaml and weighbridge.env, then: systemctl enable --now weighbridge" 3
fi
if [ "$fresh" = yes ]; then
  echo "installed an example: make $etc/weighbridge.yaml and weighbridge.env yours, then: systemctl enable --now weighbridge"
elif live && [ "$start" = yes ]; then
  systemctl enable weighbridge.service
  systemctl restart weighbridge.service
  echo "weighbridge runs"
else
  echo "start it with: systemctl enable --now weighbridge"
fi
