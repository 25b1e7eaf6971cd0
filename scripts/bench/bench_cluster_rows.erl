%% @doc The rows and the targets of the tables "Three nodes", from what `bench_cluster:measure/4' measured.
%%
%% A ratio is the median of the ratios of the rounds.
-module(bench_cluster_rows).

-export([call_rows/1, time_rows/1, targets/1]).

-import(bench_number, [median/1, spread/1, thousands/1, with_unit/2, format/2]).

%% Source: design/peers.md: three nodes on one machine of two cores, too.
-define(PEER, #{
    message => "p50 142–208 µs",
    {put, leader, 1} => "447/s, p50 1.8 ms",
    {put, leader, 16} => "2,480/s",
    {put, leader, 128} => "4,987/s",
    {put, follower, 1} => "428/s",
    {put, follower, 16} => "1,876/s",
    {put, follower, 128} => "3,491/s",
    {get, follower, 1} => "1,141–6,123/s",
    {get, follower, 16} => "15,239/s",
    {get, follower, 128} => "12,521/s",
    kill => "416 ms (218–615)",
    pause => "2–3 s"
}).
%% "Within the election time-out": the longest that a member waits for a leader that says nothing.
-define(ELECTION_TIMEOUT_MS_MAX, 2000).

%% @doc Floors, puts, gets, transactions, and puts beside a member that catches up.
-spec call_rows(bench_cluster:measured()) -> [bench_transaction_rows:row()].
call_rows(#{writes := Writes, reads := Reads} = Measured) ->
    AllWrites = lists:append(maps:values(Writes)),
    Floors = [Floor || #{floor := Floor} <- AllWrites],
    FloorRates = [1.0e6 / MeanUs || #{mean_us := MeanUs} <- Floors],
    Messages = [Message || #{message := Message} <- AllWrites ++ lists:append(maps:values(Reads))],
    [
        row(cluster_floor, "floor: write 300 B + fdatasync, growing file", FloorRates, Floors, "", ""),
        row(cluster_message, "floor: message there and back, two of the nodes, 1 process", Messages, peer(message))
    ] ++
        lists:append([write_rows(Callers, Rounds) || {Callers, Rounds} <- lists:sort(maps:to_list(Writes))]) ++
        lists:append([read_rows(Callers, Rounds) || {Callers, Rounds} <- lists:sort(maps:to_list(Reads))]) ++
        update_rows(Measured) ++ catch_up_put_rows(Measured).

write_rows(Callers, Rounds) ->
    Alone = format("floor: put, a store of the leader's node alone, ~ts, in turns with the next two", [callers(Callers)]),
    [
        row(id("cluster_put_alone_~b", [Callers]), Alone, of_kind(alone, Rounds), "")
        | [
            write_row(Callers, Where, Rounds)
         || Where <- [leader, follower]
        ]
    ].

%% One caller waits for the disk and for a message there and back. Of many it is the rate that counts.
write_row(Callers, Where, Rounds) ->
    Row = row(
        id("cluster_put_~s_~b", [Where, Callers]),
        format("put, three nodes, ~ts, ~ts", [from(Where), callers(Callers)]),
        of_kind(Where, Rounds),
        peer({put, Where, Callers})
    ),
    Ratios = ratios(Callers, of_kind(Where, Rounds), of_kind(alone, Rounds)),
    case Callers of
        1 ->
            OfFloors = floor_ratios(Where, Rounds),
            Text = format("~ts × the put alone, p50; ~ts × (write + message)", [ratio_text(Ratios), ratio_text(OfFloors)]),
            Row#{beside := Text, ratio => median(Ratios), ratio_floor => median(OfFloors)};
        _ ->
            Row#{beside := format("~ts × the rate of the put alone", [ratio_text(Ratios)]), ratio => median(Ratios)}
    end.

floor_ratios(Where, Rounds) ->
    [
        Us / (FloorUs + MessageUs)
     || #{Where := #{p50_us := Us}, floor := #{p50_us := FloorUs}, message := #{p50_us := MessageUs}} <- Rounds
    ].

read_rows(Callers, Rounds) ->
    Local = format("get, default, ~ts, ~ts, in turns with the next two", [on(follower), callers(Callers)]),
    [
        row(id("cluster_get_local_~b", [Callers]), Local, of_kind(local, Rounds), "")
        | [
            read_row(Callers, Where, Rounds)
         || Where <- [leader, follower]
        ]
    ].

read_row(Callers, Where, Rounds) ->
    Row = row(
        id("cluster_get_~s_~b", [Where, Callers]),
        format("get, favor => consistency, ~ts, ~ts", [on(Where), callers(Callers)]),
        of_kind(Where, Rounds),
        peer({get, Where, Callers})
    ),
    case Callers of
        1 ->
            Ratios = ratios(1, of_kind(Where, Rounds), of_kind(message, Rounds)),
            Row#{beside := format("~ts × message there and back, p50", [ratio_text(Ratios)]), ratio => median(Ratios)};
        _ ->
            Ratios = ratios(Callers, of_kind(Where, Rounds), of_kind(local, Rounds)),
            Row#{beside := format("~ts × the rate of the default", [ratio_text(Ratios)]), ratio => median(Ratios)}
    end.

update_rows(#{updates := Rounds, plan := #{transaction_caller_count := Callers, queue_count := QueueCount}}) ->
    [
        begin
            Counted = [maps:get({Kind, Where}, Round) || Round <- Rounds],
            Calls = [Each || #{round := Each} <- Counted],
            Of =
                case Kind of
                    hot -> "one hot key";
                    random -> format("one of ~s", [thousands(QueueCount)])
                end,
            Runs = lists:sum([Count || #{run_count := Count} <- Counted]),
            Successes = lists:sum([Count || #{call_count := Count} <- Calls]),
            (row(
                id("cluster_tx_~s_~s", [Kind, Where]),
                format("transaction, read-modify-write, ~ts, ~ts, ~ts", [Of, from(Where), callers(Callers)]),
                Calls,
                ""
            ))#{runs_per_success => Runs / Successes}
        end
     || Kind <- [hot, random], Where <- [leader, follower]
    ].

catch_up_put_rows(#{catch_ups := CatchUps, plan := #{large_node_count := NodeCount, writer_count := Callers}}) ->
    {Alone, Beside} = {of_kind(alone, CatchUps), of_kind(beside, CatchUps)},
    Put = format("put, one of ~s nodes, two nodes, ~ts, ~ts", [thousands(NodeCount), from(leader), callers(Callers)]),
    Rates = ratios(Callers, Beside, Alone),
    P99s = [With / Without || {#{p99_us := With}, #{p99_us := Without}} <- lists:zip(Beside, Alone)],
    [
        row(cluster_catch_up_alone, Put ++ ", in turns with the next", Alone, ""),
        (row(cluster_catch_up_beside, Put ++ ", while a blank third one catches up", Beside, ""))#{
            beside := format("rate ~ts × without, p99 ~ts × without", [ratio_text(Rates), ratio_text(P99s)]),
            ratio => median(Rates)
        }
    ].

%% @doc Losing the leader, and how long catching up takes.
-spec time_rows(bench_cluster:measured()) -> [bench_tree_rows:row()].
time_rows(#{losses := Losses, catch_ups := CatchUps, plan := Plan}) ->
    #{large_node_count := NodeCount, writer_count := Callers} = Plan,
    Longer = [BusyMs / QuietMs || #{busy_ms := BusyMs, quiet_ms := QuietMs} <- CatchUps],
    lists:append([loss_rows(Kind, maps:get(Kind, Losses), Plan) || Kind <- [kill, stop, pause]]) ++
        [
            time_row(
                cluster_catch_up_quiet,
                format("a blank member catches up, ~s nodes, nobody writes", [thousands(NodeCount)]),
                [Ms || #{quiet_ms := Ms} <- CatchUps],
                "",
                ""
            ),
            time_row(
                cluster_catch_up_busy,
                format("a blank member catches up, ~s nodes, ~ts put to the leader", [thousands(NodeCount), callers(Callers)]),
                [Ms || #{busy_ms := Ms} <- CatchUps],
                format("~ts × while nobody writes", [ratio_text(Longer)]),
                ""
            )
        ].

loss_rows(Kind, Losses, #{writer_count := Writers}) ->
    Successes = lists:sum([Count || #{success_count := Count} <- Losses]),
    Failures = lists:sum([Count || #{failure_count := Count} <- Losses]),
    Calm = median([Ms || #{calm_gap_ms := Ms} <- Losses]),
    Next = time_row(
        id("cluster_~s_next", [Kind]),
        format("~ts, until the next put of a survivor is answered", [fault(Kind)]),
        [Ms || #{next_ms := Ms} <- Losses],
        "",
        peer(Kind)
    ),
    Gap = time_row(
        id("cluster_~s_gap", [Kind]),
        format("~ts, longest time without a put of the ~b writers of a survivor", [fault(Kind), Writers]),
        [Ms || #{gap_ms := Ms} <- Losses],
        format("~ts before it; ~s puts, ~s failed", [
            with_unit(ms, Calm), thousands(Successes + Failures), thousands(Failures)
        ]),
        ""
    ),
    [Next, Gap].

fault(kill) -> "leader's node killed (SIGKILL)";
fault(stop) -> "leader's store stopped in order";
fault(pause) -> "leader's node stands still (SIGSTOP)".

%% @doc What issue 6 asks for.
-spec targets(bench_cluster:measured()) -> [bench_report:target()].
targets(#{writes := Writes, reads := Reads, losses := Losses}) ->
    Rate = fun(Where, Rounds) -> median([PerS || #{calls_per_s := PerS} <- of_kind(Where, Rounds)]) end,
    P50Us = fun(Where) -> median([Us || #{p50_us := Us} <- of_kind(Where, maps:get(1, Writes))]) end,
    Loss = fun(Key, Kind) -> median([maps:get(Key, Each) || Each <- maps:get(Kind, Losses)]) end,
    [
        target("put, three nodes, leader, 128 callers", {at_least, 15000}, Rate(leader, maps:get(128, Writes)), per_s, "4,987/s"),
        target("put, three nodes, follower, 128 callers", {at_least, 10000}, Rate(follower, maps:get(128, Writes)), per_s, "3,491/s"),
        target("put, three nodes, leader, 1 caller, p50", {at_most, 1200}, P50Us(leader), us, "1.8 ms"),
        target("put, three nodes, follower, 1 caller, p50", {at_most, 1200}, P50Us(follower), us, ""),
        target(
            "get, favor => consistency, follower, 128 callers",
            {at_least, 60000},
            Rate(follower, maps:get(128, Reads)),
            per_s,
            "12,521/s, not confirmed by a quorum"
        ),
        target("leader's node killed, until the next put", {at_most, 300}, Loss(next_ms, kill), ms, peer(kill)),
        target("leader's store stopped in order, longest time without a put", {at_most, 50}, Loss(gap_ms, stop), ms, ""),
        target(
            "leader's node stands still, until the next put",
            {at_most, ?ELECTION_TIMEOUT_MS_MAX},
            Loss(next_ms, pause),
            ms,
            peer(pause)
        )
    ].

target(Name, Wanted, Measured, Unit, Peer) ->
    #{name => Name, wanted => Wanted, measured => Measured, unit => Unit, peer => Peer}.

%%% Parts of rows

row(Id, Name, Rounds, Peer) ->
    row(Id, Name, [PerS || #{calls_per_s := PerS} <- Rounds], Rounds, "", Peer).

row(Id, Name, Rates, Rounds, Beside, Peer) ->
    #{
        id => Id,
        name => Name,
        rates => spread(Rates),
        p50_us => median([Us || #{p50_us := Us} <- Rounds]),
        p99_us => median([Us || #{p99_us := Us} <- Rounds]),
        max_us => lists:max([Us || #{max_us := Us} <- Rounds]),
        beside => Beside,
        peer => Peer
    }.

time_row(Id, Name, Values, Beside, Peer) ->
    #{id => Id, name => Name, unit => ms, values => spread(Values), beside => Beside, peer => Peer}.

of_kind(Kind, Rounds) ->
    [maps:get(Kind, Round) || Round <- Rounds].

%% With one caller what is compared is how long a call takes, with many how many there are.
ratios(1, Rounds, Beside) ->
    [Us / BesideUs || {#{p50_us := Us}, #{p50_us := BesideUs}} <- lists:zip(Rounds, Beside)];
ratios(_Callers, Rounds, Beside) ->
    [PerS / BesidePerS || {#{calls_per_s := PerS}, #{calls_per_s := BesidePerS}} <- lists:zip(Rounds, Beside)].

ratio_text(Ratios) ->
    {Ratio, Least, Most} = spread(Ratios),
    Range = [format(" (~.2f–~.2f)", [float(Least), float(Most)]) || Least < Most],
    format("~.2f~ts", [Ratio, Range]).

from(leader) -> "from the leader";
from(follower) -> "from a follower".

on(leader) -> "on the leader";
on(follower) -> "on a follower".

callers(1) -> "1 caller";
callers(Count) -> format("~b callers", [Count]).

id(Format, Arguments) ->
    list_to_atom(format(Format, Arguments)).

peer(Key) ->
    maps:get(Key, ?PEER, "").
