#!/bin/sh
# Runs the gates and the tests, each part whatever became of the others, and ends with a table and a line of counts.
#
#   sh scripts/test.sh            all parts
#   sh scripts/test.sh gates      those that only read: formatters, linters, compilers with warnings as errors
#   sh scripts/test.sh PART...    these parts; their names are the first words of the table
#
# 1. A part that fails makes the whole fail, counted as one failed test if it counted none itself.
# 2. A test part that ran no test has failed.
# 3. No part reads standard input. The output of each is kept in _build/test-logs/PART.log.
set -u
cd "$(dirname "$0")/.." || exit 1
. scripts/env.sh

GATES="rustfmt clippy mix-format check docs"
TESTS="cargo-test exunit eunit exunit-port eunit-port samples demo"

# EUnit modules that run once here. Those of the first lines have no native side behind them, or ask for one backend by name;
# those of the last lines take longest, and run under the other backend in `make torture` (part `port`). All others run under
# both: the calls, the recorded cases, crashes and restarts, and clusters (minorities, freshness, histories, mixed ones).
EUNIT_ONCE="
    bench_tests pando_forming_rules_tests pando_history_checker_tests pando_joining_tests pando_path_tests pando_payload_tests
    pando_nemesis_tests pando_test_cluster_tests pando_peer_tests pando_format_tests pando_match_spec_tests
    pando_port_frame_tests pando_port_output_tests pando_port_connection_tests pando_port_tests
    pando_forming_tests pando_failover_tests pando_wiped_member_tests pando_silent_cut_tests pando_full_disk_cluster_tests
    pando_join_tests pando_transaction_faults_tests pando_limits_tests pando_condition_tests pando_pattern_tests
    pando_full_disk_tests pando_callers_tests pando_leak_tests pando_options_tests pando_bad_input_tests"

# Plain output, also of programs that colour what goes into a pipe.
TERM=dumb
NO_COLOR=1
CARGO_TERM_COLOR=never
# mix, rebar3 and cargo itself work in one directory: each crate is compiled once a profile.
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
export TERM NO_COLOR CARGO_TERM_COLOR CARGO_TARGET_DIR

logs=_build/test-logs
mkdir -p "$logs"

eunit_of_both() {
    for file in test/erlang/*_tests.erl; do
        module=$(basename "$file" .erl)
        # Unquoted: each word between single blanks.
        # shellcheck disable=SC2086
        case " $(echo $EUNIT_ONCE) " in
        *" $module "*) ;;
        *) printf '%s,' "$module" ;;
        esac
    done | sed 's/,$//'
}

run_part() {
    case $1 in
    rustfmt) cargo fmt --all --check ;;
    clippy) cargo clippy --workspace --all-targets --locked -- -D warnings ;;
    mix-format) mix format --check-formatted ;;
    # One start of rebar3 for the Erlang compiler with warnings as errors, xref and dialyzer (tables kept in _build).
    check) rebar3 as check do compile, xref, dialyzer ;;
    docs) sh scripts/check-docs.sh ;;
    cargo-test) cargo test --workspace --locked --no-fail-fast ;;
    exunit) MIX_ENV=test mix do compile --warnings-as-errors, test ;;
    eunit) rebar3 eunit ;;
    # Not test/build: how it is built does not depend on the backend.
    exunit-port) PANDO_TEST_BACKEND=port MIX_ENV=test mix test test/elixir ;;
    eunit-port) PANDO_TEST_BACKEND=port rebar3 eunit --module="$(eunit_of_both)" ;;
    samples | demo) sh "test/build/$1.sh" ;;
    *) echo "unknown part $1: one of $GATES $TESTS" >&2 && return 2 ;;
    esac
}

# Prints "PASSED FAILED" as summed over the closing lines that the runner of the part prints.
count_tests() {
    sed 's/\x1b\[[0-9;]*m//g' "$logs/$1.log" | case $1 in
    cargo-test)
        # test result: ok. 12 passed; 0 failed; 1 ignored; ...
        sed -n 's/^test result: [A-Za-z]*\. \([0-9]*\) passed; \([0-9]*\) failed;.*/\1 \2/p'
        ;;
    exunit | exunit-port)
        # 2 doctests, 40 tests, 1 failure, 2 excluded, 1 invalid, 3 skipped: all are tests of the total
        grep -E '^([0-9]+ (doctests?|propert(y|ies)), )*[0-9]+ tests?, [0-9]+ failures?' | tr ',' '\n' | awk '
            / (doctest|propert|test)/ { total += $1 }
            / failure/ { failed += $1 }
            / invalid/ { failed += $1 }
            / (excluded|skipped)/ { left_out += $1 }
            END { print total - failed - left_out, failed + 0 }'
        ;;
    eunit | eunit-port)
        # 31 tests, 1 failures, 2 skips
        grep -E '^[0-9]+ tests?, [0-9]+ failures?' | tr ',' '\n' | awk '
            / test/ { total += $1 }
            / failure/ { failed += $1 }
            / skip/ { left_out += $1 }
            END { print total - failed - left_out, failed + 0 }'
        ;;
    samples | demo) sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' ;;
    esac | awk '{ passed += $1; failed += $2 } END { print passed + 0, failed + 0 }'
}

parts=""
for word in "${@:-all}"; do
    case $word in
    all) parts="$parts $GATES $TESTS" ;;
    gates) parts="$parts $GATES" ;;
    *) parts="$parts $word" ;;
    esac
done

table=""
passed_sum=0
failed_sum=0
started_all=$(date +%s)
for part in $parts; do
    echo "==> $part"
    started=$(date +%s)
    # A pipe would hide the status, so it goes through a file.
    {
        run_part "$part" </dev/null 2>&1
        echo $? >"$logs/$part.status"
    } | tee "$logs/$part.log"
    status=$(cat "$logs/$part.status")
    seconds=$(($(date +%s) - started))

    passed=-
    failed=-
    case " $TESTS " in
    *" $part "*)
        counts=$(count_tests "$part")
        passed=${counts% *}
        failed=${counts#* }
        if [ "$passed" = 0 ] && [ "$failed" = 0 ]; then
            echo "$part: no test was run" >&2
            status=1
        fi
        passed_sum=$((passed_sum + passed))
        failed_sum=$((failed_sum + failed))
        [ "$failed" = 0 ] || [ "$status" != 0 ] || status=1
        ;;
    esac
    result=ok
    if [ "$status" != 0 ]; then
        result=FAILED
        case $failed in - | 0) failed_sum=$((failed_sum + 1)) ;; esac
    fi
    table="$table$(printf '%-12s %-7s %7s %7s %7s s' "$part" "$result" "$passed" "$failed" "$seconds")
"
done

printf '\n%-12s %-7s %7s %7s %9s\n%s' part result passed failed time "$table"
echo "in all $(($(date +%s) - started_all)) s"
echo
echo "$passed_sum passed, $failed_sum failed"
[ "$failed_sum" = 0 ]
