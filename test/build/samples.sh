#!/bin/sh
# Uses Pando as its users do: as a dependency of the applications in test/samples, from their releases, and from the
# shells of the checkout. Prints a line for each use and `N passed, N failed`.
#
# The checkout is copied (without anything built) and the samples are built in the copy, so that neither leaves traces in
# the other. Only cargo's directory is shared: the crates Pando depends on are not compiled once more.
# A restart is that of an operating system process, and releases are ended by SIGKILL.
set -u
checkout=$(CDPATH= cd -- "$(dirname -- "$0")/../.." && pwd)
. "$checkout/scripts/env.sh"

STEP_TIMEOUT_S=900 # a build from scratch
START_TIMEOUT_S=60 # from the start of a release to its first answer, or for a shell to do its few lines

CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$checkout/target}
# Other runs on this machine have nodes of the same names otherwise.
run_id=$$
NODE_COOKIE=pando_samples_$run_id
RELEASE_COOKIE=$NODE_COOKIE
RELEASE_DISTRIBUTION=name
NODE_NAME=rebar_app_$run_id@127.0.0.1
RELEASE_NODE=mix_app_$run_id@127.0.0.1
# The start script of rebar3 releases otherwise asks with erl_call, which crashes where the host has no address.
USE_NODETOOL=1
export USE_NODETOOL CARGO_TARGET_DIR NODE_COOKIE RELEASE_COOKIE RELEASE_DISTRIBUTION NODE_NAME RELEASE_NODE
unset MIX_ENV REBAR_PROFILE PANDO_PREBUILT

work=$(mktemp -d "${TMPDIR:-/tmp}/pando-samples.XXXXXX")
node_pid=
passed=0
failed=0

clean_up() {
    [ -z "$node_pid" ] || kill -9 "$node_pid" 2>/dev/null
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

within() { # within SECONDS COMMAND...: with a limit where the system has `timeout`
    if command -v timeout >/dev/null 2>&1; then
        timeout "$@"
    else
        shift
        "$@"
    fi
}

sample() { # sample NAME COMMAND...: one row of the result; the output is shown only if the command fails
    name=$1
    shift
    started=$(date +%s)
    if "$@" >"$work/output" 2>&1 </dev/null; then
        passed=$((passed + 1))
        echo "sample $name: ok ($(($(date +%s) - started)) s)"
    else
        failed=$((failed + 1))
        sed 's/^/    /' "$work/output"
        echo "sample $name: FAILED"
    fi
}

expect() { # expect PATTERN COMMAND...: succeeds if the command does and a line of its output is the pattern
    pattern=$1
    shift
    output=$("$@" 2>&1)
    status=$?
    echo "$output"
    [ "$status" = 0 ] || { echo "ended with status $status: $*" && return 1; }
    # Shells in a pipe put their prompt before the answer.
    echo "$output" | grep -Eq "^(.*> ?)?$pattern\$" || { echo "expected a line '$pattern' from: $*" && return 1; }
}

start_node() { # start_node NODE DATA_DIR COMMAND...: runs it in the background until its name is known
    node=${1%@*}
    DATA_DIR=$2
    export DATA_DIR
    shift 2
    "$@" >"$work/node.log" 2>&1 </dev/null &
    node_pid=$!
    # The name first: the start script of rebar3 releases writes vm.args at each call, so asking must not meet starting.
    wait_until sh -c "epmd -names | grep -q '^name $node '"
}

wait_until() { # wait_until COMMAND...: until it succeeds; not longer than the node lives or has time to start
    deadline=$(($(date +%s) + START_TIMEOUT_S))
    until answer=$("$@" 2>&1); do
        if ! kill -0 "$node_pid" 2>/dev/null || [ "$(date +%s)" -ge "$deadline" ]; then
            printf '%s\nthe node said:\n' "$answer"
            cat "$work/node.log"
            return 1
        fi
        sleep 0.2
    done
}

await_answer() { # await_answer PATTERN PROGRAM COMMAND EXPRESSION: asks a node, which may be starting still
    wait_until expect "$1" within "$START_TIMEOUT_S" "$2" "$3" "$4"
}

kill_node() {
    kill -9 "$node_pid"
    wait "$node_pid" 2>/dev/null
    node_pid=
}

# --- a mix application ------------------------------------------------------------------------------------------------

mix_compiles() {
    cd "$work/pando/test/samples/mix_app" && within "$STEP_TIMEOUT_S" mix compile &&
        [ -f _build/dev/lib/pando/priv/pando_nif.so ] && [ -x _build/dev/lib/pando/priv/pando_port ]
}

mix_keeps_data() {
    cd "$work/pando/test/samples/mix_app" || return 1
    DATA_DIR=$work/mix_data
    export DATA_DIR
    expect ":ok" within "$STEP_TIMEOUT_S" mix run -e 'IO.inspect(MixApp.put_stock("oak", 150))' &&
        expect "150" within "$STEP_TIMEOUT_S" mix run -e 'IO.inspect(MixApp.stock("oak"))'
}

mix_verifies() {
    cd "$work/pando/test/samples/mix_app" && expect ".*: sound" within "$STEP_TIMEOUT_S" mix pando.verify "$work/mix_data" &&
        rm "$work"/mix_data/*/IDENTITY && ! expect ".*: refused" within "$STEP_TIMEOUT_S" mix pando.verify "$work/mix_data" &&
        echo "$output" | grep -q ': refused$'
}

mix_releases() {
    cd "$work/pando/test/samples/mix_app" && MIX_ENV=prod within "$STEP_TIMEOUT_S" mix release --path "$work/mix_release"
}

mix_release_keeps_data() {
    cd "$work" || return 1
    program=$work/mix_release/bin/mix_app
    start_node "$RELEASE_NODE" "$work/mix_release_data" "$program" start &&
        await_answer ":ok" "$program" rpc 'IO.inspect(MixApp.put_stock("oak", 150))' &&
        kill_node &&
        start_node "$RELEASE_NODE" "$work/mix_release_data" "$program" start &&
        await_answer "150" "$program" rpc 'IO.inspect(MixApp.stock("oak"))' &&
        kill_node
}

# --- a rebar3 application ---------------------------------------------------------------------------------------------

rebar_compiles() {
    cd "$work/pando/test/samples/rebar_app" && mkdir _checkouts && ln -s "$work/pando" _checkouts/pando &&
        within "$STEP_TIMEOUT_S" rebar3 compile && [ -f _build/default/checkouts/pando/priv/pando_nif.so ]
}

rebar_run() { # rebar_run EXPRESSION: in a new VM with the application started
    within "$STEP_TIMEOUT_S" erl -noshell -pa _build/default/lib/*/ebin -pa _build/default/checkouts/*/ebin -eval "
        {ok, _} = application:ensure_all_started(rebar_app), io:format(\"~tp~n\", [$1]), init:stop()."
}

rebar_keeps_data() {
    cd "$work/pando/test/samples/rebar_app" || return 1
    DATA_DIR=$work/rebar_data
    export DATA_DIR
    expect "ok" rebar_run 'rebar_app:put_stock("oak", 150)' && expect "150" rebar_run 'rebar_app:stock("oak")'
}

rebar_verifies() {
    cd "$work/pando/test/samples/rebar_app" && expect ".*: sound" within "$STEP_TIMEOUT_S" \
        erl -noinput -pa _build/default/checkouts/pando/ebin -run pando_verify main "$work/rebar_data"
}

rebar_releases() {
    cd "$work/pando/test/samples/rebar_app" && within "$STEP_TIMEOUT_S" rebar3 release -o "$work/rebar_release"
}

rebar_release_keeps_data() {
    cd "$work" || return 1
    program=$work/rebar_release/rebar_app/bin/rebar_app
    start_node "$NODE_NAME" "$work/rebar_release_data" "$program" foreground &&
        await_answer "ok" "$program" eval 'rebar_app:put_stock("oak", 150).' &&
        kill_node &&
        start_node "$NODE_NAME" "$work/rebar_release_data" "$program" foreground &&
        await_answer "150" "$program" eval 'rebar_app:stock("oak").' &&
        kill_node
}

# The way of a machine without Rust: the native library comes finished, the sources come from a repository.
rebar_git_dependency() {
    mkdir "$work/prebuilt" && cp "$work/pando/priv/"* "$work/prebuilt/" &&
        cp -R "$work/pando/test/samples/rebar_app" "$work/git_app" && cd "$work/git_app" || return 1
    rm -rf _build _checkouts rebar.lock
    git -C "$work/pando" init -q && git -C "$work/pando" add -A &&
        git -C "$work/pando" -c user.name=samples -c user.email=samples@localhost commit -qm samples || return 1
    commit=$(git -C "$work/pando" rev-parse HEAD)
    sed "s|^{deps, .*|{deps, [{pando, {git, \"file://$work/pando\", {ref, \"$commit\"}}}]}.|" rebar.config >rebar.config.new &&
        mv rebar.config.new rebar.config
    DATA_DIR=$work/git_data
    export DATA_DIR
    PANDO_PREBUILT=$work/prebuilt CARGO=/nonexistent within "$STEP_TIMEOUT_S" rebar3 compile &&
        [ -f _build/default/lib/pando/priv/pando_nif.so ] &&
        expect "ok" rebar_run 'rebar_app:put_stock("oak", 150)' && expect "150" rebar_run 'rebar_app:stock("oak")'
}

# --- the shells of the checkout ---------------------------------------------------------------------------------------

# What is typed before the shell is there would be lost (rebar3 replaces the process that reads it).
type_into() { # type_into FILE COMMAND...: starts a shell, waits for its prompt, types the file
    typed=$1
    shift
    rm -f "$work/keys" && mkfifo "$work/keys" || return 1
    within "$START_TIMEOUT_S" "$@" <"$work/keys" >"$work/shell.log" 2>&1 &
    shell_pid=$!
    exec 3>"$work/keys"
    # `1> ` of Erlang, `iex(1)> ` of Elixir
    until grep -Eq '1\)?> *$' "$work/shell.log" || ! kill -0 "$shell_pid" 2>/dev/null; do
        sleep 0.1
    done
    cat "$typed" >&3
    wait "$shell_pid"
    status=$?
    exec 3>&-
    cat "$work/shell.log"
    return "$status"
}

iex_in_the_checkout() {
    cd "$checkout" || return 1
    cat >"$work/iex.exs" <<END
{:ok, _} = Supervisor.start_link([{Pando, name: :iex_store, data_dir: "$work/iex_data"}], strategy: :one_for_one)
Pando.put(:iex_store, "/stock/wood/oak", 150)
IO.puts("found #{Pando.get!(:iex_store, ~s(/stock/wood/oak))}")
System.halt(0)
END
    expect "found 150" type_into "$work/iex.exs" iex -S mix
}

rebar3_shell_in_the_checkout() {
    cd "$checkout" || return 1
    cat >"$work/shell.erl" <<END
{ok, Store} = pando:start("$work/shell_data", shell_store).
ok = pando:put(Store, "/stock/wood/oak", 150).
{ok, Oak} = pando:get(Store, "/stock/wood/oak").
io:format("found ~p~n", [Oak]).
halt(0).
END
    expect "found 150" type_into "$work/shell.erl" rebar3 shell
}

# The releases would start it from their own directory, which is removed in the end while it stays.
epmd -daemon

mkdir "$work/pando"
tar -C "$checkout" --exclude=./.git --exclude=./target --exclude=./_build --exclude=./priv --exclude=./deps \
    --exclude=./bench_data -cf - . | tar -C "$work/pando" -xf - || exit 1

sample "iex -S mix" iex_in_the_checkout
sample "rebar3 shell" rebar3_shell_in_the_checkout
sample "mix application, build" mix_compiles
sample "mix application, put, restart, get" mix_keeps_data
sample "mix pando.verify" mix_verifies
sample "mix application, release" mix_releases
sample "rebar3 application, build" rebar_compiles
sample "rebar3 application, put, restart, get" rebar_keeps_data
sample "pando_verify from the command line" rebar_verifies
sample "rebar3 application, release with ERTS" rebar_releases
sample "rebar3 application, git dependency, no Rust" rebar_git_dependency

# The releases have to do without the sources and without what was built in them.
cd "$work" && rm -rf "$work/pando" "$work/git_app"
sample "mix release, put, kill, start, get" mix_release_keeps_data
sample "rebar3 release, put, kill, start, get" rebar_release_keeps_data

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
