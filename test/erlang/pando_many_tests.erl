%% Reads and writes of many nodes, and what else sections 7 to 9 say that the tests of single functions do not.
%%
%% Specification -> test here:
%%   7.1 argument forms            forms_of_reads_test_, forms_of_writes_test_
%%   7.2 table, row by row         get_many_or_test_, is_sproc_test_, foreach_test_, map_test_, filter_test_,
%%                                 functions_run_in_the_caller_test_ (the other rows: pando_get_tests,
%%                                 pando_get_many_tests)
%%   7.2 failing conditions        reads_through_a_failing_condition_test_
%%   8.1 result maps               result_maps_test_, has_payload_is_a_union_test_
%%   8.2 table, examples 3, 4, 6   put_many_test_, compare_and_swap_test_, delete_many_test_,
%%                                 clear_many_payloads_test_, optimistic_locking_test_, the_root_test_
%%                                 (examples 1, 2, 5: pando_put_tests, pando_delete_tests)
%%   9 counters, row by row        counters_test_
-module(pando_many_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [cases/1, title/1]).
-import(pando_test_calls, [tests/1, paths/1]).

-define(STAR, ?PANDO_WILDCARD_STAR).
-define(STAR_STAR, ?PANDO_WILDCARD_STAR_STAR).
-define(ALL(Conditions), #if_all{conditions = Conditions}).
-define(NONE, '$__NO_PAYLOAD__').
-define(ALL_PROPS, #{
    props_to_return => [
        payload, payload_version, delete_reason, child_list_version, child_list_length, child_names, has_payload,
        raw_payload
    ]
}).

missing(Name, Path, IsTarget) ->
    {error, {pando, node_not_found, #{node_name => Name, node_path => Path, node_is_target => IsTarget}}}.

%% -------------------------------------------------------------------
%% 7.1
%% -------------------------------------------------------------------

with_default_store(S, Test) ->
    Before = application:get_env(pando, default_store_id),
    ok = application:set_env(pando, default_store_id, S),
    try
        Test()
    after
        case Before of
            undefined -> application:unset_env(pando, default_store_id);
            {ok, Value} -> application:set_env(pando, default_store_id, Value)
        end
    end.

forms_of_reads_test_() ->
    Length = fun(Path, _) -> length(Path) end,
    True = fun(_, _) -> true end,
    cases([
        {title({Function, Arguments}), fun(S) ->
            ok = pando:put(S, [a], 1),
            ok = pando:put(S, [n, m], fun lists:sum/1),
            With = [
                case Argument of
                    store -> S;
                    _ -> Argument
                end
             || Argument <- Arguments
            ],
            with_default_store(S, fun() -> ?assertEqual(Answer, apply(pando, Function, With)) end)
        end}
     || {Function, Answer, Forms} <- [
            {get_many_or, {ok, #{[a] => 1, [n] => d}},
                [["*", d], [store, "*", d], ["*", d, #{}], [store, "*", d, #{}]]},
            {'get_many_or!', #{[a] => 1, [n] => d},
                [["*", d], [store, "*", d], ["*", d, #{}], [store, "*", d, #{}]]},
            {is_sproc, true, [[[n, m]], [store, [n, m]], [[n, m], #{}], [store, [n, m], #{}]]},
            {'is_sproc!', false, [[[a]], [store, [a]], [[a], #{}], [store, [a], #{}]]},
            {foreach, ok, [["*", True], [store, "*", True], ["*", True, #{}], [store, "*", True, #{}]]},
            {map, {ok, #{[a] => 1, [n] => 1}},
                [["*", Length], [store, "*", Length], ["*", Length, #{}], [store, "*", Length, #{}]]},
            {filter, {ok, #{[a] => 1, [n] => undefined}},
                [["*", True], [store, "*", True], ["*", True, #{}], [store, "*", True, #{}]]}
        ],
        Arguments <- Forms
    ]).

forms_of_writes_test_() ->
    cases([
        {title({M, F, Arguments}), fun(S) ->
            ok = pando:put(S, [a], 1),
            With = [
                case Argument of
                    store -> S;
                    _ -> Argument
                end
             || Argument <- Arguments
            ],
            with_default_store(S, fun() -> ?assertEqual(Answer, apply(M, F, With)) end),
            ?assertEqual({ok, After}, pando:get_many(S, "**"))
        end}
     || {Function, Forms, Props, After} <- [
            {put_many, [["*", 2], [store, "*", 2], [store, "*", 2, #{}]],
                #{data => 1, payload_version => 2}, #{[a] => 2}},
            {compare_and_swap, [[[a], 1, 2], [store, [a], 1, 2], [store, [a], 1, 2, #{}]],
                #{data => 1, payload_version => 2}, #{[a] => 2}},
            {clear_many_payloads, [["*"], [store, "*"], [store, "*", #{}]],
                #{data => 1, payload_version => 2}, #{[a] => undefined}},
            {delete_many, [["*"], [store, "*"], ["*", #{}], [store, "*", #{}]],
                #{data => 1, payload_version => 1, delete_reason => explicit}, #{}}
        ],
        Arguments <- Forms,
        {M, F, Answer} <- [
            {pando, Function, ok},
            {pando, list_to_atom(atom_to_list(Function) ++ "!"), ok},
            {pando_adv, Function, {ok, #{[a] => Props}}}
        ]
    ]).

%% -------------------------------------------------------------------
%% 7.2
%% -------------------------------------------------------------------

get_many_or_test_() ->
    tests([
        {"every matching node, the default for one without payload", [
            {put, [[a, b], 1]},
            {put, [[u], undefined]},
            {{get_many_or, ["**", d]}, {ok, #{[a] => d, [a, b] => 1, [u] => undefined}}},
            {{'get_many_or!', ["**", d]}, #{[a] => d, [a, b] => 1, [u] => undefined}},
            {{get_many_or, [[a], d]}, {ok, #{[a] => d}}},
            {{get_many_or, [[], d]}, {ok, #{[] => d}}}
        ]},
        {"nothing that matches", [
            {{get_many_or, ["*", d]}, {ok, #{}}},
            {{get_many_or, [[nope], d]}, {ok, #{}}},
            {{get_many_or, [[nope], d, #{expect_specific_node => true}]}, missing(nope, [nope], true)}
        ]},
        {"a procedure is a payload", [
            {put, [[f], fun lists:sum/1]},
            {{get_many_or, ["*", d]}, {ok, #{[f] => fun lists:sum/1}}}
        ]},
        {"the default is any term", [
            {put, [[a], ?NONE]},
            {fun(S) -> [pando:get_many_or(S, "*", D) || D <- [[], #{}, {error, x}, fun lists:sum/1]] end, [
                {ok, #{[a] => D}}
             || D <- [[], #{}, {error, x}, fun lists:sum/1]
            ]}
        ]}
    ]).

is_sproc_test_() ->
    tests([
        {"of a procedure, of data, of nothing, of no node", [
            {put, [[f], fun lists:sum/1]},
            {put, [[d], {p_data, fun lists:sum/1}]},
            {put, [[a, b], 1]},
            {{is_sproc, [[f]]}, true},
            {{'is_sproc!', [[f]]}, true},
            {{is_sproc, [[d]]}, false},
            {{is_sproc, [[a]]}, false},
            {{is_sproc, [[a, b]]}, false},
            {{is_sproc, [[]]}, false},
            {{is_sproc, [[nope]]}, false},
            {{is_sproc, [[nope, nope]]}, false},
            {{'is_sproc!', [[nope]]}, false},
            {{is_sproc, [[f], #{favor => consistency}]}, true},
            {{is_sproc, [[f], #{timeout => 0}]}, {error, timeout}},
            {{'is_sproc!', [[f], #{timeout => 0}]}, {raised, timeout}}
        ]}
    ]).

foreach_test_() ->
    Me = self,
    cases([
        {"calls the function for every match, and answers ok whatever it answers", fun(S) ->
            ok = pando:put(S, [a, b], 1),
            Self = self(),
            ?assertEqual(ok, pando:foreach(S, "**", fun(Path, Props) -> Self ! {Me, Path, Props} end)),
            ?assertEqual([{[a], #{payload_version => 1}}, {[a, b], #{data => 1, payload_version => 1}}], told(Me)),
            ?assertEqual(ok, pando:foreach(S, "**", fun(_, _) -> {error, x} end)),
            ?assertEqual(ok, pando:foreach(S, [nope], fun(_, _) -> error(x) end))
        end},
        {"props follow props_to_return", fun(S) ->
            ok = pando:put(S, [a, b], 1),
            Self = self(),
            Tell = fun(Path, Props) -> Self ! {Me, Path, Props} end,
            ok = pando:foreach(S, "*", Tell, #{props_to_return => [child_names, has_payload]}),
            ?assertEqual([{[a], #{child_names => [b]}}], told(Me)),
            ok = pando:foreach(S, "**", Tell, #{props_to_return => []}),
            ?assertEqual([{[a], #{}}, {[a, b], #{}}], told(Me))
        end},
        {"over many, whatever is expected", fun(S) ->
            ok = pando:put(S, [a], 1),
            ?assertEqual(ok, pando:foreach(S, "*", fun(_, _) -> x end, #{expect_specific_node => true}))
        end}
    ]).

told(Tag) ->
    receive
        {Tag, Path, Props} -> [{Path, Props} | told(Tag)]
    after 0 -> []
    end.

map_test_() ->
    Of = fun(Path, Props) -> {length(Path), Props} end,
    tests([
        {"what the function answers, by path", [
            {put, [[a, b], 1]},
            {{map, ["**", Of]}, {ok, #{
                [a] => {1, #{payload_version => 1}}, [a, b] => {2, #{data => 1, payload_version => 1}}
            }}},
            {{map, [[nope], Of]}, {ok, #{}}},
            {{map, [[], Of]}, {ok, #{[] => {0, #{payload_version => 1}}}}},
            {{map, ["**", Of, #{props_to_return => []}]}, {ok, #{[a] => {1, #{}}, [a, b] => {2, #{}}}}},
            {{map, ["*", Of, #{expect_specific_node => true, props_to_return => []}]}, {ok, #{[a] => {1, #{}}}}},
            {{map, [[b], Of, #{expect_specific_node => true}]}, {ok, #{}}}
        ]},
        {"an answer that looks like an error is an answer", [
            {put, [[a], 1]},
            {{map, ["*", fun(_, _) -> {error, x} end]}, {ok, #{[a] => {error, x}}}}
        ]}
    ]).

filter_test_() ->
    HasData = fun(_, Props) -> maps:is_key(data, Props) end,
    tests([
        {"the payloads of those it is true for", [
            {put, [[a, b], 1]},
            {put, [[f], fun lists:sum/1]},
            {{filter, ["**", HasData]}, {ok, #{[a, b] => 1}}},
            {{filter, ["**", fun(_, _) -> true end]},
                {ok, #{[a] => undefined, [a, b] => 1, [f] => fun lists:sum/1}}},
            {{filter, ["**", fun(_, _) -> false end]}, {ok, #{}}},
            {{filter, [[nope], HasData]}, {ok, #{}}},
            {{filter, ["*", fun(Path, _) -> Path =:= [a] end, #{expect_specific_node => true}]},
                {ok, #{[a] => undefined}}}
        ]},
        {"the predicate sees what is asked for, the answer is the payload all the same", [
            {put, [[a], 1]},
            {{filter, ["*", fun(_, Props) -> Props =:= #{child_list_length => 0} end, #{
                props_to_return => [child_list_length]
            }]}, {ok, #{[a] => 1}}},
            {{filter, ["*", fun(_, Props) -> Props =:= #{data => 1, child_list_length => 0} end, #{
                props_to_return => [child_list_length, payload]
            }]}, {ok, #{[a] => 1}}}
        ]},
        {"another answer than a boolean", [
            {put, [[a], 1]},
            {{filter, ["*", fun(_, _) -> 1 end]}, fun
                ({raised, {case_clause, 1}}) -> true;
                (_) -> false
            end}
        ]}
    ]).

functions_run_in_the_caller_test_() ->
    Calls = [
        {foreach, fun(S, P, F) -> pando:foreach(S, P, fun(Path, _) -> F(Path) end) end},
        {map, fun(S, P, F) -> pando:map(S, P, fun(Path, _) -> F(Path) end) end},
        {filter, fun(S, P, F) -> pando:filter(S, P, fun(Path, _) -> F(Path), true end) end},
        {fold, fun(S, P, F) -> pando:fold(S, P, fun(Path, _, Acc) -> F(Path), Acc end, []) end}
    ],
    cases(lists:append([
        [
            {title({Name, "may call the store, and sees one moment"}), fun(S) ->
                ok = pando:put(S, [a, b], 1),
                ok = pando:put(S, [a, c], 1),
                Me = self(),
                Call(S, "**", fun(Path) ->
                    ?assertEqual(Me, self()),
                    ok = pando:put(S, [new | Path], 1),
                    ok = pando:delete(S, [a]),
                    {ok, 1} = pando:get(S, [new | Path]),
                    self() ! {Name, Path, none}
                end),
                ?assertEqual([[a], [a, b], [a, c]], [Path || {Path, _} <- told(Name)])
            end},
            {title({Name, "raises what it raises"}), fun(S) ->
                ok = pando:put(S, [a], 1),
                ?assertError(boom, Call(S, "*", fun(_) -> error(boom) end)),
                ?assertThrow(boom, Call(S, "*", fun(_) -> throw(boom) end)),
                ?assertExit(boom, Call(S, "*", fun(_) -> exit(boom) end)),
                pando_test_calls:goes_on(S)
            end}
        ]
     || {Name, Call} <- Calls
    ]) ++ [
        {"a function of another arity, or none", fun(S) ->
            ?assertError(function_clause, pando:foreach(S, "*", fun(_) -> x end)),
            ?assertError(function_clause, pando:map(S, "*", fun(_, _, _) -> x end)),
            ?assertError(function_clause, pando:filter(S, "*", x))
        end}
    ]).

%% Spec 7.2, last table, as 21.2 has it.
reads_through_a_failing_condition_test_() ->
    Pattern = [?ALL([c, #if_payload_version{version = 99}])],
    Error =
        {pando, mismatching_node, #{
            node_name => c,
            node_path => [c],
            node_is_target => true,
            node_props => #{data => 1, payload_version => 1},
            condition => #if_payload_version{version = 99}
        }},
    tests([
        {Call, [{put, [[c], 1]}, {put, [[c, d], 1]}, {Call, Expected}]}
     || {Call, Expected} <- [
            {{get, [Pattern]}, {error, Error}},
            {{'get!', [Pattern]}, {raised, Error}},
            {{get_or, [Pattern, d]}, {ok, d}},
            {{has_data, [Pattern]}, false},
            {{is_sproc, [Pattern]}, false},
            {{exists, [Pattern]}, false},
            {{'exists!', [Pattern]}, false},
            {{count, [Pattern]}, {ok, 0}},
            {{get_many, [Pattern]}, {ok, #{}}},
            {{get_many_or, [Pattern, d]}, {ok, #{}}},
            {{adv, get_many, [Pattern]}, {ok, #{}}},
            {{map, [Pattern, fun(_, _) -> x end]}, {ok, #{}}},
            {{exists, [Pattern ++ [d]]}, false},
            {{has_data, [Pattern ++ [d]]}, false},
            {{get_many, [Pattern ++ [?STAR]]}, {ok, #{}}}
        ]
    ]).

%% -------------------------------------------------------------------
%% 8.1
%% -------------------------------------------------------------------

result_maps_test_() ->
    tests([
        {"put_many: new nodes and existing ones", [
            {put, [[t, a], 1]},
            {put, [[t, b, z], old]},
            {{adv, put_many, [[t, ?STAR, z], 6, ?ALL_PROPS]},
                {ok, #{
                    [t, a, z] => #{
                        payload_version => 1, child_list_version => 1, child_list_length => 0, child_names => [],
                        has_data => true, raw_payload => {p_data, 6}
                    },
                    [t, b, z] => #{
                        data => old, payload_version => 2, child_list_version => 1, child_list_length => 0,
                        child_names => [], has_data => true, raw_payload => {p_data, 6}
                    }
                }}}
        ]},
        {"put_many: no entry for parents made on the way, one for what keep_while removes", [
            {put, [[w], 1]},
            {put, [[k], kept, #{keep_while => #{[w] => #if_data_matches{pattern = 1}}}]},
            {{adv, put_many, [[#if_name_matches{regex = "w"}], 2]},
                {ok, #{
                    [w] => #{data => 1, payload_version => 2},
                    [k] => #{data => kept, payload_version => 1, delete_reason => keep_while}
                }}},
            {{adv, put_many, [[#if_name_matches{regex = "w"}, x, y], 3]},
                {ok, #{[w, x, y] => #{payload_version => 1}}}}
        ]},
        {"delete_many: every node below, every property just before", [
            {put, [[t, a], 1]},
            {put, [[t, b, c], 2]},
            {put, [[keep], x]},
            {{adv, delete_many, [[t, ?STAR]]},
                {ok, #{
                    [t] => #{payload_version => 1, delete_reason => keep_while},
                    [t, a] => #{data => 1, payload_version => 1, delete_reason => explicit},
                    [t, b] => #{payload_version => 1, delete_reason => explicit},
                    [t, b, c] => #{data => 2, payload_version => 1, delete_reason => explicit}
                }}},
            fun(S) -> ?assertEqual([[keep]], paths(S)) end
        ]},
        {"delete_many: a reclaimed parent is shown as it is after losing its children", [
            {put, [[t, a], 1]},
            {put, [[t, b], 1]},
            {{adv, delete_many, [
                [t, ?STAR], #{props_to_return => [child_list_version, child_list_length, child_names]}
            ]},
                {ok, #{
                    [t] => #{child_list_version => 3, child_list_length => 0, child_names => []},
                    [t, a] => #{child_list_version => 1, child_list_length => 0, child_names => []},
                    [t, b] => #{child_list_version => 1, child_list_length => 0, child_names => []}
                }}}
        ]},
        {"nothing matched", [
            {{adv, Function, Arguments}, {ok, #{}}}
         || {Function, Arguments} <- [
                {put_many, ["*", 1]}, {put_many, [[?STAR, a], 1]}, {delete_many, ["*"]}, {delete_many, [[a]]},
                {clear_many_payloads, ["*"]}, {clear_many_payloads, [[a]]}, {delete, [[a, b]]}, {clear_payload, [[a]]}
            ]
        ] ++ [{{get_many, ["**"]}, {ok, #{}}}]}
    ]).

has_payload_is_a_union_test_() ->
    Has = #{props_to_return => [has_payload]},
    Sum = fun lists:sum/1,
    Data = #{has_data => true},
    Both = #{has_data => true, is_sproc => true},
    tests([
        {{Function, Was, Becomes}, [
            {put, [[k], Was]},
            {{adv, Function, [[k]] ++ Arguments ++ [Has]}, {ok, #{[k] => Shown}}}
        ]}
     || {Function, Was, Becomes, Arguments, Shown} <- [
            {put_many, 1, 2, [2], Data},
            {put_many, ?NONE, 2, [2], Data},
            {put_many, 1, Sum, [Sum], Both},
            {put_many, Sum, 1, [1], Both},
            {put_many, Sum, ?NONE, [?NONE], #{is_sproc => true}},
            {put_many, ?NONE, ?NONE, [?NONE], #{}},
            {update, 1, Sum, [Sum], Both},
            {compare_and_swap, 1, 2, [1, 2], Data},
            {compare_and_swap, 1, Sum, ['_', Sum], Both},
            {clear_many_payloads, 1, nothing, [], Data},
            {clear_many_payloads, Sum, nothing, [], #{is_sproc => true}},
            {clear_many_payloads, ?NONE, nothing, [], #{}},
            {delete_many, 1, gone, [], Data},
            {delete_many, Sum, gone, [], #{is_sproc => true}}
        ]
    ]).

%% -------------------------------------------------------------------
%% 8.2
%% -------------------------------------------------------------------

put_many_test_() ->
    tests([
        {"spec 8.2, example 3", [
            {put, [[t, a], 1]},
            {put, [[t, b, c], 2]},
            {{adv, put_many, [[t, ?STAR], 5]},
                {ok, #{[t, a] => #{data => 1, payload_version => 2}, [t, b] => #{payload_version => 2}}}},
            {{adv, put_many, [[t, ?STAR, z], 6]},
                {ok, #{[t, a, z] => #{payload_version => 1}, [t, b, z] => #{payload_version => 1}}}},
            {{get_many, ["**"]}, {ok, #{
                [t] => undefined, [t, a] => 5, [t, a, z] => 6, [t, b] => 5, [t, b, c] => 2, [t, b, z] => 6
            }}}
        ]},
        {"without conditions it is a put", [
            {{adv, put_many, [[a, b], 1]}, {ok, #{[a, b] => #{payload_version => 1}}}},
            {put_many, ["/:a/:b", 2]},
            {{get_many, ["**"]}, {ok, #{[a] => undefined, [a, b] => 2}}}
        ]},
        {"a pattern never creates a node at a condition", [
            {put, [[t], 1]},
            {put_many, [[t, ?STAR, z], 1]},
            {put_many, [[?ALL([new, #if_node_exists{exists = false}])], 1]},
            {put_many, [[#if_name_matches{regex = "new"}, z], 1]},
            {{get_many, ["**"]}, {ok, #{[t] => 1}}}
        ]},
        {"plain components after a match are created, however many", [
            {put, [[t, a], 1]},
            {put, [[t, b], 1]},
            {put_many, [[t, ?STAR, x, y], 2]},
            {{get_many, ["/*/*/*/*"]}, {ok, #{[t, a, x, y] => 2, [t, b, x, y] => 2}}},
            %% They are parents made on the way.
            {delete_many, [[t, ?STAR, x, y]]},
            {{get_many, ["**"]}, {ok, #{[t] => undefined, [t, a] => 1, [t, b] => 1}}}
        ]},
        {"a stored procedure, nothing, the root", [
            {put, [[a], 1]},
            {put_many, ["*", fun lists:sum/1]},
            {{is_sproc, [[a]]}, true},
            {put_many, ["*", ?NONE]},
            {{get, [[a]]}, {ok, undefined}},
            {put_many, [[], top]},
            {{get, [[]]}, {ok, top}}
        ]},
        {"an identical payload is no change", [
            {put, [[a], 1]},
            {put, [[b], 2]},
            {{adv, put_many, ["*", 1]},
                {ok, #{[a] => #{data => 1, payload_version => 1}, [b] => #{data => 2, payload_version => 2}}}}
        ]}
    ]).

compare_and_swap_test_() ->
    Unmet = fun(Props, Pattern) ->
        {error,
            {pando, mismatching_node, #{
                node_name => c,
                node_path => [c],
                node_is_target => true,
                node_props => Props,
                condition => #if_data_matches{pattern = Pattern}
            }}}
    end,
    tests([
        {"spec 8.2, example 4", [
            {put, [[c], 1]},
            {{adv, compare_and_swap, [[c], 1, 3]}, {ok, #{[c] => #{data => 1, payload_version => 2}}}},
            {{adv, compare_and_swap, [[c], 1, 3]}, Unmet(#{data => 3, payload_version => 2}, 1)},
            {{compare_and_swap, [[c], 1, 3]}, Unmet(#{data => 3, payload_version => 2}, 1)},
            {{'compare_and_swap!', [[c], 1, 3]}, {raised, element(2, Unmet(#{data => 3, payload_version => 2}, 1))}},
            {{get, [[c]]}, {ok, 3}}
        ]},
        {"a pattern of section 3.4", [
            {put, [[c], {user, 1}]},
            {compare_and_swap, [[c], {user, '_'}, {user, 2}]},
            {compare_and_swap, [[c], '$1', {2, 2}]},
            {compare_and_swap, [[c], {'$1', '$1'}, #{a => 1, b => 2}]},
            {compare_and_swap, [[c], #{a => '_'}, end_of_it]},
            {{get, [[c]]}, {ok, end_of_it}}
        ]},
        {"the match is exact", [
            {put, [[c], 1]},
            {{compare_and_swap, [[c], 1.0, 2]}, Unmet(#{data => 1, payload_version => 1}, 1.0)},
            {put, [[c], <<"1">>]},
            {{compare_and_swap, [[c], "1", 2]}, Unmet(#{data => <<"1">>, payload_version => 2}, "1")}
        ]},
        {"a node without data", [
            {put, [[c], ?NONE]},
            {{compare_and_swap, [[c], '_', 2]}, Unmet(#{payload_version => 1}, '_')},
            {put, [[c], fun lists:sum/1]},
            {{compare_and_swap, [[c], '_', 2]}, Unmet(#{sproc => fun lists:sum/1, payload_version => 2}, '_')}
        ]},
        {"a missing node", [
            {{compare_and_swap, [[d, c], 1, 2]},
                {error,
                    {pando, node_not_found, #{
                        node_name => c,
                        node_path => [d, c],
                        node_is_target => true,
                        condition => ?ALL([c, #if_data_matches{pattern = 1}])
                    }}}},
            {{get_many, ["**"]}, {ok, #{}}}
        ]},
        {"by a procedure, by nothing, with other conditions", [
            {put, [[c], 1]},
            {{compare_and_swap, [[?ALL([c, #if_payload_version{version = 2}])], 1, 2]},
                {error,
                    {pando, mismatching_node, #{
                        node_name => c,
                        node_path => [c],
                        node_is_target => true,
                        node_props => #{data => 1, payload_version => 1},
                        condition => #if_payload_version{version = 2}
                    }}}},
            {compare_and_swap, [[c], 1, fun lists:sum/1]},
            {{is_sproc, [[c]]}, true}
        ]}
    ]).

delete_many_test_() ->
    tests([
        {"every match, with what is below it", [
            {put, [[a, x], 1]},
            {put, [[b], 1]},
            {put, [[c, y], 1]},
            {put, [[c], 1]},
            {delete_many, [[#if_has_data{}]]},
            {{get_many, ["**"]}, {ok, #{[a] => undefined, [a, x] => 1}}},
            {delete_many, ["*"]},
            {{is_empty, []}, true}
        ]},
        {"by conditions of data: half of a thousand siblings", [
            fun(S) ->
                ok = pando:put(S, [p], keep),
                Results = pando_test_store:parallel(16, fun(Part) ->
                    [pando:put(S, [p, <<N:16>>], N) || N <- lists:seq(1, 1000), N rem 16 =:= Part rem 16]
                end),
                ?assertEqual([ok], lists:usort(lists:append(Results)))
            end,
            {delete_many, [
                [p, #if_data_matches{pattern = '$1', conditions = [{'=:=', {'rem', '$1', 2}, 0}]}]
            ]},
            {{count, [[p, ?STAR]]}, {ok, 500}},
            {{adv, get, [[p], #{props_to_return => [child_list_length, child_list_version]}]}, fun
                ({ok, #{[p] := #{child_list_length := 500, child_list_version := 1002}}}) -> true;
                (_) -> false
            end}
        ]},
        {"the root", [
            {put, [[], root]},
            {put, [[a, b], 1]},
            {{adv, delete_many, [[]]},
                {ok, #{
                    [] => #{data => root, payload_version => 2, delete_reason => explicit},
                    [a] => #{payload_version => 1, delete_reason => explicit},
                    [a, b] => #{data => 1, payload_version => 1, delete_reason => explicit}
                }}},
            {{get_many, ["**"]}, {ok, #{}}},
            {{get, [[]]}, {ok, undefined}}
        ]}
    ]).

clear_many_payloads_test_() ->
    tests([
        {"every match, nodes stay", [
            {put, [[a], 1]},
            {put, [[b], fun lists:sum/1]},
            {put, [[c], ?NONE]},
            {put, [[d, e], 5]},
            {{adv, clear_many_payloads, ["*"]},
                {ok, #{
                    [a] => #{data => 1, payload_version => 2},
                    [b] => #{sproc => fun lists:sum/1, payload_version => 2},
                    [c] => #{payload_version => 1},
                    [d] => #{payload_version => 1}
                }}},
            {{get_many, ["**"]}, {ok, #{
                [a] => undefined, [b] => undefined, [c] => undefined, [d] => undefined, [d, e] => 5
            }}}
        ]},
        {"a missing node is not created", [
            {clear_many_payloads, [[a]]},
            {clear_many_payloads, [[?STAR, b]]},
            {put, [[x], 1]},
            {{adv, clear_many_payloads, [[?STAR, b]]}, {ok, #{}}},
            {{get_many, ["**"]}, {ok, #{[x] => 1}}}
        ]},
        {"a node with a condition that fails is passed by", [
            {put, [[x], 1]},
            {{adv, clear_many_payloads, [[?ALL([x, #if_has_sproc{}])]]}, {ok, #{}}},
            {{get, [[x]]}, {ok, 1}}
        ]},
        {"a parent made on the way goes by it", [
            {put, [[p, x], 1]},
            {put, [[p], 1]},
            {delete, [[p, x]]},
            {{adv, clear_many_payloads, ["*", #{props_to_return => [payload_version, delete_reason]}]},
                {ok, #{[p] => #{payload_version => 3, delete_reason => keep_while}}}},
            {{get_many, ["**"]}, {ok, #{}}}
        ]}
    ]).

%% Spec 8.2, example 6.
optimistic_locking_test_() ->
    AtLeast2 = [?ALL([c, #if_payload_version{version = {ge, 2}}])],
    tests([
        {"spec 8.2, example 6", [
            {put, [[c], 1]},
            {{put, [AtLeast2, 0]},
                {error,
                    {pando, mismatching_node, #{
                        node_name => c,
                        node_path => [c],
                        node_is_target => true,
                        node_props => #{data => 1, payload_version => 1},
                        condition => #if_payload_version{version = {ge, 2}}
                    }}}},
            {put, [[c], 2]},
            {put, [AtLeast2, 0]},
            {{adv, get, [[c]]}, {ok, #{[c] => #{data => 0, payload_version => 3}}}}
        ]}
    ]).

%% Spec 8.2, the paths of the root, and 21.2.
the_root_test_() ->
    tests([
        {{Root, Call}, [
            {put, [[], 1]},
            {put, [[a], 1]},
            {Call, Expected}
        ]}
     || Root <- [[], "/", "", [$.]],
        {Call, Expected} <- [
            {{adv, put, [Root, 2]}, {ok, #{[] => #{data => 1, payload_version => 3}}}},
            {{adv, put_many, [Root, 2]}, {ok, #{[] => #{data => 1, payload_version => 3}}}},
            {{adv, update, [Root, 2]}, {ok, #{[] => #{data => 1, payload_version => 3}}}},
            {{adv, compare_and_swap, [Root, 1, 2]}, {ok, #{[] => #{data => 1, payload_version => 3}}}},
            {{adv, clear_payload, [Root]}, {ok, #{[] => #{data => 1, payload_version => 3}}}},
            {{adv, clear_many_payloads, [Root]}, {ok, #{[] => #{data => 1, payload_version => 3}}}},
            {{adv, delete, [Root]},
                {ok, #{
                    [] => #{data => 1, payload_version => 2, delete_reason => explicit},
                    [a] => #{data => 1, payload_version => 1, delete_reason => explicit}
                }}},
            {{adv, create, [Root, 2]},
                {error,
                    {pando, mismatching_node, #{
                        node_name => $/,
                        node_path => [],
                        node_is_target => true,
                        node_props => #{data => 1, payload_version => 2},
                        condition => #if_node_exists{exists = false}
                    }}}},
            {{get_many, [Root]}, {ok, #{[] => 1}}},
            {{get_many_or, [Root, d]}, {ok, #{[] => 1}}},
            {{count, [Root]}, {ok, 1}},
            {{map, [Root, fun(Path, _) -> Path end]}, {ok, #{[] => []}}},
            {{is_sproc, [Root]}, false}
        ]
    ]).

%% -------------------------------------------------------------------
%% 9
%% -------------------------------------------------------------------

counters(S, Path) ->
    {ok, #{Path := Props}} = pando_adv:get(S, Path, #{
        props_to_return => [payload_version, child_list_version, child_list_length]
    }),
    #{payload_version := Payload, child_list_version := List, child_list_length := Length} = Props,
    {Payload, List, Length}.

is(Path, Counters) ->
    fun(S) -> ?assertEqual({Path, Counters}, {Path, counters(S, Path)}) end.

counters_test_() ->
    tests([
        {"node created, explicitly or as a parent: 1 and 1, whatever is created below it", [
            {put, [[a, b, c], 1]},
            is([a], {1, 1, 1}),
            is([a, b], {1, 1, 1}),
            is([a, b, c], {1, 1, 0}),
            {put, [[t], 1]},
            {put_many, [[t, x], 1]},
            is([t, x], {1, 1, 0})
        ]},
        {"payload replaced by a different term: +1; 1 and 1.0 differ", [
            {put, [[k], 1]},
            {put, [[k], 1.0]},
            is([k], {2, 1, 0}),
            {compare_and_swap, [[k], 1.0, 2]},
            is([k], {3, 1, 0}),
            {put_many, [[?STAR], 3]},
            is([k], {4, 1, 0})
        ]},
        {"payload replaced by an identical term: unchanged", [
            {put, [[k], #{a => 1.0, b => [x]}]},
            {put, [[k], #{b => [x], a => 1.0}]},
            {put_many, ["*", #{a => 1.0, b => [x]}]},
            {update, [[k], #{a => 1.0, b => [x]}]},
            {compare_and_swap, [[k], '_', #{a => 1.0, b => [x]}]},
            is([k], {1, 1, 0})
        ]},
        {"payload cleared, had one: +1", [
            {put, [[k], 1]},
            {clear_many_payloads, ["*"]},
            is([k], {2, 1, 0})
        ]},
        {"payload cleared, had none: unchanged", [
            {put, [[k], ?NONE]},
            {clear_payload, [[k]]},
            {clear_many_payloads, ["*"]},
            is([k], {1, 1, 0})
        ]},
        {"child created, child removed: +1 for the parent", [
            {put, [[p], 1]},
            {put, [[p, a], 1]},
            is([p], {1, 2, 1}),
            {delete, [[p, a]]},
            is([p], {1, 3, 0}),
            is([], {1, 2, 1})
        ]},
        {"child modified: nothing for the parent", [
            {put, [[p, a], 1]},
            {put, [[p, a], 2]},
            {put, [[p, a, x], 2]},
            {clear_payload, [[p, a]]},
            is([p], {1, 1, 1})
        ]},
        {"several children added by one command of many: +1 for each parent, once", [
            {put, [[p, a], 1]},
            {put, [[p, b], 1]},
            {put_many, [[p, ?STAR, c], 1]},
            is([p], {1, 2, 2}),
            is([p, a], {1, 2, 1}),
            is([p, b], {1, 2, 1})
        ]},
        {"several children removed by one command of many: +1, once", [
            {put, [[p], 1]},
            {put, [[p, a], 1]},
            {put, [[p, b], 1]},
            {put, [[p, c], 1]},
            {delete_many, [[p, #if_name_matches{regex = "a|b"}]]},
            is([p], {1, 5, 1})
        ]},
        {"in one put a child is added and a sibling removed by keep_while: +1, once", [
            {put, [[p], 1]},
            {put, [[p, a], 1, #{keep_while => #{[p, b] => #if_node_exists{exists = false}}}]},
            is([p], {1, 2, 1}),
            {{adv, put, [[p, b], 1]},
                {ok, #{
                    [p, b] => #{payload_version => 1},
                    [p, a] => #{data => 1, payload_version => 1, delete_reason => keep_while}
                }}},
            is([p], {1, 3, 1})
        ]},
        {"delete of the root: +1 if it had a payload, +1 if it had children", [
            {delete, [[]]},
            is([], {1, 1, 0}),
            {put, [[], 1]},
            {delete_many, [[]]},
            is([], {3, 1, 0}),
            {put, [[a, b], 1]},
            {delete, [[]]},
            is([], {3, 3, 0})
        ]},
        {"node removed and created again: 1 and 1", [
            {put, [[k], 1]},
            {put, [[k], 2]},
            {put, [[k, x], 2]},
            {delete_many, ["*"]},
            {put, [[k], 2]},
            is([k], {1, 1, 0})
        ]},
        {"the root starts at 1 and 1", [is([], {1, 1, 0})]},
        {"reclaimed parents count for theirs: the example of spec 9, with a delete of many", [
            {put, [[fleet, van, <<"7">>], 7]},
            {put, [[fleet, van, <<"8">>], 8]},
            {delete, [[fleet, van, <<"7">>]]},
            is([fleet, van], {1, 3, 1}),
            {{adv, delete_many, [[fleet, van, ?STAR], ?ALL_PROPS]},
                {ok, #{
                    [fleet, van, <<"8">>] => #{
                        data => 8, has_data => true, raw_payload => {p_data, 8}, payload_version => 1,
                        child_list_version => 1, child_list_length => 0, child_names => [], delete_reason => explicit
                    },
                    [fleet, van] => #{
                        raw_payload => ?NONE, payload_version => 1, child_list_version => 4, child_list_length => 0,
                        child_names => [], delete_reason => keep_while
                    },
                    [fleet] => #{
                        raw_payload => ?NONE, payload_version => 1, child_list_version => 2, child_list_length => 0,
                        child_names => [], delete_reason => keep_while
                    }
                }}},
            is([], {1, 3, 0})
        ]}
    ]).
