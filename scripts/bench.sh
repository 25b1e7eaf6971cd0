#!/bin/sh
# `make bench`: measures Pando beside the floors of this machine and compares the figures with the targets.
# docs/benchmarks.md says what is measured, how, and how to read the table.
#
#   QUICK=1          a short run, to see that it works; its figures are rough
#   BENCH_DIR=DIR    where the stores are made and removed again (default: bench_data); its disk is measured
#   BENCH_JSON=FILE  appends each row as a line of JSON
#
# Ends with status 1 when something went wrong, never because a target was missed.
set -eu
cd "$(dirname "$0")/.."

fail() {
    echo "bench: $1" >&2
    exit 1
}

[ -r /proc/self/statm ] || fail "needs Linux (/proc)"

mkdir -p _build/bench "${BENCH_DIR:=bench_data}"
# Of one run, so that what is removed at the end is only what it made.
BENCH_RUN_DIR=$(cd "$BENCH_DIR" && pwd)/run-$$
trap 'rm -rf "$BENCH_RUN_DIR"; rmdir "$BENCH_DIR" 2>/dev/null || true' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir "$BENCH_RUN_DIR"

target=${CARGO_TARGET_DIR:-target}
"${CARGO:-cargo}" build --quiet --release --locked --target-dir "$target" -p disk_floor
BENCH_DISK_FLOOR=$(cd "$target/release" && pwd)/disk_floor

erlc -o _build/bench +debug_info scripts/bench/*.erl

case "${QUICK:-}" in '' | 0) BENCH_QUICK= ;; *) BENCH_QUICK=1 ;; esac
export BENCH_RUN_DIR BENCH_DISK_FLOOR BENCH_QUICK
# +Bd: SIGINT ends the VM instead of asking what to do.
erl +Bd -noinput -pa _build/bench -pa _build/default/lib/pando/ebin -kernel logger_level error -s bench main
