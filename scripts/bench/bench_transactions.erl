%% @doc Measures transactions beside what they are to cost little more than: a put with the same number of callers, in turns.
%% `docs/benchmarks.md' explains the rows that `bench_transaction_rows' makes of it.
%%
%% Puts go to the nodes with an even number, transactions to those with an odd one, and to one that is hot. So what the
%% transactions have counted can be checked at the end: each success has added one, and nothing else has.
-module(bench_transactions).

-export([plan/1, measure/4]).

-export_type([plan/0, measured/0, counted/0]).

-include("../../include/pando.hrl").

-type plan() :: #{
    %% Even.
    node_count := pos_integer(),
    caller_counts := [pos_integer(), ...],
    warm_up_ms := pos_integer(),
    %% One caller: more and shorter rounds, for a disk drifts within seconds. Also how long the disk's floor is measured.
    pair_count := pos_integer(),
    pair_ms := pos_integer(),
    round_count := pos_integer(),
    round_ms := pos_integer(),
    read_ms := pos_integer()
}.
%% A round, and how often the function ran in it.
-type counted() :: #{round := bench_load:round(), run_count := non_neg_integer()}.
-type measured() :: #{
    plan := plan(),
    putter_count := pos_integer(),
    other_count := pos_integer(),
    read_count := pos_integer(),
    updates := #{CallerCount :: pos_integer() => [update_round(), ...]},
    reads := [#{gets := bench_load:round(), transaction := bench_load:round()}, ...],
    data := [#{put := bench_load:round(), data := bench_load:round()}, ...],
    ids := #{CallerCount :: pos_integer() => [#{put := bench_load:round(), put_id := bench_load:round()}, ...]},
    besides := [#{alone | puts | transactions => beside_round()}, ...]
}.
%% `floor' is the bare write that the round began with.
-type update_round() :: #{
    floor := bench_disk:floor(), put := bench_load:round(), hot := counted(), random := counted()
}.
-type beside_round() :: #{round := bench_load:round(), others_per_s := float()}.
%% Measures write + fdatasync for so many milliseconds.
-type disk_floor() :: fun((pos_integer()) -> bench_disk:floor()).

-record(counts, {
    %% How often functions of transactions ran.
    runs :: counters:counters_ref(),
    %% How often one was added to the hot node, and to others.
    added :: counters:counters_ref()
}).

%% Who put where one large number of callers is enough.
-define(PUTTERS, 128).
%% Who do something else meanwhile.
-define(OTHERS, 16).
%% Of a transaction that only reads.
-define(READS, 5).
-define(LOADERS, 128).
-define(HOT_PATH, [counters, <<"hot">>]).
-define(HOT, 1).
-define(RANDOM, 2).

-spec plan(quick | full) -> plan().
plan(quick) ->
    (plan(full))#{
        warm_up_ms := 200,
        pair_count := 3,
        pair_ms := 300,
        round_count := 1,
        round_ms := 500,
        read_ms := 200
    };
plan(full) ->
    #{
        node_count => 100000,
        caller_counts => [1, 16, 128],
        warm_up_ms => 500,
        pair_count => 9,
        pair_ms => 1000,
        round_count => 3,
        round_ms => 2000,
        read_ms => 1000
    }.

%% @doc Runs all sections on one store. `Directory' is made, and removed.
-spec measure(file:filename(), plan(), disk_floor(), bench_tree:progress()) -> measured().
measure(Directory, #{node_count := NodeCount} = Plan, DiskFloor, Progress) ->
    Counts = #counts{runs = counters:new(1, []), added = counters:new(2, [])},
    bench_store:with(Directory, fun() ->
        Progress("transactions: loading ~b nodes", [NodeCount]),
        ok = bench_load:each(?LOADERS, NodeCount, fun(Number) ->
            ok = pando:put(store(), path(Number, NodeCount), bench_data:value(Number, 0))
        end),
        ok = pando:put(store(), ?HOT_PATH, bench_data:value(0, 0)),
        Measured = #{
            plan => Plan,
            putter_count => ?PUTTERS,
            other_count => ?OTHERS,
            read_count => ?READS,
            updates => updates(Plan, Counts, DiskFloor, Progress),
            reads => reads(Plan, Progress),
            data => in_turns("put and transactions as data", ?PUTTERS, Plan, Progress, [
                {put, put_operation(NodeCount)}, {data, data_operation(NodeCount)}
            ]),
            ids => maps:from_list([{Callers, ids(Callers, Plan, Progress)} || Callers <- [1, ?PUTTERS]]),
            besides => besides(Plan, Counts, Progress)
        },
        ok = check(NodeCount, Counts),
        Measured
    end).

%% Nothing that was added is lost, and nothing was added twice.
check(NodeCount, #counts{added = Added}) ->
    [NotCounted] = [Messages || #{messages := Messages} <- [bench_data:value(0, 0)]],
    {ok, #{messages := Hot}} = pando:get(store(), ?HOT_PATH),
    {hot, Hot} = {hot, NotCounted + counters:get(Added, ?HOT)},
    Sum = lists:sum([
        begin
            {ok, #{messages := Messages}} = pando:get(store(), path(Number, NodeCount)),
            Messages - NotCounted
        end
     || Number <- lists:seq(1, NodeCount - 1, 2)
    ]),
    {random, Sum} = {random, counters:get(Added, ?RANDOM)},
    ok.

%%% Read-modify-write

updates(#{caller_counts := CallerCounts} = Plan, Counts, DiskFloor, Progress) ->
    maps:from_list([{Callers, updates(Callers, Plan, Counts, DiskFloor, Progress)} || Callers <- CallerCounts]).

updates(Callers, Plan, Counts, DiskFloor, Progress) ->
    #{node_count := NodeCount, warm_up_ms := WarmUpMs, pair_ms := FloorMs} = Plan,
    {Count, Ms} = rounds(Callers, Plan),
    Put = put_operation(NodeCount),
    Progress("put and transactions, callers: ~b, warm-up", [Callers]),
    _ = bench_load:closed_loop(Callers, WarmUpMs, Put),
    [counted(Kind, Callers, WarmUpMs, NodeCount, Counts) || Kind <- [?HOT, ?RANDOM]],
    [
        begin
            Progress("put and transactions, in turns, callers: ~b, round ~b of ~b", [Callers, Round, Count]),
            Floor = DiskFloor(FloorMs),
            #{
                floor => Floor,
                put => bench_load:closed_loop(Callers, Ms, Put),
                hot => counted(?HOT, Callers, Ms, NodeCount, Counts),
                random => counted(?RANDOM, Callers, Ms, NodeCount, Counts)
            }
        end
     || Round <- lists:seq(1, Count)
    ].

rounds(1, #{pair_count := Count, pair_ms := Ms}) -> {Count, Ms};
rounds(_Callers, #{round_count := Count, round_ms := Ms}) -> {Count, Ms}.

counted(Kind, Callers, Ms, NodeCount, #counts{runs = Runs, added = Added} = Counts) ->
    Before = counters:get(Runs, 1),
    #{call_count := Count} = Round = bench_load:closed_loop(Callers, Ms, update_operation(Kind, NodeCount, Counts)),
    ok = counters:add(Added, Kind, Count),
    #{round => Round, run_count => counters:get(Runs, 1) - Before}.

%% What the peer was measured with: one key of a map of eight is one more.
update_operation(Kind, NodeCount, #counts{runs = Runs}) ->
    #{
        prepare => fun(Random) -> update_path(Kind, Random, NodeCount) end,
        call => fun(Path) ->
            pando:transaction(store(), fun() ->
                ok = counters:add(Runs, 1, 1),
                {ok, #{messages := Messages} = Value} = pando_tx:get(Path),
                ok = pando_tx:put(Path, Value#{messages := Messages + 1}),
                Messages
            end)
        end,
        is_right => fun(_, {ok, Messages}) -> is_integer(Messages); (_, _) -> false end
    }.

update_path(?HOT, _Random, _NodeCount) -> ?HOT_PATH;
update_path(?RANDOM, Random, NodeCount) -> path(odd(Random, NodeCount), NodeCount).

%%% Reads

reads(#{node_count := NodeCount, pair_count := Count, read_ms := Ms, warm_up_ms := WarmUpMs}, Progress) ->
    Gets = read_operation(NodeCount, fun(Paths) -> [pando:get(store(), Path) || Path <- Paths] end),
    Transaction = read_operation(NodeCount, fun(Paths) ->
        {ok, Values} = pando:transaction(store(), fun() -> [pando_tx:get(Path) || Path <- Paths] end, ro),
        Values
    end),
    in_turns("~b gets, and in a transaction", [?READS], 1, {Count, Ms}, WarmUpMs, Progress, [
        {gets, Gets}, {transaction, Transaction}
    ]).

read_operation(NodeCount, Read) ->
    #{
        prepare => fun(Random) ->
            Numbers = [(Random + 7919 * N) rem NodeCount || N <- lists:seq(1, ?READS)],
            {[path(Number, NodeCount) || Number <- Numbers], [bench_data:id(Number) || Number <- Numbers]}
        end,
        call => fun({Paths, _Ids}) -> Read(Paths) end,
        is_right => fun({_Paths, Ids}, Values) -> Ids =:= [Id || {ok, #{id := Id}} <- Values] end
    }.

%%% Other requests beside the plain put

%% Two puts, if a node is there.
data_operation(NodeCount) ->
    #{
        prepare => fun(Random) ->
            {First, Second} = {even(Random, NodeCount), even(Random + 7920, NodeCount)},
            Puts = [{put, path(Number, NodeCount), bench_data:value(Number, Random)} || Number <- [First, Second]],
            #{conditions => [{path(First, NodeCount), #if_node_exists{}}], commands => Puts}
        end,
        call => fun(Data) -> pando:transaction(store(), Data) end,
        is_right => fun(_, Answer) -> Answer =:= {ok, [ok, ok]} end
    }.

ids(Callers, #{node_count := NodeCount} = Plan, Progress) ->
    in_turns("put with and without request_id", Callers, Plan, Progress, [
        {put, put_operation(NodeCount)}, {put_id, put_id_operation(NodeCount)}
    ]).

%% The id has 16 bytes, and no two are the same.
put_id_operation(NodeCount) ->
    #{
        prepare => fun(Random) ->
            {Path, Value} = even_put(Random, NodeCount),
            {Path, Value, #{request_id => <<(erlang:unique_integer()):128>>}}
        end,
        call => fun({Path, Value, Options}) -> pando:put(store(), Path, Value, Options) end,
        is_right => fun(_, Answer) -> Answer =:= ok end
    }.

%%% Puts while others run transactions

besides(#{node_count := NodeCount, round_count := Count, round_ms := Ms, warm_up_ms := WarmUpMs}, Counts, Progress) ->
    Put = put_operation(NodeCount),
    OthersPut = fun() -> bench_load:closed_loop(?OTHERS, Ms, Put) end,
    OthersUpdate = fun() -> maps:get(round, counted(?RANDOM, ?OTHERS, Ms, NodeCount, Counts)) end,
    _ = bench_load:closed_loop(?PUTTERS, WarmUpMs, Put),
    [
        maps:from_list([
            begin
                Progress("puts of ~b callers beside ~b others (~s), round ~b of ~b", [
                    ?PUTTERS, ?OTHERS, Kind, Round, Count
                ]),
                {Kind, beside(Others, fun() -> bench_load:closed_loop(?PUTTERS, Ms, Put) end)}
            end
         || {Kind, Others} <- [{alone, none}, {puts, OthersPut}, {transactions, OthersUpdate}]
        ])
     || Round <- lists:seq(1, Count)
    ].

beside(none, Puts) ->
    #{round => Puts(), others_per_s => 0.0};
beside(Others, Puts) ->
    Self = self(),
    Pid = spawn_link(fun() -> Self ! {self(), Others()} end),
    Round = Puts(),
    receive
        {Pid, #{calls_per_s := PerS}} -> #{round => Round, others_per_s => PerS}
    end.

%%% Parts

in_turns(Title, Callers, #{warm_up_ms := WarmUpMs} = Plan, Progress, Operations) ->
    in_turns(Title, [], Callers, rounds(Callers, Plan), WarmUpMs, Progress, Operations).

in_turns(Title, Arguments, Callers, {Count, Ms}, WarmUpMs, Progress, Operations) ->
    [bench_load:closed_loop(Callers, WarmUpMs, Operation) || {_, Operation} <- Operations],
    [
        begin
            Progress(Title ++ ", callers: ~b, round ~b of ~b", Arguments ++ [Callers, Round, Count]),
            maps:from_list([
                {Kind, bench_load:closed_loop(Callers, Ms, Operation)}
             || {Kind, Operation} <- Operations
            ])
        end
     || Round <- lists:seq(1, Count)
    ].

put_operation(NodeCount) ->
    #{
        prepare => fun(Random) -> even_put(Random, NodeCount) end,
        call => fun({Path, Value}) -> pando:put(store(), Path, Value) end,
        is_right => fun(_, Answer) -> Answer =:= ok end
    }.

even_put(Random, NodeCount) ->
    Number = even(Random, NodeCount),
    {path(Number, NodeCount), bench_data:value(Number, Random)}.

even(Random, NodeCount) -> 2 * (Random rem (NodeCount div 2)).

odd(Random, NodeCount) -> even(Random, NodeCount) + 1.

path(Number, NodeCount) ->
    bench_data:path(Number, max(1, NodeCount div bench_data:vhost_count())).

store() ->
    bench_store:name().
