#!/usr/bin/env bash
# Runs the fuzz targets on their corpora: fuzz/run.sh [SECONDS] [TARGET…], 20 seconds each by default.
#
# Builds with the stable compiler and the instrumentation that cargo-fuzz passes, without a sanitizer,
# so that it needs neither. What it finds lies in fuzz/target/found/TARGET, never in the repository:
# bring a crash or new inputs into fixtures/fuzz/TARGET by hand (`-merge=1` makes a corpus small).
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-20}
shift || true
[ $# -gt 0 ] || set -- archives boxes jpeg lists metadata packed png records registries scores tars zips

host=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares" \
    cargo build --release --locked --quiet --target "$host" --target-dir target/stable "${@/#/--bin=}"

for target; do
    found=target/found/$target
    mkdir -p "$found/corpus"
    echo "fuzz: $target, $seconds s"
    if ! "target/stable/$host/release/$target" -max_total_time="$seconds" -timeout=30 -rss_limit_mb=2048 \
        -max_len=65536 -artifact_prefix="$found/" -print_final_stats=1 \
        "$found/corpus" "../fixtures/fuzz/$target" >"$found/log" 2>&1; then
        tail -n 60 "$found/log" >&2
        exit 1
    fi
    grep -E '^#[0-9]+\s+DONE' "$found/log"
done
