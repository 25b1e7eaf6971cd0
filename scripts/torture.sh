#!/bin/sh
# The tests that `make test` runs in part, whole: crashes at every write and sync, failures of every operation, damage to every
# stretch of every file, and nodes killed under load. About half an hour on two cores.
#
#   sh scripts/torture.sh            all parts
#   sh scripts/torture.sh PART...    these: disk (what a simulated disk can do), batches (what several
#                                    members can do to each other), kill (a real node and SIGKILL),
#                                    clusters (real nodes, faults at random, histories that are checked),
#                                    forming (nodes that start in random orders),
#                                    port (all EUnit modules with stores in programs, those too that
#                                    `make test` runs with the library alone; without PANDO_TORTURE)
#
# A test asks for PANDO_TORTURE in its environment and prints how much it did.
set -u
cd "$(dirname "$0")/.." || exit 1
. scripts/env.sh

PANDO_TORTURE=1
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
export PANDO_TORTURE CARGO_TARGET_DIR

run_part() {
    case $1 in
    # Optimised, or it would take most of a day.
    disk) cargo test --profile torture --locked --no-fail-fast -p pando_store --test 'torture_*' -- --nocapture ;;
    # Several members, whose batches come late, twice or never.
    batches) cargo test --profile torture --locked -p pando_store --lib own_batches -- --nocapture ;;
    kill) rebar3 eunit --module=pando_kill_tests ;;
    clusters) rebar3 eunit --module=pando_cluster_history_tests,pando_failover_tests ;;
    # 200 boots in random orders, and many more schedules of the rules.
    forming) rebar3 eunit --module=pando_forming_tests,pando_forming_rules_tests ;;
    port) env -u PANDO_TORTURE PANDO_TEST_BACKEND=port rebar3 eunit ;;
    *) echo "unknown part $1: one of disk batches kill clusters forming port" >&2 && return 2 ;;
    esac
}

status=0
for part in "${@:-all}"; do
    case $part in all) names="disk batches kill clusters forming port" ;; *) names=$part ;; esac
    for name in $names; do
        echo "==> $name"
        run_part "$name" </dev/null || status=1
    done
done
exit $status
