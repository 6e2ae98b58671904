#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The whole way on real input: a fresh installation, a signed image, 50 simulated devices and one real
# SWUpdate client, a campaign in three waves, and a check that all of it came true. `make demo` runs
# it; KEEP=1 leaves it running.
set -euo pipefail
cd "$(dirname "$0")/.."

DEVICES=50
OLD=1.0.0
NEW=2.0.0
WORK=$PWD/build/demo
# shellcheck source=tests/demo/process.sh
. tests/demo/process.sh
# shellcheck source=tests/demo/swupdate.sh
. tests/demo/swupdate.sh
trap end_processes EXIT

# What takes hours in the field takes seconds here.
QUICK=(--set device.poll=2 --set device.poll_minimum=1 --set campaign.tick=1
    --set campaign.confirm_after=1 --set campaign.rate=0 --set campaign.watch=0
    --set store.seen_flush=1)

make_installation() {
    step "otactl init: authorities, certificates, signing keys and configuration in build/demo/server"
    rm -rf "$WORK"
    mkdir -p "$WORK/swu"
    "$OTACTL" init "$WORK/server" --port 0 --operator-port 0 --hostname localhost \
        --product gateway "${QUICK[@]}" >"$WORK/init.log" || die "otactl init"
    start_daemon
    echo "otad $OTAD_PID: devices on port $DEVICE_PORT, operators on port $OPERATOR_PORT"
}

make_image() {
    step "a 32 MiB image, in an .swu archive that its maker has signed (CMS)"
    head -c $((32 * 1024 * 1024)) /dev/urandom >"$WORK/rootfs.img"
    swu_make_signer "$WORK"
    swu_make "$WORK" "$WORK/rootfs.img" $NEW "$WORK/swu/installed.img" "$WORK/gateway-$NEW.swu"
    ls -l "$WORK/gateway-$NEW.swu"
}

# Two of the product's three keys sign: one with otactl, one with nothing but openssl, as a person
# would whose key lies in a safe or on a token.
publish_release() {
    local draft keys=("$WORK"/server/keys/gateway-*.pem)
    step "upload, draft, two of three signatures, publish"
    ctl release create gateway $NEW --file "$WORK/gateway-$NEW.swu" --hardware gw2 \
        >"$WORK/draft.txt" || die "otactl release create"
    draft=$(sed -n 's/^Draft \([^:]*\):.*/\1/p' "$WORK/draft.txt")
    ctl release sign "$draft" --key "${keys[0]}" || die "the first signature"
    ctl release payload "$draft" -o "$WORK/payload.bin"
    openssl pkeyutl -sign -rawin -inkey "${keys[1]}" -in "$WORK/payload.bin" -out "$WORK/payload.sig"
    openssl pkey -in "${keys[1]}" -pubout -out "$WORK/second.pub"
    ctl release add-signature "$draft" --public-key "$WORK/second.pub" --sig "$WORK/payload.sig" ||
        die "the second signature"
    ctl release publish "$draft" || die "otactl release publish"
}

enrol_devices() {
    step "$DEVICES simulated devices and one that runs Debian's SWUpdate"
    ctl device issue --count $DEVICES --prefix gw- --model gw2 --out "$WORK/devices" >/dev/null ||
        die "otactl device issue"
    ctl device issue swupdate-1 --model gw2 --out "$WORK/swu" >/dev/null || die "otactl device issue"
    "$FLEET" --url "https://localhost:$DEVICE_PORT" --devices "$WORK/devices" --api mixed \
        --root "$WORK/server/pki/1.root.json" --version $OLD --cut 0.3 \
        --json-summary "$WORK/fleet.json" 2>"$WORK/fleet.log" &
    FLEET_PID=$!
    PIDS+=("$FLEET_PID")
    swupdate_live "$WORK/swu" swupdate-1 "https://localhost:$DEVICE_PORT" "$WORK" $OLD $NEW &
    PIDS+=($!)
    wait_for 20 "all devices to be seen on $OLD" all_run $OLD
    ctl fleet versions
}

all_run() {
    [ "$(ctl device list --version "$1" --limit 500 2>/dev/null | grep -c '^gw-\|^swupdate-1')" = \
        $((DEVICES + 1)) ]
}

# The same plan is looked at first, and then carried out.
run_campaign() {
    local plan=("gateway:$NEW" --target 'model = "gw2"' --wave 5:soak=2s:strata=model+version
        --wave 20%:soak=2s --wave 100%)
    step "a campaign: 5 devices drawn over models and versions, then 20 %, then all"
    ctl campaign preview "${plan[@]}" || die "otactl campaign preview"
    ctl campaign create "${plan[@]}" --start >"$WORK/campaign.txt" || die "otactl campaign create"
    CAMPAIGN=$(grep -o 'c-[0-9]*' "$WORK/campaign.txt" | head -n 1)
    step "a third of the downloads lose their link; the campaign waits for evidence, wave by wave"
    timeout 150 "$OTACTL" -C "$WORK/server" campaign watch "$CAMPAIGN" ||
        die "campaign $CAMPAIGN did not finish"
}

# "at most 5.8 %": what the outcomes so far say of all devices, 95 % sure.
upper_bound() {
    sed -n 's/^  "upper_bound": *\([0-9.]*\).*/\1/p' "$WORK/campaign.json" |
        awk '{printf "at most %.2g %%\n", 100 * $1}'
}

check_outcome() {
    step "what came of it"
    wait_for 30 "all devices to run $NEW" all_run $NEW
    kill -USR1 "$FLEET_PID"
    wait_for 5 "the simulated fleet's figures" test -s "$WORK/fleet.json"
    cmp "$WORK/rootfs.img" "$WORK/swu/installed.img" || die "SWUpdate installed something else"
    [ "$(number_of resumed_downloads "$WORK/fleet.json")" -gt 0 ] || die "no download was resumed"
    ctl --json campaign show "$CAMPAIGN" >"$WORK/campaign.json"
    ctl fleet versions
    printf '%-30s %s\n' \
        'devices on the new version' "$((DEVICES + 1)) of $((DEVICES + 1))" \
        'devices that may fail, by that' "$(upper_bound)" \
        'bytes of the image served' "$(number_of bytes_served "$WORK/campaign.json")" \
        'downloads cut and resumed' "$(number_of resumed_downloads "$WORK/fleet.json")" \
        'TLS handshakes, resumed' "$(number_of full_handshakes "$WORK/fleet.json") full, $(number_of resumed_handshakes "$WORK/fleet.json") resumed" \
        'the file SWUpdate installed' "identical, $(sha256sum <"$WORK/swu/installed.img" | cut -c1-16)…" \
        'seconds in all' $((SECONDS - BEGAN))
}

leave_running() {
    trap - EXIT
    cat <<KEPT

Left running: otad is process $OTAD_PID; stop it with  kill ${PIDS[*]}
Console:      https://localhost:$OPERATOR_PORT/console/
Log in:       ${OTACTL#"$PWD"/} -C build/demo/server token create --role admin --days 1
Or:           curl --cacert build/demo/server/pki/server-ca.crt --cert build/demo/server/pki/operator.crt \\
                --key build/demo/server/pki/operator.key https://localhost:$OPERATOR_PORT/api/v1/campaigns/$CAMPAIGN
KEPT
}

make_installation
make_image
publish_release
enrol_devices
run_campaign
check_outcome
[ -z "${KEEP:-}" ] || leave_running
echo
echo "The demo succeeded in $((SECONDS - BEGAN)) seconds."
