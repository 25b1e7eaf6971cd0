%% Tokens: what a write returns with `return => token', and what a read does with `at_least'. On one member; a member that
%% is behind is stood in for by a token of a position that has not come yet.
-module(pando_token_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [cases/1, title/1, with_dir/1, new_name/0, stray_messages/0]).

-define(RETURN, #{return => token}).
-define(WAIT_MS, 30000).
%% So late that nothing in these tests comes so far by itself.
-define(FAR, 1000000).

%% A token of the same cluster, of a position so much later.
later({pando_token, ClusterId, Index}, Count) -> {pando_token, ClusterId, Index + Count}.

foreign({pando_token, <<Bit:1, Rest:127>>, Index}) -> {pando_token, <<(1 - Bit):1, Rest:127>>, Index}.

token(S) ->
    {ok, Token} = pando:put(S, [token], 1, ?RETURN),
    Token.

applied(S) ->
    {ok, #{applied_index := Index}} = pando_cluster:status(S),
    Index.

%%% Writes

%% Each changes something; what it would answer without a token, as a success.
writes() ->
    Data = fun(Commands) -> #{commands => Commands} end,
    [
        {put, fun(S, O) -> pando:put(S, [new], 1, O) end},
        {put_many, fun(S, O) -> pando:put_many(S, [a], 2, O) end},
        {create, fun(S, O) -> pando:create(S, [new], 1, O) end},
        {update, fun(S, O) -> pando:update(S, [a], 2, O) end},
        {compare_and_swap, fun(S, O) -> pando:compare_and_swap(S, [a], 1, 2, O) end},
        {delete, fun(S, O) -> pando:delete(S, [a], O) end},
        {delete_many, fun(S, O) -> pando:delete_many(S, [a], O) end},
        {clear_payload, fun(S, O) -> pando:clear_payload(S, [a], O) end},
        {clear_many_payloads, fun(S, O) -> pando:clear_many_payloads(S, [a], O) end},
        {adv_put, fun(S, O) -> pando_adv:put(S, [a], 2, O) end},
        {adv_put_many, fun(S, O) -> pando_adv:put_many(S, [a], 2, O) end},
        {adv_create, fun(S, O) -> pando_adv:create(S, [new], 1, O) end},
        {adv_update, fun(S, O) -> pando_adv:update(S, [a], 2, O) end},
        {adv_compare_and_swap, fun(S, O) -> pando_adv:compare_and_swap(S, [a], 1, 2, O) end},
        {adv_delete, fun(S, O) -> pando_adv:delete(S, [a], O) end},
        {adv_delete_many, fun(S, O) -> pando_adv:delete_many(S, [a], O) end},
        {adv_clear_payload, fun(S, O) -> pando_adv:clear_payload(S, [a], O) end},
        {adv_clear_many_payloads, fun(S, O) -> pando_adv:clear_many_payloads(S, [a], O) end},
        {transaction, fun(S, O) -> pando:transaction(S, fun() -> pando_tx:put([new], 1) end, O) end},
        {transaction_rw, fun(S, O) -> pando:transaction(S, fun() -> pando_tx:put([new], 1) end, [], rw, O) end},
        {transaction_as_data, fun(S, O) -> pando:transaction(S, Data([{put, [new], 1}]), O) end},
        {with_request_id, fun(S, O) -> pando:put(S, [new], 1, O#{request_id => <<"once">>}) end}
    ].

with_token(ok, Token) -> {ok, Token};
with_token({ok, Result}, Token) -> {ok, Result, Token}.

a_token_comes_with_the_answer_of_a_write_and_stands_for_it_test_() ->
    [
        {title(Name), {timeout, 60, fun() ->
            with_dir(fun(Dir) ->
                %% The same in two stores, without and with.
                {Plain, S} = {new_name(), new_name()},
                [
                    begin
                        {ok, Store} = pando:start(Dir, Store),
                        ok = pando:put(Store, [a], 1)
                    end
                 || Store <- [Plain, S]
                ],
                Before = applied(S),
                Answer = Write(S, ?RETURN),
                Token = element(tuple_size(Answer), Answer),
                ?assertMatch({pando_token, <<_:128>>, Index} when Index > Before, Token),
                ?assertEqual(with_token(Write(Plain, #{}), Token), Answer),
                ?assert(element(3, Token) =< applied(S)),
                %% What readers see now has it.
                ?assertEqual(
                    pando:get_many(Plain, "**"), pando:get_many(S, "**", #{at_least => Token, timeout => ?WAIT_MS})
                ),
                [ok = pando:stop(Store) || Store <- [Plain, S]],
                ?assertEqual([], stray_messages())
            end)
        end}}
     || {Name, Write} <- writes()
    ].

functions_with_an_exclamation_mark_answer_the_bare_token_test_() ->
    cases([
        {"of a write that answers ok", fun(S) ->
            Token = pando:'put!'(S, [a], 1, ?RETURN),
            ?assertEqual({ok, 1}, pando:get(S, [a], #{at_least => Token, timeout => ?WAIT_MS})),
            ?assertEqual(ok, pando:'put!'(S, [a], 1))
        end}
    ]).

what_is_no_success_is_answered_as_without_test_() ->
    Missing = fun(S, O) -> pando:update(S, [missing], 1, O) end,
    cases([
        {title(Name), fun(S) ->
            Answer = pando_test_calls:answer(S, fun(_) -> Call(S, #{}) end),
            ?assertEqual(Answer, pando_test_calls:answer(S, fun(_) -> Call(S, ?RETURN) end)),
            ?assertMatch({Failed, _} when Failed =:= error; Failed =:= raised; Failed =:= thrown, Answer),
            ?assertEqual({ok, #{}}, pando:get_many(S, "**"))
        end}
     || {Name, Call} <- [
            {refused, Missing},
            {adv_refused, fun(S, O) -> pando_adv:update(S, [missing], 1, O) end},
            {no_time, fun(S, O) -> pando:put(S, [a], 1, O#{timeout => 0}) end},
            {option, fun(S, O) -> pando:put(S, [a], 1, O#{reply_from => nobody}) end},
            {no_path, fun(S, O) -> pando:put(S, [{no_name}], 1, O) end},
            {no_store, fun(_, O) -> pando:put(new_name(), [a], 1, O) end},
            {no_store_of_transaction, fun(_, O) -> pando:transaction(new_name(), fun() -> 1 end, O) end},
            {aborted, fun(S, O) -> pando:transaction(S, fun() -> pando_tx:abort(no) end, O) end},
            {aborted_with_what_looks_like_an_answer, fun(S, O) ->
                pando:transaction(S, fun() -> pando_tx:abort({ok, 1}) end, O)
            end},
            {raised, fun(S, O) -> pando:transaction(S, fun() -> error(no) end, O) end},
            {thrown, fun(S, O) -> pando:transaction(S, fun() -> throw(no) end, O) end},
            {command_refused, fun(S, O) -> pando:transaction(S, #{commands => [{update, [missing], 1}]}, O) end}
        ]
    ]).

a_transaction_that_writes_nothing_has_a_token_of_what_it_has_read_test_() ->
    cases([
        {title(Mode), fun(S) ->
            {ok, {pando_token, ClusterId, Index}} = pando:put(S, [a], 1, ?RETURN),
            {ok, {ok, 1}, {pando_token, Of, Read}} = pando:transaction(S, fun() -> pando_tx:get([a]) end, [], Mode, ?RETURN),
            ?assertEqual(ClusterId, Of),
            ?assert(Read >= Index)
        end}
     || Mode <- [ro, auto, rw]
    ]).

what_nobody_waits_for_has_no_token_test_() ->
    Denied = {pando_ex, denied_token_of_async_write, #{}},
    cases([
        {title({Name, Async}), fun(S) ->
            ?assertError(Denied, Call(S, ?RETURN#{async => Async})),
            ok = pando:fence(S),
            ?assertEqual({ok, #{}}, pando:get_many(S, "**"))
        end}
     || Async <- [true, low, normal, 7, {7, low}],
        {Name, Call} <- [
            {put, fun(S, O) -> pando:put(S, [a], 1, O) end},
            {adv_put, fun(S, O) -> pando_adv:put(S, [a], 1, O) end},
            {transaction, fun(S, O) -> pando:transaction(S, fun() -> pando_tx:put([a], 1) end, O) end},
            {transaction_as_data, fun(S, O) -> pando:transaction(S, #{commands => [{put, [a], 1}]}, O) end}
        ]
    ]) ++
        [?_assert(is_list(pando_errors:format(Denied)))].

the_options_are_checked_inside_of_a_transaction_and_mean_nothing_test_() ->
    cases([
        {"of reads and writes", fun(S) ->
            Far = later(token(S), ?FAR),
            ?assertEqual(
                {ok, {ok, {ok, 1}, {ok, #{[b] => #{}}}}},
                pando:transaction(S, fun() ->
                    Options = #{return => token, at_least => Far},
                    Put = pando_tx:put([b], 1, Options),
                    {Put, pando_tx:get([b], Options), pando_tx_adv:put([b], 1, Options#{props_to_return => []})}
                end)
            )
        end},
        {"wrong values", fun(S) ->
            [
                ?assertError(function_clause, pando:transaction(S, Function))
             || Function <- [
                    fun() -> pando_tx:put([b], 1, #{at_least => x}) end,
                    fun() -> pando_tx:get([b], #{return => x}) end
                ]
            ]
        end}
    ]).

a_store_that_was_opened_again_meanwhile_has_no_token_of_the_write_test_() ->
    [
        {title(again), {timeout, 60, fun() ->
            with_dir(fun(Dir) ->
                S = new_name(),
                {ok, S} = pando:start(Dir, S),
                Between = fun(Then) ->
                    fun() ->
                        ok = pando:stop(S),
                        Then()
                    end
                end,
                Start = fun() -> {ok, S} = pando:start(Dir, S) end,
                [
                    begin
                        {error, Reason} = pando:transaction(S, Between(Then), [], ro, ?RETURN),
                        ?assertMatch({pando, token_not_available, #{outcome := applied, reason := <<_/binary>>}}, Reason),
                        ?assert(is_list(pando_errors:format(Reason)))
                    end
                 || Then <- [Start, fun() -> ok end]
                ]
            end)
        end}}
    ].

%%% Reads

reads() ->
    [
        {get, fun(S, O) -> pando:get(S, [a], O) end},
        {get_or, fun(S, O) -> pando:get_or(S, [a], d, O) end},
        {get_many, fun(S, O) -> pando:get_many(S, [a], O) end},
        {get_many_or, fun(S, O) -> pando:get_many_or(S, [a], d, O) end},
        {exists, fun(S, O) -> pando:exists(S, [a], O) end},
        {has_data, fun(S, O) -> pando:has_data(S, [a], O) end},
        {is_sproc, fun(S, O) -> pando:is_sproc(S, [a], O) end},
        {is_empty, fun(S, O) -> pando:is_empty(S, O) end},
        {count, fun(S, O) -> pando:count(S, [a], O) end},
        {fold, fun(S, O) -> pando:fold(S, [a], fun(_, _, N) -> N + 1 end, 0, O) end},
        {foreach, fun(S, O) -> pando:foreach(S, [a], fun(_, _) -> ok end, O) end},
        {map, fun(S, O) -> pando:map(S, [a], fun(_, _) -> ok end, O) end},
        {filter, fun(S, O) -> pando:filter(S, [a], fun(_, _) -> true end, O) end},
        {adv_get, fun(S, O) -> pando_adv:get(S, [a], O) end},
        {adv_get_many, fun(S, O) -> pando_adv:get_many(S, [a], O) end},
        {specific, fun(S, O) -> pando:get_many(S, [a], O#{expect_specific_node => true}) end},
        {members, fun(S, O) -> pando_cluster:members(S, O) end},
        {ro, fun(S, O) -> pando:transaction(S, fun() -> pando_tx:get([a]) end, [], ro, O) end},
        {auto, fun(S, O) -> pando:transaction(S, fun() -> pando_tx:get([a]) end, [], auto, O) end},
        {rw, fun(S, O) -> pando:transaction(S, fun() -> pando_tx:get([a]) end, [], rw, O) end}
    ].

reads_wait_for_what_a_token_stands_for_test_() ->
    cases(
        lists:append([
            [
                {title({Name, "that is there"}), fun(S) ->
                    ok = pando:put(S, [a], 1),
                    Options = #{at_least => token(S), timeout => ?WAIT_MS},
                    ?assertEqual(Read(S, #{}), Read(S, Options)),
                    ?assertEqual(Read(S, #{}), Read(S, Options#{favor => consistency})),
                    ?assertEqual([], stray_messages())
                end},
                {title({Name, "that comes in time"}), fun(S) ->
                    Token = later(token(S), 1),
                    {Reader, Monitor} = spawn_monitor(fun() -> exit(Read(S, #{at_least => Token, timeout => ?WAIT_MS})) end),
                    ok = pando:put(S, [a], 1),
                    %% A store may write entries of its own, never fewer than those of its callers.
                    ok = pando:put(S, [b], 1),
                    Expected = Read(S, #{}),
                    receive
                        {'DOWN', Monitor, process, Reader, Answer} -> ?assertEqual(Expected, Answer)
                    after ?WAIT_MS -> error(still_waiting)
                    end
                end},
                {title({Name, "that does not come"}), fun(S) ->
                    Token = later(token(S), ?FAR),
                    ?assertEqual({error, timeout}, Read(S, #{at_least => Token, timeout => 1})),
                    ?assertEqual({error, timeout}, Read(S, #{at_least => Token, timeout => 1, favor => consistency})),
                    ?assertEqual([], stray_messages())
                end},
                {title({Name, "of another cluster"}), fun(S) ->
                    Token = foreign(token(S)),
                    {pando_token, Foreign, _} = Token,
                    {error, {pando, other_cluster, Props} = Reason} = Read(S, #{at_least => Token}),
                    {ok, {pando_token, Own, _}} = pando:put(S, [a], 1, ?RETURN),
                    ?assertEqual(
                        #{store_id => S, cluster_id => Own, token_cluster_id => Foreign, outcome => not_applied}, Props
                    ),
                    ?assert(is_list(pando_errors:format(Reason)))
                end},
                {title({Name, "of a store that does not run"}), fun(S) ->
                    ?assertEqual({error, noproc}, Read(new_name(), #{at_least => token(S)}))
                end}
            ]
         || {Name, Read} <- reads()
        ])
    ).

the_function_of_a_transaction_does_not_run_before_test_() ->
    cases([
        {title(Mode), fun(S) ->
            Token = token(S),
            [
                ?assertMatch({error, _}, pando:transaction(S, fun() -> self() ! ran end, [], Mode, Options))
             || Options <- [#{at_least => foreign(Token)}, #{at_least => later(Token, ?FAR), timeout => 1}]
            ],
            receive
                ran -> error(ran)
            after 0 -> ok
            end
        end}
     || Mode <- [ro, auto, rw]
    ]).

a_token_outlives_the_store_that_made_it_test_() ->
    [
        {title(again), {timeout, 60, fun() ->
            with_dir(fun(Dir) ->
                S = new_name(),
                {ok, S} = pando:start(Dir, S),
                {ok, Token} = pando:put(S, [a], 1, ?RETURN),
                %% As it is when it was sent, or stood in a cookie.
                Sent = binary_to_term(term_to_binary(Token)),
                ok = pando:stop(S),
                {ok, S} = pando:start(Dir, S),
                ?assertEqual({ok, 1}, pando:get(S, [a], #{at_least => Sent, timeout => ?WAIT_MS})),
                ok = pando:reset(S),
                {ok, S} = pando:start(Dir, S),
                ?assertMatch({error, {pando, other_cluster, _}}, pando:get(S, [a], #{at_least => Sent})),
                ok = pando:stop(S)
            end)
        end}}
    ].
