%% @doc Measures what is about the tree as a tree: deletes of many nodes, lists of children, puts while somebody lists,
%% writes with conditions. `docs/benchmarks.md' explains the rows that `bench_tree_rows' makes of it.
%%
%% Each section has a store of its own, so that none works beside what another has left behind. What is compared is
%% measured in turns, and every answer is checked: what goes is gone, and what stays is there.
-module(bench_tree).

-export([plan/1, measure/3]).

-export_type([plan/0, measured/0, progress/0]).

-include("../../include/pando.hrl").

-type plan() :: #{
    %% One caller's puts before each delete, whose p50 is "one put".
    put_ms := pos_integer(),
    warm_up_ms := pos_integer(),
    subtree_round_count := pos_integer(),
    subtree_node_counts := [pos_integer()],
    %% Of one parent. Even.
    child_count := pos_integer(),
    half_round_count := pos_integer(),
    list_round_count := pos_integer(),
    page_node_count := pos_integer(),
    few_child_count := pos_integer(),
    count_ms := pos_integer(),
    beside_round_count := pos_integer(),
    beside_ms := pos_integer(),
    condition_round_count := pos_integer(),
    condition_ms := pos_integer(),
    watcher_round_count := pos_integer(),
    watcher_count := pos_integer()
}.
-type microseconds() :: float().
-type measured() :: #{
    plan := plan(),
    putter_count := pos_integer(),
    subtrees := #{NodeCount :: pos_integer() => [delete_round(), ...]},
    halves := #{tuple | map => [#{delete_us := microseconds(), ets_us := microseconds()}, ...]},
    lists := #{integer | map => [list_round(), ...]},
    walks := [walk_round(), ...],
    besides := [#{alone | ets | list => beside_round()}, ...],
    conditions := [#{plain | compare_and_swap | payload_version => bench_load:round()}, ...],
    watchers := [delete_round(), ...]
}.
-type delete_round() :: #{put_us := microseconds(), delete_us := microseconds()}.
-type list_round() :: #{list_us := microseconds(), ets_list_us := microseconds(), ets_map_us := microseconds()}.
-type walk_round() :: #{
    fold_us := microseconds(),
    page_us := microseconds(),
    pages_us := microseconds(),
    count_us := microseconds(),
    count_few_us := microseconds()
}.
-type beside_round() :: #{round := bench_load:round(), reads_per_s := float()}.
-type progress() :: fun((io:format(), [term()]) -> ok).

-define(LOADERS, 128).
%% Who put while another process lists.
-define(PUTTERS, 16).
%% Of many values, each so many is looked at.
-define(SAMPLE_STEP, 997).

-spec plan(quick | full) -> plan().
plan(quick) ->
    (plan(full))#{
        put_ms := 20,
        warm_up_ms := 200,
        subtree_round_count := 1,
        half_round_count := 1,
        list_round_count := 1,
        beside_round_count := 1,
        beside_ms := 500,
        condition_round_count := 1,
        condition_ms := 200,
        watcher_round_count := 1
    };
plan(full) ->
    #{
        put_ms => 50,
        warm_up_ms => 1000,
        subtree_round_count => 7,
        subtree_node_counts => [1000, 10000, 100000],
        child_count => 100000,
        half_round_count => 5,
        list_round_count => 5,
        page_node_count => 1000,
        few_child_count => 1000,
        count_ms => 50,
        beside_round_count => 3,
        beside_ms => 1500,
        condition_round_count => 5,
        condition_ms => 500,
        watcher_round_count => 5,
        watcher_count => 10000
    }.

%% @doc Runs all sections. `Directory' is made, and removed.
-spec measure(file:filename(), plan(), progress()) -> measured().
measure(Directory, Plan, Progress) ->
    Sections = [
        {subtrees, fun subtrees/2},
        {halves, fun halves/2},
        {lists, fun lists/2},
        {walks, fun walks/2},
        {besides, fun besides/2},
        {conditions, fun conditions/2},
        {watchers, fun watchers/2}
    ],
    Measured = maps:from_list([
        {Name, bench_store:with(Directory, fun() -> Section(Plan, Progress) end)}
     || {Name, Section} <- Sections
    ]),
    Measured#{plan => Plan, putter_count => ?PUTTERS}.

%%% Deletes

subtrees(#{subtree_round_count := Count, subtree_node_counts := NodeCounts, put_ms := PutMs}, Progress) ->
    ok = bench_store:load_queues(),
    Rounds = [
        begin
            Progress("delete of ~b nodes, round ~b of ~b", [NodeCount, Round, Count]),
            {NodeCount, subtree(NodeCount, PutMs)}
        end
     || Round <- lists:seq(1, Count), NodeCount <- NodeCounts
    ],
    maps:groups_from_list(fun({NodeCount, _}) -> NodeCount end, fun({_, Round}) -> Round end, Rounds).

subtree(NodeCount, PutMs) ->
    Subtree = [vhosts, <<"gone">>],
    Parent = Subtree ++ [queues],
    ok = put_children(Parent, {0, NodeCount - 1, 1}, fun queue/1),
    {ok, NodeCount} = pando:count(store(), children(Parent)),
    Round = timed_delete(Subtree, PutMs),
    false = pando:exists(store(), Subtree),
    {ok, 0} = pando:count(store(), children(Parent)),
    ok = bench_store:check_queues(),
    Round.

%% The put comes first: after a large delete a thread frees memory.
timed_delete(Path, PutMs) ->
    #{p50_us := PutUs} = bench_load:closed_loop(1, PutMs, bench_store:put_operation()),
    DeleteUs = bench_load:once(fun() -> pando:delete(store(), Path) end, fun(Answer) -> Answer =:= ok end),
    #{put_us => PutUs, delete_us => DeleteUs}.

halves(Plan, Progress) ->
    maps:from_list([
        {tuple, half_rounds(tuple, fun item/1, {item, '_', even}, Plan, Progress)},
        {map, half_rounds(map, fun typed_queue/1, #{type => quorum}, Plan, Progress)}
    ]).

%% The pattern matches the values of even numbers. Those of odd numbers stay for the next round.
half_rounds(Kind, Value, Pattern, #{child_count := Count, half_round_count := RoundCount}, Progress) ->
    Parent = [vhosts, atom_to_binary(Kind), queues],
    {Even, Odd} = {{0, Count - 1, 2}, {1, Count - 1, 2}},
    Table = ets:new(bench_halves, [ordered_set, public]),
    Put = fun(Numbers) ->
        ok = put_children(Parent, Numbers, Value),
        true = ets:insert(Table, rows(Parent, Numbers, Value))
    end,
    Put(Odd),
    Rounds = [
        begin
            Progress("delete of half of ~b siblings by a pattern (~s), round ~b of ~b", [
                Count, Kind, Round, RoundCount
            ]),
            Put(Even),
            {ok, Count} = pando:count(store(), children(Parent)),
            Half = half(Parent, Pattern, Table, Count div 2),
            {ok, Left} = pando:count(store(), children(Parent)),
            Left = Count div 2,
            [false = pando:exists(store(), child(Parent, Number)) || Number <- sample(Even)],
            [true = pando:get(store(), child(Parent, Number)) =:= {ok, Value(Number)} || Number <- sample(Odd)],
            Half
        end
     || Round <- lists:seq(1, RoundCount)
    ],
    true = ets:delete(Table),
    Rounds.

half(Parent, Pattern, Table, HalfCount) ->
    Matching = Parent ++ [#if_data_matches{pattern = Pattern}],
    DeleteUs = bench_load:once(
        fun() -> pando:delete_many(store(), Matching) end,
        fun(Answer) -> Answer =:= ok end
    ),
    Specification = [{{Parent ++ ['_'], Pattern}, [], [true]}],
    EtsUs = bench_load:once(
        fun() -> ets:select_delete(Table, Specification) end,
        fun(Deleted) -> Deleted =:= HalfCount end
    ),
    #{delete_us => DeleteUs, ets_us => EtsUs}.

watchers(#{watcher_round_count := RoundCount, watcher_count := Count, put_ms := PutMs}, Progress) ->
    ok = bench_store:load_queues(),
    [
        begin
            Progress("delete with ~b watchers, round ~b of ~b", [Count, Round, RoundCount]),
            watched(Count, PutMs)
        end
     || Round <- lists:seq(1, RoundCount)
    ].

watched(Count, PutMs) ->
    {Session, Locks} = {[sessions, <<"s1">>], [locks]},
    ok = pando:put(store(), Session, open),
    Options = #{keep_while => #{Session => #if_node_exists{}}},
    ok = bench_load:each(?LOADERS, Count, fun(Number) ->
        ok = pando:put(store(), child(Locks, Number), Number, Options)
    end),
    {ok, Count} = pando:count(store(), children(Locks)),
    Round = timed_delete(Session, PutMs),
    false = pando:exists(store(), Session),
    %% It had come with the first lock, and goes with the last.
    false = pando:exists(store(), Locks),
    ok = bench_store:check_queues(),
    Round.

%%% Lists

lists(Plan, Progress) ->
    maps:from_list([
        {integer, list_rounds(integer, fun integer/1, Plan, Progress)},
        {map, list_rounds(map, fun queue/1, Plan, Progress)}
    ]).

list_rounds(Kind, Value, #{child_count := Count, list_round_count := RoundCount}, Progress) ->
    Parent = [vhosts, atom_to_binary(Kind), queues],
    Numbers = {0, Count - 1, 1},
    ok = put_children(Parent, Numbers, Value),
    Table = ets_children(Parent, Numbers, Value),
    Sample = [{child(Parent, Number), Value(Number)} || Number <- sample(Numbers)],
    IsRight = fun(Found) ->
        map_size(Found) =:= Count andalso lists:all(fun({Path, Each}) -> map_get(Path, Found) =:= Each end, Sample)
    end,
    Rounds = [
        begin
            Progress("list of ~b children (~s), round ~b of ~b", [Count, Kind, Round, RoundCount]),
            #{
                list_us => bench_load:once(
                    fun() -> pando:get_many(store(), children(Parent)) end,
                    fun({ok, Found}) -> IsRight(Found) end
                ),
                ets_list_us => bench_load:once(
                    fun() -> ets_select(Table, Parent) end,
                    fun(Found) -> IsRight(maps:from_list(Found)) end
                ),
                ets_map_us => bench_load:once(fun() -> maps:from_list(ets_select(Table, Parent)) end, IsRight)
            }
        end
     || Round <- lists:seq(1, RoundCount)
    ],
    true = ets:delete(Table),
    Rounds.

ets_children(Parent, Numbers, Value) ->
    Table = ets:new(bench_children, [ordered_set, public, {read_concurrency, true}]),
    true = ets:insert(Table, rows(Parent, Numbers, Value)),
    Table.

ets_select(Table, Parent) ->
    ets:select(Table, [{{Parent ++ ['_'], '_'}, [], ['$_']}]).

walks(#{child_count := Count, few_child_count := FewCount, list_round_count := RoundCount} = Plan, Progress) ->
    Parent = [vhosts, <<"walked">>, queues],
    Few = [vhosts, <<"few">>, queues],
    ok = put_children(Parent, {0, Count - 1, 1}, fun integer/1),
    ok = put_children(Few, {0, FewCount - 1, 1}, fun integer/1),
    #{page_node_count := PageCount, count_ms := CountMs} = Plan,
    [
        begin
            Progress("fold, pages and count of ~b children, round ~b of ~b", [Count, Round, RoundCount]),
            {PageUs, PagesUs} = bench_load:in_process(fun() -> pages(Parent, Count, PageCount) end),
            #{
                fold_us => fold_us(Parent, Count),
                page_us => PageUs,
                pages_us => PagesUs,
                count_us => count_us(Parent, Count, CountMs),
                count_few_us => count_us(Few, FewCount, CountMs)
            }
        end
     || Round <- lists:seq(1, RoundCount)
    ].

fold_us(Parent, Count) ->
    Add = fun(_Path, #{data := Value}, Sum) -> Sum + Value end,
    bench_load:once(
        fun() -> pando:fold(store(), children(Parent), Add, 0) end,
        fun(Answer) -> Answer =:= {ok, Count * (Count - 1) div 2} end
    ).

%% All children, page by page: the median of a page, and the sum.
pages(Parent, Count, PageCount) ->
    Us = pages(children(Parent), Parent, Count, PageCount),
    {bench_number:median(Us), lists:sum(Us)}.

pages(_Pattern, _From, 0, _PageCount) ->
    [];
pages(Pattern, From, Left, PageCount) ->
    Begin = erlang:monotonic_time(nanosecond),
    {ok, Page} = pando:get_many(store(), Pattern, #{limit => PageCount, from => From}),
    End = erlang:monotonic_time(nanosecond),
    Paths = maps:keys(Page),
    Found = min(Left, PageCount),
    Found = length(Paths),
    true = lists:min(Paths) > From,
    [(End - Begin) / 1000 | pages(Pattern, lists:max(Paths), Left - Found, PageCount)].

count_us(Parent, Count, DurationMs) ->
    Patterns = lists:duplicate(100, children(Parent)),
    bench_load:block(fun(Pattern) -> {ok, Count} = pando:count(store(), Pattern) end, Patterns, DurationMs) / 1000.

%%% Puts while another process lists

besides(#{child_count := Count, beside_round_count := RoundCount, warm_up_ms := WarmUpMs} = Plan, Progress) ->
    Parent = [listed, <<"vh">>, queues],
    Numbers = {0, Count - 1, 1},
    ok = bench_store:load_queues(),
    ok = put_children(Parent, Numbers, fun integer/1),
    Table = ets_children(Parent, Numbers, fun integer/1),
    List = fun() ->
        {ok, Found} = pando:get_many(store(), children(Parent)),
        Count = map_size(Found)
    end,
    EtsList = fun() -> Count = map_size(maps:from_list(ets_select(Table, Parent))) end,
    _ = bench_load:closed_loop(?PUTTERS, WarmUpMs, bench_store:put_operation()),
    Rounds = [
        maps:from_list([
            begin
                Progress("puts beside a lister of ~b children (~s), round ~b of ~b", [Count, Kind, Round, RoundCount]),
                {Kind, beside(Repeated, Plan)}
            end
         || {Kind, Repeated} <- [{alone, none}, {ets, EtsList}, {list, List}]
        ])
     || Round <- lists:seq(1, RoundCount)
    ],
    ok = bench_store:check_queues(),
    true = ets:delete(Table),
    Rounds.

beside(none, #{beside_ms := Ms}) ->
    #{round => puts(Ms), reads_per_s => 0.0};
beside(Repeated, #{beside_ms := Ms}) ->
    {Round, PerS} = bench_load:beside(Repeated, fun() -> puts(Ms) end),
    #{round => Round, reads_per_s => PerS}.

puts(Ms) ->
    bench_load:closed_loop(?PUTTERS, Ms, bench_store:put_operation()).

%%% Puts with conditions

conditions(#{condition_round_count := RoundCount, condition_ms := Ms, warm_up_ms := WarmUpMs}, Progress) ->
    ok = bench_store:load_queues(),
    Versions = counters:new(bench_store:queue_count(), []),
    [counters:put(Versions, Index, 1) || Index <- lists:seq(1, bench_store:queue_count())],
    Operations = [{Kind, condition_operation(Kind, Versions)} || Kind <- [plain, compare_and_swap, payload_version]],
    Progress("puts with conditions, warm-up", []),
    [bench_load:closed_loop(1, WarmUpMs, Operation) || {_, Operation} <- Operations],
    [
        maps:from_list([
            begin
                Progress("puts with conditions (~s), round ~b of ~b", [Kind, Round, RoundCount]),
                {Kind, bench_load:closed_loop(1, Ms, Operation)}
            end
         || {Kind, Operation} <- Operations
        ])
     || Round <- lists:seq(1, RoundCount)
    ].

%% A queue's payload version also is the number its value was made with. There is one caller, and each of its puts is
%% applied, or the round fails: so the version is known beforehand.
condition_operation(Kind, Versions) ->
    #{
        prepare => fun(Random) ->
            Number = Random rem bench_store:queue_count(),
            Version = counters:get(Versions, Number + 1),
            ok = counters:add(Versions, Number + 1, 1),
            conditional_put(Kind, bench_store:path(Number), Number, Version)
        end,
        call => fun
            ({swap, Path, Old, New}) -> pando:compare_and_swap(store(), Path, Old, New);
            ({put, Path, New}) -> pando:put(store(), Path, New)
        end,
        is_right => fun(_, Answer) -> Answer =:= ok end
    }.

conditional_put(plain, Path, Number, Version) ->
    {put, Path, bench_data:value(Number, Version + 1)};
conditional_put(compare_and_swap, Path, Number, Version) ->
    {swap, Path, bench_data:value(Number, Version), bench_data:value(Number, Version + 1)};
conditional_put(payload_version, Path, Number, Version) ->
    Last = #if_all{conditions = [lists:last(Path), #if_payload_version{version = Version}]},
    {put, lists:droplast(Path) ++ [Last], bench_data:value(Number, Version + 1)}.

%%% Nodes

store() ->
    bench_store:name().

child(Parent, Number) ->
    Parent ++ [bench_data:name(Number)].

children(Parent) ->
    Parent ++ [?PANDO_WILDCARD_STAR].

%% Numbers are `{First, Last, Step}': a list of them would be copied to each loader.
put_children(Parent, {First, Last, Step}, Value) ->
    bench_load:each(?LOADERS, (Last - First) div Step + 1, fun(Index) ->
        Number = First + Index * Step,
        ok = pando:put(store(), child(Parent, Number), Value(Number))
    end).

rows(Parent, {First, Last, Step}, Value) ->
    [{child(Parent, Number), Value(Number)} || Number <- lists:seq(First, Last, Step)].

sample({First, Last, Step}) ->
    lists:seq(First, Last, Step * ?SAMPLE_STEP).

integer(Number) -> Number.

item(Number) when Number rem 2 =:= 0 -> {item, Number, even};
item(Number) -> {item, Number, odd}.

queue(Number) -> bench_data:value(Number, Number).

typed_queue(Number) when Number rem 2 =:= 0 -> (queue(Number))#{type := quorum};
typed_queue(Number) -> (queue(Number))#{type := classic}.
