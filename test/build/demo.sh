#!/bin/sh
# Runs `scripts/demo.sh' as a person would, small, with good and with bad files, and with a store that somebody tampers with
# while its node is down. Prints a line for each case and `N passed, N failed`.
#
# All files go to a directory below the system's for temporary ones, which is removed in the end.
set -u
checkout=$(CDPATH= cd -- "$(dirname -- "$0")/../.." && pwd)
. "$checkout/scripts/env.sh"
cd "$checkout" || exit 1

STEP_TIMEOUT_S=900 # with a build from scratch
WAIT_TIMEOUT_S=60  # for another node to start or to end

work=$(mktemp -d "${TMPDIR:-/tmp}/pando-demo.XXXXXX")
DEMO_DIR=$work/demo
WRITE_MS=300
export DEMO_DIR WRITE_MS
unset FILE OBJECTS WHILE_DOWN
ebin=_build/default/lib/pando/ebin
holder_pid=
passed=0
failed=0

clean_up() {
    [ -z "$holder_pid" ] || kill -9 "$holder_pid" 2>/dev/null
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

within() { # within COMMAND...: with a limit where the system has `timeout`
    if command -v timeout >/dev/null 2>&1; then
        timeout "$STEP_TIMEOUT_S" "$@"
    else
        "$@"
    fi
}

check() { # check NAME COMMAND...: one row of the result; the output is shown only if the command fails
    name=$1
    shift
    if "$@" >"$work/output" 2>&1 </dev/null; then
        passed=$((passed + 1))
        echo "demo $name: ok"
    else
        failed=$((failed + 1))
        sed 's/^/    /' "$work/output"
        echo "demo $name: FAILED"
    fi
}

demo() { # demo STATUS [NAME=VALUE...]: runs the demo, which has to end with that status; its output is in $work/said
    wanted=$1
    shift
    within env "$@" sh scripts/demo.sh >"$work/said" 2>&1
    status=$?
    cat "$work/said"
    [ "$status" = "$wanted" ] || { echo "ended with status $status instead of $wanted" && return 1; }
}

says() { # says PATTERN...: each is found in a line of what the demo said last
    for pattern in "$@"; do
        grep -Eq -- "$pattern" "$work/said" || { echo "expected a line with: $pattern" && return 1; }
    done
}

says_nothing_like() {
    ! grep -E -- "$1" "$work/said" || { echo "expected no line with: $1" && return 1; }
}

run_erl() { # run_erl EXPRESSION: with Pando in the code path; the status is that of halt/1
    within erl -noinput -pa "$ebin" -eval "$1"
}

# --- good input -------------------------------------------------------------------------------------------------------

sources_without_warnings() {
    mkdir -p "$work/strict" && erlc -Werror +warn_missing_spec +warn_unused_import -I include -pa "$ebin" -o "$work/strict" scripts/demo/*.erl
}

generated_objects() {
    demo 0 OBJECTS=2000 &&
        says 'topology\.terms: 2,000 objects' 'loaded 2,000 objects' 'read 2,000 objects by path and compared: all equal' \
            'SIGKILL to process [0-9]+ as it writes: [1-9][0-9,]* writes acknowledged' '^ +lost +0$' \
            'objects compared after the kill +2,000 ' 'Nothing was lost' '^ +/:rabbitmq/:vhosts/\*/:queues/\* +720 nodes' \
            'and 98 more$' 'iex -S mix'
}

# Against another reader of the file (file:consult) and another one of the store: the demo itself could be wrong twice.
store_holds_the_file() {
    run_erl "
        {ok, Lines} = file:consult(\"$DEMO_DIR/topology.terms\"),
        {ok, demo} = pando:start(\"$DEMO_DIR/data\", demo),
        2000 = length(Lines),
        [{ok, Value} = pando:get(demo, Path) || {put, Path, {p_data, Value}, _} <- Lines],
        ok = pando:stop(demo),
        halt(0)."
}

same_file_and_an_empty_store_again() {
    cp "$DEMO_DIR/topology.terms" "$work/first.terms" &&
        demo 0 OBJECTS=2000 && cmp "$work/first.terms" "$DEMO_DIR/topology.terms" && says_nothing_like 'replaced'
}

plain_output() {
    # Written to a file: no colours and no bars, which would be escape and carriage return characters.
    ! LC_ALL=C grep -q "$(printf '[\033\r]')" "$work/said"
}

odd_but_good_file() {
    printf '\357\273\277%s\r\n\r\n%s\r\n%s\n%s\n%s\n%s\n%s' '%% a comment' '{put,[a],{p_data,1},#{}}.' \
        '{put,"/:a/z\303\274rich",{p_data,undefined},#{}}.' '{put,[a, <<"東京 *:/"/utf8>>],{p_data,"價"},#{}}.' \
        '{put,[],{p_data,root},#{}}.' '{put,[<<0,255>>],{p_data,<<1:3>>},#{}}.' \
        '  {put, [a], {p_data, #{2.0 => []}}, #{}}.  % without an end of line' >"$work/odd.terms"
    demo 0 FILE="$work/odd.terms" &&
        says 'odd\.terms: 6 objects' 'loaded 6 objects' '^ +1 of them replaced' 'read 5 objects by path and compared: all equal' \
            '東京 \*:/' 'Nothing was lost'
}

objects_below_objects() {
    printf '%s\n' '{put,[a,b,c],{p_data,1},#{}}.' '{put,[a],{p_data,2},#{}}.' '{put,[a,b],{p_data,3},#{}}.' >"$work/below.terms"
    demo 0 FILE="$work/below.terms" && says 'loaded 3 objects' 'read 3 objects' && says_nothing_like 'replaced'
}

# More than one chunk, and lines that are longer than one.
lines_of_a_megabyte() {
    awk 'BEGIN {
        text = "x"; while (length(text) < 1000000) text = text text
        for (i = 1; i <= 5; i++) printf "{put,[long,<<\"%d\">>],{p_data,<<\"%s\">>},#{}}.\n", i, text
        for (i = 1; i <= 5000; i++) printf "{put,[short,<<\"%d\">>],{p_data,%d},#{}}.\n", i % 4000, i
    }' >"$work/long.terms"
    demo 0 FILE="$work/long.terms" &&
        says 'loaded 5,005 objects' '^ +1,000 of them replaced' 'read 4,005 objects by path and compared: all equal' 'Nothing was lost'
}

broker_definitions() {
    demo 0 FILE="$definitions" && says 'loaded 678 objects' 'Nothing was lost'
}

in_a_terminal() {
    # `script' gives it one; its own status says nothing about that of the command in some versions.
    TERM=xterm OBJECTS=20000 within script -qc "sh scripts/demo.sh; echo ended with \$?" "$work/said" >/dev/null
    cat "$work/said"
    says '█+░* [0-9,]+ of 20,000' 'Nothing was lost' 'ended with 0'
}

# --- bad input --------------------------------------------------------------------------------------------------------

malformed_lines() {
    rm -rf "$DEMO_DIR/data"
    {
        printf '%s\n' '{put,[a],{p_data,1},#{}}.' 'foo.' '{put,[a],{p_data,1},#{}}' '{put,[a],{p_data,},#{}}.' \
            '{put,[a],{p_data,"x' '{put,["*"],{p_data,1},#{}}.' '{put,[a],1,#{}}.' '{put,[a],{p_data,1},#{keep_while=>1}}.' \
            '{put,[a],{p_data,<<1:foo>>},#{}}.'
        printf '{put,[\377],{p_data,1},#{}}.\n'
    } >"$work/bad.terms"
    demo 1 FILE="$work/bad.terms" &&
        says 'bad\.terms:2: expected a? ?\{put, Path, \{p_data, Term\}, #\{\}\}\. but found foo' 'bad\.terms:3:25: no full stop' \
            "bad\\.terms:4:18: syntax error before: '}'" 'bad\.terms:5:18: unterminated string' 'bad\.terms:6: the path \["\*"\]' \
            'bad\.terms:7: expected \{p_data, Term\} as the payload, found 1' 'bad\.terms:8: expected #\{\}' \
            'bad\.terms:9:1: bad term' 'bad\.terms:10:7: the text is not UTF-8' 'nothing was loaded' &&
        says_nothing_like 'bad\.terms:1:' && [ ! -e "$DEMO_DIR/data" ]
}

ten_complaints() {
    awk 'BEGIN { for (i = 1; i <= 20000; i++) print i % 2 ? "{put,[a],{p_data,1},#{}}." : "oops." }' >"$work/worse.terms"
    demo 1 FILE="$work/worse.terms" && says 'worse\.terms:2: ' 'worse\.terms:20: ' && says_nothing_like 'worse\.terms:22:' &&
        [ "$(grep -c 'worse\.terms:[0-9]' "$work/said")" = 10 ]
}

no_file_to_load() {
    : >"$work/empty.terms"
    demo 1 FILE="$work/absent.terms" && says 'absent\.terms: no such file' &&
        demo 1 FILE="$work" && says 'this is a directory' &&
        demo 1 FILE="$work/empty.terms" && says 'empty\.terms has no objects' &&
        demo 1 OBJECTS=many && says 'OBJECTS=many: expected a number'
}

object_that_the_store_refuses() {
    awk 'BEGIN {
        path = "a"; for (i = 1; i <= 10000; i++) path = path ",a"
        printf "{put,[a],{p_data,1},#{}}.\n{put,[%s],{p_data,1},#{}}.\n", path
    }' >"$work/deep.terms"
    demo 1 FILE="$work/deep.terms" && says 'deep\.terms:2: cannot be stored: '
}

# --- what the demo is for: it notices what is lost --------------------------------------------------------------------

lost_store() {
    # shellcheck disable=SC2016 # expanded by the demo
    demo 1 OBJECTS=100 WHILE_DOWN='rm -rf "$DATA_DIR"' && says 'DATA IS WRONG' 'missing or different +100$' '^ +lost +[1-9]' &&
        says_nothing_like 'Nothing was lost'
}

lost_write_and_changed_object() {
    cat >"$work/tamper.sh" <<END
erl -noinput -pa "$checkout/$ebin" -eval '
    {ok, demo} = pando:start("$DEMO_DIR/data", demo),
    ok = pando:delete(demo, "/pando_demo_writes/writer-07/1"),
    ok = pando:update(demo, "/:a", other),
    ok = pando:stop(demo),
    halt(0).'
END
    printf '%s\n' '{put,[a],{p_data,value},#{}}.' '{put,[b],{p_data,value},#{}}.' >"$work/two.terms"
    demo 1 FILE="$work/two.terms" WHILE_DOWN="sh $work/tamper.sh" &&
        says '^ +lost +1$' '/pando_demo_writes/writer-07/1: missing' 'line 1, /:a: different' 'DATA IS WRONG' &&
        says_nothing_like 'line 2, '
}

store_of_an_earlier_demo_in_use() {
    demo 0 OBJECTS=100 || return 1
    erl -noinput -pa "$ebin" -eval "
        {ok, demo} = pando:start(\"$DEMO_DIR/data\", demo), ok = file:write_file(\"$work/held\", <<>>)." >"$work/holder.log" 2>&1 &
    holder_pid=$!
    deadline=$(($(date +%s) + WAIT_TIMEOUT_S))
    until [ -e "$work/held" ]; do
        [ "$(date +%s)" -lt "$deadline" ] || { cat "$work/holder.log" && return 1; }
        sleep 0.1
    done
    demo 1 OBJECTS=100 && says "still open: .*$holder_pid"
    answer=$?
    kill -9 "$holder_pid"
    wait "$holder_pid" 2>/dev/null
    holder_pid=
    return "$answer"
}

nothing_left() {
    # Nodes of demos that failed end when they notice that the demo has.
    deadline=$(($(date +%s) + WAIT_TIMEOUT_S))
    while ps -ef | grep -F "$DEMO_DIR/ebin" | grep -v grep; do
        [ "$(date +%s)" -lt "$deadline" ] || return 1
        sleep 0.1
    done
    ls "$DEMO_DIR"
    [ -z "$(find "$DEMO_DIR" -maxdepth 1 -name '*.spool' -o -maxdepth 1 -name '*.ets')" ]
}

check "generated objects" generated_objects
check "output that is no terminal" plain_output
check "store holds what the file says" store_holds_the_file
check "same file and an empty store again" same_file_and_an_empty_store_again
check "sources compile without a warning" sources_without_warnings
check "BOM, CRLF, comments, Unicode, repeated paths, no end of line" odd_but_good_file
check "objects below objects" objects_below_objects
check "lines of a megabyte" lines_of_a_megabyte
definitions=$checkout/../shared/data/rabbitmq-definitions/definition.terms
if [ -f "$definitions" ]; then
    check "definitions of a broker" broker_definitions
else
    echo "demo definitions of a broker: skipped, $definitions is not there"
fi
if command -v script >/dev/null 2>&1; then
    check "in a terminal" in_a_terminal
else
    echo "demo in a terminal: skipped, the program script is not there"
fi
check "malformed lines" malformed_lines
check "ten complaints are enough" ten_complaints
check "no file to load" no_file_to_load
check "object that the store refuses" object_that_the_store_refuses
check "lost store" lost_store
check "lost write and changed object" lost_write_and_changed_object
check "store of an earlier demo in use" store_of_an_earlier_demo_in_use
check "nothing is left" nothing_left

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
