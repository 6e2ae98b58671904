#!/usr/bin/env bash
# systemd finds nothing to complain of, and the sandbox keeps its score.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for unit in systemd/*.service systemd/*.socket; do
    sed 's|/usr/local/sbin/otad|/bin/true|; s|^User=otad|User=root|; s|^Group=otad|Group=root|' "$unit" > "$folder/$(basename "$unit")"
done
# Unknown keys are only printed, with status 0: anything said about our units is a failure.
complaints=$(cd "$folder" && SYSTEMD_LOG_LEVEL=warning systemd-analyze verify ./otad.service ./otad.socket ./otad-operator.socket 2>&1 | grep -F "$folder" || true)
[ -z "$complaints" ] || { echo "$complaints"; exit 1; }
systemd-analyze security --offline=yes --threshold=15 systemd/otad.service > "$folder/score" || { tail -3 "$folder/score"; exit 1; }
