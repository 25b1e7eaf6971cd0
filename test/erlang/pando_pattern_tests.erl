%% How patterns walk the tree: what they match, what they are denied for, in which order.
%%
%% Specification -> test here:
%%   4.1 specific-node mode       denied_to_functions_of_one_node_test_, denied_components_test_,
%%                                components_that_name_one_node_test_, the_parent_in_a_condition_test_
%%   4.2 the current node         conditions_on_the_current_node_test_
%%   4.3 many-nodes mode          many_nodes_test_, each_bullet_of_many_nodes_test_, writes_through_patterns_test_
%%   4.4 root inclusion           include_root_props_test_
%%   4.5 order                    order_of_the_walk_test_
%% With plain names, `*' and `**' alone: pando_get_many_tests, pando_get_tests, pando_put_tests.
-module(pando_pattern_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [cases/1, title/1]).
-import(pando_test_calls, [tests/1, paths/1]).

-define(ALL(Conditions), #if_all{conditions = Conditions}).
-define(ANY(Conditions), #if_any{conditions = Conditions}).
-define(NOT(Condition), #if_not{condition = Condition}).
-define(STAR, ?PANDO_WILDCARD_STAR).
-define(STAR_STAR, ?PANDO_WILDCARD_STAR_STAR).
-define(PATH(Regex), #if_path_matches{regex = Regex}).
-define(EXPECT, #{expect_specific_node => true}).

%% -------------------------------------------------------------------
%% 4.1
%% -------------------------------------------------------------------

%% Each function with the condition that it adds to the last component.
denied_to_functions_of_one_node_test_() ->
    Exists = [#if_node_exists{}],
    Missing = [#if_node_exists{exists = false}],
    Data = [#if_data_matches{pattern = 1}],
    tests([
        {{Name, Pattern}, [
            {put, [[a, b], 1]},
            {Call(Pattern),
                {raised,
                    {pando_ex, possibly_matching_many_nodes_denied, #{
                        path => pando_path:combine_with_conditions(Pattern, Added)
                    }}}},
            fun(S) -> ?assertEqual([[a], [a, b]], paths(S)) end
        ]}
     || Pattern <- [[?STAR], [a, ?STAR], [?STAR, b], [a, ?STAR_STAR], [#if_has_data{}, b]],
        {Name, Call, Added} <- [
            {get, fun(P) -> {get, [P]} end, []},
            {get_or, fun(P) -> {get_or, [P, d]} end, []},
            {exists, fun(P) -> {exists, [P]} end, []},
            {has_data, fun(P) -> {has_data, [P]} end, []},
            {is_sproc, fun(P) -> {is_sproc, [P]} end, []},
            {put, fun(P) -> {put, [P, 2]} end, []},
            {create, fun(P) -> {create, [P, 2]} end, Missing},
            {update, fun(P) -> {update, [P, 2]} end, Exists},
            {compare_and_swap, fun(P) -> {compare_and_swap, [P, 1, 2]} end, Data},
            {delete, fun(P) -> {delete, [P]} end, []},
            {clear_payload, fun(P) -> {clear_payload, [P]} end, Exists},
            {adv_get, fun(P) -> {adv, get, [P]} end, []},
            {adv_put, fun(P) -> {adv, put, [P, 2]} end, []},
            {adv_create, fun(P) -> {adv, create, [P, 2]} end, Missing},
            {adv_update, fun(P) -> {adv, update, [P, 2]} end, Exists},
            {adv_compare_and_swap, fun(P) -> {adv, compare_and_swap, [P, 1, 2]} end, Data},
            {adv_delete, fun(P) -> {adv, delete, [P]} end, []},
            {adv_clear_payload, fun(P) -> {adv, clear_payload, [P]} end, Exists},
            {'get!', fun(P) -> {'get!', [P]} end, []},
            {'compare_and_swap!', fun(P) -> {'compare_and_swap!', [P, 1, 2]} end, Data},
            %% Asked for.
            {get_many, fun(P) -> {get_many, [P, ?EXPECT]} end, []},
            {get_many_or, fun(P) -> {get_many_or, [P, d, ?EXPECT]} end, []},
            {put_many, fun(P) -> {put_many, [P, 2, ?EXPECT]} end, []},
            {delete_many, fun(P) -> {delete_many, [P, ?EXPECT]} end, []},
            {adv_get_many, fun(P) -> {adv, get_many, [P, ?EXPECT]} end, []},
            {adv_put_many, fun(P) -> {adv, put_many, [P, 2, ?EXPECT]} end, []},
            {adv_delete_many, fun(P) -> {adv, delete_many, [P, ?EXPECT]} end, []}
        ]
    ]).

%% The option cannot be taken back where it is forced.
denied_components_test_() ->
    cases([
        {title(Component), fun(S) ->
            ok = pando:put(S, [a, b], 1),
            [
                ?assertMatch(
                    {raised, {pando_ex, possibly_matching_many_nodes_denied, #{path := _}}},
                    pando_test_calls:answer(S, Call)
                )
             || Path <- [[Component], [a, Component], [Component, b]],
                Call <- [
                    {get, [Path, #{expect_specific_node => false}]},
                    {exists, [Path]},
                    {put, [Path, 2]},
                    {put, [Path, 2, #{expect_specific_node => false}]},
                    {delete, [Path]},
                    {delete, [Path, #{expect_specific_node => false}]}
                ]
            ]
        end}
     || Component <- [
            #if_node_exists{}, #if_name_matches{regex = "^a$"}, ?PATH("a"), #if_has_data{}, #if_data_matches{},
            #if_payload_version{version = 1}, ?NOT(a), ?ALL([]), ?ANY([]), ?ALL([#if_has_data{}]),
            ?ALL([a, b]), ?ANY([a, b]), ?ANY([a, #if_has_data{}]), ?ALL([a, ?ANY([a, b])])
        ]
    ]).

components_that_name_one_node_test_() ->
    tests([
        {Component, [
            {put, [[a, b], 1]},
            {{get, [[Component, b]]}, {ok, 1}},
            {{adv, get, [[Component]]}, {ok, #{[a] => #{payload_version => 1}}}},
            {{adv, get_many, [[Component, b], ?EXPECT]}, {ok, #{[a, b] => #{data => 1, payload_version => 1}}}},
            {{adv, put, [[Component, b], 2]}, {ok, #{[a, b] => #{data => 1, payload_version => 2}}}},
            {{exists, [[Component]]}, true}
        ]}
     || Component <- [
            a,
            ?ALL([a]),
            ?ANY([a]),
            ?ANY([a, a]),
            ?ALL([a, #if_node_exists{}]),
            ?ALL([#if_has_data{has_data = false}, a]),
            ?ANY([?ALL([a, #if_has_data{}]), a]),
            ?ALL([?ANY([a]), #if_child_list_length{count = 1}]),
            ?ALL([a, ?NOT(b)])
        ]
    ]).

the_parent_in_a_condition_test_() ->
    tests([
        {{Component, Call}, [
            {put, [[a, b], 1]},
            {Call, fun
                ({raised, {pando_ex, condition_targets_parent_node, #{path := P, condition := C} = Props}}) ->
                    map_size(Props) =:= 2 andalso P =:= Path andalso C =:= Component;
                (_) ->
                    false
            end},
            fun(S) -> ?assertEqual([[a], [a, b]], paths(S)) end
        ]}
     || Component <- [?ALL([$^, #if_has_data{}]), ?ALL([$^, #if_node_exists{}])],
        Path <- [[a, b, Component]],
        Call <- [
            {get, [Path]},
            {exists, [Path]},
            {put, [Path, 2]},
            {delete, [Path]},
            {get_many, [Path]},
            {count, [Path]},
            {put_many, [Path, 2]},
            {delete_many, [Path]}
        ]
    ]).

%% -------------------------------------------------------------------
%% 4.2
%% -------------------------------------------------------------------

conditions_on_the_current_node_test_() ->
    Root = ?ALL([$/, #if_payload_version{version = 1}]),
    This = ?ALL([$., #if_has_data{}]),
    Unmet = fun(Name, Path, Props, Condition) ->
        {error,
            {pando, mismatching_node, #{
                node_name => Name,
                node_path => Path,
                node_is_target => true,
                node_props => Props,
                condition => Condition
            }}}
    end,
    tests([
        {"a condition on the root: met once, then not", [
            {{adv, put, [[Root], x]}, {ok, #{[] => #{payload_version => 2}}}},
            {{put, [[Root], y]},
                Unmet($/, [], #{data => x, payload_version => 2}, #if_payload_version{version = 1})},
            {{get, [[]]}, {ok, x}},
            {{get, [[Root]]}, Unmet($/, [], #{data => x, payload_version => 2}, #if_payload_version{version = 1})},
            {{exists, [[Root]]}, false},
            {{get, [[?ALL([$/, #if_has_data{}])]]}, {ok, x}},
            {{get_many, [[?ALL([$/, #if_has_data{}])]]}, {ok, #{[] => x}}},
            {{get_many, [[Root]]}, {ok, #{}}},
            {{put_many, [[Root], y]}, ok},
            {{get, [[]]}, {ok, x}}
        ]},
        {"a condition on the root, and on from there", [
            {{put, [[?ALL([$/, #if_has_data{}]), a], 1]}, fun
                ({error,
                    {pando, mismatching_node, #{node_name := $/, node_path := [], node_is_target := false}}}) ->
                    true;
                (_) ->
                    false
            end},
            {put, [[], root]},
            {put, [[?ALL([$/, #if_has_data{}]), a], 1]},
            {{get, [[?ALL([$/, #if_data_matches{pattern = root}]), a]]}, {ok, 1}},
            {{get_many, [[?ALL([$/, #if_data_matches{pattern = root}]), ?STAR]]}, {ok, #{[a] => 1}}},
            {{get_many, [[?ALL([$/, #if_data_matches{pattern = other}]), ?STAR]]}, {ok, #{}}},
            {{delete, [[?ALL([$/, #if_data_matches{pattern = other}]), a]]}, ok},
            {{exists, [[a]]}, true}
        ]},
        {"a condition on the node the walk stands on", [
            {put, [[a, b], 1]},
            {{get, [[a, This]]}, Unmet(a, [a], #{payload_version => 1}, #if_has_data{})},
            {{put, [[a, This], 2]}, Unmet(a, [a], #{payload_version => 1}, #if_has_data{})},
            {{get_many, [[a, This]]}, {ok, #{}}},
            {put, [[a], 1]},
            {{get, [[a, This]]}, {ok, 1}},
            {{adv, put, [[a, This], 2]}, {ok, #{[a] => #{data => 1, payload_version => 3}}}},
            {{get_many, [[a, This]]}, {ok, #{[a] => 2}}},
            {{get, [[a, This, b]]}, {ok, 1}},
            {{get_many, [[?STAR, This, ?STAR]]}, {ok, #{[a, b] => 1}}},
            {{adv, delete, [[a, b, ?ALL([$., #if_payload_version{version = 2}])]]}, {ok, #{}}},
            {{delete, [[a, b, ?ALL([$., #if_payload_version{version = 1}])]]}, ok},
            {{exists, [[a, b]]}, false}
        ]},
        {"the root, as the node the walk stands on", [
            {put, [[], 1]},
            {{get, [[This]]}, {ok, 1}},
            {{put, [[?ALL([$., #if_has_sproc{}])], 2]},
                Unmet($/, [], #{data => 1, payload_version => 2}, #if_has_sproc{})}
        ]}
    ]).

%% -------------------------------------------------------------------
%% 4.3
%% -------------------------------------------------------------------

fill(S) ->
    ok = pando:put(S, [foo, bar], 2),
    ok = pando:put(S, [foo], 1),
    ok = pando:put(S, [baz, pouet, foo], 4),
    ok = pando:put(S, [baz, pouet], 3),
    ok = pando:put(S, [x, y, z], 5).

values() ->
    #{
        [] => undefined,
        [foo] => 1,
        [foo, bar] => 2,
        [baz] => undefined,
        [baz, pouet] => 3,
        [baz, pouet, foo] => 4,
        [x] => undefined,
        [x, y] => undefined,
        [x, y, z] => 5
    }.

many_nodes() ->
    O = ?PATH("o"),
    Data = #if_has_data{},
    [
        %% The rule of grandchildren.
        {[O], [[foo], [baz, pouet], [baz, pouet, foo]]},
        {[baz, O], [[baz, pouet], [baz, pouet, foo]]},
        {[O, ?STAR], [[foo, bar], [baz, pouet, foo]]},
        {[O, foo], [[baz, pouet, foo]]},
        {[O, O], [[baz, pouet, foo]]},
        {[?NOT(O)], [[foo, bar], [baz], [x], [x, y], [x, y, z]]},
        {[?NOT(?PATH("^[xyz]$"))], [[foo], [foo, bar], [baz], [baz, pouet], [baz, pouet, foo]]},
        {[?ALL([?STAR_STAR, Data])], [[foo], [foo, bar], [baz, pouet], [baz, pouet, foo], [x, y, z]]},
        %% One that names nodes leads to these only, and below these.
        {[?ALL([?STAR_STAR, foo])], [[foo]]},
        {[baz, ?ALL([?STAR_STAR, pouet])], [[baz, pouet]]},
        {[?ANY([?PATH("z$"), Data])],
            [[foo], [foo, bar], [baz], [baz, pouet], [baz, pouet, foo], [x, y, z]]},
        {[?ANY([x, O]), ?STAR], [[foo, bar], [baz, pouet, foo], [x, y]]},
        {[?STAR, O], [[baz, pouet], [baz, pouet, foo]]},
        {[?STAR_STAR, Data], [[foo, bar], [baz, pouet], [baz, pouet, foo], [x, y, z]]},
        {[?STAR_STAR, O], [[baz, pouet], [baz, pouet, foo]]},
        {[?STAR_STAR, ?STAR_STAR], [P || P <- maps:keys(values()), length(P) >= 2]},
        {[?STAR_STAR, z], [[x, y, z]]},
        {[x, ?STAR_STAR], [[x, y], [x, y, z]]},
        {[?STAR, ?STAR_STAR], [P || P <- maps:keys(values()), length(P) >= 2]},
        {[?STAR_STAR], [P || P <- maps:keys(values()), P =/= []]},
        %% Conditions of children alone.
        {[Data], [[foo]]},
        {[#if_name_matches{regex = "o"}], [[foo]]},
        {[?STAR, Data], [[foo, bar], [baz, pouet]]},
        {[#if_child_list_length{count = 1}], [[foo], [baz], [x]]},
        {[#if_child_list_length{count = 1}, Data], [[foo, bar], [baz, pouet]]},
        {[#if_data_matches{pattern = '$1', conditions = [{'>', '$1', 0}]}, bar], [[foo, bar]]},
        {[?NOT(foo)], [[baz], [x]]},
        {[?NOT(foo), ?STAR], [[baz, pouet], [x, y]]},
        {[?ALL([])], [[foo], [baz], [x]]},
        {[?ANY([])], []},
        {[?ANY([foo, x])], [[foo], [x]]},
        {[?ANY([foo, x]), ?ANY([bar, y])], [[foo, bar], [x, y]]},
        {[?ALL([foo, x])], []},
        {[?ALL([foo, Data])], [[foo]]},
        {[?ALL([baz, Data])], []},
        {[?STAR, $^], [[]]},
        {[?STAR, ?STAR, $^], [[foo], [baz], [x]]},
        {[x, $^], [[]]},
        {[x, $., y], [[x, y]]},
        {[x, $^, foo], [[foo]]},
        {[?STAR, $., ?STAR], [[foo, bar], [baz, pouet], [x, y]]},
        {[nope], []},
        {[?STAR, nope], []}
    ].

many_nodes_test_() ->
    cases([
        {title(Pattern), fun(S) ->
            fill(S),
            ?assertEqual({ok, maps:with(Paths, values())}, pando:get_many(S, Pattern)),
            Visits = lists:sort(again(Pattern) ++ Paths),
            ?assertEqual({ok, length(Visits)}, pando:count(S, Pattern)),
            {ok, Visited} = pando:fold(S, Pattern, fun(Path, _, Acc) -> [Path | Acc] end, []),
            ?assertEqual(Visits, lists:reverse(Visited))
        end}
     || {Pattern, Paths} <- many_nodes()
    ]).

%% Nodes to which a pattern leads in two ways: a walk comes to them twice.
again([?STAR_STAR, ?PATH("o")]) -> [[baz, pouet, foo]];
again([?STAR_STAR, ?STAR_STAR]) -> [[baz, pouet, foo], [x, y, z]];
again(_) -> [].

each_bullet_of_many_nodes_test_() ->
    tests([
        {"a missing plain component ends the branch, and is an error where one node is expected", [
            {{get_many, [[nope]]}, {ok, #{}}},
            {{get_many, [[nope], ?EXPECT]},
                {error, {pando, node_not_found, #{node_name => nope, node_path => [nope], node_is_target => true}}}},
            {{delete_many, [[nope], ?EXPECT]}, ok},
            {{adv, put_many, [[nope], 1, ?EXPECT]}, {ok, #{[nope] => #{payload_version => 1}}}}
        ]},
        {"two plain names: denied for one node, nothing for many", [
            {put, [[a], 1]},
            {put, [[b], 1]},
            {{get_many, [[?ALL([a, b])]]}, {ok, #{}}},
            {{put_many, [[?ALL([a, b])], 2]}, ok},
            {{delete_many, [[?ALL([a, b])]]}, ok},
            {{get_many, ["*"]}, {ok, #{[a] => 1, [b] => 1}}}
        ]},
        {"a condition that names a node is tried again below that node alone", [
            {put, [[b, x, x], 1]},
            {put, [[b, x, y, x], 2]},
            {put, [[b, y, x], 3]},
            {{get_many, [[b, ?ALL([x, ?STAR_STAR])]]}, {ok, #{[b, x] => undefined, [b, x, x] => 1}}}
        ]},
        {"a regular expression that matches below a name that does not", [
            {put, [[baz, pouet], 1]},
            {{get_many, [[?PATH("o")]]}, {ok, #{[baz, pouet] => 1}}}
        ]}
    ]).

writes_through_patterns_test_() ->
    cases([
        {title({Function, Pattern}), fun(S) ->
            fill(S),
            All = maps:remove([], values()),
            Below = fun(Path) -> [P || P <- maps:keys(All), lists:prefix(Path, P)] end,
            case Function of
                put_many ->
                    {ok, Written} = pando_adv:put_many(S, Pattern, new, #{props_to_return => []}),
                    ?assertEqual(lists:sort(Paths), lists:sort(maps:keys(Written))),
                    ?assertEqual(
                        {ok, maps:merge(All, maps:from_list([{P, new} || P <- Paths, P =/= []]))},
                        pando:get_many(S, "**")
                    );
                delete_many ->
                    {ok, Gone} = pando_adv:delete_many(S, Pattern, #{return_indirect_deletes => false}),
                    Explicit = lists:usort(lists:append([Below(P) || P <- Paths])),
                    ?assertEqual(Explicit, lists:sort(maps:keys(Gone))),
                    ?assertEqual(
                        [explicit || _ <- Explicit], [R || #{delete_reason := R} <- maps:values(Gone)]
                    ),
                    ?assertEqual([], paths(S) -- (maps:keys(All) -- Explicit));
                clear_many_payloads ->
                    {ok, Cleared} = pando_adv:clear_many_payloads(S, Pattern, #{
                        props_to_return => [payload], return_indirect_deletes => false
                    }),
                    ?assertEqual(
                        maps:from_list([{P, had(maps:get(P, All))} || P <- Paths]), Cleared
                    )
            end
        end}
     || Function <- [put_many, delete_many, clear_many_payloads],
        {Pattern, Paths} <- many_nodes(),
        not lists:member([], Paths),
        %% A put makes what its plain last component names.
        not (Function =:= put_many andalso is_atom(lists:last(Pattern)))
    ]).

had(undefined) -> #{};
had(Data) -> #{data => Data}.

%% -------------------------------------------------------------------
%% 4.4
%% -------------------------------------------------------------------

include_root_props_test_() ->
    Root = #{include_root_props => true},
    tests([
        {"the example of spec 4.4", [
            {put, [[a], 1]},
            {{get_many, [[?STAR], Root]}, {ok, #{[] => undefined, [a] => 1}}}
        ]},
        {"the root need not meet the first condition", [
            {put, [[a], 1]},
            {{get_many, [[#if_has_data{}], Root]}, {ok, #{[] => undefined, [a] => 1}}},
            {{get_many, [[#if_has_data{}, b], Root]}, {ok, #{[] => undefined}}},
            {{count, [[#if_name_matches{regex = "x"}], Root]}, {ok, 1}},
            {{get_many_or, [[?STAR_STAR], d, Root]}, {ok, #{[] => d, [a] => 1}}},
            {{map, ["*", fun(Path, _) -> length(Path) end, Root]}, {ok, #{[] => 0, [a] => 1}}}
        ]},
        {"not with a plain name first", [
            {put, [[a, b], 1]},
            {{get_many, [[a, ?STAR], Root]}, {ok, #{[a, b] => 1}}},
            {{get_many, [[a], Root]}, {ok, #{[a] => undefined}}},
            {{get_many, [[], Root]}, {ok, #{[] => undefined}}}
        ]},
        {"of writes", [
            {put, [[a], 1]},
            {{adv, put_many, [[?STAR], 2, Root]},
                {ok, #{[] => #{payload_version => 2}, [a] => #{data => 1, payload_version => 2}}}},
            {{get, [[]]}, {ok, 2}},
            {{adv, clear_many_payloads, [[?STAR], Root]},
                {ok, #{
                    [] => #{data => 2, payload_version => 3}, [a] => #{data => 2, payload_version => 3}
                }}}
        ]}
    ]).

%% -------------------------------------------------------------------
%% 4.5
%% -------------------------------------------------------------------

order_of_the_walk_test_() ->
    Names =
        [list_to_atom([C]) || C <- "zaéZ_A"] ++ ['', ab, a1, '日本', 'ÿ', 'aé'] ++
            [<<C>> || C <- lists:seq(0, 255)] ++ [<<>>, <<"aa">>, <<"a", 0>>, <<255, 255>>],
    cases([
        {"depth first, a node before its descendants, siblings in the order of Erlang's terms", fun(S) ->
            Paths = [[Name] || Name <- Names] ++ [[Top, Name] || Top <- [a, <<"a">>], Name <- Names],
            Results = pando_test_store:parallel(16, fun(Part) ->
                [pando:put(S, Path, 1) || {N, Path} <- lists:enumerate(Paths), N rem 16 =:= Part rem 16]
            end),
            ?assertEqual([ok], lists:usort(lists:append(Results))),
            Sorted = lists:sort(Paths),
            Visit = fun(Path, _, Acc) -> [Path | Acc] end,
            {ok, All} = pando:fold(S, "**", Visit, []),
            ?assertEqual(Sorted, lists:reverse(All)),
            {ok, Below} = pando:fold(S, [?ANY([a, <<"a">>]), ?STAR], Visit, []),
            ?assertEqual([P || [_, _] = P <- Sorted], lists:reverse(Below)),
            {ok, WithRoot} = pando:fold(S, "*", Visit, [], #{include_root_props => true}),
            ?assertEqual([[] | [P || [_] = P <- Sorted]], lists:reverse(WithRoot)),
            %% The same for what calls a function without an accumulator.
            Me = self(),
            ok = pando:foreach(S, "**", fun(Path, _) -> Me ! {visited, Path} end),
            ?assertEqual(Sorted, visited())
        end}
    ]).

visited() ->
    receive
        {visited, Path} -> [Path | visited()]
    after 0 -> []
    end.
