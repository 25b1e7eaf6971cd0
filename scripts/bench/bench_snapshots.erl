%% @doc What writers notice of a snapshot of a large store, what memory it takes, and how long the store takes to open
%% when its VM was killed. `docs/benchmarks.md' explains the rows.
%%
%% The store is in a VM of its own, whose memory is measured. What is compared takes turns: the floor of the disk, puts
%% while a snapshot is written, as many seconds of puts while none is.
-module(bench_snapshots).

-export([plan/1, measure/4]).
%% Called in the child VM.
-export([prepare/2, puts/3, puts_beside_snapshot/2, growth/2, settle/0, write_log/2]).

-export_type([measured/0, plan/0]).

-type plan() :: #{
    node_count := pos_integer(),
    caller_counts := [pos_integer()],
    round_count := pos_integer(),
    floor_ms := pos_integer(),
    open_count := pos_integer(),
    log_bytes := pos_integer()
}.
-type measured() :: #{
    plan := plan(),
    snapshot_bytes := pos_integer(),
    growths := #{CallerCount :: non_neg_integer() => growth()},
    %% By number of callers.
    rounds := #{pos_integer() => [round()]},
    opens := [open()]
}.
%% Whether no snapshot was due that let go of the log it was to be opened with, and how much that was.
-type open() :: #{
    killed_ms := float(),
    log_ms := float(),
    log_bytes := non_neg_integer(),
    has_log := boolean(),
    log_open_bytes := pos_integer()
}.
%% Whether no snapshot was written beside `alone'.
-type round() :: #{
    floor := bench_disk:floor(),
    alone := bench_load:round(),
    is_alone := boolean(),
    beside := bench_load:round(),
    snapshot_ms := float()
}.
%% The most that was resident while a snapshot was written, less the most while the same was done before without one, if it
%% was without.
-type growth() :: #{
    growth_bytes := integer(), put_count := non_neg_integer(), snapshot_ms := float(), is_alone := boolean()
}.

-define(STORE, pando_bench).
-define(LOADERS, 256).
%% Writers of the log that is opened.
-define(WRITERS, 128).
%% After the last byte of a snapshot: old segments of the log are removed, and that too is waited for.
-define(AFTERMATH_MS, 250).
-define(POLL_MS, 5).
%% How long the writers write until their VM is killed, where the log is to be short.
-define(WRITE_MS, 500).
%% How often something is tried in which no snapshot may be due: the smaller the store, the sooner one is.
-define(REPEATS_MAX, 5).

-spec plan(full | quick) -> plan().
plan(full) ->
    #{
        node_count => 1000000,
        caller_counts => [1, 16, 128],
        round_count => 5,
        floor_ms => 1000,
        open_count => 3,
        log_bytes => 100000000
    };
plan(quick) ->
    (plan(full))#{
        node_count := 100000, round_count := 1, floor_ms := 300, open_count := 1, log_bytes := 10000000
    }.

%%% In the parent

%% @doc Measures all of it with a store in `Directory', which is made, and removed.
-spec measure(file:filename(), plan(), fun((pos_integer()) -> bench_disk:floor()), fun((string(), list()) -> ok)) ->
    measured().
measure(Directory, Plan, DiskFloor, Progress) ->
    #{node_count := NodeCount, caller_counts := CallerCounts, round_count := RoundCount} = Plan,
    #{floor_ms := FloorMs, open_count := OpenCount} = Plan,
    ok = filelib:ensure_path(Directory),
    Child = bench_vm:start_child(),
    Call = fun(Function, Arguments) -> bench_vm:call(Child, ?MODULE, Function, Arguments) end,
    Progress("snapshots: loading ~b nodes", [NodeCount]),
    SnapshotBytes = Call(prepare, [Directory, NodeCount]),
    %% Before anything else has made the VM larger; few changes first.
    Growths = maps:from_list([
        begin
            Progress("snapshots: memory while one is written, callers: ~b", [Callers]),
            ok = Call(settle, []),
            {Callers, Call(growth, [Callers, NodeCount])}
        end
     || Callers <- [0 | CallerCounts]
    ]),
    Rounds = [
        begin
            Progress("snapshots: puts beside one, callers: ~b, round ~b of ~b", [Callers, Round, RoundCount]),
            Floor = DiskFloor(FloorMs),
            {Beside, SnapshotMs} = Call(puts_beside_snapshot, [Callers, NodeCount]),
            {IsAlone, Alone} = Call(puts, [Callers, NodeCount, ceil(SnapshotMs)]),
            {Callers, #{
                floor => Floor, alone => Alone, is_alone => IsAlone, beside => Beside, snapshot_ms => SnapshotMs
            }}
        end
     || Round <- lists:seq(1, RoundCount), Callers <- CallerCounts
    ],
    ok = bench_vm:stop_child(Child),
    Opens = [
        begin
            Progress("snapshots: opening after SIGKILL, ~b of ~b", [Round, OpenCount]),
            opens(Directory, Plan)
        end
     || Round <- lists:seq(1, OpenCount)
    ],
    ok = file:del_dir_r(Directory),
    #{
        plan => Plan,
        snapshot_bytes => SnapshotBytes,
        growths => Growths,
        rounds => maps:groups_from_list(fun({Callers, _}) -> Callers end, fun({_, Round}) -> Round end, Rounds),
        opens => Opens
    }.

%% The VM is killed while it writes: soon after a snapshot, and with much log behind one.
opens(Directory, #{node_count := NodeCount} = Plan) ->
    First = bench_vm:start_child(),
    {_, _} = bench_vm:call(First, bench_vm, open, [Directory]),
    ok = bench_vm:call(First, ?MODULE, write_log, [NodeCount, 0]),
    ok = bench_vm:call(First, bench_vm, keep_writing, [NodeCount]),
    timer:sleep(?WRITE_MS),
    ok = bench_vm:kill_child(First),
    Second = bench_vm:start_child(),
    {KilledMs, _} = bench_vm:call(Second, bench_vm, open, [Directory]),
    ok = bench_vm:call(Second, bench_vm, check, [NodeCount]),
    (open_with_log(Second, Directory, Plan, ?REPEATS_MAX))#{killed_ms => KilledMs}.

%% `Child' has the store open. If the writers are ahead of the one who kills, a snapshot becomes due, at the latest when what they
%% have written is applied again.
open_with_log(Child, Directory, #{node_count := NodeCount, log_bytes := LogBytes} = Plan, RepeatsLeft) ->
    ok = bench_vm:call(Child, ?MODULE, write_log, [NodeCount, LogBytes]),
    ok = bench_vm:call(Child, bench_vm, keep_writing, [NodeCount]),
    ok = bench_vm:kill_child(Child),
    LogOpenBytes = bench_vm:size_bytes(filename:join([Directory, atom_to_list(?STORE), "log"])),
    Next = bench_vm:start_child(),
    {LogMs, #{log_bytes_since_snapshot := Replayed}} = bench_vm:call(Next, bench_vm, open, [Directory]),
    ok = bench_vm:call(Next, bench_vm, check, [NodeCount]),
    case Replayed >= LogBytes of
        false when RepeatsLeft > 0 ->
            open_with_log(Next, Directory, Plan, RepeatsLeft - 1);
        HasLog ->
            ok = bench_vm:stop_child(Next),
            #{log_ms => LogMs, log_bytes => Replayed, has_log => HasLog, log_open_bytes => LogOpenBytes}
    end.

%%% In the child

%% @private Opens a new store, puts each node once and writes a snapshot: its size.
-spec prepare(file:filename(), pos_integer()) -> pos_integer().
prepare(Directory, NodeCount) ->
    {ok, ?STORE} = pando:start(Directory, ?STORE),
    #{prepare := Prepare, call := Call} = put_operation(NodeCount),
    ok = bench_load:each(?LOADERS, NodeCount, fun(Number) -> ok = Call(Prepare(Number)) end),
    ok = bench_vm:check(NodeCount),
    ok = await_snapshot(),
    Pattern = filename:join([Directory, atom_to_list(?STORE), "snapshot", "*.snapshot"]),
    filelib:file_size(lists:last(lists:sort(filelib:wildcard(Pattern)))).

%% @private A round of puts while no snapshot is written, if that could be had.
-spec puts(pos_integer(), pos_integer(), pos_integer()) -> {boolean(), bench_load:round()}.
puts(CallerCount, NodeCount, DurationMs) ->
    without_snapshot(fun() -> bench_load:closed_loop(CallerCount, DurationMs, put_operation(NodeCount)) end, ?REPEATS_MAX).

%% Where one was due in every repeat, the last is taken, and called what it is.
without_snapshot(Fun, RepeatsLeft) ->
    ok = await_idle(),
    {ok, #{snapshot_index := Before}} = pando_cluster:status(?STORE),
    Result = Fun(),
    case pando_cluster:status(?STORE) of
        {ok, #{snapshot_index := Before, snapshot_written_percent := undefined}} -> {true, Result};
        {ok, _} when RepeatsLeft > 0 -> without_snapshot(Fun, RepeatsLeft - 1);
        {ok, _} -> {false, Result}
    end.

%% @private A round of puts while one snapshot is written, from its beginning to its end; and how long that was.
-spec puts_beside_snapshot(pos_integer(), pos_integer()) -> {bench_load:round(), float()}.
puts_beside_snapshot(CallerCount, NodeCount) ->
    {Round, SnapshotMs, _} = beside_snapshot(fun(GoesOn) ->
        bench_load:closed_loop_while(CallerCount, GoesOn, put_operation(NodeCount))
    end),
    {Round, SnapshotMs}.

%% @private How much larger a snapshot makes this VM while so many callers put.
-spec growth(non_neg_integer(), pos_integer()) -> growth().
growth(CallerCount, NodeCount) ->
    Puts = fun
        (_GoesOn) when CallerCount =:= 0 -> 0;
        (GoesOn) -> maps:get(call_count, bench_load:closed_loop_while(CallerCount, GoesOn, put_operation(NodeCount)))
    end,
    %% The callers' own memory is there from then on.
    {IsAlone, AloneBytes} = without_snapshot(
        fun() ->
            Watch = watch(fun(Elapsed) -> Elapsed < ?WRITE_MS end),
            _ = Puts(goes_on(Watch)),
            {_, Bytes} = await_watch(Watch),
            Bytes
        end,
        ?REPEATS_MAX
    ),
    {PutCount, SnapshotMs, BesideBytes} = beside_snapshot(Puts),
    #{
        growth_bytes => BesideBytes - AloneBytes,
        put_count => PutCount,
        snapshot_ms => SnapshotMs,
        is_alone => IsAlone
    }.

%% @private Waits until this VM has come to rest.
-spec settle() -> ok.
settle() ->
    _ = bench_vm:resident_bytes_settled(),
    ok.

%% @private Writes a snapshot and, behind it, so many bytes of log.
-spec write_log(pos_integer(), non_neg_integer()) -> ok.
write_log(NodeCount, LogBytes) ->
    ok = await_snapshot(),
    Watch = watch(fun(_) ->
        {ok, #{log_bytes_since_snapshot := Written}} = pando_cluster:status(?STORE),
        Written < LogBytes
    end),
    _ = bench_load:closed_loop_while(?WRITERS, goes_on(Watch), put_operation(NodeCount)),
    {_, _} = await_watch(Watch),
    ok.

%% Any of the nodes, and another value.
put_operation(NodeCount) ->
    #{
        prepare => fun(Random) ->
            Number = Random rem NodeCount,
            {bench_data:path(Number, NodeCount div bench_data:vhost_count()), bench_data:value(Number, Random)}
        end,
        call => fun({Path, Value}) -> pando:put(?STORE, Path, Value) end,
        is_right => fun(_, Answer) -> Answer =:= ok end
    }.

%% Calls `Fun' with something that says how long: from the beginning of a snapshot until the old log is removed. Also
%% how long that was in milliseconds, and the most that was resident meanwhile.
beside_snapshot(Fun) ->
    ok = await_idle(),
    %% Without a change there would be nothing to write.
    ok = pando:put(?STORE, [bench_snapshot], erlang:unique_integer()),
    {ok, #{snapshot_index := Before}} = pando_cluster:status(?STORE),
    ok = pando_backend:take_snapshot(?STORE),
    Ended = atomics:new(1, []),
    Watch = watch(fun(Elapsed) ->
        case pando_cluster:status(?STORE) of
            {ok, #{snapshot_written_percent := undefined}} ->
                ok = first(Ended, Elapsed),
                Elapsed - atomics:get(Ended, 1) < ?AFTERMATH_MS;
            {ok, _} ->
                true
        end
    end),
    Result = Fun(goes_on(Watch)),
    {Ms, Bytes} = await_watch(Watch),
    {ok, #{snapshot_index := After}} = pando_cluster:status(?STORE),
    true = After =/= Before,
    {Result, Ms, Bytes}.

first(Ended, Elapsed) ->
    _ = atomics:compare_exchange(Ended, 1, 0, max(1, Elapsed)),
    ok.

await_snapshot() ->
    {_, _, _} = beside_snapshot(fun(_) -> ok end),
    ok.

await_idle() ->
    case pando_cluster:status(?STORE) of
        {ok, #{snapshot_written_percent := undefined}} ->
            ok;
        {ok, _} ->
            timer:sleep(?POLL_MS),
            await_idle()
    end.

%% A process that asks `IsGoingOn' every few milliseconds, with how many have passed, and reads what is resident.
watch(IsGoingOn) ->
    Flag = atomics:new(1, []),
    ok = atomics:put(Flag, 1, 1),
    Self = self(),
    Begin = erlang:monotonic_time(millisecond),
    Pid = spawn_link(fun() -> Self ! {self(), look(IsGoingOn, Flag, Begin, 0)} end),
    {Pid, Flag}.

look(IsGoingOn, Flag, Begin, Most0) ->
    Elapsed = erlang:monotonic_time(millisecond) - Begin,
    Most = max(Most0, bench_machine:resident_bytes()),
    case IsGoingOn(Elapsed) of
        true ->
            timer:sleep(?POLL_MS),
            look(IsGoingOn, Flag, Begin, Most);
        false ->
            ok = atomics:put(Flag, 1, 0),
            {float(Elapsed), Most}
    end.

goes_on({_Pid, Flag}) ->
    fun() -> atomics:get(Flag, 1) =:= 1 end.

await_watch({Pid, _Flag}) ->
    receive
        {Pid, Result} -> Result
    end.
