#!/bin/sh
# Makes a Debian package of a program that was built, with unit, manual pages, completions and examples.
#
#   systemd/package.sh target/release/weighbridge
#   systemd/package.sh target/aarch64-unknown-linux-gnu/release/weighbridge arm64 target/release/weighbridge
#
# The third is the same version for this machine: it writes the manual pages. The package goes to the working directory, or to
# the directory OUT.
set -eu
binary=${1:?usage: package.sh BINARY [ARCH] [TOOL]}
arch=${2:-$(dpkg --print-architecture)}
tool=${3:-$binary}
here=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
version=$("$tool" --version | cut -d ' ' -f 2)
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
root=$work/root
chmod 0755 "$work"

# put MODE FROM TO
put() { install -D -m "$1" -- "$2" "$root/$3"; }
put 755 "$binary" usr/bin/weighbridge
put 644 "$here/systemd/weighbridge.service" usr/lib/systemd/system/weighbridge.service
put 644 "$here/systemd/sysusers.d/weighbridge.conf" usr/lib/sysusers.d/weighbridge.conf
put 644 "$here/systemd/tmpfiles.d/weighbridge.conf" usr/lib/tmpfiles.d/weighbridge.conf
put 644 "$here/conf/weighbridge.yaml" etc/weighbridge/weighbridge.yaml
put 600 "$here/systemd/weighbridge.env.example" etc/weighbridge/weighbridge.env
for file in README.md CHANGELOG.md LICENSE systemd/README.md; do
  put 644 "$here/$file" "usr/share/doc/weighbridge/$file"
done
mv "$root/usr/share/doc/weighbridge/LICENSE" "$root/usr/share/doc/weighbridge/copyright"
(cd "$here/conf" && find examples prometheus grafana -type f) | while IFS= read -r file; do
  put 644 "$here/conf/$file" "usr/share/doc/weighbridge/$file"
done
"$tool" man --out "$work/man"
for page in "$work"/man/*.1; do
  gzip -9n "$page"
  put 644 "$page.gz" "usr/share/man/man1/$(basename -- "$page").gz"
done
"$tool" completions bash >"$work/bash"
"$tool" completions zsh >"$work/zsh"
"$tool" completions fish >"$work/fish"
put 644 "$work/bash" usr/share/bash-completion/completions/weighbridge
put 644 "$work/zsh" usr/share/zsh/vendor-completions/_weighbridge
put 644 "$work/fish" usr/share/fish/vendor_completions.d/weighbridge.fish

mkdir "$root/DEBIAN"
printf '/etc/weighbridge/weighbridge.yaml\n/etc/weighbridge/weighbridge.env\n' >"$root/DEBIAN/conffiles"
cat >"$root/DEBIAN/control" <<CONTROL
Package: weighbridge
Version: $version
Architecture: $arch
Maintainer: Weighbridge <weighbridge@localhost>
Installed-Size: $(du -sk "$root" | cut -f 1)
Depends: libc6 (>= 2.34), libgcc-s1
Recommends: ca-certificates, systemd (>= 247)
Section: net
Priority: optional
Description: AI gateway
 One binary between applications and their model providers: checks every
 request, weighs it in tokens and money, and records it.
CONTROL
cat >"$root/DEBIAN/postinst" <<'SCRIPT'
#!/bin/sh
set -e
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
  systemd-sysusers weighbridge.conf
  systemd-tmpfiles --create weighbridge.conf
  systemctl daemon-reload
  # An upgrade. Never with a configuration that has a mistake: the unit's ExecStartPre says no.
  systemctl try-restart weighbridge.service
fi
SCRIPT
cat >"$root/DEBIAN/prerm" <<'SCRIPT'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl disable --now weighbridge.service
fi
SCRIPT
cat >"$root/DEBIAN/postrm" <<'SCRIPT'
#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
fi
if [ "$1" = purge ]; then
  rm -rf /var/lib/weighbridge /var/lib/private/weighbridge /var/log/weighbridge /var/log/private/weighbridge
fi
SCRIPT
chmod 0755 "$root/DEBIAN/postinst" "$root/DEBIAN/prerm" "$root/DEBIAN/postrm"
out=${OUT:-.}/weighbridge_${version}_$arch.deb
dpkg-deb -Zgzip --root-owner-group --build "$root" "$out" >/dev/null
echo "$out"
