#!/bin/sh
# `make demo`: the store with real input, killed and started again. scripts/demo/pando_demo.erl says what happens.
#
#   FILE=path     loads that file of {put, Path, {p_data, Term}, #{}}. lines instead of a generated one
#   OBJECTS=n     how many objects to generate (default: 100000)
#   DEMO_DIR=path where all the demo writes goes (default: _build/demo)
#
# A relative path is relative to the current directory. Ends with status 0 if everything was there, 1 otherwise.
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/scripts/env.sh"
sh "$root/scripts/setup.sh"

# rebar3 speaks of errors only; the script that builds the native library says itself that it takes a while.
(cd "$root" && QUIET=1 rebar3 compile)

if [ "$PWD" = "$root" ]; then
    DEMO_DIR=${DEMO_DIR:-_build/demo}
else
    DEMO_DIR=${DEMO_DIR:-$root/_build/demo}
fi
export DEMO_DIR FILE="${FILE:-}" OBJECTS="${OBJECTS:-100000}"
mkdir -p "$DEMO_DIR/ebin"
erlc -I "$root/include" -pa "$root/_build/default/lib/pando/ebin" -o "$DEMO_DIR/ebin" "$root"/scripts/demo/*.erl

DEMO_COLUMNS=0
if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ]; then
    DEMO_COLUMNS=$(stty size 2>/dev/null </dev/tty | cut -d' ' -f2)
    case $DEMO_COLUMNS in '' | 0 | *[!0-9]*) DEMO_COLUMNS=80 ;; esac
fi
export DEMO_COLUMNS

# +Bd: Ctrl-C ends it, the menu of the Erlang shell does not help here.
DEMO_RUN_ID=$$
export DEMO_RUN_ID
trap 'rm -f "$DEMO_DIR"/*-"$DEMO_RUN_ID".*' EXIT
trap 'exit 130' HUP INT TERM
erl -noinput +Bd -pa "$DEMO_DIR/ebin" "$root/_build/default/lib/pando/ebin" -s pando_demo main
