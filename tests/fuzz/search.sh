#!/usr/bin/env bash
# Searches with libFuzzer under ASan and UBSan, FUZZ_SECONDS per target, starting from the corpus.
# What it finds lands in build/fuzz; add it to tests/fuzz/corpus with the fix.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${FUZZ_SECONDS:-60}
b=build/fuzz
make -j"$(nproc)" B=$b CC=clang-14 VARIANT=asan \
    CFLAGS="-O1 -g -fsanitize=fuzzer-no-link -Wno-unknown-warning-option -Wno-gnu-statement-expression" $b/libotad.a
for source in tests/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    name=${name#fuzz_}
    clang-14 -std=gnu11 -D_GNU_SOURCE -O1 -g -fsanitize=fuzzer,address,undefined -Iserver -I$b/gen -Itests \
        -o "$b/$name" "$source" $b/libotad.a -lmicrohttpd -lsqlite3 -lssl -lcrypto -ljansson -linih -lsystemd -lm -lpthread
    mkdir -p "$b/found-$name"
    echo "== $name, $seconds s"
    "$b/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$b/crash-$name-" "$b/found-$name" "tests/fuzz/corpus/$name" 2>&1 | tail -n 12
done
