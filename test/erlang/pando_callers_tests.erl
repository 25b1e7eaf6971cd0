%% Callers that give up, die, or are too many: nobody gets a message that is not awaited, nothing stays
%% behind, and the store goes on.
-module(pando_callers_tests).

-include_lib("eunit/include/eunit.hrl").

-import(pando_test_store, [cases/2, await/1, parallel/2]).

-define(TIMEOUT_S, 120).

nothing_waits(S) ->
    {ok, #{waiting_size_bytes := Waiting}} = pando_cluster:status(S),
    Waiting =:= 0.

goes_on(S) ->
    await(fun() -> nothing_waits(S) end),
    ok = pando:put(S, [afterwards], 1),
    ?assertEqual({ok, 1}, pando:get(S, [afterwards])).

all_messages() ->
    receive
        Message -> [Message | all_messages()]
    after 0 -> []
    end.

timeouts_that_race_with_replies_test_() ->
    Callers = 100,
    CallsEach = 200,
    cases(?TIMEOUT_S, [
        {"20,000 calls with 0 to 3 ms: an answer or a timeout, and no message later", fun(S) ->
            Results = parallel(Callers, fun(Caller) ->
                _ = rand:seed(exsss, {Caller, 2, 3}),
                Answers = [raced_call(S, Caller, N) || N <- lists:seq(1, CallsEach)],
                %% Whatever was sent to this process before the reply to this put is here when it returns: one
                %% thread sends the replies of a store, in order.
                ok = pando:put(S, [last, <<Caller>>], done),
                {Answers, all_messages()}
            end),
            ?assertEqual([], lists:append([Messages || {_, Messages} <- Results])),
            Answers = lists:append([A || {A, _} <- Results]),
            ?assertEqual(Callers * CallsEach, length(Answers)),
            Kinds = lists:usort([Answer || {_, Answer} <- Answers]),
            ?assertEqual([], Kinds -- [ok, {error, timeout}]),
            %% Both happened, or the test has shown nothing.
            ?assertEqual([ok, {error, timeout}], Kinds),
            [
                ?assertMatch({ok, [Caller, N]}, pando:get(S, [race, <<Caller, N>>]))
             || {[Caller, N], ok} <- Answers
            ],
            goes_on(S)
        end}
    ]).

raced_call(S, Caller, N) ->
    {[Caller, N], pando:put(S, [race, <<Caller, N>>], [Caller, N], #{timeout => rand:uniform(4) - 1})}.

callers_that_are_killed_test_() ->
    cases(?TIMEOUT_S, [
        {"3,000 killed in the middle of a call without a timeout", fun(S) -> killed_callers(S, #{}) end},
        {"3,000 killed in the middle of a call with one", fun(S) ->
            killed_callers(S, #{timeout => 60000})
        end}
    ]).

killed_callers(S, Options) ->
    Value = binary:copy(<<"v">>, 1000),
    [
        begin
            Victims = [
                spawn_monitor(fun() ->
                    [pando_adv:put(S, [killed, <<Round, N>>], {M, Value}, Options) || M <- lists:seq(1, 1000)]
                end)
             || N <- lists:seq(1, 100)
            ],
            {ok, #{applied_index := Index}} = pando_cluster:status(S),
            %% All are in the middle of something once the store has moved on.
            await(fun() ->
                {ok, #{applied_index := Now}} = pando_cluster:status(S),
                Now > Index + 1
            end),
            [exit(Pid, kill) || {Pid, _} <- Victims],
            [
                receive
                    {'DOWN', Monitor, process, Pid, killed} -> ok
                end
             || {Pid, Monitor} <- Victims
            ]
        end
     || Round <- lists:seq(1, 30)
    ],
    goes_on(S),
    {ok, Count} = pando:count(S, "/:killed/*"),
    ?assert(Count > 0).

%% The queue is filled with commands that nobody waits for.
overload_test_() ->
    #{<<"queued_commands_max">> := QueuedMax} = pando_backend:limits(),
    Value = binary:copy(<<"v">>, 8 * 1024),
    cases(?TIMEOUT_S, [
        {"more commands than may wait are refused at once, and all that were taken are answered", fun(S) ->
            ok = pando:put(S, [n], 0),
            ok = pando_slow_commands:hold_up(S),
            Submitted = parallel(4, fun(Caller) ->
                Flood = flood(S, {[n], {Caller, Value}}, false, 10 * QueuedMax),
                Taken = [Reference || {Reference, ok} <- Flood],
                Refused = [Answer || {_, Answer} <- Flood, Answer =/= ok],
                Answered = [
                    receive
                        {pando_reply, Reference, Result} -> Result
                    end
                 || Reference <- Taken
                ],
                {length(Taken), lists:usort(Refused), lists:usort(Answered), all_messages()}
            end),
            [
                ?assertMatch({_, [], [ok], []}, {T, R -- [{error, overload}], A, M})
             || {T, R, A, M} <- Submitted
            ],
            %% It was too much for at least one of them, or the test has shown nothing.
            ?assert(lists:member({error, overload}, lists:append([R || {_, R, _, _} <- Submitted]))),
            ?assertMatch({ok, _}, pando_cluster:status(S)),
            goes_on(S)
        end},
        {"a caller of the API gets the error, and succeeds later", fun(S) ->
            Answers = lists:append(
                parallel(4, fun(Caller) ->
                    Flood = flood(S, {[n], {Caller, Value}}, false, 4 * QueuedMax),
                    Answer = pando:put(S, [api, <<Caller>>], 1),
                    [
                        receive
                            {pando_reply, Reference, _} -> ok
                        end
                     || {Reference, ok} <- Flood
                    ],
                    [Answer]
                end)
            ),
            ?assertEqual([], lists:usort(Answers) -- [ok, {error, overload}]),
            goes_on(S)
        end},
        {"bytes that wait are bounded, too", fun(S) ->
            %% Of other modules: random options include writes whose results are told later.
            _ = all_messages(),
            #{<<"waiting_commands_size_bytes_max">> := WaitingMax} = pando_backend:limits(),
            Large = binary:copy(Value, 1024),
            Flood = flood(S, {[big], Large}, true, 4 * WaitingMax div byte_size(Large)),
            Refused = [Answer || {_, {error, _} = Answer} <- Flood],
            %% Half a gigabyte need not be written for this.
            Answered = [
                case pando_backend:cancel(Token) of
                    true ->
                        cancelled;
                    false ->
                        receive
                            {pando_reply, Reference, Result} -> Result
                        end
                end
             || {Reference, {ok, Token}} <- Flood
            ],
            case pando_backend:configured() of
                nif ->
                    ?assertEqual([{error, overload}], Refused),
                    ?assertEqual([], lists:usort(Answered) -- [ok, cancelled]);
                %% It takes the bytes when there is room for them, so a caller waits before it is refused; if the program
                %% refuses, that is the reply.
                port ->
                    ?assertEqual([], (Refused ++ lists:usort(Answered)) -- [ok, cancelled, {error, overload}, {error, overload}])
            end,
            goes_on(S),
            ?assertEqual([], all_messages())
        end}
    ]).

%% Submits until one is refused, but not more than `CountMax'.
flood(S, {Path, Value} = What, Cancellable, CountMax) when CountMax > 0 ->
    Reference = make_ref(),
    Request = {put, Path, data, {CountMax, Value}, one, keep, none},
    case pando_backend:submit(S, Reference, Request, Cancellable) of
        {error, _} = Refused -> [{Reference, Refused}];
        Taken -> [{Reference, Taken} | flood(S, What, Cancellable, CountMax - 1)]
    end;
flood(_, _, _, 0) ->
    [].

cancelled_commands_test_() ->
    cases(?TIMEOUT_S, [
        {"a token that was cancelled: no message, and cancelling twice is no success", fun(S) ->
            Outcomes = [
                begin
                    Reference = make_ref(),
                    {ok, Token} = pando_backend:submit(S, Reference, {put, [c], data, N, one, keep, none}, true),
                    case pando_backend:cancel(Token) of
                        true ->
                            ?assertEqual(false, pando_backend:cancel(Token)),
                            cancelled;
                        false ->
                            receive
                                {pando_reply, Reference, ok} -> answered
                            end
                    end
                end
             || N <- lists:seq(1, 2000)
            ],
            ok = pando:put(S, [c], last),
            ?assertEqual([], all_messages()),
            ?assert(lists:member(cancelled, Outcomes)),
            goes_on(S)
        end}
    ]).

messages_that_were_there_before_test_() ->
    cases(?TIMEOUT_S, [
        {"stay, in their order", fun(S) ->
            Mine = [{pando_reply, make_ref(), N} || N <- lists:seq(1, 1000)],
            [self() ! Message || Message <- Mine],
            ok = pando:put(S, [a], 1, #{timeout => 60000}),
            ok = pando:put(S, [a], 2),
            ?assertEqual(Mine, all_messages())
        end}
    ]).
