# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A real SWUpdate client, unpacked by tests/install.sh: signed .swu archives, and a device folder in
# which suricatta runs. Sourced; all paths it is given must be absolute, since SWUpdate changes folder.

SWUPDATE_RUN=$PWD/build/swupdate/run

# The certificate whose holder may sign .swu archives, as devices check it: FOLDER/swu.crt, swu.key.
swu_make_signer() {
    local folder=$1
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
        -subj '/CN=swu signer' -addext keyUsage=critical,digitalSignature \
        -addext extendedKeyUsage=emailProtection -keyout "$folder/swu.key" -out "$folder/swu.crt" \
        2>/dev/null
}

# swu_make SIGNER_FOLDER IMAGE VERSION INSTALL_PATH OUT.swu
swu_make() {
    local signer=$1 image=$2 version=$3 path=$4 out=$5 work
    work=$(mktemp -d)
    ln -s "$image" "$work/payload.bin"
    cat >"$work/sw-description" <<DESCRIPTION
software = {
  version = "$version";
  hardware-compatibility = [ "1.0" ];
  files: ( {
    filename = "payload.bin";
    path = "$path";
    type = "rawfile";
    sha256 = "$(sha256sum <"$image" | cut -d' ' -f1)";
  } );
}
DESCRIPTION
    openssl cms -sign -in "$work/sw-description" -out "$work/sw-description.sig" \
        -signer "$signer/swu.crt" -inkey "$signer/swu.key" -outform DER -nosmimecap -binary
    (cd "$work" && printf '%s\n' sw-description sw-description.sig payload.bin |
        cpio --quiet -o -L -H crc) >"$out"
    rm -rf "$work"
}

# swupdate_configure DEVICE_FOLDER ID URL SIGNER_FOLDER VERSION BOOT_ID: what the board says of itself.
swupdate_configure() {
    local folder=$1 id=$2 url=$3 signer=$4 version=$5 boot_id=$6
    mkdir -p "$folder/tmp"
    cat >"$folder/swupdate.cfg" <<CONFIGURATION
globals : { verbose = true; loglevel = 5; bootloader = "none";
  public-key-file = "$signer/swu.crt"; };
identify : (
  { name = "otad.version"; value = "$version"; },
  { name = "otad.boot_id"; value = "$boot_id"; },
  { name = "hwRevision"; value = "1.0"; } );
suricatta : { tenant = "DEFAULT"; id = "$id"; url = "$url"; polldelay = 1; retry = 10;
  cafile = "$folder/server-ca.crt"; sslkey = "$folder/device.key";
  sslcert = "$folder/device.crt"; connection-timeout = 10; };
CONFIGURATION
}

# swupdate_start DEVICE_FOLDER [SURICATTA_OPTION...]; sets SWUPDATE_PID.
swupdate_start() {
    local folder=$1
    shift
    TMPDIR="$folder/tmp" "$SWUPDATE_RUN" swupdate -f "$folder/swupdate.cfg" -H board:1.0 \
        -u "-r 10 -w 1 $*" >>"$folder/swupdate.log" 2>&1 </dev/null &
    SWUPDATE_PID=$!
}

swupdate_stop() {
    kill "$SWUPDATE_PID" 2>/dev/null || true
    wait "$SWUPDATE_PID" 2>/dev/null || true
}

# A board with its own idea of a life: installs what it is offered, then boots into it, which is when
# SWUpdate tells the server that it went well (-c 2).
swupdate_live() {
    local folder=$1 id=$2 url=$3 signer=$4 version=$5 next_version=$6
    trap 'swupdate_stop; exit 0' TERM
    swupdate_configure "$folder" "$id" "$url" "$signer" "$version" "$(</proc/sys/kernel/random/uuid)"
    swupdate_start "$folder"
    until grep -q 'Please restart SWUpdate' "$folder/swupdate.log"; do
        kill -0 "$SWUPDATE_PID" 2>/dev/null || return 1
        sleep 0.2
    done
    swupdate_stop
    swupdate_configure "$folder" "$id" "$url" "$signer" "$next_version" \
        "$(</proc/sys/kernel/random/uuid)"
    swupdate_start "$folder" -c 2
    wait "$SWUPDATE_PID"
}
