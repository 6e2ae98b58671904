#!/usr/bin/env bash
# The sample configuration is what the program prints.
set -euo pipefail
cd "$(dirname "$0")/../.."
diff -u config/otad.conf <("${B:-build/release}/otad" --print-config)
