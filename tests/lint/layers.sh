#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A folder of server/ includes only itself and folders before it; libraries show in their own place.
set -euo pipefail
cd "$(dirname "$0")/../.."

failed=0
# Includes of `pattern` below the given paths, as file:line:text, are wrong because of `reason`.
forbid() { # reason, pattern, paths…
    local reason=$1 pattern=$2
    shift 2
    if grep -rnE "^#[ ]*include [\"<]($pattern)" --include='*.[ch]' "$@"; then
        echo "  ^ $reason" >&2
        failed=1
    fi
}

layers=(core tls store trust campaign http api cli)
for ((i = 0; i < ${#layers[@]}; i++)); do
    after=$(IFS='|'; echo "${layers[*]:i+1}")
    [[ -z $after || ! -d server/${layers[i]} ]] ||
        forbid "server/${layers[i]} comes before these" "($after)/" "server/${layers[i]}"
done
forbid "server/http knows only core/ and tls/" '(store|trust|campaign)/' server/http

# A library's header is for the sources the pattern names.
only_in() { # sources, reason, header
    local others
    mapfile -t others < <(find server -name '*.[ch]' | grep -vE "^server/($1)" | LC_ALL=C sort)
    forbid "$2" "$3" "${others[@]}"
}
only_in 'http/' "microhttpd.h is for server/http" 'microhttpd\.h'
only_in 'store/' "sqlite3.h is for server/store" 'sqlite3\.h'
only_in 'tls/|trust/|core/digest\.c' "OpenSSL is for server/tls, server/trust and core/digest.c" 'openssl/'

# The deciding files of trust/ and campaign/ work on plain structs and on the time they are given; the
# ones named here carry data between them and the store, or are the clock's.
carriers='apply.*|engine\.h|snapshot.*\.c|ticker\.c'
mapfile -t pure < <(find server/trust server/campaign -regextype egrep -name '*.[ch]' \
    ! -regex ".*/($carriers)" | LC_ALL=C sort)
forbid "only apply.c and its like touch the store" 'store/' "${pure[@]}"
if grep -nE '\b(clock_wall|clock_monotonic|clock_gettime|time)[a-z_]*\(' "${pure[@]}"; then
    echo "  ^ the time is an argument" >&2
    failed=1
fi
exit $failed
