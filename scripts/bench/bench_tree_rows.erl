%% @doc The rows and the targets of the table "The tree", from what `bench_tree' and `bench_vm:large_store/3' measured.
%%
%% A ratio is the median of the ratios of the rounds.
-module(bench_tree_rows).

-export([rows/2, targets/2]).

-export_type([row/0, large/0]).

-import(bench_number, [median/1, spread/1, thousands/1, format/2]).

-type row() :: #{
    id := atom(),
    name := string(),
    unit := bench_number:unit(),
    values := bench_number:spread(),
    beside := string(),
    peer := string(),
    %% The number in `beside', for a reader of the JSON.
    ratio => float(),
    lists_per_s => float()
}.
%% `bench_vm:large()' with `node_count' and `loader_count'.
-type large() :: map().

%% Source: design/peers.md. Its siblings had maps as values; its puts beside a lister were of one putter, and the lister
%% listed 10,000 children. Keys with a number hold for that number of nodes only.
-define(PEER, #{
    {subtree, 10000} => "87 ms",
    {subtree, 100000} => "1.44 s",
    {half, map, 100000} => "845 ms",
    {list, map, 100000} => "355 ms",
    {ets_list, map, 100000} => "231 ms",
    beside => "0.04 × alone (one putter, 10,000 children)",
    memory => "1.8–3.1 KB",
    {longest_put, 100000} => "66–90 ms",
    {longest_put, 1000000} => "0.86–1.7 s"
}).

-spec rows(bench_tree:measured(), large()) -> [row()].
rows(Measured, Large) ->
    subtree_rows(Measured) ++
        half_rows(Measured) ++
        watcher_rows(Measured) ++
        list_rows(Measured) ++
        walk_rows(Measured) ++
        beside_rows(Measured) ++
        condition_rows(Measured) ++
        large_rows(Large).

subtree_rows(#{subtrees := Subtrees}) ->
    Rounds = lists:append(maps:values(Subtrees)),
    [row(tree_put, "put, 1 caller, p50, in turns with the deletes", us, [Us || #{put_us := Us} <- Rounds])] ++
        [
            beside(
                delete_ratios(OfSize),
                "one put",
                row(
                    id("delete_~b", [NodeCount]),
                    format("delete, subtree of ~s nodes", [thousands(NodeCount)]),
                    us,
                    [Us || #{delete_us := Us} <- OfSize],
                    peer({subtree, NodeCount})
                )
            )
         || {NodeCount, OfSize} <- lists:sort(maps:to_list(Subtrees))
        ].

half_rows(#{halves := Halves, plan := #{child_count := Count}}) ->
    lists:append([
        [
            row(
                id("ets_delete_half_~s", [Kind]),
                format("floor: ets:select_delete, half of ~s rows, ~s", [thousands(Count), of_kind(Kind)]),
                ms,
                ms(ets_us, Rounds)
            ),
            beside(
                ratios(delete_us, ets_us, Rounds),
                "ets:select_delete",
                row(
                    id("delete_half_~s", [Kind]),
                    format("delete_many, half of ~s siblings, ~s", [thousands(Count), of_kind(Kind)]),
                    ms,
                    ms(delete_us, Rounds),
                    peer({half, Kind, Count})
                )
            )
        ]
     || {Kind, Rounds} <- by_kind([tuple, map], Halves)
    ]).

watcher_rows(#{watchers := Rounds, plan := #{watcher_count := Count}}) ->
    Name = format("delete, one node, and ~s others that are kept while it exists", [thousands(Count)]),
    [beside(delete_ratios(Rounds), "one put", row(delete_watched, Name, ms, ms(delete_us, Rounds)))].

list_rows(#{lists := Lists, plan := #{child_count := Count}}) ->
    lists:append([
        [
            row(
                id("ets_list_~s", [Kind]),
                format("floor: ets:select, ~s rows, into a list, ~s", [thousands(Count), of_kind(Kind)]),
                ms,
                ms(ets_list_us, Rounds),
                peer({ets_list, Kind, Count})
            ),
            row(
                id("ets_map_~s", [Kind]),
                format("floor: ets:select, ~s rows, into a map, ~s", [thousands(Count), of_kind(Kind)]),
                ms,
                ms(ets_map_us, Rounds)
            ),
            beside(
                ratios(list_us, ets_map_us, Rounds),
                "ets:select into a map",
                row(
                    id("list_~s", [Kind]),
                    format("get_many, ~s children, ~s", [thousands(Count), of_kind(Kind)]),
                    ms,
                    ms(list_us, Rounds),
                    peer({list, Kind, Count})
                )
            )
        ]
     || {Kind, Rounds} <- by_kind([integer, map], Lists)
    ]).

walk_rows(#{walks := Rounds, plan := #{child_count := Count, page_node_count := PageCount, few_child_count := Few}}) ->
    Children = thousands(Count),
    Page = thousands(PageCount),
    [
        row(fold, format("fold, ~s children, integers", [Children]), ms, ms(fold_us, Rounds)),
        row(page, format("get_many, a page of ~s of them", [Page]), us, us(page_us, Rounds)),
        row(
            pages,
            format("get_many, all of them, in pages of ~s", [Page]),
            ms,
            ms(pages_us, Rounds)
        ),
        beside(
            ratios(count_us, count_few_us, Rounds),
            format("of ~s children", [thousands(Few)]),
            row(count, format("count, ~s children", [Children]), us, us(count_us, Rounds))
        )
    ].

beside_rows(#{besides := Rounds, putter_count := Putters, plan := #{child_count := Count}}) ->
    Put = format("put, ~b callers", [Putters]),
    Children = thousands(Count),
    [
        row(beside_nobody, Put ++ ", in turns with the next two", per_s, put_rates(alone, Rounds)),
        beside_row(
            ets, format("floor: ~s, while a process lists ~s rows of ets", [Put, Children]), "", Rounds
        ),
        beside_row(
            list, format("~s, while a process lists ~s children", [Put, Children]), peer(beside), Rounds
        )
    ].

beside_row(Kind, Name, Peer, Rounds) ->
    Reads = median([PerS || #{Kind := #{reads_per_s := PerS}} <- Rounds]),
    Row = beside(
        beside_ratios(Kind, Rounds),
        "alone",
        row(id("beside_~s", [Kind]), Name, per_s, put_rates(Kind, Rounds), Peer)
    ),
    Row#{beside := format("~ts; ~.1f lists/s", [maps:get(beside, Row), Reads]), lists_per_s => Reads}.

condition_rows(#{conditions := Rounds}) ->
    P50s = fun(Kind) -> [Us || #{Kind := #{p50_us := Us}} <- Rounds] end,
    Row = fun(Kind, Name) ->
        Ratios = [Us / PlainUs || #{Kind := #{p50_us := Us}, plain := #{p50_us := PlainUs}} <- Rounds],
        beside(Ratios, "the plain put", row(Kind, Name, us, P50s(Kind)))
    end,
    [
        row(plain, "put, 1 caller, p50, in turns with the next two", us, P50s(plain)),
        Row(compare_and_swap, "compare_and_swap, 1 caller, p50"),
        Row(payload_version, "put with #if_payload_version{} in its path, 1 caller, p50")
    ].

large_rows(#{node_count := NodeCount, loader_count := Loaders} = Large) ->
    Nodes = thousands(NodeCount),
    While = format("while ~b callers load ~s nodes", [Loaders, Nodes]),
    Row = fun(Id, Name, Unit, Value, Peer) -> row(Id, Name, Unit, [Value], Peer) end,
    #{put_p50_us := P50Us, put_p99_us := P99Us, put_max_us := MaxUs} = Large,
    [
        Row(
            large_memory,
            format("resident memory per node, with ~s nodes", [Nodes]),
            bytes,
            maps:get(resident_bytes_per_node, Large),
            peer(memory)
        ),
        Row(large_memory_peak, "  at its peak while loading", bytes, maps:get(peak_bytes_per_node, Large), ""),
        Row(
            large_load,
            format("load, with ~s nodes, ~b callers", [Nodes, Loaders]),
            ms,
            maps:get(load_ms, Large),
            ""
        ),
        Row(large_put_p50, "put, p50, " ++ While, us, P50Us, ""),
        Row(large_put_p99, "put, p99, " ++ While, us, P99Us, ""),
        Row(large_put_max, "longest put " ++ While, ms, MaxUs / 1000, peer({longest_put, NodeCount}))
    ].

%% @doc What issue 3 asks for.
-spec targets(bench_tree:measured(), large()) -> [bench_report:target()].
targets(#{plan := #{child_count := Count}} = Measured, Large) ->
    #{subtrees := Subtrees, halves := Halves, lists := Lists, besides := Besides, putter_count := Putters} = Measured,
    #{node_count := NodeCount, put_max_us := MaxUs} = Large,
    Children = thousands(Count),
    [
        target(
            format("delete, subtree of ~s nodes", [thousands(Size)]),
            {at_most, 3},
            median(delete_ratios(Rounds)),
            puts,
            peer({subtree, Size})
        )
     || {Size, Rounds} <- lists:sort(maps:to_list(Subtrees))
    ] ++
        [
            target(
                format("delete_many, half of ~s siblings, ~s", [Children, of_kind(Kind)]),
                {at_most, 150},
                median(ms(delete_us, Rounds)),
                ms,
                peer({half, Kind, Count})
            )
         || {Kind, Rounds} <- by_kind([tuple, map], Halves)
        ] ++
        [
            target(
                format("get_many, ~s children, ~s", [Children, of_kind(Kind)]),
                {at_most, 250},
                median(ms(list_us, Rounds)),
                ms,
                peer({list, Kind, Count})
            )
         || {Kind, Rounds} <- by_kind([integer, map], Lists)
        ] ++
        [
            target(
                format("put, ~b callers, while a process lists ~s children, beside alone", [Putters, Children]),
                {at_least, 0.5},
                median(beside_ratios(list, Besides)),
                times,
                peer(beside)
            ),
            target(
                format("longest put while loading ~s nodes", [thousands(NodeCount)]),
                {at_most, 50},
                MaxUs / 1000,
                ms,
                peer({longest_put, NodeCount})
            )
        ].

target(Name, Wanted, Measured, Unit, Peer) ->
    #{name => Name, wanted => Wanted, measured => Measured, unit => Unit, peer => Peer}.

%%% Parts of rows

row(Id, Name, Unit, Values) ->
    row(Id, Name, Unit, Values, "").

row(Id, Name, Unit, Values, Peer) ->
    #{id => Id, name => Name, unit => Unit, values => spread(Values), beside => "", peer => Peer}.

beside(Ratios, What, Row) ->
    {Ratio, Least, Most} = spread(Ratios),
    Range = [format(" (~.2f–~.2f)", [float(Least), float(Most)]) || Least < Most],
    Row#{beside := format("~.2f × ~ts~ts", [Ratio, What, Range]), ratio => Ratio}.

id(Format, Arguments) ->
    list_to_atom(format(Format, Arguments)).

of_kind(integer) -> "integers";
of_kind(tuple) -> "tuples";
of_kind(map) -> "maps of 8 keys".

by_kind(Kinds, Measured) ->
    [{Kind, maps:get(Kind, Measured)} || Kind <- Kinds].

us(Key, Rounds) ->
    [maps:get(Key, Round) || Round <- Rounds].

ms(Key, Rounds) ->
    [Us / 1000 || Us <- us(Key, Rounds)].

ratios(Key, FloorKey, Rounds) ->
    [maps:get(Key, Round) / maps:get(FloorKey, Round) || Round <- Rounds].

delete_ratios(Rounds) ->
    ratios(delete_us, put_us, Rounds).

put_rates(Kind, Rounds) ->
    [Rate || #{Kind := #{round := #{calls_per_s := Rate}}} <- Rounds].

beside_ratios(Kind, Rounds) ->
    lists:zipwith(fun(Rate, Alone) -> Rate / Alone end, put_rates(Kind, Rounds), put_rates(alone, Rounds)).

peer(Key) ->
    maps:get(Key, ?PEER, "").
