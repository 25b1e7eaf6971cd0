%% Terms that were built to do harm, through the API: they are kept, matched, and come back out of a snapshot.
%%
%% Bytes that no term has (a list that says it is 2^32-1 long, compressed ones) cannot be given to the API, which takes terms:
%% they are given to the native core itself in native/pando_fuzz/tests/hostile.rs.
-module(pando_hostile_terms_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [await/2, new_name/0, with_dir/1]).

-define(TIMEOUT_S, 300).
-define(NESTED, 2000000).
-define(WIDE, 200000).
-define(SNAPSHOT_WAIT_MS, 120000).

%% Each is made when it is needed and compared with `=:=' inside of assert: nobody prints it.
terms() ->
    [
        {lists_in_lists, nested(fun(Inner) -> [Inner] end)},
        {tuples_in_tuples, nested(fun(Inner) -> {Inner} end)},
        {improper, nested(fun(Inner) -> [Inner | tail] end)},
        {maps_as_values, nested(fun(Inner) -> #{k => Inner} end, ?NESTED div 10)},
        %% A map's keys are hashed: deeper ones take the VM itself too long.
        {maps_as_keys, nested(fun(Inner) -> #{Inner => v} end, 500)},
        {wide_list, lists:duplicate(?WIDE, [])},
        {wide_tuple, erlang:make_tuple(?WIDE, {})},
        {wide_map, maps:from_list([{N, N * 1.0} || N <- lists:seq(1, ?WIDE)])},
        {integer, 1 bsl (8 * 1024 * 1024)},
        {negative_integer, -(1 bsl (8 * 1024 * 1024)) - 1},
        {bits, <<0:(8 * 1024 * 1024 + 3)>>},
        {binary, binary:copy(<<131, 108, 255, 255, 255, 255>>, 100000)},
        %% A fun itself would be a stored procedure.
        {funs, [nested(fun(Inner) -> fun() -> Inner end end, 1000), 1]},
        {atom, list_to_atom(lists:duplicate(255, 16#10400))}
    ].

nested(Wrap) -> nested(Wrap, ?NESTED).

nested(Wrap, Depth) -> lists:foldl(fun(_, Inner) -> Wrap(Inner) end, [], lists:seq(1, Depth)).

hostile_terms_are_kept_and_come_back_out_of_a_snapshot_test_() ->
    {timeout, ?TIMEOUT_S, fun() ->
        with_dir(fun(Dir) ->
            S = new_name(),
            Terms = terms(),
            in_store(Dir, S, fun() ->
                [ok = pando:put(S, [t, Name], Term) || {Name, Term} <- Terms],
                are_there(S, Terms),
                are_matched(S, Terms),
                is_in_snapshot(S)
            end),
            in_store(Dir, S, fun() ->
                are_there(S, Terms),
                are_matched(S, Terms),
                [ok = pando:delete(S, [t, Name]) || {Name, _} <- Terms],
                ?assertEqual({ok, 0}, pando:count(S, [t, ?PANDO_WILDCARD_STAR]))
            end)
        end)
    end}.

in_store(Dir, S, Test) ->
    {ok, S} = pando:start(Dir, S),
    try
        Test()
    after
        ok = pando:stop(S)
    end.

are_there(S, Terms) ->
    [?assert({Name, pando:get(S, [t, Name])} =:= {Name, {ok, Term}}) || {Name, Term} <- Terms],
    {ok, Found} = pando:get_many(S, [t, ?PANDO_WILDCARD_STAR]),
    ?assert(Found =:= maps:from_list([{[t, Name], Term} || {Name, Term} <- Terms])).

%% Patterns that look into them, and guards that look at all of each.
are_matched(S, Terms) ->
    Names = fun(Pattern, Conditions) ->
        Condition = #if_data_matches{pattern = Pattern, conditions = Conditions},
        {ok, Found} = pando:get_many(S, [t, Condition]),
        lists:sort([Name || [t, Name] <- maps:keys(Found)])
    end,
    All = lists:sort([Name || {Name, _} <- Terms]),
    ?assertEqual(All, Names('_', [])),
    ?assertEqual(All, Names('$1', [{'=:=', '$1', '$_'}])),
    ?assertEqual([lists_in_lists], Names([['$1']], [])),
    ?assertEqual([tuples_in_tuples], Names({{'$1'}}, [])),
    ?assertEqual([improper], Names(['_' | tail], [])),
    ?assertEqual([wide_list], Names('$1', [{'=:=', {length, '$1'}, ?WIDE}])),
    ?assertEqual([wide_map], Names('$1', [{'=:=', {map_size, '$1'}, ?WIDE}])),
    %% What is taken as a pattern finds itself; what is deeper than a pattern may be is refused.
    lists:foreach(
        fun({Name, Term}) ->
            case is_deep(Name) of
                true ->
                    TooDeep = pando:get_many(S, [t, #if_data_matches{pattern = Term}]),
                    ?assertMatch({error, {pando, limit_exceeded, #{limit := condition_depth_max}}}, TooDeep),
                    Guard = #if_data_matches{pattern = '$1', conditions = [{'=:=', '$1', {const, Term}}]},
                    ?assert(pando:get_many(S, [t, Guard]) =:= TooDeep);
                false ->
                    ?assertEqual([Name], Names(Term, []))
            end
        end,
        Terms
    ).

is_deep(Name) ->
    lists:member(Name, [lists_in_lists, tuples_in_tuples, improper, maps_as_values, maps_as_keys, funs]).

%% The next snapshot comes when there is as much log again as the last one was large.
is_in_snapshot(S) ->
    {ok, #{applied_index := Written}} = pando_cluster:status(S),
    Megabyte = binary:copy(<<"x">>, 1024 * 1024),
    ok = await(
        fun() ->
            ok = pando:put(S, [ballast], Megabyte),
            {ok, #{snapshot_index := Index}} = pando_cluster:status(S),
            is_integer(Index) andalso Index >= Written
        end,
        ?SNAPSHOT_WAIT_MS
    ).
