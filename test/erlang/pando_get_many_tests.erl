%% Reads of many nodes: get_many, count, fold, is_empty, with `*' and `**'.
-module(pando_get_many_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [cases/1, title/1]).

-define(STAR, ?PANDO_WILDCARD_STAR).
-define(STAR_STAR, ?PANDO_WILDCARD_STAR_STAR).

%% [a], [a,b], [a,b,c] and [a,d], [e], [<<"f">>,<<"g">>,<<"h">>,<<"i">>]; those with a letter of their own
%% have it as data.
fill(S) ->
    ok = pando:put(S, [a, b, c], c),
    ok = pando:put(S, [a, d], d),
    ok = pando:put(S, [e], e),
    ok = pando:put(S, [<<"f">>, <<"g">>, <<"h">>, <<"i">>], i).

values() ->
    #{
        [a] => undefined,
        [a, b] => undefined,
        [a, b, c] => c,
        [a, d] => d,
        [e] => e,
        [<<"f">>] => undefined,
        [<<"f">>, <<"g">>] => undefined,
        [<<"f">>, <<"g">>, <<"h">>] => undefined,
        [<<"f">>, <<"g">>, <<"h">>, <<"i">>] => i
    }.

%% Each pattern with the paths it matches in fill/1's tree.
patterns() ->
    Depth = fun(N) -> [Path || Path <- maps:keys(values()), length(Path) >= N] end,
    [
        {[], [[]]},
        {[a], [[a]]},
        {[nope], []},
        {[a, nope, c], []},
        {[a, b, c, nope], []},
        {[?STAR], [[a], [e], [<<"f">>]]},
        {[?STAR, ?STAR], [[a, b], [a, d], [<<"f">>, <<"g">>]]},
        {[a, ?STAR], [[a, b], [a, d]]},
        {[e, ?STAR], []},
        {[?STAR, b], [[a, b]]},
        {[?STAR, b, ?STAR], [[a, b, c]]},
        {[?STAR, nope], []},
        {[?STAR_STAR], Depth(1)},
        {[a, ?STAR_STAR], [[a, b], [a, b, c], [a, d]]},
        {[e, ?STAR_STAR], []},
        {[?STAR, ?STAR_STAR], Depth(2)},
        {[?STAR_STAR, ?STAR], Depth(2)},
        {[?STAR_STAR, c], [[a, b, c]]},
        {[?STAR_STAR, <<"h">>, ?STAR], [[<<"f">>, <<"g">>, <<"h">>, <<"i">>]]},
        {[a, $^], [[]]},
        {[a, $., d], [[a, d]]},
        {[$., a], [[a]]},
        {[$., ?STAR], [[a], [e], [<<"f">>]]},
        {[a, b, $^, d], [[a, d]]},
        {[?STAR, $., d], [[a, d]]}
    ].

get_many_test_() ->
    cases([
        {title(Pattern), fun(S) ->
            fill(S),
            Root = maps:from_list([{P, undefined} || [] = P <- Paths]),
            Expected = maps:merge(maps:with(Paths, values()), Root),
            ?assertEqual({ok, Expected}, pando:get_many(S, Pattern)),
            ?assertEqual({ok, Expected}, pando:get_many(S, Pattern, #{})),
            ?assertEqual(Expected, pando:'get_many!'(S, Pattern)),
            ?assertEqual({ok, length(Paths)}, pando:count(S, Pattern)),
            ?assertEqual({ok, length(Paths)}, pando:count(S, Pattern, #{favor => consistency})),
            ?assertEqual(length(Paths), pando:'count!'(S, Pattern)),
            {ok, Folded} = pando:fold(S, Pattern, fun(Path, Props, Acc) -> [{Path, Props} | Acc] end, []),
            ?assertEqual(lists:sort(Paths), lists:sort([Path || {Path, _} <- Folded])),
            ?assertEqual({ok, maps:from_list(Folded)}, pando_adv:get_many(S, Pattern)),
            ?assertEqual({ok, maps:from_list(Folded)}, pando_adv:get_many(S, Pattern, #{}))
        end}
     || {Pattern, Paths} <- patterns()
    ]).

patterns_as_text_test_() ->
    cases([
        {title(Text), fun(S) ->
            fill(S),
            {ok, Expected} = pando:get_many(S, Native),
            ?assertNotEqual(#{}, Expected),
            ?assertEqual({ok, Expected}, pando:get_many(S, Text)),
            ?assertEqual({ok, maps:size(Expected)}, pando:count(S, Text))
        end}
     || {Text, Native} <- [
            {"*", [?STAR]},
            {"/*", [?STAR]},
            {<<"/**">>, [?STAR_STAR]},
            {"/:a/*", [a, ?STAR]},
            {<<"/f/**">>, [<<"f">>, ?STAR_STAR]},
            {"*/*", [?STAR, ?STAR]},
            {"**/:c", [?STAR_STAR, c]}
        ]
    ]).

the_parent_of_what_a_pattern_matches_test_() ->
    cases([
        {"[*, ^]", fun(S) ->
            fill(S),
            ?assertEqual({ok, #{[] => undefined}}, pando:get_many(S, [?STAR, $^]))
        end}
    ]).

include_root_props_test_() ->
    cases([
        {title(Pattern), fun(S) ->
            fill(S),
            ok = pando:put(S, [], root),
            Options = #{include_root_props => true},
            {ok, Without} = pando:get_many(S, Pattern, #{include_root_props => false}),
            Expected =
                case AddsRoot of
                    true -> Without#{[] => root};
                    false -> Without
                end,
            ?assertEqual({ok, Expected}, pando:get_many(S, Pattern, Options)),
            ?assertEqual({ok, maps:size(Expected)}, pando:count(S, Pattern, Options)),
            {ok, Folded} = pando:fold(S, Pattern, fun(Path, _, Acc) -> [Path | Acc] end, [], Options),
            ?assertEqual(lists:sort(maps:keys(Expected)), lists:sort(Folded))
        end}
     || {Pattern, AddsRoot} <- [
            {[?STAR], true},
            {[?STAR_STAR], true},
            {[?STAR, ?STAR_STAR], true},
            {[a, ?STAR], false},
            {[], false},
            {[a], false}
        ]
    ]).

expect_specific_node_test_() ->
    cases([
        {"a missing node is an error", fun(S) ->
            Error =
                {error,
                    {pando, node_not_found, #{node_name => nope, node_path => [nope], node_is_target => true}}},
            Expect = #{expect_specific_node => true},
            ?assertEqual({ok, #{}}, pando:get_many(S, [nope])),
            ?assertEqual(Error, pando:get_many(S, [nope], Expect)),
            ?assertEqual(Error, pando_adv:get_many(S, [nope], Expect)),
            {error, Reason} = Error,
            ?assertError(Reason, pando:'get_many!'(S, [nope], Expect))
        end},
        {"a node that is there", fun(S) ->
            ok = pando:put(S, [a], 1),
            Expect = #{expect_specific_node => true},
            ?assertEqual({ok, #{[a] => 1}}, pando:get_many(S, [a], Expect)),
            ?assertEqual(
                {ok, #{[a] => #{data => 1, payload_version => 1}}}, pando_adv:get_many(S, [a], Expect)
            )
        end},
        {"count and fold are over many all the same", fun(S) ->
            fill(S),
            Expect = #{expect_specific_node => true},
            ?assertEqual({ok, 3}, pando:count(S, [?STAR], Expect)),
            ?assertEqual({ok, 0}, pando:count(S, [nope], Expect)),
            ?assertEqual({ok, 3}, pando:fold(S, [?STAR], fun(_, _, N) -> N + 1 end, 0, Expect)),
            ?assertEqual({ok, 0}, pando:fold(S, [nope], fun(_, _, N) -> N + 1 end, 0, Expect))
        end}
    ]).

properties_of_many_test_() ->
    cases([
        {"chosen properties of every node", fun(S) ->
            ok = pando:put(S, [p, a], 1),
            ok = pando:put(S, [p, b], fun lists:sum/1),
            ok = pando:put(S, [p, c, d], 2),
            Options = #{props_to_return => [payload, has_payload, child_list_length]},
            Expected = #{
                [p, a] => #{data => 1, has_data => true, child_list_length => 0},
                [p, b] => #{sproc => fun lists:sum/1, is_sproc => true, child_list_length => 0},
                [p, c] => #{child_list_length => 1}
            },
            ?assertEqual({ok, Expected}, pando_adv:get_many(S, [p, ?STAR], Options)),
            {ok, Folded} = pando:fold(
                S, [p, ?STAR], fun(Path, Props, Acc) -> Acc#{Path => Props} end, #{}, Options
            ),
            ?assertEqual(Expected, Folded)
        end},
        {"none", fun(S) ->
            fill(S),
            ?assertEqual(
                {ok, #{[a] => #{}, [e] => #{}, [<<"f">>] => #{}}},
                pando_adv:get_many(S, [?STAR], #{props_to_return => []})
            )
        end},
        {"get_many answers values whatever is asked for", fun(S) ->
            fill(S),
            {ok, Expected} = pando:get_many(S, "**"),
            ?assertEqual({ok, Expected}, pando:get_many(S, "**", #{props_to_return => []})),
            ?assertEqual({ok, Expected}, pando:get_many(S, "**", #{props_to_return => [child_names]}))
        end}
    ]).

fold_test_() ->
    cases([
        {"a node before those below it", fun(S) ->
            fill(S),
            {ok, Reversed} = pando:fold(S, "**", fun(Path, _, Acc) -> [Path | Acc] end, []),
            Visited = lists:reverse(Reversed),
            Position = fun(Path) -> length(lists:takewhile(fun(P) -> P =/= Path end, Visited)) end,
            [
                ?assert(Position(lists:droplast(Path)) < Position(Path))
             || Path <- Visited, length(Path) > 1
            ]
        end},
        {"the function runs in the caller, and may call the store", fun(S) ->
            fill(S),
            Me = self(),
            {ok, N} = pando:fold(
                S,
                [a, ?STAR],
                fun(Path, _, N) ->
                    ?assertEqual(Me, self()),
                    ok = pando:put(S, [copy | Path], N),
                    {ok, N} = pando:get(S, [copy | Path]),
                    N + 1
                end,
                0
            ),
            ?assertEqual(2, N)
        end},
        {"what it sees is of one moment", fun(S) ->
            fill(S),
            {ok, Seen} = pando:fold(
                S,
                "**",
                fun(Path, _, Acc) ->
                    ok = pando:delete(S, []),
                    ok = pando:put(S, [new], x),
                    [Path | Acc]
                end,
                []
            ),
            ?assertEqual(lists:sort(maps:keys(values())), lists:sort(Seen))
        end},
        {"what the function raises comes out, and the store goes on", fun(S) ->
            fill(S),
            ?assertError(boom, pando:fold(S, "*", fun(_, _, _) -> error(boom) end, 0)),
            ?assertThrow(boom, pando:fold(S, "*", fun(_, _, _) -> throw(boom) end, 0)),
            ?assertExit(boom, pando:fold(S, "*", fun(_, _, _) -> exit(boom) end, 0)),
            ?assertEqual({ok, 3}, pando:count(S, "*"))
        end},
        {"a function of another arity, or none", fun(S) ->
            ?assertError(function_clause, pando:fold(S, "*", fun(_, _) -> x end, 0)),
            ?assertError(function_clause, pando:fold(S, "*", x, 0))
        end}
    ]).

more_nodes_than_one_chunk_holds_test_() ->
    #{<<"chunk_nodes_max">> := ChunkNodesMax} = pando_backend:limits(),
    cases([
        {"every node once", fun(S) ->
            Count = 3 * ChunkNodesMax + 1,
            Names = [<<N:32>> || N <- lists:seq(1, Count)],
            Parts = pando_test_store:parallel(32, fun(Part) ->
                [
                    pando:put(S, [many, Name], N)
                 || {N, Name} <- lists:enumerate(Names), N rem 32 =:= Part rem 32
                ]
            end),
            ?assertEqual([ok], lists:usort(lists:append(Parts))),
            ?assertEqual({ok, Count}, pando:count(S, [many, ?STAR])),
            {ok, Found} = pando:get_many(S, [many, ?STAR]),
            ?assertEqual(maps:from_list([{[many, Name], N} || {N, Name} <- lists:enumerate(Names)]), Found),
            {ok, Sum} = pando:fold(S, [many, ?STAR], fun(_, #{data := N}, Sum) -> Sum + N end, 0),
            ?assertEqual(Count * (Count + 1) div 2, Sum),
            ?assertEqual({ok, #{}}, pando:get_many(S, [many, ?STAR, nope])),
            ?assertEqual({ok, 0}, pando:count(S, [many, ?STAR, nope]))
        end},
        {"payloads larger than one chunk", fun(S) ->
            Values = maps:from_list([{[big, <<N>>], binary:copy(<<N>>, 100000)} || N <- lists:seq(1, 20)]),
            [ok = pando:put(S, Path, Value) || {Path, Value} <- maps:to_list(Values)],
            ?assertEqual({ok, Values}, pando:get_many(S, [big, ?STAR]))
        end}
    ]).

is_empty_test_() ->
    cases([
        {"a new store, a payload of the root, a node, none again", fun(S) ->
            ?assertEqual(true, pando:is_empty(S)),
            ?assertEqual(true, pando:is_empty(S, #{})),
            ok = pando:put(S, [], root),
            ?assertEqual(true, pando:is_empty(S)),
            ok = pando:put(S, [a, b], 1),
            ?assertEqual(false, pando:is_empty(S)),
            ?assertEqual(false, pando:is_empty(S, #{favor => consistency})),
            ok = pando:delete(S, [a, b]),
            ?assertEqual(true, pando:is_empty(S))
        end},
        {"a timeout of zero", fun(S) ->
            ?assertEqual({error, timeout}, pando:is_empty(S, #{timeout => 0}))
        end}
    ]).

a_timeout_of_zero_test_() ->
    cases([
        {"of reads of many nodes", fun(S) ->
            Zero = #{timeout => 0},
            ?assertEqual({error, timeout}, pando:get_many(S, "*", Zero)),
            ?assertEqual({error, timeout}, pando_adv:get_many(S, "*", Zero)),
            ?assertEqual({error, timeout}, pando:get_many(S, [a], Zero#{expect_specific_node => true})),
            ?assertEqual({error, timeout}, pando:count(S, "*", Zero)),
            ?assertEqual({error, timeout}, pando:fold(S, "*", fun(_, _, A) -> A end, 0, Zero)),
            ?assertError(timeout, pando:'get_many!'(S, "*", Zero)),
            ?assertError(timeout, pando:'count!'(S, "*", Zero))
        end},
        {"a longer one", fun(S) ->
            fill(S),
            ?assertMatch({ok, #{[e] := e}}, pando:get_many(S, "*", #{timeout => 60000})),
            ?assertEqual({ok, 3}, pando:count(S, "*", #{timeout => infinity}))
        end}
    ]).
