%% What tests of stores share: stores in directories of their own, other operating-system processes, waiting.
%%
%% Whatever a test starts here is stopped and removed when its function ends, also when it fails.
-module(pando_test_store).

-export([under/3, title/1, cases/1, cases/2, with_store/1, with_dir/1, new_name/0]).
-export([log_level/2, quietly/1]).
-export([await/1, await/2, stray_messages/0, drop_messages/0, parallel/2]).
-export([start_erl/3, start_erl/4, kill_erl/1, next_line/1, next_line/2, lines_until_exit/1, ebin_dirs/0]).

-export_type([erl/0]).

-type erl() :: #{port := port(), os_pid := non_neg_integer()}.

%% A wait that takes longer has failed. Generous: a busy machine is no fault.
-define(WAIT_MS, 30000).
-define(POLL_MS, 5).
-define(TEST_TIMEOUT_S, 60).
-define(LINE_SIZE_BYTES_MAX, 65536).

%% Tests that are about one backend; under the other one a message says why they are not run.
-spec under(pando_backend:backend(), string(), Tests) -> Tests | [term()].
under(Backend, Why, Tests) ->
    case pando_backend:configured() of
        Backend -> Tests;
        Other -> [{"skipped", fun() -> io:format(user, "~nskipped under ~ts: ~ts~n", [Other, Why]) end}]
    end.

-spec title(term()) -> string().
title(Term) ->
    lists:flatten(io_lib:format("~0tP", [Term, 30])).

%% EUnit tests, each on an empty store of its own.
-spec cases([{string(), fun((atom()) -> term())}]) -> [term()].
cases(Cases) ->
    cases(?TEST_TIMEOUT_S, Cases).

-spec cases(pos_integer(), [{string(), fun((atom()) -> term())}]) -> [term()].
cases(TimeoutS, Cases) ->
    [{Title, {timeout, TimeoutS, fun() -> with_store(Test) end}} || {Title, Test} <- Cases].

-spec with_store(fun((atom()) -> Result)) -> Result.
with_store(Test) ->
    with_dir(fun(Dir) ->
        Store = new_name(),
        {ok, Store} = pando:start(Dir, Store),
        try
            Test(Store)
        after
            ok = pando:stop(Store)
        end
    end).

%% The directory does not exist yet.
-spec with_dir(fun((file:filename()) -> Result)) -> Result.
with_dir(Test) ->
    Dir = filename:join(os:getenv("TMPDIR", "/tmp"), "pando-test-" ++ os:getpid() ++ "-" ++ unique()),
    try
        Test(Dir)
    after
        case file:del_dir_r(Dir) of
            ok -> ok;
            {error, enoent} -> ok
        end
    end.

-spec new_name() -> atom().
new_name() ->
    list_to_atom("test_" ++ unique()).

unique() ->
    integer_to_list(erlang:unique_integer([positive])).

%% Runs `Test' with the primary log level `Level': faults that a test provokes are logged, as they should be,
%% but not onto the screen of who runs the tests.
-spec log_level(logger:level() | none, fun(() -> Result)) -> Result.
log_level(Level, Test) ->
    #{level := Before} = logger:get_primary_config(),
    ok = logger:set_primary_config(level, Level),
    try
        Test()
    after
        ok = logger:set_primary_config(level, Before)
    end.

-spec quietly(fun(() -> Result)) -> Result.
quietly(Test) ->
    log_level(none, Test).

%% Waits for something that no event tells of, until `IsTrue' answers `true'.
-spec await(fun(() -> boolean())) -> ok.
await(IsTrue) ->
    await(IsTrue, ?WAIT_MS).

-spec await(fun(() -> boolean()), non_neg_integer()) -> ok.
await(IsTrue, WaitMs) ->
    await_until(IsTrue, erlang:monotonic_time(millisecond) + WaitMs).

await_until(IsTrue, Deadline) ->
    case IsTrue() of
        true ->
            ok;
        false ->
            case erlang:monotonic_time(millisecond) >= Deadline of
                true ->
                    error(waited_in_vain);
                false ->
                    timer:sleep(?POLL_MS),
                    await_until(IsTrue, Deadline)
            end
    end.

%% Messages in the caller's mailbox that the library has sent; they are taken out.
-spec stray_messages() -> [term()].
stray_messages() ->
    receive
        Message when element(1, Message) =:= pando_reply; element(1, Message) =:= pando_closed ->
            [Message | stray_messages()]
    after 0 -> []
    end.

-spec drop_messages() -> ok.
drop_messages() ->
    receive
        _ -> drop_messages()
    after 0 -> ok
    end.

%% Runs `Body(N)' for each `N' in 1..Count, each in a process of its own, and answers the results in order. A
%% crash of one is a crash of the caller.
-spec parallel(pos_integer(), fun((pos_integer()) -> Result)) -> [Result].
parallel(Count, Body) ->
    Started = [spawn_monitor(fun() -> exit({result, Body(N)}) end) || N <- lists:seq(1, Count)],
    [
        receive
            {'DOWN', Monitor, process, Pid, {result, Result}} -> Result;
            {'DOWN', Monitor, process, Pid, Reason} -> error(Reason)
        end
     || {Pid, Monitor} <- Started
    ].

%%% Other operating-system processes

%% Starts another Erlang VM that calls `Module:Function(Arguments)' (strings), hands it to `Test', and ends it
%% with it.
-spec start_erl(module(), atom(), [string()], fun((erl()) -> Result)) -> Result.
start_erl(Module, Function, Arguments, Test) ->
    #{port := Port} = Erl = start_erl(Module, Function, Arguments),
    try
        Test(Erl)
    after
        case erlang:port_info(Port) of
            undefined -> ok;
            _ -> kill_erl(Erl)
        end
    end.

%% The same without an end: the caller ends it with `kill_erl/1', or it ends by itself.
-spec start_erl(module(), atom(), [string()]) -> erl().
start_erl(Module, Function, Arguments) ->
    Paths = lists:append([["-pa", Dir] || Dir <- ebin_dirs()]),
    Run = ["-run", atom_to_list(Module), atom_to_list(Function) | Arguments],
    Port = open_port({spawn_executable, os:find_executable("erl")}, [
        {args, ["-noshell", "-noinput", "+S1", "-kernel", "logger_level", "error" | Paths] ++ Run},
        {line, ?LINE_SIZE_BYTES_MAX},
        binary,
        exit_status
    ]),
    {os_pid, OsPid} = erlang:port_info(Port, os_pid),
    #{port => Port, os_pid => OsPid}.

%% `kill -9'; returns when the process is gone, with the lines it had written.
-spec kill_erl(erl()) -> [binary()].
kill_erl(#{os_pid := OsPid} = Erl) ->
    _ = os:cmd("kill -9 " ++ integer_to_list(OsPid)),
    {Lines, _Status} = lines_until_exit(Erl),
    Lines.

%% The next line of its output, or `{exited, Status}'.
-spec next_line(erl()) -> binary() | {exited, integer()}.
next_line(Erl) ->
    next_line(Erl, ?WAIT_MS).

-spec next_line(erl(), timeout()) -> binary() | {exited, integer()}.
next_line(#{port := Port}, WaitMs) ->
    receive
        {Port, {data, {eol, Line}}} -> Line;
        {Port, {exit_status, Status}} -> {exited, Status}
    after WaitMs -> error(no_line)
    end.

-spec lines_until_exit(erl()) -> {[binary()], integer()}.
lines_until_exit(#{port := Port} = Erl) ->
    receive
        {Port, {data, {eol, Line}}} ->
            {Lines, Status} = lines_until_exit(Erl),
            {[Line | Lines], Status};
        %% A line that the kill has cut off.
        {Port, {data, {noeol, _}}} ->
            lines_until_exit(Erl);
        {Port, {exit_status, Status}} ->
            {[], Status}
    after ?WAIT_MS -> error(still_running)
    end.

%% Where the code of the library and of the tests is.
-spec ebin_dirs() -> [file:filename()].
ebin_dirs() ->
    lists:usort([filename:dirname(code:which(Module)) || Module <- [pando, ?MODULE]]).
