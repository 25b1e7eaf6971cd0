%% Events: who is subscribed gets them, and what they are made into. Those of stores that start, stop and halt come from
%% stores; those of clusters are told by the test in a store's stead, as the native side has them.
-module(pando_events_tests).

-include_lib("eunit/include/eunit.hrl").

-import(pando_test_store, [title/1, new_name/0]).

-export([handle/3]).

-define(WAIT_MS, 30000).
%% As in pando_events (docs/limits.md).
-define(SUBSCRIPTIONS_MAX, 4096).

with_application(Tests) ->
    {setup, fun() -> {ok, _} = application:ensure_all_started(pando) end, fun(_) -> ok end, Tests}.

%% All that is in the mailbox. What a store tells is there when `publish' has returned.
events(Store) ->
    receive
        {pando_event, Store, Event} -> [Event | events(Store)]
    after 0 -> []
    end.

%% A process that keeps what it gets, and says so when asked.
subscriber() ->
    spawn(fun() -> subscriber([]) end).

subscriber(Got) ->
    receive
        {tell, From} -> From ! {got, self(), lists:reverse(Got)};
        Message -> subscriber([Message | Got])
    end.

got(Subscriber) ->
    Subscriber ! {tell, self()},
    receive
        {got, Subscriber, Got} -> Got
    after ?WAIT_MS -> error(not_told)
    end.

%% Ends a subscriber, and waits until that is known.
kill(Subscriber) ->
    Monitor = monitor(process, Subscriber),
    exit(Subscriber, kill),
    receive
        {'DOWN', Monitor, process, Subscriber, _} -> ok
    end,
    known().

%% Whatever was sent to the process of subscriptions before is done.
known() ->
    ok = pando_events:unsubscribe(new_name(), self()).

subscriptions_test_() ->
    with_application([
        {"come to each subscriber once, in their order, of the stores it is subscribed to", fun() ->
            {A, B} = {new_name(), new_name()},
            Other = subscriber(),
            [ok = pando_events:subscribe(Store) || Store <- [A, A, B]],
            ok = pando_events:subscribe(A, Other),
            Told = [quorum_lost, quorum_regained, {snapshot_installed, #{index => 7}}, removed],
            [ok = pando_events:publish(A, Event) || Event <- Told],
            ok = pando_events:publish(new_name(), quorum_lost),
            ?assertEqual({Told, []}, {events(A), events(B)}),
            ?assertEqual([{pando_event, A, Event} || Event <- Told], got(Other)),
            ok = pando_events:unsubscribe(A),
            ok = pando_events:publish(A, quorum_lost),
            ok = pando_events:publish(B, quorum_lost),
            ?assertEqual({[], [quorum_lost]}, {events(A), events(B)}),
            ok = pando_events:unsubscribe(B)
        end},
        {"unsubscribing what is not subscribed does nothing", fun() ->
            Store = new_name(),
            ok = pando_events:unsubscribe(Store),
            ok = pando_events:publish(Store, quorum_lost),
            ?assertEqual([], events(Store))
        end},
        {"end with their subscriber, and nothing of it stays", fun() ->
            Store = new_name(),
            Subscriber = subscriber(),
            Before = ets:info(pando_events, size),
            [ok = pando_events:subscribe(S, Subscriber) || S <- [Store, new_name()]],
            ?assertEqual(Before + 2, ets:info(pando_events, size)),
            ok = kill(Subscriber),
            ?assertEqual(Before, ets:info(pando_events, size)),
            %% One that has ended already.
            ok = pando_events:subscribe(Store, Subscriber),
            ok = known(),
            ?assertEqual(Before, ets:info(pando_events, size))
        end},
        {"outlive the process that keeps them", fun() ->
            Store = new_name(),
            Subscriber = subscriber(),
            Before = ets:info(pando_events, size),
            [ok = pando_events:subscribe(Store, Pid) || Pid <- [self(), Subscriber]],
            Process = whereis(pando_events),
            pando_test_store:quietly(fun() ->
                exit(Process, kill),
                pando_test_store:await(fun() -> not lists:member(whereis(pando_events), [undefined, Process]) end)
            end),
            ok = pando_events:publish(Store, quorum_lost),
            ?assertEqual([quorum_lost], events(Store)),
            %% The new one watches them, too.
            ok = kill(Subscriber),
            ok = pando_events:unsubscribe(Store),
            %% The store is counted from its first event on.
            ?assertEqual(Before + 1, ets:info(pando_events, size))
        end},
        {"are counted", fun() ->
            Store = new_name(),
            ?assertNot(is_map_key(Store, pando_events:published_counts())),
            [ok = pando_events:publish(Store, quorum_lost) || _ <- lists:seq(1, 3)],
            ?assertMatch(#{Store := 3}, pando_events:published_counts())
        end},
        {"have a limit for the whole node, and below it there is a place again",
            {timeout, 60, fun() ->
                Store = new_name(),
                {ok, Taken} = subscribe_until_refused(Store, []),
                ?assert(length(Taken) =< ?SUBSCRIPTIONS_MAX),
                %% It is subscribed already: no place is needed.
                ok = pando_events:subscribe(Store, hd(Taken)),
                ok = pando_events:publish(Store, quorum_lost),
                [?assertEqual([{pando_event, Store, quorum_lost}], got(Subscriber)) || Subscriber <- Taken],
                [exit(Subscriber, kill) || Subscriber <- Taken],
                %% Each goes with its subscription.
                pando_test_store:await(fun() -> pando_events:subscribe(Store) =:= ok end),
                ok = pando_events:unsubscribe(Store)
            end}},
        {"are of processes of this node, by the names of stores", fun() ->
            ?assertError(function_clause, pando_events:subscribe("store")),
            ?assertError(function_clause, pando_events:subscribe(new_name(), undefined))
        end}
    ]).

subscribe_until_refused(Store, Taken) when length(Taken) =< ?SUBSCRIPTIONS_MAX ->
    Subscriber = subscriber(),
    case pando_events:subscribe(Store, Subscriber) of
        ok ->
            subscribe_until_refused(Store, [Subscriber | Taken]);
        {error, Reason} ->
            exit(Subscriber, kill),
            ?assertEqual(
                {pando, limit_exceeded, #{
                    limit => subscriptions_max, max => ?SUBSCRIPTIONS_MAX, outcome => not_applied
                }},
                Reason
            ),
            {ok, Taken}
    end.

names_of_nodes_are_atoms_test_() ->
    Node = 'a@b',
    Name = atom_to_binary(Node),
    Member = #{member_id => 7},
    with_application([
        {title(Native), fun() ->
            Store = new_name(),
            ok = pando_events:subscribe(Store),
            ok = pando_events:publish(Store, Native),
            ?assertEqual([Event], events(Store)),
            ok = pando_events:unsubscribe(Store)
        end}
     || {Native, Event} <- [
            {{leader_changed, #{leader => {7, Name}, term => 3}}, {leader_changed, #{leader => {7, Node}, term => 3}}},
            {{leader_changed, #{leader => undefined, term => 3}}, {leader_changed, #{leader => undefined, term => 3}}},
            {{member_joined, Member#{node => Name}}, {member_joined, Member#{node => Node}}},
            {{member_left, Member#{node => Name}}, {member_left, Member#{node => Node}}},
            {{role_changed, Member#{node => Name, is_voter => true}}, {role_changed, Member#{node => Node, is_voter => true}}},
            {{member_lagging, Member#{node => Name, entries => 9}}, {member_lagging, Member#{node => Node, entries => 9}}},
            {{member_caught_up, Member#{node => Name}}, {member_caught_up, Member#{node => Node}}},
            {{snapshot_installed, #{index => 7}}, {snapshot_installed, #{index => 7}}},
            {{store_halted, #{reason => <<"why">>}}, {store_halted, #{reason => <<"why">>}}},
            {removed, removed}
        ]
    ]).

%%% Telemetry, by a module of that name that the test makes, and an application of that name without anything in it

with_telemetry(Test) ->
    Forms = [
        {attribute, 1, module, telemetry},
        {attribute, 1, export, [{execute, 3}]},
        {function, 1, execute, 3, [
            {clause, 1, [{var, 1, 'E'}, {var, 1, 'M'}, {var, 1, 'D'}], [], [
                {call, 1, {remote, 1, {atom, 1, ?MODULE}, {atom, 1, handle}}, [{var, 1, 'E'}, {var, 1, 'M'}, {var, 1, 'D'}]}
            ]}
        ]}
    ],
    {ok, telemetry, Code} = compile:forms(Forms),
    {module, telemetry} = code:load_binary(telemetry, "telemetry.erl", Code),
    ok = application:load({application, telemetry, [{vsn, "1"}, {modules, []}, {applications, [kernel]}]}),
    ok = application:start(telemetry),
    true = register(?MODULE, self()),
    try
        Test()
    after
        true = unregister(?MODULE),
        %% It stops with a log entry.
        pando_test_store:quietly(fun() -> ok = application:stop(telemetry) end),
        ok = application:unload(telemetry),
        _ = code:delete(telemetry),
        _ = code:purge(telemetry),
        %% Nobody finds it any more.
        ok = pando_telemetry:event(new_name(), store_started),
        pando_test_store:await(fun() -> persistent_term:get(pando_telemetry, none) =:= none end)
    end.

%% Called by the module above.
handle([pando, cluster, removed], _, _) ->
    error(a_handler_that_fails);
handle(Event, Measurements, Metadata) ->
    ?MODULE ! {telemetry, Event, Measurements, Metadata}.

telemetry(Event) ->
    receive
        {telemetry, Event, Measurements, Metadata} -> {Measurements, Metadata}
    after ?WAIT_MS -> error({no_telemetry, Event})
    end.

telemetry_test_() ->
    with_application([
        {"gets what stores tell",
            {timeout, 60, fun() ->
                with_telemetry(fun() ->
                    S = new_name(),
                    [
                        begin
                            ok = pando_events:publish(S, Told),
                            {#{system_time := Time} = Measured, Metadata} = telemetry(Event),
                            ?assert(is_integer(Time)),
                            ?assertEqual({Measurements, Of#{store => S}}, {maps:remove(system_time, Measured), Metadata})
                        end
                     || {Told, Event, Measurements, Of} <- [
                            {store_started, [pando, store, start], #{}, #{}},
                            {store_stopped, [pando, store, stop], #{}, #{}},
                            {{store_halted, #{reason => <<"why">>}}, [pando, store, halt], #{}, #{reason => <<"why">>}},
                            {quorum_lost, [pando, cluster, quorum_lost], #{}, #{}},
                            {{member_lagging, #{member_id => 7, node => <<"a@b">>, entries => 9}},
                                [pando, cluster, member_lagging], #{entries => 9}, #{member_id => 7, node => 'a@b'}}
                        ]
                    ],
                    %% A handler that fails: the next event comes all the same.
                    ok = pando_events:publish(S, removed),
                    ok = pando_events:publish(S, quorum_regained),
                    ?assertMatch({_, #{store := S}}, telemetry([pando, cluster, quorum_regained]))
                end)
            end}},
        {"gets writes and transactions that are waited for, and no reads",
            {timeout, 60, fun() ->
                with_telemetry(fun() ->
                    pando_test_store:with_store(fun(S) ->
                        ok = pando_telemetry:event(S, store_started),
                        _ = telemetry([pando, store, start]),
                        [
                            begin
                                _ = pando_test_calls:answer(S, fun(_) -> Call() end),
                                {Measured, Metadata} = telemetry([pando, Kind, stop]),
                                ?assertMatch(#{duration := Duration} when is_integer(Duration), Measured),
                                ?assertEqual({Kind, #{store => S, result => Result}}, {Kind, Metadata})
                            end
                         || {Kind, Result, Call} <- [
                                {put, ok, fun() -> pando:put(S, [a], 1) end},
                                {put, ok, fun() -> pando:put(S, [a], 1, #{return => token}) end},
                                {put, error, fun() -> pando:create(S, [a], 1) end},
                                {clear, ok, fun() -> pando_adv:clear_payload(S, [a]) end},
                                {delete, ok, fun() -> pando:delete(S, [b]) end},
                                {transaction, ok, fun() -> pando:transaction(S, fun() -> pando_tx:put([a], 2) end) end},
                                {transaction, error, fun() -> pando:transaction(S, fun() -> pando_tx:abort(no) end) end},
                                {transaction, ok, fun() -> pando:transaction(S, #{commands => [{put, [a], 3}]}) end}
                            ]
                        ],
                        %% Neither is told: reads, and what is not waited for.
                        {ok, 3} = pando:get(S, [a]),
                        ok = pando:put(S, [a], 4, #{async => true}),
                        ok = pando:fence(S),
                        receive
                            {telemetry, [pando, Kind, stop] = Event, _, _} when Kind =/= store -> ?assertEqual(none, Event)
                        after 0 -> ok
                        end
                    end)
                end)
            end}},
        {"is not called where it is not", fun() ->
            pando_test_store:with_store(fun(S) ->
                ?assertEqual(none, persistent_term:get(pando_telemetry, none)),
                ok = pando:put(S, [a], 1),
                ok = pando_events:publish(S, quorum_lost)
            end)
        end}
    ]).
