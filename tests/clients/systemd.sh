#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The installed unit under a real systemd as process 1, with its whole sandbox: this machine's own
# files, under an overlay that is thrown away, boot in a container without a network. In there this
# script runs again, types what README.md says under "A first installation", and looks at what came
# of it. Needs root. The limit is for the container, from its boot to its end.
set -euo pipefail
cd "$(dirname "$0")/../.."
ROOT=$PWD
LIMIT=120

## -- outside: a container that ends by itself --

# The bind mount of / is read-only and lives in a mount namespace of its own: whatever happens to this
# script, nobody finds it, and no `rm -r` walks through it.
# shellcheck disable=SC2016 # expanded in there
IN_NAMESPACE='mount --bind / "$1" && mount -o remount,bind,ro "$1" && shift && exec systemd-nspawn "$@"'

write_unit() {
    cat >"$1" <<UNIT
[Unit]
Description=Acceptance of otad's unit
Requires=basic.target dbus.socket
After=basic.target dbus.socket
SuccessAction=exit-force
FailureAction=exit-force
FailureActionExitStatus=1
[Service]
Type=oneshot
Environment=B=$2
ExecStart=/bin/bash "$ROOT/tests/clients/systemd.sh" inside
StandardOutput=append:/run/out/report
StandardError=append:/run/out/report
UNIT
}

# boot WORK BUILD: sets CONTAINER, the process to wait for.
boot() {
    local words=(-D "$1/root" -M "otad-$$" --volatile=overlay --register=no --private-network
        --resolv-conf=off --timezone=off --link-journal=no --bind-ro="$ROOT" --bind="$1/out:/run/out"
        --bind-ro="$1/accept.service:/run/systemd/system/accept.service")
    case $2/ in "$ROOT"/*) ;; *) words+=(--bind-ro="$2") ;; esac
    # Without a systemd out here nobody can make a scope for the container.
    [ -d /run/systemd/system ] || words+=(--keep-unit)
    words+=(-b systemd.unit=accept.service)
    # They would wait for a network that never comes.
    words+=(systemd.mask=systemd-networkd-wait-online.service
        systemd.mask=NetworkManager-wait-online.service)
    timeout -k 10 $LIMIT unshare --mount --propagation private bash -c "$IN_NAMESPACE" bash \
        "$1/root" "${words[@]}" </dev/null >"$1/console" 2>&1 &
    CONTAINER=$!
}

clean_up() {
    if [ -n "${CONTAINER:-}" ]; then
        kill "$CONTAINER" 2>/dev/null || true
        wait "$CONTAINER" || true
    fi
    rmdir "$WORK/root" && rm -rf --one-file-system "$WORK"
}

outside() {
    local asked=${B:-build/release} build=${B:-build/release} status=0 teller
    case $build in /*) ;; *) build=$ROOT/$build ;; esac
    [ "$(id -u)" = 0 ] || exec sudo B="$build" "$0"
    WORK=$(mktemp -d)
    trap clean_up EXIT
    trap 'exit 1' INT TERM
    mkdir "$WORK/root" "$WORK/out"
    : >"$WORK/out/report"
    # As make was told: another spelling of the folder would change the flags, and build anew.
    write_unit "$WORK/accept.service" "$asked"
    boot "$WORK" "$build"
    tail -f -n +1 --pid="$CONTAINER" "$WORK/out/report" &
    teller=$!
    wait "$CONTAINER" || status=$?
    CONTAINER=
    wait $teller
    if [ $status = 0 ] && tail -n 1 "$WORK/out/report" | grep -q '^systemd: [0-9]* checks passed$'; then
        return 0
    fi
    [ $status != 124 ] && [ $status != 137 ] || echo "the container did not end within $LIMIT s"
    [ -s "$WORK/out/report" ] || tail -n 30 "$WORK/console"
    echo "systemd: FAILED (status $status)"
    return 1
}

## -- inside: small helpers --

CHECKS=0

die() {
    printf 'FAILED: %s\n' "$*"
    systemctl status otad --no-pager --full 2>&1 | head -n 12 || true
    journalctl -b -u otad --no-pager -n 25 -o short-precise || true
    exit 1
}

# prove WHAT COMMAND...
prove() {
    local what=$1
    shift
    "$@" || die "$what"
    CHECKS=$((CHECKS + 1))
    echo "  ok  $what"
}

# within SECONDS COMMAND...: until it succeeds.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}

quietly() {
    "$@" >quiet.log 2>&1 || { cat quiet.log; return 1; }
}

# The nth block of commands in the README's section, as somebody who is root already types it.
readme_block() {
    awk -v wanted="$1" '
        /^## / { here = ($0 == "## A first installation"); next }
        here && /^    / { if (!inside) block++; inside = 1; if (block == wanted) print substr($0, 5); next }
        { inside = 0 }' "$ROOT/README.md" | sed 's/\bsudo //'
}

property() {
    systemctl show -P "$1" otad
}

is_property() {
    [ "$(property "$1")" = "$2" ]
}

status_of() {
    awk -v name="$2:" '$1 == name {print $2}' "/proc/$1/status"
}

status_is() {
    [ "$(status_of "$PID" "$1")" = "$2" ]
}

# Fields of the mount at a path, as the daemon sees it: root, options, type.
mount_of() {
    awk -v path="$1" '$5 == path { for (i = 7; $i != "-"; i++); found = $4 " " $6 " " $(i + 1) }
        END { print found }' "/proc/$PID/mountinfo"
}

read_only() {
    case $(mount_of "$1") in *' ro,'*) ;; *) return 1 ;; esac
}

remember_pid() {
    PID=$(property MainPID)
    [ "$PID" -gt 1 ]
}

# systemd counts starts; a test starts more often than anybody.
restart() {
    systemctl reset-failed otad && systemctl restart otad && remember_pid
}

# use LINE...: a drop-in for the unit; none takes it away.
use() {
    local folder=/run/systemd/system/otad.service.d
    rm -rf $folder
    if [ $# -gt 0 ]; then
        mkdir $folder
        printf '[Service]\n' >$folder/test.conf
        printf '%s\n' "$@" >>$folder/test.conf
    fi
    systemctl daemon-reload
}

## -- inside: a device, an operator, the journal --

DEVICE=https://updates.example.com:8443
POLL=$DEVICE/DEFAULT/controller/v1/lock-0001

device() {
    curl -sS --max-time 20 --cacert lock-0001/server-ca.crt --cert lock-0001/device.crt \
        --key lock-0001/device.key "$@"
}

# shellcheck disable=SC2120 # its arguments come by way of prove
poll_works() {
    [ "$(device -o poll.json -w '%{http_code}' "$@" "$POLL")" = 200 ]
}

operator() {
    curl -sS --max-time 20 --cacert /etc/otad/pki/server-ca.crt --cert /etc/otad/pki/operator.crt \
        --key /etc/otad/pki/operator.key "$@"
}

is_offered() {
    poll_works && grep -qo 'https://[^"]*deploymentBase[^"]*' poll.json
}

# Sets IMAGE, the address of the image the device is offered.
find_image() {
    local plan
    plan=$(grep -o 'https://[^"]*deploymentBase[^"]*' poll.json | head -n 1)
    FEEDBACK=${plan%%\?*}/feedback
    IMAGE=$(device "$plan" | grep -o 'https://[^"]*lock-1.4.0.swu"' | head -n 1 | tr -d '"')
    [ -n "$IMAGE" ]
}

download_whole() {
    rm -f got
    device "$@" -o got "$IMAGE" && cmp got lock-1.4.0.swu
}

download_range() {
    device -r 1000000-1999999 -o got "$IMAGE" && [ "$(stat -c %s got)" = 1000000 ] &&
        cmp -n 1000000 -i 0:1000000 got lock-1.4.0.swu
}

download_rest() {
    head -c 1234567 lock-1.4.0.swu >got
    device -C - -o got "$IMAGE" && cmp got lock-1.4.0.swu
}

download_ranges() {
    device -r 5-9,2000000-2999999 -o got "$IMAGE" && grep -qa '^Content-Range: bytes 5-9/3000000' got &&
        [ "$(stat -c %s got)" -gt 1000005 ]
}

# report EXECUTION FINISHED
report() {
    [ "$(device -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' --data-binary \
        "{\"id\":\"1\",\"status\":{\"execution\":\"$1\",\"result\":{\"finished\":\"$2\"},\"details\":[]}}" \
        "$FEEDBACK")" = 200 ]
}

# otad's own lines of this boot.
journal() {
    journalctl -b --no-pager _SYSTEMD_UNIT=otad.service "$@"
}

has_line() {
    journal "$@" | grep -q .
}

# The priorities of its lines that hold a word.
priorities_of() {
    journal -o json -g "$1" | sed -n 's/.*"PRIORITY":"\([0-9]\)".*/\1/p' | sort -u
}

has_no_line() {
    ! has_line "$@"
}

## -- inside: what is proved --

install_by_readme() {
    cd "$ROOT"
    export MAKEFLAGS="B=$B"
    bash -euo pipefail -c "$(readme_block 1)" >/run/out/install.log 2>&1 || { cat /run/out/install.log; return 1; }
    unset MAKEFLAGS
}

is_ready() {
    is_property Type notify && is_property SubState running && [ -n "$(property StatusText)" ]
}

prove_installation() {
    echo '127.0.0.1 updates.example.com' >>/etc/hosts
    rm -rf /etc/otad /var/lib/otad
    prove "the README's commands install and start it" install_by_readme
    prove "systemd was told that it is ready: $(property StatusText)" is_ready
    prove "it was started once" is_property NRestarts 0
    prove "it is enabled" systemctl is-enabled -q otad
    prove "process 1 is the systemd that runs it" test "$(cat /proc/1/comm)" = systemd
    remember_pid
}

only_the_server_key_is_its() {
    [ "$(find /etc/otad ! -user root)" = /etc/otad/pki/server.key ] && [ ! -e /etc/otad/state ]
}

state_is_its_own() {
    [ "$(stat -c '%U %a' /var/lib/otad)" = 'otad 700' ] && [ -s /var/lib/otad/otad.db ] &&
        [ -z "$(find /var/lib/otad ! -user otad)" ]
}

has_no_capability() {
    local set
    for set in CapInh CapPrm CapEff CapBnd CapAmb; do
        status_is $set 0000000000000000 || return 1
    done
}

has_own() {
    [ "$(readlink "/proc/$PID/ns/$1")" != "$(readlink "/proc/1/ns/$1")" ]
}

keys_are_hidden() {
    [ -n "$(ls /etc/otad/keys)" ] && [ -z "$(ls "/proc/$PID/root/etc/otad/keys")" ]
}

knows_two_users() {
    [ "$(awk '{print $1, $3}' "/proc/$PID/uid_map" | sort -n | xargs)" = "0 1 $(id -u otad) 1" ]
}

prove_sandbox() {
    prove "its user is otad" status_is Uid "$(id -u otad)"
    prove "system calls are filtered" status_is Seccomp 2
    prove "by the unit, not by the container alone" test "$(status_of "$PID" Seccomp_filters)" -gt \
        "$(status_of 1 Seccomp_filters)"
    prove "it cannot gain privileges" status_is NoNewPrivs 1
    prove "it has no capability, and none to get" has_no_capability
    prove "it has a user namespace of its own" has_own user
    prove "in which there are root and itself only" knows_two_users
    prove "it has a mount namespace of its own" has_own mnt
    prove "in which / is read-only" read_only /
    prove "and nothing below /etc was mounted writable" test -z "$(mount_of /etc/otad)"
    prove "/home is empty" test -z "$(ls -A "/proc/$PID/root/home")"
    prove "/tmp is its own" test -n "$(mount_of /tmp | grep systemd-private)"
    prove "/dev holds no device of the machine" read_only /dev
    prove "/proc shows no other process" grep -q ' /proc .*hidepid=invisible,subset=pid' "/proc/$PID/mountinfo"
    prove "the authorities' and signers' keys are hidden from it" keys_are_hidden
    prove "of /etc/otad only the server's key belongs to it" only_the_server_key_is_its
    prove "its state is in /var/lib/otad, for it alone" state_is_its_own
}

# Every line of the README's second block; DRAFT is what `release create` says.
roll_out_by_readme() {
    local line draft='' status
    while read -r line; do
        status=0
        case $line in
        *'campaign watch'*) line="timeout 2 $line" ;;
        esac
        eval "${line//DRAFT/$draft}" >line.log 2>&1 || status=$?
        case $line in
        *'release create'*) draft=$(sed -n 's/^Draft \([^:]*\):.*/\1/p' line.log) ;;
        timeout*) [ $status != 124 ] || status=0 ;; # it would follow for hours
        esac
        [ $status = 0 ] || { echo "$line" && cat line.log && return 1; }
    done < <(readme_block 2)
    [ -n "$draft" ]
}

begin_upload() {
    local sum
    head -c 1500000 /dev/urandom >second.img
    sum=$(sha256sum second.img | cut -d ' ' -f 1)
    operator -H 'Content-Type: application/json' https://localhost:9443/api/v1/uploads -o upload.json \
        --data-binary "{\"file\":\"second.img\",\"size\":1500000,\"sha256\":\"$sum\",\"encoding\":\"identity\"}" &&
        UPLOAD=$(sed -n 's/.*"id": *"\([^"]*\)".*/\1/p' upload.json) &&
        head -c 700000 second.img >half.img &&
        [ "$(operator -X PATCH -H 'Upload-Offset: 0' -H 'Content-Type: application/offset+octet-stream' \
            --data-binary @half.img -o /dev/null -w '%{http_code}' "https://localhost:9443/api/v1/uploads/$UPLOAD")" = 204 ]
}

half_is_there() {
    operator "https://localhost:9443/api/v1/uploads/$UPLOAD" | grep -q '"offset": *700000'
}

finish_upload() {
    quietly otactl upload second.img && grep -q 'going on at byte 700000' quiet.log &&
        otactl artifact list >artifacts.log &&
        grep -q "$(sha256sum second.img | cut -c 1-12)" artifacts.log
}

import_devices() {
    printf 'id,model\nlock-0002,lock2\nlock-0003,lock2\n' >devices.csv
    otactl device import devices.csv >/dev/null && otactl device show lock-0003 >/dev/null
}

use_token() {
    otactl token create --role viewer --days 1 -o token >/dev/null &&
        otactl --token-file token device list | grep -q lock-0001
}

console_answers() {
    [ "$(operator -o /dev/null -w '%{http_code}' https://localhost:9443/console/)" = 200 ]
}

prove_work() {
    mkdir /run/work && cd /run/work
    head -c 3000000 /dev/urandom >lock-1.4.0.swu
    prove "the README's commands enrol a device, publish a release and start a campaign" roll_out_by_readme
    prove "the device polls by TLS 1.3" poll_works --tlsv1.3
    prove "the device polls by TLS 1.2" poll_works --tls-max 1.2
    prove "the update is offered" within 20 is_offered
    prove "its image has an address" find_image
    prove "3 MB arrive identical" download_whole
    prove "by TLS 1.2 too" download_whole --tls-max 1.2
    prove "a range arrives identical" download_range
    prove "a download goes on where it ended" download_rest
    prove "several ranges arrive at once" download_ranges
    prove "the device reports how far it is" report proceeding none
    prove "devices are imported" import_devices
    prove "a token is made, and lets in" use_token
    prove "the console answers" console_answers
    prove "half an image is uploaded" begin_upload
    prove "the audit log verifies" quietly otactl audit verify
}

served_serial() {
    openssl s_client -connect localhost:8443 </dev/null 2>/dev/null | openssl x509 -noout -serial
}

# As at a renewal: another certificate for the same key.
renew_certificate() {
    local pki=/etc/otad/pki
    openssl req -new -key $pki/server.key -subj /CN=updates.example.com \
        -addext 'subjectAltName=DNS:updates.example.com,DNS:localhost,IP:127.0.0.1' -out server.csr &&
        openssl x509 -req -in server.csr -CA $pki/server-ca.crt -CAkey /etc/otad/keys/server-ca.key \
            -copy_extensions copyall -days 30 -out server.new 2>/dev/null && cat server.new >$pki/server.crt
}

reload_takes_certificate() {
    local before
    before=$(served_serial)
    [ -n "$before" ] && renew_certificate && systemctl reload otad && within 10 serves_another "$before"
}

serves_another() {
    local now
    now=$(served_serial)
    [ -n "$now" ] && [ "$now" != "$1" ]
}

# rename keeps what was there for those who run it again
spoil_authority() {
    cp /etc/otad/pki/device-ca.crt good.crt && echo nonsense >/etc/otad/pki/device-ca.crt
}

mend_authority() {
    cat good.crt >/etc/otad/pki/device-ca.crt && systemctl reload otad
}

prove_reload_and_restart() {
    local before=$PID
    prove "reload takes a renewed certificate" reload_takes_certificate
    prove "in the same process" is_property MainPID "$before"
    prove "the device polls after it" poll_works
    prove "otactl reload does the same" quietly otactl reload
    prove "a restart comes up again" restart
    prove "in another process" test "$PID" != "$before"
    prove "the device polls after it, on the state of before" is_still_known
    prove "the image is served after it" download_whole
    prove "half of the upload is there after it" half_is_there
    prove "the upload goes on" finish_upload
}

is_still_known() {
    poll_works && otactl release list | grep -q 'lock:1.4.0' && otactl campaign list | grep -q c-1
}

no_complaint() {
    ! journalctl -b --no-pager -u otad -p warning | grep -v '^-- '
}

prove_journal() {
    prove "its lines arrive with the priority they name" test "$(priorities_of 'server\.ready')" = 6
    prove "and without the prefix" has_no_line -g '^<[0-9]>'
    prove "so far neither it nor systemd has complained" no_complaint
    prove "and nobody spoke of a denied call" test -z "$(journalctl -b --no-pager -g 'SECCOMP|SIGSYS|audit:' -q)"
}

# Where the filter kills instead of answering EPERM, a call that otad makes in vain would show.
pre_was_killed() {
    property ExecStartPre | grep -q 'code=killed ; status=31'
}

prove_filter() {
    use 'SystemCallErrorNumber=kill' 'ExecStartPre=-/bin/chown otad: /var/lib/otad'
    prove "it starts under a filter that kills" restart
    prove "which does kill: chown was ended by SIGSYS" pre_was_killed
    prove "there, the device polls" poll_works
    prove "there, downloads work" download_whole
    prove "there, ranges work" download_ranges
    head -c 1000000 /dev/urandom >third.img
    prove "there, uploads work" quietly otactl upload third.img
    prove "there, a reload works" quietly otactl reload
    prove "there, nothing has killed it" is_property MainPID "$PID"
    prove "there, it stops in good order" systemctl stop otad
    prove "with success" is_property Result success
    use
    prove "it starts under the unit's own filter again" restart
}

prove_failed_reload() {
    spoil_authority
    systemctl reload otad
    prove "a reload that fails is an error in the journal" within 10 has_line -p err -g 'server\.reload_failed'
    prove "and nothing less" test "$(priorities_of 'server\.reload_failed')" = 3
    prove "and leaves the daemon as it was" poll_works
    prove "a good one mends it" mend_authority
    prove "the unit has room for the most workers that can be asked for" starts_with_most_workers
}

starts_with_most_workers() {
    sed -i '/^\[server\]/a workers = 64' /etc/otad/otad.conf
    restart && [ "$(status_of "$PID" Threads)" -gt 64 ] && poll_works || return 1
    [ "$(status_of "$PID" Threads)" -lt $(($(property TasksMax) * 3 / 4)) ] || return 1
    sed -i '/^workers/d' /etc/otad/otad.conf
    restart
}

was_restarted() {
    is_property NRestarts 1 && is_property ActiveState active
}

prove_watchdog() {
    use 'WatchdogSec=2'
    prove "it starts with a watchdog of 2 s" restart
    sleep 5
    prove "which it feeds" is_property NRestarts 0
    kill -STOP "$PID"
    prove "hung, it is killed and started again" within 25 was_restarted
    prove "because of the watchdog" test -n "$(journalctl -b -q --no-pager -u otad -g 'Watchdog timeout')"
    prove "the device polls again" within 10 poll_works
    use
    prove "it starts with the unit's own watchdog again" restart
}

# poll_until FILE: as fast as it goes; notes what curl and the server say to each.
poll_until() {
    local answer status
    until [ -e "$1" ]; do
        status=0
        answer=$(device -o polled -w '%{http_code}' "$POLL" 2>/dev/null) || status=$?
        echo "$answer $status"
    done >polls.log
}

# No poll is refused (curl's 7) or waits in vain (28). One that is under way when the daemon stops may
# be cut, as a lost connection would (35, 52, 55, 56): of this device at most one at each restart.
stays_open_over_restarts() {
    local poller
    poll_until enough &
    poller=$!
    sleep 0.5
    restart && restart || return 1
    sleep 0.5
    touch enough
    wait $poller
    [ "$(grep -c '^200 0$' polls.log)" -ge 10 ] && [ "$(grep -cv '^200 0$' polls.log)" -le 2 ] &&
        ! grep -vE '^(200 0|000 (35|52|55|56))$' polls.log
}

sockets_by_readme() {
    bash -euo pipefail -c "$(readme_block 3)" >sockets.log 2>&1 || { cat sockets.log; return 1; }
    remember_pid
}

is_started_by_a_poll() {
    systemctl stop otad 2>/dev/null
    is_property ActiveState inactive && poll_works && is_property ActiveState active
}

prove_sockets() {
    prove "the README's commands give the ports to systemd" sockets_by_readme
    prove "the sockets are enabled" systemctl is-enabled -q otad.socket otad-operator.socket
    prove "the device polls through them" poll_works
    prove "the operator too" console_answers
    prove "the ports stay open over two restarts" stays_open_over_restarts
    prove "a poll starts it" is_started_by_a_poll
    systemctl disable --now otad.socket otad-operator.socket 2>/dev/null
    prove "it takes its ports itself again" restart
}

refuses_nonsense() {
    cp /etc/otad/otad.conf otad.conf
    echo 'nonsense = 1' >>/etc/otad/otad.conf
    ! restart 2>/dev/null && sleep 3 && is_property ExecMainStatus 2 && is_property NRestarts 0 &&
        is_property ActiveState failed
}

prove_end() {
    local before reader
    device --limit-rate 20k -o /dev/null "$IMAGE" 2>/dev/null &
    reader=$!
    sleep 0.5
    before=$SECONDS
    prove "it stops while a slow device reads" systemctl stop otad
    prove "in less than 30 s" test $((SECONDS - before)) -lt 30
    prove "with success" is_property Result success
    prove "and the status 0" is_property ExecMainStatus 0
    wait $reader 2>/dev/null || true
    prove "with a wrong configuration it fails, and is not tried again and again" refuses_nonsense
    prove "and the journal says why, as an error" has_line -p err -g nonsense
    cat otad.conf >/etc/otad/otad.conf
    prove "mended, it starts" restart
    prove "the device reports success" report closed success
    prove "all errors in the journal are those that were provoked" only_provoked
    prove "it stops" systemctl stop otad
    prove "with success" is_property Result success
}

only_provoked() {
    ! journal -q -p err -o cat | grep -v 'server\.reload_failed\|nonsense'
}

inside() {
    [ "$(systemd-detect-virt -c)" = systemd-nspawn ] || die "this part is for the container only"
    prove_installation
    prove_sandbox
    prove_work
    prove_reload_and_restart
    prove_journal
    prove_filter
    prove_failed_reload
    prove_watchdog
    prove_sockets
    prove_end
    echo "systemd: $CHECKS checks passed"
}

case ${1:-} in
inside) inside ;;
*) outside ;;
esac
