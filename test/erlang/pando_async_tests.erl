%% Writes that are not waited for, and what is waited for instead: notifications, fences, consistent reads, log
%% positions. Specification section 12, as far as it concerns one member.
%%
%% Specification -> test here:
%%   12.1 favor                     consistent_reads_see_ones_own_async_writes_test_
%%   12.2 sync writes, reply_from   sync_writes_are_there_at_once_test_
%%   12.3 async, table              forms_of_async_test_, values_that_are_none_test_
%%   12.3 notifications             results_are_the_full_ones_test_, handle_async_ret_test_,
%%                                  other_messages_test_, many_notifications_test_
%%   12.3 order                     order_of_one_process_is_kept_test_
%%   12.4 fence                     fence_test_
%%   option condition (5)           condition_test_
%%   12.5 timeouts                  a_timeout_of_zero_test_
%%   12.6 store not running         a_store_that_does_not_run_test_
-module(pando_async_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [cases/1, title/1]).
-import(pando_test_calls, [tests/1]).

-define(WAIT_MS, 30000).
-define(MARK, 999999).
%% Long enough to be no accident, short enough to wait for.
-define(SHORT_MS, 50).

%% The results that have been told of up to that of `Last', in order.
results_until(Last) ->
    receive
        {ra_event, _, _} = Message ->
            Results = pando:handle_async_ret(Message),
            case lists:keymember(Last, 1, Results) of
                true -> Results;
                false -> Results ++ results_until(Last)
            end
    after ?WAIT_MS -> error(no_notification)
    end.

%% All that was told of what this process has sent: commands are applied in order, so nothing comes after the mark.
results(S) ->
    ok = pando:put(S, [mark], 1, #{async => ?MARK}),
    Results = results_until(?MARK),
    ?assertEqual(?MARK, element(1, lists:last(Results))),
    receive
        Message -> error({unexpected, Message})
    after 0 -> lists:droplast(Results)
    end.

forms_of_async_test_() ->
    Ref = make_ref(),
    cases([
        {title(Async), fun(S) ->
            ?assertEqual(ok, pando:put(S, [a], 1, #{async => Async})),
            ok = pando:fence(S),
            ?assertEqual({ok, 1}, pando:get(S, [a])),
            ?assertEqual([{Correlation, {ok, #{[a] => #{}}}} || Correlation <- Told], results(S))
        end}
     || {Async, Told} <- [
            {false, []},
            {true, []},
            {low, []},
            {normal, []},
            {0, [0]},
            {17, [17]},
            {-1, [-1]},
            {1 bsl 100, [1 bsl 100]},
            {Ref, [Ref]},
            {{17, low}, [17]},
            {{17, normal}, [17]},
            {{Ref, low}, [Ref]}
        ]
    ]).

values_that_are_none_test_() ->
    tests([
        {Async, [
            {{Function, Arguments ++ [#{async => Async}]}, {raised, function_clause}}
         || {Function, Arguments} <- [{put, [[a], 1]}, {delete, [[a]]}, {put_many, ["*", 1]}, {clear_payload, [[a]]}]
        ] ++ [{{get_many, ["**"]}, {ok, #{}}}]}
     || Async <- [
            maybe, high, "x", <<"x">>, 1.0, {}, {1}, {low, 1}, {1, high}, {x, low}, {"x", low}, {1, low, x}, [1], self()
        ]
    ]).

results_are_the_full_ones_test_() ->
    Missing = fun(Name, Props) ->
        {error,
            {pando, node_not_found, Props#{node_name => Name, node_path => [Name], node_is_target => true}}}
    end,
    Mismatching = fun(Condition) ->
        {error,
            {pando, mismatching_node, #{
                node_name => a,
                node_path => [a],
                node_is_target => true,
                node_props => #{data => 1, payload_version => 1},
                condition => Condition
            }}}
    end,
    cases([
        {title({M, Function, Arguments}), fun(S) ->
            ok = pando:put(S, [a], 1),
            ?assertEqual(ok, apply(M, Function, [S | Arguments] ++ [#{async => 5}])),
            ?assertEqual([{5, Result}], results(S))
        end}
     || {M, Function, Arguments, Result} <- [
            {pando, put, [[a], 2], {ok, #{[a] => #{}}}},
            {pando, put, [[x, y], 2], {ok, #{[x, y] => #{}}}},
            {pando, put_many, ["*", 2], {ok, #{[a] => #{}}}},
            {pando, create, [[b], 2], {ok, #{[b] => #{}}}},
            {pando, update, [[a], 2], {ok, #{[a] => #{}}}},
            {pando, compare_and_swap, [[a], 1, 2], {ok, #{[a] => #{}}}},
            {pando, clear_payload, [[a]], {ok, #{[a] => #{}}}},
            {pando, clear_payload, [[x]], {ok, #{}}},
            {pando, clear_many_payloads, ["*"], {ok, #{[a] => #{}}}},
            {pando, delete, [[a]], {ok, #{[a] => #{}}}},
            {pando, delete, [[x]], {ok, #{}}},
            {pando, delete_many, ["*"], {ok, #{[a] => #{}}}},
            {pando, 'put!', [[a], 2], {ok, #{[a] => #{}}}},
            {pando_adv, put, [[a], 2], {ok, #{[a] => #{data => 1, payload_version => 2}}}},
            {pando_adv, put_many, ["*", 2], {ok, #{[a] => #{data => 1, payload_version => 2}}}},
            {pando_adv, create, [[b], 2], {ok, #{[b] => #{payload_version => 1}}}},
            {pando_adv, update, [[a], 2], {ok, #{[a] => #{data => 1, payload_version => 2}}}},
            {pando_adv, compare_and_swap, [[a], 1, 2], {ok, #{[a] => #{data => 1, payload_version => 2}}}},
            {pando_adv, clear_payload, [[a]], {ok, #{[a] => #{data => 1, payload_version => 2}}}},
            {pando_adv, clear_many_payloads, ["*"], {ok, #{[a] => #{data => 1, payload_version => 2}}}},
            {pando_adv, delete, [[a]], {ok, #{[a] => #{data => 1, payload_version => 1, delete_reason => explicit}}}},
            {pando_adv, delete_many, ["*"],
                {ok, #{[a] => #{data => 1, payload_version => 1, delete_reason => explicit}}}},
            {pando, create, [[a], 2], Mismatching(#if_node_exists{exists = false})},
            {pando_adv, compare_and_swap, [[a], 5, 2], Mismatching(#if_data_matches{pattern = 5})},
            {pando, update, [[x], 2],
                Missing(x, #{condition => #if_all{conditions = [x, #if_node_exists{}]}})}
        ]
    ]).

handle_async_ret_test_() ->
    From = {some_store, node()},
    [
        {title(Message), [
            ?_assertEqual(Expected, pando:handle_async_ret(Message)),
            ?_assertEqual(Expected, pando:handle_async_ret(some_store, Message))
        ]}
     || {Message, Expected} <- [
            {{ra_event, From, {applied, [{1, {ok, #{}}}]}}, [{1, {ok, #{}}}]},
            {{ra_event, From, {applied, []}}, []},
            {{ra_event, From, {applied, [{1, {ok, #{[a] => #{}}}}, {2, {error, timeout}}]}},
                [{1, {ok, #{[a] => #{}}}}, {2, {error, timeout}}]},
            %% 21.2: any value.
            {{ra_event, From, {applied, [{1, anything}]}}, [{1, anything}]},
            {{ra_event, From, {rejected, {not_leader, undefined, 7}}}, [{7, {error, {not_leader, undefined}}}]},
            {{ra_event, From, {rejected, {not_leader, From, 7}}}, [{7, {error, {not_leader, From}}}]}
        ]
    ].

other_messages_test_() ->
    [
        {title(Message), [
            ?_assertError(function_clause, pando:handle_async_ret(Message)),
            ?_assertError(function_clause, pando:handle_async_ret(some_store, Message))
        ]}
     || Message <- [
            hello, {ra_event, s}, {ra_event, s, x}, {ra_event, s, {other, []}}, {ra_event, s, {rejected, x}},
            {pando_reply, make_ref(), ok}, []
        ]
    ].

many_notifications_test_() ->
    Count = 1000,
    cases([
        {"one result for each command, in the order they were sent", fun(S) ->
            [ok = pando:put(S, [<<N:16>>], N, #{async => N}) || N <- lists:seq(1, Count)],
            ?assertEqual([{N, {ok, #{[<<N:16>>] => #{}}}} || N <- lists:seq(1, Count)], results(S)),
            ?assertEqual({ok, Count + 1}, pando:count(S, "*"))
        end},
        {"each to the process that asked", fun(S) ->
            Told = pando_test_store:parallel(8, fun(Part) ->
                [ok = pando:put(S, [<<Part, N>>], N, #{async => N}) || N <- lists:seq(1, 50)],
                results_until(50)
            end),
            ?assertEqual(
                [[{N, {ok, #{[<<Part, N>>] => #{}}}} || N <- lists:seq(1, 50)] || Part <- lists:seq(1, 8)], Told
            )
        end},
        {"none to a process that is gone, and what it wrote is there", fun(S) ->
            [_] = pando_test_store:parallel(1, fun(_) ->
                [ok = pando:put(S, [<<N>>], N, #{async => N}) || N <- lists:seq(1, 100)]
            end),
            ok = pando:fence(S),
            ?assertEqual({ok, 100}, pando:count(S, "*")),
            pando_test_calls:goes_on(S)
        end},
        {"results that hold much", fun(S) ->
            Map = maps:from_list([{N, [N]} || N <- lists:seq(1, 5000)]),
            ok = pando:put(S, [a], Map),
            ok = pando_adv:put(S, [a], 2, #{async => 1}),
            ?assertEqual([{1, {ok, #{[a] => #{data => Map, payload_version => 2}}}}], results(S))
        end}
    ]).

order_of_one_process_is_kept_test_() ->
    Count = 500,
    cases([
        {title(Async), fun(S) ->
            [ok = pando:put(S, [k], N, #{async => Async}) || N <- lists:seq(1, Count)],
            ok = pando:fence(S),
            ?assertEqual({ok, #{[k] => #{data => Count, payload_version => Count}}}, pando_adv:get(S, [k])),
            %% A synchronous one comes after those before it.
            [ok = pando:put(S, [k], {again, N}, #{async => Async}) || N <- lists:seq(1, Count)],
            ?assertEqual(
                {ok, #{[k] => #{data => {again, Count}, payload_version => 2 * Count + 1}}},
                pando_adv:put(S, [k], last)
            )
        end}
     || Async <- [true, normal]
    ] ++ [
        {"low", fun(S) ->
            [ok = pando:put(S, [k], N, #{async => low}) || N <- lists:seq(1, Count)],
            ok = pando:fence(S),
            ?assertEqual({ok, #{[k] => #{data => Count, payload_version => Count}}}, pando_adv:get(S, [k]))
        end}
    ]).

%% -------------------------------------------------------------------
%% 12.1, 12.4, 12.2
%% -------------------------------------------------------------------

reads() ->
    [
        {get, fun(S, O) -> pando:get(S, [k], O) end, fun(N) -> {ok, N} end},
        {get_or, fun(S, O) -> pando:get_or(S, [k], d, O) end, fun(N) -> {ok, N} end},
        {get_many, fun(S, O) -> pando:get_many(S, "*", O) end, fun(N) -> {ok, #{[k] => N}} end},
        {get_many_or, fun(S, O) -> pando:get_many_or(S, "*", d, O) end, fun(N) -> {ok, #{[k] => N}} end},
        {exists, fun(S, O) -> pando:exists(S, [k], O) end, fun(_) -> true end},
        {has_data, fun(S, O) -> pando:has_data(S, [k], O) end, fun(_) -> true end},
        {is_sproc, fun(S, O) -> pando:is_sproc(S, [k], O) end, fun(_) -> false end},
        {is_empty, fun(S, O) -> pando:is_empty(S, O) end, fun(_) -> false end},
        {count, fun(S, O) -> pando:count(S, "*", O) end, fun(_) -> {ok, 1} end},
        {fold, fun(S, O) -> pando:fold(S, "*", fun(_, #{data := N}, _) -> N end, 0, O) end, fun(N) -> {ok, N} end},
        {foreach, fun(S, O) -> pando:foreach(S, "*", fun(_, _) -> x end, O) end, fun(_) -> ok end},
        {map, fun(S, O) -> pando:map(S, "*", fun(_, #{data := N}) -> N end, O) end, fun(N) -> {ok, #{[k] => N}} end},
        {filter, fun(S, O) -> pando:filter(S, "*", fun(_, _) -> true end, O) end, fun(N) -> {ok, #{[k] => N}} end},
        {adv_get, fun(S, O) -> pando_adv:get(S, [k], O) end, fun(N) ->
            {ok, #{[k] => #{data => N, payload_version => N}}}
        end},
        {adv_get_many, fun(S, O) -> pando_adv:get_many(S, "*", O) end, fun(N) ->
            {ok, #{[k] => #{data => N, payload_version => N}}}
        end}
    ].

consistent_reads_see_ones_own_async_writes_test_() ->
    cases([
        {title({Name, Async}), fun(S) ->
            Count = 200,
            [ok = pando:put(S, [k], N, #{async => Async}) || N <- lists:seq(1, Count)],
            ?assertEqual(Answer(Count), Read(S, #{favor => consistency}))
        end}
     || {Name, Read, Answer} <- reads(), Async <- [true, low]
    ]).

sync_writes_are_there_at_once_test_() ->
    cases([
        {title(From), fun(S) ->
            Options =
                case From of
                    absent -> #{};
                    this_member -> #{reply_from => {member, {S, node()}}};
                    unreachable -> #{reply_from => {member, {S, 'nobody@nowhere'}}};
                    _ -> #{reply_from => From}
                end,
            [
                begin
                    ?assertEqual(ok, pando:put(S, [k], N, Options)),
                    ?assertEqual({ok, N}, pando:get(S, [k])),
                    ?assertEqual({ok, #{[k] => N}}, pando:get_many(S, "*", #{favor => low_latency}))
                end
             || N <- lists:seq(1, 20)
            ],
            ?assertEqual({ok, #{[k] => #{data => 20, payload_version => 21}}}, pando_adv:update(S, [k], 21, Options)),
            ?assertEqual(ok, pando:delete(S, [k], Options)),
            ?assertEqual(false, pando:exists(S, [k]))
        end}
     || From <- [absent, leader, local, this_member, unreachable]
    ]).

fence_test_() ->
    cases([
        {"what was written before it without waiting is there", fun(S) ->
            [
                begin
                    [ok = pando:put(S, [k], {Round, N}, #{async => true}) || N <- lists:seq(1, 100)],
                    ?assertEqual(ok, pando:fence(S)),
                    ?assertEqual({ok, {Round, 100}}, pando:get(S, [k]))
                end
             || Round <- lists:seq(1, 5)
            ]
        end},
        {"and what others have written", fun(S) ->
            _ = pando_test_store:parallel(8, fun(Part) ->
                [ok = pando:put(S, [<<Part, N>>], 1, #{async => low}) || N <- lists:seq(1, 50)]
            end),
            ?assertEqual(ok, pando:fence(S)),
            ?assertEqual({ok, 400}, pando:count(S, "*"))
        end},
        {"all its forms", fun(S) ->
            ?assertEqual(ok, pando:fence(S)),
            ?assertEqual(ok, pando:fence(S, infinity)),
            ?assertEqual(ok, pando:fence(S, ?WAIT_MS)),
            ?assertEqual({error, timeout}, pando:fence(S, 0)),
            Before = application:get_env(pando, default_store_id),
            ok = application:set_env(pando, default_store_id, S),
            try
                ?assertEqual(ok, pando:fence()),
                ?assertEqual(ok, pando:fence(infinity)),
                ?assertEqual(ok, pando:fence(?WAIT_MS)),
                ?assertEqual({error, timeout}, pando:fence(0))
            after
                case Before of
                    undefined -> application:unset_env(pando, default_store_id);
                    {ok, Value} -> application:set_env(pando, default_store_id, Value)
                end
            end,
            ?assertEqual([], pando_test_store:stray_messages())
        end},
        {"timeouts and stores that are none", fun(S) ->
            ?assertError(function_clause, pando:fence(S, -1)),
            ?assertError(function_clause, pando:fence(S, soon)),
            ?assertError(function_clause, pando:fence("s")),
            ?assertEqual({error, noproc}, pando:fence(pando_test_store:new_name()))
        end}
    ]).

condition_test_() ->
    cases(lists:append([
        [
            {title({Name, met}), fun(S) ->
                [ok = pando:put(S, [k], N) || N <- [1, 2, 3]],
                {Index, Term} = applied(S),
                ?assertEqual(Answer(3), Read(S, #{condition => {applied, {Index, Term}}})),
                ?assertEqual(Answer(3), Read(S, #{condition => {applied, {1, Term}}, timeout => ?WAIT_MS}))
            end},
            {title({Name, 'not', met, in, time}), fun(S) ->
                ok = pando:put(S, [k], 1),
                {Index, Term} = applied(S),
                ?assertEqual(
                    {error, timeout}, Read(S, #{condition => {applied, {Index + 1000, Term}}, timeout => ?SHORT_MS})
                ),
                ?assertEqual({error, timeout}, Read(S, #{condition => {applied, {Index, Term}}, timeout => 0})),
                ?assertEqual([], pando_test_store:stray_messages())
            end},
            {title({Name, met, 'while', it, waits}), fun(S) ->
                ok = pando:put(S, [k], 1),
                {Index, Term} = applied(S),
                Reader = spawn_monitor(fun() ->
                    exit({answer, Read(S, #{condition => {applied, {Index + 2, Term}}, timeout => ?WAIT_MS})})
                end),
                ok = pando:put(S, [k], 2),
                ok = pando:put(S, [k], 3),
                ?assertEqual(Answer(3), answer_of(Reader))
            end}
        ]
     || {Name, Read, Answer} <- reads()
    ])).

%% The position of the log that is applied here: the figure of the status may be a moment behind.
applied(S) ->
    {ok, #{applied_index := Index, term := Term}} = pando_cluster:status(S),
    {applied_from(S, Index, Term), Term}.

applied_from(S, Index, Term) ->
    case pando:exists(S, [], #{condition => {applied, {Index + 1, Term}}, timeout => ?SHORT_MS}) of
        true -> applied_from(S, Index + 1, Term);
        {error, timeout} -> Index
    end.

answer_of({Pid, Monitor}) ->
    receive
        {'DOWN', Monitor, process, Pid, {answer, Answer}} -> Answer;
        {'DOWN', Monitor, process, Pid, Reason} -> error(Reason)
    after ?WAIT_MS -> error(no_answer)
    end.

%% -------------------------------------------------------------------
%% 12.5, 12.6
%% -------------------------------------------------------------------

writes() ->
    [
        {put, fun(S, O) -> pando:put(S, [k], 2, O) end},
        {put_many, fun(S, O) -> pando:put_many(S, "*", 2, O) end},
        {create, fun(S, O) -> pando:create(S, [new], 2, O) end},
        {update, fun(S, O) -> pando:update(S, [k], 2, O) end},
        {compare_and_swap, fun(S, O) -> pando:compare_and_swap(S, [k], 1, 2, O) end},
        {delete, fun(S, O) -> pando:delete(S, [k], O) end},
        {delete_many, fun(S, O) -> pando:delete_many(S, "*", O) end},
        {clear_payload, fun(S, O) -> pando:clear_payload(S, [k], O) end},
        {clear_many_payloads, fun(S, O) -> pando:clear_many_payloads(S, "*", O) end},
        {adv_put_many, fun(S, O) -> pando_adv:put_many(S, "*", 2, O) end},
        {adv_compare_and_swap, fun(S, O) -> pando_adv:compare_and_swap(S, [k], 1, 2, O) end},
        {adv_delete_many, fun(S, O) -> pando_adv:delete_many(S, "*", O) end},
        {adv_clear_many_payloads, fun(S, O) -> pando_adv:clear_many_payloads(S, "*", O) end}
    ].

a_timeout_of_zero_test_() ->
    cases([
        {title(Name), fun(S) ->
            ok = pando:put(S, [k], 1),
            ?assertEqual({error, timeout}, Call(S, #{timeout => 0})),
            ?assertEqual({ok, #{[k] => 1}}, pando:get_many(S, "**")),
            ?assertNotEqual({error, timeout}, Call(S, #{timeout => ?WAIT_MS}))
        end}
     || {Name, Call} <- writes() ++ [{Name, Read} || {Name, Read, _} <- reads()]
    ]).

a_store_that_does_not_run_test_() ->
    [
        {title(Name), fun() ->
            S = pando_test_store:new_name(),
            ?assertEqual({error, noproc}, Call(S, #{})),
            ?assertEqual({error, noproc}, Call(S, #{timeout => 100}))
        end}
     || {Name, Call} <- writes() ++ [{Name, Read} || {Name, Read, _} <- reads()]
    ] ++
        [
            {title({Name, consistently}), fun() ->
                ?assertEqual({error, noproc}, Read(pando_test_store:new_name(), #{favor => consistency}))
            end}
         || {Name, Read, _} <- reads()
        ] ++
        [
            {title({Name, async}), fun() ->
                S = pando_test_store:new_name(),
                [?assertEqual(ok, Call(S, #{async => Async})) || Async <- [true, low, normal]],
                ?assertEqual([], pando_test_store:stray_messages())
            end}
         || {Name, Call} <- writes()
        ] ++
        [
            {"what is no read and no write", fun() ->
                S = pando_test_store:new_name(),
                ?assertEqual({error, noproc}, pando:fence(S)),
                ?assertEqual({error, noproc}, pando:fence(S, 100)),
                ?assertEqual({error, noproc}, pando_cluster:members(S)),
                ?assertEqual({error, noproc}, pando_cluster:nodes(S)),
                ?assertEqual({error, noproc}, pando_cluster:wait_for_leader(S, ?SHORT_MS)),
                ?assertEqual({error, {pando, not_a_pando_store, #{store_id => S}}}, pando:reset(S)),
                ?assertEqual(ok, pando:stop(S))
            end}
        ].
