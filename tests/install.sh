#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that groups of make targets need:
#   tests/install.sh build|check|demo|bench|fuzz|ktls|systemd ...
# Says nothing and asks nobody when all is there. What would bring a system service along is not
# installed but unpacked: swupdate, haproxy and rauc under build/.
set -euo pipefail
cd "$(dirname "$0")/.."

packages_of() {
    case $1 in
    build) echo gcc make libmicrohttpd-dev libsqlite3-dev libssl-dev libjansson-dev libinih-dev \
        libcurl4-openssl-dev libsystemd-dev tzdata ;;
    demo) echo openssl curl cpio ;;
    check) echo libcmocka-dev python3-pytest clang-format-14 clang-tidy-14 shellcheck mandoc \
        openssl curl cpio faketime chromium chromium-driver systemd git \
        sqlite3 zchunk squashfs-tools dbus-daemon nginx-light ;;
    bench) echo python3 openssl nginx-light ;;
    fuzz) echo clang-14 libclang-rt-14-dev ;;
    ktls) echo qemu-system-x86 busybox-static cpio kmod ;;
    systemd) echo systemd-container openssl curl ;;
    *) return 1 ;;
    esac
}

die() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}

is_installed() {
    [ "$(dpkg-query -W -f='${Status}' "$1" 2>/dev/null)" = "install ok installed" ]
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo -n "$@" 2>/dev/null || sudo "$@"
    else
        die "these packages are missing and there is no sudo; as root: apt-get install ${missing[*]}"
    fi
}

# Once per run: the lists may be older than the mirror's packages.
refresh_lists() {
    [ -z "${lists_are_fresh:-}" ] || return 0
    as_root apt-get update -qq || die "apt-get update failed: is a Debian mirror reachable?"
    lists_are_fresh=1
}

install_missing() {
    missing=()
    local name
    for name in "$@"; do
        is_installed "$name" || missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "installing ${missing[*]}"
    refresh_lists
    local log
    log=$(mktemp)
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
        --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        die "apt-get install ${missing[*]} failed"
    fi
    rm -f "$log"
}

# download FOLDER PACKAGE...; old lists name files that the mirror no longer has.
download() {
    local folder=$1
    shift
    [ $# -gt 0 ] || return 0
    (cd "$folder" && apt-get download -qq -o APT::Sandbox::User="$(id -un)" "$@")
}

# unpack PACKAGE: it and what it links that is not here already, from Debian's packages, into
# build/PACKAGE/root; build/PACKAGE/run PROGRAM ARGUMENT... starts a program of it.
unpack() {
    local package=$1 folder=build/$1 wanted archive
    write_runner "$folder/run"
    [ ! -d "$folder/root" ] || return 0
    apt-cache show "$package" >/dev/null 2>&1 || refresh_lists
    wanted=$(apt-get install -s --no-install-recommends "$package" 2>/dev/null |
        awk '/^Inst/ {print $2}') || true
    if ! is_installed "$package" && [ -z "$wanted" ]; then
        die "Debian's package $package is not to be had from the configured mirrors"
    fi
    echo "unpacking $package under $folder"
    rm -rf "$folder/packages" "$folder/unpacked"
    mkdir -p "$folder/packages" "$folder/unpacked"
    # shellcheck disable=SC2086 # package names are words
    download "$folder/packages" $wanted || { refresh_lists && download "$folder/packages" $wanted; } ||
        die "cannot download $wanted"
    for archive in "$folder"/packages/*.deb; do
        [ ! -e "$archive" ] || dpkg -x "$archive" "$folder/unpacked"
    done
    mv "$folder/unpacked" "$folder/root"
}

write_runner() {
    mkdir -p "$(dirname "$1")"
    cat >"$1.new" <<'RUNNER'
#!/bin/sh
# Starts a program of the unpacked packages with the libraries that came with it.
root=$(dirname "$(readlink -f "$0")")/root
program=$1
shift
for folder in "$root"/usr/lib/*-linux-gnu* "$root"/lib/*-linux-gnu* "$root"/usr/lib; do
    [ -d "$folder" ] && LD_LIBRARY_PATH=$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
done
PATH=$root/usr/bin:$root/usr/sbin:/usr/sbin:$PATH
export LD_LIBRARY_PATH PATH
exec "$program" "$@"
RUNNER
    chmod +x "$1.new"
    mv "$1.new" "$1"
}

command -v apt-get >/dev/null || die "this is not Debian; install by hand: $(for g in "$@"; do packages_of "$g"; done | xargs)"
[ $# -gt 0 ] || die "which group? build check demo bench fuzz ktls systemd"
wanted_packages=()
for group in "$@"; do
    names=$(packages_of "$group") || die "no such group: $group"
    # shellcheck disable=SC2206
    wanted_packages+=($names)
done
install_missing "${wanted_packages[@]}"
for group in "$@"; do
    case $group in
    demo) unpack swupdate ;;
    check) for package in swupdate haproxy rauc; do unpack "$package"; done ;;
    esac
done
