# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Starting and ending what a script runs, and saying what went wrong. Sourced by demo.sh and soak.sh,
# which set WORK, the folder of one run. Only processes started here are ever signalled.
# shellcheck disable=SC2034 # what is set here is used there

OTAD=$PWD/${B:-build/release}/otad
OTACTL=$PWD/${B:-build/release}/otactl
FLEET=$PWD/${B:-build/release}/otad-fleet
case ${B:-} in /*) OTAD=$B/otad OTACTL=$B/otactl FLEET=$B/otad-fleet ;; esac
PIDS=()
BEGAN=$SECONDS

step() {
    printf '\n== %3d s  %s\n' $((SECONDS - BEGAN)) "$*"
}

die() {
    local log
    printf '\nFAILED: %s\n' "$*" >&2
    for log in otad.log fleet.log swu/swupdate.log; do
        [ -s "$WORK/$log" ] || continue
        printf -- '--- the end of %s ---\n' "$WORK/$log" >&2
        tail -n 15 "$WORK/$log" >&2
    done
    exit 1
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ $SECONDS -lt $end ] || die "waited in vain for $what"
        sleep 0.1
    done
}

is_alive() {
    kill -0 "$1" 2>/dev/null
}

end_processes() {
    local pid
    for pid in "${PIDS[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in "${PIDS[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    PIDS=()
}

ctl() {
    "$OTACTL" -C "$WORK/server" "$@"
}

# Sets OTAD_PID, DEVICE_PORT, OPERATOR_PORT.
start_daemon() {
    local ports=$WORK/server/state/ports.json
    rm -f "$ports"
    "$OTAD" -c "$WORK/server/otad.conf" 2>>"$WORK/otad.log" </dev/null &
    OTAD_PID=$!
    PIDS+=("$OTAD_PID")
    wait_for 20 "otad to become ready" is_ready_or_dead "$ports"
    is_alive "$OTAD_PID" || die "otad ended at once"
    DEVICE_PORT=$(port_of device "$ports")
    OPERATOR_PORT=$(port_of operator "$ports")
}

is_ready_or_dead() {
    [ -s "$1" ] || ! is_alive "$OTAD_PID"
}

port_of() {
    sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p" "$2"
}

# A number of a flat JSON file.
number_of() {
    sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p" "$2" | head -n 1
}
