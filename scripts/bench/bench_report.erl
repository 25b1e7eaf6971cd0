%% @doc What the benchmark prints: tables in Markdown, targets with their verdicts, lines of JSON where asked
%% for.
%%
%% A missed target is printed as such and is no error.
-module(bench_report).

-export([print_facts/1, print/2]).
%% For its tests.
-export([verdict/1]).

-export_type([target/0]).

-import(bench_number, [median/1, spread/1, with_unit/2, microseconds/1, thousands/1, format/2]).

-type facts() :: [{atom(), iodata()}].
-type target() :: #{
    name := string(),
    wanted := {at_most | below | at_least, number()},
    measured := number(),
    unit := bench_number:unit(),
    peer := string()
}.

%% Source: design/peers.md. Khepri 0.19.0-beta.1 with Ra 3.1.10 on OTP 27, two cores, ext4 on a virtual disk,
%% November 2026; paths, size of the value and numbers of callers as here. The floors are those of that
%% machine.
-define(PEER_NAME, "Khepri 0.19.0-beta.1 and Ra 3.1.10 on another machine of two cores (design/peers.md)").
-define(PEER, #{
    {put, 1} => "1,739/s, p50 447 µs, p99 3.0 ms",
    {put, 16} => "11,245/s, p50 1.27 ms",
    {put, 128} => "22,924/s, p50 4.9 ms, p99 16 ms",
    {get, 1} => "114,000/s, p50 7.9 µs",
    {get, 16} => "169,000/s, p50 68 µs",
    {get, 128} => "159,000/s, p50 751 µs",
    growing => "p50 240–305 µs",
    preallocated => "p50 184 µs",
    ets_lookup => "0.70 µs",
    nif => "0.03 µs",
    nif_dirty => "0.8–1.1 µs",
    message => "0.84 µs",
    memory => "1.8–3.1 KB",
    open_killed => "1.8 s from snapshot, 2.9 s from log"
}).

%% Processors that others may use meanwhile: with more, the closing line warns.
-define(DISTURBANCE_MAX, 0.2).

-spec print_facts(facts()) -> ok.
print_facts(Facts) ->
    io:format("# Pando benchmark~n~n"),
    [
        io:format("- ~ts: ~ts~n", [string:replace(atom_to_list(Key), "_", " "), Text])
     || {Key, Text} <- Facts, Text =/= ""
    ],
    io:format("- peer: ~ts~n", [?PEER_NAME]).

%% @doc Prints all that was measured; appends to `$BENCH_JSON'.
-spec print(map(), facts()) -> ok.
print(Measured, Facts) ->
    Calls = call_rows(Measured),
    Sizes = size_rows(Measured),
    #{transactions := Transactions, tree := Tree, large := Large, snapshots := Snapshots, cluster := Cluster, backends := Backends} = Measured,
    TransactionRows = bench_transaction_rows:rows(Transactions),
    TreeRows = bench_tree_rows:rows(Tree, Large),
    PutRows = bench_snapshot_rows:put_rows(Snapshots),
    SnapshotRows = bench_snapshot_rows:size_rows(Snapshots),
    ClusterCalls = bench_cluster_rows:call_rows(Cluster),
    ClusterTimes = bench_cluster_rows:time_rows(Cluster),
    BackendCalls = bench_backend_rows:call_rows(Backends),
    BackendTimes = bench_backend_rows:time_rows(Backends),
    Targets =
        targets(Measured) ++ bench_transaction_rows:targets(Transactions) ++ bench_tree_rows:targets(Tree, Large) ++
            bench_snapshot_rows:targets(Snapshots) ++ bench_cluster_rows:targets(Cluster) ++
            bench_backend_rows:targets(Backends),
    io:format("~n## Calls, and the floors under them~n~n"),
    table(
        ["", "calls/s", "least–greatest", "mean µs", "p50 µs", "p99 µs", "max µs", "beside its floor", "peer"],
        [call_cells(Row) || Row <- Calls]
    ),
    io:format("~n## Transactions~n~n"),
    table(
        ["", "calls/s", "least–greatest", "p50 µs", "p99 µs", "max µs", "runs each", "beside its floor", "peer"],
        [transaction_cells(Row) || Row <- TransactionRows]
    ),
    io:format("~n## The tree~n~n"),
    table(["", "median", "least–greatest", "beside its floor", "peer"], [tree_cells(Row) || Row <- TreeRows]),
    io:format("~n## Memory, disk, opening~n~n"),
    table(["", "median", "least–greatest", "peer"], [size_cells(Row) || Row <- Sizes]),
    io:format("~n## Snapshots~n~n"),
    table(
        ["", "calls/s", "least–greatest", "p50 µs", "p99 µs", "max µs", "beside its floor"],
        [put_cells(Row) || Row <- PutRows]
    ),
    io:format("~n"),
    table(["", "median", "least–greatest", "beside its floor", "peer"], [tree_cells(Row) || Row <- SnapshotRows]),
    io:format("~n## Three nodes~n~n"),
    table(
        ["", "calls/s", "least–greatest", "p50 µs", "p99 µs", "max µs", "runs each", "beside its floor", "peer"],
        [transaction_cells(Row) || Row <- ClusterCalls]
    ),
    io:format("~n"),
    table(["", "median", "least–greatest", "beside its floor", "peer"], [tree_cells(Row) || Row <- ClusterTimes]),
    io:format("~n## Backends~n~n"),
    table(
        ["", "calls/s", "least–greatest", "p50 µs", "p99 µs", "max µs", "runs each", "beside its floor", "peer"],
        [transaction_cells(Row) || Row <- BackendCalls]
    ),
    io:format("~n"),
    table(["", "median", "least–greatest", "beside its floor", "peer"], [tree_cells(Row) || Row <- BackendTimes]),
    io:format("~n## Targets~n~n"),
    table(
        ["target", "wanted", "measured", "measured/wanted", "peer", "verdict"],
        [target_cells(Target) || Target <- Targets]
    ),
    Met = length([met || Target <- Targets, verdict(Target) =:= met]),
    io:format("~n~b of ~b targets met.~n", [Met, length(Targets)]),
    print_disturbance(Measured),
    write_json(
        Facts,
        Calls,
        TransactionRows ++ PutRows ++ ClusterCalls ++ BackendCalls,
        Sizes,
        TreeRows ++ SnapshotRows ++ ClusterTimes ++ BackendTimes,
        Targets
    ).

%%% Rows

call_rows(#{pairs := Pairs, puts := Puts, gets := #{blocks := Blocks, harness := Harness, get := Gets}}) ->
    Floor = fun(Mode, Name) ->
        floor_row(Mode, Name, [maps:get(Mode, Pair) || Pair <- Pairs])
    end,
    BareRate = median([floor_rate(Pair) || #{growing := Pair} <- Pairs]),
    {Growing, GrowingLeast, GrowingMost} = spread(pair_ratios(growing, Pairs)),
    {Preallocated, _, _} = spread(pair_ratios(preallocated, Pairs)),
    PairText = format("~.2f × growing (~.2f–~.2f), ~.2f × preallocated", [
        Growing, GrowingLeast, GrowingMost, Preallocated
    ]),
    [
        Floor(growing, "floor: write 300 B + fdatasync, growing file"),
        Floor(preallocated, "floor: write 300 B + fdatasync, preallocated file"),
        (round_row(put, 1, [Put || #{put := Put} <- Pairs]))#{
            beside => PairText, ratio_growing => Growing, ratio_preallocated => Preallocated
        }
    ] ++
        [
            (round_row(put, Callers, Rounds))#{
                beside => format("~.1f × the rate of one bare writer", [rate(Rounds) / BareRate])
            }
         || {Callers, Rounds} <- lists:sort(maps:to_list(Puts))
        ] ++
        [
            block_row(empty, "harness: loop of the blocks", Blocks),
            block_row(nif, "floor: empty NIF, normal scheduler", Blocks),
            block_row(nif_dirty, "floor: empty NIF, dirty scheduler", Blocks),
            block_row(message, "floor: message there and back, two processes", Blocks),
            block_row(ets_lookup, "floor: ets:lookup, same key and term", Blocks),
            (block_row(get, "get, 1 caller, in blocks", Blocks))#{
                beside => format("~.2f × ets:lookup", [median(block_ratios(get, ets_lookup, Blocks))])
            }
        ] ++
        lists:append([
            [round_row(harness, Callers, maps:get(Callers, Harness)), round_row(get, Callers, Rounds)]
         || {Callers, Rounds} <- lists:sort(maps:to_list(Gets))
        ]).

floor_row(Id, Name, Floors) ->
    Rates = [floor_rate(Floor) || Floor <- Floors],
    MeanUs = median([MeanUs || #{mean_us := MeanUs} <- Floors]),
    (latencies(Floors))#{id => Id, name => Name, rates => spread(Rates), mean_us => MeanUs, peer => peer(Id)}.

%% One writer, one write after the other.
floor_rate(#{mean_us := MeanUs}) -> 1.0e6 / MeanUs.

round_row(Kind, Callers, Rounds) ->
    Rates = [Rate || #{calls_per_s := Rate} <- Rounds],
    (latencies(Rounds))#{
        id => list_to_atom(format("~s_~b", [Kind, Callers])),
        name => format("~s, ~b ~s", [round_name(Kind), Callers, callers(Callers)]),
        rates => spread(Rates),
        peer => peer({Kind, Callers})
    }.

round_name(harness) -> "harness: no call";
round_name(Kind) -> atom_to_list(Kind).

callers(1) -> "caller";
callers(_) -> "callers".

latencies(Rounds) ->
    #{
        p50_us => median([P50 || #{p50_us := P50} <- Rounds]),
        p99_us => median([P99 || #{p99_us := P99} <- Rounds]),
        max_us => lists:max([Max || #{max_us := Max} <- Rounds])
    }.

block_row(Id, Name, Blocks) ->
    Ns = [maps:get(Id, Block) || Block <- Blocks],
    #{
        id => list_to_atom("block_" ++ atom_to_list(Id)),
        name => Name,
        rates => spread([1.0e9 / Each || Each <- Ns]),
        mean_us => median(Ns) / 1000,
        peer => peer(Id)
    }.

pair_ratios(Mode, Pairs) ->
    [PutUs / FloorUs || #{put := #{p50_us := PutUs}, Mode := #{p50_us := FloorUs}} <- Pairs].

block_ratios(Figure, Floor, Blocks) ->
    [Ns / FloorNs || #{Figure := Ns, Floor := FloorNs} <- Blocks].

rate(Rounds) ->
    median([Rate || #{calls_per_s := Rate} <- Rounds]).

size_rows(#{loaded := Loaded, empty := Empty, node_count := NodeCount}) ->
    With = fun(Text) -> format(Text ++ " with ~s nodes", [thousands(NodeCount)]) end,
    [
        size_row(memory, With("resident memory per node,"), bytes, resident_bytes_per_node, Loaded),
        size_row(none, "  of it, by the VM's own count", bytes, vm_bytes_per_node, Loaded),
        size_row(none, "  at its peak while loading", bytes, peak_bytes_per_node, Loaded),
        size_row(none, "  after opening it again", bytes, resident_bytes_per_node_reopened, Loaded),
        size_row(none, "resident memory of a VM's first store, empty", bytes, resident_bytes_first_store, Loaded),
        size_row(none, "disk per node, after a clean stop", bytes, disk_bytes_per_node, Loaded),
        size_row(none, With("load,") ++ ", 128 callers", ms, load_ms, Loaded),
        size_row(none, With("open,") ++ ", after a clean stop", ms, open_ms_stopped, Loaded),
        size_row(open_killed, With("open,") ++ ", after SIGKILL", ms, open_ms_killed, Loaded),
        size_row(none, "open, new empty store", ms, create_ms, Empty),
        size_row(none, "open, existing empty store", ms, open_ms, Empty),
        size_row(none, "close, empty store", ms, close_ms, Empty)
    ].

size_row(PeerKey, Name, Unit, Key, Measured) ->
    #{
        id => Key,
        name => Name,
        unit => Unit,
        values => spread([maps:get(Key, Each) || Each <- Measured]),
        peer => peer(PeerKey)
    }.

targets(#{pairs := Pairs, puts := Puts, gets := #{get := Gets}, loaded := Loaded, empty := Empty}) ->
    Of = fun(Key, Measured) -> median([maps:get(Key, Each) || Each <- Measured]) end,
    Memory = Of(resident_bytes_per_node, Loaded),
    Reopened = Of(resident_bytes_per_node_reopened, Loaded),
    Stopped = Of(open_ms_stopped, Loaded),
    Killed = Of(open_ms_killed, Loaded),
    [
        #{
            name => "put, 1 caller, p50, beside write + fdatasync (growing file)",
            wanted => {at_most, 1.5},
            measured => median(pair_ratios(growing, Pairs)),
            unit => floors,
            peer => "447 µs, its floor 240–305 µs"
        },
        target("put, 128 callers", {at_least, 50000}, rate(maps:get(128, Puts)), per_s, "22,924/s"),
        target("get, exact path, 1 caller, p50", {at_most, 3}, Of(p50_us, maps:get(1, Gets)), us, "7.9 µs"),
        target("get, 16 callers", {at_least, 600000}, rate(maps:get(16, Gets)), per_s, "169,000/s"),
        target("resident memory per node", {at_most, 450}, Memory, bytes, peer(memory)),
        target("resident memory per node, opened again", {at_most, 450}, Reopened, bytes, ""),
        target("open with 100,000 nodes, after a clean stop", {at_most, 500}, Stopped, ms, ""),
        target("open with 100,000 nodes, after SIGKILL", {at_most, 500}, Killed, ms, peer(open_killed)),
        target("open, new empty store", {below, 50}, Of(create_ms, Empty), ms, ""),
        target("open, existing empty store", {below, 50}, Of(open_ms, Empty), ms, ""),
        target("close, empty store", {below, 50}, Of(close_ms, Empty), ms, "")
    ].

target(Name, Wanted, Measured, Unit, Peer) ->
    #{name => Name, wanted => Wanted, measured => Measured, unit => Unit, peer => Peer}.

%% @doc Whether a target is met.
-spec verdict(target()) -> met | missed.
verdict(#{wanted := {at_most, Limit}, measured := Measured}) when Measured =< Limit -> met;
verdict(#{wanted := {below, Limit}, measured := Measured}) when Measured < Limit -> met;
verdict(#{wanted := {at_least, Limit}, measured := Measured}) when Measured >= Limit -> met;
verdict(#{}) -> missed.

peer(Key) ->
    maps:get(Key, ?PEER, "").

%% Taken from the reads, that need nothing but this VM: while it writes, the kernel works for it.
print_disturbance(#{pairs := Pairs, gets := #{harness := Harness, get := Gets}}) ->
    Loads = [Load || Rounds <- maps:values(Harness) ++ maps:values(Gets), #{machine := Load} <- Rounds],
    {Other, _, OtherMost} = spread([Each || #{other := Each} <- Loads]),
    {Stolen, _, StolenMost} = spread([Each || #{stolen := Each} <- Loads]),
    io:format(
        "While get was measured, other processes used ~.2f processors (at most ~.2f in a round), the "
        "hypervisor took ~.2f (~.2f).~ts~n",
        [
            Other,
            OtherMost,
            Stolen,
            StolenMost,
            case OtherMost + StolenMost > ?DISTURBANCE_MAX of
                true -> " The machine was not quiet: do not trust these figures.";
                false -> ""
            end
        ]
    ),
    case median(pair_ratios(preallocated, Pairs)) < 1 of
        true ->
            io:format(
                "A put cannot be faster than a bare write + fdatasync: the floor was disturbed, and "
                "its ratios mean nothing.~n"
            );
        false ->
            ok
    end.

%%% Cells

call_cells(#{name := Name, rates := {Rate, Least, Most}} = Row) ->
    [
        Name,
        thousands(Rate),
        range(thousands(Least), thousands(Most)),
        us_or_blank(maps:get(mean_us, Row, none)),
        us_or_blank(maps:get(p50_us, Row, none)),
        us_or_blank(maps:get(p99_us, Row, none)),
        us_or_blank(maps:get(max_us, Row, none)),
        maps:get(beside, Row, ""),
        maps:get(peer, Row)
    ].

transaction_cells(#{p50_us := P50, p99_us := P99, max_us := Max, beside := Beside, peer := Peer} = Row) ->
    #{name := Name, rates := {Rate, Least, Most}} = Row,
    Runs = [format("~.3f", [Each]) || {ok, Each} <- [maps:find(runs_per_success, Row)]],
    [Name, thousands(Rate), range(thousands(Least), thousands(Most))] ++
        [microseconds(P50), microseconds(P99), microseconds(Max), lists:append(Runs), Beside, Peer].

put_cells(#{name := Name, rates := {Rate, Least, Most}, p50_us := P50, p99_us := P99, max_us := Max, beside := Beside}) ->
    [Name, thousands(Rate), range(thousands(Least), thousands(Most))] ++
        [microseconds(P50), microseconds(P99), microseconds(Max), Beside].

size_cells(#{name := Name, unit := Unit, values := {Median, Least, Most}, peer := Peer}) ->
    [Name, with_unit(Unit, Median), range(with_unit(Unit, Least), with_unit(Unit, Most)), Peer].

tree_cells(#{beside := Beside} = Row) ->
    [Name, Median, Range, Peer] = size_cells(Row),
    [Name, Median, Range, Beside, Peer].

target_cells(Target) ->
    #{name := Name, wanted := {Sense, Limit}, measured := Measured, unit := Unit, peer := Peer} = Target,
    [
        Name,
        format("~ts ~ts", [sense(Sense), with_unit(Unit, Limit)]),
        with_unit(Unit, Measured),
        format("~.2f", [Measured / Limit]),
        Peer,
        case verdict(Target) of
            met -> "met";
            missed -> "MISSED"
        end
    ].

sense(at_most) -> "≤";
sense(below) -> "<";
sense(at_least) -> "≥".

range(Same, Same) -> "";
range(Least, Most) -> Least ++ "–" ++ Most.

us_or_blank(none) -> "";
us_or_blank(Us) -> microseconds(Us).

%% Texts to the left, numbers to the right.
table(Headers, Rows) ->
    Widths = [
        lists:max([string:length(Cell) || Cell <- Column])
     || Column <- columns([Headers | Rows])
    ],
    Alignments = [alignment(Header) || Header <- Headers],
    Line = fun(Cells) ->
        Padded = [
            string:pad(Cell, Width, Alignment)
         || {Cell, Width, Alignment} <- lists:zip3(Cells, Widths, Alignments)
        ],
        io:format("| ~ts |~n", [lists:join(" | ", Padded)])
    end,
    Line(Headers),
    Rule = [rule(Width, Alignment) || {Width, Alignment} <- lists:zip(Widths, Alignments)],
    io:format("|~ts|~n", [lists:join("|", Rule)]),
    lists:foreach(Line, Rows).

columns([[] | _]) -> [];
columns(Rows) -> [[hd(Row) || Row <- Rows] | columns([tl(Row) || Row <- Rows])].

alignment(Header) ->
    case lists:member(Header, ["", "target", "beside its floor", "peer", "verdict"]) of
        true -> trailing;
        false -> leading
    end.

rule(Width, trailing) -> lists:duplicate(Width + 2, $-);
rule(Width, leading) -> lists:duplicate(Width + 1, $-) ++ ":".

%%% JSON

write_json(Facts, Calls, TransactionRows, Sizes, TreeRows, Targets) ->
    case os:getenv("BENCH_JSON", "") of
        "" ->
            ok;
        File ->
            Run = #{commit => proplists:get_value(commit, Facts), date => proplists:get_value(date, Facts)},
            Lines =
                [maps:from_list([{kind, "facts"} | Facts])] ++
                    [(spread_keys(calls_per_s, rates, Row))#{kind => "calls"} || Row <- Calls] ++
                    [(spread_keys(calls_per_s, rates, Row))#{kind => "transactions"} || Row <- TransactionRows] ++
                    [(spread_keys(value, values, Row))#{kind => "size"} || Row <- Sizes] ++
                    [(spread_keys(value, values, Row))#{kind => "tree"} || Row <- TreeRows] ++
                    [
                        Target#{
                            kind => "target",
                            wanted => Limit,
                            sense => Sense,
                            verdict => verdict(Target)
                        }
                     || #{wanted := {Sense, Limit}} = Target <- Targets
                    ],
            ok = file:write_file(File, [[json(maps:merge(Run, Line)), "\n"] || Line <- Lines], [append])
    end.

spread_keys(Name, Key, Row) ->
    #{Key := {Median, Least, Most}} = Row,
    Suffixed = fun(Suffix) -> list_to_atom(atom_to_list(Name) ++ Suffix) end,
    (maps:remove(Key, Row))#{Name => Median, Suffixed("_least") => Least, Suffixed("_greatest") => Most}.

json(Object) ->
    Member = fun({Key, Value}) -> [json_string(atom_to_list(Key)), ":", json_value(Value)] end,
    ["{", lists:join(",", lists:map(Member, lists:sort(maps:to_list(Object)))), "}"].

json_value(Value) when is_integer(Value) -> integer_to_list(Value);
json_value(Value) when is_float(Value) -> float_to_list(Value, [{decimals, 3}, compact]);
json_value(Value) when is_atom(Value) -> json_string(atom_to_list(Value));
json_value(Value) -> json_string(Value).

json_string(Text) ->
    Characters = unicode:characters_to_list(Text),
    [$", unicode:characters_to_binary([json_character(Character) || Character <- Characters]), $"].

json_character($") -> "\\\"";
json_character($\\) -> "\\\\";
json_character(Character) when Character < 32 -> io_lib:format("\\u~4.16.0b", [Character]);
json_character(Character) -> Character.
