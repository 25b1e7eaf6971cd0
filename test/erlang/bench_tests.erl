%% The instruments of `make bench' (scripts/bench): a wrong one would print wrong figures unseen.
%% No time is asserted here.
-module(bench_tests).

-include_lib("eunit/include/eunit.hrl").

-define(MODULES, [
    bench_data,
    bench_histogram,
    bench_load,
    bench_machine,
    bench_number,
    bench_report,
    bench_store,
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
        {timeout, 120, fun every_section_of_the_tree_runs_with_tiny_sizes_and_gives_its_rows/0}
    ]}.

compile_instruments() ->
    [
        begin
            Source = filename:join(["scripts", "bench", atom_to_list(Module) ++ ".erl"]),
            {ok, Module, Binary} = compile:file(Source, [binary, return_errors]),
            {module, Module} = code:load_binary(Module, Source, Binary)
        end
     || Module <- ?MODULES
    ].

purge_instruments(_) ->
    [
        begin
            true = code:delete(Module),
            code:purge(Module)
        end
     || Module <- ?MODULES
    ].

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
    Self = self(),
    %% Each call waits to be let go.
    Call = fun() ->
        Self ! {called, self()},
        receive
            go -> ok
        end
    end,
    Next = fun() ->
        receive
            {called, Caller} -> Caller ! go
        end,
        Caller
    end,
    Measure = fun() -> bench_load:beside(Call, fun() -> Self ! {running, self()}, receive return -> done end end) end,
    {Pid, Monitor} = spawn_monitor(fun() -> exit({measured, Measure()}) end),
    Caller = Next(),
    CallerMonitor = monitor(process, Caller),
    receive
        {running, Pid} -> ok
    end,
    %% Of three calls that begin meanwhile, two have ended for certain when the third has begun.
    [Caller, Caller] = [Next(), Next()],
    receive
        {called, Caller} -> ok
    end,
    Pid ! return,
    Caller ! go,
    %% It may have begun another one before it was told to stop.
    receive
        {called, Caller} -> Caller ! go
    after 0 -> ok
    end,
    Down = fun(Ref) ->
        receive
            {'DOWN', Ref, process, _, Reason} -> Reason;
            {called, Caller} -> Caller ! go
        end
    end,
    {measured, {done, CallsPerS}} = until_down(Down, Monitor),
    ?assert(CallsPerS > 0),
    until_down(Down, CallerMonitor).
