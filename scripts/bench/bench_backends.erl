%% @doc Measures the same calls on two stores, one in the library inside this VM and one in a program behind a port, in turns, and
%% how long a program is away that was killed. `docs/benchmarks.md' explains the rows that `bench_backend_rows' makes of it.
-module(bench_backends).

-export([plan/1, measure/3]).

-export_type([plan/0, measured/0]).

-type plan() :: #{
    node_count := pos_integer(),
    caller_counts := [pos_integer(), ...],
    warm_up_ms := pos_integer(),
    round_count := pos_integer(),
    round_ms := pos_integer(),
    kill_count := pos_integer()
}.
-type round() :: #{pando_backend:backend() => bench_load:round()}.
-type measured() :: #{
    plan := plan(),
    puts := #{CallerCount :: pos_integer() => [round(), ...]},
    gets := #{CallerCount :: pos_integer() => [round(), ...]},
    %% From the kill until a get finds its node again, in milliseconds.
    back_ms := [float(), ...],
    program_size_bytes := pos_integer()
}.

-define(LOADERS, 128).
%% Between two attempts to read from a store that is being opened again, and how long that is tried, in milliseconds.
-define(ATTEMPT_PAUSE_MS, 1).
-define(BACK_TIMEOUT_MS, 30000).

-spec plan(quick | full) -> plan().
plan(quick) ->
    (plan(full))#{warm_up_ms := 200, round_count := 1, round_ms := 500, kill_count := 2};
plan(full) ->
    #{
        node_count => 100000,
        caller_counts => [1, 16, 128],
        warm_up_ms => 1000,
        round_count => 3,
        round_ms => 2000,
        kill_count => 5
    }.

-spec measure(file:filename(), plan(), fun((io:format(), [term()]) -> ok)) -> measured().
measure(Directory, #{node_count := Count} = Plan, Progress) ->
    Backends = [{nif, bench_in_library}, {port, bench_in_program}],
    [start(Directory, Backend, Store) || {Backend, Store} <- Backends],
    try
        Progress("backends, loading ~b nodes into each", [Count]),
        [load(Store, Count) || {_, Store} <- Backends],
        Puts = rounds(put, Backends, Plan, Progress),
        Gets = rounds(get, Backends, Plan, Progress),
        {_, InProgram} = lists:keyfind(port, 1, Backends),
        SizeBytes = resident_size_bytes(program(InProgram)),
        BackMs = [back_ms(InProgram, Count, Kill, Plan, Progress) || Kill <- lists:seq(1, maps:get(kill_count, Plan))],
        #{plan => Plan, puts => Puts, gets => Gets, back_ms => BackMs, program_size_bytes => SizeBytes}
    after
        [ok = pando:stop(Store) || {_, Store} <- Backends],
        [ok = file:del_dir_r(directory(Directory, Store)) || {_, Store} <- Backends]
    end.

start(Directory, Backend, Store) ->
    ok = filelib:ensure_path(directory(Directory, Store)),
    {ok, Store} = pando:start(directory(Directory, Store), #{cluster_name => Store, backend => Backend}).

directory(Directory, Store) ->
    filename:join(Directory, atom_to_list(Store)).

load(Store, Count) ->
    ok = bench_load:each(?LOADERS, Count, fun(Number) -> ok = pando:put(Store, path(Number), value(Number)) end),
    {ok, Count} = pando:count(Store, "/:nodes/*").

path(Number) ->
    [nodes, integer_to_binary(Number)].

value(Number) ->
    bench_data:value(Number, 1).

rounds(Kind, Backends, #{caller_counts := CallerCounts} = Plan, Progress) ->
    #{warm_up_ms := WarmUpMs, round_count := RoundCount, round_ms := RoundMs} = Plan,
    Progress("backends, ~s, warm-up", [Kind]),
    [bench_load:closed_loop(16, WarmUpMs, operation(Kind, Store, Plan)) || {_, Store} <- Backends],
    maps:from_list([
        {Callers, [
            begin
                Progress("backends, ~s, callers: ~b, round ~b of ~b", [Kind, Callers, Round, RoundCount]),
                maps:from_list([
                    {Backend, bench_load:closed_loop(Callers, RoundMs, operation(Kind, Store, Plan))}
                 || {Backend, Store} <- Backends
                ])
            end
         || Round <- lists:seq(1, RoundCount)
        ]}
     || Callers <- CallerCounts
    ]).

operation(put, Store, #{node_count := Count}) ->
    #{
        prepare => fun(Random) -> {path(Random rem Count), value(Random rem Count)} end,
        call => fun({Path, Value}) -> pando:put(Store, Path, Value) end,
        is_right => fun(_, Answer) -> Answer =:= ok end
    };
operation(get, Store, #{node_count := Count}) ->
    #{
        prepare => fun(Random) -> Random rem Count end,
        call => fun(Number) -> pando:get(Store, path(Number)) end,
        is_right => fun(Number, Answer) -> Answer =:= {ok, value(Number)} end
    }.

%% A node is put before, so that something is to be read that only the log has.
back_ms(Store, Count, Kill, #{kill_count := KillCount}, Progress) ->
    Progress("backends, program killed, ~b of ~b", [Kill, KillCount]),
    Number = Kill rem Count,
    ok = pando:put(Store, path(Number), Kill),
    Begin = erlang:monotonic_time(microsecond),
    [] = os:cmd("kill -KILL " ++ integer_to_list(program(Store))),
    ok = await(fun() -> catch pando:get(Store, path(Number)) end, {ok, Kill}, Begin + ?BACK_TIMEOUT_MS * 1000),
    (erlang:monotonic_time(microsecond) - Begin) / 1000.

await(Read, Wanted, DeadlineUs) ->
    case Read() of
        Wanted ->
            ok;
        Other ->
            erlang:monotonic_time(microsecond) < DeadlineUs orelse error({not_back, Other}),
            timer:sleep(?ATTEMPT_PAUSE_MS),
            await(Read, Wanted, DeadlineUs)
    end.

%% Its id in the operating system.
program(Store) ->
    {ok, #{os_pid := Pid}} = pando_cluster:status(Store),
    Pid.

resident_size_bytes(Pid) ->
    {ok, Text} = file:read_file("/proc/" ++ integer_to_list(Pid) ++ "/statm"),
    [_, Pages | _] = binary:split(Text, <<" ">>, [global]),
    binary_to_integer(Pages) * 4096.
