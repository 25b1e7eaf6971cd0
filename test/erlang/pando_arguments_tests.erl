%% How calls are written: argument forms and defaults, unknown options, wrong types, misuse, stores that do not run.
-module(pando_arguments_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [cases/1, title/1, with_store/1]).

%% Runs `Test' with keys of the application's environment; `undefined' takes a key out.
with_env(Env, Test) ->
    Before = [{Key, application:get_env(pando, Key)} || {Key, _} <- Env],
    _ = application:load(pando),
    try
        [set_env(Key, Value) || {Key, Value} <- Env],
        Test()
    after
        [
            case Value of
                undefined -> application:unset_env(pando, Key);
                {ok, V} -> application:set_env(pando, Key, V)
            end
         || {Key, Value} <- Before
        ]
    end.

set_env(Key, undefined) -> application:unset_env(pando, Key);
set_env(Key, Value) -> application:set_env(pando, Key, Value).

%% -------------------------------------------------------------------
%% Forms of spec 7.1.
%% -------------------------------------------------------------------

reads_without_a_store_use_the_default_one_test_() ->
    cases([
        {"pando, its bang forms, pando_adv", fun(S) ->
            with_env([{default_store_id, S}], fun() ->
                ?assertEqual(S, pando_cluster:get_default_store_id()),
                ok = pando:put(S, [a], 1),
                ok = pando:put(S, [n, m], 2),
                Count = fun(_, _, N) -> N + 1 end,
                Props = #{[a] => #{data => 1, payload_version => 1}},
                [
                    ?assertEqual({Call, Arguments, Answer}, {Call, Arguments, apply(M, F, Arguments)})
                 || {{M, F} = Call, Rows} <- [
                        {{pando, get}, [{[[a]], {ok, 1}}, {[[a], #{}], {ok, 1}}, {[S, [a]], {ok, 1}},
                            {[S, [a], #{}], {ok, 1}}, {["/:a"], {ok, 1}}, {[<<"/:a">>], {ok, 1}}]},
                        {{pando, 'get!'}, [{[[a]], 1}, {[[a], #{}], 1}, {[S, [a]], 1}, {[S, [a], #{}], 1}]},
                        {{pando, get_or}, [{[[n], d], {ok, d}}, {[[n], d, #{}], {ok, d}}, {[S, [n], d], {ok, d}},
                            {[S, [n], #{}], {ok, #{}}}, {[S, [n], d, #{}], {ok, d}}]},
                        {{pando, 'get_or!'}, [{[[n], d], d}, {[[n], d, #{}], d}, {[S, [n], d], d},
                            {[S, [n], d, #{}], d}]},
                        {{pando, get_many}, [{["*"], {ok, #{[a] => 1, [n] => undefined}}},
                            {[[a], #{}], {ok, #{[a] => 1}}}, {[S, [a]], {ok, #{[a] => 1}}},
                            {[S, [a], #{}], {ok, #{[a] => 1}}}]},
                        {{pando, 'get_many!'}, [{[[a]], #{[a] => 1}}, {[[a], #{}], #{[a] => 1}},
                            {[S, [a]], #{[a] => 1}}, {[S, [a], #{}], #{[a] => 1}}]},
                        {{pando, exists}, [{[[a]], true}, {[[a], #{}], true}, {[S, [b]], false},
                            {[S, [b], #{}], false}]},
                        {{pando, 'exists!'}, [{[[a]], true}, {[[a], #{}], true}, {[S, [b]], false},
                            {[S, [b], #{}], false}]},
                        {{pando, has_data}, [{[[a]], true}, {[[n], #{}], false}, {[S, [a]], true},
                            {[S, [n], #{}], false}]},
                        {{pando, 'has_data!'}, [{[[a]], true}, {[[n], #{}], false}, {[S, [a]], true},
                            {[S, [n], #{}], false}]},
                        {{pando, count}, [{["*"], {ok, 2}}, {["*", #{}], {ok, 2}}, {[S, "*"], {ok, 2}},
                            {[S, "*", #{}], {ok, 2}}, {[S, []], {ok, 1}}, {[[]], {ok, 1}}]},
                        {{pando, 'count!'}, [{["*"], 2}, {["*", #{}], 2}, {[S, "*"], 2}, {[S, "*", #{}], 2}]},
                        {{pando, fold}, [{["*", Count, 0], {ok, 2}}, {["*", Count, 0, #{}], {ok, 2}},
                            {[S, "*", Count, 0], {ok, 2}}, {[S, "*", Count, 0, #{}], {ok, 2}}]},
                        {{pando, is_empty}, [{[], false}, {[#{}], false}, {[S], false}, {[S, #{}], false}]},
                        {{pando_adv, get}, [{[[a]], {ok, Props}}, {[[a], #{}], {ok, Props}}, {[S, [a]], {ok, Props}},
                            {[S, [a], #{}], {ok, Props}}]},
                        {{pando_adv, get_many}, [{[[a]], {ok, Props}}, {[[a], #{}], {ok, Props}},
                            {[S, [a]], {ok, Props}}, {[S, [a], #{}], {ok, Props}}]}
                    ],
                    {Arguments, Answer} <- Rows
                ]
            end)
        end}
    ]).

writes_without_a_store_use_the_default_one_test_() ->
    cases([
        {title({M, F, Arguments}), fun(S) ->
            with_env([{default_store_id, S}], fun() ->
                ok = pando:put(S, [a], 1),
                With = [
                    case Argument of
                        store -> S;
                        _ -> Argument
                    end
                 || Argument <- Arguments
                ],
                ?assertEqual(Answer, apply(M, F, With)),
                ?assertEqual({ok, After}, pando:get_many(S, "**"))
            end)
        end}
     || {F, Forms, Answers, After} <- [
            {put, [[[a], 2], [store, [a], 2], [store, [a], 2, #{}]], {ok, #{data => 1, payload_version => 2}}, #{
                [a] => 2
            }},
            {update, [[[a], 2], [store, [a], 2], [store, [a], 2, #{}]], {ok, #{data => 1, payload_version => 2}}, #{
                [a] => 2
            }},
            {create, [["/:a/b", 2], [store, [a, <<"b">>], 2], [store, [a, <<"b">>], 2, #{}]],
                {ok, #{payload_version => 1}}, #{[a] => 1, [a, <<"b">>] => 2}},
            {delete, [[[a]], [[a], #{}], [store, [a]], [store, [a], #{}]],
                {ok, #{data => 1, payload_version => 1, delete_reason => explicit}}, #{}},
            {clear_payload, [[[a]], [store, [a]], [store, [a], #{}]], {ok, #{data => 1, payload_version => 2}}, #{
                [a] => undefined
            }}
        ],
        Arguments <- Forms,
        {M, Function, Answer} <- [
            {pando, F, ok},
            {pando, list_to_atom(atom_to_list(F) ++ "!"), ok},
            {pando_adv, F, full_answer(F, Answers)}
        ],

    ]).

full_answer(create, {ok, Props}) -> {ok, #{[a, <<"b">>] => Props}};
full_answer(_, {ok, Props}) -> {ok, #{[a] => Props}}.
