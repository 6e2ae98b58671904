#!/usr/bin/env bash
# Shell scripts, read by shellcheck.
set -euo pipefail
cd "$(dirname "$0")/../.."
git ls-files -co --exclude-standard '*.sh' .ci/run | xargs shellcheck -S warning
