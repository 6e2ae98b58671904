#!/usr/bin/env bash
# What install puts there is what the Makefile lists, and uninstall leaves nothing behind.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
make -s B="${B:-build/release}" install DESTDIR="$root" PREFIX=/usr
make -s B="${B:-build/release}" installed-list PREFIX=/usr | sort > "$root/listed"
(cd "$root" && find usr -type f | sed 's|^|/|' | sort) > "$root/found"
diff -u "$root/listed" "$root/found"
grep -q 'ExecStart=/usr/sbin/otad' "$root/usr/lib/systemd/system/otad.service"
make -s B="${B:-build/release}" uninstall DESTDIR="$root" PREFIX=/usr
[ -z "$(find "$root/usr" -type f)" ]
