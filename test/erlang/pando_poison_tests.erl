%% What breaks Khepri for good, or is wrong there, is right here; and the store answers afterwards, and after it was
%% opened again, which applies everything once more.
%%
%% Specification -> test here:
%%   21.1, row by row              poison_test_
%%   21.2, row by row              wrong_results_test_, a_directory_is_given_twice_test_
%% Not here, because their functions are not: register_trigger and import (21.1); transactions, triggers,
%% projections, export, run_sproc, the migration (21.2).
%% Native paths that begin with two special components, and UTF-8: pando_path_tests as well. Ill-formed match
%% specifications, each: pando_condition_tests.
-module(pando_poison_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-define(STAR, ?PANDO_WILDCARD_STAR).
-define(STAR_STAR, ?PANDO_WILDCARD_STAR_STAR).
-define(ALL(Conditions), #if_all{conditions = Conditions}).
-define(EXISTS, #if_node_exists{}).
-define(TIMEOUT_S, 60).

%% Each on a store of its own, which is opened again at the end.
twice_opened(Rows) ->
    [
        {pando_test_store:title(Title), {timeout, ?TIMEOUT_S, fun() ->
            pando_test_store:with_dir(fun(Dir) ->
                S = pando_test_store:new_name(),
                {ok, S} = pando:start(Dir, S),
                try
                    pando_test_calls:run(S, Steps),
                    pando_test_calls:goes_on(S),
                    {ok, Before} = pando_adv:get_many(S, "**", #{include_root_props => true}),
                    ok = pando:stop(S),
                    {ok, S} = pando:start(Dir, S),
                    ?assertEqual({ok, Before}, pando_adv:get_many(S, "**", #{include_root_props => true})),
                    pando_test_calls:goes_on(S)
                after
                    ok = pando:stop(S)
                end
            end)
        end}}
     || {Title, Steps} <- Rows
    ].

while(Watched, Condition) ->
    #{keep_while => #{Watched => Condition}}.

ill_formed() ->
    #if_data_matches{pattern = '$1', conditions = [{no_such_guard, '$1'}]}.

raises(Reason) ->
    {raised, Reason}.

raises_invalid_path() ->
    fun
        ({raised, {pando_ex, invalid_path, #{path := _}}}) -> true;
        (_) -> false
    end.

%% -------------------------------------------------------------------
%% 21.1
%% -------------------------------------------------------------------

poison_test_() ->
    twice_opened([
        {"keep_while with if_data_matches", [
            {put, [[w], 1]},
            {put, [[k], 1, while([w], #if_data_matches{})]},
            {put, [[k2], 1, while([w], #if_data_matches{pattern = '$1', conditions = [{'>', '$1', 0}]})]},
            {put, [[k3], 1, while([w], #if_not{condition = #if_data_matches{pattern = 2}})]},
            {put, [[w], 2]},
            {{get_many, ["*"]}, {ok, #{[w] => 2, [k] => 1, [k2] => 1}}},
            {clear_payload, [[w]]},
            {{get_many, ["*"]}, {ok, #{[w] => undefined}}}
        ]},
        {"a put with keep_while that itself removes a node", [
            {put, [[nx], 1, while([ghost], #if_node_exists{exists = false})]},
            {put, [[w], 1]},
            {{adv, put, [[ghost], 1, while([w], ?EXISTS)]},
                {ok, #{
                    [ghost] => #{payload_version => 1},
                    [nx] => #{data => 1, payload_version => 1, delete_reason => keep_while}
                }}},
            {delete, [[w]]},
            {{get_many, ["*"]}, {ok, #{}}}
        ]},
        {"put_many and clear_many_payloads with keep_while, of nothing that matches", [
            {put, [[w], 1]},
            {{adv, put_many, [[x, ?STAR], 1, while([w], ?EXISTS)]}, {ok, #{}}},
            {{adv, clear_many_payloads, [[x, ?STAR], while([w], ?EXISTS)]}, {ok, #{}}},
            {put_many, [[x, ?STAR], 1, while([w], ?EXISTS)]},
            {clear_many_payloads, [[x, ?STAR], while([w], ?EXISTS)]}
        ]},
        {"an ill-formed match specification in the path of a write", [
            {put, [[a], 1]}
        ] ++ [
            {Call, raises(badarg)}
         || C <- [ill_formed()],
            Call <- [
                {put, [[?ALL([a, C])], 2]},
                {put, [[?ALL([a, C]), b], 2]},
                {put_many, [[C], 2]},
                {create, [[?ALL([b, C])], 2]},
                {update, [[?ALL([a, C])], 2]},
                {compare_and_swap, [[?ALL([a, C])], 1, 2]},
                {compare_and_swap, [[a], #{'$1' => x}, 2]},
                {delete, [[?ALL([a, C])]]},
                {delete_many, [[C]]},
                {delete_many, [[?STAR, C]]},
                {clear_payload, [[?ALL([a, C])]]},
                {clear_many_payloads, [[C]]},
                {put, [[b], 2, while([a], C)]},
                {put, [[b], 2, while([C], ?EXISTS)]},
                {put, [[b], 2, #{async => true, keep_while => #{[a] => C}}]},
                {delete_many, [[C], #{async => true}]}
            ]
        ] ++ [{{get_many, ["**"]}, {ok, #{[a] => 1}}}]},
        {"an invalid native path as a key of keep_while", [
            {Call, raises_invalid_path()}
         || Path <- [[a, {foo}], foo, 12, ["x"], [a | b]],
            Call <- [
                {put, [[k], 1, while(Path, ?EXISTS)]},
                {put_many, [[k], 1, while(Path, ?EXISTS)]},
                {put, [[k], 1, #{async => true, keep_while => #{Path => ?EXISTS}}]}
            ]
        ] ++ [{{get_many, ["**"]}, {ok, #{}}}]},
        {"delete_many of everything with include_root_props", [
            {put, [[], root]},
            {put, [[a, b], 1]},
            {{adv, delete_many, ["**", #{include_root_props => true}]},
                {ok, #{
                    [] => #{data => root, payload_version => 2, delete_reason => explicit},
                    [a] => #{payload_version => 1, delete_reason => explicit},
                    [a, b] => #{data => 1, payload_version => 1, delete_reason => explicit}
                }}},
            {{get_many, ["**", #{include_root_props => true}]}, {ok, #{[] => undefined}}},
            {delete_many, ["**", #{include_root_props => true}]}
        ]},
        {"delete_many where a match is removed by keep_while of an earlier match", [
            {put, [[v], 1]},
            {put, [[v6], 6, while([v], ?EXISTS)]},
            {{adv, delete_many, ["*"]},
                {ok, #{
                    [v] => #{data => 1, payload_version => 1, delete_reason => explicit},
                    [v6] => #{data => 6, payload_version => 1, delete_reason => explicit}
                }}},
            {{get_many, ["**"]}, {ok, #{}}}
        ]},
        {"the same, with a later match that it is kept while, and with descendants", [
            {put, [[z, y], 1]},
            {put, [[a], 6, while([z, y], ?EXISTS)]},
            {put, [[a, b], 7]},
            {put, [[m], 8, while([a, b], ?EXISTS)]},
            {{adv, delete_many, ["**", #{props_to_return => [delete_reason]}]},
                {ok, maps:from_list([
                    {Path, #{delete_reason => explicit}}
                 || Path <- [[z], [z, y], [a], [a, b], [m]]
                ])}},
            {{get_many, ["**"]}, {ok, #{}}}
        ]},
        {"the same, with a pattern that matches only one of both", [
            {put, [[v], 1]},
            {put, [[w], 6, while([v], ?EXISTS)]},
            {{adv, delete_many, [[#if_name_matches{regex = "v"}], #{props_to_return => [delete_reason]}]},
                {ok, #{[v] => #{delete_reason => explicit}, [w] => #{delete_reason => keep_while}}}}
        ]},
        {"props_to_return that is no list, of every write", [
            {{M, Function, Arguments ++ [#{props_to_return => Props}]}, raises(function_clause)}
         || Props <- [payload, {}, #{}, <<"payload">>, [payload | rest], 1],
            M <- [adv],
            {Function, Arguments} <- [
                {put, [[a], 1]}, {put_many, ["*", 1]}, {create, [[a], 1]}, {update, [[a], 1]},
                {compare_and_swap, [[a], 1, 1]}, {delete, [[a]]}, {delete_many, ["*"]}, {clear_payload, [[a]]},
                {clear_many_payloads, ["*"]}
            ]
        ] ++ [
            {{Function, Arguments ++ [#{props_to_return => payload}]}, raises(function_clause)}
         || {Function, Arguments} <- [{put, [[a], 1]}, {put_many, ["*", 1]}, {delete, [[a]]}, {delete_many, ["*"]}]
        ] ++ [{{get_many, ["**"]}, {ok, #{}}}]},
        {"conditions that are none, in paths and in keep_while", [
            {put, [[a], 1]}
        ] ++ [
            {Call, fun
                ({raised, _}) -> true;
                (_) -> false
            end}
         || C <- [{foo}, {if_name_matches, any}, {if_all, x}, {if_not, {foo}}, {if_has_data, 1}, 5, "x"],
            Call <- [
                {put, [[a, C], 2]},
                {put_many, [[a, C], 2]},
                {delete_many, [[a, C]]},
                {put, [[b], 2, while([a], C)]},
                {put_many, [[b], 2, while([a], C)]},
                {put, [[b], 2, while([a, C], ?EXISTS)]}
            ]
        ] ++ [{{get_many, ["**"]}, {ok, #{[a] => 1}}}]}
    ]).

%% -------------------------------------------------------------------
%% 21.2
%% -------------------------------------------------------------------

wrong_results_test_() ->
    Unmet = [?ALL([c, #if_payload_version{version = 99}])],
    Mismatching = #{
        node_name => c,
        node_path => [c],
        node_is_target => true,
        node_props => #{data => 1, payload_version => 1},
        condition => #if_payload_version{version = 99}
    },
    twice_opened([
        {"exists of an existing node, condition not met: false", [
            {put, [[c], 1]},
            {{exists, [Unmet]}, false},
            {{exists, [[?ALL([c, #if_payload_version{version = 1}])]]}, true}
        ]},
        {"reads of an existing node, condition not met: an error, false, the default", [
            {put, [[c], 1]},
            {{get, [Unmet]}, {error, {pando, mismatching_node, Mismatching}}},
            {{get_or, [Unmet, d]}, {ok, d}},
            {{has_data, [Unmet]}, false},
            {{is_sproc, [Unmet]}, false}
        ]},
        {"create, update, compare_and_swap and the clear functions are for the root, too", [
            {{create, [[], 1]},
                {error,
                    {pando, mismatching_node, #{
                        node_name => $/,
                        node_path => [],
                        node_is_target => true,
                        node_props => #{payload_version => 1},
                        condition => #if_node_exists{exists = false}
                    }}}},
            {{adv, update, [[], 1]}, {ok, #{[] => #{payload_version => 2}}}},
            {{adv, compare_and_swap, [[], 1, 2]}, {ok, #{[] => #{data => 1, payload_version => 3}}}},
            {{compare_and_swap, [[], 1, 2]},
                {error,
                    {pando, mismatching_node, #{
                        node_name => $/,
                        node_path => [],
                        node_is_target => true,
                        node_props => #{data => 2, payload_version => 3},
                        condition => #if_data_matches{pattern = 1}
                    }}}},
            {{adv, clear_payload, [[]]}, {ok, #{[] => #{data => 2, payload_version => 4}}}},
            {{adv, clear_many_payloads, [[]]}, {ok, #{[] => #{payload_version => 4}}}}
        ]},
        {"put_many with keep_while: all updated nodes get the conditions", [
            {put, [[w], 1]},
            {put, [[g1], 1]},
            {put, [[g2], 1]},
            {put, [[g3], 1]},
            {put_many, [[#if_name_matches{regex = "^g"}], 2, while([w], ?EXISTS)]},
            {delete, [[w]]},
            {{get_many, ["*"]}, {ok, #{}}}
        ]},
        {"put_many of all depths: all reported nodes are changed", [
            {put, [[a, b, c], 1]},
            {put, [[d], 1]},
            {{adv, put_many, ["**", 2]},
                {ok, #{
                    [a] => #{payload_version => 2},
                    [a, b] => #{payload_version => 2},
                    [a, b, c] => #{data => 1, payload_version => 2},
                    [d] => #{data => 1, payload_version => 2}
                }}},
            {{get_many, ["**"]}, {ok, #{[a] => 2, [a, b] => 2, [a, b, c] => 2, [d] => 2}}},
            {{get_many, ["*/*"]}, {ok, #{[a, b] => 2}}}
        ]},
        {"put_many of all depths with a name below", [
            {put, [[a, b], 1]},
            {{adv, put_many, [[?STAR_STAR, x], 2]},
                {ok, #{[a, x] => #{payload_version => 1}, [a, b, x] => #{payload_version => 1}}}},
            {{get_many, ["**"]}, {ok, #{[a] => undefined, [a, b] => 1, [a, x] => 2, [a, b, x] => 2}}}
        ]},
        {"watched patterns and the watched root are evaluated again", [
            {put, [[s, a], on]},
            {put, [[k], 1, while([s, ?STAR], #if_data_matches{pattern = on})]},
            {put, [[r], 1, while([], #if_has_payload{has_payload = false})]},
            {put, [[s, b], off]},
            {{exists, [[k]]}, false},
            {{exists, [[r]]}, true},
            {put, [[], 1]},
            {{exists, [[r]]}, false}
        ]},
        {"native paths that begin with two special components", [
            {put, [[g], 1]},
            {put, [[g, p, k], 1, while([$^, $^], #if_has_data{})]},
            {clear_payload, [[g]]},
            {{exists, [[g, p, k]]}, false},
            {put, [[$., $., a], 1]},
            {{get, [[$^, $^, a]]}, {ok, 1}}
        ]},
        {"protect_against_dups on every command", [
            {{Function, Arguments ++ [#{protect_against_dups => Value}]}, ok}
         || Value <- [true, false],
            {Function, Arguments} <- [
                {put, [[a], 1]}, {put_many, ["*", 1]}, {update, [[a], 1]}, {compare_and_swap, [[a], 1, 1]},
                {clear_payload, [[b]]}, {clear_many_payloads, [[b]]}, {delete, [[a]]}, {create, [[a], 1]},
                {delete_many, ["*"]}
            ]
        ]},
        {"characters above 255 in a string", [
            {put, ["/:日本/東京", 1]},
            {{get, [['日本', <<"東京"/utf8>>]]}, {ok, 1}},
            {{get, [<<"/:日本/東京"/utf8>>]}, fun(Answer) ->
                %% A binary is read byte by byte: the atom is another one.
                element(1, Answer) =:= error
            end},
            {{get_many, ["/*/東*"]}, {ok, #{['日本', <<"東京"/utf8>>] => 1}}}
        ]}
    ]).

a_directory_is_given_twice_test() ->
    pando_test_store:with_dir(fun(Dir) ->
        [S1, S2] = [pando_test_store:new_name() || _ <- [1, 2]],
        Dir2 = Dir ++ "-2",
        {ok, S1} = pando:start(Dir, S1),
        {ok, S2} = pando:start(Dir2, S2),
        try
            ok = pando:put(S1, [a], 1),
            ok = pando:put(S2, [a], 2),
            ?assertEqual({ok, 1}, pando:get(S1, [a])),
            ?assertEqual({ok, 2}, pando:get(S2, [a])),
            %% A second directory for a store that runs is an error, and says so.
            ?assertMatch({error, {pando, store_runs_elsewhere, #{store_id := S1}}}, pando:start(Dir2, S1)),
            ?assertEqual({ok, 1}, pando:get(S1, [a]))
        after
            ok = pando:stop(S1),
            ok = pando:stop(S2),
            ok = file:del_dir_r(Dir2)
        end
    end).
