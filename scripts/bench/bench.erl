%% @doc `make bench': runs the measurements in turn and prints what came out. `docs/benchmarks.md' explains
%% the rows.
%%
%% Floors and figures that are compared are measured in turns, round by round, because the speed of a disk and
%% of a shared machine drifts; their ratio is the median of the ratios of the rounds.
-module(bench).

-export([main/0]).

-define(CALLER_COUNTS, [1, 16, 128]).
%% Of the store with most nodes.
-define(LARGE_LOADERS, 256).

-spec main() -> no_return().
main() ->
    {Pid, Monitor} = spawn_monitor(fun run/0),
    receive
        {'DOWN', Monitor, process, Pid, normal} ->
            halt(0);
        {'DOWN', Monitor, process, Pid, Reason} ->
            io:format(standard_error, "bench: failed: ~0tP~n", [Reason, 80]),
            halt(1)
    end.

plan("1") ->
    #{
        name => "quick: the figures are rough",
        pair_count => 3,
        pair_ms => 300,
        pair_warm_up_ms => 100,
        round_count => 1,
        round_ms => 500,
        warm_up_ms => 200,
        harness_ms => 200,
        block_ms => 50,
        empty_count => 3,
        loaded_count => 1,
        node_count => 100000,
        settle_ms => 1000,
        large_node_count => 100000,
        tree => bench_tree:plan(quick),
        transactions => bench_transactions:plan(quick),
        snapshots => bench_snapshots:plan(quick),
        cluster => bench_cluster:plan(quick),
        backends => bench_backends:plan(quick)
    };
plan("") ->
    #{
        name => "full",
        %% Write and sync alone, and one caller's put: more and shorter rounds, for a disk drifts within
        %% seconds.
        pair_count => 9,
        pair_ms => 1000,
        pair_warm_up_ms => 200,
        round_count => 3,
        round_ms => 3000,
        warm_up_ms => 1000,
        harness_ms => 1000,
        block_ms => 300,
        empty_count => 10,
        loaded_count => 3,
        node_count => 100000,
        settle_ms => 3000,
        large_node_count => 1000000,
        tree => bench_tree:plan(full),
        transactions => bench_transactions:plan(full),
        snapshots => bench_snapshots:plan(full),
        cluster => bench_cluster:plan(full),
        backends => bench_backends:plan(full)
    }.

run() ->
    [ok = io:setopts(Device, [{encoding, unicode}]) || Device <- [standard_io, standard_error]],
    Directory = os:getenv("BENCH_RUN_DIR"),
    Plan = plan(os:getenv("BENCH_QUICK", "")),
    Begin = erlang:monotonic_time(millisecond),
    Progress = fun(Format, Arguments) ->
        Seconds = (erlang:monotonic_time(millisecond) - Begin) / 1000,
        io:format(standard_error, "bench: ~5.1f s  " ++ Format ++ "~n", [Seconds | Arguments])
    end,
    ValueBytes = bench_data:external_size_bytes(),
    Facts =
        bench_machine:facts(Directory) ++
            [
                {run, maps:get(name, Plan)},
                {value, io_lib:format("a map of 8 keys, ~b bytes in external format", [ValueBytes])},
                {path, io_lib:format("~0tp", [bench_data:path(3123, 1000)])}
            ],
    bench_report:print_facts(Facts),
    Measured = lists:foldl(
        fun(Part, Rows) -> maps:merge(Rows, Part(Directory, Plan, Progress)) end,
        #{},
        [
            fun empty_stores/3,
            fun calls/3,
            fun backends/3,
            fun transactions/3,
            fun tree/3,
            fun loaded_stores/3,
            fun large_store/3,
            fun snapshots/3,
            fun three_nodes/3
        ]
    ),
    Progress("done", []),
    bench_report:print(Measured, Facts),
    ok.

%%% Opening and closing an empty store

empty_stores(Directory, #{empty_count := Count}, Progress) ->
    Progress("opening and closing an empty store, ~b times", [Count]),
    %% Once before it counts: the first store of a VM also loads code.
    _ = bench_vm:empty_store(filename:join(Directory, "empty")),
    #{empty => [bench_vm:empty_store(filename:join(Directory, "empty")) || _ <- lists:seq(1, Count)]}.

%%% Calls

calls(Directory, #{settle_ms := SettleMs} = Plan, Progress) ->
    bench_store:with(filename:join(Directory, "calls"), fun() ->
        Progress("loading ~b nodes", [bench_store:queue_count()]),
        ok = bench_store:load_queues(),
        Pairs = put_pairs(Directory, Plan, Progress),
        Puts = puts(Plan, Progress),
        %% Until a snapshot that the puts have started is written.
        timer:sleep(SettleMs),
        #{pairs => Pairs, puts => Puts, gets => gets(Plan, Progress)}
    end).

put_pairs(Directory, Plan, Progress) ->
    #{pair_count := Count, pair_ms := Ms, pair_warm_up_ms := WarmUpMs} = Plan,
    _ = bench_load:closed_loop(1, maps:get(warm_up_ms, Plan), bench_store:put_operation()),
    [
        begin
            Progress("bare write + fdatasync and put, in turns, ~b of ~b", [Pair, Count]),
            Growing = bench_disk:floor(growing, Ms, Directory),
            Preallocated = bench_disk:floor(preallocated, Ms, Directory),
            _ = bench_load:closed_loop(1, WarmUpMs, bench_store:put_operation()),
            Put = bench_load:closed_loop(1, Ms, bench_store:put_operation()),
            #{growing => Growing, preallocated => Preallocated, put => Put}
        end
     || Pair <- lists:seq(1, Count)
    ].

puts(#{round_count := Count, round_ms := Ms, warm_up_ms := WarmUpMs}, Progress) ->
    Operation = bench_store:put_operation(),
    CallerCounts = tl(?CALLER_COUNTS),
    Progress("put, warm-up", []),
    [bench_load:closed_loop(Callers, WarmUpMs, Operation) || Callers <- CallerCounts],
    by_callers([
        begin
            Progress("put, callers: ~b, round ~b of ~b", [Callers, Round, Count]),
            {Callers, bench_load:closed_loop(Callers, Ms, Operation)}
        end
     || Round <- lists:seq(1, Count), Callers <- CallerCounts
    ]).

%% Each round: the floors and the get in blocks, then the harness and the get with each number of callers.
gets(Plan, Progress) ->
    #{round_count := Count, round_ms := Ms, warm_up_ms := WarmUpMs, harness_ms := HarnessMs} = Plan,
    Get = get_operation(),
    Harness = harness_operation(),
    with_blocks(fun(Blocks) ->
        Progress("get, warm-up", []),
        [bench_load:closed_loop(Callers, WarmUpMs, Get) || Callers <- ?CALLER_COUNTS],
        Rounds = [
            begin
                Progress("floors in blocks, round ~b of ~b", [Round, Count]),
                InBlocks = blocks(Blocks, Plan),
                ByCallers = [
                    begin
                        Progress("get, callers: ~b, round ~b of ~b", [Callers, Round, Count]),
                        Empty = bench_load:closed_loop(Callers, HarnessMs, Harness),
                        {Callers, #{harness => Empty, get => bench_load:closed_loop(Callers, Ms, Get)}}
                    end
                 || Callers <- ?CALLER_COUNTS
                ],
                {InBlocks, ByCallers}
            end
         || Round <- lists:seq(1, Count)
        ],
        {InBlocks, ByCallers} = lists:unzip(Rounds),
        Flat = lists:append(ByCallers),
        #{
            blocks => InBlocks,
            harness => by_callers([{Callers, Round} || {Callers, #{harness := Round}} <- Flat]),
            get => by_callers([{Callers, Round} || {Callers, #{get := Round}} <- Flat])
        }
    end).

by_callers(Rounds) ->
    maps:groups_from_list(fun({Callers, _}) -> Callers end, fun({_, Round}) -> Round end, Rounds).

%% Paths are made beforehand here: only what is compared is in the blocks.
with_blocks(Fun) ->
    Store = bench_store:name(),
    Numbers = lists:seq(0, bench_store:queue_count() - 1),
    Table = ets:new(bench_values, [set, public, {read_concurrency, true}]),
    true = ets:insert(Table, [{bench_store:path(N), bench_data:value(N, N)} || N <- Numbers]),
    Echo = spawn_link(fun echo/0),
    Result = Fun([
        {empty, fun(_) -> ok end},
        {nif, fun(_) -> pando_nif:noop() end},
        {nif_dirty, fun(_) -> pando_nif:noop_dirty() end},
        {message, fun(_) ->
            Echo ! self(),
            receive
                Echo -> ok
            end
        end},
        {ets_lookup, fun(Path) -> [_] = ets:lookup(Table, Path) end},
        {get, fun(Path) -> {ok, _} = pando:get(Store, Path) end}
    ]),
    Monitor = monitor(process, Echo),
    unlink(Echo),
    exit(Echo, kill),
    receive
        {'DOWN', Monitor, process, Echo, _} -> ok
    end,
    true = ets:delete(Table),
    Result.

echo() ->
    receive
        From ->
            From ! self(),
            echo()
    end.

blocks(Blocks, #{block_ms := Ms}) ->
    Paths = [bench_store:path(Number) || Number <- bench_data:numbers(bench_store:queue_count())],
    maps:from_list([{Name, bench_load:block(Call, Paths, Ms)} || {Name, Call} <- Blocks]).

get_operation() ->
    Store = bench_store:name(),
    #{
        prepare => fun get_path/1,
        call => fun([_ | Path]) -> pando:get(Store, Path) end,
        is_right => fun([Id | _], {ok, #{id := Found}}) -> Found =:= Id; (_, _) -> false end
    }.

%% The same without the call.
harness_operation() ->
    #{
        prepare => fun get_path/1,
        call => fun([Id | _]) -> {ok, Id} end,
        is_right => fun([Id | _], {ok, Found}) -> Found =:= Id end
    }.

%% A path after what the value there is known by.
get_path(Random) ->
    Number = Random rem bench_store:queue_count(),
    [bench_data:id(Number) | bench_store:path(Number)].

%%% Transactions

transactions(Directory, #{transactions := Plan}, Progress) ->
    DiskFloor = fun(Ms) -> bench_disk:floor(growing, Ms, Directory) end,
    #{transactions => bench_transactions:measure(filename:join(Directory, "transactions"), Plan, DiskFloor, Progress)}.

%%% The tree

tree(Directory, #{tree := Plan}, Progress) ->
    #{tree => bench_tree:measure(filename:join(Directory, "tree"), Plan, Progress)}.

%%% Many nodes

loaded_stores(Directory, #{loaded_count := Count, node_count := NodeCount}, Progress) ->
    Loaded = [
        begin
            Progress("~b nodes: memory, opening, SIGKILL, ~b of ~b", [NodeCount, Round, Count]),
            bench_vm:loaded_store(filename:join(Directory, "loaded"), NodeCount)
        end
     || Round <- lists:seq(1, Count)
    ],
    #{loaded => Loaded, node_count => NodeCount}.

large_store(Directory, #{large_node_count := NodeCount}, Progress) ->
    Progress("~b nodes: memory, and the longest put while loading", [NodeCount]),
    Large = bench_vm:large_store(filename:join(Directory, "large"), NodeCount, ?LARGE_LOADERS),
    #{large => Large#{node_count => NodeCount, loader_count => ?LARGE_LOADERS}}.

%%% Snapshots

snapshots(Directory, #{snapshots := Plan}, Progress) ->
    DiskFloor = fun(Ms) -> bench_disk:floor(growing, Ms, Directory) end,
    #{snapshots => bench_snapshots:measure(filename:join(Directory, "snapshots"), Plan, DiskFloor, Progress)}.

%%% Three nodes

backends(Directory, #{backends := Plan}, Progress) ->
    #{backends => bench_backends:measure(filename:join(Directory, "backends"), Plan, Progress)}.

three_nodes(Directory, #{cluster := Plan}, Progress) ->
    DiskFloor = fun(Ms) -> bench_disk:floor(growing, Ms, Directory) end,
    #{cluster => bench_cluster:measure(filename:join(Directory, "cluster"), Plan, DiskFloor, Progress)}.
