#!/usr/bin/env bash
# systemd/install.sh in a throw-away root: installs, does nothing the second time, keeps what is the operator's, refuses
# what is wrong before it changes anything, and takes itself off again.
#
#   tests/install/run.sh target/release/weighbridge
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
binary=$(realpath "${1:?usage: run.sh BINARY}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
etc=$root/etc/weighbridge

install() { systemd/install.sh --root "$root" --binary "$binary" "$@"; }
# All files with their modes and sums.
listing() { (cd "$root" && find . -type f -printf '%m %p ' -exec sha256sum {} \; | sort); }
# wants STATUS COMMAND...
wants() {
  local want=$1 got=0
  shift
  "$@" >"$work/said" 2>&1 || got=$?
  if [ "$got" -ne "$want" ]; then
    cat "$work/said"
    echo "status $got, and not $want: $*" >&2
    exit 1
  fi
}
has() { grep -qF -- "$1" "$work/said" || { cat "$work/said"; echo "does not say: $1" >&2; exit 1; }; }

echo "a wrong checksum changes nothing"
wants 1 install --sha256 0000000000000000000000000000000000000000000000000000000000000000
has "and not 0000"
[ ! -e "$root" ]

echo "a right one installs; the example is not a configuration to start with"
wants 0 install --sha256 "$(sha256sum "$binary" | cut -d ' ' -f 1)"
for file in usr/bin/weighbridge etc/systemd/system/weighbridge.service usr/lib/sysusers.d/weighbridge.conf \
  usr/lib/tmpfiles.d/weighbridge.conf usr/share/man/man1/weighbridge.1 usr/share/man/man1/weighbridge-run.1 \
  usr/share/bash-completion/completions/weighbridge etc/weighbridge/weighbridge.yaml; do
  [ -s "$root/$file" ] || { echo "$file is missing" >&2; exit 1; }
done
[ "$(stat -c %a "$etc/weighbridge.env")" = 600 ]
bash -n "$root/usr/share/bash-completion/completions/weighbridge"

echo "a second time does nothing"
listing >"$work/before"
wants 0 install
listing >"$work/after"
cmp "$work/before" "$work/after"
! grep -q '^installed' "$work/said"

echo "what the operator wrote stays, and is what is checked"
cat >"$etc/weighbridge.yaml" <<'YAML'
providers: { openai: { kind: openai, api_key: "${env:OWN_KEY}" } }
models: { fast: { targets: [{ provider: openai, model: gpt-4o-mini }] } }
YAML
printf '# mine\nOWN_KEY="a b$(touch %s)"\n' "$work/evaluated" >"$etc/weighbridge.env"
listing >"$work/before"
wants 0 install
listing >"$work/after"
cmp "$work/before" "$work/after"
[ ! -e "$work/evaluated" ]

echo "a configuration with a mistake is refused before anything is changed"
echo 'modles: {}' >>"$etc/weighbridge.yaml"
printf 'old' >"$root/usr/bin/weighbridge"
listing >"$work/before"
wants 1 install
has "modles"
has "nothing was changed"
listing >"$work/after"
cmp "$work/before" "$work/after"

echo "a first installation beside one is not started"
rm "$root/usr/bin/weighbridge"
wants 3 install
has "not started"

echo "--remove leaves what is the operator's"
mkdir -p "$root/var/lib/private/weighbridge" && echo row >"$root/var/lib/private/weighbridge/ledger.sqlite"
wants 0 systemd/install.sh --root "$root" --remove
(cd "$root" && find . -type f | sort) >"$work/left"
printf './etc/weighbridge/weighbridge.env\n./etc/weighbridge/weighbridge.yaml\n./var/lib/private/weighbridge/ledger.sqlite\n' | cmp - "$work/left"
wants 0 systemd/install.sh --root "$root" --remove

echo "--purge leaves nothing"
wants 0 systemd/install.sh --root "$root" --purge
[ -z "$(find "$root" -type f)" ]
wants 2 systemd/install.sh --frobnicate
echo "install.sh: all as promised"

echo "the Debian package holds what it should"
deb=$(OUT=$work systemd/package.sh "$binary")
dpkg-deb --info "$deb" | grep -E '^ (Package|Version|Architecture):'
dpkg-deb --contents "$deb" >"$work/said"
cat "$work/said"
for line in "-rwxr-xr-x root/root" ./usr/bin/weighbridge ./usr/lib/systemd/system/weighbridge.service ./usr/share/man/man1/weighbridge-run.1.gz \
  ./usr/lib/sysusers.d/weighbridge.conf ./usr/share/bash-completion/completions/weighbridge ./etc/weighbridge/weighbridge.yaml \
  ./usr/share/doc/weighbridge/prometheus/alerts.yml; do
  has "$line"
done
grep -q '^-rw------- root/root .* ./etc/weighbridge/weighbridge.env$' "$work/said"
dpkg-deb --ctrl-tarfile "$deb" | tar -tf - | grep -q conffiles
dpkg-deb --fsys-tarfile "$deb" | tar -xOf - ./usr/bin/weighbridge | cmp - "$binary"
echo "package.sh: all as promised"
