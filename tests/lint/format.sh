#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# All C sources are laid out as .clang-format says; `make format` does it.
set -euo pipefail
cd "$(dirname "$0")/../.."
find server tests -name '*.[ch]' -print0 | xargs -0 clang-format-14 --dry-run -Werror
