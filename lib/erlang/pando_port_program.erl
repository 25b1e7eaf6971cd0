%% @private The program of the port backend as an operating-system process: where it is, how it is started, how it is ended.
-module(pando_port_program).

-export([start/0, kill/1, is_alive/1]).

-export_type([os_pid/0]).

-type os_pid() :: pos_integer().

%% Bytes that may wait in the port before `port_command/3' says that it is busy, and how few it must be before it says so no more.
-define(BUSY_SIZE_BYTES, 1048576).
-define(NOT_BUSY_SIZE_BYTES, 262144).

%% Starts the program, linked to the caller, which gets what it writes.
-spec start() -> {ok, port(), os_pid()} | {error, Text :: binary()}.
start() ->
    Path = path(),
    try
        Port = open_port({spawn_executable, Path}, [
            {packet, 4},
            binary,
            exit_status,
            use_stdio,
            {args, []},
            {busy_limits_port, {?NOT_BUSY_SIZE_BYTES, ?BUSY_SIZE_BYTES}}
        ]),
        case erlang:port_info(Port, os_pid) of
            {os_pid, OsPid} -> {ok, Port, OsPid};
            %% It has ended already.
            undefined -> {error, text("the program ~ts has ended at once", [Path])}
        end
    catch
        error:Cause -> {error, text("the program ~ts could not be started: ~0tp", [Path, Cause])}
    end.

%% Another one for tests: `{pando, port_program}'.
path() ->
    case application:get_env(pando, port_program) of
        {ok, Path} -> Path;
        undefined -> filename:join(priv_dir(), "pando_port")
    end.

%% Beside the beam files when the application is not installed as one (plain `erl -pa').
priv_dir() ->
    case code:priv_dir(pando) of
        {error, bad_name} ->
            Beam = code:which(?MODULE),
            filename:join(filename:dirname(filename:dirname(Beam)), "priv");
        Dir ->
            Dir
    end.

text(Format, Arguments) ->
    unicode:characters_to_binary(io_lib:format(Format, Arguments)).

%% Ends it, also if it is stopped. In a process of its own: the caller does not wait.
-spec kill(os_pid()) -> ok.
kill(OsPid) ->
    _ = spawn(fun() -> os:cmd("kill -KILL " ++ integer_to_list(OsPid) ++ " 2>/dev/null") end),
    ok.

%% Whether there is a process of this number, whoever it belongs to.
-spec is_alive(os_pid()) -> boolean().
is_alive(OsPid) ->
    %% That it is not permitted to end it says that it is there.
    Said = os:cmd("LC_ALL=C kill -0 " ++ integer_to_list(OsPid) ++ " 2>&1 && echo alive"),
    string:find(Said, "alive") =/= nomatch orelse string:find(Said, "ermitted") =/= nomatch.
