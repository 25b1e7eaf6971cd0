%% The functions that raise instead of answering an error. Specification section 11.
%%
%% Specification -> test here:
%%   11 which functions, arities       there_is_one_for_each_test_, there_is_none_for_the_rest_test_
%%   11 {ok, X}, ok, true, false       answers_test_
%%   11 {error, Reason}                errors_are_raised_bare_test_
%%   11 async                          async_calls_answer_ok_test_
-module(pando_bang_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_calls, [tests/1]).

-define(BANGS, [
    get, get_or, get_many, get_many_or, exists, has_data, is_sproc, count, put, put_many, create, update,
    compare_and_swap, delete, delete_many, clear_payload, clear_many_payloads
]).

bang(Function) ->
    list_to_atom(atom_to_list(Function) ++ "!").

exported(Module) ->
    {module, Module} = code:ensure_loaded(Module),
    Module:module_info(exports).

there_is_one_for_each_test_() ->
    [
        {atom_to_list(Function),
            ?_assertEqual(
                lists:sort([Arity || {F, Arity} <- exported(pando), F =:= Function]),
                lists:sort([Arity || {F, Arity} <- exported(pando), F =:= bang(Function)])
            )}
     || Function <- ?BANGS
    ] ++
        [
            {atom_to_list(Function), ?_assert(lists:keymember(Function, 1, exported(pando)))}
         || Function <- ?BANGS
        ].

there_is_none_for_the_rest_test_() ->
    IsBang = fun({F, _}) -> lists:suffix("!", atom_to_list(F)) end,
    [
        {"pando", ?_assertEqual(
            lists:usort([bang(F) || F <- ?BANGS]),
            lists:usort([F || {F, _} = Export <- exported(pando), IsBang(Export)])
        )},
        {"pando_adv", ?_assertEqual([], lists:filter(IsBang, exported(pando_adv)))}
    ].

answers_test_() ->
    tests([
        {Call, [{put, [[a], 1]}, {put, [[n, m], 2]}, {Call, Expected}]}
     || {Call, Expected} <- [
            {{'get!', [[a]]}, 1},
            {{'get!', [[n]]}, undefined},
            {{'get_or!', [[n], d]}, d},
            {{'get_or!', [[x], d]}, d},
            {{'get_many!', ["*"]}, #{[a] => 1, [n] => undefined}},
            {{'get_many!', [[x]]}, #{}},
            {{'get_many_or!', ["*", d]}, #{[a] => 1, [n] => d}},
            {{'exists!', [[a]]}, true},
            {{'exists!', [[x]]}, false},
            {{'has_data!', [[n, m]]}, true},
            {{'has_data!', [[n]]}, false},
            {{'is_sproc!', [[a]]}, false},
            {{'count!', ["**"]}, 3},
            {{'put!', [[a], 2]}, ok},
            {{'put_many!', ["*", 2]}, ok},
            {{'create!', [[x], 2]}, ok},
            {{'update!', [[a], 2]}, ok},
            {{'compare_and_swap!', [[a], 1, 2]}, ok},
            {{'delete!', [[a]]}, ok},
            {{'delete!', [[x]]}, ok},
            {{'delete_many!', ["*"]}, ok},
            {{'clear_payload!', [[a]]}, ok},
            {{'clear_payload!', [[x]]}, ok},
            {{'clear_many_payloads!', ["*"]}, ok}
        ]
    ]).

errors_are_raised_bare_test_() ->
    Missing = fun(Name) ->
        {pando, node_not_found, #{node_name => Name, node_path => [Name], node_is_target => true}}
    end,
    Mismatching = fun(Condition) ->
        {pando, mismatching_node, #{
            node_name => a,
            node_path => [a],
            node_is_target => true,
            node_props => #{data => 1, payload_version => 1},
            condition => Condition
        }}
    end,
    Unmet = #if_has_sproc{},
    A = [#if_all{conditions = [a, Unmet]}],
    Zero = #{timeout => 0},
    tests([
        {Call, [{put, [[a], 1]}, {Call, {raised, Reason}}]}
     || {Call, Reason} <- [
            {{'get!', [[x]]}, Missing(x)},
            {{'get!', [A]}, Mismatching(Unmet)},
            {{'get_or!', [[x], d, Zero]}, timeout},
            {{'get_many!', [[x], #{expect_specific_node => true}]}, Missing(x)},
            {{'get_many_or!', [[x], d, #{expect_specific_node => true}]}, Missing(x)},
            {{'exists!', [[x], Zero]}, timeout},
            {{'has_data!', [[x], Zero]}, timeout},
            {{'is_sproc!', [[x], Zero]}, timeout},
            {{'count!', ["*", Zero]}, timeout},
            {{'put!', [A, 2]}, Mismatching(Unmet)},
            {{'put_many!', ["*", 2, Zero]}, timeout},
            {{'create!', [[a], 2]}, Mismatching(#if_node_exists{exists = false})},
            {{'update!', [[x], 2]},
                {pando, node_not_found, #{
                    node_name => x,
                    node_path => [x],
                    node_is_target => true,
                    condition => #if_all{conditions = [x, #if_node_exists{}]}
                }}},
            {{'compare_and_swap!', [[a], 2, 3]}, Mismatching(#if_data_matches{pattern = 2})},
            {{'delete!', [[a], Zero]}, timeout},
            {{'delete_many!', ["*", Zero]}, timeout},
            {{'clear_payload!', [A]}, Mismatching(Unmet)},
            {{'clear_many_payloads!', ["*", Zero]}, timeout},
            {{'put!', [[k], 1, #{keep_while => #{[x] => #if_node_exists{}}}]},
                {pando, keep_while_conditions_not_met, #{
                    node_name => k, node_path => [k], keep_while_reason => {pattern_matches_no_nodes, [x]}
                }}}
        ]
    ]).

async_calls_answer_ok_test_() ->
    tests([
        {Call, [
            {put, [[a], 1]},
            {Call, ok},
            {fence, []},
            fun(S) ->
                ?assertEqual([], pando_test_store:stray_messages()),
                pando_test_calls:goes_on(S)
            end
        ]}
     || Call <- [
            {'put!', [[a], 2, #{async => true}]},
            {'put_many!', ["*", 2, #{async => true}]},
            %% What would be an error.
            {'create!', [[a], 2, #{async => true}]},
            {'update!', [[x], 2, #{async => low}]},
            {'compare_and_swap!', [[a], 5, 2, #{async => true}]},
            {'delete!', [[a], #{async => true}]},
            {'delete_many!', ["*", #{async => true}]},
            {'clear_payload!', [[a], #{async => true}]},
            {'clear_many_payloads!', ["*", #{async => normal}]}
        ]
    ]).
