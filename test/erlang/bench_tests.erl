%% The instruments of `make bench' (scripts/bench): a wrong one would print wrong figures unseen.
%% No time is asserted here.
-module(bench_tests).

-include_lib("eunit/include/eunit.hrl").

-define(MODULES, [
    bench_cluster,
    bench_cluster_rows,
    bench_data,
    bench_disk,
    bench_histogram,
    bench_load,
    bench_machine,
    bench_members,
    bench_number,
    bench_report,
    bench_snapshot_rows,
    bench_snapshots,
    bench_store,
    bench_transaction_rows,
    bench_transactions,
    bench_tree,
    bench_tree_rows,
    bench_vm
]).

instruments_test_() ->
    {setup, fun compile_instruments/0, fun purge_instruments/1, [
        fun a_percentile_is_at_most_half_a_percent_off/0,
        fun merged_histograms_count_as_one/0,
        fun a_value_beyond_the_range_is_in_the_last_bucket/0,
        fun all_values_have_the_size_that_is_printed/0,
        fun numbers_are_all_of_them_in_another_order/0,
        fun a_closed_loop_counts_every_call/0,
        fun a_wrong_answer_ends_the_round/0,
        fun a_block_is_the_mean_time_of_a_call/0,
        fun each_calls_with_every_number_once/0,
        fun each_timed_times_the_call_of_every_item_and_nothing_else/0,
        fun a_wrong_answer_to_a_single_call_ends_it/0,
        fun calls_beside_are_counted_only_while_the_function_runs_and_end_with_it/0,
        fun the_median_of_an_even_count_is_between_the_two_in_the_middle/0,
        fun a_target_is_met_at_its_limit_unless_it_is_to_be_below/0,
        fun numbers_are_printed_with_their_unit/0,
        fun a_ratio_of_the_tree_is_the_median_of_the_ratios_of_its_rounds/0,
        fun a_figure_of_the_peer_stands_only_where_sizes_are_the_same/0,
        fun each_target_of_the_tree_is_measured_by_the_row_of_its_name/0,
        {timeout, 120, fun every_section_of_the_tree_runs_with_tiny_sizes_and_gives_its_rows/0},
        fun a_transaction_stands_beside_the_put_of_its_round/0,
        fun each_target_of_transactions_is_measured_by_the_row_of_its_name/0,
        {timeout, 120, fun every_section_of_transactions_runs_with_tiny_sizes_and_gives_its_rows/0},
        fun a_round_that_lasts_as_long_as_something_else_counts_every_call/0,
        fun a_put_beside_a_snapshot_stands_beside_the_one_of_its_round/0,
        fun where_a_snapshot_was_due_that_was_not_wanted_nothing_is_compared/0,
        {timeout, 120, fun what_is_measured_in_the_vm_of_a_store_with_snapshots_runs_with_tiny_sizes/0},
        fun a_put_of_three_nodes_stands_beside_the_one_alone_of_its_round/0,
        fun puts_while_a_member_catches_up_stand_beside_those_without/0,
        fun a_row_of_a_lost_leader_says_how_many_puts_failed/0,
        fun each_target_of_three_nodes_is_measured_by_the_row_of_its_name/0,
        {timeout, 300, fun every_section_of_three_nodes_runs_with_tiny_sizes_and_gives_its_rows/0}
    ]}.

%% As files: the nodes of a cluster load them, too. With another name the directory would be taken for the application's.
compile_instruments() ->
    Directory = filename:join(os:getenv("TMPDIR", "/tmp"), "bench-of-pando-" ++ os:getpid()),
    ok = filelib:ensure_path(Directory),
    [
        begin
            Source = filename:join(["scripts", "bench", atom_to_list(Module) ++ ".erl"]),
            {ok, Module} = compile:file(Source, [{outdir, Directory}, return_errors])
        end
     || Module <- ?MODULES
    ],
    true = code:add_patha(Directory),
    [{module, Module} = code:ensure_loaded(Module) || Module <- ?MODULES],
    Directory.

purge_instruments(Directory) ->
    [
        begin
            true = code:delete(Module),
            code:purge(Module)
        end
     || Module <- ?MODULES
    ],
    true = code:del_path(Directory),
    ok = file:del_dir_r(Directory).

histogram_of(Values) ->
    Histogram = bench_histogram:new(),
    [bench_histogram:add(Histogram, Value) || Value <- Values],
    Histogram.

a_percentile_is_at_most_half_a_percent_off() ->
    {Values, _} = lists:mapfoldl(
        fun(_, State0) ->
            {Bits, State1} = rand:uniform_s(40, State0),
            rand:uniform_s(1 bsl Bits, State1)
        end,
        rand:seed_s(exsss, 7),
        lists:seq(1, 50000)
    ),
    Sorted = list_to_tuple(lists:sort(Values)),
    Merged = bench_histogram:merge([histogram_of(Values)]),
    lists:foreach(
        fun(Percent) ->
            Exact = element(max(1, ceil(50000 * Percent / 100)), Sorted),
            Found = bench_histogram:percentile(Merged, Percent),
            ?assert(abs(Found - Exact) =< 0.005 * Exact, {Percent, Exact, Found})
        end,
        [0, 1, 10, 25, 50, 75, 90, 99, 99.9, 100]
    ).

merged_histograms_count_as_one() ->
    Merged = bench_histogram:merge([histogram_of([1, 2, 3]), histogram_of([]), histogram_of([4])]),
    ?assertEqual(4, bench_histogram:count(Merged)),
    Quartiles = [bench_histogram:percentile(Merged, Percent) || Percent <- [25, 50, 75, 100]],
    ?assertEqual([1.0, 2.0, 3.0, 4.0], Quartiles).

a_value_beyond_the_range_is_in_the_last_bucket() ->
    [Greatest, Beyond] = [
        bench_histogram:percentile(bench_histogram:merge([histogram_of([Value])]), 50)
     || Value <- [(1 bsl 41) - 1, 1 bsl 60]
    ],
    ?assertEqual(Greatest, Beyond).

all_values_have_the_size_that_is_printed() ->
    Size = bench_data:external_size_bytes(),
    [
        ?assertEqual(Size, byte_size(term_to_binary(bench_data:value(Number, Number * 7919))))
     || Number <- lists:seq(0, 99999, 111)
    ].

numbers_are_all_of_them_in_another_order() ->
    Numbers = bench_data:numbers(1000),
    ?assertNotEqual(lists:seq(0, 999), Numbers),
    ?assertEqual(lists:seq(0, 999), lists:sort(Numbers)).

a_closed_loop_counts_every_call() ->
    Calls = counters:new(1, []),
    Round = bench_load:closed_loop(3, 20, #{
        prepare => fun(Random) -> Random end,
        call => fun(Random) ->
            counters:add(Calls, 1, 1),
            {ok, Random}
        end,
        is_right => fun(Random, Answer) -> Answer =:= {ok, Random} end
    }),
    #{call_count := Count, p50_us := P50, p99_us := P99, max_us := Max} = Round,
    ?assertEqual(counters:get(Calls, 1), Count),
    ?assert(P50 =< P99 andalso P99 =< Max, Round).

a_wrong_answer_ends_the_round() ->
    Operation = #{
        prepare => fun(_) -> path end,
        call => fun(_) -> {error, timeout} end,
        is_right => fun(_, Answer) -> Answer =:= ok end
    },
    {Pid, Monitor} = spawn_monitor(fun() -> bench_load:closed_loop(2, 20, Operation) end),
    Reason =
        receive
            {'DOWN', Monitor, process, Pid, Down} -> Down
        end,
    ?assertEqual({wrong_answer, path, {error, timeout}}, Reason).

a_block_is_the_mean_time_of_a_call() ->
    Calls = counters:new(1, []),
    Begin = erlang:monotonic_time(nanosecond),
    Ns = bench_load:block(fun(_) -> counters:add(Calls, 1, 1) end, lists:seq(1, 100), 10),
    Elapsed = erlang:monotonic_time(nanosecond) - Begin,
    %% The first hundred calls are the warm-up. The others took no longer than all of it, and no less than
    %% asked for.
    Counted = counters:get(Calls, 1) - 100,
    ?assert(Ns * Counted =< Elapsed * 1.0001),
    ?assert(Ns * Counted >= 10.0e6 * 0.9999).

the_median_of_an_even_count_is_between_the_two_in_the_middle() ->
    ?assertEqual(2.5, bench_number:median([4, 1, 3, 2])),
    ?assertEqual(2.0, bench_number:median([3, 1, 2])).

a_target_is_met_at_its_limit_unless_it_is_to_be_below() ->
    Verdict = fun(Sense, Measured) -> bench_report:verdict(#{wanted => {Sense, 3}, measured => Measured}) end,
    Verdicts = fun(Sense) -> [Verdict(Sense, Measured) || Measured <- [2.9, 3, 3.1]] end,
    ?assertEqual([met, met, missed], Verdicts(at_most)),
    ?assertEqual([met, missed, missed], Verdicts(below)),
    ?assertEqual([missed, met, met], Verdicts(at_least)).

each_calls_with_every_number_once() ->
    Calls = counters:new(10, []),
    ok = bench_load:each(4, 10, fun(Number) -> counters:add(Calls, Number + 1, 1) end),
    ?assertEqual(lists:duplicate(10, 1), [counters:get(Calls, Index) || Index <- lists:seq(1, 10)]),
    %% More callers than items, and no items at all.
    ok = bench_load:each(4, 2, fun(Number) -> counters:add(Calls, Number + 1, 1) end),
    ok = bench_load:each(4, 0, fun(_) -> exit(called) end),
    ?assertEqual([2, 2, 1], [counters:get(Calls, Index) || Index <- [1, 2, 3]]).

each_timed_times_the_call_of_every_item_and_nothing_else() ->
    Begin = erlang:monotonic_time(),
    #{elapsed_ms := ElapsedMs, p50_us := P50Us, p99_us := P99Us, max_us := MaxUs} = bench_load:each_timed(2, 20, #{
        prepare => fun(Number) -> timer:sleep(Number div 19 * 50), Number end,
        call => fun
            (7) -> timer:sleep(10);
            (_) -> ok
        end,
        is_right => fun(_, Answer) -> Answer =:= ok end
    }),
    Ms = erlang:convert_time_unit(erlang:monotonic_time() - Begin, native, microsecond) / 1000,
    ?assert(ElapsedMs >= 50 andalso ElapsedMs =< Ms, {ElapsedMs, Ms}),
    ?assert(P50Us =< P99Us andalso P99Us =< MaxUs, {P50Us, P99Us, MaxUs}),
    %% The one that sleeps for 10 ms, not the one whose arguments take 50 ms; off by a bucket at most.
    ?assert(MaxUs >= 10000 * 0.996 andalso MaxUs < 1000 * ElapsedMs, {MaxUs, ElapsedMs}).

a_wrong_answer_to_a_single_call_ends_it() ->
    ?assert(bench_load:once(fun() -> 7 end, fun(Answer) -> Answer =:= 7 end) >= 0),
    {Pid, Monitor} = spawn_monitor(fun() -> bench_load:once(fun() -> 8 end, fun(Answer) -> Answer =:= 7 end) end),
    Reason =
        receive
            {'DOWN', Monitor, process, Pid, Down} -> Down
        end,
    ?assertEqual({wrong_answer, 8}, Reason).

calls_beside_are_counted_only_while_the_function_runs_and_end_with_it() ->
    Calls = counters:new(1, []),
    Begin = erlang:monotonic_time(nanosecond),
    {Result, CallsPerS} = bench_load:beside(fun() -> counters:add(Calls, 1, 1) end, fun() ->
        await_count(Calls, counters:get(Calls, 1) + 100)
    end),
    Elapsed = (erlang:monotonic_time(nanosecond) - Begin) / 1.0e9,
    All = counters:get(Calls, 1),
    ?assertEqual(awaited, Result),
    %% The hundredth may not have been counted as ended; the first of all is none of those counted. The clock was read
    %% later here than there.
    ?assert(CallsPerS * Elapsed >= 99, {CallsPerS, Elapsed}),
    ?assertEqual(All, counters:get(Calls, 1)).

await_count(Counters, Count) ->
    case counters:get(Counters, 1) >= Count of
        true -> awaited;
        false -> erlang:yield(), await_count(Counters, Count)
    end.

numbers_are_printed_with_their_unit() ->
    Printed = [
        bench_number:with_unit(Unit, Value)
     || {Unit, Value} <- [
            {floors, 1.256},
            {puts, 2},
            {times, 0.5},
            {per_s, 121358.4},
            {us, 2.2},
            {us, 97.31},
            {us, 1234.5},
            {ms, 7.06},
            {ms, 1440},
            {bytes, -1234567}
        ]
    ],
    Expected = [
        "1.26 × floor",
        "2.00 × one put",
        "0.50 ×",
        "121,358/s",
        "2.20 µs",
        "97.3 µs",
        "1,235 µs",
        "7.1 ms",
        "1,440 ms",
        "-1,234,567 B"
    ],
    ?assertEqual(Expected, Printed).

%% What `bench_tree:measure/3' returns, with figures that are easy to follow.
measured() ->
    Round = fun(PerS, P50Us) -> #{calls_per_s => PerS, p50_us => P50Us} end,
    Beside = fun(PerS, ReadsPerS) -> #{round => Round(PerS, 400.0), reads_per_s => ReadsPerS} end,
    Delete = fun(PutUs, DeleteUs) -> #{put_us => PutUs, delete_us => DeleteUs} end,
    #{
        plan => (bench_tree:plan(full))#{subtree_node_counts := [1000, 10000]},
        putter_count => 16,
        subtrees => #{
            %% Ratios 4, 2, 1.5: their median is not that of the deletes by that of the puts, 600/200.
            1000 => [Delete(100.0, 400.0), Delete(300.0, 600.0), Delete(600.0, 900.0)],
            10000 => [Delete(200.0, 500.0)]
        },
        halves => #{
            tuple => [#{delete_us => 90000.0, ets_us => 60000.0}],
            map => [#{delete_us => 160000.0, ets_us => 80000.0}]
        },
        lists => #{
            integer => [#{list_us => 150000.0, ets_list_us => 100000.0, ets_map_us => 120000.0}],
            map => [#{list_us => 260000.0, ets_list_us => 200000.0, ets_map_us => 260000.0}]
        },
        walks => [#{fold_us => 70000.0, page_us => 900.0, pages_us => 95000.0, count_us => 1.5, count_few_us => 1.0}],
        besides => [
            #{alone => Beside(1000.0, 0.0), ets => Beside(900.0, 4.0), list => Beside(400.0, 3.0)},
            #{alone => Beside(2000.0, 0.0), ets => Beside(1800.0, 4.0), list => Beside(1200.0, 5.0)},
            #{alone => Beside(1500.0, 0.0), ets => Beside(1350.0, 4.0), list => Beside(1350.0, 4.0)}
        ],
        conditions => [
            #{plain => Round(5.0, 200.0), compare_and_swap => Round(4.0, 220.0), payload_version => Round(4.0, 210.0)}
        ],
        watchers => [Delete(250.0, 20000.0)]
    }.

large(NodeCount) ->
    #{
        node_count => NodeCount,
        loader_count => 256,
        resident_bytes_per_node => 432.1,
        peak_bytes_per_node => 600.0,
        vm_bytes_per_node => 1.0,
        load_ms => 9000.0,
        put_p50_us => 2000.0,
        put_p99_us => 9000.0,
        put_max_us => 51000.0
    }.

tree_row(Id, Rows) ->
    [Row] = [Row || #{id := Each} = Row <- Rows, Each =:= Id],
    Row.

a_ratio_of_the_tree_is_the_median_of_the_ratios_of_its_rounds() ->
    Rows = bench_tree_rows:rows(measured(), large(1000000)),
    #{values := Values, beside := Beside, ratio := Ratio} = tree_row(delete_1000, Rows),
    ?assertEqual({600.0, 400.0, 900.0}, Values),
    ?assertEqual(2.0, Ratio),
    ?assertEqual("2.00 × one put (1.50–4.00)", Beside),
    %% 0.4, 0.6 and 0.9 of what the same round had alone.
    ?assertMatch(
        #{ratio := 0.6, beside := "0.60 × alone (0.40–0.90); 4.0 lists/s", values := {1200.0, 400.0, 1350.0}},
        tree_row(beside_list, Rows)
    ),
    ?assertMatch(#{ratio := 80.0, values := {20.0, 20.0, 20.0}, unit := ms}, tree_row(delete_watched, Rows)),
    ?assertMatch(#{ratio := 1.5, beside := "1.50 × of 1,000 children"}, tree_row(count, Rows)),
    ?assertMatch(#{ratio := 1.1}, tree_row(compare_and_swap, Rows)).

a_figure_of_the_peer_stands_only_where_sizes_are_the_same() ->
    Peer = fun(Id, Measured, Large) -> maps:get(peer, tree_row(Id, bench_tree_rows:rows(Measured, Large))) end,
    #{plan := Plan} = Measured = measured(),
    Smaller = Measured#{plan := Plan#{child_count := 1000}},
    ?assertEqual(
        ["", "87 ms", "", "845 ms", "", "355 ms"],
        [
            Peer(Id, Measured, large(1000000))
         || Id <- [delete_1000, delete_10000, delete_half_tuple, delete_half_map, list_integer, list_map]
        ]
    ),
    ?assertEqual(["", ""], [Peer(Id, Smaller, large(1000000)) || Id <- [delete_half_map, list_map]]),
    ?assertEqual(
        ["0.86–1.7 s", "66–90 ms", ""],
        [Peer(large_put_max, Measured, large(NodeCount)) || NodeCount <- [1000000, 100000, 1000]]
    ).

each_target_of_the_tree_is_measured_by_the_row_of_its_name() ->
    Targets = bench_tree_rows:targets(measured(), large(1000000)),
    ?assertEqual(
        [
            {"delete, subtree of 1,000 nodes", 2.0, met},
            {"delete, subtree of 10,000 nodes", 2.5, met},
            {"delete_many, half of 100,000 siblings, tuples", 90.0, met},
            {"delete_many, half of 100,000 siblings, maps of 8 keys", 160.0, missed},
            {"get_many, 100,000 children, integers", 150.0, met},
            {"get_many, 100,000 children, maps of 8 keys", 260.0, missed},
            {"put, 16 callers, while a process lists 100,000 children, beside alone", 0.6, met},
            {"longest put while loading 1,000,000 nodes", 51.0, missed}
        ],
        [{Name, Measured, bench_report:verdict(Target)} || #{name := Name, measured := Measured} = Target <- Targets]
    ).

%% All calls of the tree section, each of whose answers is checked there, against a store.
every_section_of_the_tree_runs_with_tiny_sizes_and_gives_its_rows() ->
    pando_test_store:with_dir(fun(Directory) ->
        Plan = (bench_tree:plan(quick))#{
            put_ms := 5,
            warm_up_ms := 10,
            subtree_node_counts := [10, 200],
            child_count := 2200,
            page_node_count := 700,
            few_child_count := 20,
            count_ms := 2,
            beside_ms := 20,
            condition_ms := 20,
            watcher_count := 50
        },
        Measured = bench_tree:measure(filename:join(Directory, "tree"), Plan, fun(_, _) -> ok end),
        Rows = bench_tree_rows:rows(Measured, large(10)),
        Ids = [Id || #{id := Id} <- bench_tree_rows:rows(measured(), large(10))],
        ?assertEqual(
            lists:sort(Ids) -- [delete_1000, delete_10000],
            lists:sort([Id || #{id := Id} <- Rows]) -- [delete_10, delete_200]
        ),
        [?assert(Least > 0, Row) || #{values := {_, Least, _}} = Row <- Rows],
        ?assertEqual({ok, []}, file:list_dir(Directory))
    end).

%%% Transactions

%% What `bench_transactions:measure/4' returns, with figures that are easy to follow.
transactions() ->
    Round = fun(PerS, P50Us) ->
        #{call_count => 1000, calls_per_s => PerS, p50_us => P50Us, p99_us => 2 * P50Us, max_us => 3 * P50Us}
    end,
    Counted = fun(PerS, P50Us, Runs) -> #{round => Round(PerS, P50Us), run_count => Runs} end,
    Beside = fun(PerS, OthersPerS) -> #{round => Round(PerS, 1000.0), others_per_s => OthersPerS} end,
    Floor = #{mean_us => 200.0, p50_us => 100.0},
    Update = fun(Put, Hot, Random) -> #{floor => Floor, put => Put, hot => Hot, random => Random} end,
    #{
        plan => bench_transactions:plan(full),
        putter_count => 128,
        other_count => 16,
        read_count => 5,
        updates => #{
            %% Ratios of the hot key 1.5, 1.1, 1.3; of random keys 1.0, 1.25, 1.25.
            1 => [
                Update(Round(5.0e3, 200.0), Counted(4.0e3, 300.0, 1000), Counted(4.0e3, 200.0, 1000)),
                Update(Round(4.0e3, 400.0), Counted(4.0e3, 440.0, 1000), Counted(4.0e3, 500.0, 1000)),
                Update(Round(3.0e3, 800.0), Counted(4.0e3, 1040.0, 1300), Counted(4.0e3, 1000.0, 1000))
            ],
            128 => [
                Update(Round(1.0e5, 1.0e3), Counted(34999.0, 3.0e3, 1500), Counted(5.0e4, 2.0e3, 1000)),
                Update(Round(5.0e4, 1.0e3), Counted(34999.0, 3.0e3, 1500), Counted(4.0e4, 2.0e3, 1000))
            ]
        },
        reads => [#{gets => Round(9.0e4, 10.0), transaction => Round(6.0e4, 15.0)}],
        data => [#{put => Round(8.0e4, 1.0e3), data => Round(4.0e4, 2.0e3)}],
        ids => #{1 => [#{put => Round(5.0e3, 200.0), put_id => Round(4.0e3, 210.0)}]},
        besides => [
            #{alone => Beside(8.0e4, 0.0), puts => Beside(7.2e4, 1.0e4), transactions => Beside(6.0e4, 5.0e3)}
        ]
    }.

a_transaction_stands_beside_the_put_of_its_round() ->
    Rows = bench_transaction_rows:rows(transactions()),
    ?assertMatch(
        #{
            ratio := 1.3,
            runs_per_success := 1.1,
            beside := "1.30 (1.10–1.50) × the put, p50, 4.40 (3.00–10.40) × growing",
            peer := "820/s"
        },
        tree_row(tx_hot_1, Rows)
    ),
    %% With many callers it is the rate: half, and four fifths; a bare writer makes 5,000 a second.
    ?assertMatch(
        #{beside := "0.65 (0.50–0.80) × the rate of put, 9.0 × the rate of one bare writer"}, tree_row(tx_random_128, Rows)
    ),
    ?assertMatch(#{ratio_floor := 15.0}, tree_row(tx_put_128, Rows)),
    ?assertMatch(#{ratio := 1.05}, tree_row(tx_id_1, Rows)),
    ?assertMatch(#{beside := "0.50 × the rate of put"}, tree_row(tx_data, Rows)),
    ?assertMatch(#{beside := "1.50 × the gets, p50"}, tree_row(tx_reads, Rows)),
    ?assertMatch(#{beside := "0.75 × alone; of the others 5,000/s"}, tree_row(tx_beside_transactions, Rows)).

each_target_of_transactions_is_measured_by_the_row_of_its_name() ->
    Targets = bench_transaction_rows:targets(transactions()),
    ?assertEqual(
        [
            {"transaction, one hot key, 128 callers", 34999.0, missed},
            {"transaction, random keys, 128 callers", 45000.0, met},
            {"transaction, one hot key, 1 caller, p50", 1.3, missed},
            {"transaction, random keys, 1 caller, p50", 1.25, missed},
            {"transaction, read only, 5 reads, p50", 15.0, met}
        ],
        [{Name, Measured, bench_report:verdict(Target)} || #{name := Name, measured := Measured} = Target <- Targets]
    ).

%% All calls of the section. What it has counted, it checks itself against the store.
every_section_of_transactions_runs_with_tiny_sizes_and_gives_its_rows() ->
    pando_test_store:with_dir(fun(Directory) ->
        Plan = (bench_transactions:plan(quick))#{
            node_count := 40, warm_up_ms := 10, pair_ms := 20, round_ms := 20, read_ms := 5
        },
        %% The program that measures the disk is not built for tests.
        DiskFloor = fun(_Ms) -> #{mean_us => 100.0, p50_us => 100.0} end,
        Store = filename:join(Directory, "transactions"),
        Measured = bench_transactions:measure(Store, Plan, DiskFloor, fun(_, _) -> ok end),
        Rows = bench_transaction_rows:rows(Measured),
        [?assert(Least > 0, Row) || #{rates := {_, Least, _}} = Row <- Rows],
        %% A function runs once for each success at least.
        Runs = [{Id, Each} || #{id := Id, runs_per_success := Each} <- Rows],
        ?assertEqual(6, length(Runs)),
        [?assert(Each >= 1, Run) || {_, Each} = Run <- Runs],
        ?assertEqual(5, length(bench_transaction_rows:targets(Measured))),
        ?assertEqual({ok, []}, file:list_dir(Directory))
    end).

%%% Snapshots

a_round_that_lasts_as_long_as_something_else_counts_every_call() ->
    Calls = counters:new(1, []),
    Operation = #{
        prepare => fun(Number) -> Number end,
        call => fun(_) -> counters:add(Calls, 1, 1) end,
        is_right => fun(_, Answer) -> Answer =:= ok end
    },
    #{call_count := Count} = bench_load:closed_loop_while(3, fun() -> counters:get(Calls, 1) < 1000 end, Operation),
    ?assert(Count >= 1000),
    ?assertEqual(counters:get(Calls, 1), Count).

%% What `bench_snapshots:measure/4' returns, with figures that are easy to follow.
snapshots() ->
    Round = fun(PerS, P99Us, MaxUs) ->
        #{calls_per_s => PerS, p50_us => P99Us / 2, p99_us => P99Us, max_us => MaxUs}
    end,
    Rounds = fun(Alone, Beside) ->
        Floor = #{mean_us => 200.0, p50_us => 150.0, p99_us => 300.0, max_us => 4.0e4},
        #{floor => Floor, alone => Alone, is_alone => true, beside => Beside, snapshot_ms => 9000.0}
    end,
    #{
        plan => bench_snapshots:plan(full),
        snapshot_bytes => 189000000,
        growths => #{
            0 => #{growth_bytes => 1000000, put_count => 0, snapshot_ms => 9000.0, is_alone => true},
            128 => #{growth_bytes => 60000000, put_count => 100000, snapshot_ms => 9000.0, is_alone => true}
        },
        rounds => #{
            %% Ratios 4, 1.5, 2.
            1 => [
                Rounds(Round(5.0e3, 400.0, 5.0e3), Round(4.0e3, 1600.0, 9.0e3)),
                Rounds(Round(5.0e3, 1000.0, 5.0e3), Round(5.0e3, 1500.0, 9.0e3)),
                Rounds(Round(5.0e3, 600.0, 5.0e3), Round(4.5e3, 1200.0, 9.0e3))
            ],
            128 => [Rounds(Round(6.0e4, 4.0e3, 9.0e3), Round(5.0e4, 9.0e3, 51.0e3))]
        },
        opens => [
            #{killed_ms => 700.0, log_ms => 3000.0, log_bytes => 100100000, has_log => true, log_open_bytes => 134217728},
            #{killed_ms => 800.0, log_ms => 4000.0, log_bytes => 100100000, has_log => true, log_open_bytes => 134217728},
            #{killed_ms => 600.0, log_ms => 2000.0, log_bytes => 100100000, has_log => true, log_open_bytes => 134217728}
        ]
    }.

a_put_beside_a_snapshot_stands_beside_the_one_of_its_round() ->
    Measured = snapshots(),
    ?assertMatch(
        #{beside := "p99 2.00 × without (1.50–4.00), rate 0.90 × without", max_us := 9.0e3},
        tree_row(snapshot_beside_1, bench_snapshot_rows:put_rows(Measured))
    ),
    Sizes = bench_snapshot_rows:size_rows(Measured),
    ?assertMatch(#{beside := "100,000 puts meanwhile, 600 B each"}, tree_row(snapshot_memory_128, Sizes)),
    ?assertMatch(#{beside := "0 puts meanwhile"}, tree_row(snapshot_memory_0, Sizes)),
    ?assertMatch(#{peer := "14.3 s", values := {700.0, 600.0, 800.0}}, tree_row(large_open_killed, Sizes)),
    ?assertMatch(#{beside := "2,300 ms more"}, tree_row(large_open_log, Sizes)),
    ?assertEqual(
        [
            {"put, p99, 1 caller, while a snapshot of 1,000,000 nodes is written, beside without", 2.0, met},
            {"put, p99, 128 callers, while a snapshot of 1,000,000 nodes is written, beside without", 2.25, missed},
            {"longest put while a snapshot of 1,000,000 nodes is written", 51.0, missed},
            {"open with 1,000,000 nodes, after SIGKILL", 700.0, met},
            {"open with 100 MB of log besides, longer by", 2300.0, met}
        ],
        [
            {Name, Value, bench_report:verdict(Target)}
         || #{name := Name, measured := Value} = Target <- bench_snapshot_rows:targets(Measured)
        ]
    ).

where_a_snapshot_was_due_that_was_not_wanted_nothing_is_compared() ->
    #{growths := #{128 := Growth}, rounds := #{128 := [Round], 1 := [First | Others]}, opens := [Open | Opens]} =
        Measured = snapshots(),
    Due = Round#{is_alone := false},
    Some = Measured#{
        growths := #{128 => Growth#{is_alone := false}},
        rounds := #{128 => [Due], 1 => [First#{is_alone := false} | Others]},
        opens := [Open#{log_bytes := 0, has_log := false} | Opens]
    },
    Puts = bench_snapshot_rows:put_rows(Some),
    ?assertMatch(
        #{beside := " (a snapshot was due each time it was to be without one)"}, tree_row(snapshot_alone_128, Puts)
    ),
    ?assertMatch(#{beside := "not compared: one was due without, too"}, tree_row(snapshot_beside_128, Puts)),
    ?assertMatch(
        #{beside := " (a snapshot was due all the same in 1 of 3 rounds)"}, tree_row(snapshot_alone_1, Puts)
    ),
    ?assertMatch(#{beside := "p99 1.75 × without (1.50–2.00)" ++ _}, tree_row(snapshot_beside_1, Puts)),
    Sizes = bench_snapshot_rows:size_rows(Some),
    ?assertMatch(
        #{beside := "100,000 puts meanwhile, 600 B each (a snapshot was due" ++ _}, tree_row(snapshot_memory_128, Sizes)
    ),
    ?assertMatch(
        #{
            name := "open, with 100 MB of log behind the snapshot besides",
            beside := "2,300 ms more (without 1 in which a snapshot was due)"
        },
        tree_row(large_open_log, Sizes)
    ),
    None = Some#{opens := [Open#{log_bytes := 0, has_log := false}]},
    ?assertMatch(
        #{
            name := "open, with 100 MB of log behind the snapshot besides",
            beside := "not compared: a snapshot was due, and its log gone"
        },
        tree_row(large_open_log, bench_snapshot_rows:size_rows(None))
    ),
    ?assertEqual(
        [
            "put, p99, 1 caller, while a snapshot of 1,000,000 nodes is written, beside without",
            "longest put while a snapshot of 1,000,000 nodes is written",
            "open with 1,000,000 nodes, after SIGKILL"
        ],
        [Name || #{name := Name} <- bench_snapshot_rows:targets(None)]
    ).

%% In this VM: what needs others, which are killed, is only in the benchmark.
what_is_measured_in_the_vm_of_a_store_with_snapshots_runs_with_tiny_sizes() ->
    pando_test_store:with_dir(fun(Directory) ->
        NodeCount = 100,
        ?assert(bench_snapshots:prepare(Directory, NodeCount) > 10000),
        try
            {Beside, SnapshotMs} = bench_snapshots:puts_beside_snapshot(2, NodeCount),
            ?assert(SnapshotMs > 0),
            {true, Alone} = bench_snapshots:puts(2, NodeCount, 10),
            [?assert(Count > 0) || #{call_count := Count} <- [Beside, Alone]],
            ?assertMatch(#{put_count := 0, growth_bytes := _, is_alone := true}, bench_snapshots:growth(0, NodeCount)),
            ok = bench_snapshots:write_log(NodeCount, 20000),
            {ok, #{log_bytes_since_snapshot := LogBytes}} = pando_cluster:status(pando_bench),
            ?assert(LogBytes >= 20000)
        after
            ok = pando:stop(pando_bench)
        end
    end).

%%% Three nodes

%% What `bench_cluster:measure/4' returns, with figures that are easy to follow.
three_nodes() ->
    Round = fun(PerS, P50Us) ->
        #{call_count => 1000, calls_per_s => PerS, p50_us => P50Us, p99_us => 2 * P50Us, max_us => 3 * P50Us}
    end,
    Floor = #{mean_us => 200.0, p50_us => 150.0, p99_us => 300.0, max_us => 4.0e4},
    Write = fun(Alone, Leader, Follower) ->
        #{floor => Floor, message => Round(2.0e4, 50.0), alone => Alone, leader => Leader, follower => Follower}
    end,
    Read = fun(Local, Leader, Follower) ->
        #{message => Round(2.0e4, 50.0), local => Local, leader => Leader, follower => Follower}
    end,
    Counted = fun(PerS, Runs) -> #{round => Round(PerS, 1.0e3), run_count => Runs} end,
    Loss = fun(NextMs, GapMs, Failures) ->
        #{next_ms => NextMs, gap_ms => GapMs, calm_gap_ms => 3.0, success_count => 1000, failure_count => Failures}
    end,
    #{
        plan => bench_cluster:plan(full),
        writes => #{
            %% Ratios of the leader 4, 1.5, 2 of the put alone, and 4, 3, 2 of the write and the message.
            1 => [
                Write(Round(5.0e3, 200.0), Round(1.0e3, 800.0), Round(9.0e2, 1.0e3)),
                Write(Round(5.0e3, 400.0), Round(1.0e3, 600.0), Round(9.0e2, 1.4e3)),
                Write(Round(5.0e3, 200.0), Round(1.0e3, 400.0), Round(9.0e2, 1.3e3))
            ],
            128 => [Write(Round(8.0e4, 1.5e3), Round(1.6e4, 5.0e3), Round(9999.0, 9.0e3))]
        },
        reads => #{
            1 => [Read(Round(5.0e5, 1.5), Round(8.0e3, 100.0), Round(5.0e3, 150.0))],
            128 => [Read(Round(8.0e5, 1.5), Round(8.0e4, 1.0e3), Round(6.0e4, 2.0e3))]
        },
        updates => [
            #{
                {hot, leader} => Counted(1.0e4, 1500),
                {hot, follower} => Counted(8.0e3, 1000),
                {random, leader} => Counted(1.0e4, 1000),
                {random, follower} => Counted(8.0e3, 1250)
            }
        ],
        losses => #{
            kill => [Loss(200.0, 210.0, 0), Loss(400.0, 410.0, 5), Loss(300.0, 310.0, 0)],
            stop => [Loss(10.0, 51.0, 0)],
            pause => [Loss(1500.0, 1600.0, 20)]
        },
        catch_ups => [
            #{quiet_ms => 4000.0, busy_ms => 6000.0, alone => Round(1.0e4, 1.0e3), beside => Round(7.0e3, 3.0e3)},
            #{quiet_ms => 4000.0, busy_ms => 8000.0, alone => Round(1.0e4, 1.0e3), beside => Round(6.0e3, 2.0e3)},
            #{quiet_ms => 4000.0, busy_ms => 7000.0, alone => Round(1.0e4, 1.0e3), beside => Round(8.0e3, 2.0e3)}
        ]
    }.

a_put_of_three_nodes_stands_beside_the_one_alone_of_its_round() ->
    Rows = bench_cluster_rows:call_rows(three_nodes()),
    ?assertMatch(
        #{
            ratio := 2.0,
            ratio_floor := 3.0,
            beside := "2.00 (1.50–4.00) × the put alone, p50; 3.00 (2.00–4.00) × (write + message)",
            peer := "447/s, p50 1.8 ms"
        },
        tree_row(cluster_put_leader_1, Rows)
    ),
    ?assertMatch(#{beside := "0.20 × the rate of the put alone"}, tree_row(cluster_put_leader_128, Rows)),
    ?assertMatch(#{beside := "3.00 × message there and back, p50"}, tree_row(cluster_get_follower_1, Rows)),
    ?assertMatch(#{ratio := 0.1}, tree_row(cluster_get_leader_128, Rows)),
    ?assertMatch(#{runs_per_success := 1.25}, tree_row(cluster_tx_random_follower, Rows)).

puts_while_a_member_catches_up_stand_beside_those_without() ->
    Measured = three_nodes(),
    ?assertMatch(
        #{ratio := 0.7, beside := "rate 0.70 (0.60–0.80) × without, p99 2.00 (2.00–3.00) × without"},
        tree_row(cluster_catch_up_beside, bench_cluster_rows:call_rows(Measured))
    ),
    ?assertMatch(
        #{values := {7000.0, 6000.0, 8000.0}, beside := "1.75 (1.50–2.00) × while nobody writes"},
        tree_row(cluster_catch_up_busy, bench_cluster_rows:time_rows(Measured))
    ).

a_row_of_a_lost_leader_says_how_many_puts_failed() ->
    Rows = bench_cluster_rows:time_rows(three_nodes()),
    ?assertMatch(#{values := {300.0, 200.0, 400.0}, peer := "416 ms (218–615)"}, tree_row(cluster_kill_next, Rows)),
    ?assertMatch(
        #{values := {310.0, 210.0, 410.0}, beside := "3.0 ms before it; 3,005 puts, 5 failed"},
        tree_row(cluster_kill_gap, Rows)
    ).

each_target_of_three_nodes_is_measured_by_the_row_of_its_name() ->
    ?assertEqual(
        [
            {"put, three nodes, leader, 128 callers", 16000.0, met},
            {"put, three nodes, follower, 128 callers", 9999.0, missed},
            {"put, three nodes, leader, 1 caller, p50", 600.0, met},
            {"put, three nodes, follower, 1 caller, p50", 1300.0, missed},
            {"get, favor => consistency, follower, 128 callers", 60000.0, met},
            {"leader's node killed, until the next put", 300.0, met},
            {"leader's store stopped in order, longest time without a put", 51.0, missed},
            {"leader's node stands still, until the next put", 1500.0, met}
        ],
        [
            {Name, Measured, bench_report:verdict(Target)}
         || #{name := Name, measured := Measured} = Target <- bench_cluster_rows:targets(three_nodes())
        ]
    ).

%% With real nodes, which are killed and stopped. What transactions have counted, the section checks itself.
every_section_of_three_nodes_runs_with_tiny_sizes_and_gives_its_rows() ->
    pando_test_store:with_dir(fun(Directory) ->
        Plan = (bench_cluster:plan(quick))#{
            queue_count := 40,
            caller_counts := [1, 128],
            warm_up_ms := 10,
            pair_count := 2,
            pair_ms := 20,
            round_ms := 20,
            message_ms := 10,
            loss_counts := #{kill => 1, stop => 1, pause => 1},
            calm_ms := 50,
            large_node_count := 500
        },
        %% The program that measures the disk is not built for tests.
        DiskFloor = fun(_Ms) -> #{mean_us => 100.0, p50_us => 100.0, p99_us => 200.0, max_us => 300.0} end,
        Members = filename:join(Directory, "members"),
        Measured = bench_cluster:measure(Members, Plan, DiskFloor, fun(_, _) -> ok end),
        Calls = bench_cluster_rows:call_rows(Measured),
        Times = bench_cluster_rows:time_rows(Measured),
        Ids = fun(Rows) -> lists:sort([Id || #{id := Id} <- Rows]) end,
        ?assertEqual(Ids(bench_cluster_rows:call_rows(three_nodes())), Ids(Calls)),
        ?assertEqual(Ids(bench_cluster_rows:time_rows(three_nodes())), Ids(Times)),
        [?assert(Least > 0, Row) || #{rates := {_, Least, _}} = Row <- Calls],
        [?assert(Least > 0, Row) || #{values := {_, Least, _}} = Row <- Times],
        [?assert(Each >= 1, Row) || #{runs_per_success := Each} = Row <- Calls],
        %% The writers were answered, and a time without an answer ends.
        [?assert(Count > 0) || Losses <- maps:values(maps:get(losses, Measured)), #{success_count := Count} <- Losses],
        ?assertEqual(8, length(bench_cluster_rows:targets(Measured))),
        ?assertNot(filelib:is_dir(Members))
    end).
