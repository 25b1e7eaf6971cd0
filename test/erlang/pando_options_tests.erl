%% Options: which function takes which, and what it does with others. Specification section 5.
%%
%% Specification -> test here:
%%   5 groups and functions       each_function_takes_its_options_and_no_other_test_
%%   5 values of the table        wrong_values_raise_test_, reply_from_names_a_member_test_
%%   5 defaults and meanings      meanings_test_
%%   beyond it: limit, from       limit_and_from_test_, pages_test_, limit_and_from_of_other_functions_test_
%% Unknown keys and values of the first functions: pando_arguments_tests. async, favor, condition: pando_async_tests.
-module(pando_options_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [cases/1, title/1]).
-import(pando_test_calls, [tests/1, paths/1]).

-define(STAR, ?PANDO_WILDCARD_STAR).

%% {Group, [{Name, Call}]}
functions() ->
    Sum = fun(_, _, Acc) -> Acc end,
    Visit = fun(_, _) -> true end,
    [
        {read, [
            {get, fun(S, O) -> pando:get(S, [a], O) end},
            {get_or, fun(S, O) -> pando:get_or(S, [a], d, O) end},
            {get_many, fun(S, O) -> pando:get_many(S, [a], O) end},
            {get_many_or, fun(S, O) -> pando:get_many_or(S, [a], d, O) end},
            {exists, fun(S, O) -> pando:exists(S, [a], O) end},
            {has_data, fun(S, O) -> pando:has_data(S, [a], O) end},
            {is_sproc, fun(S, O) -> pando:is_sproc(S, [a], O) end},
            {is_empty, fun(S, O) -> pando:is_empty(S, O) end},
            {count, fun(S, O) -> pando:count(S, [a], O) end},
            {fold, fun(S, O) -> pando:fold(S, [a], Sum, 0, O) end},
            {foreach, fun(S, O) -> pando:foreach(S, [a], Visit, O) end},
            {map, fun(S, O) -> pando:map(S, [a], Visit, O) end},
            {filter, fun(S, O) -> pando:filter(S, [a], Visit, O) end},
            {adv_get, fun(S, O) -> pando_adv:get(S, [a], O) end},
            {adv_get_many, fun(S, O) -> pando_adv:get_many(S, [a], O) end},
            {'get!', fun(S, O) -> pando:'get!'(S, [a], O) end},
            {'get_or!', fun(S, O) -> pando:'get_or!'(S, [a], d, O) end},
            {'get_many!', fun(S, O) -> pando:'get_many!'(S, [a], O) end},
            {'get_many_or!', fun(S, O) -> pando:'get_many_or!'(S, [a], d, O) end},
            {'exists!', fun(S, O) -> pando:'exists!'(S, [a], O) end},
            {'has_data!', fun(S, O) -> pando:'has_data!'(S, [a], O) end},
            {'is_sproc!', fun(S, O) -> pando:'is_sproc!'(S, [a], O) end},
            {'count!', fun(S, O) -> pando:'count!'(S, [a], O) end}
        ]},
        {put,
            lists:append([
                [
                    {{M, put}, fun(S, O) -> M:put(S, [a], 1, O) end},
                    {{M, put_many}, fun(S, O) -> M:put_many(S, [a], 1, O) end},
                    {{M, create}, fun(S, O) -> M:create(S, [b], 1, O) end},
                    {{M, update}, fun(S, O) -> M:update(S, [a], 1, O) end},
                    {{M, compare_and_swap}, fun(S, O) -> M:compare_and_swap(S, [a], 1, 1, O) end},
                    {{M, clear_payload}, fun(S, O) -> M:clear_payload(S, [a], O) end},
                    {{M, clear_many_payloads}, fun(S, O) -> M:clear_many_payloads(S, [a], O) end}
                ]
             || M <- [pando, pando_adv]
            ]) ++
                [
                    {'put!', fun(S, O) -> pando:'put!'(S, [a], 1, O) end},
                    {'put_many!', fun(S, O) -> pando:'put_many!'(S, [a], 1, O) end},
                    {'create!', fun(S, O) -> pando:'create!'(S, [b], 1, O) end},
                    {'update!', fun(S, O) -> pando:'update!'(S, [a], 1, O) end},
                    {'compare_and_swap!', fun(S, O) -> pando:'compare_and_swap!'(S, [a], 1, 1, O) end},
                    {'clear_payload!', fun(S, O) -> pando:'clear_payload!'(S, [a], O) end},
                    {'clear_many_payloads!', fun(S, O) -> pando:'clear_many_payloads!'(S, [a], O) end}
                ]},
        {delete, [
            {delete, fun(S, O) -> pando:delete(S, [a], O) end},
            {delete_many, fun(S, O) -> pando:delete_many(S, [a], O) end},
            {adv_delete, fun(S, O) -> pando_adv:delete(S, [a], O) end},
            {adv_delete_many, fun(S, O) -> pando_adv:delete_many(S, [a], O) end},
            {'delete!', fun(S, O) -> pando:'delete!'(S, [a], O) end},
            {'delete_many!', fun(S, O) -> pando:'delete_many!'(S, [a], O) end}
        ]}
    ].

%% {Options, the groups of functions that take them}
options(S) ->
    [
        {Options, [read]}
     || Options <- [#{favor => low_latency}, #{favor => consistency}, #{condition => {applied, {0, 0}}}]
    ] ++
        [
            {Options, [read, put, delete]}
         || Options <- [
                #{}, #{timeout => 60000}, #{timeout => infinity}, #{expect_specific_node => true},
                #{expect_specific_node => false}, #{props_to_return => []}, #{props_to_return => [payload, zork]},
                #{include_root_props => true}, #{include_root_props => false}, #{return_indirect_deletes => true},
                #{return_indirect_deletes => false}
            ]
        ] ++
        [
            {Options, [put, delete]}
         || Options <- [
                #{async => false}, #{async => true}, #{async => low}, #{async => normal}, #{reply_from => leader},
                #{reply_from => local}, #{reply_from => {member, {S, node()}}},
                #{reply_from => {member, {S, 'nobody@nowhere'}}}, #{protect_against_dups => true},
                #{protect_against_dups => false}, #{keep_while => #{}}, #{return => token}
            ]
        ] ++
        [{Options, []} || Options <- [#{unknown => 1}, #{<<"timeout">> => 1}, #{1 => 2}]].

each_function_takes_its_options_and_no_other_test_() ->
    cases([
        {title({Group, Name}), fun(S) ->
            [
                begin
                    %% What was written without waiting for it is there.
                    ok = pando:fence(S),
                    ok = pando:put(S, [a], 1),
                    ok = pando:delete(S, [b]),
                    Takes = lists:member(Group, Groups),
                    ?assertEqual({Options, Takes}, {Options, takes(Call, S, Options)}),
                    %% What was not taken has done nothing.
                    [?assertEqual({ok, #{[a] => 1}}, pando:get_many(S, "**")) || not Takes]
                end
             || {Options, Groups} <- options(S)
            ]
        end}
     || {Group, Calls} <- functions(), {Name, Call} <- Calls
    ]).

%% Taken: there is an answer which is no error.
takes(Call, S, Options) ->
    try Call(S, Options) of
        {error, Reason} -> {error, Reason};
        _ -> true
    catch
        error:function_clause -> false
    end.

wrong_values_raise_test_() ->
    Everywhere = [
        #{timeout => -1}, #{timeout => 1.0}, #{timeout => never}, #{expect_specific_node => 1},
        #{include_root_props => yes}, #{return_indirect_deletes => undefined}, #{props_to_return => payload},
        #{props_to_return => [payload | x]}, #{props_to_return => #{}}, #{timeout => 1000, other => 1}
    ],
    Wrong = [
        {read, Everywhere ++ [#{favor => speed}, #{favor => true}, #{condition => {applied, 1}}, #{condition => x}] ++ no_tokens()},
        {put, Everywhere ++ commands()},
        {delete, Everywhere ++ commands()}
    ],
    cases([
        {title({Group, Name}), fun(S) ->
            ok = pando:put(S, [a], 1),
            {Group, Options} = lists:keyfind(Group, 1, Wrong),
            [?assertEqual({O, false}, {O, takes(Call, S, O)}) || O <- Options],
            ?assertEqual({ok, #{[a] => 1}}, pando:get_many(S, "**"))
        end}
     || {Group, Calls} <- functions(), {Name, Call} <- Calls
    ]).

no_tokens() ->
    [
        #{at_least => Token}
     || Token <- [none, 1, {pando_token, 1}, {pando_token, <<>>, 1}, {pando_token, <<0:128>>, -1}, {pando_token, <<0:128>>, x}]
    ].

%% Values of options of writes that are none.
commands() ->
    [
        #{return => result}, #{return => tokens}, #{return => [token]},
        #{async => maybe}, #{async => {1, high}}, #{async => {x, low}}, #{async => "1"}, #{async => 1.0},
        #{async => {1, low, x}}, #{protect_against_dups => 1}, #{keep_while => []}, #{keep_while => x}
    ].

reply_from_names_a_member_test_() ->
    tests([
        {{Function, Value}, [
            {put, [[a], 1]},
            {{Function, Arguments ++ [#{reply_from => Value}]}, {error, {unknown_option, reply_from, Value}}},
            {{get_many, ["**"]}, {ok, #{[a] => 1}}}
        ]}
     || Value <- [nobody, true, {member, x}, {member, {x}}, "leader", 1],
        {Function, Arguments} <- [{put, [[a], 2]}, {update, [[a], 2]}, {delete, [[a]]}, {delete_many, ["*"]}]
    ]).

meanings_test_() ->
    Default = #{data => 1, payload_version => 1},
    tests([
        {"props_to_return: payload, payload_version and delete_reason by default", [
            {put, [[a], 1]},
            {{adv, get, [[a]]}, {ok, #{[a] => Default}}},
            {{adv, get, [[a], #{props_to_return => [payload, payload_version, delete_reason]}]},
                {ok, #{[a] => Default}}},
            {{adv, get_many, ["*"]}, {ok, #{[a] => Default}}},
            {{adv, put, [[a], 1]}, {ok, #{[a] => Default}}},
            {{adv, delete, [[a]]}, {ok, #{[a] => Default#{delete_reason => explicit}}}}
        ]},
        {"props_to_return: simple writes answer ok whatever it is", [
            {put, [[a], 1, #{props_to_return => [payload]}]},
            {put_many, ["*", 2, #{props_to_return => [payload]}]},
            {compare_and_swap, [[a], 2, 3, #{props_to_return => [payload]}]},
            {clear_many_payloads, ["*", #{props_to_return => [payload]}]},
            {delete_many, ["*", #{props_to_return => [payload]}]}
        ]},
        {"return_indirect_deletes: true by default", [
            {put, [[a, b], 1]},
            {{adv, delete_many, [[a, ?STAR]]}, fun({ok, Gone}) -> lists:sort(maps:keys(Gone)) =:= [[a], [a, b]] end},
            {put, [[a, b], 1]},
            {{adv, delete_many, [[a, ?STAR], #{return_indirect_deletes => false}]}, fun({ok, Gone}) ->
                maps:keys(Gone) =:= [[a, b]]
            end},
            {{get_many, ["**"]}, {ok, #{}}}
        ]},
        {"expect_specific_node: false by default for functions of many", [
            {put, [[a], 1]},
            {{get_many, ["*"]}, {ok, #{[a] => 1}}},
            {{get_many, ["*", #{expect_specific_node => true}]}, fun({raised, {pando_ex, Name, _}}) ->
                Name =:= possibly_matching_many_nodes_denied
            end}
        ]},
        {"include_root_props: false by default", [
            {{get_many, ["*"]}, {ok, #{}}},
            {{get_many, ["*", #{include_root_props => true}]}, {ok, #{[] => undefined}}}
        ]},
        {"keep_while: absent leaves conditions, given replaces them", [
            {put, [[w], 1]},
            {put, [[a], 1, #{keep_while => #{[w] => #if_node_exists{}}}]},
            {put, [[b], 1, #{keep_while => #{[w] => #if_node_exists{}}}]},
            {put, [[a], 2]},
            {put, [[b], 2, #{keep_while => #{}}]},
            {delete, [[w]]},
            fun(S) -> ?assertEqual([[b]], paths(S)) end
        ]},
        {"keep_while: a delete takes it for nothing", [
            {put, [[a], 1]},
            {{delete, [[a], #{keep_while => #{[x] => #if_node_exists{}}}]}, ok},
            {{exists, [[a]]}, false}
        ]},
        {"timeout: 0 has done nothing", [
            {{Function, Arguments ++ [#{timeout => 0}]}, {error, timeout}}
         || {Function, Arguments} <- [
                {get_many_or, [[a], d]}, {is_sproc, [[a]]}, {foreach, ["*", fun(_, _) -> x end]},
                {map, ["*", fun(_, _) -> x end]}, {filter, ["*", fun(_, _) -> x end]}, {put_many, [[a], 1]},
                {compare_and_swap, [[a], 1, 2]}, {delete_many, ["*"]}, {clear_many_payloads, ["*"]}
            ]
        ] ++ [{{get_many, ["**"]}, {ok, #{}}}]}
    ]).

%% -------------------------------------------------------------------
%% Beyond the specification: limit and from.
%% -------------------------------------------------------------------

tree() ->
    #{
        [a] => undefined,
        [a, b] => 1,
        [a, <<"b">>] => 2,
        [c] => 3,
        [<<"a">>] => undefined,
        [<<"a">>, x, y] => 4,
        [<<"a">>, x] => undefined,
        [<<"b">>] => 5
    }.

fill(S) ->
    [ok = pando:put(S, Path, Value) || {Path, Value} <- maps:to_list(tree()), Value =/= undefined],
    lists:sort(maps:keys(tree())).

folded(S, Pattern, Options) ->
    {ok, Paths} = pando:fold(S, Pattern, fun(Path, _, Acc) -> [Path | Acc] end, [], Options),
    lists:reverse(Paths).

limit_and_from_test_() ->
    cases([
        {title(Options), fun(S) ->
            Sorted = fill(S),
            ?assertEqual(Sorted, folded(S, "**", #{})),
            ?assertEqual(Expected, folded(S, "**", Options)),
            ?assertEqual({ok, maps:with(Expected, tree())}, pando:get_many(S, "**", Options)),
            {ok, Props} = pando_adv:get_many(S, "**", Options),
            ?assertEqual(Expected, lists:sort(maps:keys(Props)))
        end}
     || {Options, Expected} <- [
            {#{limit => 1}, [[a]]},
            {#{limit => 3}, [[a], [a, b], [a, <<"b">>]]},
            {#{limit => 8}, lists:sort(maps:keys(tree()))},
            {#{limit => 1000000}, lists:sort(maps:keys(tree()))},
            {#{from => []}, lists:sort(maps:keys(tree()))},
            {#{from => [<<"a">>]}, [[<<"a">>, x], [<<"a">>, x, y], [<<"b">>]]},
            {#{from => "/a/:x"}, [[<<"a">>, x, y], [<<"b">>]]},
            {#{from => [<<"b">>]}, []},
            {#{from => [<<"b">>, zzz]}, []},
            %% Nodes that are not there, or no longer.
            {#{from => [a, bb]}, [[a, <<"b">>], [c], [<<"a">>], [<<"a">>, x], [<<"a">>, x, y], [<<"b">>]]},
            {#{from => [b]}, [[c], [<<"a">>], [<<"a">>, x], [<<"a">>, x, y], [<<"b">>]]},
            {#{from => [a, b, zzz]}, [[a, <<"b">>], [c], [<<"a">>], [<<"a">>, x], [<<"a">>, x, y], [<<"b">>]]},
            {#{from => [a], limit => 2}, [[a, b], [a, <<"b">>]]},
            {#{from => [c], limit => 2}, [[<<"a">>], [<<"a">>, x]]}
        ]
    ]).

pages_test_() ->
    #{<<"chunk_nodes_max">> := ChunkNodesMax} = pando_backend:limits(),
    Count = ChunkNodesMax + 17,
    cases([
        {title({pages, 'of', Limit}), fun(S) ->
            Results = pando_test_store:parallel(16, fun(Part) ->
                [pando:put(S, [p, <<N:16>>, x], N) || N <- lists:seq(1, Count), N rem 16 =:= Part rem 16]
            end),
            ?assertEqual([ok], lists:usort(lists:append(Results))),
            [
                begin
                    All = folded(S, Pattern, #{}),
                    ?assertEqual(All, lists:sort(All)),
                    ?assertEqual(Matches, length(All)),
                    ?assertEqual(All, pages(S, Pattern, Limit, #{}))
                end
             || {Pattern, Matches} <- [
                    {[p, ?STAR], Count},
                    {"**", 2 * Count + 1},
                    {[p, ?STAR, x], Count},
                    {[p, #if_name_matches{regex = "^"}, #if_has_data{}], Count},
                    {[p, ?STAR, y], 0}
                ]
            ]
        end}
     || Limit <- [7, 1000, ChunkNodesMax, ChunkNodesMax + 1]
    ]).

pages(S, Pattern, Limit, From) ->
    case folded(S, Pattern, From#{limit => Limit}) of
        [] ->
            [];
        Page ->
            ?assert(length(Page) =< Limit),
            Page ++ pages(S, Pattern, Limit, #{from => lists:last(Page)})
    end.

limit_and_from_of_other_functions_test_() ->
    cases([
        {"a limit counts nodes, however many ways lead to them", fun(S) ->
            [ok = pando:put(S, Path, 1) || Path <- [[a, b, c], [a, d], [e, f]]],
            %% To [a, b, c] there are two.
            {ok, Page} = pando:get_many(S, "**/**", #{limit => 3}),
            ?assertEqual([[a, b], [a, b, c], [a, d]], lists:sort(maps:keys(Page)))
        end},
        {"values that are none", fun(S) ->
            [
                ?assertError(function_clause, Call(S, Options), Options)
             || Options <- [#{limit => -1}, #{limit => all}, #{limit => 1.0}],
                Call <- [
                    fun(S1, O) -> pando:get_many(S1, "*", O) end,
                    fun(S1, O) -> pando_adv:get_many(S1, "*", O) end,
                    fun(S1, O) -> pando:fold(S1, "*", fun(_, _, Acc) -> Acc end, 0, O) end
                ]
            ]
        end},
        {"a from that is no path, or no concrete one", fun(S) ->
            [
                ?assertMatch({raised, {pando_ex, _, _}}, pando_test_calls:answer(S, {get_many, ["*", #{from => From}]}))
             || From <- [12, {a}, [a, {foo}], "*", [a, #if_has_data{}]]
            ]
        end},
        {"functions of one node, and writes, do not take them", fun(S) ->
            ok = pando:put(S, [a], 1),
            [
                ?assertEqual({Name, O, false}, {Name, O, takes(Call, S, O)})
             || {Group, Calls} <- functions(),
                {Name, Call} <- Calls,
                Group =/= read orelse lists:member(Name, [get, get_or, exists, has_data, is_sproc, is_empty, adv_get]),
                O <- [#{limit => 1}, #{from => []}]
            ],
            ?assertEqual({ok, #{[a] => 1}}, pando:get_many(S, "**"))
        end}
    ]).
