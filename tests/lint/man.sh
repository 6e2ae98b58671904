#!/usr/bin/env bash
# Manual pages parse without a complaint, and otad.conf(5) is what the table of settings yields.
set -euo pipefail
cd "$(dirname "$0")/../.."
status=0
for page in systemd/*.8 config/*.[157]; do
    if ! mandoc -T lint -W warning "$page"; then status=1; fi
done
diff -u config/otad.conf.5 <(awk -f config/manual.awk server/core/config.def |
    cat config/otad.conf.5.in - config/otad.conf.5.tail) || status=1
exit $status
