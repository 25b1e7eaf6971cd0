%% How calls are written: argument forms and defaults, unknown options, wrong types, misuse, stores that do
%% not run.
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
                        {{pando, get_or}, [{[[n], d], {ok, d}}, {[[n], d, #{}], {ok, d}},
                            {[S, [n], d], {ok, d}},
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
                        {{pando_adv, get}, [{[[a]], {ok, Props}}, {[[a], #{}], {ok, Props}},
                            {[S, [a]], {ok, Props}}, {[S, [a], #{}], {ok, Props}}]},
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
        {title({M, Function, Arguments}), fun(S) ->
            with_env([{default_store_id, S}], fun() ->
                ok = pando:put(S, [a], 1),
                With = [
                    case Argument of
                        store -> S;
                        _ -> Argument
                    end
                 || Argument <- Arguments
                ],
                ?assertEqual(Answer, apply(M, Function, With)),
                ?assertEqual({ok, After}, pando:get_many(S, "**"))
            end)
        end}
     || {F, Forms, Answers, After} <- [
            {put, [[[a], 2], [store, [a], 2], [store, [a], 2, #{}]],
                {ok, #{data => 1, payload_version => 2}}, #{[a] => 2}},
            {update, [[[a], 2], [store, [a], 2], [store, [a], 2, #{}]],
                {ok, #{data => 1, payload_version => 2}}, #{[a] => 2}},
            {create, [["/:a/b", 2], [store, [a, <<"b">>], 2], [store, [a, <<"b">>], 2, #{}]],
                {ok, #{payload_version => 1}}, #{[a] => 1, [a, <<"b">>] => 2}},
            {delete, [[[a]], [[a], #{}], [store, [a]], [store, [a], #{}]],
                {ok, #{data => 1, payload_version => 1, delete_reason => explicit}}, #{}},
            {clear_payload, [[[a]], [store, [a]], [store, [a], #{}]],
                {ok, #{data => 1, payload_version => 2}}, #{[a] => undefined}}
        ],
        Arguments <- Forms,
        {M, Function, Answer} <- [
            {pando, F, ok},
            {pando, list_to_atom(atom_to_list(F) ++ "!"), ok},
            {pando_adv, F, full_answer(F, Answers)}
        ]
    ]).

full_answer(create, {ok, Props}) -> {ok, #{[a, <<"b">>] => Props}};
full_answer(_, {ok, Props}) -> {ok, #{[a] => Props}}.

the_default_store_test_() ->
    [
        {"is pando when nothing says otherwise", fun() ->
            with_env([{default_store_id, undefined}], fun() ->
                ?assertEqual(pando, pando_cluster:get_default_store_id())
            end)
        end},
        {"must be an atom", fun() ->
            with_env([{default_store_id, <<"s">>}], fun() ->
                Raised = {pando_ex, invalid_default_store_id_value, #{default_store_id => <<"s">>}},
                [?assertError(Raised, Call()) || Call <- calls_of_the_default_store()]
            end)
        end},
        {"is not looked at when a store is given", fun() ->
            with_store(fun(S) ->
                with_env([{default_store_id, "s"}], fun() ->
                    ?assertEqual(ok, pando:put(S, [a], 1)),
                    ?assertEqual({ok, 1}, pando:get(S, [a]))
                end)
            end)
        end},
        {"not running is an error", fun() ->
            with_env([{default_store_id, pando_test_store:new_name()}], fun() ->
                ?assertEqual({error, noproc}, pando:get([a])),
                ?assertEqual({error, noproc}, pando:put([a], 1)),
                ?assertEqual({error, noproc}, pando:is_empty()),
                ?assertEqual(ok, pando:stop())
            end)
        end}
    ].

calls_of_the_default_store() ->
    [
        fun() -> pando_cluster:get_default_store_id() end,
        fun() -> pando:get([a]) end,
        fun() -> pando:get_or([a], d) end,
        fun() -> pando:get_many([a]) end,
        fun() -> pando:exists([a]) end,
        fun() -> pando:has_data([a]) end,
        fun() -> pando:count([a]) end,
        fun() -> pando:fold([a], fun(_, _, A) -> A end, 0) end,
        fun() -> pando:is_empty() end,
        fun() -> pando:put([a], 1) end,
        fun() -> pando:create([a], 1) end,
        fun() -> pando:update([a], 1) end,
        fun() -> pando:delete([a]) end,
        fun() -> pando:clear_payload([a]) end,
        fun() -> pando:stop() end,
        fun() -> pando_adv:get([a]) end,
        fun() -> pando_adv:put([a], 1) end
    ].

the_default_timeout_test_() ->
    cases([
        {"is taken from the environment", fun(S) ->
            ok = pando:put(S, [a], 1),
            with_env([{default_timeout, 0}], fun() ->
                [?assertEqual({F, {error, timeout}}, {F, Call(S, #{})}) || {F, Call} <- calls_with_options()],
                %% A call's own comes first.
                [
                    ?assertNotEqual({F, {error, timeout}}, {F, Call(S, #{timeout => 60000})})
                 || {F, Call} <- calls_with_options()
                ]
            end),
            [
                with_env([{default_timeout, Default}], fun() ->
                    ok = pando:put(S, [a], Default),
                    ?assertEqual({ok, Default}, pando:get(S, [a], #{favor => consistency}))
                end)
             || Default <- [infinity, 60000]
            ]
        end},
        {"is a number of milliseconds or infinity", fun(S) ->
            [
                with_env([{default_timeout, Invalid}], fun() ->
                    Raised = {pando_ex, invalid_default_timeout_value, #{default_timeout => Invalid}},
                    [?assertError(Raised, Call(S, #{})) || {_, Call} <- calls_with_options()]
                end)
             || Invalid <- [-1, 1.5, "1", never, {5, s}]
            ]
        end}
    ]).

calls_with_options() ->
    [
        {get, fun(S, O) -> pando:get(S, [a], O) end},
        {get_or, fun(S, O) -> pando:get_or(S, [a], d, O) end},
        {get_many, fun(S, O) -> pando:get_many(S, [a], O) end},
        {exists, fun(S, O) -> pando:exists(S, [a], O) end},
        {has_data, fun(S, O) -> pando:has_data(S, [a], O) end},
        {count, fun(S, O) -> pando:count(S, [a], O) end},
        {fold, fun(S, O) -> pando:fold(S, [a], fun(_, _, A) -> A end, 0, O) end},
        {is_empty, fun(S, O) -> pando:is_empty(S, O) end},
        {adv_get, fun(S, O) -> pando_adv:get(S, [a], O) end},
        {adv_get_many, fun(S, O) -> pando_adv:get_many(S, [a], O) end}
        | writes_with_options()
    ].

writes_with_options() ->
    [
        {put, fun(S, O) -> pando:put(S, [a], 1, O) end},
        {create, fun(S, O) -> pando:create(S, [a, b], 1, O) end},
        {update, fun(S, O) -> pando:update(S, [a], 1, O) end},
        {clear_payload, fun(S, O) -> pando:clear_payload(S, [a], O) end},
        {delete, fun(S, O) -> pando:delete(S, [a], O) end},
        {adv_put, fun(S, O) -> pando_adv:put(S, [a], 1, O) end},
        {adv_create, fun(S, O) -> pando_adv:create(S, [a, b], 1, O) end},
        {adv_update, fun(S, O) -> pando_adv:update(S, [a], 1, O) end},
        {adv_clear_payload, fun(S, O) -> pando_adv:clear_payload(S, [a], O) end},
        {adv_delete, fun(S, O) -> pando_adv:delete(S, [a], O) end}
    ].

%% -------------------------------------------------------------------
%% Wrong arguments.
%% -------------------------------------------------------------------

unknown_options_and_values_raise_function_clause_test_() ->
    Of = fun(Calls, Options) -> [{F, Call, O} || {F, Call} <- Calls, O <- Options] end,
    Wrong = [
        #{unknown => 1}, #{timout => 5}, #{<<"timeout">> => 5}, #{timeout => -1}, #{timeout => 1.0},
        #{timeout => soon}, #{props_to_return => payload}, #{props_to_return => [payload | rest]},
        #{props_to_return => ["payload"]}, #{props_to_return => {}}, #{expect_specific_node => maybe},
        #{include_root_props => 1}, #{timeout => 5, other => x}
    ],
    OfReads = [#{favor => speed}, #{keep_while => #{}}, #{async => true}],
    cases([
        {"of every function", fun(S) ->
            ok = pando:put(S, [a], 1),
            Reads = calls_with_options() -- writes_with_options(),
            [
                ?assertError(function_clause, Call(S, O), {F, O})
             || {F, Call, O} <- Of(calls_with_options(), Wrong) ++ Of(Reads, OfReads) ++
                    Of(writes_with_options(), [#{favor => low_latency}])
            ],
            ?assertEqual({ok, #{[a] => 1}}, pando:get_many(S, "**"))
        end}
    ]).

wrong_types_raise_function_clause_test_() ->
    cases([
        {"of stores", fun(_) ->
            [
                ?assertError(function_clause, Call(Store, #{}), {F, Store})
             || Store <- ["s", <<"s">>, {s, node()}, self(), 1],
                {F, Call} <- calls_with_options() -- [P || {N, _} = P <- writes_with_options(), is_put(N)]
            ]
        end},
        {"of options", fun(S) ->
            [
                ?assertError(function_clause, Call(S, O), {F, O})
             || O <- [[], [{timeout, 5}], options, 5, <<>>],
                {F, Call} <- calls_with_options()
            ]
        end},
        {"of two arguments that are neither store and path nor path and options", fun(_) ->
            [
                ?assertError(function_clause, F([a], [b]))
             || F <- [
                    fun pando:get/2, fun pando:get_many/2, fun pando:exists/2, fun pando:has_data/2,
                    fun pando:count/2,
                    fun pando:delete/2, fun pando_adv:get/2, fun pando_adv:get_many/2, fun pando_adv:delete/2,
                    fun pando:'get!'/2, fun pando:'delete!'/2
                ]
            ],
            ?assertError(function_clause, pando:get_or([a], b, c)),
            ?assertError(function_clause, pando:fold([a], fun(_, _, A) -> A end, 0, x)),
            ?assertError(function_clause, pando:is_empty("s")),
            ?assertError(function_clause, pando:clear_payload([a], #{}))
        end},
        {"of a stored procedure that is no function", fun(S) ->
            [
                ?assertError(function_clause, Put(S, [a], {p_sproc, not_a_function, false}))
             || Put <- [fun pando:put/3, fun pando:create/3, fun pando:update/3, fun pando_adv:put/3]
            ],
            ?assertEqual(true, pando:is_empty(S))
        end},
        {"of stores to start, to stop, to ask for", fun(_) ->
            [
                ?assertError(function_clause, Call())
             || Call <- [
                    fun() -> pando:start("/tmp", "name") end,
                    fun() -> pando:start("/tmp", <<"name">>) end,
                    fun() -> pando:start({dir}, name) end,
                    fun() -> pando:start(dir, name) end,
                    fun() -> pando:start("/tmp", name, -1) end,
                    fun() -> pando:start("/tmp", name, soon) end,
                    fun() -> pando:start("/tmp", #{cluster_name => "name"}) end,
                    fun() -> pando:stop("name") end,
                    fun() -> pando_cluster:is_store_running("name") end,
                    fun() -> pando_cluster:this_member("name") end,
                    fun() -> pando_cluster:node_to_member(name, "node") end,
                    fun() -> pando_cluster:status("name") end
                ]
            ]
        end}
    ]).

is_put(Name) ->
    lists:member(Name, [put, create, update, adv_put, adv_create, adv_update]).

arguments_of_put_that_are_mixed_up_test_() ->
    cases([
        {"raise what spec 6.2 says", fun(S) ->
            ?assertError(
                {pando_ex, invalid_payload, #{path := v, payload := {p_data, #{}}}}, pando:put([foo], v, #{})
            ),
            ?assertError({pando_ex, invalid_payload, #{path := v}}, pando:create([foo], v, #{})),
            ?assertError({pando_ex, invalid_payload, #{path := v}}, pando_adv:update("/foo", v, #{})),
            ?assertEqual(true, pando:is_empty(S))
        end}
    ]).

%% Spec 2.3.
terms_that_are_no_paths_raise_invalid_path_test_() ->
    Wrong = [
        {foo, #{path => foo}},
        {12, #{path => 12}},
        {{a}, #{path => {a}}},
        {["x"], #{path => ["x"]}},
        {[{foo, bar}], #{path => [{foo, bar}]}},
        {[a, {foo}], #{path => [a, {foo}], component => {foo}}},
        {[a, 1], #{path => [a, 1], component => 1}},
        {[a, "b"], #{path => [a, "b"], component => "b"}},
        {[a, 1.0], #{path => [a, 1.0], component => 1.0}},
        {[a, <<1:3>>], #{path => [a, <<1:3>>], component => <<1:3>>}},
        {[a, 1 bsl 70], #{path => [a, 1 bsl 70], component => 1 bsl 70}},
        {[a, {if_name_matches, any}], #{
            path => [a, {if_name_matches, any}], component => {if_name_matches, any}
        }},
        {[a | b], #{path => [a | b]}},
        {[a, b | <<"c">>], #{path => [a, b | <<"c">>]}}
    ],
    cases([
        {title(Path), fun(S) ->
            ok = pando:put(S, [a], 1),
            [
                try Call(S, Path) of
                    Answer -> error({answered, F, Answer})
                catch
                    error:{pando_ex, invalid_path, Raised} ->
                        ?assertEqual({F, Props}, {F, maps:with(maps:keys(Props), Raised)})
                end
             || {F, Call} <- calls_with_path()
            ],
            ?assertEqual({ok, #{[a] => 1}}, pando:get_many(S, "**"))
        end}
     || {Path, Props} <- Wrong
    ]).

calls_with_path() ->
    [
        {get, fun pando:get/2},
        {get_or, fun(S, P) -> pando:get_or(S, P, d) end},
        {get_many, fun pando:get_many/2},
        {exists, fun pando:exists/2},
        {has_data, fun pando:has_data/2},
        {count, fun pando:count/2},
        {fold, fun(S, P) -> pando:fold(S, P, fun(_, _, A) -> A end, 0) end},
        {adv_get, fun pando_adv:get/2},
        {adv_get_many, fun pando_adv:get_many/2},
        {put, fun(S, P) -> pando:put(S, P, 1) end},
        {create, fun(S, P) -> pando:create(S, P, 1) end},
        {update, fun(S, P) -> pando:update(S, P, 1) end},
        {clear_payload, fun pando:clear_payload/2},
        {delete, fun pando:delete/2},
        {adv_put, fun(S, P) -> pando_adv:put(S, P, 1) end},
        {adv_create, fun(S, P) -> pando_adv:create(S, P, 1) end},
        {adv_update, fun(S, P) -> pando_adv:update(S, P, 1) end},
        {adv_clear_payload, fun pando_adv:clear_payload/2},
        {adv_delete, fun pando_adv:delete/2},
        {get_bang, fun pando:'get!'/2},
        {put_bang, fun(S, P) -> pando:'put!'(S, P, 1) end}
    ].

%% -------------------------------------------------------------------
%% Spec 12.6.
%% -------------------------------------------------------------------

a_store_that_does_not_run_test_() ->
    [
        {title(F), fun() ->
            S = pando_test_store:new_name(),
            ?assertEqual({error, noproc}, Call(S, #{})),
            ?assertEqual({error, noproc}, Call(S, #{timeout => 1000}))
        end}
     || {F, Call} <- calls_with_options()
    ] ++
        [
            {"bang forms", fun() ->
                S = pando_test_store:new_name(),
                [
                    ?assertError(noproc, Call())
                 || Call <- [
                        fun() -> pando:'get!'(S, [a]) end,
                        fun() -> pando:'exists!'(S, [a]) end,
                        fun() -> pando:'put!'(S, [a], 1) end,
                        fun() -> pando:'count!'(S, [a]) end,
                        fun() -> pando:'delete!'(S, [a]) end
                    ]
                ]
            end},
            {"stop, status, is_store_running", fun() ->
                S = pando_test_store:new_name(),
                ?assertEqual(ok, pando:stop(S)),
                ?assertEqual({error, noproc}, pando_cluster:status(S)),
                ?assertEqual(false, pando_cluster:is_store_running(S))
            end}
        ].

a_store_that_was_stopped_test() ->
    S = with_store(fun(S) ->
        ok = pando:put(S, [a], 1),
        S
    end),
    [?assertEqual({F, {error, noproc}}, {F, Call(S, #{})}) || {F, Call} <- calls_with_options()],
    ?assertEqual(ok, pando:stop(S)).
