#!/bin/sh
# Fuzzes a decoder of bytes with libFuzzer (docs/fuzzing.md). Needs cargo-fuzz: cargo install cargo-fuzz --locked
#
#   sh scripts/fuzz.sh                     all targets, 600 s each
#   sh scripts/fuzz.sh TARGET [SECONDS]    one
#
#   FUZZ_DIRECTORY   where the corpora grow and what was found is put (default: target/fuzz of this checkout)
#
# 1. A target ends at the first input that fails; the input is in FUZZ_DIRECTORY/found/TARGET. Copy it to
#    native/fuzz/found/TARGET, where `make test` replays it for ever.
# 2. One target at a time, and at the lowest priority.
set -eu
cd "$(dirname "$0")/.."
. scripts/env.sh

TARGETS=$(sed -n 's/^name = "\(.*\)"/\1/p' native/fuzz/Cargo.toml | grep -v pando_fuzz_binaries)
SECONDS_DEFAULT=600
# An input that takes longer, or more memory, has failed.
TIMEOUT_S=5
RSS_LIMIT_MB=2048
INPUT_SIZE_BYTES_MAX=8192

seconds=${2:-}
seconds=${seconds:-$SECONDS_DEFAULT}
directory=${FUZZ_DIRECTORY:-$PWD/target/fuzz}
command -v cargo-fuzz >/dev/null || {
    echo "cargo-fuzz is missing: cargo install cargo-fuzz --locked" >&2
    exit 1
}
# cargo-fuzz asks for instrumentation that only a nightly compiler would admit. No sanitizer: it is safe Rust.
RUSTC_BOOTSTRAP=1
export RUSTC_BOOTSTRAP

names=${1:-}
for target in ${names:-$TARGETS}; do
    corpus=$directory/corpus/$target
    found=$directory/found/$target
    mkdir -p "$corpus" "$found"
    cargo run --quiet --locked -p pando_fuzz --example seeds -- "$target" "$corpus"
    nice -n 19 cargo fuzz build --fuzz-dir native/fuzz --target-dir "$directory/build" -s none "$target"
    nice -n 19 "$directory"/build/*/release/"$target" "$corpus" "native/fuzz/found/$target" \
        -artifact_prefix="$found/" -max_total_time="$seconds" -timeout=$TIMEOUT_S \
        -rss_limit_mb=$RSS_LIMIT_MB -max_len=$INPUT_SIZE_BYTES_MAX -print_final_stats=1 -verbosity=1
done
