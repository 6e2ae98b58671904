#!/usr/bin/env bash
# clang-tidy, one file per call: given several it invents findings.
set -euo pipefail
cd "$(dirname "$0")/../.."
gen=${B:-build/release}/gen
find server -name '*.c' -print0 | xargs -0 -n 1 -P "$(nproc)" sh -c '
    clang-tidy-14 --quiet "$1" -- -std=gnu11 -D_GNU_SOURCE -Iserver -I"$0" 2>/dev/null' "$gen"
