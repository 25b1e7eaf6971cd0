%% Transactions: what they answer, what makes them run again, what they leave behind. Specification section 13.
%%
%% Specification -> test here:
%%   13.2 forms of arguments           forms_test_, wrong_forms_test_, the_default_store_test_
%%   13.2 modes                        modes_test_
%%   13.2 results, errors              results_test_, errors_test_, exceptions_test_
%%   13.2 examples 1-4                 examples_test_ (5: pando_sproc_tests)
%%   13.3 own writes, abort            own_writes_test_, abort_test_
%%   13.3 is_transaction, does_api...  about_the_transaction_test_ (the rest: pando_tx_tests)
%%   13.4 refusals                     calls_of_the_store_itself_test_, nesting_test_
%%   12.3 async                        async_test_
%%   beyond it: conflicts, phantoms    conflicts_test_, no_conflicts_test_, phantoms_test_, too_many_conflicts_test_
%%   after_commit                      after_commit_test_
%%   nothing is left                   nothing_is_left_test_, a_caller_that_is_killed_test_
%% Transactions as data: pando_transaction_request_tests. request_id: pando_request_id_tests.
-module(pando_transaction_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [cases/1, title/1, quietly/1, parallel/2]).
-import(pando_test_calls, [goes_on/1, paths/1]).

-define(STAR, ?PANDO_WILDCARD_STAR).
-define(STAR_STAR, ?PANDO_WILDCARD_STAR_STAR).
%% How often a function is run at most: pando_transaction's ATTEMPTS_MAX.
-define(ATTEMPTS_MAX, 100).

%% Runs a function in another process, and waits for it.
elsewhere(Function) ->
    [Result] = parallel(1, fun(_) -> Function() end),
    Result.

%% Runs a transaction that reads, in whose first attempt another process then changes something, and that writes. Answers its
%% result, and how often it ran.
changed_meanwhile(S, Read, Change) ->
    Runs = counters:new(1, []),
    Result = pando:transaction(S, fun() ->
        ok = counters:add(Runs, 1, 1),
        Seen = Read(),
        case counters:get(Runs, 1) of
            1 -> ok = elsewhere(fun() -> Change(S) end);
            _ -> ok
        end,
        ok = pando_tx:put([written], counters:get(Runs, 1)),
        Seen
    end),
    {Result, counters:get(Runs, 1)}.

%% Calls a function, and sees to it that the process has afterwards what it had before.
leaves_nothing(Call) ->
    Dictionary = lists:sort(erlang:get()),
    {messages, Messages} = process_info(self(), messages),
    Result =
        try
            {returned, Call()}
        catch
            Class:Reason -> {Class, Reason}
        end,
    ?assertEqual(Dictionary, lists:sort(erlang:get())),
    ?assertEqual({messages, Messages}, process_info(self(), messages)),
    ?assertEqual(false, pando_tx:is_transaction()),
    Result.

%%% Forms

value_of_k() ->
    {ok, Value} = pando_tx:get([k]),
    Value.

forms_test_() ->
    F0 = fun() -> value_of_k() end,
    F1 = fun(X) -> {X, value_of_k()} end,
    cases([
        {title({with_store, N, Arguments}), fun(S) ->
            ok = pando:put(S, [k], 7),
            ?assertEqual({ok, Value}, apply(pando, transaction, [S | Arguments]))
        end}
     || {N, {Arguments, Value}} <- lists:enumerate([
            {[F0], 7},
            {[F1, [a]], {a, 7}},
            {[F0, []], 7},
            {[F0, ro], 7},
            {[F0, rw], 7},
            {[F0, auto], 7},
            {[F0, #{}], 7},
            {[F0, #{timeout => 5000}], 7},
            {[F1, [a], ro], {a, 7}},
            {[F1, [a], #{timeout => infinity}], {a, 7}},
            {[F0, rw, #{}], 7},
            {[F1, [a], auto, #{}], {a, 7}}
        ])
    ]).

the_default_store_test_() ->
    F0 = fun() -> value_of_k() end,
    F1 = fun(X) -> {X, value_of_k()} end,
    cases([
        {"forms without a store", fun(S) ->
            ok = pando:put(S, [k], 7),
            ok = application:set_env(pando, default_store_id, S),
            try
                [
                    ?assertEqual({Arguments, {ok, Value}}, {Arguments, apply(pando, transaction, Arguments)})
                 || {Arguments, Value} <- [
                        {[F0], 7},
                        {[F1, [a]], {a, 7}},
                        {[F0, ro], 7},
                        {[F0, #{}], 7},
                        {[F1, [a], rw], {a, 7}},
                        {[F1, [a], #{}], {a, 7}},
                        {[F0, ro, #{}], 7},
                        {[F1, [a], ro, #{}], {a, 7}},
                        {[#{commands => []}], []},
                        {[#{commands => []}, #{}], []}
                    ]
                ]
            after
                application:unset_env(pando, default_store_id)
            end
        end}
    ]).

wrong_forms_test_() ->
    F0 = fun() -> ok end,
    F1 = fun(X) -> X end,
    cases([
        {"another number of arguments, or another mode, is misuse", fun(S) ->
            [
                ?assertError(
                    {pando_ex, denied_tx_fun_with_invalid_args, #{'fun' := F, arity := Arity, args := Args}},
                    pando:transaction(S, F, Args, Mode)
                )
             || {F, Arity, Args, Mode} <- [
                    {F0, 0, [a], auto}, {F0, 0, [a], ro}, {F0, 0, [a], rw}, {F1, 1, [], rw}, {F1, 1, [a, b], ro},
                    {F0, 0, [], foo}, {F1, 1, [a], read_only}, {[k], 1, [a], foo}
                ]
            ]
        end},
        {"what is no body, no list of arguments, no map of options raises function_clause", fun(S) ->
            [
                ?assertError(function_clause, apply(pando, transaction, [S | Arguments]))
             || Arguments <- [
                    [foo], [<<"/:k">>], [{k}], [42], [F0, 42], [F0, <<"ro">>], [F0, [], 42], [F0, [], [], #{}],
                    [F0, [], ro, []], [F0, [], ro, foo], [#{commands => []}, rw], [#{commands => []}, [a]],
                    [#{comands => []}], [#{commands => {put, [k], 1}}]
                ]
            ],
            ?assertError(function_clause, pando:transaction("store", F0, [], ro, #{})),
            ?assertError(function_clause, pando:transaction(make_ref(), F0, [], ro, #{}))
        end},
        {"options of reads and of writes are taken, others raise function_clause", fun(S) ->
            Taken = [
                #{timeout => 5000}, #{timeout => infinity}, #{favor => consistency}, #{favor => low_latency},
                #{condition => {applied, {0, 0}}}, #{props_to_return => [payload]}, #{expect_specific_node => true},
                #{include_root_props => true}, #{return_indirect_deletes => false}, #{reply_from => local},
                #{reply_from => {member, {S, node()}}}, #{protect_against_dups => true}, #{async => false}
            ],
            [
                ?assertEqual({Mode, Options, {ok, ok}}, {Mode, Options, pando:transaction(S, F0, [], Mode, Options)})
             || Mode <- [ro, rw, auto], Options <- Taken
            ],
            [
                ?assertError(function_clause, pando:transaction(S, F0, [], Mode, Options))
             || Mode <- [ro, rw, auto],
                Options <- [
                    #{timeout => -1}, #{timeout => soon}, #{favor => speed}, #{unknown => 1}, #{keep_while => #{}},
                    #{limit => 1}, #{from => [a]}, #{request_id => <<>>}, #{request_id => abc},
                    #{request_id => binary:copy(<<0>>, 257)}, #{async => {1, fast}}, #{protect_against_dups => yes}
                ]
            ],
            ?assertEqual({error, {unknown_option, reply_from, moon}}, pando:transaction(S, F0, #{reply_from => moon}))
        end}
    ]).

%%% Examples of the specification

examples_test_() ->
    cases([
        {"1: sell until sold out", fun(S) ->
            ok = pando:put(S, [stock, <<"w">>], 3),
            Sell = fun() ->
                case pando_tx:get([stock, <<"w">>]) of
                    {ok, N} when N > 0 -> pando_tx:put([stock, <<"w">>], N - 1);
                    _ -> pando_tx:abort(sold_out)
                end
            end,
            ?assertEqual(
                [{ok, ok}, {ok, ok}, {ok, ok}, {error, sold_out}, {error, sold_out}],
                [pando:transaction(S, Sell) || _ <- lists:seq(1, 5)]
            ),
            ?assertEqual({ok, 0}, pando:get(S, [stock, <<"w">>]))
        end},
        {"2: a function with an argument", fun(S) ->
            F = fun(X) ->
                ok = pando_tx:put([c], X),
                X * 2
            end,
            ?assertEqual({ok, 8}, pando:transaction(S, F, [4])),
            ?assertEqual({ok, 4}, pando:get(S, [c]))
        end},
        {"3: full answers, one after the other", fun(S) ->
            ?assertEqual(
                {ok, {
                    {ok, #{[v] => #{payload_version => 1}}},
                    {ok, #{[v] => #{data => 1, payload_version => 2}}},
                    {ok, #{[v] => #{data => 2, payload_version => 2, delete_reason => explicit}}},
                    {ok, #{}}
                }},
                pando:transaction(S, fun() ->
                    {pando_tx_adv:put([v], 1), pando_tx_adv:put([v], 2), pando_tx_adv:delete([v]),
                        pando_tx_adv:delete([v])}
                end)
            ),
            ?assertEqual(false, pando:exists(S, [v]))
        end},
        {"4: errors inside are values", fun(S) ->
            Missing = {pando, node_not_found, #{node_name => nope, node_path => [nope], node_is_target => true}},
            ?assertEqual({ok, {error, Missing}}, pando:transaction(S, fun() -> pando_tx:get([nope]) end))
        end}
    ]).

%%% Modes, results

modes_test_() ->
    cases([
        {"rw and auto read and write", fun(S) ->
            [
                begin
                    ?assertEqual({ok, ok}, pando:transaction(S, fun() -> pando_tx:put([k], Mode) end, Mode)),
                    ?assertEqual({ok, Mode}, pando:get(S, [k]))
                end
             || Mode <- [rw, auto]
            ]
        end},
        {"ro reads one moment, whatever is written meanwhile, and is run once", fun(S) ->
            ok = pando:put(S, [k], 1),
            Runs = counters:new(1, []),
            Read = fun() ->
                ok = counters:add(Runs, 1, 1),
                Before = pando_tx:get([k]),
                ok = elsewhere(fun() -> pando:put(S, [k], 2) end),
                {Before, pando_tx:get([k]), pando_tx:get_many("*")}
            end,
            ?assertEqual({ok, {{ok, 1}, {ok, 1}, {ok, #{[k] => 1}}}}, pando:transaction(S, Read, ro)),
            ?assertEqual({1, {ok, 2}}, {counters:get(Runs, 1), pando:get(S, [k])})
        end},
        {"ro refuses all writes", fun(S) ->
            ok = pando:put(S, [k], 1),
            [
                ?assertError(
                    {pando_ex, denied_update_in_readonly_tx, Props} when map_size(Props) =:= 0,
                    pando:transaction(S, Write, ro)
                )
             || Write <- writes()
            ],
            ?assertEqual({ok, #{[k] => 1}}, pando:get_many(S, "**"))
        end},
        {"ro: a refused write can be caught, and the transaction goes on", fun(S) ->
            ok = pando:put(S, [k], 1),
            Read = fun() -> {catch pando_tx:put([k], 2), pando_tx:get([k])} end,
            ?assertMatch({ok, {{'EXIT', _}, {ok, 1}}}, pando:transaction(S, Read, ro))
        end},
        {"what writes nothing leaves nothing in the log", fun(S) ->
            ok = pando:put(S, [k], 1),
            {ok, #{last_log_index := Before}} = pando_cluster:status(S),
            [{ok, {ok, 1}} = pando:transaction(S, fun() -> pando_tx:get([k]) end, Mode) || Mode <- [ro, rw, auto]],
            {error, no} = pando:transaction(S, fun() -> ok = pando_tx:put([k], 2), pando_tx:abort(no) end),
            {ok, #{last_log_index := After}} = pando_cluster:status(S),
            ?assertEqual(Before, After)
        end},
        {"ro and auto see what was written before without waiting, if they ask for it", fun(S) ->
            [
                begin
                    ok = pando:put(S, [k], {Mode, N}, #{async => true}),
                    Read = fun() -> pando_tx:get([k]) end,
                    ?assertEqual(
                        {ok, {ok, {Mode, N}}}, pando:transaction(S, Read, Mode, #{favor => consistency})
                    )
                end
             || Mode <- [ro, auto], N <- lists:seq(1, 20)
            ]
        end}
    ]).

writes() ->
    [
        fun() -> pando_tx:put([k], 2) end,
        fun() -> pando_tx:put_many("*", 2) end,
        fun() -> pando_tx:create([l], 2) end,
        fun() -> pando_tx:update([k], 2) end,
        fun() -> pando_tx:compare_and_swap([k], 1, 2) end,
        fun() -> pando_tx:delete([k]) end,
        fun() -> pando_tx:delete_many("*") end,
        fun() -> pando_tx:clear_payload([k]) end,
        fun() -> pando_tx:clear_many_payloads("*") end,
        fun() -> pando_tx_adv:put([k], 2) end,
        fun() -> pando_tx_adv:put_many("*", 2) end,
        fun() -> pando_tx_adv:create([l], 2) end,
        fun() -> pando_tx_adv:update([k], 2) end,
        fun() -> pando_tx_adv:compare_and_swap([k], 1, 2) end,
        fun() -> pando_tx_adv:delete([k]) end,
        fun() -> pando_tx_adv:delete_many("*") end,
        fun() -> pando_tx_adv:clear_payload([k]) end,
        fun() -> pando_tx_adv:clear_many_payloads("*") end
    ].

results_test_() ->
    cases([
        {title({Mode, Value}), fun(S) -> ?assertEqual({ok, Value}, pando:transaction(S, fun() -> Value end, Mode)) end}
     || Mode <- [ro, rw, auto],
        Value <- [ok, true, undefined, {ok, 1}, {error, foo}, {aborted, x}, [], #{}, 42, self(), fun erlang:self/0]
    ]).

errors_test_() ->
    cases([
        {"a store that does not run: the function is not run", fun(_S) ->
            Never = fun() -> error(never) end,
            [
                ?assertEqual({error, noproc}, pando:transaction(no_such_store, Never, [], Mode, #{}))
             || Mode <- [ro, rw, auto]
            ]
        end},
        {"a time-out of 0: the function is not run", fun(S) ->
            Never = fun() -> error(never) end,
            [
                ?assertEqual({error, timeout}, pando:transaction(S, Never, [], Mode, #{timeout => 0}))
             || Mode <- [ro, rw, auto]
            ]
        end},
        {"a function that takes too long is not committed", fun(S) ->
            Late = fun() ->
                ok = pando_tx:put([k], 1),
                receive
                after 30 -> late
                end
            end,
            ?assertEqual({error, timeout}, pando:transaction(S, Late, #{timeout => 5})),
            ?assertEqual(false, pando:exists(S, [k]))
        end},
        {"the application's default time-out holds", fun(S) ->
            ok = application:set_env(pando, default_timeout, 0),
            try
                ?assertEqual({error, timeout}, pando:transaction(S, fun() -> ok end))
            after
                application:unset_env(pando, default_timeout)
            end
        end},
        {"what a write is refused for is an error inside, and the rest is committed", fun(S) ->
            ?assertMatch(
                {ok, {error, {pando, mismatching_node, #{node_path := [k]}}}},
                pando:transaction(S, fun() ->
                    ok = pando_tx:put([k], 1),
                    pando_tx:create([k], 2)
                end)
            ),
            ?assertEqual({ok, 1}, pando:get(S, [k]))
        end}
    ]).

exceptions_test_() ->
    cases([
        {title({Mode, Class, Reason}), fun(S) ->
            Fail = fun() ->
                _ = Mode =:= ro orelse pando_tx:put([k], 1),
                fails(Class, Reason)
            end,
            try
                pando:transaction(S, Fail, Mode),
                ?assert(false)
            catch
                Class:Reason:Stacktrace ->
                    ?assertMatch([{?MODULE, fails, 2, _} | _], Stacktrace)
            end,
            ?assertEqual([], paths(S)),
            goes_on(S)
        end}
     || Mode <- [ro, rw, auto],
        {Class, Reason} <- [{error, badarg}, {error, {my, reason}}, {throw, thrown}, {exit, normal}, {exit, gone}]
    ]).

fails(error, Reason) -> error(Reason);
fails(throw, Reason) -> throw(Reason);
fails(exit, Reason) -> exit(Reason).

abort_test_() ->
    cases([
        {"nothing has changed, whatever was written", fun(S) ->
            ok = pando:put(S, [k], 1),
            ok = pando:put(S, [kept], 1, #{keep_while => #{[k] => #if_node_exists{}}}),
            ?assertEqual(
                {error, {a, reason}},
                pando:transaction(S, fun() ->
                    ok = pando_tx:delete([k]),
                    false = pando_tx:exists([kept]),
                    ok = pando_tx:put([new, node], 1),
                    pando_tx:abort({a, reason})
                end)
            ),
            ?assertEqual({ok, #{[k] => 1, [kept] => 1}}, pando:get_many(S, "**"))
        end},
        {"in mode ro", fun(S) ->
            ?assertEqual({error, r}, pando:transaction(S, fun() -> pando_tx:abort(r) end, ro))
        end},
        {"a catch that takes everything swallows it, and the transaction is committed", fun(S) ->
            ?assertEqual(
                {ok, swallowed},
                pando:transaction(S, fun() ->
                    ok = pando_tx:put([k], 1),
                    try
                        pando_tx:abort(r)
                    catch
                        _:_ -> swallowed
                    end
                end)
            ),
            ?assertEqual({ok, 1}, pando:get(S, [k]))
        end}
    ]).

own_writes_test_() ->
    cases([
        {"are seen by all that follows, and by nobody else before the end", fun(S) ->
            ok = pando:put(S, [l, a], 1),
            Seen = pando:transaction(S, fun() ->
                ok = pando_tx:put([l, b], 2),
                ok = pando_tx:delete([l, a]),
                ok = pando_tx:put([m], 3, #{keep_while => #{[l, b] => #if_node_exists{}}}),
                Outside = elsewhere(fun() -> pando:get_many(S, "**") end),
                Inside = {
                    pando_tx:get([l, b]), pando_tx:exists([l, a]), pando_tx:get_many("/:l/*"), pando_tx:count("/:l/*"),
                    pando_tx_adv:get([l], #{props_to_return => [child_names, child_list_version]})
                },
                {ok, Gone} = pando_tx_adv:delete([l, b]),
                {Outside, Inside, lists:sort(maps:keys(Gone)), pando_tx:is_empty()}
            end),
            ?assertEqual(
                {ok, {
                    {ok, #{[l] => undefined, [l, a] => 1}},
                    {
                        {ok, 2}, false, {ok, #{[l, b] => 2}}, {ok, 1},
                        {ok, #{[l] => #{child_names => [b], child_list_version => 3}}}
                    },
                    [[l], [l, b], [m]],
                    true
                }},
                Seen
            ),
            ?assertEqual([], paths(S))
        end},
        {"are not seen by a fold that is under way", fun(S) ->
            ok = pando:put(S, [l, a], 1),
            ?assertEqual(
                {ok, {ok, 1}},
                pando:transaction(S, fun() ->
                    Add = fun(_, _, N) ->
                        ok = pando_tx:put([l, b], 1),
                        ok = pando_tx:put([l, c], 1),
                        N + 1
                    end,
                    pando_tx:fold("/:l/*", Add, 0)
                end)
            ),
            ?assertEqual({ok, 3}, pando:count(S, "/:l/*"))
        end},
        {"count one by one", fun(S) ->
            {ok, ok} = pando:transaction(S, fun() ->
                ok = pando_tx:put([k], 1),
                ok = pando_tx:put([k], 2),
                pando_tx:put([k], 2)
            end),
            ?assertEqual({ok, #{[k] => #{data => 2, payload_version => 2}}}, pando_adv:get(S, [k]))
        end}
    ]).

%%% Conflicts

conflicts_test_() ->
    cases([
        {Title, fun(S) ->
            ok = pando:put(S, [a], 1),
            ok = pando:put(S, [a, b], 2),
            ok = pando:put(S, [f], fun lists:sum/1),
            ?assertEqual({{ok, Second}, 2}, changed_meanwhile(S, Read, Change)),
            ?assertEqual({ok, 2}, pando:get(S, [written]))
        end}
     || {Title, Read, Change, Second} <- [
            {"get: another value", fun() -> pando_tx:get([a]) end, fun(S) -> pando:put(S, [a], 9) end, {ok, 9}},
            {"get: removed", fun() -> pando_tx:get_or([a, b], none) end, fun(S) -> pando:delete(S, [a, b]) end, {ok, none}},
            {"get: removed and there again", fun() -> pando_tx:get([a, b]) end,
                fun(S) ->
                    ok = pando:delete(S, [a, b]),
                    pando:put(S, [a, b], 3)
                end,
                {ok, 3}},
            {"exists: removed", fun() -> pando_tx:exists([a]) end, fun(S) -> pando:delete(S, [a]) end, false},
            {"has_data: cleared", fun() -> pando_tx:has_data([a]) end, fun(S) -> pando:clear_payload(S, [a]) end, false},
            {"is_sproc: data instead", fun() -> pando_tx:is_sproc([f]) end, fun(S) -> pando:put(S, [f], 1) end, false},
            {"a condition that held", fun() -> pando_tx:get([#if_all{conditions = [a, #if_data_matches{pattern = 1}]}]) end,
                fun(S) -> pando:put(S, [a], 9) end,
                {error,
                    {pando, mismatching_node, #{
                        node_name => a, node_path => [a], node_is_target => true,
                        node_props => #{data => 9, payload_version => 2}, condition => #if_data_matches{pattern = 1}
                    }}}},
            {"versions", fun() -> pando_tx_adv:get([a]) end, fun(S) -> pando:put(S, [a], 9) end,
                {ok, #{[a] => #{data => 9, payload_version => 2}}}},
            {"child lists", fun() -> pando_tx_adv:get([a], #{props_to_return => [child_list_length]}) end,
                fun(S) -> pando:put(S, [a, c], 1) end, {ok, #{[a] => #{child_list_length => 2}}}},
            {"get_many: another value", fun() -> pando_tx:get_many("/:a/*") end,
                fun(S) -> pando:put(S, [a, b], 9) end, {ok, #{[a, b] => 9}}},
            {"fold: another value", fun() -> pando_tx:fold("**", fun(_, P, N) -> N + map_size(P) end, 0) end,
                fun(S) -> pando:clear_payload(S, [a, b]) end, {ok, 5}},
            {"the answer of a write", fun() -> pando_tx_adv:put([a], 5) end, fun(S) -> pando:put(S, [a], 9) end,
                {ok, #{[a] => #{data => 9, payload_version => 3}}}},
            {"a write that was refused", fun() -> element(1, to_tuple(pando_tx:create([n], 1))) end,
                fun(S) -> pando:put(S, [n], 1) end, error},
            {"a write that was done", fun() -> element(1, to_tuple(pando_tx:update([a, b], 1))) end,
                fun(S) -> pando:delete(S, [a, b]) end, error},
            {"after_commit and others between read and write do not hide it",
                fun() ->
                    ok = pando_tx:after_commit(fun() -> ok end),
                    Value = pando_tx:get([a]),
                    ok = pando_tx:put([other], 1),
                    Value
                end,
                fun(S) -> pando:put(S, [a], 9) end, {ok, 9}}
        ]
    ]).

to_tuple(ok) -> {ok};
to_tuple(Tuple) -> Tuple.

phantoms_test_() ->
    cases([
        {Title, fun(S) ->
            ok = pando:put(S, [l, a], 1),
            ok = pando:put(S, [deep, er, x], 1),
            ?assertEqual({{ok, Second}, 2}, changed_meanwhile(S, Read, Change))
        end}
     || {Title, Read, Change, Second} <- [
            {"a new child under a listed parent: get_many", fun() -> pando_tx:get_many([l, ?STAR]) end,
                fun(S) -> pando:put(S, [l, b], 2) end, {ok, #{[l, a] => 1, [l, b] => 2}}},
            {"... count", fun() -> pando_tx:count([l, ?STAR]) end, fun(S) -> pando:put(S, [l, b], 2) end, {ok, 2}},
            {"... fold", fun() -> pando_tx:fold([l, ?STAR], fun(P, _, Acc) -> [P | Acc] end, []) end,
                fun(S) -> pando:put(S, [l, b], 2) end, {ok, [[l, b], [l, a]]}},
            {"... child_names", fun() -> pando_tx_adv:get([l], #{props_to_return => [child_list_length]}) end,
                fun(S) -> pando:put(S, [l, b], 2) end, {ok, #{[l] => #{child_list_length => 2}}}},
            {"... is_empty", fun() -> pando_tx:is_empty() end, fun(S) -> pando:delete_many(S, "*") end, true},
            {"... that was missing", fun() -> pando_tx:get_many([none, ?STAR]) end,
                fun(S) -> pando:put(S, [none, b], 2) end, {ok, #{[none, b] => 2}}},
            {"a child that has gone", fun() -> pando_tx:count([l, ?STAR]) end, fun(S) -> pando:delete(S, [l, a]) end,
                {ok, 0}},
            {"a new match of a pattern", fun() -> pando_tx:get_many([?STAR_STAR, x]) end,
                fun(S) -> pando:put(S, [quite, other, x], 2) end,
                {ok, #{[deep, er, x] => 1, [quite, other, x] => 2}}},
            {"a new match by its data", fun() -> pando_tx:count([l, #if_data_matches{pattern = {'_', big}}]) end,
                fun(S) -> pando:put(S, [l, a], {1, big}) end, {ok, 1}},
            {"a new match by its name", fun() -> pando_tx:get_many([l, #if_name_matches{regex = "^z"}]) end,
                fun(S) -> pando:put(S, [l, zz], 1) end, {ok, #{[l, zz] => 1}}},
            {"a new match of a write: put_many", fun() -> pando_tx_adv:put_many([l, ?STAR], 7, #{props_to_return => []}) end,
                fun(S) -> pando:put(S, [l, b], 2) end, {ok, #{[l, a] => #{}, [l, b] => #{}}}},
            {"a node that was absent: get", fun() -> pando_tx:get_or([n, o], none) end,
                fun(S) -> pando:put(S, [n, o], 2) end, {ok, 2}},
            {"... exists", fun() -> pando_tx:exists([n]) end, fun(S) -> pando:put(S, [n], 2) end, true},
            {"... has_data", fun() -> pando_tx:has_data([n]) end, fun(S) -> pando:put(S, [n], 2) end, true},
            {"... and its parent: the error names another node", fun() -> element(2, pando_tx:get([n, o])) end,
                fun(S) -> pando:put(S, [n], 2) end,
                {pando, node_not_found, #{node_name => o, node_path => [n, o], node_is_target => true}}}
        ]
    ]).

%% What others write beside what was read is in nobody's way.
no_conflicts_test_() ->
    cases([
        {Title, fun(S) ->
            ok = pando:put(S, [a], 1),
            ok = pando:put(S, [a, b], 2),
            ok = pando:put(S, [c], 3),
            ?assertMatch({{ok, _}, 1}, changed_meanwhile(S, Read, Change)),
            ?assertEqual({ok, 1}, pando:get(S, [written]))
        end}
     || {Title, Read, Change} <- [
            {"another node", fun() -> pando_tx:get([a]) end, fun(S) -> pando:put(S, [c], 9) end},
            {"another new node", fun() -> pando_tx:get([a]) end, fun(S) -> pando:put(S, [d, e], 9) end},
            {"the same value again", fun() -> pando_tx:get([a]) end, fun(S) -> pando:put(S, [a], 1) end},
            {"the value of a node of which was read that it is there", fun() -> pando_tx:exists([a]) end,
                fun(S) -> pando:put(S, [a], 9) end},
            {"a node below one whose value was read", fun() -> pando_tx:get([a]) end, fun(S) -> pando:put(S, [a, b], 9) end},
            {"another subtree than the pattern's", fun() -> pando_tx:get_many([a, ?STAR]) end,
                fun(S) -> pando:put(S, [c, d], 9) end},
            {"a write that answers the same", fun() -> pando_tx:put([a], 5) end, fun(S) -> pando:put(S, [a], 9) end},
            {"nothing was read", fun() -> ok end, fun(S) -> pando:delete_many(S, "**") end}
        ]
    ]).

too_many_conflicts_test_() ->
    cases([
        {"a transaction that is always lost gives up, and has done nothing", fun(S) ->
            ok = pando:put(S, [k], 0),
            Runs = counters:new(1, []),
            Lose = fun() ->
                ok = counters:add(Runs, 1, 1),
                {ok, N} = pando_tx:get([k]),
                ok = elsewhere(fun() -> pando:put(S, [k], N + 1) end),
                pando_tx:put([k], lost)
            end,
            ?assertEqual(
                {returned,
                    {error,
                        {pando, too_many_conflicts, #{attempts => ?ATTEMPTS_MAX, path => [k], outcome => not_applied}}}},
                leaves_nothing(fun() -> pando:transaction(S, Lose) end)
            ),
            ?assertEqual({?ATTEMPTS_MAX, {ok, ?ATTEMPTS_MAX}}, {counters:get(Runs, 1), pando:get(S, [k])}),
            goes_on(S)
        end}
    ]).

many_callers_test_() ->
    cases([
        {"each increment of a hot counter counts", fun(S) ->
            ok = pando:put(S, [k], 0),
            Increment = fun() ->
                {ok, N} = pando_tx:get([k]),
                pando_tx:put([k], N + 1)
            end,
            _ = parallel(16, fun(_) -> [{ok, ok} = pando:transaction(S, Increment) || _ <- lists:seq(1, 50)] end),
            ?assertEqual({ok, 16 * 50}, pando:get(S, [k]))
        end},
        {"what is moved between nodes is neither lost nor made, and ro transactions see that", fun(S) ->
            Nodes = lists:seq(1, 8),
            [ok = pando:put(S, [account, integer_to_binary(N)], 100) || N <- Nodes],
            Move = fun(From, To) ->
                {ok, A} = pando_tx:get([account, From]),
                {ok, B} = pando_tx:get([account, To]),
                ok = pando_tx:put([account, From], A - 1),
                pando_tx:put([account, To], B + 1)
            end,
            Sum = fun() -> pando_tx:fold("/:account/*", fun(_, #{data := N}, Acc) -> Acc + N end, 0) end,
            _ = parallel(8, fun(Caller) ->
                [
                    begin
                        From = integer_to_binary(Caller),
                        To = integer_to_binary((Caller + Step) rem 8 + 1),
                        _ = From =:= To orelse ({ok, ok} = pando:transaction(S, Move, [From, To])),
                        {ok, {ok, 800}} = pando:transaction(S, Sum, ro)
                    end
                 || Step <- lists:seq(1, 30)
                ]
            end),
            ?assertEqual({ok, {ok, 800}}, pando:transaction(S, Sum))
        end}
    ]).

%% Runs `Test(Holder)' while another process has its turn on [k], and does nothing with it until it gets `go'; afterwards it
%% must end with `{ok, ok}'.
while_another_has_its_turn(S, Test) ->
    Me = self(),
    Runs = counters:new(1, []),
    {Holder, Monitor} = spawn_monitor(fun() ->
        exit(
            pando:transaction(S, fun() ->
                ok = counters:add(Runs, 1, 1),
                {ok, N} = pando_tx:get([k]),
                case counters:get(Runs, 1) of
                    1 ->
                        ok = elsewhere(fun() -> pando:put(S, [k], N + 1) end);
                    2 ->
                        Me ! {self(), has_its_turn},
                        receive
                            go -> ok
                        end;
                    _ ->
                        ok
                end,
                pando_tx:put([k], N + 1)
            end)
        )
    end),
    receive {Holder, has_its_turn} -> ok end,
    Result = Test(Holder),
    Holder ! go,
    receive {'DOWN', Monitor, process, Holder, Ended} -> ?assertEqual({ok, ok}, Ended) end,
    Result.

turns_test_() ->
    Increment = fun() ->
        {ok, N} = pando_tx:get([k]),
        pando_tx:put([k], N + 1)
    end,
    cases([
        {"one that does nothing with its turn does not hold others up for ever", fun(S) ->
            ok = pando:put(S, [k], 0),
            while_another_has_its_turn(S, fun(_) ->
                _ = parallel(8, fun(_) ->
                    {returned, {ok, ok}} = leaves_nothing(fun() -> pando:transaction(S, Increment) end)
                end)
            end),
            %% The other change of the holder's, the eight, and its own.
            ?assertEqual({ok, 1 + 8 + 1}, pando:get(S, [k]))
        end},
        {"a time-out while others have their turn", fun(S) ->
            ok = pando:put(S, [k], 0),
            while_another_has_its_turn(S, fun(_) ->
                {returned, {error, timeout}} =
                    leaves_nothing(fun() -> pando:transaction(S, Increment, #{timeout => 5}) end)
            end),
            ?assertEqual({ok, 2}, pando:get(S, [k]))
        end},
        {"one that is killed leaves its turn", fun(S) ->
            ok = pando:put(S, [k], 0),
            Pids = while_another_has_its_turn(S, fun(_) ->
                Pids = [spawn(fun() -> pando:transaction(S, Increment) end) || _ <- lists:seq(1, 10)],
                [exit(Pid, kill) || Pid <- Pids],
                Pids
            end),
            ok = pando_test_store:await(fun() -> not lists:any(fun is_process_alive/1, Pids) end),
            ?assertEqual({ok, ok}, pando:transaction(S, Increment)),
            ok = pando_test_store:await(fun() ->
                {ok, #{transactions_in_line := InLine}} = pando_cluster:status(S),
                InLine =:= 0
            end)
        end},
        {"writes that are no transactions, and reads, wait for nobody's turn", fun(S) ->
            ok = pando:put(S, [k], 0),
            while_another_has_its_turn(S, fun(_) ->
                ?assertEqual({ok, 1}, pando:get(S, [k])),
                ?assertEqual(ok, pando:put(S, [k], 10)),
                ?assertEqual({ok, {ok, 10}}, pando:transaction(S, fun() -> pando_tx:get([k]) end, ro))
            end),
            ?assertEqual({ok, 11}, pando:get(S, [k]))
        end}
    ]).

%%% after_commit

after_commit_test_() ->
    Say = fun(To, What) ->
        fun() ->
            To ! {said, What, pando_tx:is_transaction()},
            what_it_returns_is_dropped
        end
    end,
    Said = fun Said() ->
        receive
            {said, What, InTransaction} -> [{What, InTransaction} | Said()]
        after 0 -> []
        end
    end,
    Self = fun erlang:self/0,
    cases([
        {"runs once, in order, after the commit, outside of the transaction", fun(S) ->
            ok = pando:put(S, [a], 1),
            Me = Self(),
            {{ok, {ok, 2}}, 2} = changed_meanwhile(
                S,
                fun() ->
                    Value = pando_tx:get([a]),
                    ok = pando_tx:after_commit(Say(Me, {first, Value})),
                    ok = pando_tx:after_commit(fun() -> Me ! {said, pando:get(S, [written]), pando_tx:is_transaction()} end),
                    ok = pando_tx:after_commit(fun() -> Me ! {said, pando:put(S, [after_commit], yes), false} end),
                    Value
                end,
                fun(_) -> pando:put(S, [a], 2) end
            ),
            ?assertEqual([{{first, {ok, 2}}, false}, {{ok, 2}, false}, {ok, false}], Said()),
            ?assertEqual({ok, yes}, pando:get(S, [after_commit]))
        end},
        {"also of one that writes nothing, and of mode ro", fun(S) ->
            Me = Self(),
            [
                {ok, x} = pando:transaction(S, fun() -> ok = pando_tx:after_commit(Say(Me, Mode)), x end, Mode)
             || Mode <- [ro, rw, auto]
            ],
            ?assertEqual([{ro, false}, {rw, false}, {auto, false}], Said())
        end},
        {"does not run if there is no commit", fun(S) ->
            Me = Self(),
            Then = fun(End) ->
                fun() ->
                    ok = pando_tx:after_commit(Say(Me, never)),
                    ok = pando_tx:put([k], 1),
                    End()
                end
            end,
            {error, no} = pando:transaction(S, Then(fun() -> pando_tx:abort(no) end)),
            ?assertError(no, pando:transaction(S, Then(fun() -> error(no) end))),
            {error, timeout} = pando:transaction(S, Then(fun() -> receive after 30 -> ok end end), #{timeout => 5}),
            ?assertEqual([], Said())
        end},
        {"that fails is logged, and the others run", fun(S) ->
            Me = Self(),
            quietly(fun() ->
                ?assertEqual(
                    {ok, done},
                    pando:transaction(S, fun() ->
                        ok = pando_tx:put([k], 1),
                        [ok = pando_tx:after_commit(fun() -> fails(Class, no) end) || Class <- [error, throw, exit]],
                        ok = pando_tx:after_commit(Say(Me, last)),
                        done
                    end)
                )
            end),
            ?assertEqual([{last, false}], Said()),
            ?assertEqual({ok, 1}, pando:get(S, [k]))
        end},
        {"may run another transaction", fun(S) ->
            {ok, ok} = pando:transaction(S, fun() ->
                ok = pando_tx:after_commit(fun() ->
                    {ok, ok} = pando:transaction(S, fun() ->
                        {ok, N} = pando_tx:get([k]),
                        pando_tx:put([k], N + 1)
                    end)
                end),
                pando_tx:put([k], 1)
            end),
            ?assertEqual({ok, 2}, pando:get(S, [k]))
        end},
        {"takes a function without arguments", fun(S) ->
            [
                ?assertError(function_clause, pando:transaction(S, fun() -> pando_tx:after_commit(Term) end))
             || Term <- [foo, fun(X) -> X end, {m, f}]
            ]
        end}
    ]).

%%% The transaction and what is around it

about_the_transaction_test_() ->
    cases([
        {"is_transaction", fun(S) ->
            ?assertEqual(false, pando_tx:is_transaction()),
            [
                ?assertEqual({ok, true}, pando:transaction(S, fun() -> pando_tx:is_transaction() end, Mode))
             || Mode <- [ro, rw, auto]
            ],
            ?assertEqual(false, pando_tx:is_transaction())
        end},
        {"another process has none", fun(S) ->
            Of = fun() -> elsewhere(fun() -> {pando_tx:is_transaction(), catch pando_tx:get([k])} end) end,
            ?assertMatch(
                {ok, {false, {'EXIT', {{pando_ex, invalid_use_of_pando_tx_outside_transaction, _}, _}}}},
                pando:transaction(S, Of)
            )
        end},
        {"does_api_comply_with", fun(S) ->
            Known = [
                dedup_protection, delete_reason_in_node_props, expire_dedups_from_tick, indirect_deletes_in_ret,
                uniform_write_ret, multi_table_projections, uniform_commands, request_snapshot, extended_trigger
            ],
            Ask = fun(Behaviours) -> [pando_tx:does_api_comply_with(Behaviour) || Behaviour <- Behaviours] end,
            ?assertEqual({ok, [true || _ <- Known]}, pando:transaction(S, Ask, [Known])),
            ?assertEqual({ok, [false, false, false]}, pando:transaction(S, Ask, [[unknown, 1, "x"]], ro))
        end},
        {"outside of a transaction all functions are misuse", fun(_S) ->
            [
                ?assertError(
                    {pando_ex, invalid_use_of_pando_tx_outside_transaction, Props} when map_size(Props) =:= 0,
                    apply(Module, Function, arguments(Function, Arity))
                )
             || Module <- [pando_tx, pando_tx_adv],
                {Function, Arity} <- Module:module_info(exports),
                not lists:member(Function, [module_info, is_transaction])
            ]
        end}
    ]).

%% Arguments that a function of pando_tx takes.
arguments(is_empty, Arity) -> lists:sublist([#{}], Arity);
arguments(abort, 1) -> [reason];
arguments(after_commit, 1) -> [fun() -> ok end];
arguments(does_api_comply_with, 1) -> [uniform_write_ret];
arguments(fold, Arity) -> lists:sublist(["*", fun(_, _, Acc) -> Acc end, 0, #{}], Arity);
arguments(compare_and_swap, Arity) -> lists:sublist([[k], 1, 2, #{}], Arity);
arguments(Function, Arity) when Function =:= foreach; Function =:= map; Function =:= filter ->
    lists:sublist(["*", fun(_, _) -> true end, #{}], Arity);
arguments(Function, Arity) when
    Function =:= get_or; Function =:= get_many_or; Function =:= put; Function =:= put_many; Function =:= create;
    Function =:= update
->
    lists:sublist([[k], 1, #{}], Arity);
arguments(_Function, Arity) ->
    lists:sublist([[k], #{}], Arity).

%% Calls of pando and pando_adv with a store, each in its longest form.
calls(S) ->
    Fold = fun(_, _, Acc) -> Acc end,
    Visit = fun(_, _) -> true end,
    [
        {pando, is_empty, [S, #{}]}, {pando, get, [S, [k], #{}]}, {pando, get, [S, [k], #{timeout => 100}]},
        {pando, get_or, [S, [k], d, #{}]}, {pando, get_many, [S, "*", #{}]}, {pando, get_many_or, [S, "*", d, #{}]},
        {pando, exists, [S, [k], #{}]}, {pando, has_data, [S, [k], #{}]}, {pando, is_sproc, [S, [k], #{}]},
        {pando, count, [S, "*", #{}]}, {pando, fold, [S, "*", Fold, 0, #{}]}, {pando, foreach, [S, "*", Visit, #{}]},
        {pando, map, [S, "*", Visit, #{}]}, {pando, filter, [S, "*", Visit, #{}]}, {pando, put, [S, [k], 1, #{}]},
        {pando, put, [S, [k], 1, #{async => true}]}, {pando, put_many, [S, [k], 1, #{}]},
        {pando, create, [S, [n], 1, #{}]}, {pando, update, [S, [k], 1, #{}]},
        {pando, compare_and_swap, [S, [k], 1, 1, #{}]}, {pando, delete, [S, [n], #{}]},
        {pando, delete_many, [S, [n], #{}]}, {pando, clear_payload, [S, [n], #{}]},
        {pando, clear_many_payloads, [S, [n], #{}]}, {pando, fence, [S, 5000]},
        {pando, run_sproc, [S, [f], [[1, 2]], #{}]}, {pando, transaction, [S, fun() -> ok end, [], rw, #{}]},
        {pando, transaction, [S, fun() -> ok end, [], ro, #{}]}, {pando, transaction, [S, #{}, [], auto, #{}]},
        {pando_adv, get, [S, [k], #{}]}, {pando_adv, get_many, [S, "*", #{}]}, {pando_adv, put, [S, [k], 1, #{}]},
        {pando_adv, put_many, [S, [k], 1, #{}]}, {pando_adv, create, [S, [n], 1, #{}]},
        {pando_adv, update, [S, [k], 1, #{}]}, {pando_adv, compare_and_swap, [S, [k], 1, 1, #{}]},
        {pando_adv, delete, [S, [n], #{}]}, {pando_adv, delete_many, [S, [n], #{}]},
        {pando_adv, clear_payload, [S, [n], #{}]}, {pando_adv, clear_many_payloads, [S, [n], #{}]},
        {pando_read, open, [S, "*", #{}]}
    ].

calls_of_the_store_itself_test_() ->
    cases([
        {title({Mode, Module, Function, length(Arguments)}), fun(S) ->
            ok = pando:put(S, [k], 1),
            ok = pando:put(S, [f], fun lists:sum/1),
            {_, _, ForStore} = lists:nth(N, calls(S)),
            Call = {Module, Function, length(Arguments)},
            F = fun() -> apply(Module, Function, ForStore) end,
            ?assertError(
                {pando_ex, failed_to_prepare_tx_fun, #{
                    'fun' := F,
                    error := {horus, extraction_denied, #{error := {call_denied, Call}}},
                    stacktrace := [_ | _]
                }},
                pando:transaction(S, F, Mode)
            ),
            ?assertEqual({ok, 1}, pando:get(S, [k]))
        end}
     || {N, {Module, Function, Arguments}} <- lists:enumerate(calls(s)), Mode <- [rw, auto]
    ]) ++
        cases([
            {"all full forms are among them", fun(S) ->
                NoCalls = [module_info, start, stop, reset, get_store_ids, verify, handle_async_ret, info, metrics],
                Longest = fun(Module) ->
                    Exports = [
                        {F, A}
                     || {F, A} <- Module:module_info(exports),
                        not lists:member(F, NoCalls),
                        lists:last(atom_to_list(F)) =/= $!
                    ],
                    [{Module, F, A} || {F, A} <- Exports, not lists:member({F, A + 1}, Exports)]
                end,
                Tested = lists:usort([{M, F, length(A)} || {M, F, A} <- calls(S)]),
                ?assertEqual([], lists:sort(Longest(pando) ++ Longest(pando_adv)) -- Tested)
            end},
            {"in mode ro they are ordinary calls, outside of the transaction", fun(S) ->
                ok = pando:put(S, [k], 1),
                ok = pando:put(S, [f], fun lists:sum/1),
                [
                    ?assertMatch(
                        {Module, Function, {ok, {returned, _}}},
                        {Module, Function,
                            pando:transaction(S, fun() -> {returned, apply(Module, Function, Arguments)} end, ro)}
                    )
                 || {Module, Function, Arguments} <- calls(S)
                ],
                ?assertEqual(
                    {ok, {{ok, 2}, {ok, 1}}},
                    pando:transaction(S, fun() ->
                        ok = pando:put(S, [k], 2),
                        {pando:get(S, [k]), pando_tx:get([k])}
                    end, ro)
                )
            end},
            {"by another process they are ordinary calls", fun(S) ->
                ?assertEqual(
                    {ok, {ok, 1}},
                    pando:transaction(S, fun() ->
                        elsewhere(fun() ->
                            ok = pando:put(S, [k], 1),
                            pando:get(S, [k])
                        end)
                    end)
                )
            end},
            {"one that is refused can be caught, and the transaction goes on", fun(S) ->
                ?assertEqual(
                    {ok, ok},
                    pando:transaction(S, fun() ->
                        {'EXIT', {{pando_ex, failed_to_prepare_tx_fun, _}, _}} = (catch pando:get(S, [k])),
                        pando_tx:put([k], 1)
                    end)
                ),
                ?assertEqual({ok, 1}, pando:get(S, [k]))
            end}
        ]).

nesting_test_() ->
    Two = fun(Test) -> fun(S) -> pando_test_store:with_store(fun(Other) -> Test(S, Other) end) end end,
    cases([
        {"other stores may be called, and have transactions of their own", Two(fun(S, Other) ->
            ?assertEqual(
                {ok, {ok, inner}},
                pando:transaction(S, fun() ->
                    ok = pando_tx:put([k], outer),
                    ok = pando:put(Other, [called], yes),
                    Inner = pando:transaction(Other, fun() ->
                        false = pando_tx:exists([k]),
                        ok = pando_tx:put([k], inner),
                        inner
                    end),
                    {ok, outer} = pando_tx:get([k]),
                    Inner
                end)
            ),
            ?assertEqual({{ok, outer}, {ok, inner}, {ok, yes}},
                {pando:get(S, [k]), pando:get(Other, [k]), pando:get(Other, [called])})
        end)},
        {"what an inner one raises or aborts is its own", Two(fun(S, Other) ->
            ?assertEqual(
                {ok, {{error, inner}, {throw, thrown}, ok}},
                pando:transaction(S, fun() ->
                    Aborted = pando:transaction(Other, fun() -> pando_tx:abort(inner) end),
                    Raised = leaves_transaction(fun() -> pando:transaction(Other, fun() -> throw(thrown) end) end),
                    {Aborted, Raised, pando_tx:put([k], 1)}
                end)
            ),
            ?assertEqual({{ok, 1}, false}, {pando:get(S, [k]), pando:exists(Other, [k])})
        end)},
        {"from an inner one the store of an outer one is denied, too", Two(fun(S, Other) ->
            Inner = fun() -> pando:put(S, [k], 1) end,
            [
                ?assertError(
                    {pando_ex, failed_to_prepare_tx_fun, _},
                    pando:transaction(S, fun() -> pando:transaction(Other, Inner, Mode) end)
                )
             || Mode <- [ro, rw]
            ],
            ?assertEqual(false, pando:exists(S, [k]))
        end)},
        {"in mode ro the same store may have another one", fun(S) ->
            ?assertEqual(
                {ok, {{ok, ok}, false}},
                pando:transaction(S, fun() ->
                    Inner = pando:transaction(S, fun() -> pando_tx:put([k], 1) end),
                    {Inner, pando_tx:exists([k])}
                end, ro)
            ),
            ?assertEqual({ok, 1}, pando:get(S, [k]))
        end}
    ]).

leaves_transaction(Call) ->
    try
        {returned, Call()}
    catch
        Class:Reason -> {Class, Reason}
    end.

async_test_() ->
    Next = fun(S) ->
        receive
            {ra_event, _, _} = Message -> pando:handle_async_ret(S, Message)
        after 5000 -> none
        end
    end,
    cases([
        {title({"what it returns, bare", Value}), fun(S) ->
            F = fun() ->
                ok = pando_tx:put([k], 1),
                Value
            end,
            ?assertEqual(ok, pando:transaction(S, F, #{async => 7})),
            ?assertEqual([{7, Value}], Next(S)),
            ?assertEqual({ok, 1}, pando:get(S, [k]))
        end}
     || Value <- [ok, {ok, 1}, {error, x}, 42, [a]]
    ]) ++
        cases([
            {"abort, errors and exceptions", fun(S) ->
                Reference = make_ref(),
                ok = pando:transaction(S, fun() -> pando_tx:abort(overload) end, #{async => Reference}),
                ?assertEqual([{Reference, {error, overload}}], Next(S)),
                ok = pando:transaction(S, fun() -> fails(exit, gone) end, #{async => {1, low}}),
                ?assertExit(gone, Next(S)),
                ok = pando:transaction(S, fun() -> fails(error, gone) end, #{async => true}),
                ?assertEqual({error, noproc}, pando:transaction(no_such_store, fun() -> ok end, #{async => 1})),
                ?assertEqual(ok, pando:transaction(no_such_store, fun() -> ok end, #{async => true})),
                ?assertEqual({messages, []}, process_info(self(), messages))
            end},
            {"nobody is told without a correlation", fun(S) ->
                [ok = pando:transaction(S, fun() -> pando_tx:put([k], A) end, #{async => A}) || A <- [true, low, normal]],
                ?assertEqual({{messages, []}, {ok, normal}}, {process_info(self(), messages), pando:get(S, [k])})
            end}
        ]).

nothing_is_left_test_() ->
    Endings = [
        {returned, fun() -> ok end},
        {aborted, fun() -> pando_tx:abort(no) end},
        {raised, fun() -> error(no) end},
        {thrown, fun() -> throw(no) end},
        {exited, fun() -> exit(no) end},
        {late, fun() -> receive after 30 -> ok end end},
        {refused, fun() -> pando_tx:put([k | improper], 1) end},
        {undefined, fun() -> no_such_module:no_such_function() end}
    ],
    cases([
        {title({Mode, Ending, First}), fun(S) ->
            Others = {pando_reply, make_ref(), not_of_ours},
            self() ! Others,
            F = fun() ->
                _ = First(S),
                End()
            end,
            _ = [leaves_nothing(fun() -> pando:transaction(S, F, Mode, #{timeout => 20}) end) || _ <- lists:seq(1, 3)],
            receive
                Others -> ok
            end,
            goes_on(S)
        end}
     || Mode <- [ro, rw],
        {Ending, End} <- Endings,
        First <- [
            fun(_) -> pando_tx:get([k]) end,
            fun(S) -> catch pando_tx:put([k], S) end,
            fun(S) ->
                {ok, _} = pando_tx:get_many("*"),
                ok = elsewhere(fun() -> pando:put(S, [k], erlang:unique_integer()) end),
                catch pando_tx:put([k], S)
            end
        ]
    ]) ++
        cases([
            {"a function that empties the process dictionary", fun(S) ->
                ?assertEqual(
                    {returned, {ok, false}},
                    leaves_nothing(fun() ->
                        pando:transaction(S, fun() ->
                            ok = pando_tx:put([k], 1),
                            Before = erase(),
                            [put(Key, Value) || {Key, Value} <- Before, Key =/= '$pando_transaction'],
                            pando_tx:is_transaction()
                        end)
                    end)
                ),
                ?assertEqual({ok, 1}, pando:get(S, [k]))
            end}
        ]).

a_caller_that_is_killed_test_() ->
    cases([
        {"mid-way, and others go on", fun(S) ->
            ok = pando:put(S, [k], 0),
            Me = self(),
            Hang = fun() ->
                {ok, _} = pando_tx:get([k]),
                ok = pando_tx:put([k], hung),
                Me ! inside,
                receive
                    never -> ok
                end
            end,
            [
                begin
                    {Pid, Monitor} = spawn_monitor(fun() -> pando:transaction(S, Hang) end),
                    receive inside -> ok end,
                    exit(Pid, kill),
                    receive {'DOWN', Monitor, process, Pid, killed} -> ok end,
                    {ok, ok} = pando:transaction(S, fun() ->
                        {ok, Before} = pando_tx:get([k]),
                        pando_tx:put([k], Before + 1)
                    end)
                end
             || _ <- lists:seq(1, 20)
            ],
            ?assertEqual({ok, 20}, pando:get(S, [k]))
        end}
    ]).

a_store_that_stops_test_() ->
    [
        {title(Mode), {timeout, 60, fun() ->
            pando_test_store:with_dir(fun(Dir) ->
                S = pando_test_store:new_name(),
                {ok, S} = pando:start(Dir, S),
                try
                    ok = pando:put(S, [k], 1),
                    Result = leaves_nothing(fun() ->
                        pando:transaction(S, fun() ->
                            Before = pando_tx:get([k]),
                            ok = elsewhere(fun() -> pando:stop(S) end),
                            %% The tree of the transaction is still there, unless it has gone with a program.
                            After = pando_tx:get([k]),
                            true = After =:= Before orelse {After, pando_backend:configured()} =:= {{error, noproc}, port},
                            _ = catch pando_tx:put([k], 2),
                            Before
                        end, Mode)
                    end),
                    case Mode of
                        ro -> ?assertEqual({returned, {ok, {ok, 1}}}, Result);
                        rw -> ?assertMatch({returned, {error, _}}, Result)
                    end,
                    {ok, S} = pando:start(Dir, S),
                    ?assertEqual({ok, 1}, pando:get(S, [k]))
                after
                    ok = pando:stop(S)
                end
            end)
        end}}
     || Mode <- [ro, rw]
    ].
