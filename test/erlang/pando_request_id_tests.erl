%% The option request_id: a request that is sent again is applied once, and answered as the first time.
-module(pando_request_id_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [cases/1, title/1, parallel/2, with_dir/1, new_name/0]).
-import(pando_test_calls, [goes_on/1]).

-define(STAR, ?PANDO_WILDCARD_STAR).

%% {Call, what another process does between the two calls}: without the option the second call would answer otherwise.
writes() ->
    Put = fun(Value) -> fun(S) -> pando:put(S, [k], Value) end end,
    [
        {M, F, Arguments, Between}
     || M <- [pando, pando_adv],
        {F, Arguments, Between} <- [
            {put, [[k], 2], Put(9)},
            {put_many, [[?STAR], 2], Put(9)},
            {create, [[n], 1], fun(_) -> ok end},
            {update, [[k], 2], fun(S) -> pando:delete(S, [k]) end},
            {compare_and_swap, [[k], 1, 2], fun(_) -> ok end},
            {delete, [[k]], Put(9)},
            {delete_many, [[?STAR]], Put(9)},
            {clear_payload, [[k]], Put(9)},
            {clear_many_payloads, [[?STAR]], Put(9)}
        ]
    ].

each_write_is_applied_once_test_() ->
    cases([
        {title({Module, Function}), fun(S) ->
            ok = pando:put(S, [k], 1),
            Call = fun() -> apply(Module, Function, [S | Arguments] ++ [#{request_id => <<"id">>}]) end,
            First = Call(),
            ?assert(First =:= ok orelse element(1, First) =:= ok),
            ok = Between(S),
            Tree = pando_adv:get_many(S, "**"),
            ?assertEqual({First, First, First}, {First, Call(), Call()}),
            ?assertEqual(Tree, pando_adv:get_many(S, "**")),
            %% Without the id it is another request.
            _ = apply(Module, Function, [S | Arguments]),
            goes_on(S)
        end}
     || {Module, Function, Arguments, Between} <- writes()
    ]).

what_did_nothing_is_tried_again_test_() ->
    cases([
        {"a refused write", fun(S) ->
            Id = #{request_id => <<"id">>},
            ?assertMatch({error, {pando, node_not_found, _}}, pando:update(S, [k], 1, Id)),
            ok = pando:put(S, [k], 0),
            ?assertEqual(ok, pando:update(S, [k], 1, Id)),
            ok = pando:delete(S, [k]),
            ?assertEqual({ok, false}, {pando:update(S, [k], 1, Id), pando:exists(S, [k])})
        end},
        {"misuse", fun(S) ->
            Id = #{request_id => <<"id">>},
            ?assertError({pando_ex, possibly_matching_many_nodes_denied, _}, pando:put(S, "*", 1, Id)),
            ?assertEqual({ok, {ok, 1}}, {pando:put(S, [k], 1, Id), pando:get(S, [k])})
        end},
        {"a transaction that was aborted or has failed", fun(S) ->
            Id = #{request_id => <<"id">>},
            {error, no} = pando:transaction(S, fun() -> pando_tx:abort(no) end, Id),
            ?assertError(no, pando:transaction(S, fun() -> error(no) end, Id)),
            ?assertEqual({ok, ok}, pando:transaction(S, fun() -> pando_tx:put([k], 1) end, Id))
        end}
    ]).

transactions_test_() ->
    cases([
        {"the function is not run again, and the retry answers what it returned", fun(S) ->
            Runs = counters:new(1, []),
            F = fun() ->
                ok = counters:add(Runs, 1, 1),
                {ok, N} = pando_tx:get_or([k], 0),
                ok = pando_tx:put([k], N + 1),
                {returned, N + 1, self()}
            end,
            Id = #{request_id => <<"id">>},
            ?assertEqual(
                [{ok, {returned, 1, self()}} || _ <- lists:seq(1, 3)],
                [pando:transaction(S, F, [], Mode, Id) || Mode <- [rw, auto, rw]]
            ),
            ?assertEqual({1, {ok, 1}}, {counters:get(Runs, 1), pando:get(S, [k])}),
            ?assertEqual({ok, {returned, 2, self()}}, pando:transaction(S, F, #{request_id => <<"other">>}))
        end},
        {"one that writes nothing is one, too", fun(S) ->
            Id = #{request_id => <<"id">>},
            Read = fun() -> pando_tx:get_or([k], none) end,
            ?assertEqual({ok, {ok, none}}, pando:transaction(S, Read, Id)),
            ok = pando:put(S, [k], 1),
            ?assertEqual({ok, {ok, none}}, pando:transaction(S, Read, Id)),
            ?assertEqual({ok, {ok, 1}}, pando:transaction(S, Read, ro, Id))
        end},
        {"after_commit runs with the one that was committed", fun(S) ->
            Me = self(),
            F = fun() ->
                ok = pando_tx:after_commit(fun() -> Me ! committed end),
                pando_tx:put([k], 1)
            end,
            [{ok, ok} = pando:transaction(S, F, #{request_id => <<"id">>}) || _ <- lists:seq(1, 3)],
            ?assertEqual({messages, [committed]}, process_info(self(), messages)),
            receive committed -> ok end
        end},
        {"of those that run at the same time one is committed, and all answer what it returned", fun(S) ->
            Start = fun(N) ->
                pando:transaction(
                    S,
                    fun() ->
                        {ok, Before} = pando_tx:get_or([k], []),
                        ok = pando_tx:put([k], [N | Before]),
                        N
                    end,
                    #{request_id => <<"id">>}
                )
            end,
            [{ok, Winner} | _] = Answers = parallel(16, Start),
            ?assertEqual([{ok, Winner}], lists:usort(Answers)),
            ?assertEqual({ok, [Winner]}, pando:get(S, [k]))
        end},
        {"a value that is too large is not kept, and it is said that it was applied", fun(S) ->
            Large = binary:copy(<<0>>, 100_000),
            F = fun() ->
                ok = pando_tx:put([k], 1),
                Large
            end,
            Id = #{request_id => <<"id">>},
            NotKept = {pando, answer_not_kept, #{outcome => applied}},
            ?assertEqual({ok, Large}, pando:transaction(S, F, Id)),
            ?assertEqual({error, NotKept}, pando:transaction(S, F, Id)),
            ?assertMatch([_ | _], pando_errors:format(NotKept)),
            ?assertEqual({ok, 1}, pando:get(S, [k]))
        end},
        {"as data", fun(S) ->
            Data = #{conditions => [{[k], #if_node_exists{exists = false}}], commands => [{put, [k], 1}]},
            Id = #{request_id => <<"id">>},
            ?assertEqual({ok, [ok]}, pando:transaction(S, Data, Id)),
            ok = pando:put(S, [k], 2),
            ?assertEqual({ok, [ok]}, pando:transaction(S, Data, Id)),
            ?assertMatch({error, {pando, transaction_condition_not_met, _}}, pando:transaction(S, Data)),
            ?assertEqual({ok, 2}, pando:get(S, [k]))
        end}
    ]).

answers_that_are_too_large_test_() ->
    cases([
        {"of a write", fun(S) ->
            ok = pando:put(S, [k], binary:copy(<<0>>, 100_000)),
            Id = #{request_id => <<"id">>},
            ?assertMatch({ok, #{[k] := #{data := _}}}, pando_adv:put(S, [k], 1, Id)),
            ok = pando:put(S, [k], 2),
            ?assertEqual({error, {pando, answer_not_kept, #{outcome => applied}}}, pando_adv:put(S, [k], 1, Id)),
            ?assertEqual({ok, 2}, pando:get(S, [k]))
        end}
    ]).

asynchronous_test_() ->
    cases([
        {"writes that nobody waits for", fun(S) ->
            Send = fun(Correlation) ->
                ok = pando:put(S, [k], Correlation, #{async => Correlation, request_id => <<"id">>}),
                receive
                    {ra_event, _, _} = Message -> pando:handle_async_ret(S, Message)
                after 5000 -> none
                end
            end,
            ?assertEqual([{1, {ok, #{[k] => #{}}}}], Send(1)),
            ?assertEqual([{2, {ok, #{[k] => #{}}}}], Send(2)),
            ?assertEqual({ok, 1}, pando:get(S, [k]))
        end}
    ]).

at_the_same_time_test_() ->
    cases([
        {"of many with one id one is applied, and all are answered as it was", fun(S) ->
            Put = fun(N) -> pando_adv:create(S, [k], N, #{request_id => <<"id">>}) end,
            ?assertEqual([{ok, #{[k] => #{payload_version => 1}}}], lists:usort(parallel(32, Put)))
        end}
    ]).

values_of_the_option_test_() ->
    cases([
        {"1 to 256 bytes, of any kind", fun(S) ->
            [
                begin
                    ok = pando:put(S, [k], first, #{request_id => Id}),
                    ok = pando:put(S, [k], second, #{request_id => Id}),
                    ?assertEqual({Id, {ok, first}}, {Id, pando:get(S, [k])})
                end
             || Id <- [<<0>>, <<"id">>, <<255, 0, 1>>, binary:copy(<<"x">>, 256)]
            ]
        end},
        {"nothing else", fun(S) ->
            [
                ?assertError(function_clause, Module:put(S, [k], 1, #{request_id => Term}))
             || Module <- [pando, pando_adv], Term <- [<<>>, binary:copy(<<"x">>, 257), id, "id", <<1:3>>, 1, undefined]
            ],
            ?assertEqual(256, maps:get(<<"request_id_size_bytes_max">>, pando_backend:limits()))
        end},
        {"not of reads", fun(S) ->
            ?assertError(function_clause, pando:get(S, [k], #{request_id => <<"id">>}))
        end}
    ]).

%% What is kept outlives the store's process, and a snapshot.
after_a_restart_test_() ->
    {timeout, 60, fun() ->
        with_dir(fun(Dir) ->
            S = new_name(),
            {ok, S} = pando:start(Dir, S),
            try
                Id = #{request_id => <<"id">>},
                Value = {ok, #{[k] => #{payload_version => 1}}},
                Value = pando_adv:put(S, [k], 1, Id),
                {ok, {returned, 7}} = pando:transaction(S, fun() -> {returned, 7} end, #{request_id => <<"tx">>}),
                ok = pando:stop(S),
                {ok, S} = pando:start(Dir, S),
                ?assertEqual(Value, pando_adv:put(S, [k], 2, Id)),
                ?assertEqual(
                    {ok, {returned, 7}}, pando:transaction(S, fun() -> error(never) end, #{request_id => <<"tx">>})
                ),
                ?assertEqual({ok, 1}, pando:get(S, [k]))
            after
                ok = pando:stop(S)
            end
        end)
    end}.

%% The oldest go first: what was done long ago is done again.
the_window_test_() ->
    {timeout, 120, fun() ->
        pando_test_store:with_store(fun(S) ->
            Kept = maps:get(<<"requests_kept_max">>, pando_backend:limits()),
            Put = fun(Path, Value, Id) -> pando:put(S, Path, Value, #{request_id => Id}) end,
            ok = Put([oldest], 1, <<"oldest">>),
            ok = Put([second], 1, <<"second">>),
            ok = fill(S, 1, Kept - 1),
            ok = pando:fence(S),
            ok = Put([second], 2, <<"second">>),
            ?assertEqual({ok, 1}, pando:get(S, [second])),
            ok = Put([oldest], 2, <<"oldest">>),
            ?assertEqual({ok, 2}, pando:get(S, [oldest]))
        end)
    end}.

%% Requests up to number `Last', not more at a time than the store takes.
fill(S, Number, Last) when Number =< Last ->
    case pando:put(S, [filled], Number, #{async => true, request_id => <<"filled", Number:32>>}) of
        ok ->
            fill(S, Number + 1, Last);
        {error, overload} ->
            ok = pando:fence(S),
            fill(S, Number, Last)
    end;
fill(_S, _Number, _Last) ->
    ok.
