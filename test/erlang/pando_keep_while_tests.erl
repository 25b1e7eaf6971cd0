%% Lifetimes: nodes that are kept while a condition on other nodes holds.
%%
%% Specification -> test here:
%%   10.1 implicit parents                implicit_parents_test_ (the first bullet: pando_delete_tests)
%%   10.2 keys of the option              keys_test_, keys_that_are_no_paths_test_
%%   10.2 watched patterns                watched_patterns_test_
%%   10.2 missing watched nodes           missing_watched_nodes_test_
%%   10.2 put_many                        each_node_of_put_many_has_the_conditions_test_
%%   10.2 at put time, example 1          at_put_time_test_
%%   10.2 afterwards, examples 2 to 5     examples_test_, afterwards_test_
%%   10.2 whole set replaced              conditions_are_replaced_as_a_whole_test_
%%   21.2 patterns and the root watched   watched_patterns_test_, the_root_is_watched_test_
%%   conditions of every kind, of data too   every_kind_of_condition_test_
%%   size, restarts                       chains_test_, many_watchers_of_one_node_test_,
%%                                        conditions_outlive_a_restart_test_, conditions_outlive_a_snapshot_test_
-module(pando_keep_while_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [cases/2, title/1]).
-import(pando_test_calls, [tests/1, paths/1]).

-define(STAR, ?PANDO_WILDCARD_STAR).
-define(STAR_STAR, ?PANDO_WILDCARD_STAR_STAR).
-define(ALL(Conditions), #if_all{conditions = Conditions}).
-define(ANY(Conditions), #if_any{conditions = Conditions}).
-define(NOT(Condition), #if_not{condition = Condition}).
-define(EXISTS, #if_node_exists{}).
-define(MISSING, #if_node_exists{exists = false}).
-define(NONE, '$__NO_PAYLOAD__').
-define(TIMEOUT_S, 120).
-define(WATCHERS, 1000).

while(Watched, Condition) ->
    while([{Watched, Condition}]).

while(Conditions) ->
    #{keep_while => maps:from_list(Conditions)}.

refused(Path, Reason) ->
    {error,
        {pando, keep_while_conditions_not_met, #{
            node_name => lists:last(Path), node_path => Path, keep_while_reason => Reason
        }}}.

%% A step: these nodes are there, and no other.
are(Paths) ->
    fun(S) -> ?assertEqual(lists:sort(Paths), paths(S)) end.

%% -------------------------------------------------------------------
%% 10.1
%% -------------------------------------------------------------------

implicit_parents_test_() ->
    tests([
        {"a parent made on the way goes with its last child; a target never does", [
            {put, [[made, x], 1]},
            {put, [[target], ?NONE]},
            {put, [[target, x], 1]},
            {delete_many, [[?STAR, x]]},
            are([[target]])
        ]},
        {"it stays with a payload, and goes by the clear that takes it", [
            {put, [[au, x], 1]},
            {put, [[au], data]},
            {delete, [[au, x]]},
            {{adv, clear_payload, [[au], #{props_to_return => [payload_version, delete_reason]}]},
                {ok, #{[au] => #{payload_version => 3, delete_reason => keep_while}}}},
            are([])
        ]},
        {"an explicit put of no payload does not remove it", [
            {put, [[au, x], 1]},
            {put, [[au], data]},
            {delete, [[au, x]]},
            {put, [[au], ?NONE]},
            are([[au]])
        ]},
        {"a put with no conditions makes it permanent", [
            {put, [[au, x], 1]},
            {put, [[au], data, #{keep_while => #{}}]},
            {delete, [[au, x]]},
            {clear_payload, [[au]]},
            are([[au]])
        ]},
        {"a put without payload and with no conditions, the same", [
            {put, [[au, x], 1]},
            {put, [[au], ?NONE, #{keep_while => #{}}]},
            {delete, [[au, x]]},
            are([[au]])
        ]},
        {"a new parent without children is not reclaimed by the command that makes it", [
            {put, [[w], 1]},
            {put, [[p, k], 1, while([w], #if_data_matches{pattern = 1})]},
            are([[w], [p], [p, k]])
        ]}
    ]).

%% -------------------------------------------------------------------
%% 10.2: the option
%% -------------------------------------------------------------------

keys_test_() ->
    tests([
        {{Key, Watched}, [
            {put, [[a, w], 1]},
            {put, [[a, b, w], 1]},
            {put, [[a, b, k, w], 1]},
            {put, [[a, b, k], 1, while(Key, ?EXISTS)]},
            {delete, [[a, w]]},
            fun(S) -> ?assertEqual(Watched =/= [a, w], pando:exists(S, [a, b, k])) end,
            {delete, [[a, b, w]]},
            fun(S) -> ?assertEqual(Watched =:= [a, b, k, w], pando:exists(S, [a, b, k])) end,
            {delete, [[a, b, k, w]]},
            {{exists, [[a, b, k]]}, false}
        ]}
     || {Key, Watched} <- [
            {[a, w], [a, w]},
            {"/:a/:w", [a, w]},
            {<<"/:a/:w">>, [a, w]},
            {[$/, a, w], [a, w]},
            {[$^, w], [a, b, w]},
            {"../:w", [a, b, w]},
            {[$., w], [a, b, k, w]},
            {":w", [a, b, k, w]},
            {[$., $^, w], [a, b, w]},
            %% 21.2: a grandparent.
            {[$^, $^, w], [a, w]},
            {"../../:w", [a, w]},
            {[$., $^, $^, w], [a, w]}
        ]
    ]) ++
        tests([
            {"two spellings of one path are one condition", [
                {put, [[w], 1]},
                {put, [[k], 1, while([{[w], ?EXISTS}, {"/:w", #if_data_matches{pattern = 1}}, {[$^, w], ?EXISTS}])]},
                {delete, [[w]]},
                are([])
            ]},
            {"two spellings of one path, one condition kept: it is met or it is not", [
                {put, [[w], 1]},
                {{put, [[k], 1, while([{[w], #if_data_matches{pattern = 2}}, {"/:w", #if_data_matches{pattern = 2}}])]},
                    refused([k], #if_data_matches{pattern = 2})},
                are([[w]])
            ]}
        ]).

keys_that_are_no_paths_test_() ->
    tests([
        {Key, [
            {{M, F, Arguments ++ [while(Key, ?EXISTS)]}, fun
                ({raised, {pando_ex, invalid_path, #{path := _}}}) -> true;
                (_) -> false
            end}
         || M <- [adv],
            {F, Arguments} <- [{put, [[k], 1]}, {put_many, [[k], 1]}, {create, [[k], 1]}, {put_many, ["*", 1]}]
        ] ++ [are([]), fun pando_test_calls:goes_on/1]}
     || Key <- [foo, 12, {a}, [a, {foo}], [a | b], ["x"], [{foo, bar}], [a, 1]]
    ]).

missing_watched_nodes_test_() ->
    tests([
        {Condition, [
            {{put, [[k], 1, while([ghost], Condition)]}, Expected},
            fun(S) -> ?assertEqual(Expected =:= ok, pando:exists(S, [k])) end
        ]}
     || {Condition, Expected} <- [
            {?MISSING, ok}
            | [
                {Condition, refused([k], {pattern_matches_no_nodes, [ghost]})}
             || Condition <- [
                    ?EXISTS, ?NOT(?EXISTS), ?ALL([]), ?ALL([?MISSING, ?MISSING]), ?ANY([?MISSING, #if_has_data{}]),
                    #if_has_data{has_data = false}, #if_child_list_length{count = 0}, #if_name_matches{}
                ]
            ]
        ]
    ]).

each_node_of_put_many_has_the_conditions_test_() ->
    tests([
        {"21.2: all of them, not only the last", [
            {put, [[w], 1]},
            {put, [[g, a], 1]},
            {put, [[g, b], 1]},
            {put, [[g, c], 1]},
            {put_many, [[g, ?STAR], 2, while([w], ?EXISTS)]},
            {{adv, delete, [[w], #{props_to_return => [delete_reason]}]},
                {ok, #{
                    [w] => #{delete_reason => explicit},
                    [g] => #{delete_reason => keep_while},
                    [g, a] => #{delete_reason => keep_while},
                    [g, b] => #{delete_reason => keep_while},
                    [g, c] => #{delete_reason => keep_while}
                }}},
            are([])
        ]},
        {"relative paths are those of each node", [
            {put, [[g, a], 1]},
            {put, [[g, b], 1]},
            {put, [[g, a, alive], 1]},
            {put, [[g, b, alive], 1]},
            {put_many, [[g, ?STAR], 2, while([$., alive], ?EXISTS)]},
            {delete, [[g, a, alive]]},
            are([[g], [g, b], [g, b, alive]]),
            {delete, [[g, b, alive]]},
            are([])
        ]},
        {"of nodes that it creates, too", [
            {put, [[g, a], 1]},
            {put, [[g, b], 1]},
            {put, [[g], 1]},
            {put_many, [[g, ?STAR, k], 2, while([$^], #if_has_data{})]},
            {clear_payload, [[g, a]]},
            are([[g], [g, a], [g, b], [g, b, k]])
        ]},
        {"one that is not met refuses the whole", [
            {put, [[g, a], 1]},
            {put, [[g, b], 1]},
            {put, [[g, a, alive], 1]},
            {{put_many, [[g, ?STAR], 2, while([$., alive], ?EXISTS)]},
                refused([g, b], {pattern_matches_no_nodes, [g, b, alive]})},
            {{get_many, ["**"]}, {ok, #{[g] => undefined, [g, a] => 1, [g, a, alive] => 1, [g, b] => 1}}}
        ]},
        {"of clear_many_payloads, and of the other writes that put", [
            {put, [[w], 1]},
            {put, [[a], 1]},
            {put, [[b], 1]},
            {put, [[c], 1]},
            {clear_many_payloads, [[#if_name_matches{regex = "[ab]"}], while([w], ?EXISTS)]},
            {update, [[c], 2, while([w], ?EXISTS)]},
            {create, [[d], 2, while([w], ?EXISTS)]},
            {put, [[e], 2]},
            {compare_and_swap, [[e], 2, 3, while([w], ?EXISTS)]},
            {put, [[f], 2]},
            {clear_payload, [[f], while([w], ?EXISTS)]},
            {delete, [[w]]},
            are([])
        ]},
        {"of nothing that matches", [
            {put_many, ["*", 2, while([w], ?EXISTS)]},
            {clear_many_payloads, [[?STAR, a], while([w], ?EXISTS)]},
            are([])
        ]}
    ]).

at_put_time_test_() ->
    tests([
        {"example 1", [
            {{put, [[lock, a], held, while([sess], ?EXISTS)]},
                refused([lock, a], {pattern_matches_no_nodes, [sess]})},
            are([]),
            {put, [[sess], 1]},
            {put, [[lock, a], held, while([sess], ?EXISTS)]},
            {{put, [[lock, a], held, while([sess], #if_child_list_length{count = {gt, 0}})]},
                refused([lock, a], #if_child_list_length{count = {gt, 0}})},
            {{adv, put, [[lock, b], held, while([sess], #if_child_list_length{count = {gt, 0}})]},
                refused([lock, b], #if_child_list_length{count = {gt, 0}})},
            {{'put!', [[lock, b], held, while([ghost], ?EXISTS)]},
                {raised, element(2, refused([lock, b], {pattern_matches_no_nodes, [ghost]}))}},
            are([[sess], [lock], [lock, a]])
        ]},
        {"a refused put has changed nothing, neither payload nor conditions nor parents", [
            {put, [[w], 1]},
            {put, [[k], 1, while([w], ?EXISTS)]},
            {{put, [[k], 2, while([ghost], ?EXISTS)]}, refused([k], {pattern_matches_no_nodes, [ghost]})},
            {{put, [[x, y, z], 2, while([ghost], ?EXISTS)]}, refused([x, y, z], {pattern_matches_no_nodes, [ghost]})},
            {{adv, get, [[k]]}, {ok, #{[k] => #{data => 1, payload_version => 1}}}},
            {delete, [[w]]},
            are([])
        ]},
        {"all must hold, each with its own reason", [
            {put, [[a], 1]},
            {put, [[b], 2]},
            {{put, [[k], 1, while([{[a], #if_data_matches{pattern = 1}}, {[b], #if_data_matches{pattern = 1}}])]},
                refused([k], #if_data_matches{pattern = 1})},
            {put, [[k], 1, while([{[a], #if_data_matches{pattern = 1}}, {[b], #if_data_matches{pattern = 2}}])]},
            are([[a], [b], [k]])
        ]},
        {"a new node is exempt from those on itself and below itself", [
            {put, [[k], 1, while([{[$.], #if_child_list_length{count = {gt, 0}}}, {[$., m, n], ?EXISTS}])]},
            are([[k]])
        ]},
        {"an existing one is not", [
            {put, [[k], 1]},
            {{put, [[k], 1, while([$.], #if_child_list_length{count = {gt, 0}})]},
                refused([k], #if_child_list_length{count = {gt, 0}})},
            {{put, [[k], 1, while([$., m], ?EXISTS)]}, refused([k], {pattern_matches_no_nodes, [k, m]})},
            are([[k]])
        ]},
        {"conditions on itself that a put gives are not looked at by that put", [
            {put, [[a], 1]},
            %% Met before it: the version is 1. Not met after it, which nobody asks.
            {put, [[a], 2, while([a], #if_payload_version{version = {lt, 2}})]},
            {{adv, get, [[a]]}, {ok, #{[a] => #{data => 2, payload_version => 2}}}},
            {put, [[a], 3]},
            are([]),
            fun pando_test_calls:goes_on/1
        ]}
    ]).

%% -------------------------------------------------------------------
%% 10.2: afterwards
%% -------------------------------------------------------------------

examples_test_() ->
    tests([
        {"example 2", [
            {put, [[sess], on]},
            {put, [[lock, a], held, while([sess], #if_node_exists{exists = true})]},
            {{adv, delete, [[sess]]},
                {ok, #{
                    [sess] => #{data => on, payload_version => 1, delete_reason => explicit},
                    [lock, a] => #{data => held, payload_version => 1, delete_reason => keep_while},
                    [lock] => #{payload_version => 1, delete_reason => keep_while}
                }}},
            are([])
        ]},
        {"example 3", [
            {put, [[grp], x, while([$.], #if_child_list_length{count = {gt, 0}})]},
            {put, [[grp, m], 1]},
            {{adv, delete, [[grp, m]]},
                {ok, #{
                    [grp, m] => #{data => 1, payload_version => 1, delete_reason => explicit},
                    [grp] => #{data => x, payload_version => 1, delete_reason => keep_while}
                }}},
            are([])
        ]},
        {"example 3, indirect deletes not wanted", [
            {put, [[grp], x, while([$.], #if_child_list_length{count = {gt, 0}})]},
            {put, [[grp, m], 1]},
            {{adv, delete, [[grp, m], #{return_indirect_deletes => false}]},
                {ok, #{[grp, m] => #{data => 1, payload_version => 1, delete_reason => explicit}}}},
            are([])
        ]},
        {"example 3, on a node that exists without children", [
            {put, [[grp], x]},
            {{put, [[grp], x, while([$.], #if_child_list_length{count = {gt, 0}})]},
                refused([grp], #if_child_list_length{count = {gt, 0}})}
        ]},
        {"example 4", [
            {put, [[pp], 1]},
            {put, [[pp, cc], 1, while([$^], #if_has_data{})]},
            {{adv, clear_payload, [[pp]]},
                {ok, #{
                    [pp] => #{data => 1, payload_version => 2},
                    [pp, cc] => #{data => 1, payload_version => 1, delete_reason => keep_while}
                }}},
            are([[pp]])
        ]},
        {"example 5", [
            {put, [[nx], 1, while([ghost], ?MISSING)]},
            {{adv, put, [[ghost], 1]},
                {ok, #{
                    [ghost] => #{payload_version => 1},
                    [nx] => #{data => 1, payload_version => 1, delete_reason => keep_while}
                }}},
            are([[ghost]]),
            {{put, [[nx], 1, while([ghost2], ?NOT(?EXISTS))]}, refused([nx], {pattern_matches_no_nodes, [ghost2]})}
        ]}
    ]).

afterwards_test_() ->
    tests([
        {"a watched node that is updated: the condition is tested on it", [
            {put, [[w], on]},
            {put, [[k], 1, while([w], #if_data_matches{pattern = on})]},
            {put, [[w], on]},
            are([[w], [k]]),
            {{adv, put, [[w], off]},
                {ok, #{
                    [w] => #{data => on, payload_version => 2},
                    [k] => #{data => 1, payload_version => 1, delete_reason => keep_while}
                }}}
        ]},
        {"a watched node that is created by the way", [
            {put, [[k], 1, while([w], ?MISSING)]},
            {put, [[w, x], 1]},
            are([[w], [w, x]])
        ]},
        {"a watched node that gets and loses children", [
            {put, [[w], 1]},
            {put, [[k], 1, while([w], #if_child_list_length{count = {lt, 2}})]},
            {put, [[w, a], 1]},
            are([[w], [w, a], [k]]),
            {put, [[w, b], 1]},
            are([[w], [w, a], [w, b]]),
            {put, [[k], 1, while([w], #if_child_list_length{count = 2})]},
            {delete_many, [[w, ?STAR]]},
            are([[w]])
        ]},
        {"a watched node that is removed with its parent", [
            {put, [[p, q, w], 1]},
            {put, [[k], 1, while([p, q, w], ?EXISTS)]},
            {put, [[k2], 1, while([p, q], ?EXISTS)]},
            {put, [[k3], 1, while([other], ?MISSING)]},
            {{adv, delete, [[p], #{props_to_return => [delete_reason]}]},
                {ok, #{
                    [p] => #{delete_reason => explicit},
                    [p, q] => #{delete_reason => explicit},
                    [p, q, w] => #{delete_reason => explicit},
                    [k] => #{delete_reason => keep_while},
                    [k2] => #{delete_reason => keep_while}
                }}},
            are([[k3]])
        ]},
        {"a watched node that is reclaimed with its last child", [
            {put, [[p, x], 1]},
            {put, [[k], 1, while([p], ?EXISTS)]},
            {delete, [[p, x]]},
            are([])
        ]},
        {"a condition on the node itself, when its children grow", [
            {put, [[k], 1, while([$.], #if_child_list_length{count = {lt, 2}})]},
            {put, [[k, a], 1]},
            are([[k], [k, a]]),
            {{adv, put, [[k, b], 1]}, fun({ok, Props}) ->
                maps:get([k], Props) =:= #{data => 1, payload_version => 1, delete_reason => keep_while}
            end},
            are([])
        ]},
        {"removal goes down and on: descendants, their watchers, those of them", [
            {put, [[w], 1]},
            {put, [[a], 1, while([w], ?EXISTS)]},
            {put, [[a, child], 1]},
            {put, [[b], 1, while([a, child], ?EXISTS)]},
            {put, [[b, child], 1]},
            {put, [[c, d], 1, while([b, child], #if_has_data{})]},
            {put, [[e], 1, while([c], ?EXISTS)]},
            {put, [[stays], 1, while([stays2], ?MISSING)]},
            {{adv, delete, [[w], #{props_to_return => [delete_reason]}]},
                {ok, #{
                    [w] => #{delete_reason => explicit},
                    [a] => #{delete_reason => keep_while},
                    [a, child] => #{delete_reason => keep_while},
                    [b] => #{delete_reason => keep_while},
                    [b, child] => #{delete_reason => keep_while},
                    [c] => #{delete_reason => keep_while},
                    [c, d] => #{delete_reason => keep_while},
                    [e] => #{delete_reason => keep_while}
                }}},
            are([[stays]])
        ]},
        {"two nodes that watch each other", [
            {put, [[a], 1]},
            {put, [[b], 1, while([a], ?EXISTS)]},
            {put, [[a], 1, while([b], ?EXISTS)]},
            are([[a], [b]]),
            {delete, [[b]]},
            are([])
        ]},
        {"a removed watcher is watched no longer, and may come again without conditions", [
            {put, [[w], 1]},
            {put, [[k], 1, while([w], ?EXISTS)]},
            {delete, [[k]]},
            {put, [[k], 2]},
            {delete, [[w]]},
            are([[k]])
        ]},
        {"conditions go with the node that goes with its parent", [
            {put, [[w], 1]},
            {put, [[p, k], 1, while([w], ?EXISTS)]},
            {delete, [[p]]},
            {put, [[p, k], 2]},
            {delete, [[w]]},
            are([[p], [p, k]])
        ]},
        {"a watched node may come before what it removes in a put of many", [
            {put, [[w, a], 1]},
            {put, [[w, b], 1]},
            {put, [[k], 1, while([{[w, a], #if_data_matches{pattern = 1}}, {[w, b], ?EXISTS}])]},
            {put_many, [[w, ?STAR], 2]},
            are([[w], [w, a], [w, b]])
        ]},
        {"the conditions of all others are tested when one fails", [
            {put, [[a], 1]},
            {put, [[b], 1]},
            {put, [[k], 1, while([{[a], ?EXISTS}, {[b], #if_data_matches{pattern = 1}}])]},
            {put, [[a], 2]},
            are([[a], [b], [k]]),
            {put, [[b], 2]},
            are([[a], [b]])
        ]},
        {"the root is never removed, whatever it is kept while", [
            {put, [[w], 1]},
            {put, [[], root, while([w], ?EXISTS)]},
            {delete, [[w]]},
            {{exists, [[]]}, true},
            fun pando_test_calls:goes_on/1
        ]}
    ]).

conditions_are_replaced_as_a_whole_test_() ->
    tests([
        {"by others", [
            {put, [[a], 1]},
            {put, [[b], 1]},
            {put, [[c], 1]},
            {put, [[k], 1, while([{[a], ?EXISTS}, {[b], ?EXISTS}])]},
            {put, [[k], 2, while([c], ?EXISTS)]},
            {delete, [[a]]},
            {delete, [[b]]},
            are([[c], [k]]),
            {delete, [[c]]},
            are([])
        ]},
        {"by none", [
            {put, [[a], 1]},
            {put, [[k], 1, while([a], ?EXISTS)]},
            {put, [[k], 1, #{keep_while => #{}}]},
            {delete, [[a]]},
            are([[k]])
        ]},
        {"not by a put without the option", [
            {put, [[a], 1]},
            {put, [[k], 1, while([a], ?EXISTS)]},
            {put, [[k], 2]},
            {put_many, [[k], 3]},
            {update, [[k], 4]},
            {clear_payload, [[k]]},
            {delete, [[a]]},
            are([])
        ]},
        {"on one path by another condition", [
            {put, [[a], 1]},
            {put, [[k], 1, while([a], #if_data_matches{pattern = 1})]},
            {put, [[k], 1, while("/:a", ?EXISTS)]},
            {put, [[a], 2]},
            are([[a], [k]])
        ]},
        {"of an implicit parent: it is one no longer", [
            {put, [[a], 1]},
            {put, [[p, x], 1]},
            {put, [[p], ?NONE, while([a], ?EXISTS)]},
            {delete, [[p, x]]},
            are([[a], [p]]),
            {delete, [[a]]},
            are([])
        ]}
    ]).

%% -------------------------------------------------------------------
%% 21.2: patterns and the root
%% -------------------------------------------------------------------

watched_patterns_test_() ->
    AnyS = [s, ?STAR],
    tests([
        {"held while it matches a node, and all matches meet the condition", [
            {{put, [[k], 1, while(AnyS, ?EXISTS)]}, refused([k], {pattern_matches_no_nodes, AnyS})},
            {put, [[s, a], on]},
            {put, [[s, b], off]},
            {{put, [[k], 1, while(AnyS, #if_data_matches{pattern = on})]},
                refused([k], #if_data_matches{pattern = on})},
            {put, [[s, b], on]},
            {put, [[k], 1, while(AnyS, #if_data_matches{pattern = on})]},
            are([[k], [s], [s, a], [s, b]])
        ]},
        {"a match that is updated and meets the condition no longer", [
            {put, [[s, a], on]},
            {put, [[s, b], on]},
            {put, [[k], 1, while(AnyS, #if_data_matches{pattern = on})]},
            {put, [[s, a], off]},
            are([[s], [s, a], [s, b]])
        ]},
        {"a new match that does not meet the condition", [
            {put, [[s, a], on]},
            {put, [[k], 1, while(AnyS, #if_data_matches{pattern = on})]},
            {put, [[s, b], on]},
            are([[k], [s], [s, a], [s, b]]),
            {put, [[s, c], off]},
            are([[s], [s, a], [s, b], [s, c]])
        ]},
        {"the last match that is removed, not the one before", [
            {put, [[s, a], on]},
            {put, [[s, b], on]},
            {put, [[k], 1, while(AnyS, ?EXISTS)]},
            {delete, [[s, a]]},
            are([[k], [s], [s, b]]),
            {delete, [[s, b]]},
            are([])
        ]},
        {"matches that go with their parent", [
            {put, [[s, a], on]},
            {put, [[k], 1, while(AnyS, ?EXISTS)]},
            {delete, [[s]]},
            are([])
        ]},
        {"of any depth, and relative", [
            {put, [[k], 1]},
            {put, [[k, x, y], 1]},
            {put, [[k], 1, while([$., ?STAR_STAR, y], #if_has_data{})]},
            {put, [[k, x, z], 1]},
            {clear_payload, [[k, x, y]]},
            are([])
        ]},
        {"as a string", [
            {put, [[<<"s">>, a], 1]},
            {put, [[k], 1, while("/s/*", #if_has_data{})]},
            {clear_payload, [[<<"s">>, a]]},
            are([[<<"s">>], [<<"s">>, a]])
        ]},
        {"a match by name, by data", [
            {put, [[w1], 1]},
            {put, [[k], 1, while([#if_name_matches{regex = "^w"}], ?EXISTS)]},
            {put, [[k2], 1, while([#if_data_matches{pattern = {leader, '_'}}], ?MISSING)]},
            {put, [[w2], 1]},
            {delete, [[w1]]},
            are([[k], [k2], [w2]]),
            {put, [[w2], {leader, 1}]},
            are([[k], [w2]]),
            {delete, [[w2]]},
            are([])
        ]},
        {"none may match", [
            {put, [[k], 1, while(AnyS, ?MISSING)]},
            {put, [[s], 1]},
            are([[k], [s]]),
            {put, [[s, a], 1]},
            are([[s], [s, a]])
        ]}
    ]).

the_root_is_watched_test_() ->
    tests([
        {"its payload", [
            {put, [[], on]},
            {put, [[k], 1, while([], #if_data_matches{pattern = on})]},
            {put, [[k2], 1, while("/", #if_has_data{})]},
            {put, [[], off]},
            are([[k2]]),
            {delete, [[]]},
            are([])
        ]},
        {"its children", [
            {put, [[k], 1, while([], #if_child_list_length{count = {lt, 3}})]},
            {put, [[a], 1]},
            are([[a], [k]]),
            {put, [[b], 1]},
            are([[a], [b]])
        ]},
        {"at put time", [
            {{put, [[k], 1, while([], #if_has_data{})]}, refused([k], #if_has_data{})},
            {put, [[k], 1, while([], ?EXISTS)]},
            are([[k]])
        ]}
    ]).

%% -------------------------------------------------------------------
%% Conditions, sizes, restarts.
%% -------------------------------------------------------------------

%% {Condition on [w], what makes it false}. At first [w] has data 1 and no child.
every_kind_of_condition_test_() ->
    Clear = {clear_payload, [[w]]},
    Other = {put, [[w], {2, x}]},
    Child = {put, [[w, c], 1]},
    tests([
        {Condition, [
            {put, [[w], 1]},
            {put, [[k], 1, while([w], Condition)]},
            are([[k], [w]]),
            Change,
            fun(S) -> ?assertEqual(false, pando:exists(S, [k])) end,
            {{put, [[k], 1, while([w], Condition)]}, fun
                ({error, {pando, keep_while_conditions_not_met, #{node_path := [k], keep_while_reason := _}}}) -> true;
                (_) -> false
            end},
            fun pando_test_calls:goes_on/1
        ]}
     || {Condition, Change} <- [
            {#if_has_payload{}, Clear},
            {#if_has_data{}, {put, [[w], fun lists:sum/1]}},
            {#if_has_sproc{has_sproc = false}, {put, [[w], fun lists:sum/1]}},
            {#if_data_matches{}, Clear},
            {#if_data_matches{pattern = 1}, Other},
            {#if_data_matches{pattern = '$1', conditions = [{'<', '$1', 2}]}, Other},
            {#if_payload_version{version = 1}, Other},
            {#if_payload_version{version = {lt, 2}}, Clear},
            {#if_child_list_version{version = 1}, Child},
            {#if_child_list_length{}, Child},
            {#if_child_list_length{count = {le, 0}}, Child},
            {?NOT(#if_data_matches{pattern = {'_', x}}), Other},
            {?NOT(#if_child_list_length{count = 1}), Child},
            {?ALL([w, #if_has_data{}, #if_data_matches{pattern = 1}]), Other},
            {?ANY([#if_data_matches{pattern = 1}, #if_has_sproc{}]), Other},
            {?ALL([#if_name_matches{regex = "^w$"}, #if_payload_version{version = 1}]), Other}
        ]
    ]) ++
        tests([
            {{Condition, never_met}, [
                {put, [[w], 1]},
                {{put, [[k], 1, while([w], Condition)]}, refused([k], Condition)},
                are([[w]])
            ]}
         || Condition <- [
                #if_has_payload{has_payload = false}, #if_name_matches{regex = "^k"},
                #if_payload_version{version = odd}, #if_data_matches{pattern = 2}, ?ANY([]), ?NOT(?EXISTS), ?MISSING
            ]
        ]).

chains_test_() ->
    Name = fun(N) -> [<<"n", (integer_to_binary(N))/binary>>] end,
    cases(?TIMEOUT_S, [
        {title({?WATCHERS, nodes, each, watches, the, one, before}), fun(S) ->
            ok = pando:put(S, Name(0), 0),
            [ok = pando:put(S, Name(N), N, while(Name(N - 1), ?EXISTS)) || N <- lists:seq(1, ?WATCHERS)],
            ok = pando:put(S, [stays], 1),
            {ok, Gone} = pando_adv:delete(S, Name(0)),
            Expected = [
                {Name(N), #{data => N, payload_version => 1, delete_reason => keep_while}}
             || N <- lists:seq(1, ?WATCHERS)
            ],
            ?assertEqual(
                maps:from_list([{Name(0), #{data => 0, payload_version => 1, delete_reason => explicit}} | Expected]),
                Gone
            ),
            ?assertEqual([[stays]], paths(S))
        end},
        {title({?WATCHERS, nodes, each, below, the, one, before}), fun(S) ->
            Path = fun(N) -> [c || _ <- lists:seq(1, N)] end,
            ok = pando:put(S, [top], 1),
            ok = pando:put(S, Path(1), 1, while([top], ?EXISTS)),
            [ok = pando:put(S, Path(N), N, while([$^], ?EXISTS)) || N <- lists:seq(2, ?WATCHERS)],
            ?assertEqual({ok, ?WATCHERS + 1}, pando:count(S, "**")),
            ?assertEqual(ok, pando:delete(S, [top])),
            ?assertEqual([], paths(S))
        end}
    ]).

many_watchers_of_one_node_test_() ->
    cases(?TIMEOUT_S, [
        {title({?WATCHERS, watchers}), fun(S) ->
            ok = pando:put(S, [w], 1),
            Results = pando_test_store:parallel(16, fun(Part) ->
                [
                    pando:put(S, [k, <<N:16>>], N, while([w], #if_has_data{}))
                 || N <- lists:seq(1, ?WATCHERS), N rem 16 =:= Part rem 16
                ]
            end),
            ?assertEqual([ok], lists:usort(lists:append(Results))),
            {ok, Changed} = pando_adv:clear_payload(S, [w], #{props_to_return => [delete_reason]}),
            %% The watchers, and their parent made on the way.
            ?assertEqual(?WATCHERS + 2, maps:size(Changed)),
            ?assertEqual([[w]], paths(S))
        end},
        {"one watcher of many nodes", fun(S) ->
            Names = [[w, <<N:16>>] || N <- lists:seq(1, 200)],
            [ok = pando:put(S, Name, 1) || Name <- Names],
            ok = pando:put(S, [k], 1, while([{Name, ?EXISTS} || Name <- Names])),
            ok = pando:delete(S, [w, <<137:16>>]),
            ?assertEqual(false, pando:exists(S, [k])),
            ?assertEqual({ok, 199}, pando:count(S, [w, ?STAR]))
        end}
    ]).

conditions_outlive_a_restart_test_() ->
    {timeout, ?TIMEOUT_S, fun() ->
        in_lives(fun kept/1, [fun(_) -> ok end, fun changed/1])
    end}.

%% So much is written that a snapshot is made, which then is what the conditions come from.
conditions_outlive_a_snapshot_test_() ->
    {timeout, ?TIMEOUT_S, fun() ->
        in_lives(
            fun(S) ->
                kept(S),
                {ok, #{applied_index := Written}} = pando_cluster:status(S),
                Megabyte = binary:copy(<<"x">>, 1024 * 1024),
                [ok = pando:put(S, [ballast], {N, Megabyte}) || N <- lists:seq(1, 20)],
                ok = pando_test_store:await(fun() ->
                    {ok, #{snapshot_index := Index}} = pando_cluster:status(S),
                    Index >= Written
                end),
                ok = pando:delete(S, [ballast])
            end,
            [fun(_) -> ok end, fun changed/1]
        )
    end}.

%% One directory, opened once for each function.
in_lives(First, Others) ->
    pando_test_store:with_dir(fun(Dir) ->
        S = pando_test_store:new_name(),
        [
            begin
                {ok, S} = pando:start(Dir, S),
                try
                    Life(S)
                after
                    ok = pando:stop(S)
                end
            end
         || Life <- [First | Others]
        ]
    end).

kept(S) ->
    ok = pando:put(S, [w], 1),
    ok = pando:put(S, [g, a], 1),
    ok = pando:put(S, [g, b], 1),
    ok = pando:put(S, [plain], 1, while([w], ?EXISTS)),
    ok = pando:put(S, [data], 1, while([w], #if_data_matches{pattern = '$1', conditions = [{'<', '$1', 5}]})),
    ok = pando:put(S, [name], 1, while([w], ?ALL([#if_name_matches{regex = "^w$"}, ?NOT(#if_has_sproc{})]))),
    ok = pando:put(S, [pattern], 1, while([g, ?STAR], #if_data_matches{pattern = 1})),
    ok = pando:put(S, [absent], 1, while([ghost], ?MISSING)),
    ok = pando:put(S, [self], 1, while([$.], #if_child_list_length{count = {lt, 1}})),
    ok = pando:put(S, [permanent, x], 1),
    ok = pando:put(S, [permanent], ?NONE, #{keep_while => #{}}),
    ok = pando:put(S, [implicit, x], 1).

changed(S) ->
    Is = fun(Name) -> pando:exists(S, [Name]) end,
    ok = pando:put(S, [w], 4),
    ?assert(Is(data)),
    ok = pando:put(S, [w], 5),
    ?assertNot(Is(data)),
    ?assert(Is(name)),
    ok = pando:put(S, [w], fun lists:sum/1),
    ?assertNot(Is(name)),
    ?assert(Is(plain)),
    ok = pando:delete(S, [w]),
    ?assertNot(Is(plain)),
    ok = pando:put(S, [g, c], 1),
    ?assert(Is(pattern)),
    ok = pando:put(S, [g, a], 2),
    ?assertNot(Is(pattern)),
    ?assert(Is(absent)),
    ok = pando:put(S, [ghost], 1),
    ?assertNot(Is(absent)),
    ?assert(Is(self)),
    ok = pando:put(S, [self, x], 1),
    ?assertNot(Is(self)),
    ok = pando:delete(S, [permanent, x]),
    ?assert(Is(permanent)),
    ok = pando:delete(S, [implicit, x]),
    ?assertNot(Is(implicit)),
    ?assertEqual([[g], [g, a], [g, b], [g, c], [ghost], [permanent]], paths(S)).
