%% What becomes of callers when the program of the port backend does what it should not, or does nothing: with programs that were
%% written for that.
-module(pando_port_connection_tests).

-include_lib("eunit/include/eunit.hrl").

%% What callers are told in time, they are told within a second; so a test that waits for it waits that long, and no longer.
-define(TOLD_WITHIN_MS, 1000).
-define(TIMEOUT_S, 60).
%% As in `pando_port_call'.
-define(CALLS_MAX, 65536).
-define(QUEUE_SIZE_BYTES_MAX, 67108864).

all_test_() ->
    {inorder, [
        {spawn, {Title, {timeout, ?TIMEOUT_S, Test}}}
     || {Title, Test} <- greetings() ++ calls() ++ deaths() ++ stops()
    ]}.

%%% How it begins

greetings() ->
    [
        {"a program that sends garbage instead of a hello", refused(garbage, <<"it has sent ">>)},
        {"a program that calls before it has said who it is", refused(call_first, <<"it has not said first who it is">>)},
        {"a program of another version", refused(version, <<"it is of version 2, and this is 1">>)},
        {"a program that greets twice", refused(twice, <<"it has said twice who it is">>)},
        {"a program that is not there", fun is_not_there/0},
        {"a program that ends at once", fun ends_at_once/0},
        {"a program that says nothing is given up", fun says_nothing/0},
        {"a program that says nothing is closed at once", fun says_nothing_and_is_closed/0}
    ].

refused(Greeting, Why) ->
    fun() ->
        pando_port_fake:with_program(Greeting, fun() ->
            {Store, Connection, {error, {open_failed, <<"other">>, Text}}} = pando_port_fake:open(pando_test_store:new_name()),
            ?assertMatch({_, _}, binary:match(Text, Why)),
            ended(Connection),
            ?assertEqual({error, noproc}, pando_port:read(Store, [a], 0)),
            ok = pando_port_fake:close(Store)
        end)
    end.

is_not_there() ->
    pando_port_fake:with_program(well, fun() ->
        ok = application:set_env(pando, port_program, "/nowhere/pando_port"),
        {_, _, {error, {open_failed, <<"other">>, Text}}} = pando_port_fake:open(pando_test_store:new_name()),
        ?assertMatch({_, _}, binary:match(Text, <<"/nowhere/pando_port">>))
    end).

ends_at_once() ->
    pando_port_fake:with_script("exit 3\n", fun() ->
        {_, _, {error, {open_failed, <<"other">>, Text}}} = pando_port_fake:open(pando_test_store:new_name()),
        ?assertMatch({_, _}, binary:match(Text, <<"ended">>))
    end).

%% `sleep' never reads, and does not end when its input does.
says_nothing() ->
    pando_port_fake:with_script("exec sleep 1000\n", fun() ->
        {_, Connection, {error, {open_failed, <<"other">>, Text}}} = pando_port_fake:open(pando_test_store:new_name()),
        ?assertMatch({_, _}, binary:match(Text, <<"it has not said within">>)),
        ended(Connection)
    end).

says_nothing_and_is_closed() ->
    pando_port_fake:with_script("exec sleep 1000\n", fun() ->
        Store = pando_test_store:new_name(),
        {pando_port, Connection, _} = pando_port:open(Store, <<>>, <<>>, <<>>, <<>>, {found, <<0:128>>}, 1, #{}),
        OsPid = await_os_pid(Connection),
        ok = pando_port_fake:close(Store),
        ?assertNot(pando_port_program:is_alive(OsPid))
    end).

await_os_pid(Connection) ->
    try
        pando_port_fake:os_pid(Connection)
    catch
        error:{badmatch, []} ->
            timer:sleep(5),
            await_os_pid(Connection)
    end.

%%% Calls

calls() ->
    [
        {Title, fun() ->
            pando_port_fake:with_program(well, fun() ->
                {Store, Connection} = pando_port_fake:open(),
                try
                    Test(Store, Connection)
                after
                    ok = pando_port_fake:close(Store)
                end,
                ?assertEqual([], pando_test_store:stray_messages())
            end)
        end}
     || {Title, Test} <- [
            {"many callers get what they asked for", fun many_callers/2},
            {"what a call raises is raised in the caller", fun raised/2},
            {"large results and large arguments come whole, and small ones meanwhile", fun large/2},
            {"a reply with terms is decoded by who asks", fun echo/2},
            {"a refusal comes as the reply", fun refusal/2},
            {"a call that is given up without a reply has an unknown outcome", fun given_up/2},
            {"writes for nobody and with correlations", fun correlations/2},
            {"a reply that comes before the result of its call is no less a reply", fun early_reply/2},
            {"what nobody answers is heard", fun notes/2},
            {"messages to other processes", fun sent/2},
            {"what its client has made goes with it", fun client_dies/2},
            {"a large call of which the client dies is forgotten", fun client_dies_in_between/2},
            {"of very many cursors the oldest goes", fun many_cursors/2},
            {"a cursor that was read to its end is let go, and so is one that was closed", fun cursors/2},
            {"a cancelled call is never answered", fun cancelled/2},
            {"what a store tells its owner", fun owner_is_told/2},
            {"counters are as before when all is done", fun counters/2},
            {"system messages", fun system_messages/2}
        ]
    ].

many_callers(Store, _Connection) ->
    Results = pando_test_store:parallel(50, fun(N) ->
        [{ok, {N, K}} = pando_port:get_data(Store, [value, {N, K}]) || K <- lists:seq(1, 200)],
        N
    end),
    ?assertEqual(lists:seq(1, 50), Results).

raised(Store, _Connection) ->
    ?assertError(badarg, pando_port:get_data(Store, [raise, badarg])),
    ?assertError({panic, <<"text">>}, pando_port:get_data(Store, [raise, {panic, <<"text">>}])),
    ?assertEqual({ok, 1}, pando_port:get_data(Store, [value, 1])).

large(Store, _Connection) ->
    Size = 10000000,
    Value = binary:copy(<<"v">>, Size),
    Large = spawn_monitor(fun() ->
        [
            begin
                {ok, Size} = pando_port:get_data(Store, [byte_size, Value]),
                {ok, Got} = pando_port:get_data(Store, [large, Size]),
                Size = byte_size(Got),
                Reference = make_ref(),
                ok = pando_port:submit(Store, Reference, put_request([large, Size], none), false),
                {ok, Answer} = pando_port:answer(answer(Reference)),
                Size = byte_size(Answer)
            end
         || _ <- [1, 2, 3]
        ]
    end),
    Small = small_calls(Store, Large, 0),
    ?debugFmt("~b small calls beside 90 MB", [Small]),
    ?assert(Small > 0).

small_calls(Store, {Pid, Monitor} = Large, Count) ->
    receive
        {'DOWN', Monitor, process, Pid, Reason} ->
            ?assertEqual(normal, Reason),
            Count
    after 0 ->
        {ok, Count} = pando_port:get_data(Store, [value, Count]),
        small_calls(Store, Large, Count + 1)
    end.

%% At the limit of a part, where a call begins to be a large one.
echo(Store, _Connection) ->
    [
        begin
            Value = rand:bytes(Size),
            Reference = make_ref(),
            ok = pando_port:submit(Store, Reference, put_request([echo], Value), false),
            ?assertEqual({ok, Value}, pando_port:answer(answer(Reference)))
        end
     || Size <- [0, 1] ++ lists:seq(65300, 65536, 7) ++ [131000, 131072, 200000]
    ].

answer(Reference) ->
    {answer, Answer} = reply(Reference),
    Answer.

reply(Reference) ->
    receive
        {pando_reply, Reference, Reply} -> Reply
    after 10000 -> error(no_reply)
    end.

refusal(Store, _Connection) ->
    Reference = make_ref(),
    {ok, Token} = pando_port:submit(Store, Reference, put_request([refuse, overload], 1), true),
    ?assertEqual({error, overload}, reply(Reference)),
    ?assertNot(pando_port:cancel(Token)),
    Raised = make_ref(),
    ok = pando_port:submit(Store, Raised, put_request([raise, badarg], 1), false),
    ?assertMatch({error, {command_failed, <<_/binary>>, true}}, reply(Raised)).

given_up(Store, _Connection) ->
    Reference = make_ref(),
    ok = pando_port:submit(Store, Reference, put_request([give_up], 1), false),
    ?assertMatch({error, {command_failed, <<_/binary>>, false}}, reply(Reference)).

correlations(Store, _Connection) ->
    ?assertEqual(ok, pando_port:submit(Store, none, put_request([ok], 1), false)),
    ?assertEqual({error, overload}, pando_port:submit(Store, none, put_request([refuse, overload], 1), false)),
    From = {Store, node()},
    ok = pando_port:submit(Store, {From, 1}, put_request([ok], 1), false),
    ?assertEqual({ra_event, From, {applied, [{1, ok}]}}, event()),
    ok = pando_port:submit(Store, {From, 2}, put_request([refuse, overload], 1), false),
    ?assertEqual({ra_event, From, {applied, [{2, {error, overload}}]}}, event()),
    %% A path that may be refused: who asks is told.
    ?assertEqual({error, bad}, pando_port:submit(Store, {From, 3}, put_request([refuse, bad, {no, name}], 1), false)),
    Large = list_to_atom("ok"),
    ok = pando_port:submit(Store, {From, 4}, put_request([Large], binary:copy(<<1>>, 100000)), false),
    ?assertEqual({ra_event, From, {applied, [{4, ok}]}}, event()).

event() ->
    receive
        {ra_event, _, _} = Event -> Event
    after 10000 -> error(no_event)
    end.

early_reply(Store, _Connection) ->
    {ok, Transaction} = pando_port:transaction_begin(Store, read_write),
    Reference = make_ref(),
    {ok, Token} = pando_port:transaction_commit(Transaction, Reference, none, true),
    ?assertEqual(ok, reply(Reference)),
    ?assertNot(pando_port:cancel(Token)),
    {pando_port, _, Id} = Transaction,
    ?assertEqual([Id], released(Store)).

notes(Store, _Connection) ->
    Names = [integer_to_binary(N) || N <- lists:seq(1, 100)],
    [ok = pando_port:node_state(Store, Name, up) || Name <- Names],
    Large = binary:copy(<<"n">>, 200000),
    ok = pando_port:node_state(Store, Large, down),
    ok = pando_port:node_state(Store, <<"last">>, up),
    %% In their order.
    ?assertEqual({ok, [{Name, up} || Name <- Names] ++ [{Large, down}, {<<"last">>, up}]}, pando_port:get_data(Store, [notes])).

sent(Store, _Connection) ->
    ?assertEqual({ok, sent}, pando_port:get_data(Store, [send, self(), {pando_frame_out, <<"node">>, <<"frame">>}])),
    ?assertEqual({pando_frame_out, <<"node">>, <<"frame">>}, receive Message -> Message after 1000 -> none end).

client_dies(Store, _Connection) ->
    Self = self(),
    {Client, Monitor} = spawn_monitor(fun() ->
        {ok, Cursor} = scan(Store),
        {ok, Transaction} = pando_port:transaction_begin(Store, read_only),
        {ok, Token} = pando_port:submit(Store, make_ref(), put_request([hang], 1), true),
        {pando_port, _, {read_only, TransactionId}} = Transaction,
        Self ! {self(), [TransactionId | [Id || {pando_port, _, Id} <- [Cursor, Token]]]},
        receive
            die -> ok
        end
    end),
    Ids =
        receive
            {Client, Made} -> Made
        end,
    ?assertEqual([], released(Store)),
    Client ! die,
    receive
        {'DOWN', Monitor, process, Client, normal} -> ok
    end,
    pando_test_store:await(fun() -> lists:sort(released(Store)) =:= lists:sort(Ids) end).

client_dies_in_between(Store, Connection) ->
    OsPid = pando_port_fake:os_pid(Connection),
    %% Stopped, so that it stays in between.
    ok = pando_port_fake:signal("STOP", OsPid),
    {Client, Monitor} = spawn_monitor(fun() ->
        pando_port:get_data(Store, [byte_size, binary:copy(<<"v">>, 20000000)])
    end),
    pando_test_store:await(fun() -> has_uploaded(Connection) end),
    exit(Client, kill),
    receive
        {'DOWN', Monitor, process, Client, killed} -> ok
    end,
    ok = pando_port_fake:signal("CONT", OsPid),
    pando_test_store:await(fun() -> pando_port:get_data(Store, [parts]) =:= {ok, 0} end),
    pando_test_store:await(fun() -> length(released(Store)) =:= 1 end).

%% As much as the port takes, and more waits.
has_uploaded(Connection) ->
    {_, QueuedSizeBytes} = pando_port_fake:counters(Connection),
    QueuedSizeBytes > 0 andalso
        begin
            timer:sleep(20),
            {_, Later} = pando_port_fake:counters(Connection),
            Later =:= QueuedSizeBytes
        end.

many_cursors(Store, _Connection) ->
    Cursors = [Cursor || _ <- lists:seq(1, 1025), {ok, Cursor} <- [scan(Store)]],
    ?assertEqual(1025, length(Cursors)),
    [{pando_port, _, Oldest} = First | _] = Cursors,
    ?assertEqual([Oldest], released(Store)),
    %% Who reads on in it is not told that there is no more.
    ?assertMatch({error, {command_failed, <<_/binary>>, true}}, pando_port:scan_next(First, 10)),
    %% Transactions are no cursors.
    Transactions = [pando_port:transaction_begin(Store, read_only) || _ <- lists:seq(1, 1100)],
    ?assertEqual([Oldest], released(Store)),
    ?assertEqual(1100, length(Transactions)),
    %% Another process has its own.
    [_] = pando_test_store:parallel(1, fun(_) -> scan(Store) end),
    pando_test_store:await(fun() -> length(released(Store)) =:= 2 end).

cursors(Store, _Connection) ->
    {ok, {pando_port, _, One} = First} = scan(Store),
    {ok, {pando_port, _, Two} = Second} = scan(Store),
    ?assertMatch({more, [_, _, _]}, pando_port:scan_next(First, 10)),
    ?assertEqual({done, [{[1], One}]}, pando_port:scan_next(First, 1)),
    ?assertEqual([One], released(Store)),
    ok = pando_port:scan_close(Second),
    ?assertEqual([One, Two], released(Store)),
    %% Again: it is not there any more.
    ok = pando_port:scan_close(Second),
    ?assertEqual({done, []}, pando_port:scan_next(Second, 10)),
    ?assertEqual({done, 0}, pando_port:count_next(Second)),
    ?assertEqual([One, Two], released(Store)).

cancelled(Store, Connection) ->
    Reference = make_ref(),
    {ok, {pando_port, _, Id} = Token} = pando_port:submit(Store, Reference, put_request([hang], 1), true),
    ?assert(pando_port:cancel(Token)),
    ?assertNot(pando_port:cancel(Token)),
    ?assertEqual([Id], released(Store)),
    ?assertEqual({0, 0}, pando_port_fake:counters(Connection)),
    %% Cancelled or answered, and never both.
    Outcomes = [cancelled_or_answered(Store) || _ <- lists:seq(1, 500)],
    ?assertEqual([], [Outcome || Outcome <- Outcomes, Outcome =/= cancelled, Outcome =/= answered]).

cancelled_or_answered(Store) ->
    Reference = make_ref(),
    {ok, Token} = pando_port:submit(Store, Reference, put_request([ok], 1), true),
    _ = rand:uniform(2) =:= 1 andalso pando_port:get_data(Store, [value, 1]),
    IsCancelled = pando_port:cancel(Token),
    _ = pando_port:get_data(Store, [value, 1]),
    receive
        {pando_reply, Reference, ok} when IsCancelled -> both;
        {pando_reply, Reference, ok} -> answered
    after 0 ->
        case IsCancelled of
            true -> cancelled;
            false -> neither
        end
    end.

owner_is_told(Store, _Connection) ->
    Messages = [{pando_notice, Store, <<"a">>}, {pando_event, Store, quorum_lost}, {pando_halted, Store, <<"b">>}],
    [{ok, told} = pando_port:get_data(Store, [halt_store, Message]) || Message <- Messages],
    ?assertEqual(Messages, [receive Message -> Message after 1000 -> none end || _ <- Messages]).

counters(Store, Connection) ->
    {ok, 1} = pando_port:get_data(Store, [value, 1]),
    {ok, 200000} = pando_port:get_data(Store, [byte_size, binary:copy(<<1>>, 200000)]),
    ok = pando_port:node_state(Store, <<"a">>, up),
    ok = pando_port:node_state(Store, binary:copy(<<1>>, 200000), up),
    {ok, Cursor} = scan(Store),
    ok = pando_port:scan_close(Cursor),
    References = [make_ref() || _ <- lists:seq(1, 100)],
    [ok = pando_port:submit(Store, Reference, put_request([ok], binary:copy(<<1>>, 1000 * N)), false) ||
        {N, Reference} <- lists:zip(lists:seq(1, 100), References)],
    [ok = reply(Reference) || Reference <- References],
    {ok, 1} = pando_port:get_data(Store, [value, 1]),
    ?assertEqual({0, 0}, pando_port_fake:counters(Connection)),
    %% Nothing is kept of calls that are done.
    State = sys:get_state(Connection),
    ?assertEqual(1, map_size(element(calls_field(State), State))).

%% Of the maps of the state, `calls' is the first: the opening is in it.
calls_field(State) ->
    hd([N || N <- lists:seq(1, tuple_size(State)), is_map(element(N, State))]).

system_messages(Store, Connection) ->
    ok = sys:suspend(Connection),
    Self = self(),
    _ = spawn_link(fun() -> Self ! pando_port:get_data(Store, [value, 1]) end),
    receive
        {ok, 1} -> error(was_not_suspended)
    after 50 -> ok
    end,
    ok = sys:resume(Connection),
    receive
        {ok, 1} -> ok
    after 5000 -> error(was_not_resumed)
    end.

scan(Store) ->
    pando_port:scan(Store, [], 0, false, none, true).

put_request(Path, Value) ->
    {put, Path, data, Value, one, keep, none}.

released(Store) ->
    {ok, Released} = pando_port:get_data(Store, [released]),
    Released.

%%% How it ends

deaths() ->
    [
        {Title, fun() ->
            pando_port_fake:with_program(well, fun() ->
                {Store, Connection} = pando_port_fake:open(),
                Test(Store, Connection),
                ok = pando_port_fake:close(Store),
                ?assertEqual([], pando_test_store:stray_messages())
            end)
        end}
     || {Title, Test} <- [
            {"killed with calls in flight: all are told within a second", fun killed/2},
            {"it ends by itself", faulty([exit, 7], <<"exit status 7">>)},
            {"it sends what is no frame", faulty([garbage, <<"Segmentation fault">>], <<"it has sent ">>)},
            {"it sends a result that is no term", faulty([no_term], <<"no term">>)},
            {"it sends something for nobody", faulty([send, nobody, message], <<"something for nobody">>)},
            {"it greets again", faulty([garbage, <<8:32, 1, "PANDO", 1:16>>], <<"twice">>)},
            {"the owner of the store dies: store and program end", fun owner_dies/2},
            {"the connection is killed: the owner is told, and the program ends", fun connection_is_killed/2},
            {"another opening waits for the end of the one before", fun opened_again/2},
            {"a verification whose program ends is told so", fun verification/2}
        ]
    ].

killed(Store, Connection) ->
    OsPid = pando_port_fake:os_pid(Connection),
    Self = self(),
    Correlation = {{Store, node()}, 17},
    Reference = make_ref(),
    ok = pando_port:submit(Store, Reference, put_request([hang], 1), false),
    ok = pando_port:submit(Store, Correlation, put_request([hang], 1), false),
    {ok, Token} = pando_port:submit(Store, make_ref(), put_request([hang], 1), true),
    true = pando_port:cancel(Token),
    {ok, Cursor} = scan(Store),
    {ok, Transaction} = pando_port:transaction_begin(Store, read_only),
    {ok, Predicted} = pando_port:transaction_begin(Store, read_write),
    _ = [spawn_link(fun() -> Self ! {read, pando_port:read_quick(Store, [hang], 0)} end) || _ <- lists:seq(1, 10)],
    _ = [spawn_link(fun() -> Self ! {data, pando_port:get_data(Store, [hang])} end) || _ <- lists:seq(1, 10)],
    _ = spawn_link(fun() -> Self ! {write, pando_port:submit(Store, none, put_request([hang], 1), false)} end),
    pando_test_store:await(fun() -> element(1, pando_port_fake:counters(Connection)) =:= 23 end),
    ok = pando_port_fake:signal("KILL", OsPid),
    Told = messages(24, ?TOLD_WITHIN_MS),
    ?assertMatch([<<_/binary>>], [Text || {pando_halted, S, Text} <- Told, S =:= Store]),
    ?assertMatch([{error, {halted, <<_/binary>>, false}}], [Reply || {pando_reply, R, Reply} <- Told, R =:= Reference]),
    ?assertMatch(
        [{applied, [{17, {error, {halted, <<_/binary>>, false}}}]}], [Event || {ra_event, _From, Event} <- Told]
    ),
    ?assertMatch([{error, {halted, <<_/binary>>, false}}], [Result || {write, Result} <- Told]),
    ?assertEqual(10, length([read || {read, {error, {halted, <<_/binary>>, true}}} <- Told])),
    ?assertEqual(10, length([data || {data, slow} <- Told])),
    %% What it had made is gone, and says so.
    ?assertEqual({error, noproc}, pando_port:scan_next(Cursor, 10)),
    ?assertEqual({error, noproc}, pando_port:read(Transaction, [a], 0)),
    ?assertEqual(committed, pando_port:transaction_close(Transaction)),
    ?assertEqual(predicted, pando_port:transaction_close(Predicted)),
    ?assertNot(pando_port:transaction_came_true(Predicted)),
    ?assertEqual({error, noproc}, pando_port:submit(Store, make_ref(), put_request([ok], 1), true)),
    ?assertEqual([], [S || S <- pando_port:stores(), S =:= Store]),
    ended(Connection).

messages(0, _WaitMs) ->
    [];
messages(Count, WaitMs) ->
    UntilMs = erlang:monotonic_time(millisecond) + WaitMs,
    receive
        Message -> [Message | messages(Count - 1, max(0, UntilMs - erlang:monotonic_time(millisecond)))]
    after WaitMs -> error({missing, Count})
    end.

ended(Connection) ->
    Monitor = monitor(process, Connection),
    receive
        {'DOWN', Monitor, process, Connection, _} -> ok
    after 5000 -> error(has_not_ended)
    end.

faulty(Path, Why) ->
    fun(Store, Connection) ->
        OsPid = pando_port_fake:os_pid(Connection),
        Reference = make_ref(),
        ok = pando_port:submit(Store, Reference, put_request([hang], 1), false),
        _ = pando_port:get_data(Store, Path),
        Told = messages(2, ?TOLD_WITHIN_MS),
        ?assertMatch([{error, {halted, <<_/binary>>, false}}], [Reply || {pando_reply, R, Reply} <- Told, R =:= Reference]),
        [Text] = [Text || {pando_halted, S, Text} <- Told, S =:= Store],
        ?assertMatch({_, _}, binary:match(Text, Why)),
        ended(Connection),
        ?assertNot(pando_port_program:is_alive(OsPid))
    end.

owner_dies(_Store, _Connection) ->
    Self = self(),
    {Owner, Monitor} = spawn_monitor(fun() ->
        {Store, Connection} = pando_port_fake:open(),
        Self ! {self(), Store, Connection, pando_port_fake:os_pid(Connection)},
        receive
            die -> ok
        end
    end),
    {Store, Connection, OsPid} =
        receive
            {Owner, S, C, O} -> {S, C, O}
        end,
    Owner ! die,
    receive
        {'DOWN', Monitor, process, Owner, normal} -> ok
    end,
    ended(Connection),
    ?assertNot(pando_port_program:is_alive(OsPid)),
    ?assertEqual({error, noproc}, pando_port:read(Store, [a], 0)).

connection_is_killed(Store, Connection) ->
    OsPid = pando_port_fake:os_pid(Connection),
    {ok, Token} = pando_port:submit(Store, make_ref(), put_request([hang], 1), true),
    true = exit(Connection, kill),
    ?assertMatch([{pando_halted, Store, <<_/binary>>}], messages(1, ?TOLD_WITHIN_MS)),
    %% Nobody will answer it.
    ?assert(pando_port:cancel(Token)),
    ?assertEqual({error, noproc}, pando_port:read(Store, [a], 0)),
    pando_test_store:await(fun() -> not pando_port_program:is_alive(OsPid) end).

opened_again(Store, Connection) ->
    OsPid = pando_port_fake:os_pid(Connection),
    Self = self(),
    Other = spawn_link(fun() ->
        {Store, Next, ok} = pando_port_fake:open(Store),
        Self ! {self(), is_process_alive(Connection), pando_port_program:is_alive(OsPid), pando_port_fake:os_pid(Next)},
        receive
            {close, From} ->
                ok = pando_port_fake:close(Store),
                From ! {closed, self()}
        end
    end),
    pando_test_store:await(fun() -> pando_port_registry:newest({store, Store}) =/= Connection end),
    %% Its owner closes the first one by dying, as a rule; here it is asked to.
    Connection ! {close, self()},
    ?assertMatch([{pando_closed, Store}], messages(1, 5000)),
    [{Other, IsAlive, HasProgram, NextOsPid}] = messages(1, 10000),
    ?assertEqual({false, false}, {IsAlive, HasProgram}),
    ?assertNotEqual(OsPid, NextOsPid),
    Other ! {close, self()},
    ?assertMatch([{closed, Other}], messages(1, 5000)).

verification(Store, _Connection) ->
    ok = pando_port_fake:close(Store),
    Reference = make_ref(),
    {pando_port, Service, _} = Handle = pando_port:verify(<<"/nowhere">>, Reference),
    ?assertEqual(#{<<"a">> => 1}, pando_port:limits()),
    ok = pando_port_fake:signal("KILL", pando_port_fake:os_pid(Service)),
    ?assertMatch([{pando_verify, Reference, {ended, {error, <<_/binary>>}}}], messages(1, ?TOLD_WITHIN_MS)),
    ok = pando_port:verify_cancel(Handle),
    %% The next one has a program of its own.
    ?assertEqual(#{<<"a">> => 1}, pando_port:limits()),
    {Next, _} = pando_port_registry:service(),
    ?assertNotEqual(Service, Next),
    ok = pando_port_fake:signal("KILL", pando_port_fake:os_pid(Next)),
    ended(Next).

%%% A program that does nothing for a while

stops() ->
    [
        {"a stopped program: timeouts, overload, cancelling; then all goes on", fun() ->
            pando_port_fake:with_program(well, fun() ->
                {Store, Connection} = pando_port_fake:open(),
                OsPid = pando_port_fake:os_pid(Connection),
                ok = pando_port_fake:signal("STOP", OsPid),
                Filled =
                    try
                        stopped(Store, Connection)
                    after
                        ok = pando_port_fake:signal("CONT", OsPid)
                    end,
                goes_on(Filled, Store, Connection),
                ok = pando_port_fake:close(Store)
            end)
        end},
        {"a store that closes hears its other members, and no callers", fun hears_while_closing/0},
        {"a stopped program is ended by force when its store is closed", fun() ->
            pando_port_fake:with_program(well, fun() ->
                {Store, Connection} = pando_port_fake:open(),
                OsPid = pando_port_fake:os_pid(Connection),
                ok = pando_port_fake:signal("STOP", OsPid),
                ok = pando_port_fake:close(Store),
                ?assertNot(pando_port_program:is_alive(OsPid))
            end)
        end}
    ].

stopped(Store, Connection) ->
    Self = self(),
    %% All of these give up at the same time.
    _ = spawn_link(fun() -> Self ! {data, pando_port:get_data(Store, [value, 1])} end),
    _ = spawn_link(fun() -> Self ! {read, pando_port:read(Store, [value, 1], 0)} end),
    _ = spawn_link(fun() -> Self ! {write, pando_port:submit(Store, none, put_request([ok], 1), false)} end),
    _ = spawn_link(fun() -> Self ! {large, pando_port:get_data(Store, [byte_size, binary:copy(<<1>>, 10000000)])} end),
    _ = spawn_link(fun() -> Self ! {status, pando_port:status(Store)} end),
    Cancelled = [Token || _ <- lists:seq(1, 100), {ok, Token} <- [pando_port:submit(Store, make_ref(), put_request([ok], 1), true)]],
    ?assertEqual(100, length(Cancelled)),
    ?assert(lists:all(fun pando_port:cancel/1, Cancelled)),
    ?assertEqual(
        [{data, {error, timeout}}, {large, slow}, {read, {error, timeout}}, {status, {error, noproc}}, {write, {error, timeout}}],
        lists:sort(messages(5, 20000))
    ),
    %% Too many bytes, then too many calls: refused at once.
    Bytes = fill(Store, binary:copy(<<1>>, 30000), 0),
    ?assert(Bytes * 30000 =< ?QUEUE_SIZE_BYTES_MAX),
    ?assert((Bytes + 100) * 30000 > ?QUEUE_SIZE_BYTES_MAX div 2),
    ?assertMatch({message_queue_len, Count} when Count < 10000, process_info(Connection, message_queue_len)),
    Bytes.

fill(Store, Value, Count) when Count =< ?CALLS_MAX ->
    case pando_port:submit(Store, {{Store, node()}, Count}, put_request([ok], Value), false) of
        ok -> fill(Store, Value, Count + 1);
        {error, overload} -> Count
    end.

goes_on(Filled, Store, Connection) ->
    %% In their order.
    [?assertEqual({ra_event, {Store, node()}, {applied, [{N, ok}]}}, event()) || N <- lists:seq(0, Filled - 1)],
    ?assertEqual({ok, 1}, pando_port:get_data(Store, [value, 1])),
    ?assertEqual({ok, 0}, pando_port:get_data(Store, [parts])),
    ?assertEqual({0, 0}, pando_port_fake:counters(Connection)),
    %% What had timed out is answered to nobody.
    ?assertEqual([], pando_test_store:stray_messages()).

%% Leadership could not be handed over otherwise.
hears_while_closing() ->
    pando_port_fake:with_program(well, fun() ->
        {Store, Connection} = pando_port_fake:open(),
        ok = pando_port:node_state(Store, <<"closes@next">>, down),
        ok = pando_port:close(Store),
        pando_test_store:await(fun() -> pando_port_registry:store(Store) =:= none end),
        ?assertEqual({error, noproc}, pando_port:read(Store, [a], 0)),
        ?assertEqual(ok, pando_port:node_state(Store, <<"closes@next">>, up)),
        ?assertMatch([{pando_closed, Store}], messages(1, 5000)),
        ended(Connection),
        ?assertEqual({error, noproc}, pando_port:node_state(Store, <<"closes@next">>, up))
    end).
