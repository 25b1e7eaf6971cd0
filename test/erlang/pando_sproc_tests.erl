%% Stored procedures: running one, transactions by path, code that this node does not have. Specification 13.1, 13.2.
-module(pando_sproc_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [cases/1, title/1, parallel/2]).
-import(pando_test_calls, [goes_on/1]).

-export([exported/1, fails/1]).

exported(X) -> {exported, X}.

fails(Reason) -> error(Reason).

%%% run_sproc

run_sproc_test_() ->
    cases([
        {"example 1", fun(S) ->
            ok = pando:put(S, [mul], fun(A, B) -> A * B end),
            ?assertEqual(
                {42, true, false},
                {pando:run_sproc(S, [mul], [6, 7]), pando:is_sproc(S, [mul]), pando:has_data(S, [mul])}
            )
        end},
        {"functions of all kinds, in the calling process", fun(S) ->
            Captured = {captured, self()},
            [
                begin
                    ok = pando:put(S, [p], Procedure),
                    ?assertEqual({Procedure, Value}, {Procedure, pando:run_sproc(S, [p], Arguments)})
                end
             || {Procedure, Arguments, Value} <- [
                    {fun lists:sum/1, [[1, 2]], 3},
                    {fun ?MODULE:exported/1, [x], {exported, x}},
                    {fun exported/1, [x], {exported, x}},
                    {fun erlang:self/0, [], self()},
                    {fun() -> self() end, [], self()},
                    {fun(X) -> {X, Captured} end, [1], {1, Captured}},
                    {pando_payload:sproc(fun(X) -> X end), [7], 7}
                ]
            ]
        end},
        {"forms of arguments", fun(S) ->
            ok = pando:put(S, [p], fun(X) -> {ran, X} end),
            ok = application:set_env(pando, default_store_id, S),
            try
                [
                    ?assertEqual({Arguments, {ran, 1}}, {Arguments, apply(pando, run_sproc, Arguments)})
                 || Arguments <- [
                        [[p], [1]], [S, [p], [1]], ["/:p", [1]], [<<"/:p">>, [1]], [[p], [1], #{}],
                        [S, [p], [1], #{timeout => 5000}], [S, "/:p", [1], #{favor => consistency}]
                    ]
                ]
            after
                application:unset_env(pando, default_store_id)
            end
        end},
        {"what it raises is raised, with its stacktrace", fun(S) ->
            ok = pando:put(S, [p], fun ?MODULE:fails/1),
            try
                pando:run_sproc(S, [p], [reason]),
                ?assert(false)
            catch
                error:reason:Stacktrace -> ?assertMatch([{?MODULE, fails, 1, _} | _], Stacktrace)
            end,
            ok = pando:put(S, [p], fun() -> exit(gone) end),
            ?assertExit(gone, pando:run_sproc(S, [p], [])),
            ok = pando:put(S, [p], fun() -> throw(thrown) end),
            ?assertThrow(thrown, pando:run_sproc(S, [p], []))
        end},
        {"another number of arguments", fun(S) ->
            ok = pando:put(S, [p], fun(X) -> X end),
            [
                ?assertError({badarity, {F, Arguments}} when is_function(F, 1), pando:run_sproc(S, [p], Arguments))
             || Arguments <- [[], [1, 2]]
            ]
        end},
        {"it may write, and run a transaction", fun(S) ->
            ok = pando:put(S, [p], fun(Value) ->
                pando:transaction(S, fun() -> pando_tx:put([out], Value) end)
            end),
            ?assertEqual({{ok, ok}, {ok, 1}}, {pando:run_sproc(S, [p], [1]), pando:get(S, [out])})
        end},
        {"what cannot be read is thrown, with the path as it was given", fun(S) ->
            ok = pando:put(S, [d], 1),
            Args = [1],
            Missing = {pando, node_not_found, #{node_name => no, node_path => [no], node_is_target => true}},
            ?assertThrow({pando, failed_to_get_sproc, #{path := "/:no", args := Args, error := Missing}},
                pando:run_sproc(S, "/:no", Args)),
            ?assertThrow({pando, failed_to_get_sproc, #{path := [p], args := Args, error := noproc}},
                pando:run_sproc(no_such_store, [p], Args)),
            ?assertThrow({pando, failed_to_get_sproc, #{error := timeout}},
                pando:run_sproc(S, [p], Args, #{timeout => 0})),
            ?assertThrow({pando, failed_to_get_sproc, #{error := {pando, mismatching_node, _}}},
                pando:run_sproc(S, [#if_all{conditions = [d, #if_has_data{has_data = false}]}], Args)),
            ?assertError({pando_ex, possibly_matching_many_nodes_denied, _}, pando:run_sproc(S, "*", Args))
        end},
        {"what is no procedure is thrown", fun(S) ->
            ok = pando:put(S, [d], 1),
            ok = pando:put(S, [n, c], 1),
            [
                ?assertThrow(
                    {pando_ex, denied_execution_of_non_sproc_node, #{path := Path, args := [], node_props := Props}},
                    pando:run_sproc(S, Path, [], Options)
                )
             || {Path, Options, Props} <- [
                    {[d], #{}, #{data => 1, payload_version => 1}},
                    {"/:n", #{}, #{payload_version => 1}},
                    {[d], #{props_to_return => [payload_version]}, #{payload_version => 1}}
                ]
            ]
        end},
        {"wrong types", fun(S) ->
            [
                ?assertError(function_clause, apply(pando, run_sproc, Arguments))
             || Arguments <- [[S, [p], x], [S, [p], [], []], [S, [p], [], #{unknown => 1}], ["store", [p], [], #{}]]
            ]
        end}
    ]).

%%% Transactions by path

transactions_by_path_test_() ->
    cases([
        {"example 5", fun(S) ->
            ok = pando:put(S, [tx], fun(X) -> pando_tx:put([out], X) end),
            ?assertEqual({ok, ok}, pando:transaction(S, [tx], [3])),
            ?assertEqual({ok, 3}, pando:get(S, [out])),
            ?assertEqual({ok, ok}, pando:transaction(S, "/:tx", [4])),
            ?assertEqual({ok, 4}, pando:get(S, [out])),
            [
                ?assertEqual(
                    {error, {pando, sproc_invalid_as_tx_fun, #{path => [tx]}}}, pando:transaction(S, Path, [5], ro)
                )
             || Path <- [[tx], "/:tx"]
            ],
            ?assertEqual({ok, 4}, pando:get(S, [out]))
        end},
        {"modes", fun(S) ->
            ok = pando:put(S, [k], 1),
            ok = pando:put(S, [read], fun() -> pando_tx:get([k]) end),
            [?assertEqual({ok, {ok, 1}}, pando:transaction(S, [read], Mode)) || Mode <- [ro, rw, auto]]
        end},
        {"abort and exceptions", fun(S) ->
            ok = pando:put(S, [abort], fun(Why) -> pando_tx:abort(Why) end),
            ?assertEqual({error, because}, pando:transaction(S, [abort], [because])),
            ok = pando:put(S, [fail], fun ?MODULE:fails/1),
            ?assertError(because, pando:transaction(S, [fail], [because])),
            ?assertError({badarity, {F, [1, 2]}} when is_function(F, 1), pando:transaction(S, [fail], [1, 2]))
        end},
        {"errors", fun(S) ->
            ok = pando:put(S, [d], 1),
            ok = pando:put(S, [n, c], 1),
            Conditional = [#if_all{conditions = [d, #if_has_data{has_data = false}]}],
            [
                begin
                    ?assertMatch({error, {pando, node_not_found, #{node_path := [no]}}},
                        pando:transaction(S, [no], [], Mode)),
                    [
                        ?assertEqual({error, {pando, no_sproc_at_given_path, #{path => Path}}},
                            pando:transaction(S, Path, [], Mode))
                     || Path <- [[d], [n], []]
                    ],
                    ?assertMatch({error, {pando, mismatching_node, _}}, pando:transaction(S, Conditional, [], Mode)),
                    ?assertMatch({error, {pando_ex, possibly_matching_many_nodes_denied, #{path := _}}},
                        pando:transaction(S, "*", [], Mode)),
                    ?assertError({pando_ex, invalid_path, _}, pando:transaction(S, [{a}], [], Mode)),
                    ?assertEqual({error, noproc}, pando:transaction(no_such_store, [d], [], Mode))
                end
             || Mode <- [ro, rw, auto]
            ],
            ?assertEqual(false, pando_tx:is_transaction()),
            goes_on(S)
        end},
        {"the procedure is something read: when it changes, the new one runs", fun(S) ->
            Old = fun(Replace) ->
                ok = Replace(),
                pando_tx:put([out], old)
            end,
            New = fun(_) -> pando_tx:put([out], new) end,
            Runs = counters:new(1, []),
            Replace = fun() ->
                ok = counters:add(Runs, 1, 1),
                [Result] = parallel(1, fun(_) -> pando:put(S, [p], New) end),
                Result
            end,
            ok = pando:put(S, [p], Old),
            ?assertEqual({ok, ok}, pando:transaction(S, [p], [Replace])),
            ?assertEqual({1, {ok, new}}, {counters:get(Runs, 1), pando:get(S, [out])})
        end}
    ]).

%%% Code

%% Compiles a module with a function that makes a closure, and returns its beam.
beam(Module, Version) ->
    Forms = [
        {attribute, 1, module, Module},
        {attribute, 1, export, [{make, 1}, {call, 1} | [{only_in_2, 0} || Version =:= 2]]},
        %% make(X) -> fun() -> {Version, X} end.
        {function, 2, make, 1, [
            {clause, 2, [{var, 2, 'X'}], [], [
                {'fun', 2, {clauses, [{clause, 2, [], [], [{tuple, 2, [{integer, 2, Version}, {var, 2, 'X'}]}]}]}}
            ]}
        ]},
        %% call(X) -> {called, X}.
        {function, 3, call, 1, [{clause, 3, [{var, 3, 'X'}], [], [{tuple, 3, [{atom, 3, called}, {var, 3, 'X'}]}]}]}
    ] ++ [{function, 4, only_in_2, 0, [{clause, 4, [], [], [{atom, 4, two}]}]} || Version =:= 2],
    {ok, Module, Beam} = compile:forms(Forms, [deterministic]),
    Beam.

load(Module, Beam) ->
    {module, Module} = code:load_binary(Module, atom_to_list(Module) ++ ".beam", Beam),
    ok.

unload(Module) ->
    _ = code:delete(Module),
    _ = code:purge(Module),
    ok.

md5(Beam) ->
    {ok, {_, Md5}} = beam_lib:md5(Beam),
    list_to_binary(lists:flatten([io_lib:format("~2.16.0b", [Byte]) || <<Byte>> <= Md5])).

%% Runs a function in a process of its own: one that holds a function of old code is killed when that code goes.
elsewhere(Function) ->
    [Result] = parallel(1, fun(_) -> Function() end),
    Result.

%% Two versions of a module, and its name; afterwards it is gone.
with_versions(Test) ->
    Module = list_to_atom("pando_sproc_code_" ++ integer_to_list(erlang:unique_integer([positive]))),
    try
        Test(Module, beam(Module, 1), beam(Module, 2))
    after
        unload(Module)
    end.

%% Stores, with version 1 loaded, a closure at [closure] and names at [name] and [missing].
store(S, Module, Beam) ->
    ok = load(Module, Beam),
    elsewhere(fun() ->
        ok = pando:put(S, [closure], Module:make(captured)),
        ok = pando:put(S, [name], fun Module:call/1),
        ok = pando:put(S, [missing], fun Module:only_in_2/0)
    end).

code_test_() ->
    cases([
        {"the same version: both run", fun(S) ->
            with_versions(fun(Module, One, _) ->
                ok = store(S, Module, One),
                elsewhere(fun() ->
                    ?assertEqual({1, captured}, pando:run_sproc(S, [closure], [])),
                    ?assertEqual({called, x}, pando:run_sproc(S, [name], [x])),
                    ?assertEqual({ok, {1, captured}}, pando:transaction(S, [closure])),
                    ?assertEqual({ok, {called, x}}, pando:transaction(S, [name], [x]))
                end)
            end)
        end},
        {"a function that its module does not export", fun(S) ->
            with_versions(fun(Module, One, _) ->
                ok = store(S, Module, One),
                refused(S, [missing], Module, {only_in_2, 0}, md5(One))
            end)
        end},
        {"no module", fun(S) ->
            with_versions(fun(Module, One, _) ->
                ok = store(S, Module, One),
                ok = unload(Module),
                refused(S, [closure], Module, md5(One), none),
                refused(S, [name], Module, {call, 1}, none),
                goes_on(S)
            end)
        end},
        {"another version: a closure is refused, a name runs; with the old one again the closure runs", fun(S) ->
            with_versions(fun(Module, One, Two) ->
                ok = store(S, Module, One),
                ok = unload(Module),
                ok = load(Module, Two),
                ?assertNotEqual(md5(One), md5(Two)),
                refused(S, [closure], Module, md5(One), md5(Two)),
                ?assertEqual({called, x}, pando:run_sproc(S, [name], [x])),
                ?assertEqual(two, pando:run_sproc(S, [missing], [])),
                ok = unload(Module),
                ok = load(Module, One),
                elsewhere(fun() -> ?assertEqual({1, captured}, pando:run_sproc(S, [closure], [])) end)
            end)
        end},
        {"what cannot run can be read, stored again, and removed", fun(S) ->
            with_versions(fun(Module, One, _) ->
                ok = store(S, Module, One),
                ok = unload(Module),
                {ok, Procedure} = pando:get(S, [closure]),
                ?assert(is_function(Procedure, 0)),
                ok = pando:put(S, [copy], Procedure),
                ?assertEqual(true, pando:is_sproc(S, [copy])),
                ok = load(Module, One),
                elsewhere(fun() -> ?assertEqual({1, captured}, pando:run_sproc(S, [copy], [])) end),
                ok = pando:delete(S, [closure])
            end)
        end},
        {"a module that is not loaded yet is loaded", fun(S) ->
            %% Of OTP, and used by nothing here.
            Module = queue_not_loaded(),
            ok = pando:put(S, [p], fun Module:set/1),
            _ = code:delete(Module),
            _ = code:purge(Module),
            ?assertEqual(false, code:is_loaded(Module)),
            ?assertEqual(Module:set([]), pando:run_sproc(S, [p], [[]]))
        end}
    ]).

queue_not_loaded() -> sofs.

refused(S, Path, Module, Needed, Loaded) ->
    Arguments = [a, b],
    try
        pando:run_sproc(S, Path, Arguments),
        ?assert(false)
    catch
        throw:{pando_ex, sproc_code_not_available, Props} = Thrown ->
            ?assertEqual(
                #{path => Path, args => Arguments, module => Module, needed => Needed, loaded => Loaded}, Props
            ),
            ?assertMatch([_ | _], pando_errors:format(Thrown))
    end,
    [
        ?assertEqual(
            {error,
                {pando, sproc_code_not_available, #{path => Path, module => Module, needed => Needed, loaded => Loaded}}},
            pando:transaction(S, Path, Arguments, Mode)
        )
     || Mode <- [ro, rw, auto]
    ].

%% Closures of the shell and of Elixir's evaluator are such of a module of the runtime.
functions_that_are_interpreted_test_() ->
    cases([
        {"an evaluated function", fun(S) ->
            {ok, Tokens, _} = erl_scan:string("fun(X) -> X * 2 end."),
            {ok, Expressions} = erl_parse:parse_exprs(Tokens),
            {value, Function, _} = erl_eval:exprs(Expressions, []),
            ok = pando:put(S, [p], Function),
            ?assertEqual(42, pando:run_sproc(S, [p], [21]))
        end}
    ]).

check_test_() ->
    [
        {title(Function), ?_assertEqual(ok, pando_sproc:check(Function))}
     || Function <- [fun() -> ok end, fun exported/1, fun ?MODULE:exported/1, fun erlang:self/0, fun lists:sum/1,
            fun erlang:'+'/2]
    ].
