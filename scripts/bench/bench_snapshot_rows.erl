%% @doc The rows and the targets of the table "Snapshots", from what `bench_snapshots' measured.
%%
%% A ratio is the median of the ratios of the rounds. Rounds in which a snapshot was due that was not wanted are not compared, and
%% the rows say so.
-module(bench_snapshot_rows).

-export([put_rows/1, size_rows/1, targets/1]).

-import(bench_number, [median/1, spread/1, thousands/1, with_unit/2, format/2]).

%% Source: design/peers.md. Of 1,000,000 nodes, from a snapshot; its log was not measured with so many.
-define(PEER_OPEN, "14.3 s").
-define(PEER_NODE_COUNT, 1000000).
-define(PEER_LONGEST_PUT, "0.86–1.7 s").

%% @doc The floor of the disk, and for each number of callers puts without a snapshot and beside one.
-spec put_rows(bench_snapshots:measured()) -> [map()].
put_rows(#{rounds := ByCallers, plan := #{node_count := NodeCount}}) ->
    All = lists:append(maps:values(ByCallers)),
    Floors = [Floor || #{floor := Floor} <- All],
    FloorRates = [1.0e6 / MeanUs || #{mean_us := MeanUs} <- Floors],
    FloorRow = row(snapshot_floor, "floor: write 300 B + fdatasync, growing file, no snapshot", FloorRates, Floors, ""),
    [
        FloorRow
        | lists:append([
            begin
                Alone = [Round || #{alone := Round} <- Rounds],
                Beside = [Round || #{beside := Round} <- Rounds],
                Put = format("put, one of ~s nodes, ~b ~s", [thousands(NodeCount), Callers, callers(Callers)]),
                [
                    row(
                        id("snapshot_alone_~b", Callers), Put ++ ", in turns with the next", rates(Alone), Alone, due(Rounds)
                    ),
                    row(
                        id("snapshot_beside_~b", Callers),
                        Put ++ ", while a snapshot is written",
                        rates(Beside),
                        Beside,
                        compared(pairs(p99_us, Rounds), pairs(calls_per_s, Rounds))
                    )
                ]
            end
         || {Callers, Rounds} <- lists:sort(maps:to_list(ByCallers))
        ])
    ].

%% @doc The snapshot itself, memory, opening.
-spec size_rows(bench_snapshots:measured()) -> [map()].
size_rows(#{plan := Plan, snapshot_bytes := SnapshotBytes, growths := Growths, rounds := ByCallers, opens := Opens}) ->
    #{node_count := NodeCount} = Plan,
    Nodes = thousands(NodeCount),
    [
        size(snapshot_size, format("snapshot of ~s nodes", [Nodes]), bytes, [SnapshotBytes], "", ""),
        size(
            snapshot_time,
            "from its beginning until old log is removed, while others put",
            ms,
            [Ms || Rounds <- maps:values(ByCallers), #{snapshot_ms := Ms} <- Rounds],
            "",
            ""
        )
    ] ++
        [
            size(
                id("snapshot_memory_~b", Callers),
                format("resident memory that a snapshot takes, ~ts", [who(Callers)]),
                bytes,
                [GrowthBytes],
                format("~s puts meanwhile~ts~ts", [thousands(PutCount), each(GrowthBytes, PutCount), due([Growth])]),
                ""
            )
         || {Callers, #{growth_bytes := GrowthBytes, put_count := PutCount} = Growth} <- lists:sort(maps:to_list(Growths))
        ] ++
        [
            size(
                large_open_killed,
                format("open, with ~s nodes, after SIGKILL", [Nodes]),
                ms,
                [Ms || #{killed_ms := Ms} <- Opens],
                "",
                [?PEER_OPEN || NodeCount =:= ?PEER_NODE_COUNT]
            ),
            size(
                large_open_log,
                format("open, with ~s of log behind the snapshot besides", [log_size(Plan, Opens)]),
                ms,
                [Ms || #{log_ms := Ms} <- Opens],
                more(Opens),
                ""
            )
        ].

%% @doc What issue 5 asks for.
-spec targets(bench_snapshots:measured()) -> [bench_report:target()].
targets(#{plan := #{node_count := NodeCount} = Plan, rounds := ByCallers, opens := Opens}) ->
    Nodes = thousands(NodeCount),
    Longest = lists:max([Us || Rounds <- maps:values(ByCallers), #{beside := #{max_us := Us}} <- Rounds]),
    OfPeer = fun(Text) -> lists:append([Text || NodeCount =:= ?PEER_NODE_COUNT]) end,
    [
        target(
            format("put, p99, ~b ~s, while a snapshot of ~s nodes is written, beside without", [
                Callers, callers(Callers), Nodes
            ]),
            {at_most, 2},
            median(ratios(pairs(p99_us, Rounds))),
            times,
            ""
        )
     || {Callers, Rounds} <- lists:sort(maps:to_list(ByCallers)), pairs(p99_us, Rounds) =/= []
    ] ++
        [
            target(
                format("longest put while a snapshot of ~s nodes is written", [Nodes]),
                {at_most, 50},
                Longest / 1000,
                ms,
                OfPeer(?PEER_LONGEST_PUT)
            ),
            target(
                format("open with ~s nodes, after SIGKILL", [Nodes]),
                {at_most, 3000},
                median([Ms || #{killed_ms := Ms} <- Opens]),
                ms,
                OfPeer(?PEER_OPEN)
            )
        ] ++
        [
            target(
                format("open with ~s of log besides, longer by", [log_size(Plan, Opens)]),
                {at_most, 3000},
                median(longer(Opens)),
                ms,
                ""
            )
         || longer(Opens) =/= []
        ].

%%% Parts of rows

row(Id, Name, Rates, Rounds, Beside) ->
    #{
        id => Id,
        name => Name,
        rates => spread(Rates),
        p50_us => median([Us || #{p50_us := Us} <- Rounds]),
        p99_us => median([Us || #{p99_us := Us} <- Rounds]),
        max_us => lists:max([Us || #{max_us := Us} <- Rounds]),
        beside => Beside,
        peer => ""
    }.

size(Id, Name, Unit, Values, Beside, Peer) ->
    #{id => Id, name => Name, unit => Unit, values => spread(Values), beside => Beside, peer => lists:flatten(Peer)}.

target(Name, Wanted, Measured, Unit, Peer) ->
    #{name => Name, wanted => Wanted, measured => Measured, unit => Unit, peer => Peer}.

rates(Rounds) ->
    [Rate || #{calls_per_s := Rate} <- Rounds].

pairs(Key, Rounds) ->
    [{maps:get(Key, Beside), maps:get(Key, Alone)} || #{beside := Beside, alone := Alone, is_alone := true} <- Rounds].

ratios(Pairs) ->
    [With / Without || {With, Without} <- Pairs].

compared([], []) ->
    "not compared: one was due without, too";
compared(P99s, Rates) ->
    {Ratio, Least, Most} = spread(ratios(P99s)),
    format("p99 ~.2f × without (~.2f–~.2f), rate ~.2f × without", [Ratio, Least, Most, median(ratios(Rates))]).

%% Says of what was to be without a snapshot where it was not.
due(Each) ->
    case length([is_not || #{is_alone := false} <- Each]) of
        0 -> "";
        1 when length(Each) =:= 1 -> " (a snapshot was due each time it was to be without one)";
        Count -> format(" (a snapshot was due all the same in ~b of ~b rounds)", [Count, length(Each)])
    end.

longer(Opens) ->
    [LogMs - KilledMs || #{log_ms := LogMs, killed_ms := KilledMs, has_log := true} <- Opens].

more(Opens) ->
    case {longer(Opens), length([has_not || #{has_log := false} <- Opens])} of
        {[], _} -> "not compared: a snapshot was due, and its log gone";
        {Longer, 0} -> format("~s more", [with_unit(ms, median(Longer))]);
        {Longer, Count} -> format("~s more (without ~b in which a snapshot was due)", [with_unit(ms, median(Longer)), Count])
    end.

%% What was wanted, where none had it.
log_size(#{log_bytes := Wanted}, Opens) ->
    Bytes =
        case [Bytes || #{log_bytes := Bytes, has_log := true} <- Opens] of
            [] -> Wanted;
            Measured -> median(Measured)
        end,
    format("~b MB", [round(Bytes / 1.0e6)]).

who(0) -> "nobody puts";
who(Callers) -> format("~b ~s put", [Callers, callers(Callers)]).

each(_GrowthBytes, 0) -> "";
each(GrowthBytes, PutCount) -> format(", ~s B each", [thousands(GrowthBytes / PutCount)]).

callers(1) -> "caller";
callers(_) -> "callers".

id(Format, Number) ->
    list_to_atom(format(Format, [Number])).
