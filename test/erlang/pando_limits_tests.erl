%% Limits of conditions and of commands, through the API: at each one it works, beyond it nothing is done, and said.
%%
%% Those of paths, names and payloads are in pando_bad_input_tests, those of what is printed in pando_info_tests.
-module(pando_limits_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [cases/2, title/1]).
-import(pando_test_calls, [goes_on/1]).
-import(pando_slow_commands, [long_list/1, slow/1, hold_up/2]).

-define(TIMEOUT_S, 120).
-define(WAIT_MS, 60000).
%% More than the encodings of the atoms of a record differ in.
-define(ATOMS_SIZE_BYTES, 16).
%% As many parts as one component may have: going through the long list in each takes more steps than there are.
-define(LENGTHS, 1000).

limit(Name) ->
    #{Name := Max} = pando_backend:limits(),
    Max.

exceeded(Limit) ->
    {error,
        {pando, limit_exceeded, #{
            limit => Limit, max => limit(atom_to_binary(Limit)), outcome => not_applied
        }}}.

%% The tree that nothing may change: what keeps [k] must stay, too.
filled(S) ->
    ok = pando:put(S, [a], 1),
    ok = pando:put(S, [k], 1, #{keep_while => #{[w] => #if_node_exists{exists = false}}}).

is_unchanged(S) ->
    Props = #{data => 1, payload_version => 1},
    ?assertEqual({ok, #{[a] => Props, [k] => Props}}, pando_adv:get_many(S, "**")),
    {ok, _Count, Kept} = pando_backend:keep_while(S),
    ?assertEqual([{[k], [{[w], #if_node_exists{exists = false}}]}], Kept),
    goes_on(S).

%%% Conditions

%% Met by any node with data.
nested(Depth) ->
    lists:foldl(fun(_, Inner) -> #if_not{condition = Inner} end, #if_has_data{}, lists:seq(1, Depth)).

%% Itself and those in it.
wide(Parts) ->
    #if_any{conditions = lists:duplicate(Parts - 1, #if_has_data{})}.

%% About so large as a term; met by nothing that is there.
large(SizeBytes) ->
    Empty = byte_size(term_to_binary(#if_data_matches{pattern = <<>>})),
    #if_data_matches{pattern = binary:copy(<<"x">>, SizeBytes - Empty)}.

reads() ->
    [
        {get_many, fun(S, C) -> pando:get_many(S, [C]) end},
        {get, fun(S, C) -> pando:get(S, [#if_all{conditions = [a, C]}]) end},
        {count, fun(S, C) -> pando:count(S, [C]) end},
        {exists, fun(S, C) -> pando:exists(S, [#if_all{conditions = [a, C]}]) end},
        {fold, fun(S, C) -> pando:fold(S, [C], fun(_, _, N) -> N + 1 end, 0) end}
    ].

writes() ->
    [
        {put, fun(S, C) -> pando:put(S, [#if_all{conditions = [a, C]}], 2) end},
        {update, fun(S, C) -> pando:update(S, [#if_all{conditions = [a, C]}], 2) end},
        {put_many, fun(S, C) -> pando:put_many(S, [C], 2) end},
        {adv_put_many, fun(S, C) -> pando_adv:put_many(S, [C], 2) end},
        {put_below, fun(S, C) -> pando:put_many(S, [C, b], 2) end},
        {delete, fun(S, C) -> pando:delete(S, [#if_all{conditions = [a, C]}]) end},
        {delete_many, fun(S, C) -> pando:delete_many(S, [C]) end},
        {clear_many_payloads, fun(S, C) -> pando:clear_many_payloads(S, [C]) end},
        {keep_while, fun(S, C) -> pando:put(S, [k], 2, #{keep_while => #{[a] => C}}) end},
        {keep_while_of_a_pattern, fun(S, C) -> pando:put(S, [k], 2, #{keep_while => #{[C] => #if_node_exists{}}}) end},
        {async, fun(S, C) -> pando:put_many(S, [C], 2, #{async => true}) end},
        {async_told, fun(S, C) -> pando:put_many(S, [C], 2, #{async => 1}) end}
    ].

conditions_test_() ->
    cases(?TIMEOUT_S, [
        {title(Limit), fun(S) ->
            filled(S),
            At = Condition(Max),
            ?assertEqual({ok, #{[a] => 1, [k] => 1}}, pando:get_many(S, [At])),
            ?assertEqual({ok, 2}, pando:count(S, [At])),
            ?assertEqual(true, pando_condition:is_met(At, a, #{data => 1})),
            [
                begin
                    [?assertEqual({F, exceeded(Limit)}, {F, Call(S, Over)}) || {F, Call} <- reads() ++ writes()],
                    {error, Reason} = exceeded(Limit),
                    ?assertError(Reason, pando_condition:is_met(Over, a, #{data => 1}))
                end
             || Over <- [Condition(Size) || Size <- Beyond]
            ],
            is_unchanged(S),
            ?assertEqual(ok, pando:put_many(S, [At], 2)),
            ?assertEqual({ok, #{[a] => 2, [k] => 2}}, pando:get_many(S, "**")),
            ?assertEqual(ok, pando:put(S, [k], 3, #{keep_while => #{[a] => At}})),
            ?assertEqual(ok, pando:clear_payload(S, [a])),
            ?assertEqual({ok, #{[a] => undefined}}, pando:get_many(S, "**")),
            ?assertEqual([], pando_test_store:stray_messages()),
            goes_on(S)
        end}
     || {Limit, Max, Condition, Beyond} <- [
            begin
                Max = limit(atom_to_binary(Limit)),
                {Limit, Max, Condition, [Max + 1 | More]}
            end
         || {Limit, Condition, More} <- [
                {condition_depth_max, fun nested/1, [100, 250, 256, 1000, 100000]},
                {condition_parts_max, fun wide/1, [2000, 100000]}
            ]
        ]
    ]).

condition_size_test_() ->
    Max = limit(<<"condition_size_bytes_max">>),
    Error = exceeded(condition_size_bytes_max),
    cases(?TIMEOUT_S, [
        {"one condition", fun(S) ->
            filled(S),
            ?assertEqual({ok, 0}, pando:count(S, [large(Max - ?ATOMS_SIZE_BYTES)])),
            Over = large(Max + ?ATOMS_SIZE_BYTES),
            [?assertEqual({F, Error}, {F, Call(S, Over)}) || {F, Call} <- reads() ++ writes()],
            is_unchanged(S)
        end},
        {"those of one command together", fun(S) ->
            filled(S),
            Part = large(Max div 2 - 1024),
            Over = large(Max div 2 + 1024),
            ?assertEqual(ok, pando:delete_many(S, [Part, Part])),
            Kept = fun(Condition) -> #{keep_while => #{[x] => Condition, [y] => Condition}} end,
            Missing = fun(Size) -> #if_any{conditions = [large(Size), #if_node_exists{}]} end,
            [
                ?assertEqual(Error, Answer)
             || Answer <- [
                    pando:delete_many(S, [Over, Over]),
                    pando:put_many(S, [Over, Over], 2),
                    pando:put(S, [k], 2, Kept(Missing(Max div 2 + 1024))),
                    pando:put_many(S, [Over], 2, #{keep_while => #{[x] => Over}})
                ]
            ],
            is_unchanged(S)
        end},
        {"a payload of 64 MiB fits as a pattern", fun(S) ->
            Mib64 = binary:copy(<<"0123456789abcdef">>, 4 * 1024 * 1024),
            ok = pando:put(S, [a], Mib64),
            ?assertEqual(ok, pando:compare_and_swap(S, [a], Mib64, 2)),
            ?assertEqual({ok, 2}, pando:get(S, [a])),
            goes_on(S)
        end}
    ]).

%%% What a node depends on

keep_while_test_() ->
    Max = limit(<<"keep_while_max">>),
    Watched = fun(Count) ->
        Conditions = [{[<<N:32>>], #if_node_exists{exists = false}} || N <- lists:seq(1, Count)],
        #{keep_while => maps:from_list(Conditions)}
    end,
    cases(?TIMEOUT_S, [
        {title({Name, at, Max}), fun(S) ->
            filled(S),
            [
                ?assertEqual({Count, exceeded(keep_while_max)}, {Count, Call(S, Watched(Count))})
             || Count <- [Max + 1, 50000]
            ],
            is_unchanged(S),
            ?assertEqual(ok, Call(S, Watched(Max))),
            {ok, _Count, Kept} = pando_backend:keep_while(S),
            ?assertEqual(Max, length(proplists:get_value([k], Kept))),
            %% The last one counts as the first.
            ok = pando:put(S, [<<Max:32>>], 1),
            ?assertEqual(false, pando:exists(S, [k])),
            goes_on(S)
        end}
     || {Name, Call} <- [
            {put, fun(S, O) -> pando:put(S, [k], 2, O) end},
            {put_many, fun(S, O) -> pando:put_many(S, [#if_name_matches{regex = "k"}], 2, O) end},
            {update, fun(S, O) -> pando:update(S, [k], 2, O) end},
            {clear_payload, fun(S, O) -> pando:clear_payload(S, [k], O) end}
        ]
    ]).

%%% Steps

command_steps_test_() ->
    Error = exceeded(command_steps_max),
    cases(?TIMEOUT_S, [
        {title({Name, that, takes, too, many, steps}), fun(S) ->
            filled(S),
            long_list(S),
            {ok, Before} = pando_adv:get_many(S, "**"),
            %% With fewer it works.
            ?assertEqual(Within, Call(S, slow(10))),
            ?assertEqual(Error, Call(S, slow(?LENGTHS))),
            ?assertEqual({ok, Before}, pando_adv:get_many(S, "**")),
            ok = pando:delete(S, [list]),
            is_unchanged(S)
        end}
     || {Name, Within, Call} <- [
            {put_many, ok, fun(S, C) -> pando:put_many(S, [C], 2) end},
            {adv_put_many, {ok, #{}}, fun(S, C) -> pando_adv:put_many(S, [C], 2) end},
            {put_many_of_what_came_first, ok, fun(S, C) ->
                pando:put_many(S, [#if_all{conditions = [#if_name_matches{regex = "^l"}, C]}], 2)
            end},
            {delete_many, ok, fun(S, C) -> pando:delete_many(S, [C]) end},
            {clear_many_payloads, ok, fun(S, C) -> pando:clear_many_payloads(S, [C]) end}
        ]
    ]).

%%% A full queue

%% Slow commands hold up those behind them until no more may wait. The refusal comes while the slow ones are at work.
overload_of_async_writes_test_() ->
    QueuedMax = limit(<<"queued_commands_max">>),
    cases(?TIMEOUT_S, [
        {title({async, Name}), overload_of(Async, ToldEach, QueuedMax)}
     || {Name, Async, ToldEach} <- [
            {true, fun(_) -> true end, 0}, {low, fun(_) -> low end, 0}, {correlation, fun(N) -> N end, 1}
        ]
    ]).

overload_of(Async, 1, QueuedMax) ->
    case pando_backend:configured() of
        nif -> refused_at_once(Async, 1, QueuedMax);
        port -> told_of_refusals(Async, QueuedMax)
    end;
overload_of(Async, ToldEach, QueuedMax) ->
    refused_at_once(Async, ToldEach, QueuedMax).

%% Who is told of the outcome is told of a refusal by the program in the same way.
told_of_refusals(Async, QueuedMax) ->
    fun(S) ->
        Slow = hold_up(S, fun make_ref/0),
        Count = 2 * QueuedMax,
        ?assertEqual({Count, never_refused}, put_until_refused(S, Async, 1, Count)),
        Told = told(length(Slow) + Count),
        Refused = [N || {N, {error, overload}} <- Told],
        Taken = [N || {N, {ok, #{}}} <- Told],
        ?assertEqual(lists:seq(1, Count), lists:sort(Refused ++ Taken)),
        ?assert(length(Taken) + length(Slow) >= QueuedMax),
        ?assertNotEqual([], Refused),
        ?assertEqual({ok, length(Taken)}, pando:count(S, [n, #if_name_matches{}])),
        goes_on(S),
        ?assertEqual({messages, []}, erlang:process_info(self(), messages))
    end.

refused_at_once(Async, ToldEach, QueuedMax) ->
    fun(S) ->
        Slow = hold_up(S, fun make_ref/0),
        {Taken, Refused} = put_until_refused(S, Async, 1, 10 * QueuedMax),
        ?assertEqual({error, overload}, Refused),
        %% Nobody has waited for the queue.
        ?assertNot(lists:member(lists:last(Slow), told_already())),
        ?assert(Taken + length(Slow) >= QueuedMax),
        ok = fence_until_taken(S),
        %% Those that were taken are there, the refused one is not.
        ?assertEqual({ok, Taken}, pando:count(S, [n, #if_name_matches{}])),
        ?assertEqual(false, pando:exists(S, [n, <<(Taken + 1):32>>])),
        Told = told(length(Slow) + ToldEach * Taken),
        ?assertEqual(
            [{Reference, exceeded(command_steps_max)} || Reference <- Slow],
            lists:sublist(Told, length(Slow))
        ),
        ?assertEqual(
            [{N, {ok, #{[n, <<N:32>>] => #{}}}} || ToldEach =:= 1, N <- lists:seq(1, Taken)],
            lists:nthtail(length(Slow), Told)
        ),
        goes_on(S),
        ?assertEqual({messages, []}, erlang:process_info(self(), messages))
    end.

put_until_refused(S, Async, N, CountMax) when N =< CountMax ->
    case pando:put(S, [n, <<N:32>>], N, #{async => Async(N)}) of
        ok -> put_until_refused(S, Async, N + 1, CountMax);
        Refused -> {N - 1, Refused}
    end;
put_until_refused(_S, _Async, N, _CountMax) ->
    {N - 1, never_refused}.

%% Correlations of the notifications in the mailbox, which stay there.
told_already() ->
    {messages, Messages} = erlang:process_info(self(), messages),
    [Correlation || {ra_event, _, {applied, Results}} <- Messages, {Correlation, _} <- Results].

fence_until_taken(S) ->
    pando_test_store:await(fun() -> pando:fence(S) =:= ok end).

%% So many results, in the order in which they came.
told(0) ->
    [];
told(Count) ->
    receive
        {ra_event, _, _} = Message ->
            Results = pando:handle_async_ret(Message),
            Results ++ told(Count - length(Results))
    after ?WAIT_MS -> error({missing, Count})
    end.
