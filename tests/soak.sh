#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The demo's load for SOAK_MINUTES (default 60): release after release to a fleet that loses its
# links, while the daemon's memory and descriptors are watched. Growth between the second
# and the last quarter, a line of priority "error" in the log or a dead daemon fail the run.
set -euo pipefail
cd "$(dirname "$0")/.."

MINUTES=${SOAK_MINUTES:-60}
DEVICES=${SOAK_DEVICES:-200}
WORK=$PWD/build/soak
# shellcheck source=tests/demo/process.sh
. tests/demo/process.sh
trap end_processes EXIT

start_all() {
    rm -rf "$WORK"
    mkdir -p "$WORK"
    "$OTACTL" init "$WORK/server" --port 0 --operator-port 0 --hostname localhost --product gateway \
        --set device.poll=2 --set device.poll_minimum=1 --set campaign.tick=1 \
        --set campaign.confirm_after=1 --set campaign.rate=0 --set campaign.watch=0 \
        --set store.seen_flush=1 \
        --set http.connections_per_address=10000 --set tls.address_rate=10000 \
        --set tls.address_burst=10000 >/dev/null || die "otactl init"
    start_daemon
    ctl device issue --count "$DEVICES" --prefix gw- --model gw2 --out "$WORK/devices" >/dev/null
    "$FLEET" --url "https://localhost:$DEVICE_PORT" --devices "$WORK/devices" --api mixed --cut 0.3 \
        --version 0 --json-summary "$WORK/fleet.json" 2>"$WORK/fleet.log" &
    FLEET_PID=$!
    PIDS+=("$FLEET_PID")
    wait_for 60 "active devices" has_active_devices
}

# A campaign that nobody is there for is refused.
has_active_devices() {
    ctl device list --state active --limit 1 2>/dev/null | grep -q '^gw-'
}

# One more release to all of them.
run_round() {
    local version=$1 draft key
    head -c 2000000 /dev/urandom >"$WORK/image.bin"
    ctl release create gateway "$version" --file "$WORK/image.bin" --hardware gw2 \
        >"$WORK/draft.txt" || die "otactl release create"
    draft=$(sed -n 's/^Draft \([^:]*\):.*/\1/p' "$WORK/draft.txt")
    for key in "$WORK"/server/keys/gateway-[12].pem; do
        ctl release sign "$draft" --key "$key" >/dev/null || die "otactl release sign"
    done
    ctl release publish "$draft" >/dev/null || die "otactl release publish"
    ctl campaign create "gateway:$version" --target 'model = "gw2"' --wave 10%:soak=1s \
        --wave 100% --start >/dev/null || die "otactl campaign create"
}

# Appends "seconds KiB descriptors" of the daemon. Images it keeps open and mapped are not counted:
# they are the kernel's cache, and the daemon bounds them.
look() {
    is_alive "$OTAD_PID" || die "otad ended"
    is_alive "$FLEET_PID" || die "the simulated fleet ended"
    printf '%d %d %d\n' $((SECONDS - BEGAN)) "$(awk '/^RssAnon/ {print $2}' /proc/"$OTAD_PID"/status)" \
        "$(find /proc/"$OTAD_PID"/fd -mindepth 1 ! -lname '*/blobs/*' 2>/dev/null | wc -l)" >>"$WORK/looks.txt"
}

# Compares the largest values of the second quarter of the run with those of the last.
judge() {
    awk -v end="$((SECONDS - BEGAN))" '
        $1 >= end / 4 && $1 < end / 2 { if ($2 > kib) kib = $2; if ($3 > fds) fds = $3 }
        $1 >= end * 3 / 4 { if ($2 > last_kib) last_kib = $2; if ($3 > last_fds) last_fds = $3 }
        END {
            printf "memory %d -> %d KiB, descriptors %d -> %d\n", kib, last_kib, fds, last_fds
            exit last_kib > kib * 1.15 + 8192 || last_fds > fds * 1.25 + 32
        }' "$WORK/looks.txt" || die "the daemon grew; see $WORK/looks.txt"
    ! grep -q '^<3>' "$WORK/otad.log" || die "the daemon logged an error"
}

step "$DEVICES devices for $MINUTES minutes"
start_all
round=0
while [ $((SECONDS - BEGAN)) -lt $((MINUTES * 60)) ]; do
    round=$((round + 1))
    run_round "1.$round"
    for _ in {1..6}; do
        sleep 5
        look
    done
    tail -n 1 "$WORK/looks.txt" | awk -v round=$round \
        '{printf "round %d at %d s: %d KiB, %d descriptors\n", round, $1, $2, $3}'
done
kill "$FLEET_PID"
wait "$FLEET_PID" || true
judge
echo "$round releases, $(number_of installed "$WORK/fleet.json") installations, $(number_of resumed_downloads "$WORK/fleet.json") resumed downloads: steady."
